/*
 * retry: what becomes of a request whose answer will not come.
 *
 * One table and a few rules:
 *
 * - When the client has part of an answer already, it is over.
 * - A request that was not taken is sent elsewhere at once, whatever its
 *   method: no handler has seen it, so there is nothing to do twice, and
 *   neither attempts nor the budget are used up.
 * - A taken one is sent again only when it is idempotent (RFC 9110 section
 *   9.2.2), it is not a suspect of what happened, attempts are left, and so
 *   is budget. One that was answered, however badly, has had its turn.
 * - The first retry after the loss of a process or link goes at once: there
 *   is another instance, or the request is held for a new one. Others wait:
 *   exponential backoff with full jitter (as in the AWS Architecture Blog,
 *   "Exponential Backoff And Jitter", 2015).
 *
 * Pure.
 */
#ifndef MSVC_ROUTER_RETRY_H
#define MSVC_ROUTER_RETRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct budget;

enum {
	RETRY_BASE_US = 5000, /* most of the first wait; doubles */
	RETRY_MAX_US = 250000
};

enum retry_loss {
	RETRY_LINK,       /* link closed; the process lives, or who knows */
	RETRY_DEATH,      /* process died of what no request causes */
	RETRY_CRASH,      /* died or was killed for what a request can cause */
	RETRY_BAD_ANSWER, /* the answer was no valid one */
	RETRY_STALL       /* taken back from, or stuck in, a hung instance */
};

struct retry_case {
	enum retry_loss loss;
	bool is_taken;
	bool is_idempotent;    /* by its method, or because the route says so */
	bool has_answer_begun; /* some of it has gone to the client */
	unsigned tries;        /* how often it was sent so far: 1 or more */
	unsigned attempts;     /* how often a taken one may be sent in all */
	int64_t left_us;       /* until its deadline */
};

enum retry_action {
	RETRY_NOW,
	RETRY_LATER, /* after delay_us */
	RETRY_GIVE_UP
};

struct retry_verdict {
	enum retry_action action;
	int64_t delay_us; /* 0 unless RETRY_LATER; less than left_us */
	/* Of a RETRY_GIVE_UP, else NULL: words that never change. */
	const char *cause; /* of the 502: "service-died", "bad-response", ... */
	const char *why;   /* no retry: "not-idempotent", "no-budget", ... */
};

/*
 * Decide. The budget is touched only when it alone stands between a taken
 * request and its retry. random is any number, of which the jitter is made.
 * That a request which was not taken still has time is the caller's to know.
 */
struct retry_verdict retry_decide(const struct retry_case *lost,
    struct budget *budget, int64_t now_us, uint32_t random);

/* RFC 9110 section 9.2.2; methods are case-sensitive (section 9.1). */
bool retry_method_is_idempotent(const char *method, size_t len);

#endif
