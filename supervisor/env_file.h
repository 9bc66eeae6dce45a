/*
 * env_file: files of "KEY=value" lines, as EnvironmentFile= of systemd has
 * them (systemd.exec(5)).
 *
 * Empty lines and those that begin with # or ; are skipped. A value may be in
 * single quotes, where everything stands for itself, or in double quotes; a
 * backslash takes the special meaning from the character behind it, and at
 * the end of a line joins it with the next. White space around a value that is
 * not in quotes is dropped.
 */
#ifndef MSVC_SUPERVISOR_ENV_FILE_H
#define MSVC_SUPERVISOR_ENV_FILE_H

#include <stddef.h>

struct err;

/* "KEY=value" strings, in the order of the file; all zero to begin with. */
struct env_items {
	char **items; /* owned */
	size_t count;
};

void env_items_fini(struct env_items *items);

/* May that variable be set by others than msvc? Its name has len bytes. */
int env_file_check_name(const char *name, size_t len, struct err *err_r);

/*
 * Add what text, of the file called path, says. Any bytes are safe; text is
 * NUL-terminated. Returns 0, or -1 with err "path:line: what".
 */
int env_file_parse(const char *path, const char *text, size_t len,
    struct env_items *items, struct err *err_r);

/* The same with the content of the file, which is read now. */
int env_file_read(const char *path, struct env_items *items, struct err *err_r);

#endif
