#include "crash_json.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "crash.h"
#include "ipc/buf.h"
#include "ipc/json.h"
#include "ipc/lifeline.h"
#include "ipc/mp.h"
#include "ipc/mp_text.h"

enum {
	CRASH_TEXT_MAX = 256, /* bytes of most texts of a request */
	CRASH_TARGET_MAX = 1024,
	CRASH_REASON_MAX = 1024,
	TRACE_ID_AT = 3, /* in "00-TRACEID-SPANID-01" */
	TRACE_ID_LEN = 32
};

static void
crash_put_text(struct buf *mp, const char *key, const char *text, size_t max)
{
	mp_put_cstr(mp, key);
	mp_put_text(mp, text, strlen(text), max);
}

static void
crash_put_uint(struct buf *mp, const char *key, uint64_t value)
{
	mp_put_cstr(mp, key);
	mp_put_uint(mp, value);
}

static void
crash_put_int(struct buf *mp, const char *key, int64_t value)
{
	mp_put_cstr(mp, key);
	mp_put_int(mp, value);
}

static void
crash_put_bool(struct buf *mp, const char *key, bool value)
{
	mp_put_cstr(mp, key);
	mp_put_bool(mp, value);
}

static void
crash_put_time(struct buf *mp, int64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm = { 0 };
	char day[24], text[32];

	gmtime_r(&seconds, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%03uZ", day, (unsigned)(ms % 1000));
	mp_put_cstr(mp, "time");
	mp_put_cstr(mp, text);
}

static void
crash_put_status(struct buf *mp, int status)
{
	int signum = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	const char *abbreviation = signum != 0 ? sigabbrev_np(signum) : NULL;
	char name[32];

	mp_put_cstr(mp, "exit_code");
	if (WIFEXITED(status))
		mp_put_int(mp, WEXITSTATUS(status));
	else
		mp_put_nil(mp);
	mp_put_cstr(mp, "signal");
	if (signum != 0)
		mp_put_int(mp, signum);
	else
		mp_put_nil(mp);
	mp_put_cstr(mp, "signal_name");
	if (abbreviation != NULL)
		snprintf(name, sizeof(name), "SIG%s", abbreviation);
	else /* a real-time signal has a number only */
		snprintf(name, sizeof(name), "signal %d", signum);
	if (signum != 0)
		mp_put_cstr(mp, name);
	else
		mp_put_nil(mp);
	crash_put_bool(mp, "core_dumped", signum != 0 && WCOREDUMP(status));
}

static int64_t
crash_ms(struct timeval time)
{
	return (int64_t)time.tv_sec * 1000 + time.tv_usec / 1000;
}

static void
crash_put_rusage(struct buf *mp, const struct rusage *usage)
{
	mp_put_cstr(mp, "rusage");
	if (usage == NULL) {
		mp_put_nil(mp);
		return;
	}
	mp_put_map(mp, 7);
	crash_put_int(mp, "user_ms", crash_ms(usage->ru_utime));
	crash_put_int(mp, "system_ms", crash_ms(usage->ru_stime));
	crash_put_int(mp, "max_rss_kb", usage->ru_maxrss);
	crash_put_int(mp, "minor_faults", usage->ru_minflt);
	crash_put_int(mp, "major_faults", usage->ru_majflt);
	crash_put_int(mp, "voluntary_switches", usage->ru_nvcsw);
	crash_put_int(mp, "involuntary_switches", usage->ru_nivcsw);
}

static void
crash_put_decision(struct buf *mp, const struct crash_facts *facts)
{
	mp_put_cstr(mp, "decision");
	mp_put_map(mp, 4);
	crash_put_text(mp, "action", facts->decision, CRASH_TEXT_MAX);
	crash_put_int(mp, "delay_ms", facts->delay_ms);
	crash_put_uint(mp, "restarts", facts->restarts);
	crash_put_uint(mp, "restart_limit", facts->restart_limit);
}

/* What we encode is well-formed: what may fail is memory. */
static void
crash_put_json(struct buf *out, const struct buf *mp)
{
	if (mp->is_failed ||
	    json_from_mp(buf_front(mp), buf_count(mp), out, NULL) == -1)
		out->is_failed = true;
}

void
crash_json_facts(struct buf *out, const char *id, int64_t time_ms,
    const struct crash_facts *facts)
{
	struct buf mp = { 0 };

	mp_put_map(&mp, 16);
	crash_put_text(&mp, "id", id, CRASH_TEXT_MAX);
	crash_put_time(&mp, time_ms);
	crash_put_text(&mp, "service", facts->service, CRASH_TEXT_MAX);
	crash_put_uint(&mp, "instance", facts->index);
	crash_put_uint(&mp, "generation", facts->generation);
	crash_put_int(&mp, "pid", facts->pid);
	crash_put_status(&mp, facts->status);
	crash_put_bool(&mp, "oom_killed", facts->is_oom);
	crash_put_text(&mp, "reason", facts->what, CRASH_REASON_MAX);
	crash_put_int(&mp, "uptime_ms", facts->uptime_ms);
	crash_put_int(&mp, "ready_ms", facts->ready_ms);
	crash_put_rusage(&mp, facts->rusage);
	crash_put_decision(&mp, facts);
	crash_put_json(out, &mp);
	buf_fini(&mp);
}

static const char *
crash_delivery(uint64_t delivery)
{
	switch (delivery) {
	case DELIVERY_UNTAKEN:
		return "untaken";
	case DELIVERY_DONE:
		return "done";
	default:
		return "taken";
	}
}

/* The middle of a traceparent (W3C Trace Context section 3.2.2). */
static void
crash_put_trace(struct buf *mp, const char *trace)
{
	size_t len = strlen(trace);

	mp_put_cstr(mp, "trace_id");
	if (len > TRACE_ID_AT + TRACE_ID_LEN && trace[TRACE_ID_AT - 1] == '-' &&
	    trace[TRACE_ID_AT + TRACE_ID_LEN] == '-')
		mp_put_text(mp, trace + TRACE_ID_AT, TRACE_ID_LEN,
		    TRACE_ID_LEN);
	else
		mp_put_text(mp, trace, len, TRACE_ID_LEN);
}

void
crash_json_request(struct buf *out, const struct lifeline_casualty *casualty)
{
	struct buf mp = { 0 };

	mp_put_map(&mp, 8);
	mp_put_cstr(&mp, "state");
	mp_put_cstr(&mp, crash_delivery(casualty->delivery));
	crash_put_text(&mp, "method", casualty->method, CRASH_TEXT_MAX);
	crash_put_text(&mp, "target", casualty->target, CRASH_TARGET_MAX);
	crash_put_text(&mp, "route", casualty->route, CRASH_TEXT_MAX);
	crash_put_text(&mp, "request_id", casualty->request_id, CRASH_TEXT_MAX);
	crash_put_trace(&mp, casualty->trace);
	crash_put_text(&mp, "client", casualty->client, CRASH_TEXT_MAX);
	crash_put_uint(&mp, "age_ms", casualty->age_us / 1000);
	crash_put_json(out, &mp);
	buf_fini(&mp);
}

void
crash_json_join(struct buf *out, const struct buf *facts,
    const struct buf *requests, uint64_t total)
{
	if (facts->is_failed || requests->is_failed || buf_count(facts) == 0) {
		out->is_failed = true;
		return;
	}
	/* Without its closing brace, behind which there is nothing. */
	buf_append(out, buf_front(facts), buf_count(facts) - 1);
	buf_append_str(out, ",\"requests\":[");
	buf_append(out, buf_front(requests), buf_count(requests));
	buf_printf(out, "],\"in_flight_total\":%llu}",
	    (unsigned long long)total);
}
