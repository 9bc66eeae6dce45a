/*
 * launch_env: the environment of a service's process. Of these the first that
 * has a variable wins: those of ipc/launch.h; env.KEY of the configuration; its
 * env_files, the last one first; names in env_inherit; HOME, USER, LOGNAME and
 * SHELL of the user that it runs as; all of ours with env_inherit = *; and
 * PATH, LANG, LC_ALL and TZ of ours, which are inherited by all.
 */
#ifndef MSVC_SUPERVISOR_LAUNCH_ENV_H
#define MSVC_SUPERVISOR_LAUNCH_ENV_H

struct err;
struct instance;
struct spawn;

/*
 * The environment of a process that is to be made: spawn has its user, and the
 * sockets that it is passed. A NULL-terminated array to be launch_env_free()d;
 * or NULL with err. Reads files.
 */
char **launch_env_new(const struct instance *inst, const struct spawn *spawn,
    struct err *err_r);
void launch_env_free(char ***envp);

/* The ipc:// URL of an instance's present generation, into url. */
enum {
	LAUNCH_ENV_URL_MAX = 256
};
void launch_env_url(const struct instance *inst, char *url);

#endif
