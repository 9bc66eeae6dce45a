#include "small_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/err.h"

/* One byte more than it may have tells that it has too many. */
static int
small_file_fill(int fd, char *text, size_t max, size_t *len_r)
{
	ssize_t got;

	*len_r = 0;
	do {
		got = read(fd, text + *len_r, max + 1 - *len_r);
		if (got > 0)
			*len_r += (size_t)got;
	} while ((got > 0 && *len_r <= max) || (got < 0 && errno == EINTR));
	return got < 0 ? -1 : 0;
}

static int
small_file_get(int fd, const char *path, size_t max, char *text, size_t *len_r,
    struct err *err_r)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		err_set_errno(err_r, "%s", path);
		return -1;
	}
	if (!S_ISREG(st.st_mode)) {
		err_set(err_r, "%s: is not a regular file", path);
		return -1;
	}
	if (small_file_fill(fd, text, max, len_r) < 0) {
		err_set_errno(err_r, "%s", path);
		return -1;
	}
	if (*len_r > max) {
		err_set(err_r, "%s: has more than %zu bytes", path, max);
		return -1;
	}
	text[*len_r] = '\0';
	return 0;
}

int
small_file_read(const char *path, size_t max, char **text_r, size_t *len_r,
    struct err *err_r)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char *text = fd >= 0 ? malloc(max + 2) : NULL;
	size_t len = 0;
	int rc = -1;

	*text_r = NULL;
	if (text == NULL)
		err_set_errno(err_r, "%s", path);
	else
		rc = small_file_get(fd, path, max, text, &len, err_r);
	if (fd >= 0)
		close(fd);
	if (rc < 0) {
		free(text);
		return -1;
	}
	*text_r = text;
	if (len_r != NULL)
		*len_r = len;
	return 0;
}
