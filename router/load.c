#include "load.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "ipc/lifeline.h"
#include "ipc/loop.h"

#include "snapshot.h"
#include "worker.h"

enum {
	LOAD_BUCKETS = 64
};

struct load {
	LIST_ENTRY(load) link;
	struct loads *loads;
	char *service;
	struct loop_timer timer; /* while there is something to tell */
	int64_t told_us;         /* loop time of the last word; 0: none yet */
	uint64_t requests;       /* since then */
	int64_t wait_us;         /* since then */
	/* The last that each worker said. */
	struct {
		uint64_t inflight, held;
	} workers[LOAD_WORKERS_MAX];
};

struct loads {
	struct loop *loop;
	void (*tell)(void *arg, const struct lifeline_load *load);
	void *arg;
	LIST_HEAD(, load) buckets[LOAD_BUCKETS];
};

static size_t
bucket_of(const char *service)
{
	uint32_t hash = 2166136261U; /* FNV-1a; names are the operator's */

	for (; *service != '\0'; service++)
		hash = (hash ^ (uint8_t)*service) * 16777619U;
	return hash % LOAD_BUCKETS;
}

static void
load_free(struct load *load)
{
	LIST_REMOVE(load, link);
	loop_timer_drop(load->loads->loop, &load->timer);
	free(load->service);
	free(load);
}

static void
load_tell(struct load *load)
{
	const struct loads *loads = load->loads;
	struct lifeline_load told = { .service = load->service,
		.requests = load->requests,
		.wait_max_us = (uint64_t)load->wait_us };

	for (size_t i = 0; i < LOAD_WORKERS_MAX; i++) {
		told.inflight += load->workers[i].inflight;
		told.held += load->workers[i].held;
	}
	load->requests = 0;
	load->wait_us = 0;
	load->told_us = loop_now_us(loads->loop);
	loads->tell(loads->arg, &told);
}

static void
on_timer(struct loop_timer *timer)
{
	load_tell(loop_owner(timer, struct load, timer));
}

static struct load *
load_find(struct loads *loads, const char *service)
{
	struct load *load;

	LIST_FOREACH (load, &loads->buckets[bucket_of(service)], link) {
		if (strcmp(load->service, service) == 0)
			return load;
	}
	return NULL;
}

static struct load *
load_new(struct loads *loads, const char *service)
{
	struct load *load = calloc(1, sizeof(*load));

	if (load == NULL || (load->service = strdup(service)) == NULL) {
		free(load);
		return NULL;
	}
	load->loads = loads;
	load->timer.fn = on_timer;
	LIST_INSERT_HEAD(&loads->buckets[bucket_of(service)], load, link);
	return load;
}

struct loads *
loads_new(struct loop *loop,
    void (*tell)(void *arg, const struct lifeline_load *load), void *arg)
{
	struct loads *loads = calloc(1, sizeof(*loads));

	if (loads == NULL)
		return NULL;
	loads->loop = loop;
	loads->tell = tell;
	loads->arg = arg;
	return loads;
}

void
loads_free(struct loads **loadsp)
{
	struct loads *loads = *loadsp;

	if (loads == NULL)
		return;
	*loadsp = NULL;
	for (size_t i = 0; i < LOAD_BUCKETS; i++) {
		while (!LIST_EMPTY(&loads->buckets[i]))
			load_free(LIST_FIRST(&loads->buckets[i]));
	}
	free(loads);
}

void
loads_add(struct loads *loads, unsigned worker, const char *service,
    uint64_t period_ms, const struct worker_load *said)
{
	int64_t now_us = loop_now_us(loads->loop);
	struct load *load = load_find(loads, service);
	int64_t due_us;

	if (load == NULL)
		load = load_new(loads, service);
	if (load == NULL || worker >= LOAD_WORKERS_MAX)
		return;
	load->requests += said->requests;
	if (load->wait_us < said->wait_us)
		load->wait_us = said->wait_us;
	load->workers[worker].inflight = said->inflight;
	load->workers[worker].held = said->held;
	if (loop_timer_is_set(&load->timer))
		return;
	due_us = load->told_us + (int64_t)period_ms * 1000;
	if (load->told_us == 0 || due_us <= now_us)
		load_tell(load);
	else
		loop_timer_set(loads->loop, &load->timer, due_us);
}

void
loads_prune(struct loads *loads, const struct snapshot *snapshot)
{
	for (size_t i = 0; i < LOAD_BUCKETS; i++) {
		struct load *load = LIST_FIRST(&loads->buckets[i]);

		while (load != NULL) {
			struct load *next = LIST_NEXT(load, link);

			if (snapshot_find(snapshot, load->service,
				strlen(load->service)) == NULL)
				load_free(load);
			load = next;
		}
	}
}
