#include "reexec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control_client.h"
#include "exit_text.h"
#include "ipc/err.h"
#include "ipc/log.h"
#include "ipc/mp.h"
#include "keep.h"
#include "notify.h"
#include "parent.h"
#include "spawn.h"
#include "supervisor.h"

static void
reexec_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void
reexec_end(struct reexec *reexec)
{
	loop_timer_drop(reexec->sup->loop, &reexec->timer);
	loop_task_drop(reexec->sup->loop, &reexec->task);
	reexec_close(&reexec->said_fd);
	free(reexec->program);
	reexec->program = NULL;
}

void
reexec_fini(struct reexec *reexec)
{
	if (reexec->sup != NULL)
		reexec_end(reexec);
}

bool
reexec_is_pending(const struct reexec *reexec)
{
	return reexec->program != NULL;
}

/* Everything stays as it is. */
static void
reexec_refuse(struct reexec *reexec, const char *why)
{
	struct control_server *server = &reexec->sup->control;
	struct control_client *client, *next;

	log_errorx("supervisor: reexec refused: %s", why);
	reexec_end(reexec);
	for (client = TAILQ_FIRST(&server->clients); client != NULL;
	     client = next) {
		next = TAILQ_NEXT(client, link);
		if (client->pending == CONTROL_REEXEC)
			control_answer_error(client, why, strlen(why));
	}
}

/* Returns the memfd, close-on-exec, or -1. */
static int
reexec_save(const struct reexec *reexec, struct keep_out *out,
    struct err *err_r)
{
	const uint8_t *bytes;
	size_t left;
	ssize_t done;
	int fd;

	services_settle_reports(&reexec->sup->services);
	keep_save(reexec->sup, out);
	if (out->bytes.is_failed || out->fds.is_failed) {
		err_set(err_r, "out of memory");
		return -1;
	}
	fd = memfd_create("msvc-state", MFD_CLOEXEC);
	bytes = buf_front(&out->bytes);
	left = buf_count(&out->bytes);
	while (fd >= 0 && left > 0) {
		done = write(fd, bytes, left);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			break;
		bytes += done;
		left -= (size_t)done;
	}
	if (fd >= 0 && left == 0)
		return fd;
	err_set_errno(err_r, "memfd");
	reexec_close(&fd);
	return -1;
}

/* Keep the descriptors open across the exec, or not any more. */
static void
reexec_set_kept(const struct keep_out *out, bool is_kept)
{
	const uint8_t *at = buf_front(&out->fds);
	int fd;

	for (size_t i = 0; i < buf_count(&out->fds); i += sizeof(fd)) {
		memcpy(&fd, at + i, sizeof(fd));
		(void)fcntl(fd, F_SETFD, is_kept ? 0 : FD_CLOEXEC);
	}
}

/* Returns only when that has failed. */
static void
reexec_become(struct reexec *reexec, struct err *err_r)
{
	char number[16], log_number[16], command[] = "reexec-resume";
	char *argv[] = { reexec->program, command, number, log_number, NULL };
	struct keep_out out = { 0 };
	int fd;

	fd = reexec_save(reexec, &out, err_r);
	if (fd < 0) {
		keep_out_fini(&out);
		return;
	}
	snprintf(number, sizeof(number), "%d", fd);
	snprintf(log_number, sizeof(log_number), "%d", reexec->sup->log_fd);
	log_info("supervisor: goes on as %s", reexec->program);
	if (reexec->sup->phase == SUPERVISE_RUNNING)
		notify_parent_reloading();
	probes_cancel(&reexec->sup->probes);
	reexec_set_kept(&out, true);
	(void)fcntl(fd, F_SETFD, 0);
	if (parent_export())
		execve(reexec->program, argv, environ);
	err_set_errno(err_r, "%s", reexec->program);
	reexec_set_kept(&out, false);
	parent_conceal();
	if (reexec->sup->phase == SUPERVISE_RUNNING)
		notify_parent("READY=1\n");
	keep_out_fini(&out);
	close(fd);
}

static void
reexec_on_task(struct loop_task *task)
{
	struct reexec *reexec = loop_owner(task, struct reexec, task);
	struct err err = { "" };

	if (reexec->sup->phase > SUPERVISE_RUNNING)
		err_set(&err, "the supervisor is stopping");
	else
		reexec_become(reexec, &err);
	reexec_refuse(reexec, err.text);
}

static void
reexec_on_timer(struct loop_timer *timer)
{
	struct reexec *reexec = loop_owner(timer, struct reexec, timer);

	reexec->is_late = true;
	if (reexec->pid > 0)
		(void)kill(-reexec->pid, SIGKILL);
	if (reexec->pid > 0)
		(void)kill(reexec->pid, SIGKILL);
}

void
reexec_init(struct reexec *reexec, struct supervise *sup)
{
	*reexec = (struct reexec){
		.sup = sup,
		.said_fd = -1,
		.timer = { .fn = reexec_on_timer },
		.task = { .fn = reexec_on_task },
	};
}

/* Start the new program as a child that only looks. */
static int
reexec_check(struct reexec *reexec, struct err *err_r)
{
	char command[] = "reexec-check";
	char *argv[] = { reexec->program, command, NULL };
	struct keep_out out = { 0 };
	struct spawn spawn = { .argv = argv,
		.env = environ,
		.nofile = reexec->sup->nofile };
	int said[2] = { -1, -1 };
	pid_t pid = -1;

	spawn.nofile.rlim_cur = spawn.nofile.rlim_max;
	spawn.lifeline_fd = reexec_save(reexec, &out, err_r);
	keep_out_fini(&out);
	if (spawn.lifeline_fd < 0)
		return -1;
	if (pipe2(said, O_CLOEXEC | O_NONBLOCK) < 0)
		err_set_errno(err_r, "pipe");
	else {
		spawn.out_fd = spawn.err_fd = said[1];
		pid = spawn_child(&spawn, reexec->report, err_r);
		close(said[1]);
	}
	close(spawn.lifeline_fd);
	reexec->said_fd = said[0];
	reexec->pid = pid > 0 ? pid : 0;
	return pid > 0 ? 0 : -1;
}

int
reexec_start(struct reexec *reexec, const char *program, struct err *err_r)
{
	struct supervise *sup = reexec->sup;

	if (reexec_is_pending(reexec) || reexec->pid != 0) {
		err_set(err_r, "another reexec is under way");
		return -1;
	}
	if (program == NULL)
		program = sup->program;
	if (program[0] != '/' || access(program, X_OK) < 0) {
		if (program[0] != '/')
			errno = ENOENT;
		err_set_errno(err_r, "%s", program);
		return -1;
	}
	reexec->program = strdup(program);
	reexec->is_late = false;
	if (reexec->program == NULL || reexec_check(reexec, err_r) < 0) {
		if (reexec->program == NULL)
			err_set_errno(err_r, "reexec");
		reexec_end(reexec);
		return -1;
	}
	loop_timer_set(sup->loop, &reexec->timer,
	    loop_now_us(sup->loop) + REEXEC_CHECK_MS * 1000LL);
	return 0;
}

/* The first line of what the check has said, whatever program it was. */
static void
reexec_hear(const struct reexec *reexec, char *said, size_t size)
{
	ssize_t len = read(reexec->said_fd, said, size - 1);

	said[len > 0 ? len : 0] = '\0';
	said[strcspn(said, "\n")] = '\0';
	for (; *said != '\0'; said++) {
		if (*said < ' ' || *said > '~')
			*said = '?';
	}
}

/* What the check has said, or how it ended, as one line. */
static void
reexec_explain(const struct reexec *reexec, int status, struct err *why)
{
	char said[200], how[EXIT_TEXT_MAX];

	reexec_hear(reexec, said, sizeof(said));
	exit_text(status, how);
	if (reexec->is_late)
		err_set(why, "%s: no answer within %d ms", reexec->program,
		    REEXEC_CHECK_MS);
	else if (reexec->report[0] != '\0')
		err_set(why, "%s", reexec->report);
	else
		err_set(why, "%s: %s", reexec->program,
		    said[0] != '\0' ? said : how);
}

bool
reexec_exited(struct reexec *reexec, pid_t pid, int status)
{
	struct loop *loop;
	struct err why;

	if (pid != reexec->pid || pid == 0)
		return false;
	loop = reexec->sup->loop;
	reexec->pid = 0;
	loop_timer_drop(loop, &reexec->timer);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && !reexec->is_late)
		loop_task_add(loop, &reexec->task);
	else {
		reexec_explain(reexec, status, &why);
		reexec_refuse(reexec, why.text);
	}
	return true;
}

void
control_do_reexec(struct control_client *client, const uint8_t *bytes,
    size_t len)
{
	struct supervise *sup = client->server->sup;
	struct err err = { "out of memory" };
	struct mp_reader value;
	const char *text;
	char *program = NULL;
	size_t text_len;
	int rc = -1;

	if (sup->phase > SUPERVISE_RUNNING) {
		control_answer_errorf(client, "the supervisor is stopping");
		return;
	}
	if (mp_map_find(bytes, len, "args", &value) &&
	    mp_map_find(value.pos, (size_t)(value.end - value.pos), "program",
		&value) &&
	    mp_get_str(&value, &text, &text_len) == 0) {
		program = strndup(text, text_len);
		if (program != NULL)
			rc = reexec_start(&sup->reexec, program, &err);
		free(program);
	} else
		rc = reexec_start(&sup->reexec, NULL, &err);
	if (rc == 0)
		client->pending = CONTROL_REEXEC;
	else
		control_answer_errorf(client, "%s", err.text);
}
