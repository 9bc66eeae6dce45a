/*
 * conf_src: the bytes of one file, as sections and keys with line numbers.
 */
#ifndef MSVC_CONF_CONF_SRC_H
#define MSVC_CONF_CONF_SRC_H

#include <stddef.h>

struct conf_mistakes;
struct conf_why;

struct conf_src_handler {
	/* "[name]": name is trimmed and perhaps empty; borrowed. */
	void (*section)(void *arg, unsigned line, const char *name);
	/* "key = value": both trimmed, comment removed; borrowed. */
	void (
	    *key)(void *arg, unsigned line, const char *key, const char *value);
};

/*
 * Read a regular file of at most 64 MiB into memory that the caller frees.
 * Returns -1 with why set. Blocks on the disk.
 */
int conf_src_read(const char *path, char **bytes_r, size_t *len_r,
    struct conf_why *why);

/*
 * Go through the lines of a file. Mistakes of form (a line that is neither
 * section, key nor comment; NUL bytes) go to mistakes under the number file.
 */
void conf_src_parse(const char *bytes, size_t len, size_t file,
    struct conf_mistakes *mistakes, const struct conf_src_handler *handler,
    void *arg);

#endif
