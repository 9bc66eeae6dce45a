#include "launch.h"

#include <unistd.h>

#include "conf/conf.h"
#include "instance.h"
#include "instance_limits.h"
#include "instance_probe.h"
#include "ipc/err.h"
#include "ipc/log.h"
#include "launch_env.h"
#include "secret.h"
#include "service.h"
#include "supervisor.h"

static void
launch_secret_path(const struct instance *inst, char path[SECRET_PATH_MAX])
{
	secret_path(inst->service->sup->rundir.path, inst->service->name,
	    inst->index, (unsigned long long)inst->generation, path);
}

static int
launch_secrets(const struct instance *inst, const struct spawn_user *user,
    struct err *err_r)
{
	static bool is_told;
	const char *run_dir = inst->service->sup->rundir.path;
	char path[SECRET_PATH_MAX];

	if (inst->conf->secrets.count == 0)
		return 0;
	if (!is_told && secret_is_on_disk(run_dir)) {
		is_told = true;
		log_warnx("supervisor: secrets are copied to run_dir %s, which "
			  "is on a disk; a tmpfs such as /run would keep them "
			  "in memory",
		    run_dir);
	}
	launch_secret_path(inst, path);
	return secret_make(run_dir, path, &inst->conf->secrets, user, err_r);
}

/* What only the main process has. */
static int
launch_main(struct launch *launch, struct instance *inst,
    const struct spawn_user *user, struct err *err_r)
{
	struct supervise *sup = inst->service->sup;

	if (sockets_pass(&sup->sockets, inst->conf, &launch->passed, err_r) < 0)
		return -1;
	launch->spawn.fds = launch->passed.fds;
	launch->spawn.fd_count = launch->passed.count;
	launch->spawn.fd_names = launch->passed.names;
	launch->is_mistake = true;
	if (launch_secrets(inst, user, err_r) < 0)
		return -1;
	launch->is_mistake = false;
	launch->sandbox.cgroup_fd = instance_enter_cgroup(inst);
	return 0;
}

int
launch_init(struct launch *launch, struct instance *inst,
    const struct spawn_user *user, bool is_main, struct err *err_r)
{
	struct supervise *sup = inst->service->sup;

	launch->env = NULL;
	launch->is_mistake = true;
	launch->spawn = (struct spawn){
		.argv = inst->conf->argv.items,
		.dir = launch->dir,
		.user = user->name != NULL ? user : NULL,
		.limits = &launch->limits,
		.sandbox = &launch->sandbox,
		.nofile = sup->nofile,
		.lifeline_fd = -1,
	};
	instance_dir(inst, launch->dir, sizeof(launch->dir));
	if (sandbox_init(&launch->sandbox, inst->conf, sup->rundir.path,
		err_r) < 0)
		return -1;
	if (is_main) {
		launch->is_mistake = false;
		if (launch_main(launch, inst, user, err_r) < 0)
			goto fail;
	} else {
		launch->sandbox.cgroup_fd = instance_join_cgroup(inst);
	}
	instance_make_limits(inst, inst->conf, user, &launch->limits);
	launch->is_mistake = inst->conf->env_files.count > 0;
	launch->env = launch_env_new(inst, &launch->spawn, err_r);
	if (launch->env == NULL)
		goto fail;
	launch->spawn.env = launch->env;
	launch->is_mistake = false;
	return 0;
fail:
	launch_fini(launch);
	return -1;
}

void
launch_fini(struct launch *launch)
{
	if (launch->sandbox.cgroup_fd >= 0)
		close(launch->sandbox.cgroup_fd);
	launch->sandbox.cgroup_fd = -1;
	sandbox_fini(&launch->sandbox);
	launch_env_free(&launch->env);
}
