/*
 * routing: which route a method and a path lead to, or which answer instead.
 *
 * Pure.
 */
#ifndef MSVC_ROUTER_ROUTING_H
#define MSVC_ROUTER_ROUTING_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct pattern_match;
struct problem;
struct snapshot;
struct snapshot_route;

/*
 * Returns the route, with match_r filled; or NULL and problem_r is the answer:
 * 400 for dot segments, 404, 405 with Allow, or 204 with Allow for OPTIONS.
 * Dot segments ("/a/../b", "%2e" included) are refused rather than resolved:
 * the service must not see another path than the one that was routed. Empty
 * segments ("//") are segments like others.
 */
const struct snapshot_route *routing_find(const struct snapshot *snapshot,
    const char *method, size_t method_len, const char *path, size_t path_len,
    struct pattern_match *match_r, struct problem *problem_r);

bool routing_has_dot_segment(const char *path, size_t len);

/* Append text with %XX decoded; a "%" that begins no XX stays. */
void routing_percent_decode(struct buf *buf, const char *text, size_t len);

#endif
