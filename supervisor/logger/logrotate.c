#include "logrotate.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

int
logrotate_path(const char *dir, const char *name, unsigned index,
    bool is_compressed, char path_r[PATH_MAX])
{
	int len;

	if (index == 0)
		len = snprintf(path_r, PATH_MAX, "%s/%s.log", dir, name);
	else
		len = snprintf(path_r, PATH_MAX, "%s/%s.log.%u%s", dir, name,
		    index, is_compressed ? ".gz" : "");
	if (len < 0 || len >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return 0;
}

/* Returns how many of the two forms were there, or -1. */
static int
logrotate_drop(const char *dir, const char *name, unsigned index)
{
	char path[PATH_MAX];
	int count = 0;

	for (int form = 0; form < 2; form++) {
		if (logrotate_path(dir, name, index, form == 1, path) == -1)
			return -1;
		if (unlink(path) == 0)
			count++;
		else if (errno != ENOENT)
			return -1;
	}
	return count;
}

static int
logrotate_move(const char *dir, const char *name, unsigned index)
{
	char from[PATH_MAX], to[PATH_MAX];

	for (int form = 0; form < (index == 0 ? 1 : 2); form++) {
		if (logrotate_path(dir, name, index, form == 1, from) == -1 ||
		    logrotate_path(dir, name, index + 1, form == 1, to) == -1)
			return -1;
		if (rename(from, to) == -1 && errno != ENOENT)
			return -1;
	}
	return 0;
}

/* The first index below keep that no file has; keep when there is none. */
static unsigned
logrotate_find_hole(const char *dir, const char *name, unsigned keep)
{
	char plain[PATH_MAX], whole[PATH_MAX];

	for (unsigned i = 1; i < keep; i++) {
		if (logrotate_path(dir, name, i, false, plain) == -1 ||
		    logrotate_path(dir, name, i, true, whole) == -1)
			break;
		if (access(plain, F_OK) == -1 && access(whole, F_OK) == -1)
			return i;
	}
	return keep;
}

/* Without a rotated file to be kept, the newest one goes itself. */
static int
logrotate_remove(const char *dir, const char *name)
{
	char path[PATH_MAX];

	if (logrotate_path(dir, name, 0, false, path) == -1)
		return -1;
	return unlink(path) == -1 && errno != ENOENT ? -1 : 0;
}

int
logrotate_shift(const char *dir, const char *name, unsigned keep)
{
	unsigned hole = logrotate_find_hole(dir, name, keep);

	/* Beyond keep there are more when it was larger before. */
	for (unsigned i = hole < keep ? keep + 1 : keep; i <= LOGROTATE_MAX;
	     i++) {
		int count = i == 0 ? 1 : logrotate_drop(dir, name, i);

		if (count == -1)
			return -1;
		if (count == 0)
			break;
	}
	if (keep == 0)
		return logrotate_remove(dir, name);
	for (unsigned i = hole; i-- > 0;) {
		if (logrotate_move(dir, name, i) == -1)
			return -1;
	}
	return 0;
}
