#include "retry.h"

#include <string.h>

#include "budget.h"

static const struct {
	const char *cause;
	const char *objection; /* to any retry of a taken one, or NULL */
} losses[] = {
	[RETRY_LINK] = { "link-closed", NULL },
	[RETRY_DEATH] = { "service-died", NULL },
	[RETRY_CRASH] = { "service-crashed", "suspect" },
	[RETRY_BAD_ANSWER] = { "bad-response", "answered" },
	[RETRY_STALL] = { "service-stuck", "suspect" },
};

/* The reason against sending the request again, or NULL. */
static const char *
retry_objection(const struct retry_case *lost, struct budget *budget,
    int64_t now_us)
{
	if (lost->has_answer_begun)
		return "answer-begun";
	if (!lost->is_taken)
		return NULL;
	if (losses[lost->loss].objection != NULL)
		return losses[lost->loss].objection;
	if (!lost->is_idempotent)
		return "not-idempotent";
	if (lost->tries >= lost->attempts)
		return "no-attempts";
	if (lost->left_us <= 0)
		return "no-time";
	return budget_take(budget, now_us) ? NULL : "no-budget";
}

/*
 * Full jitter: anything from 0 to a bound that doubles with each try. At most
 * half the time left, for the answer needs some of it too.
 */
static int64_t
retry_delay(const struct retry_case *lost, uint32_t random)
{
	int64_t bound_us = RETRY_BASE_US;

	for (unsigned i = 2; i < lost->tries && bound_us < RETRY_MAX_US; i++)
		bound_us *= 2;
	if (bound_us > RETRY_MAX_US)
		bound_us = RETRY_MAX_US;
	if (bound_us > lost->left_us / 2)
		bound_us = lost->left_us / 2;
	return (int64_t)random % (bound_us + 1);
}

struct retry_verdict
retry_decide(const struct retry_case *lost, struct budget *budget,
    int64_t now_us, uint32_t random)
{
	const char *why = retry_objection(lost, budget, now_us);

	if (why != NULL) {
		return (struct retry_verdict){ .action = RETRY_GIVE_UP,
			.cause = losses[lost->loss].cause,
			.why = why };
	}
	if (!lost->is_taken || lost->tries <= 1)
		return (struct retry_verdict){ .action = RETRY_NOW };
	return (struct retry_verdict){ .action = RETRY_LATER,
		.delay_us = retry_delay(lost, random) };
}

bool
retry_method_is_idempotent(const char *method, size_t len)
{
	static const char *const methods[] = { "GET", "HEAD", "OPTIONS",
		"TRACE", "PUT", "DELETE" };

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (strlen(methods[i]) == len &&
		    memcmp(methods[i], method, len) == 0)
			return true;
	}
	return false;
}
