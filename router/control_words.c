/* What workers, morgue and roster have to say. */
#include "control.h"

#include <string.h>
#include <unistd.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/lifeline.h"
#include "ipc/log.h"

#include "bus.h"
#include "note.h"
#include "report.h"
#include "roster.h"
#include "snapshot.h"
#include "watchlist.h"

/* Letters of the workers, delivered by report.c in this thread. */
static void
on_linked(void *arg, const struct report_link *link)
{
	struct control *control = arg;
	struct lifeline_msg msg = { .type = link->is_up ? LIFELINE_LINKED
							: LIFELINE_UNLINKED,
		.u.linked = { link->service, link->index, link->generation } };

	if (roster_linked(control->roster, link->service, link->index,
		link->generation, link->is_up))
		control_tell(control, &msg);
}

static void
on_bus(void *arg, const struct report_bus *peer)
{
	struct control *control = arg;

	if (control->bus == NULL || control->is_stopping)
		close(peer->fd);
	else
		bus_accept(control->bus, peer->fd, peer->transport,
		    peer->protocol, peer->initial, peer->len, peer->label);
}

static void
on_done(void *arg)
{
	struct control *control = arg;

	if (control->is_stopping && atomic_load_explicit(&control->connections,
					memory_order_relaxed) == 0)
		loop_stop(control->loop);
}

static void
on_gone(void *arg, unsigned worker, const struct worker_key *key, bool is_dead)
{
	struct control *control = arg;

	morgue_gone(control->morgue, worker, key, is_dead);
}

static void
on_hung(void *arg, const struct worker_key *key, const char *what,
    int64_t age_us)
{
	struct lifeline_msg msg = { .type = LIFELINE_HUNG,
		.u.hung = { key->service, key->index, key->generation, what,
		    (uint64_t)age_us / 1000 } };

	control_tell(arg, &msg);
}

static void
on_stats(void *arg, unsigned worker, const struct worker_key *key,
    const struct worker_stats *stats)
{
	struct control *control = arg;
	struct worker_stats sum;
	struct lifeline_msg msg = { .type = LIFELINE_STATS };

	tally_add(control->tally, worker, key, stats,
	    loop_now_us(control->loop), &sum);
	msg.u.stats = (struct lifeline_stats){ key->service, key->index,
		key->generation, sum.requests, sum.failures, sum.latency_us };
	control_tell(control, &msg);
}

static void
on_casualty(void *arg, const struct worker_casualty *casualty)
{
	struct control *control = arg;

	morgue_casualty(control->morgue, casualty);
}

static void
on_cleared(void *arg, const char *service, const struct poison_print *print)
{
	struct control *control = arg;

	morgue_cleared(control->morgue, service, print);
}

static void
on_load(void *arg, unsigned worker, const char *service, uint64_t period_ms,
    const struct worker_load *load)
{
	struct control *control = arg;

	loads_add(control->loads, worker, service, period_ms, load);
}

static void
on_load_sum(void *arg, const struct lifeline_load *load)
{
	struct lifeline_msg msg = { .type = LIFELINE_LOAD, .u.load = *load };

	control_tell(arg, &msg);
}

static void
on_wanted(void *arg, const char *service)
{
	struct lifeline_msg msg = { .type = LIFELINE_WANTED,
		.u.wanted = { service } };

	control_tell(arg, &msg);
}

/* The morgue's words. */
static void
on_idle(void *arg, const struct worker_key *key)
{
	struct lifeline_msg msg = { .type = LIFELINE_IDLE,
		.u.linked = { key->service, key->index, key->generation } };

	control_tell(arg, &msg);
}

static void
on_poison(void *arg, const struct poison *poison)
{
	struct control *control = arg;
	struct watchlist *list = watchlist_new(poison);

	for (size_t i = 0; i < control->worker_count; i++)
		worker_post_watchlist(control->workers[i], list);
	watchlist_unref(&list);
}

static void
on_resolved(void *arg, struct note *note)
{
	struct control *control = arg;

	for (size_t i = 0; i < control->worker_count; i++)
		worker_post_resolved(control->workers[i], note);
}

static int64_t
quarantine_us(void *arg, const char *service)
{
	const struct control *control = arg;
	const struct snapshot_service *found = NULL;

	if (control->applied.snapshot != NULL)
		found = snapshot_find(control->applied.snapshot, service,
		    strlen(service));
	return found == NULL ? 0 : (int64_t)found->rules.quarantine_ms * 1000;
}

static void
on_kick(void *arg, struct note *note)
{
	struct control *control = arg;

	for (size_t i = 0; i < control->worker_count; i++)
		worker_post_kick(control->workers[i], note);
}

int
control_listen(struct control *control, struct err *err_r)
{
	const struct report_handler reports = { .arg = control,
		.linked = on_linked,
		.bus = on_bus,
		.done = on_done,
		.gone = on_gone,
		.hung = on_hung,
		.stats = on_stats,
		.casualty = on_casualty,
		.cleared = on_cleared,
		.load = on_load,
		.wanted = on_wanted };
	const struct morgue_handler deaths = { .arg = control,
		.tell = control_tell_packet,
		.idle = on_idle,
		.changed = on_poison,
		.resolved = on_resolved,
		.quarantine_us = quarantine_us };

	control->roster = roster_new(control->loop, on_kick, control, err_r);
	if (control->roster == NULL)
		return -1;
	control->morgue = morgue_new(control->loop, &deaths, err_r);
	if (control->morgue == NULL)
		return -1;
	control->tally = tally_new();
	control->loads = loads_new(control->loop, on_load_sum, control);
	if (control->packet == NULL || control->tally == NULL ||
	    control->loads == NULL) {
		err_set(err_r, "out of memory");
		return -1;
	}
	return report_init(control->hosts, CONTROL_WORKERS_MAX, control->loop,
	    &reports, err_r);
}
