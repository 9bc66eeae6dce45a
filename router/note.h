/*
 * note: what the supervisor last said of one instance, shared by all workers.
 *
 * Immutable once made; freed with the last reference, in any thread.
 */
#ifndef MSVC_ROUTER_NOTE_H
#define MSVC_ROUTER_NOTE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct lifeline_instance;

struct note {
	char *service, *listen, *reason;
	uint64_t index, generation, retry_ms;
	uint64_t restarts, restart_limit;
	unsigned state;  /* enum lifeline_state */
	unsigned death;  /* enum lifeline_death */
	bool is_beside;  /* a second generation of this index */
	bool is_watched; /* its directory is: no need to poll for the socket */
	bool is_remote;
	bool is_asleep; /* it starts with the first request */
	atomic_uint refs;
};

/* A copy with one reference. NULL when out of memory. */
struct note *note_new(const struct lifeline_instance *from);
struct note *note_ref(struct note *note);
void note_unref(struct note **notep);

#endif
