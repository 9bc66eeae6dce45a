/*
 * control_client: one connection of the control socket, inside the supervisor.
 *
 * The transport: answers are appended to a bounded buffer that goes out as the
 * client reads. Every answer may free the client: it must not be touched after
 * one.
 */
#ifndef MSVC_SUPERVISOR_CONTROL_CLIENT_H
#define MSVC_SUPERVISOR_CONTROL_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "control.h"
#include "ipc/buf.h"
#include "ipc/loop.h"
#include "supervisor.h"

struct control_scale;
struct control_server;

enum {
	CONTROL_OUT_MAX = 64 * 1024 * 1024,
	CONTROL_SILENCE_MS = 30000, /* to ask, and to read the answer */
};

/* What a client still waits for, asked again after each change of a state. */
struct control_goal {
	char service[256]; /* "": all */
	unsigned instance; /* 0: all */
	bool is_forced;    /* stop: those that require it as well */
	int64_t asked_us;
	struct reload_counts counts; /* of a reload */
};

struct control_client {
	TAILQ_ENTRY(control_client) link;
	struct control_server *server; /* borrowed */
	struct loop_io io;
	struct loop_timer timer;
	struct buf in, out;
	enum control_command pending; /* COMMAND_COUNT: nothing */
	struct control_goal goal;
	struct control_scale *scale; /* owned; while SCALE is pending */
	bool is_answered;            /* close it when out is empty */
	bool is_at_end; /* it has said all it will, and still listens */
};

void control_client_free(struct control_client **clientp);

/* Write what can be written; frees a client that is done or broken. */
void control_client_flush(struct control_client *client);

/* Begin a message; the caller appends one map. Returns where it began. */
size_t control_begin(struct control_client *client);
void control_end(struct control_client *client, size_t start);

/* The last message is out: from now on it only has to be read. */
void control_answered(struct control_client *client);
void control_answer_ok(struct control_client *client);
void control_answer_error(struct control_client *client, const char *text,
    size_t len);
void control_answer_errorf(struct control_client *client, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Carry out a command on services, or reload; most are answered when what they
 * ask for has come about. control_act.c
 */
void control_do_service(struct control_client *client,
    enum control_command command);
void control_do_reload(struct control_client *client);

/* Of a reload whose rolling restarts are over; text: what was rolled back. */
void control_answer_reload(struct control_client *client,
    const struct buf *text);

/* Append the five pairs of a reload's counts to a map. control_act.c */
void control_put_counts(struct buf *out, const struct reload_counts *counts);

/* Answer what a reload would do. control_plan.c */
void control_do_plan(struct control_client *client);

/* {"ok": true, "count": count}. control_failure.c */
void control_answer_count(struct control_client *client, unsigned count);

/*
 * Send a signal to processes; bytes is the whole request, any bytes that are a
 * map. control_signal.c
 */
void control_do_signal(struct control_client *client, const uint8_t *bytes,
    size_t len);

/*
 * Carry out quarantine or fault; bytes is the whole request, any bytes that
 * are a map. control_failure.c
 */
void control_do_failure(struct control_client *client,
    enum control_command command, const uint8_t *bytes, size_t len);

/*
 * Let another program take the supervisor's place; the client is answered by
 * that one, or when it is refused. bytes as above. reexec.c
 */
void control_do_reexec(struct control_client *client, const uint8_t *bytes,
    size_t len);

/*
 * Answer a client whose pending command has come to its end, one way or the
 * other. control_wait.c
 */
void control_client_step(struct control_client *client);

#endif
