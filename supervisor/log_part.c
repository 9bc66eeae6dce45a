#include "log_part.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "logger/logrec.h"
#include "logger/logrotate.h"
#include "logger/logzip.h"

enum {
	LOG_PART_BLOCK = 64 * 1024
};

static int
log_part_open_path(const char *dir, const char *name, unsigned index,
    bool is_zipped)
{
	char path[PATH_MAX];

	if (logrotate_path(dir, name, index, is_zipped, path) == -1)
		return -1;
	return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

int
log_part_open(struct log_part *part, const char *dir, const char *name,
    unsigned index)
{
	part->gz = NULL;
	part->fd = log_part_open_path(dir, name, index, false);
	if (part->fd != -1 || errno != ENOENT || index == 0)
		return part->fd != -1 ? 0 : -1;
	part->fd = log_part_open_path(dir, name, index, true);
	if (part->fd == -1)
		return -1;
	part->gz = gzdopen(part->fd, "r");
	if (part->gz != NULL)
		return 0;
	close(part->fd);
	part->fd = -1;
	errno = ENOMEM;
	return -1;
}

void
log_part_close(struct log_part *part)
{
	if (part->gz != NULL)
		gzclose(part->gz);
	else if (part->fd != -1)
		close(part->fd);
	part->gz = NULL;
	part->fd = -1;
}

ssize_t
log_part_read(struct log_part *part, uint8_t *bytes, size_t size)
{
	ssize_t n;

	if (part->gz != NULL)
		n = gzread(part->gz, bytes, (unsigned)size);
	else
		n = read(part->fd, bytes, size);
	return n > 0 ? n : 0;
}

static void
log_part_rewind(struct log_part *part)
{
	if (part->gz != NULL)
		gzrewind(part->gz);
	else
		lseek(part->fd, 0, SEEK_SET);
}

bool
log_part_restart(struct log_part *part)
{
	struct stat st;

	if (part->gz != NULL || fstat(part->fd, &st) == -1 ||
	    !S_ISREG(st.st_mode) || lseek(part->fd, 0, SEEK_CUR) <= st.st_size)
		return false;
	log_part_rewind(part);
	return true;
}

/* Go back in a plain file until count lines are behind. */
static size_t
log_part_seek_plain(struct log_part *part, size_t count)
{
	char block[LOG_PART_BLOCK];
	off_t end = lseek(part->fd, 0, SEEK_END);
	size_t found = 0; /* newlines seen, from the end */

	while (end > 0) {
		off_t start = end > LOG_PART_BLOCK ? end - LOG_PART_BLOCK : 0;
		ssize_t n =
		    pread(part->fd, block, (size_t)(end - start), start);

		if (n <= 0)
			break;
		for (ssize_t i = n; i-- > 0;) {
			if (block[i] != '\n' || found++ < count)
				continue;
			lseek(part->fd, start + i + 1, SEEK_SET);
			return count;
		}
		end = start;
	}
	lseek(part->fd, 0, SEEK_SET);
	return found;
}

size_t
log_part_seek(struct log_part *part, size_t count, size_t *skip_r)
{
	uint8_t block[LOG_PART_BLOCK];
	size_t total = 0;
	ssize_t n;

	*skip_r = 0;
	if (part->gz == NULL)
		return log_part_seek_plain(part, count);
	while ((n = log_part_read(part, block, sizeof(block))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			total += block[i] == '\n';
	}
	log_part_rewind(part);
	if (total <= count)
		return total;
	*skip_r = total - count;
	return count;
}

bool
log_part_first_time(struct log_part *part, char *time_r)
{
	uint8_t start[64];
	ssize_t len = log_part_read(part, start, sizeof(start));
	const char *time = NULL;

	if (len > 0)
		time = logrec_time((const char *)start, (size_t)len);
	if (time != NULL)
		memcpy(time_r, time, LOGREC_TIME_LEN);
	log_part_rewind(part);
	return time != NULL;
}

/* Is that compressed file ours, or what was made of ours? */
static bool
log_part_is_zipped(const struct log_part *part, const struct stat *own, int fd)
{
	uint8_t header[LOGZIP_HEADER_MAX];
	struct stat st;
	ssize_t len;

	if (fstat(fd, &st) == -1 || st.st_dev != own->st_dev)
		return false;
	if (part->gz != NULL)
		return st.st_ino == own->st_ino;
	len = pread(fd, header, sizeof(header), 0);
	return len > 0 && logzip_inode(header, (uint64_t)len) == own->st_ino;
}

int
log_part_is(const struct log_part *part, const char *dir, const char *name,
    unsigned index)
{
	struct stat own, st;
	char path[PATH_MAX];
	int fd, is_ours;

	if (fstat(part->fd, &own) == -1 ||
	    logrotate_path(dir, name, index, false, path) == -1)
		return -1;
	if (stat(path, &st) == 0)
		return st.st_ino == own.st_ino && st.st_dev == own.st_dev;
	if (index == 0)
		return -1;
	fd = log_part_open_path(dir, name, index, true);
	if (fd == -1)
		return -1;
	is_ours = log_part_is_zipped(part, &own, fd);
	close(fd);
	return is_ours;
}
