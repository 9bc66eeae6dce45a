#include "sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "conf/conf.h"
#include "ipc/err.h"
#include "ipc/launch.h"

int
sandbox_capabilities(const struct conf_strings *names, uint64_t *bits_r,
    struct err *err_r)
{
	cap_value_t value;

	*bits_r = 0;
	for (size_t i = 0; i < names->count; i++) {
		if (cap_from_name(names->items[i], &value) < 0 || value < 0 ||
		    value > 63) {
			err_set(err_r,
			    "capability \"%s\" is not known on this machine",
			    names->items[i]);
			return -1;
		}
		*bits_r |= UINT64_C(1) << value;
	}
	return 0;
}

/* Without root's means only a kernel with Landlock keeps paths read-only. */
static int
sandbox_init_paths(struct sandbox *sandbox, const struct conf_service *conf,
    struct err *err_r)
{
	sandbox->is_tmp_private = conf->is_tmp_private;
	if (conf->read_only.count == 0)
		return 0;
	if (geteuid() == 0) {
		sandbox->read_only = &conf->read_only;
		return 0;
	}
	sandbox->landlock_fd =
	    sandbox_landlock(&conf->read_only, sandbox->own_dir, err_r);
	return sandbox->landlock_fd < 0 ? -1 : 0;
}

int
sandbox_init(struct sandbox *sandbox_r, const struct conf_service *conf,
    const char *run_dir, struct err *err_r)
{
	bool is_root = geteuid() == 0;

	memset(sandbox_r, 0, sizeof(*sandbox_r));
	sandbox_r->landlock_fd = sandbox_r->cgroup_fd = -1;
	sandbox_r->has_no_new_privileges = conf->is_no_new_privileges;
	sandbox_r->run_dir = run_dir;
	snprintf(sandbox_r->own_dir, sizeof(sandbox_r->own_dir), "%s/%s/%s",
	    run_dir, LAUNCH_PATH_SERVICE, conf->name);
	sandbox_r->has_capabilities = conf->has_capabilities;
	if (conf->has_capabilities && sandbox_capabilities(&conf->capabilities,
					  &sandbox_r->capabilities, err_r) < 0)
		return -1;
	/* The kernel takes a filter from root, or with no new privileges. */
	if (conf->seccomp == CONF_SECCOMP_DEFAULT &&
	    (is_root || conf->is_no_new_privileges)) {
		sandbox_r->filter = sandbox_filter(err_r);
		if (sandbox_r->filter == NULL)
			return -1;
	}
	if (conf->is_tmp_private && !is_root) {
		err_set(err_r, "private_tmp = yes: only root can do that");
		return -1;
	}
	return sandbox_init_paths(sandbox_r, conf, err_r);
}

void
sandbox_fini(struct sandbox *sandbox)
{
	if (sandbox->landlock_fd >= 0)
		close(sandbox->landlock_fd);
	sandbox->landlock_fd = -1;
}

/* From here on everything runs in the child. */

static int
sandbox_install_filter(const struct sandbox *sandbox)
{
	if (sandbox->filter == NULL)
		return 0;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0,
	    sandbox->filter);
}

/* What takes rights that the change of user takes away. */
int
sandbox_enter_early(const struct sandbox *sandbox, const char **what_r)
{
	if (sandbox->has_capabilities) {
		*what_r = "capabilities";
		for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++) {
			if ((sandbox->capabilities >> cap & 1) == 0 &&
			    prctl(PR_CAPBSET_DROP, cap) < 0 && geteuid() == 0)
				return -1;
		}
		if (prctl(PR_SET_KEEPCAPS, 1) < 0)
			return -1;
	}
	*what_r = "seccomp";
	return sandbox->has_no_new_privileges ? 0
					      : sandbox_install_filter(sandbox);
}

int
sandbox_enter_capabilities(const struct sandbox *sandbox, const char **what_r)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	*what_r = "capabilities";
	if (!sandbox->has_capabilities)
		return 0;
	for (int i = 0; i < 2; i++) {
		data[i].permitted = data[i].effective = data[i].inheritable =
		    (uint32_t)(sandbox->capabilities >> (32 * i));
	}
	if (syscall(SYS_capset, &header, data) < 0)
		return -1;
	/* Ambient ones alone survive the exec of somebody who is not root. */
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (int cap = 0; cap < 64; cap++) {
		if ((sandbox->capabilities >> cap & 1) != 0 &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return -1;
	}
	return 0;
}

int
sandbox_enter_late(const struct sandbox *sandbox, const char **what_r)
{
	*what_r = "no_new_privileges";
	if (sandbox->has_no_new_privileges &&
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	*what_r = "read_only";
	if (sandbox->landlock_fd >= 0 &&
	    syscall(SYS_landlock_restrict_self, sandbox->landlock_fd, 0) < 0)
		return -1;
	*what_r = "seccomp";
	return sandbox->has_no_new_privileges ? sandbox_install_filter(sandbox)
					      : 0;
}
