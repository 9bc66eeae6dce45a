#include "health.h"

#include <stdio.h>

enum {
	HEALTH_JITTER = 10 /* a tenth in each direction */
};

enum health_news
health_step(struct health *health, const struct health_rule *rule, bool is_well)
{
	health->is_known = true;
	if (is_well) {
		health->failures = 0;
		/* Neither counts on beyond what can matter. */
		if (health->successes < rule->successes)
			health->successes++;
		if (!health->is_unhealthy ||
		    health->successes < rule->successes)
			return HEALTH_SAME;
		health->is_unhealthy = false;
		return HEALTH_BACK;
	}
	health->successes = 0;
	if (health->failures < rule->failures)
		health->failures++;
	if (health->is_unhealthy || health->failures < rule->failures)
		return HEALTH_SAME;
	health->is_unhealthy = true;
	return HEALTH_LOST;
}

int64_t
health_delay_ms(int64_t interval_ms, uint32_t random)
{
	int64_t part = interval_ms / HEALTH_JITTER;

	return interval_ms - part + (int64_t)random % (2 * part + 1);
}

const char *
health_text(const struct health *health, const struct health_rule *rule,
    const char *why, char *text, size_t size)
{
	if (!health->is_known)
		return NULL;
	if (health->is_unhealthy && health->successes > 0)
		snprintf(text, size, "recovering %u of %u", health->successes,
		    rule->successes);
	else if (health->is_unhealthy)
		snprintf(text, size, "unhealthy: %s", why);
	else if (health->failures > 0)
		snprintf(text, size, "failing %u of %u: %s", health->failures,
		    rule->failures, why);
	else
		snprintf(text, size, "well");
	return text;
}
