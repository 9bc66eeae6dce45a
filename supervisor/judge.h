/*
 * judge: is the new generation of a rolling restart clearly worse?
 *
 * It is compared with the old one over the time both of them served: same
 * clients, same load, same hour. Only a clear difference counts, for going
 * back wrongly is as bad as not going back (canary analysis, Google SRE
 * Workbook, chapter 16). Pure.
 */
#ifndef MSVC_SUPERVISOR_JUDGE_H
#define MSVC_SUPERVISOR_JUDGE_H

#include <stdint.h>

/* What one generation did since both serve. */
struct judge_stats {
	uint64_t requests, failures; /* answered; of them with a failure */
	uint64_t latency_sum_us;
};

enum judge_verdict {
	JUDGE_WAIT,         /* nothing clear yet */
	JUDGE_GOOD,         /* the ramp is over: the new one takes over */
	JUDGE_WORSE_ERRORS, /* go back: it fails more often */
	JUDGE_WORSE_LATENCY /* go back: it is slower */
};

/*
 * Clearly worse, after min_requests answers of the new one, is
 *
 * - at least 3 failures, and a failure rate above the old one's by more than
 *   5 points and by more than twice the old one's;
 * - a mean latency of more than twice the old one's and more than 20 ms above
 *   it, when the old one gave min_requests answers too.
 *
 * min_requests of 0 means 1. ramp_left_us of 0 or less is the end of the ramp,
 * where whoever is not clearly worse is good, however few the requests were.
 */
enum judge_verdict judge_upgrade(const struct judge_stats *old,
    const struct judge_stats *fresh, uint64_t min_requests,
    int64_t ramp_left_us);

#endif
