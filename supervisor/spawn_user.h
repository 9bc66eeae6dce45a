/*
 * spawn_user: as whom a child runs, looked up beforehand.
 */
#ifndef MSVC_SUPERVISOR_SPAWN_USER_H
#define MSVC_SUPERVISOR_SPAWN_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct err;

struct spawn_user {
	char *name;    /* owned; NULL: as we are */
	char *home;    /* owned */
	gid_t *groups; /* owned: its own, those of the machine, and more */
	int group_count;
	bool has_more_groups; /* than those of the user */
	uid_t uid;
	gid_t gid;
};

/*
 * Look up a user (may be NULL), a group (may be NULL: the user's own one) and
 * further groups (names up to a NULL; may be NULL itself). Returns 0 with
 * user_r filled, to be released by spawn_user_fini(); its name is NULL when
 * nothing was given. May block on the name service.
 */
int spawn_user_init(struct spawn_user *user_r, const char *user,
    const char *group, char *const *more, struct err *err_r);
void spawn_user_fini(struct spawn_user *user);

#endif
