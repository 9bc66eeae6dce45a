/*
 * sandbox: what a service is kept from.
 *
 * Prepared by the supervisor before there is a process, so that the child has
 * only to enter it, by system calls alone.
 */
#ifndef MSVC_SUPERVISOR_SANDBOX_H
#define MSVC_SUPERVISOR_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

struct conf_service;
struct conf_strings;
struct err;
struct sock_fprog;

enum {
	SANDBOX_PATH_MAX = 4096
};

struct sandbox {
	bool has_no_new_privileges;
	bool has_capabilities;
	uint64_t capabilities;           /* bits, with has_capabilities */
	const struct sock_fprog *filter; /* borrowed; NULL: none */
	bool is_tmp_private;
	const struct conf_strings *read_only; /* borrowed; NULL: by none */
	const char *run_dir;                  /* borrowed; stays as it is */
	char own_dir[SANDBOX_PATH_MAX];       /* stays writable */
	int landlock_fd;                      /* owned; -1: none */
	int cgroup_fd; /* borrowed: the child is born into it; -1: none */
};

/*
 * Prepare the sandbox of a process of that configuration.
 *
 * run_dir   borrowed as long as the sandbox, as is conf
 *
 * Returns 0, to be released by sandbox_fini(), or -1 with err.
 */
int sandbox_init(struct sandbox *sandbox_r, const struct conf_service *conf,
    const char *run_dir, struct err *err_r);
void sandbox_fini(struct sandbox *sandbox);

/*
 * Steps of the child, in this order; the change of user comes between the
 * first two and the others. Each returns 0, or -1 with errno and *what_r set
 * to what could not be done, where it has more than its name to tell.
 */
int sandbox_enter_mounts(const struct sandbox *sandbox, const char **what_r);
int sandbox_enter_early(const struct sandbox *sandbox, const char **what_r);
int sandbox_enter_capabilities(const struct sandbox *sandbox,
    const char **what_r);
int sandbox_enter_late(const struct sandbox *sandbox, const char **what_r);

/* "cap_chown" and so on as bits. Returns 0, or -1 with err. */
int sandbox_capabilities(const struct conf_strings *names, uint64_t *bits_r,
    struct err *err_r);

/*
 * The filter of system calls that a service never needs, made once. Borrowed;
 * NULL with err when it could not be made. sandbox_filter.c
 */
const struct sock_fprog *sandbox_filter(struct err *err_r);

/*
 * A Landlock ruleset (landlock(7)) that lets everything be written but what is
 * below those paths; own_dir is let all the same. Returns its descriptor, or -1
 * with err. sandbox_landlock.c
 */
int sandbox_landlock(const struct conf_strings *read_only, const char *own_dir,
    struct err *err_r);

#endif
