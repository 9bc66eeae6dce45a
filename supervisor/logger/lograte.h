/*
 * lograte: at most so many lines in so long, and how many there were beyond.
 *
 * A period begins with the first line behind the last one. Pure; a zeroed
 * struct lets everything through.
 */
#ifndef MSVC_SUPERVISOR_LOGGER_LOGRATE_H
#define MSVC_SUPERVISOR_LOGGER_LOGRATE_H

#include <stdbool.h>
#include <stdint.h>

struct lograte {
	uint64_t max; /* lines in a period; 0: any number */
	uint64_t period_us;
	int64_t end_us;   /* of the period */
	uint64_t count;   /* lines in it */
	uint64_t dropped; /* not yet told */
	bool is_dropping; /* in this period or the last one */
};

/* New limits; the period that runs goes on if they are the same. */
void lograte_set(struct lograte *rate, uint64_t max, uint64_t period_ms);

/*
 * May this line be written? is_first_r is set when it is the first to be
 * dropped after a period without.
 */
bool lograte_pass(struct lograte *rate, int64_t now_us, bool *is_first_r);

/*
 * When dropped lines are to be told of; INT64_MAX: there are none.
 */
int64_t lograte_due_us(const struct lograte *rate);

/* Lines dropped in periods that are over; they are told with that. */
uint64_t lograte_take(struct lograte *rate, int64_t now_us);

#endif
