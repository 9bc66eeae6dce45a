#include "conf_probe.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "conf.h"
#include "conf_addr.h"
#include "conf_value.h"
#include "conf_words.h"

void
conf_probe_fini(struct conf_probe *probe)
{
	free(probe->text);
	free(probe->host);
	free(probe->port);
	free(probe->path);
	conf_words_fini(&probe->argv);
	*probe = (struct conf_probe){ .kind = CONF_PROBE_NONE };
}

bool
conf_probe_is_equal(const struct conf_probe *left,
    const struct conf_probe *right)
{
	if (left->kind != right->kind)
		return false;
	return left->kind == CONF_PROBE_NONE ||
	       strcmp(left->text, right->text) == 0;
}

enum {
	PATH_LEN_MAX = 1024
};

/*
 * The supervisor must not wait for a name service. An IPv6 address was found
 * to be one already.
 */
static bool
is_numeric(const char *host)
{
	struct in_addr address;

	return strchr(host, ':') != NULL || strcmp(host, "localhost") == 0 ||
	       inet_pton(AF_INET, host, &address) == 1;
}

/* "HOST:PORT" of the first len bytes; a probe needs both. */
static int
address_parse(const char *text, size_t len, struct conf_probe *probe,
    struct conf_why *why)
{
	char *address = strndup(text, len);
	struct conf_listen listen = { NULL, NULL, false, { NULL, 0 } };
	int rc = -1;

	if (address != NULL && conf_addr_listen(address, &listen, why) == 0 &&
	    listen.is_sp_allowed && strtoul(listen.port, NULL, 10) != 0 &&
	    is_numeric(listen.host))
		rc = 0;
	free(address);
	probe->host = listen.host;
	probe->port = listen.port;
	return rc;
}

/* Visible ASCII and not too long: it goes into a request as it is. */
static bool
is_path(const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++) {
		if (text[i] <= ' ' || text[i] > '~' || text[i] == '#')
			return false;
	}
	return len <= PATH_LEN_MAX;
}

static int
http_parse(const char *text, struct conf_probe *probe, struct conf_why *why)
{
	static const char scheme[] = "http://";
	size_t len;

	if (strncmp(text, scheme, strlen(scheme)) == 0)
		text += strlen(scheme);
	len = strcspn(text, "/");
	probe->path = strdup(text[len] == '\0' ? "/" : text + len);
	if (probe->path != NULL && address_parse(text, len, probe, why) == 0 &&
	    is_path(probe->path))
		return 0;
	conf_why_set(why,
	    "is no probe such as http http://127.0.0.1:9000/health, with a "
	    "numeric address or localhost");
	return -1;
}

static int
tcp_parse(const char *text, struct conf_probe *probe, struct conf_why *why)
{
	if (address_parse(text, strlen(text), probe, why) == 0)
		return 0;
	conf_why_set(why, "is no probe such as tcp 127.0.0.1:9000, with a "
			  "numeric address or localhost");
	return -1;
}

static int
command_parse(const char *text, struct conf_probe *probe, struct conf_why *why)
{
	if (conf_words_split(&probe->argv, text, why) < 0)
		return -1;
	if (probe->argv.count > 0 && probe->argv.items[0][0] != '\0')
		return 0;
	conf_why_set(why, "has no program; write command PROGRAM");
	return -1;
}

static int
log_parse(const char *text, struct conf_probe *probe, struct conf_why *why)
{
	PCRE2_UCHAR8 message[128];
	pcre2_code *code;
	PCRE2_SIZE offset;
	int error;

	(void)probe;
	/* The options are those of the logger, which does the matching. */
	code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
	    PCRE2_UTF | PCRE2_MATCH_INVALID_UTF, &error, &offset, NULL);
	if (code != NULL) {
		pcre2_code_free(code);
		return 0;
	}
	pcre2_get_error_message(error, message, sizeof(message));
	conf_why_set(why,
	    "is no regular expression: %s at offset %zu of it; see "
	    "pcre2pattern(3)",
	    (const char *)message, (size_t)offset);
	return -1;
}

int
conf_probe_parse(const char *text, struct conf_probe *probe,
    struct conf_why *why)
{
	static const struct {
		const char *word;
		enum conf_probe_kind kind;
		int (*parse)(const char *text, struct conf_probe *probe,
		    struct conf_why *why);
	} kinds[] = {
		{ "http", CONF_PROBE_HTTP, http_parse },
		{ "tcp", CONF_PROBE_TCP, tcp_parse },
		{ "command", CONF_PROBE_COMMAND, command_parse },
		{ "log", CONF_PROBE_LOG, log_parse },
	};
	size_t len = strcspn(text, " \t");
	const char *rest = text + len + strspn(text + len, " \t");

	conf_why_set(why, "does not fit into memory");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strlen(kinds[i].word) != len || *rest == '\0' ||
		    memcmp(kinds[i].word, text, len) != 0)
			continue;
		probe->kind = kinds[i].kind;
		probe->text = strdup(rest);
		return probe->text == NULL ? -1
					   : kinds[i].parse(rest, probe, why);
	}
	conf_why_set(why, "is no probe; write http URL, tcp ADDRESS, command "
			  "WORDS or log REGEX");
	return -1;
}
