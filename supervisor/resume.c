/* resume: the other side of reexec.h, in the program that takes over. */
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf.h"
#include "instance_probe.h"
#include "ipc/err.h"
#include "ipc/launch.h"
#include "ipc/log.h"
#include "keep.h"
#include "notify.h"
#include "parent.h"
#include "supervise.h"
#include "supervisor.h"

enum {
	/* Descriptors that others may take between the check and the exec. */
	RESUME_SPARE_FDS = 16,
	RESUME_TRIES = 50,
	RESUME_PAUSE_US = 100 * 1000,
};

/* "reexec-resume FD LOG_FD [TRIES]" */
struct resume {
	char *program;
	int fd;     /* the state */
	int log_fd; /* where to tell what goes wrong */
	int tries;  /* that came to nothing before this one */
};

static int
resume_load(struct supervise *sup, int fd, bool is_rehearsal, struct err *err_r)
{
	struct keep_in in = { .loop = sup->loop, .is_rehearsal = is_rehearsal };
	struct stat st;
	void *bytes;
	int rc;

	if (fstat(fd, &st) < 0 || st.st_size <= 0) {
		err_set(err_r, "descriptor %d holds no state", fd);
		return -1;
	}
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED) {
		err_set_errno(err_r, "state");
		return -1;
	}
	rc = keep_load(sup, &in, bytes, (size_t)st.st_size);
	if (rc == 0)
		rc = loop_io_add(sup->loop, &sup->notify, sup->notify_fd,
		    EPOLLIN, &in.err);
	if (rc == 0)
		rc = supervise_lend_streams(sup, &in.err);
	(void)munmap(bytes, (size_t)st.st_size);
	if (rc < 0)
		*err_r = in.err;
	return rc;
}

static int
resume_check_spare(struct err *err_r)
{
	for (int i = 0; i < RESUME_SPARE_FDS; i++) {
		if (eventfd(0, EFD_CLOEXEC) < 0) {
			err_set_errno(err_r, "descriptors to spare");
			return -1;
		}
	}
	return 0;
}

/* Nothing is touched but what this process has made itself. */
__attribute__((noreturn)) static void
resume_check(const char *program)
{
	struct supervise *sup;
	struct err err = { "" };

	sup = supervise_make(program, &err);
	if (sup != NULL &&
	    resume_load(sup, LAUNCH_FD_LIFELINE, true, &err) == 0 &&
	    resume_check_spare(&err) == 0)
		_exit(0);
	fprintf(stderr, "%s\n", err.text);
	_exit(1);
}

/*
 * It has worked in the rehearsal: memory or descriptors are short just now. An
 * exec forgets what was done of it; the state and all that it names stay open.
 * Returns when that has failed too often.
 */
static void
resume_again(const struct resume *resume, const struct err *err)
{
	char command[] = "reexec-resume", fd[16], log_fd[16], tries[16];
	char *argv[] = { resume->program, command, fd, log_fd, tries, NULL };

	if (resume->tries == 0)
		log_warnx("supervisor: cannot go on yet after reexec: %s; "
			  "trying again",
		    err->text);
	snprintf(fd, sizeof(fd), "%d", resume->fd);
	snprintf(log_fd, sizeof(log_fd), "%d", resume->log_fd);
	for (int i = resume->tries + 1; i <= RESUME_TRIES; i++) {
		(void)usleep(RESUME_PAUSE_US);
		snprintf(tries, sizeof(tries), "%d", i);
		execve(resume->program, argv, environ);
	}
}

/*
 * Our end is that of all we have started, and the logger sees to what these
 * have left (logger/sweep.h): to be killed from here it has too much to say.
 */
static int
resume_give_up(const struct err *err)
{
	log_errorx("supervisor: cannot go on after reexec: %s; killing all "
		   "services",
	    err->text);
	dprintf(STDERR_FILENO, "msvc: cannot go on after reexec: %s\n",
	    err->text);
	return 1;
}

/* What is in between two turns, or was in the hands of a child, begins anew. */
static void
resume_begin(struct supervise *sup)
{
	struct service *svc;

	parent_start(sup->loop);
	if (sup->phase == SUPERVISE_RUNNING)
		notify_parent("READY=1\n");
	schedules_step(&sup->schedules);
	TAILQ_FOREACH (svc, &sup->services.all, link) {
		for (unsigned i = 0; i < svc->count; i++)
			instance_probe(svc->instances[i]);
		if (svc->beside != NULL)
			instance_probe(svc->beside);
	}
	/* Its signal may have been taken by the one before. */
	supervise_reap(sup);
	supervise_changed(sup);
}

static int
resume_run(const struct resume *resume)
{
	struct supervise *sup;
	struct err err = { "" };
	int rc;

	log_init(resume->log_fd, LOG_LEVEL_INFO);
	sup = supervise_make(resume->program, &err);
	if (sup == NULL || resume_load(sup, resume->fd, false, &err) < 0 ||
	    supervise_open_signals(sup, &err) < 0) {
		resume_again(resume, &err);
		return resume_give_up(&err);
	}
	close(resume->fd);
	/* What a program after us has handed on, and we know nothing of. */
	(void)close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	log_init(sup->log_fd, LOG_LEVEL_INFO);
	log_info("supervisor[%d]: goes on, msvc %s, %s", (int)getpid(),
	    MSVC_VERSION, sup->conf->path);
	resume_begin(sup);
	rc = supervise_serve(sup);
	supervise_free(&sup);
	return rc;
}

bool
resume_main(int argc, char **argv, int *code_r)
{
	struct resume resume = { .program = argv[0] };

	if (argc == 2 && strcmp(argv[1], "reexec-check") == 0)
		resume_check(argv[0]);
	if (argc < 4 || argc > 5 || strcmp(argv[1], "reexec-resume") != 0)
		return false;
	resume.fd = atoi(argv[2]);
	resume.log_fd = atoi(argv[3]);
	resume.tries = argc == 5 ? atoi(argv[4]) : 0;
	*code_r = resume.fd > STDERR_FILENO ? resume_run(&resume) : 2;
	return true;
}
