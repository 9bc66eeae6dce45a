#include "tally.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "worker.h"

struct entry {
	LIST_ENTRY(entry) link;
	char *service;
	uint64_t index, generation;
	int64_t at_us; /* of the last news */
	struct worker_stats stats[TALLY_WORKERS_MAX];
};

struct tally {
	LIST_HEAD(, entry) entries;
};

static void
entry_free(struct entry *entry)
{
	LIST_REMOVE(entry, link);
	free(entry->service);
	free(entry);
}

struct tally *
tally_new(void)
{
	return calloc(1, sizeof(struct tally));
}

void
tally_free(struct tally **tallyp)
{
	struct tally *tally = *tallyp;

	if (tally == NULL)
		return;
	*tallyp = NULL;
	while (!LIST_EMPTY(&tally->entries))
		entry_free(LIST_FIRST(&tally->entries));
	free(tally);
}

/*
 * The entry of that generation, or NULL; those without news go. That one too:
 * what others have told was of another comparison.
 */
static struct entry *
entry_find(struct tally *tally, const struct worker_key *key, int64_t now_us)
{
	struct entry *entry = LIST_FIRST(&tally->entries), *found = NULL;

	while (entry != NULL) {
		struct entry *next = LIST_NEXT(entry, link);

		if (now_us - entry->at_us > TALLY_KEEP_US)
			entry_free(entry);
		else if (entry->index == key->index &&
			 entry->generation == key->generation &&
			 strcmp(entry->service, key->service) == 0)
			found = entry;
		entry = next;
	}
	return found;
}

static struct entry *
entry_add(struct tally *tally, const struct worker_key *key)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	if (entry == NULL || (entry->service = strdup(key->service)) == NULL) {
		free(entry);
		return NULL;
	}
	entry->index = key->index;
	entry->generation = key->generation;
	LIST_INSERT_HEAD(&tally->entries, entry, link);
	return entry;
}

void
tally_add(struct tally *tally, unsigned worker, const struct worker_key *key,
    const struct worker_stats *stats, int64_t now_us,
    struct worker_stats *sum_r)
{
	struct entry *entry = entry_find(tally, key, now_us);

	*sum_r = *stats;
	if (entry == NULL)
		entry = entry_add(tally, key);
	if (entry == NULL || worker >= TALLY_WORKERS_MAX)
		return;
	entry->at_us = now_us;
	entry->stats[worker] = *stats;
	*sum_r = (struct worker_stats){ 0 };
	for (size_t i = 0; i < TALLY_WORKERS_MAX; i++) {
		sum_r->requests += entry->stats[i].requests;
		sum_r->failures += entry->stats[i].failures;
		sum_r->latency_us += entry->stats[i].latency_us;
	}
}
