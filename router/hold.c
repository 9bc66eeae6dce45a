#include "hold.h"

#include "exchange.h"
#include "worker.h"

void
hold_init(struct hold *hold)
{
	TAILQ_INIT(&hold->queue);
	hold->count = 0;
	hold->bytes = 0;
}

void
hold_add(struct hold *hold, struct exchange *ex)
{
	struct exchange *before = TAILQ_LAST(&hold->queue, hold_queue);

	while (before != NULL && before->deadline_us > ex->deadline_us)
		before = TAILQ_PREV(before, hold_queue, waiting);
	if (before == NULL)
		TAILQ_INSERT_HEAD(&hold->queue, ex, waiting);
	else
		TAILQ_INSERT_AFTER(&hold->queue, before, ex, waiting);
	ex->state = EXCHANGE_WAITING;
	hold->count++;
	hold->bytes += ex->body_bytes;
	worker_count(&ex->worker->counters.held);
}

void
hold_drop(struct hold *hold, struct exchange *ex)
{
	TAILQ_REMOVE(&hold->queue, ex, waiting);
	ex->state = EXCHANGE_IDLE;
	hold->count--;
	hold->bytes -= ex->body_bytes;
	worker_uncount(&ex->worker->counters.held);
}

struct exchange *
hold_first(const struct hold *hold)
{
	return TAILQ_FIRST(&hold->queue);
}
