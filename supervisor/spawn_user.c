#include "spawn_user.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/err.h"

void
spawn_user_fini(struct spawn_user *user)
{
	free(user->name);
	free(user->home);
	free(user->groups);
	*user = (struct spawn_user){ 0 };
}

static int
user_find(struct spawn_user *user_r, const char *name, struct err *err_r)
{
	const struct passwd *entry;

	errno = 0;
	entry = name != NULL ? getpwnam(name) : getpwuid(geteuid());
	if (entry == NULL) {
		err_set(err_r, "user \"%s\" is not known on this machine",
		    name != NULL ? name : "of the supervisor");
		return -1;
	}
	user_r->uid = entry->pw_uid;
	user_r->gid = entry->pw_gid;
	user_r->name = strdup(entry->pw_name);
	user_r->home = strdup(entry->pw_dir);
	if (user_r->name == NULL || user_r->home == NULL) {
		err_set_errno(err_r, "user");
		return -1;
	}
	return 0;
}

static int
user_find_group(const char *name, gid_t *gid_r, struct err *err_r)
{
	const struct group *entry = getgrnam(name);

	if (entry == NULL) {
		err_set(err_r, "group \"%s\" is not known on this machine",
		    name);
		return -1;
	}
	*gid_r = entry->gr_gid;
	return 0;
}

/* What initgroups(3) would set, so that the child need not look it up. */
static int
user_find_groups(struct spawn_user *user, char *const *more, size_t more_count,
    struct err *err_r)
{
	int count = 0;
	gid_t *groups;

	/* The first time only for the count. */
	(void)getgrouplist(user->name, user->gid, NULL, &count);
	if (count < 1)
		count = 1;
	groups = calloc((size_t)count + more_count, sizeof(*groups));
	user->groups = groups;
	if (groups == NULL ||
	    getgrouplist(user->name, user->gid, groups, &count) < 0) {
		err_set(err_r, "user \"%s\": cannot get its groups",
		    user->name);
		return -1;
	}
	for (size_t i = 0; i < more_count; i++, count++) {
		if (user_find_group(more[i], &groups[count], err_r) < 0)
			return -1;
	}
	user->group_count = count;
	user->has_more_groups = more_count > 0;
	return 0;
}

int
spawn_user_init(struct spawn_user *user_r, const char *user, const char *group,
    char *const *more, struct err *err_r)
{
	size_t more_count = 0;

	*user_r = (struct spawn_user){ 0 };
	while (more != NULL && more[more_count] != NULL)
		more_count++;
	if (user == NULL && group == NULL && more_count == 0)
		return 0;
	if (user_find(user_r, user, err_r) < 0 ||
	    (group != NULL &&
		user_find_group(group, &user_r->gid, err_r) < 0) ||
	    user_find_groups(user_r, more, more_count, err_r) < 0) {
		spawn_user_fini(user_r);
		return -1;
	}
	return 0;
}
