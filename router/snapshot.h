/*
 * snapshot: one picture of the system, as the supervisor drew it.
 *
 * Built by the control thread, sealed, and from then on never changed, so
 * that every worker may read it without a lock. Freed with the last
 * reference; snapshot_ref() and snapshot_unref() are safe in any thread.
 */
#ifndef MSVC_ROUTER_SNAPSHOT_H
#define MSVC_ROUTER_SNAPSHOT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/lifeline.h"

struct err;
struct pattern_set;

struct snapshot_service {
	char *name;
	char *url;           /* "" unless it is on another machine */
	uint64_t timeout_ms; /* request deadline */
	uint64_t instances;
	size_t index; /* its place in snapshot.services */
	struct lifeline_rules rules;
	bool is_enabled;
};

struct snapshot_route {
	const struct snapshot_service *service;
	char *name;
	char *op; /* "" for method and path */
	size_t op_len;
	uint64_t timeout_ms; /* the service's when the route has none */
	size_t max_body;     /* the router's when the route has none */
	const struct snapshot_service *fallback_service; /* FALLBACK_SERVICE */
	char *fallback_text, *fallback_type;
	/* As in struct lifeline_route; fallback_on is 0 without a fallback. */
	unsigned fallback, fallback_on;
	bool is_idempotent;
};

struct snapshot {
	struct lifeline_settings settings;
	struct snapshot_service **services; /* sorted by name */
	size_t service_count, service_cap;
	struct snapshot_route **routes;
	size_t route_count, route_cap;
	struct pattern_set *patterns; /* data: struct snapshot_route */
	atomic_uint refs;
};

/* A new, empty picture with one reference. NULL when out of memory. */
struct snapshot *snapshot_new(void);
struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_unref(struct snapshot **snapshotp);

/*
 * Add what one lifeline packet says; everything is copied. SETTINGS and the
 * services must come before the routes that name them. Returns 0, or -1 with
 * err set and the picture as it was.
 */
int snapshot_add_service(struct snapshot *snapshot,
    const struct lifeline_service *service, struct err *err_r);
int snapshot_add_route(struct snapshot *snapshot,
    const struct lifeline_route *route, struct err *err_r);

/*
 * Number the services, and find those that routes name as fallback, for they
 * may come behind them; no more may be added.
 */
void snapshot_seal(struct snapshot *snapshot);

/* Borrowed, or NULL. */
const struct snapshot_service *snapshot_find(const struct snapshot *snapshot,
    const char *name, size_t len);

#endif
