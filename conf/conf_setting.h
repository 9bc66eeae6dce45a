/*
 * conf_setting: one value on its way from the text into its field. For
 * conf_field.c and conf_field_process.c alone.
 *
 * Each function sets the field and returns 0, or -1 with why set.
 */
#ifndef MSVC_CONF_CONF_SETTING_H
#define MSVC_CONF_CONF_SETTING_H

#include <stdint.h>

struct conf_key;
struct conf_place;
struct conf_why;

struct conf_setting {
	const struct conf_key *key;
	const char *name; /* the key as written, for env.NAME */
	const char *text;
	const struct conf_place *place;
	void *base;  /* the section's struct */
	void *field; /* in base */
	struct conf_why *why;
};

/* A number within the key's bounds; a text of bounded length; a word. */
int conf_setting_number(const struct conf_setting *set, uint64_t number);
int conf_setting_text(const struct conf_setting *set);
int conf_setting_word(const struct conf_setting *set);

/* What describes a process. conf_field_process.c */
int conf_setting_int(const struct conf_setting *set);
int conf_setting_octal(const struct conf_setting *set);
int conf_setting_percent(const struct conf_setting *set);
int conf_setting_instances(const struct conf_setting *set);
int conf_setting_durations(const struct conf_setting *set);
int conf_setting_rlimit(const struct conf_setting *set);
int conf_setting_sockets(const struct conf_setting *set);
int conf_setting_capabilities(const struct conf_setting *set);
int conf_setting_secret(const struct conf_setting *set);
int conf_setting_probe(const struct conf_setting *set);
int conf_setting_ready(const struct conf_setting *set);
int conf_setting_cron(const struct conf_setting *set);
int conf_setting_zone(const struct conf_setting *set);

#endif
