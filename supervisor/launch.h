/*
 * launch: all that a process of an instance is started with, from its
 * configuration: its main process, and commands that probe it.
 */
#ifndef MSVC_SUPERVISOR_LAUNCH_H
#define MSVC_SUPERVISOR_LAUNCH_H

#include <stdbool.h>

#include "limits.h"
#include "sandbox.h"
#include "sockets.h"
#include "spawn.h"

struct err;
struct instance;

enum {
	LAUNCH_DIR_MAX = 4096
};

struct launch {
	/* Ready for spawn_child() but for argv, if it is another command, and
	 * for out_fd and err_fd. */
	struct spawn spawn;
	struct limits limits;
	struct sandbox sandbox;
	struct sockets_passed passed;
	char **env; /* owned */
	char dir[LAUNCH_DIR_MAX];
	bool is_mistake; /* it failed for what the configuration says */
};

/*
 * Prepare a start. With is_main also the sockets, secrets and control group of
 * the generation that inst now has. user is borrowed until launch_fini().
 *
 * Returns 0, to be released by launch_fini(); or -1 with err, nothing is left
 * then, and launch->is_mistake tells whether it is in vain to try again.
 */
int launch_init(struct launch *launch, struct instance *inst,
    const struct spawn_user *user, bool is_main, struct err *err_r);
void launch_fini(struct launch *launch);

#endif
