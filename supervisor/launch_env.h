/*
 * launch_env: the environment of a service's process, nothing inherited but
 * what is listed here: PATH, LANG, LC_ALL and TZ of the supervisor, HOME, USER,
 * LOGNAME and SHELL of the user it runs as; the variables of ipc/launch.h; and
 * the env.KEY values of its configuration, which win over the first two groups.
 */
#ifndef MSVC_SUPERVISOR_LAUNCH_ENV_H
#define MSVC_SUPERVISOR_LAUNCH_ENV_H

struct instance;
struct spawn_user;

/* A NULL-terminated array to be launch_env_free()d, or NULL (no memory). */
char **launch_env_new(const struct instance *inst,
    const struct spawn_user *user);
void launch_env_free(char ***envp);

/* The ipc:// URL of an instance's present generation, into url. */
enum {
	LAUNCH_ENV_URL_MAX = 256
};
void launch_env_url(const struct instance *inst, char *url);

#endif
