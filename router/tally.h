/*
 * tally: how two generations of an instance answer, summed over the workers.
 *
 * Control thread only.
 */
#ifndef MSVC_ROUTER_TALLY_H
#define MSVC_ROUTER_TALLY_H

#include <stdint.h>

struct tally;
struct worker_key;
struct worker_stats;

enum {
	TALLY_WORKERS_MAX = 64,
	TALLY_KEEP_US = 10 * 1000 * 1000 /* without news an entry goes */
};

struct tally *tally_new(void); /* NULL when out of memory */
void tally_free(struct tally **tallyp);

/*
 * Take in what one worker has counted since the two are compared; sum_r is
 * set to what all have. Without memory sum_r is this worker's alone.
 */
void tally_add(struct tally *tally, unsigned worker,
    const struct worker_key *key, const struct worker_stats *stats,
    int64_t now_us, struct worker_stats *sum_r);

#endif
