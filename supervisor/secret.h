/*
 * secret: files whose content one instance can read, in a directory of its own:
 * RUN_DIR/secrets/SERVICE.INDEX.GENERATION, removed when that process is gone.
 *
 * The files are the service's user's, mode 0400. The directory is ours, mode
 * 0500, or 0550 and of the group of a user who is another one. Its path is
 * CREDENTIALS_DIRECTORY of the process, as in systemd.exec(5).
 */
#ifndef MSVC_SUPERVISOR_SECRET_H
#define MSVC_SUPERVISOR_SECRET_H

#include <stdbool.h>

struct conf_strings;
struct err;
struct spawn_user;

enum {
	SECRET_MAX = 1024 * 1024, /* bytes of one */
	SECRET_PATH_MAX = 4096,
};

/* The path of that directory. */
void secret_path(const char *run_dir, const char *service, unsigned index,
    unsigned long long generation, char path[SECRET_PATH_MAX]);

/*
 * Read secrets ("NAME=/path") and make them files in path. Returns 0, or -1
 * with err; nothing is left then.
 */
int secret_make(const char *run_dir, const char *path,
    const struct conf_strings *secrets, const struct spawn_user *user,
    struct err *err_r);

/* Remove what one instance was given, or all that is left by anybody. */
void secret_drop(const char *path);
void secret_drop_all(const char *run_dir);

/* Would they be written to a disk there? */
bool secret_is_on_disk(const char *run_dir);

#endif
