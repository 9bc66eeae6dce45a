/*
 * status: what /-/health and /-/ready say.
 */
#ifndef MSVC_ROUTER_STATUS_H
#define MSVC_ROUTER_STATUS_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct bus;
struct roster;
struct snapshot;
struct worker;

/* Each appends a JSON object and returns the HTTP status. bus may be NULL. */
unsigned status_health(struct buf *json, struct worker *const *workers,
    size_t count, const struct bus *bus, bool is_stopping);
unsigned status_ready(struct buf *json, const struct snapshot *snapshot,
    const struct roster *roster, bool is_stopping);

#endif
