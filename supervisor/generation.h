/*
 * generation: the last generation of each name that is gone.
 *
 * A generation stands for one process in socket paths, on the wire and in
 * logs, so that those of a name must not start anew when a reload brings the
 * name back. At most GENERATION_NAMES_MAX names are remembered; with more of
 * them all begin behind the highest one.
 */
#ifndef MSVC_SUPERVISOR_GENERATION_H
#define MSVC_SUPERVISOR_GENERATION_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

enum {
	GENERATION_NAMES_MAX = 1024
};

/* Zeroed is valid: nothing to remember. */
struct generations {
	LIST_HEAD(generation_list, generation_name) names;
	size_t count;
	uint64_t floor; /* of names that are not in the list */
};

void generations_fini(struct generations *generations);

/* A service is forgotten; last is the highest generation of its instances. */
void generations_keep(struct generations *generations, const char *name,
    uint64_t last);

/* It is back: the generation behind which its instances go on. */
uint64_t generations_take(struct generations *generations, const char *name);

#endif
