#include "budget.h"

#include <string.h>

enum {
	BUCKET_US = 1000000
};

void
budget_init(struct budget *budget, unsigned percent)
{
	*budget = (struct budget){ .percent = percent };
	for (unsigned i = 0; i < BUDGET_FLOOR; i++)
		budget->floor_us[i] = INT64_MIN / 2; /* long ago */
}

/* Begin the bucket of now_us, forgetting those that left the window. */
static void
budget_turn(struct budget *budget, int64_t now_us)
{
	if (now_us - budget->until_us >= (int64_t)BUDGET_BUCKETS * BUCKET_US) {
		memset(budget->requests, 0, sizeof(budget->requests));
		memset(budget->retries, 0, sizeof(budget->retries));
		budget->until_us = now_us + BUCKET_US;
		return;
	}
	while (now_us >= budget->until_us) {
		budget->newest = (budget->newest + 1) % BUDGET_BUCKETS;
		budget->requests[budget->newest] = 0;
		budget->retries[budget->newest] = 0;
		budget->until_us += BUCKET_US;
	}
}

void
budget_count(struct budget *budget, int64_t now_us)
{
	if (now_us >= budget->until_us)
		budget_turn(budget, now_us);
	budget->requests[budget->newest]++;
}

bool
budget_take(struct budget *budget, int64_t now_us)
{
	uint64_t requests = 0, retries = 0;

	if (budget->percent == 0)
		return false;
	if (now_us >= budget->until_us)
		budget_turn(budget, now_us);
	for (unsigned i = 0; i < BUDGET_BUCKETS; i++) {
		requests += budget->requests[i];
		retries += budget->retries[i];
	}
	if (retries * 100 >= requests * budget->percent &&
	    now_us - budget->floor_us[budget->floor_next] < BUCKET_US)
		return false;
	budget->retries[budget->newest]++;
	budget->floor_us[budget->floor_next] = now_us;
	budget->floor_next = (budget->floor_next + 1) % BUDGET_FLOOR;
	return true;
}
