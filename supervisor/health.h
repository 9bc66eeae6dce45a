/*
 * health: from the results of probes to healthy and unhealthy.
 *
 * So many failures in a row make an instance unhealthy, so many successes in a
 * row healthy again; one result of the other kind ends a row. What could not
 * be tried counts for neither. Pure.
 */
#ifndef MSVC_SUPERVISOR_HEALTH_H
#define MSVC_SUPERVISOR_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed is valid: healthy as far as is known. */
struct health {
	unsigned failures, successes; /* in a row; one of them is 0 */
	bool is_unhealthy;
	bool is_known; /* there was a result */
};

struct health_rule {
	unsigned failures, successes; /* in a row, at least 1 */
};

enum health_news {
	HEALTH_SAME,
	HEALTH_LOST, /* unhealthy from now on */
	HEALTH_BACK, /* healthy again */
};

enum health_news health_step(struct health *health,
    const struct health_rule *rule, bool is_well);

/*
 * The wait before the next probe: interval_ms, 10 % more or less, so that
 * instances which started together are not probed together. random is any
 * number.
 */
int64_t health_delay_ms(int64_t interval_ms, uint32_t random);

/*
 * "well", "failing 2 of 3: WHY", "unhealthy: WHY", "recovering 1 of 2"; why is
 * of the last failure. Returns text, or NULL when nothing is known yet.
 */
const char *health_text(const struct health *health,
    const struct health_rule *rule, const char *why, char *text, size_t size);

#endif
