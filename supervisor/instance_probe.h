/*
 * instance_probe: when an instance is probed, and what follows from it.
 *
 * While it starts it is probed for "ready", from then on for "health", unless
 * it stops, leaves or hangs. There is one probe at a time. What is not probed
 * has neither memory nor a timer for it.
 */
#ifndef MSVC_SUPERVISOR_INSTANCE_PROBE_H
#define MSVC_SUPERVISOR_INSTANCE_PROBE_H

#include <stdbool.h>
#include <stddef.h>

struct conf_service;
struct instance;

enum {
	INSTANCE_HEALTH_MAX = 160
};

/* Begin, go on or end as its state asks for; after each change of it. */
void instance_probe(struct instance *inst);

/* For good: its memory goes away. */
void instance_probe_end(struct instance *inst);

/* inst->conf has changed in place: it was old, which is still there. */
void instance_probe_applied(struct instance *inst,
    const struct conf_service *old);

/* Has its health probe failed too often, with on_unhealthy = drain? */
bool instance_is_unwell(const struct instance *inst);

/* The pattern of the line that makes it ready, borrowed; or NULL. */
const char *instance_ready_pattern(const struct instance *inst);

/*
 * How it is, in text of that size: "well", "failing 2 of 3: answered 503",
 * "not yet: refused the connection". Returns text, or NULL when nothing is
 * probed or nothing is known yet.
 */
const char *instance_health_text(const struct instance *inst, char *text,
    size_t size);

/*
 * What the last probe for "ready" has found, with its target, in text; or ""
 * when there was none. Returns text.
 */
const char *instance_unready_text(const struct instance *inst, char *text,
    size_t size);

#endif
