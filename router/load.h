/*
 * load: how busy services are, summed over the workers.
 *
 * What the workers tell (demand.h) becomes one word to the supervisor, no more
 * often than the service's load_ms. Control thread only.
 */
#ifndef MSVC_ROUTER_LOAD_H
#define MSVC_ROUTER_LOAD_H

#include <stdint.h>

struct lifeline_load;
struct loads;
struct loop;
struct snapshot;
struct worker_load;

enum {
	LOAD_WORKERS_MAX = 64
};

/* tell is called with each word; NULL when out of memory. */
struct loads *loads_new(struct loop *loop,
    void (*tell)(void *arg, const struct lifeline_load *load), void *arg);
void loads_free(struct loads **loadsp);

/*
 * Take in what one worker has to say since its last time; it is told now, or
 * period_ms after what was told last. Without memory it is lost.
 */
void loads_add(struct loads *loads, unsigned worker, const char *service,
    uint64_t period_ms, const struct worker_load *load);

/* Forget the services that are no longer in the picture. */
void loads_prune(struct loads *loads, const struct snapshot *snapshot);

#endif
