/*
 * call: one call to another service, from svc_call() to its answer.
 */
#ifndef MSVC_SVC_CALL_H
#define MSVC_SVC_CALL_H

#include "core.h"

enum call_state {
	CALL_WAITING, /* not written yet: survives a lost connection */
	CALL_SENT,
	CALL_FAILED /* to be told in the next turn */
};

struct svc_answer {
	struct call *call;
};

struct call {
	TAILQ_ENTRY(call) link;
	struct svc *svc;
	struct svc_request *req; /* NULL for svc_call_alone() */
	enum call_state state;
	bool has_slot;
	uint32_t id;
	int64_t due_us;
	struct loop_timer timer;
	svc_answer_fn *fn;
	void *arg;
	char *what;
	struct buf meta; /* encoded entries but :deadline-ms */
	unsigned meta_count;
	struct buf payload; /* encoded */

	struct svc_answer answer;
	unsigned status;
	char error[256];
	struct buf bytes; /* the answer's meta and payload, spare bytes */
	struct payload in_meta, in;
	const uint8_t *raw;
	size_t raw_len;
	bool is_stream;
	struct buf body; /* of a streamed answer */
};

/* Send it; the link must be up. */
void call_write(struct call *call);

/* Fail with a status and text of ours; its callback is called next turn. */
void call_fail(struct call *call, unsigned status, const char *why);

/* Tell the answer to the callback and free the call. */
void call_finish(struct call *call);

/* Without telling anybody: out of all lists, then free. */
void call_detach(struct call *call);
void call_free(struct call *call);

/* A frame from the router; arg is the service (link.h). */
void call_frame(void *arg, const struct frame *frame,
    const struct sp_header *header);

#endif
