#include "program.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <unistd.h>

int
program_path(char path_r[PATH_MAX])
{
	ssize_t len = readlink("/proc/self/exe", path_r, PATH_MAX - 1);
	const char *name;

	if (len > 0) {
		path_r[len] = '\0';
		return 0;
	}
	name = (const char *)getauxval(AT_EXECFN);
	if (name == NULL) {
		errno = ENOENT;
		return -1;
	}
	return realpath(name, path_r) != NULL ? 0 : -1;
}
