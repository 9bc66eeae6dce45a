/* top: all instances, live, and keys to act on one. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "conf/conf_value.h"
#include "ipc/err.h"

#include "cmd.h"
#include "cmd_map.h"
#include "top.h"

enum {
	TOP_DELAY_MS = 1000,
	TOP_DELAY_MIN_MS = 100,
	TOP_DELAY_MAX_MS = 3600 * 1000,
	TOP_SILENCE_MS = 3000 /* after which it is told */
};

static volatile sig_atomic_t top_signal;

static void
top_on_signal(int number)
{
	top_signal = number;
}

/* Of a clock that only goes forward. */
static int64_t
top_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

const struct cmd_model_instance *
top_selected(const struct top *top)
{
	if (top->at >= top->row_count)
		return NULL;
	return &top->model.instances[top->rows[top->at]];
}

static struct mp_reader
top_supervisor(const struct top *top)
{
	return cmd_map_find(cmd_map_find(cmd_map_open(&top->answer), "status"),
	    "supervisor");
}

struct cmd_text
top_about(const struct top *top, const char *key)
{
	return cmd_map_text(top_supervisor(top), key);
}

int64_t
top_about_int(const struct top *top, const char *key)
{
	return cmd_map_int(top_supervisor(top), key);
}

/* A new status is there: it takes the place of the one before. */
static void
top_take(struct top *top, struct buf *answer)
{
	int64_t now_ms = top_now_ms();
	struct cmd_model model;
	unsigned *rows;

	if (cmd_model_init(&model, answer) == -1)
		return;
	rows = calloc(model.instance_count + 1, sizeof(*rows));
	if (rows == NULL) {
		cmd_model_fini(&model);
		return;
	}
	cmd_model_measure(&model);
	if (top->told_ms != 0)
		top_rates(&model, &top->model, now_ms - top->told_ms);
	cmd_model_fini(&top->model);
	buf_fini(&top->answer);
	free(top->rows);
	top->model = model;
	top->answer = *answer;
	top->rows = rows;
	*answer = (struct buf){ 0 };
	top->told_ms = now_ms;
	top->trouble[0] = '\0';
	top_arrange(top);
}

static void
top_ask(struct top *top)
{
	struct err err = { "" };

	top->asked_ms = top_now_ms();
	if (top_link_ask(&top->status, top->run_dir, CONTROL_STATUS, NULL, 0,
		&err) == 0)
		return;
	if (errno == EAGAIN)
		snprintf(top->trouble, sizeof(top->trouble),
		    "the supervisor is busy, trying again");
	else
		snprintf(top->trouble, sizeof(top->trouble),
		    "the supervisor is not running, waiting for it");
}

/* The answer to what a key has asked for. */
static void
top_take_act(struct top *top, const struct buf *answer)
{
	struct mp_reader map = cmd_map_open(answer);
	struct cmd_text error = cmd_map_text(map, "error");
	size_t used = strlen(top->note);

	/* Another key may have replaced what was noted of it. */
	if (cmd_map_bool(map, "ok") && used > 3 &&
	    strcmp(top->note + used - 3, "...") == 0)
		snprintf(top->note + used, sizeof(top->note) - used, " done");
	else if (!cmd_map_bool(map, "ok"))
		snprintf(top->note, sizeof(top->note), "%.*s", (int)error.len,
		    error.str);
}

static void
top_read_links(struct top *top, const struct pollfd *pfds)
{
	struct buf answer = { 0 };
	struct err err = { "" };
	int rc;

	if (pfds[1].revents != 0) {
		rc = top_link_read(&top->status, &answer, &err);
		if (rc > 0)
			top_take(top, &answer);
		else if (rc < 0)
			snprintf(top->trouble, sizeof(top->trouble), "%s",
			    err.text);
	}
	if (pfds[2].revents != 0) {
		rc = top_link_read(&top->act, &answer, &err);
		if (rc > 0)
			top_take_act(top, &answer);
		else if (rc < 0)
			snprintf(top->note, sizeof(top->note), "%s", err.text);
	}
	buf_fini(&answer);
}

/* Ask again when it is time, or tell for how long there was no answer. */
static void
top_tick(struct top *top)
{
	int64_t waited_ms = top_now_ms() - top->asked_ms;

	if (top->mode == TOP_LOG)
		top_log_read(&top->log);
	if (top->status.fd == -1 && waited_ms >= top->delay_ms)
		top_ask(top);
	else if (top->status.fd != -1 && waited_ms >= TOP_SILENCE_MS)
		snprintf(top->trouble, sizeof(top->trouble),
		    "no answer from the supervisor for %lld s",
		    (long long)waited_ms / 1000);
}

static int
top_timeout(const struct top *top)
{
	int64_t left_ms = top->asked_ms + top->delay_ms - top_now_ms();

	/* While nothing is answered, once a second to tell for how long. */
	if (left_ms <= 0)
		left_ms = top->status.fd != -1 ? 1000 : 0;
	return (int)left_ms;
}

static void
top_loop(struct top *top)
{
	struct pollfd pfds[3];
	int key;

	while (!top->is_over && top_signal == 0) {
		top_screen_draw(top);
		pfds[0] = (struct pollfd){ STDIN_FILENO, POLLIN, 0 };
		pfds[1] = (struct pollfd){ top->status.fd, POLLIN, 0 };
		pfds[2] = (struct pollfd){ top->act.fd, POLLIN, 0 };
		if (poll(pfds, 3, top_timeout(top)) == -1 && errno != EINTR)
			return;
		if ((pfds[0].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0)
			return;
		while ((key = top_screen_key()) != -1)
			top_key(top, key);
		top_read_links(top, pfds);
		top_tick(top);
	}
}

static void
top_catch_signals(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction action = { .sa_handler = top_on_signal };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaction(numbers[i], &action, NULL);
}

/* "2" is seconds, else it is a duration of msvc.ini(5). */
static int
top_read_delay(const char *text, int64_t *ms_r)
{
	struct conf_why why;

	*ms_r = TOP_DELAY_MS;
	if (text == NULL)
		return 0;
	*ms_r = cmd_number(text, 1, TOP_DELAY_MAX_MS / 1000) * 1000;
	if (*ms_r > 0)
		return 0;
	if (conf_value_duration(text, ms_r, &why) == 0 &&
	    *ms_r >= TOP_DELAY_MIN_MS && *ms_r <= TOP_DELAY_MAX_MS)
		return 0;
	cmd_say("top: -d \"%s\": must be seconds or a duration such as 500ms, "
		"from 100ms to 1h",
	    text);
	return -1;
}

int
cmd_top(const struct cmd_line *line)
{
	struct top top = { .order.column = TOP_NAME };
	struct buf answer = { 0 };
	char run_dir[PATH_MAX];
	int rc;

	if (top_read_delay(line->duration, &top.delay_ms) == -1)
		return CMD_USAGE;
	if (cmd_run_dir(line, run_dir) == -1)
		return CMD_FAILED;
	/* The first one may be waited for: there is nothing to show yet. */
	rc = cmd_converse(run_dir, CONTROL_STATUS, NULL, 0, &answer);
	if (rc != CMD_DONE || top_screen_open() == -1) {
		buf_fini(&answer);
		return rc != CMD_DONE ? rc : CMD_FAILED;
	}
	top.run_dir = run_dir;
	top_link_init(&top.status);
	top_link_init(&top.act);
	top.asked_ms = top_now_ms();
	top_take(&top, &answer);
	top_catch_signals();
	top_loop(&top);
	top_screen_close();
	top_link_fini(&top.status);
	top_link_fini(&top.act);
	top_log_close(&top.log);
	cmd_model_fini(&top.model);
	buf_fini(&top.answer);
	buf_fini(&answer);
	free(top.rows);
	return CMD_DONE;
}
