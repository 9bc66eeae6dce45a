/*
 * crash_json: the text of a crash bundle, but for its log lines.
 *
 * A bundle is {"id", "time" (RFC 3339, UTC), "service", "instance",
 * "generation", "pid", "exit_code" or null, "signal" and "signal_name" or
 * null, "core_dumped", "oom_killed", "reason", "uptime_ms", "ready_ms",
 * "rusage": {"user_ms", "system_ms", "max_rss_kb", "minor_faults",
 * "major_faults", "voluntary_switches", "involuntary_switches"} or null,
 * "decision": {"action", "delay_ms", "restarts", "restart_limit"},
 * "requests": [{"state", "method", "target", "route", "request_id",
 * "trace_id", "client", "age_ms"}], "in_flight_total", "log": [line...]}.
 * Pure; out of memory shows in the buf.
 */
#ifndef MSVC_SUPERVISOR_CRASH_JSON_H
#define MSVC_SUPERVISOR_CRASH_JSON_H

#include <stdint.h>

struct buf;
struct crash_facts;
struct lifeline_casualty;

/* Append the facts as an object; time_ms is Unix time. */
void crash_json_facts(struct buf *out, const char *id, int64_t time_ms,
    const struct crash_facts *facts);

/* Append one request that was in flight, long texts cut. */
void crash_json_request(struct buf *out,
    const struct lifeline_casualty *casualty);

/*
 * Append the bundle: the object facts with the items of requests (with commas
 * between them) and how many there were.
 */
void crash_json_join(struct buf *out, const struct buf *facts,
    const struct buf *requests, uint64_t total);

#endif
