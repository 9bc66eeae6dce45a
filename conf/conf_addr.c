#include "conf_addr.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "conf_value.h"

enum {
	HOST_MAX = 255
};

static bool
is_port(const char *text, size_t len, unsigned least)
{
	unsigned port = 0;

	if (len < 1 || len > 5)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		port = 10 * port + (unsigned)(text[i] - '0');
	}
	return port >= least && port <= 65535;
}

/* A numeric IPv6 address, perhaps with a zone as in fe80::1%eth0. */
static bool
is_host6(const char *text, size_t len)
{
	char host[INET6_ADDRSTRLEN];
	struct in6_addr address;
	const char *zone = memchr(text, '%', len);
	size_t host_len = zone != NULL ? (size_t)(zone - text) : len;

	if (host_len >= sizeof(host) || len - host_len > 17)
		return false;
	memcpy(host, text, host_len);
	host[host_len] = '\0';
	return inet_pton(AF_INET6, host, &address) == 1;
}

static bool
is_host(const char *text, size_t len)
{
	return len >= 1 && len <= HOST_MAX && text[0] != '-' &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyz"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") >= len;
}

/*
 * Find the parts of the address in the first len bytes of text. Returns -1
 * when they are none. "[::1]:80" gives the host without its brackets.
 */
static int
address_split(const char *text, size_t len, const char **host_r,
    size_t *host_len_r, const char **port_r)
{
	const char *colon = memrchr(text, ':', len);
	size_t host_len;

	if (colon == NULL)
		return -1;
	host_len = (size_t)(colon - text);
	*port_r = colon + 1;
	*host_r = text;
	*host_len_r = host_len;
	if (host_len >= 2 && text[0] == '[' && text[host_len - 1] == ']') {
		*host_r = text + 1;
		*host_len_r = host_len - 2;
		return is_host6(*host_r, *host_len_r) ? 0 : -1;
	}
	if (host_len == 1 && text[0] == '*')
		*host_len_r = 0;
	else if (host_len > 0 && !is_host(text, host_len))
		return -1;
	return 0;
}

int
conf_addr_listen(const char *text, struct conf_listen *listen_r,
    struct conf_why *why)
{
	size_t len = strcspn(text, " \t"), host_len;
	const char *word = text + len + strspn(text + len, " \t");
	const char *host, *port;

	listen_r->host = listen_r->port = NULL;
	listen_r->is_sp_allowed = *word == '\0';
	if (*word != '\0' && strcmp(word, "http-only") != 0) {
		conf_why_set(why,
		    "has more than an address; only the word http-only may "
		    "follow");
		return -1;
	}
	if (address_split(text, len, &host, &host_len, &port) < 0 ||
	    !is_port(port, (size_t)(text + len - port), 0)) {
		conf_why_set(why,
		    "is not an address such as 127.0.0.1:8080, [::1]:8080 or "
		    ":8080");
		return -1;
	}
	listen_r->host = strndup(host, host_len);
	listen_r->port = strndup(port, (size_t)(text + len - port));
	if (listen_r->host == NULL || listen_r->port == NULL) {
		conf_why_set(why, "does not fit into memory");
		return -1;
	}
	return 0;
}

/* "HOST:PORT" in the first len bytes, with a host. */
static bool
is_peer(const char *text, size_t len)
{
	const char *host, *port;
	size_t host_len;

	return address_split(text, len, &host, &host_len, &port) == 0 &&
	       host_len > 0 && is_port(port, (size_t)(text + len - port), 1);
}

int
conf_addr_url(const char *text, struct conf_why *why)
{
	static const struct {
		const char *scheme;
		bool has_path;
	} kinds[] = { { "tcp://", false }, { "tls+tcp://", false },
		{ "ws://", true }, { "wss://", true } };

	for (const char *c = text; *c != '\0'; c++)
		if (*c == ' ' || *c == '\t') {
			conf_why_set(why, "has a space; a URL has none");
			return -1;
		}
	if (strncmp(text, "ipc:///", 7) == 0 && text[7] != '\0' &&
	    strlen(text + 6) <= 107)
		return 0;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t len = strlen(kinds[i].scheme);
		const char *rest = text + len;
		size_t peer_len;

		if (strncmp(text, kinds[i].scheme, len) != 0)
			continue;
		peer_len =
		    kinds[i].has_path ? strcspn(rest, "/") : strlen(rest);
		if (is_peer(rest, peer_len))
			return 0;
	}
	conf_why_set(why,
	    "is not a URL such as tcp://HOST:PORT, tls+tcp://HOST:PORT, "
	    "ws://HOST:PORT/PATH, wss://HOST:PORT/PATH or ipc:///PATH");
	return -1;
}
