/*
 * conf_addr: addresses to listen on and URLs of services. Pure.
 */
#ifndef MSVC_CONF_CONF_ADDR_H
#define MSVC_CONF_CONF_ADDR_H

struct conf_listen;
struct conf_why;

/*
 * Split "HOST:PORT", "[V6]:PORT", ":PORT" or "*:PORT", perhaps followed by
 * the word http-only. Sets host and port of listen_r to strings that the
 * caller must free, also on failure. Returns -1 with why set when malformed.
 */
int conf_addr_listen(const char *text, struct conf_listen *listen_r,
    struct conf_why *why);

/* Check a URL of the kinds that a service may have. */
int conf_addr_url(const char *text, struct conf_why *why);

#endif
