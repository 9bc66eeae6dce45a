#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/conf.h"
#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/mp.h"

#include "cmd.h"
#include "cmd_json.h"
#include "cmd_map.h"
#include "control.h"
#include "program.h"

#define CMD_CONF_DEFAULT "/etc/msvc/msvc.ini"

static void
cmd_say_lines(const char *text)
{
	size_t len;

	do {
		len = strcspn(text, "\n");
		fputs("msvc: ", stderr);
		cmd_map_print((struct cmd_text){ text, len }, len + 1, stderr);
		putc('\n', stderr);
		cmd_json_said(text, len);
		text += len + (text[len] == '\n');
	} while (*text != '\0');
}

void
cmd_say(const char *fmt, ...)
{
	va_list args;
	char *text;
	int len;

	va_start(args, fmt);
	len = vasprintf(&text, fmt, args);
	va_end(args);
	if (len == -1)
		return;
	cmd_say_lines(text);
	free(text);
}

bool
cmd_is_colour(int fd)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fd) && (no_color == NULL || no_color[0] == '\0') &&
	       term != NULL && strcmp(term, "dumb") != 0;
}

const char *
cmd_conf_path(const struct cmd_line *line)
{
	const char *path = getenv("MSVC_CONF");

	if (line->conf_path != NULL)
		return line->conf_path;
	if (path != NULL && path[0] != '\0')
		return path;
	if (access("msvc.ini", F_OK) == 0)
		return "msvc.ini";
	return CMD_CONF_DEFAULT;
}

struct conf *
cmd_load(const struct cmd_line *line)
{
	struct conf_report report = { 0 };
	struct conf *conf = NULL;

	if (conf_load(cmd_conf_path(line), &conf, &report) == -1) {
		for (size_t i = 0; i < report.count; i++)
			cmd_say("%s", report.lines[i]);
	}
	conf_report_fini(&report);
	return conf;
}

int
cmd_run_dir(const struct cmd_line *line, char path_r[PATH_MAX])
{
	char *dir = NULL;
	int rc = -1;

	if (line->run_dir != NULL)
		dir = strdup(line->run_dir);
	else
		conf_load_dirs(cmd_conf_path(line), &dir, NULL, NULL);
	if (dir == NULL && access(cmd_conf_path(line), R_OK) == -1)
		cmd_say("%s: %s", cmd_conf_path(line), strerror(errno));
	else if (dir == NULL)
		cmd_say("%s: does not tell the run directory; msvc check says "
			"why, and with -r DIR it is not needed",
		    cmd_conf_path(line));
	else if (strlen(dir) >= PATH_MAX)
		cmd_say("%s: path is too long", dir);
	else
		rc = 0;
	if (rc == 0)
		snprintf(path_r, PATH_MAX, "%s", dir);
	free(dir);
	return rc;
}

int
cmd_program_dir(char path_r[PATH_MAX])
{
	char *slash;

	if (program_path(path_r) == -1) {
		cmd_say("cannot find out where msvc is: %s", strerror(errno));
		return -1;
	}
	slash = strrchr(path_r, '/');
	if (slash != NULL)
		*slash = '\0';
	return 0;
}

/* A string of an answer as text of its own, or NULL. */
static char *
cmd_answer_text(const struct buf *answer, const char *key)
{
	struct mp_reader value;
	const char *str;
	size_t len;

	if (!mp_map_find(buf_front(answer), buf_count(answer), key, &value) ||
	    mp_get_str(&value, &str, &len) == -1)
		return NULL;
	return strndup(str, len);
}

/*
 * Handle one message. Returns true when it was the last one, with its exit
 * code in rc_r.
 */
static bool
cmd_take_answer(const struct buf *answer, int *rc_r)
{
	struct mp_reader value;
	bool is_ok;
	char *text = cmd_answer_text(answer, "progress");

	if (text != NULL) {
		cmd_say("%s", text);
		free(text);
		return false;
	}
	if (!mp_map_find(buf_front(answer), buf_count(answer), "ok", &value) ||
	    mp_get_bool(&value, &is_ok) == -1) {
		cmd_say("the supervisor's answer makes no sense");
		*rc_r = CMD_FAILED;
		return true;
	}
	*rc_r = is_ok ? CMD_DONE : CMD_FAILED;
	text = cmd_answer_text(answer, "error");
	if (!is_ok)
		cmd_say("%s", text != NULL ? text : "failed");
	free(text);
	return true;
}

static int
cmd_exchange(int sock, enum control_command command, const char *service,
    unsigned instance, const struct buf *args, struct buf *answer)
{
	struct err err = { "" };
	int rc = CMD_FAILED;

	if (control_request(sock, command, service, instance, args, &err) ==
	    -1) {
		cmd_say("%s", err.text);
		return CMD_FAILED;
	}
	do {
		if (control_receive(sock, answer, &err) == -1) {
			cmd_say("%s", err.text);
			return CMD_FAILED;
		}
	} while (!cmd_take_answer(answer, &rc));
	return rc;
}

/*
 * The last answer to stop comes while the supervisor still runs. Whoever ran
 * msvc stop may start it again at once, so its process must be gone.
 */
static void
cmd_await_end(int sock)
{
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);
	struct pollfd gone = { .fd = -1, .events = POLLIN };

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0)
		gone.fd = pidfd_open(peer.pid, 0);
	if (gone.fd == -1)
		return;
	while (poll(&gone, 1, -1) == -1 && errno == EINTR)
		continue;
	close(gone.fd);
}

int
cmd_converse(const char *run_dir, enum control_command command,
    const char *service, unsigned instance, struct buf *answer)
{
	return cmd_converse_args(run_dir, command, service, instance, NULL,
	    answer);
}

int
cmd_converse_args(const char *run_dir, enum control_command command,
    const char *service, unsigned instance, const struct buf *args,
    struct buf *answer)
{
	struct buf own = { 0 };
	struct err err = { "" };
	int sock, rc;

	errno = 0;
	sock = control_connect(run_dir, &err);
	if (sock == -1 && (errno == ENOENT || errno == ECONNREFUSED)) {
		cmd_say("not running (no supervisor in %s)", run_dir);
		return CMD_NOT_RUNNING;
	}
	if (sock == -1) {
		cmd_say("%s", err.text);
		return CMD_FAILED;
	}
	rc = cmd_exchange(sock, command, service, instance, args,
	    answer != NULL ? answer : &own);
	if (command == CONTROL_STOP && service == NULL && rc == CMD_DONE)
		cmd_await_end(sock);
	close(sock);
	buf_fini(&own);
	return rc;
}

int
cmd_ask_about(const char *run_dir, const char *key, char **text_r)
{
	struct buf answer = { 0 };
	struct mp_reader value;
	const char *str;
	size_t len;
	int rc = cmd_converse(run_dir, CONTROL_STATUS, NULL, 0, &answer);

	if (rc != CMD_DONE)
		goto out;
	rc = CMD_FAILED;
	if (mp_map_find(buf_front(&answer), buf_count(&answer), "status",
		&value) &&
	    mp_map_find(value.pos, (size_t)(value.end - value.pos),
		"supervisor", &value) &&
	    mp_map_find(value.pos, (size_t)(value.end - value.pos), key,
		&value) &&
	    mp_get_str(&value, &str, &len) == 0 &&
	    (*text_r = strndup(str, len)) != NULL)
		rc = CMD_DONE;
	else
		cmd_say("the supervisor's answer makes no sense");
out:
	buf_fini(&answer);
	return rc;
}
