/* start and run: become the supervisor. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf/conf.h"
#include "ipc/buf.h"
#include "ipc/err.h"

#include "cmd.h"
#include "cmd_json.h"
#include "cmd_status.h"
#include "supervise.h"

/* What the daemon writes to its parent once it holds everything it needs. */
#define CMD_START_OK '+'

int
cmd_run(const struct cmd_line *line)
{
	struct supervise_options options = { .is_foreground = true };
	struct supervise *sup = NULL;
	struct conf *conf = cmd_load(line);
	char dir[PATH_MAX];
	struct err err = { "" };
	int rc = CMD_FAILED;

	if (conf == NULL || cmd_program_dir(dir) == -1)
		goto out;
	options.program_dir = dir;
	options.is_colour = cmd_is_colour(STDOUT_FILENO);
	if (supervise_new(&conf, &options, &sup, &err) == -1) {
		cmd_say("%s", err.text);
		goto out;
	}
	(void)cmd_json_out(); /* from here on there are lines of logs */
	rc = supervise_run(sup);
out:
	supervise_free(&sup);
	conf_free(&conf);
	return rc;
}

/*
 * Let go of what else the shell had open, such as the lock of a script: it
 * would stay taken for as long as we run. Returns the new place of report.
 */
static int
cmd_start_close_others(int report)
{
	const int first = STDERR_FILENO + 1;

	if (report != first && dup3(report, first, O_CLOEXEC) == -1)
		return report;
	(void)close_range((unsigned)first + 1, ~0U, 0);
	return first;
}

/* Let go of the terminal and the shell's directory. */
static void
cmd_start_detach(void)
{
	int null = open("/dev/null", O_RDWR);

	if (null != -1) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		if (null > STDERR_FILENO)
			close(null);
	}
	if (chdir("/") == -1)
		return; /* then the shell's directory stays busy, no more */
}

/* The daemon's side; never returns. report is the pipe to the parent. */
static void
cmd_start_daemon(struct conf **confp, int report)
{
	struct supervise_options options = { .is_foreground = false };
	struct supervise *sup = NULL;
	char dir[PATH_MAX];
	const char ok = CMD_START_OK;
	struct err err = { "" };
	int rc;

	report = cmd_start_close_others(report);
	if (cmd_program_dir(dir) == -1)
		_exit(CMD_FAILED);
	options.program_dir = dir;
	if (supervise_new(confp, &options, &sup, &err) == -1) {
		if (write(report, err.text, strlen(err.text)) == -1)
			cmd_say("%s", err.text);
		_exit(CMD_FAILED);
	}
	if (write(report, &ok, 1) == -1)
		_exit(CMD_FAILED);
	close(report);
	cmd_start_detach();
	rc = supervise_run(sup);
	supervise_free(&sup);
	_exit(rc);
}

/*
 * Fork twice: the daemon is then nobody's child and no session leader, so
 * that no terminal it may ever open becomes its own.
 */
static int
cmd_start_fork(struct conf **confp)
{
	int fds[2], status;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) == -1 || (pid = fork()) == -1) {
		cmd_say("fork: %s", strerror(errno));
		return -1;
	}
	if (pid == 0) {
		close(fds[0]);
		setsid();
		pid = fork();
		if (pid == 0)
			cmd_start_daemon(confp, fds[1]);
		_exit(pid == -1);
	}
	close(fds[1]);
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		continue;
	return fds[0];
}

/* Returns 0 when the daemon holds what it needs, else says why not. */
static int
cmd_start_listen(int report)
{
	char text[512];
	size_t len = 0;
	ssize_t n;

	while (len < sizeof(text) - 1) {
		n = read(report, text + len, sizeof(text) - 1 - len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	close(report);
	text[len] = '\0';
	if (len == 1 && text[0] == CMD_START_OK)
		return 0;
	cmd_say("%s", len > 0 ? text : "the supervisor did not start");
	return -1;
}

static int
cmd_start_wait(const char *run_dir, bool is_json)
{
	struct buf answer = { 0 };
	int rc = cmd_converse(run_dir, CONTROL_WAIT, NULL, 0, NULL);

	if (rc == CMD_NOT_RUNNING)
		rc = CMD_FAILED;
	else if (rc != CMD_DONE)
		cmd_say("what works keeps running; see `msvc status` and "
			"`msvc logs SERVICE`, or `msvc stop`");
	if (rc != CMD_DONE ||
	    cmd_converse(run_dir, CONTROL_STATUS, NULL, 0, &answer) != CMD_DONE)
		goto out;
	if (is_json)
		rc = cmd_status_print_json(&answer, NULL);
	else
		cmd_status_print_summary(&answer, stdout);
out:
	buf_fini(&answer);
	return rc;
}

static int
cmd_start_all(const struct cmd_line *line)
{
	struct conf *conf;
	char run_dir[PATH_MAX];
	int rc = CMD_FAILED, report;

	if (line->run_dir != NULL) {
		cmd_say("start: -r works with a running system only");
		return CMD_USAGE;
	}
	conf = cmd_load(line);
	if (conf == NULL)
		return CMD_FAILED;
	if (strlen(conf->run_dir) >= sizeof(run_dir)) {
		cmd_say("%s: path is too long", conf->run_dir);
		goto out;
	}
	snprintf(run_dir, sizeof(run_dir), "%s", conf->run_dir);
	report = cmd_start_fork(&conf);
	if (report == -1 || cmd_start_listen(report) == -1)
		goto out;
	rc = cmd_start_wait(run_dir, line->is_json);
out:
	conf_free(&conf);
	return rc;
}

int
cmd_start(const struct cmd_line *line)
{
	char run_dir[PATH_MAX];

	if (line->arg_count == 0)
		return cmd_start_all(line);
	if (cmd_run_dir(line, run_dir) == -1)
		return CMD_FAILED;
	return cmd_converse(run_dir, CONTROL_START, line->args[0], 0, NULL);
}
