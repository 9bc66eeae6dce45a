#include "conf_src.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf_mistake.h"
#include "conf_value.h"
#include "conf_words.h"

enum {
	FILE_MAX = 64 * 1024 * 1024,
	KEY_MAX = 100
};

/*
 * inih tells a handler nothing about lines, splits a line longer than its
 * buffer, cuts a value at a ; in quotes and a section's name at 49 bytes, and
 * takes an indented line for more of the value before it; all without a word.
 * So the reader below gives it one checked "key =" line at a time, keeps the
 * value and the line number itself, and handles section lines alone.
 */
struct conf_src {
	const char *at, *end; /* the bytes not yet read */
	unsigned line;        /* number of the last line read */
	char *text;           /* that line, trimmed; owned */
	size_t text_cap;
	const char *value; /* in text: the value of that line */
	bool is_pending;   /* inih has a key line and has not answered */
	size_t file;
	struct conf_mistakes *mistakes;
	const struct conf_src_handler *handler;
	void *arg;
};

static void
src_mistake(struct conf_src *src, const char *what)
{
	conf_mistake_add(src->mistakes, src->file, src->line, "%s", what);
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t';
}

static void
text_trim(char *text)
{
	size_t len = strlen(text);

	while (len > 0 && is_space(text[len - 1]))
		text[--len] = '\0';
}

/* Copy the trimmed line to src->text. Returns -1 when it does not fit. */
static int
src_keep(struct conf_src *src, const char *line, size_t len)
{
	if (len > 0 && line[len - 1] == '\r')
		len--;
	while (len > 0 && is_space(*line)) {
		line++;
		len--;
	}
	if (len >= src->text_cap) {
		char *text = realloc(src->text, 2 * len + 256);

		if (text == NULL) {
			src_mistake(src, "line does not fit into memory");
			return -1;
		}
		src->text = text;
		src->text_cap = 2 * len + 256;
	}
	memcpy(src->text, line, len);
	src->text[len] = '\0';
	text_trim(src->text);
	return 0;
}

/* Step to the next line. Returns false at the end of what can be read. */
static bool
src_next(struct conf_src *src)
{
	const char *line = src->at, *end;
	size_t len;

	if (line >= src->end)
		return false;
	end = memchr(line, '\n', (size_t)(src->end - line));
	len = (size_t)((end != NULL ? end : src->end) - line);
	src->at = end != NULL ? end + 1 : src->end;
	src->line++;
	if (memchr(line, '\0', len) != NULL) {
		src_mistake(src,
		    "NUL byte; this must be a text file, the rest of it is "
		    "not read");
		return false;
	}
	return src_keep(src, line, len) == 0;
}

/* True when a control character was found and told. */
static bool
src_has_control(struct conf_src *src)
{
	char shown[CONF_SHOW_MAX];

	for (const char *c = src->text; *c != '\0'; c++) {
		if (!iscntrl((unsigned char)*c) || *c == '\t')
			continue;
		conf_show(shown, (char[]){ *c, '\0' });
		conf_mistake_add(src->mistakes, src->file, src->line,
		    "control character %s; use printable text, and end lines "
		    "with a newline",
		    shown);
		return true;
	}
	return false;
}

static void
src_section(struct conf_src *src)
{
	char shown[CONF_SHOW_MAX];
	char *name = src->text + 1 + strspn(src->text + 1, " \t");
	char *close = strchr(name, ']');
	const char *rest;

	if (close == NULL) {
		conf_mistake_add(src->mistakes, src->file, src->line,
		    "section \"%s\" has no closing bracket; add \"]\"",
		    conf_show(shown, name));
		src->handler->section(src->arg, src->line, NULL);
		return;
	}
	rest = close + 1 + strspn(close + 1, " \t");
	if (*rest != '\0' && *rest != ';' && *rest != '#')
		conf_mistake_add(src->mistakes, src->file, src->line,
		    "\"%s\" after the section's \"]\"; write it on a line of "
		    "its own",
		    conf_show(shown, rest));
	*close = '\0';
	text_trim(name);
	src->handler->section(src->arg, src->line, name);
}

/* Check that text is "key = value" and find the value; -1 when it is not. */
static int
src_split(struct conf_src *src)
{
	char shown[CONF_SHOW_MAX];
	size_t key_len =
	    strspn(src->text, "abcdefghijklmnopqrstuvwxyz"
			      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");
	char *equals = src->text + key_len, *comment;

	equals += strspn(equals, " \t");
	if (key_len == 0 || key_len > KEY_MAX || *equals != '=') {
		conf_mistake_add(src->mistakes, src->file, src->line,
		    "\"%s\" is not a section, key or comment; write "
		    "\"key = value\"",
		    conf_show(shown, src->text));
		return -1;
	}
	src->value = equals + 1 + strspn(equals + 1, " \t");
	/* From the = on, so that a value can be nothing but a comment. */
	comment = (char *)conf_words_comment(equals + 1);
	if (comment != NULL) {
		*comment = '\0';
		text_trim(equals);
		if (src->value > comment)
			src->value = comment;
	}
	return 0;
}

/* inih's reader: size bytes at out for the next line, or NULL at the end. */
static char *
src_gets(char *out, int size, void *arg)
{
	struct conf_src *src = arg;
	size_t len;

	while (src_next(src)) {
		if (src->text[0] == '\0' || src_has_control(src) ||
		    src->text[0] == '#' || src->text[0] == ';')
			continue;
		if (src->text[0] == '[') {
			src_section(src);
			continue;
		}
		if (src_split(src) < 0)
			continue;
		len = strcspn(src->text, "= \t");
		if (len + 3 > (size_t)size) {
			src_mistake(src, "key does not fit; shorten it");
			continue;
		}
		memcpy(out, src->text, len);
		memcpy(out + len, "=\n", 3);
		src->is_pending = true;
		return out;
	}
	return NULL;
}

static int
src_handle(void *arg, const char *section, const char *name, const char *value)
{
	struct conf_src *src = arg;

	(void)section;
	(void)value;
	src->is_pending = false;
	src->handler->key(src->arg, src->line, name, src->value);
	return 1;
}

/* Bytes of a mark in front of the text, which editors add unasked. */
static size_t
mark_len(const char *bytes, size_t len)
{
	return len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

void
conf_src_parse(const char *bytes, size_t len, size_t file,
    struct conf_mistakes *mistakes, const struct conf_src_handler *handler,
    void *arg)
{
	struct conf_src src = { .at = bytes + mark_len(bytes, len),
		.end = bytes + len,
		.file = file,
		.mistakes = mistakes,
		.handler = handler,
		.arg = arg };

	if (len >= 2 && (memcmp(bytes, "\xff\xfe", 2) == 0 ||
			    memcmp(bytes, "\xfe\xff", 2) == 0)) {
		src.line = 1;
		src_mistake(&src, "this is UTF-16; save the file as UTF-8");
		return;
	}
	if (ini_parse_stream(src_gets, &src, src_handle, &src) != 0 ||
	    src.is_pending)
		src_mistake(&src, "line could not be read; write key = value");
	free(src.text);
}

/* Read what an open file holds, at most FILE_MAX bytes. */
static int
fd_read(int fd, char **bytes_r, size_t *len_r, struct conf_why *why)
{
	size_t len = 0, cap = 0;
	ssize_t got;
	char *bytes = NULL;

	do {
		if (len == cap) {
			char *larger = realloc(bytes, 2 * cap + 16384);

			if (larger == NULL)
				goto fail;
			bytes = larger;
			cap = 2 * cap + 16384;
		}
		got = read(fd, bytes + len, cap - len);
		if (got < 0 && errno != EINTR)
			goto fail;
		len += got > 0 ? (size_t)got : 0;
		if (len > FILE_MAX) {
			errno = EFBIG;
			goto fail;
		}
	} while (got != 0);
	*bytes_r = bytes;
	*len_r = len;
	return 0;
fail:
	conf_why_set(why, "cannot be read: %s", strerror(errno));
	free(bytes);
	return -1;
}

int
conf_src_read(const char *path, char **bytes_r, size_t *len_r,
    struct conf_why *why)
{
	struct stat info;
	int rc = -1;
	/* A FIFO or device must not hold up whoever reads the config. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 || fstat(fd, &info) < 0)
		conf_why_set(why, "cannot be read: %s", strerror(errno));
	else if (!S_ISREG(info.st_mode))
		conf_why_set(why, "is not a regular file");
	else
		rc = fd_read(fd, bytes_r, len_r, why);
	if (fd >= 0)
		close(fd);
	return rc;
}
