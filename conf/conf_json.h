/*
 * conf_json: is a text JSON? Nothing is made of it. Pure.
 */
#ifndef MSVC_CONF_CONF_JSON_H
#define MSVC_CONF_CONF_JSON_H

struct conf_why;

/*
 * Does text hold exactly one JSON value (RFC 8259), nested at most 32 deep?
 * Bytes over 0x7f are let through in strings. Returns 0, or -1 with why set
 * to a phrase that names the byte, from 1.
 */
int conf_json_check(const char *text, struct conf_why *why);

#endif
