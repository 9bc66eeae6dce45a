#include "cmd_crash_text.h"

#include <limits.h>
#include <string.h>

#include "ipc/buf.h"
#include "ipc/json.h"

#include "cmd_map.h"

enum {
	ROW_ID = 40,
	ROW_SERVICE = 16,
	ROW_WHAT = 34,
	TEXT_WIDTH = INT_MAX /* nothing is cut */
};

void
cmd_crash_text_head(FILE *out)
{
	fprintf(out, "%-*s %-20s %-*s %-*s %s\n", ROW_ID, "ID", "TIME",
	    ROW_SERVICE, "SERVICE/INSTANCE", ROW_WHAT, "WHAT", "REQUESTS");
}

static void
crash_put(struct mp_reader map, const char *key, FILE *out)
{
	cmd_map_print(cmd_map_text(map, key), TEXT_WIDTH, out);
}

/* A column, filled up with blanks. */
static void
crash_column(struct cmd_text text, int width, FILE *out)
{
	int done = cmd_map_print(text, (size_t)width, out);

	fprintf(out, "%*s", width - done + 1, "");
}

/* "2026-11-22T11:20:30.123Z" without what is smaller than a second. */
static struct cmd_text
crash_seconds(struct mp_reader map)
{
	struct cmd_text time = cmd_map_text(map, "time");

	if (time.len > 19)
		time.len = 19;
	return time;
}

void
cmd_crash_text_row(const char *id, const struct buf *mp, FILE *out)
{
	struct mp_reader map = cmd_map_open(mp);
	struct cmd_text name = cmd_map_text(map, "service");
	char label[64];

	/* Never cut: it is what one copies. */
	fprintf(out, "%-*s ", ROW_ID, id);
	crash_column(crash_seconds(map), 20, out);
	snprintf(label, sizeof(label), "%.*s/%lld",
	    name.len < 32 ? (int)name.len : 32, name.str,
	    (long long)cmd_map_int(map, "instance"));
	crash_column((struct cmd_text){ label, strlen(label) }, ROW_SERVICE,
	    out);
	crash_column(cmd_map_text(map, "reason"), ROW_WHAT, out);
	fprintf(out, "%lld\n", (long long)cmd_map_int(map, "in_flight_total"));
}

void
cmd_crash_text_item(const char *id, const struct buf *mp, const char *before,
    FILE *out)
{
	static const char *const texts[] = { "time", "service", "reason" };
	static const char *const numbers[] = { "instance", "generation",
		"in_flight_total" };
	struct mp_reader map = cmd_map_open(mp);
	struct buf item = { 0 }, json = { 0 };
	struct cmd_text text;

	mp_put_map(&item, 7);
	mp_put_cstr(&item, "id");
	mp_put_cstr(&item, id);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		text = cmd_map_text(map, texts[i]);
		mp_put_cstr(&item, texts[i]);
		mp_put_str(&item, text.str, text.len);
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		mp_put_cstr(&item, numbers[i]);
		mp_put_int(&item, cmd_map_int(map, numbers[i]));
	}
	if (!item.is_failed &&
	    json_from_mp(buf_front(&item), buf_count(&item), &json, NULL) == 0)
		fprintf(out, "%s%.*s", before, (int)buf_count(&json),
		    (const char *)buf_front(&json));
	buf_fini(&item);
	buf_fini(&json);
}

/* "345 ms", "12.3 s" */
static void
crash_put_ms(int64_t ms, FILE *out)
{
	if (ms < 10 * 1000)
		fprintf(out, "%lld ms", (long long)ms);
	else
		fprintf(out, "%lld.%lld s", (long long)(ms / 1000),
		    (long long)(ms % 1000 / 100));
}

static void
crash_print_head(struct mp_reader map, FILE *out)
{
	crash_put(map, "service", out);
	fprintf(out, "/%lld[%lld], generation %lld: ",
	    (long long)cmd_map_int(map, "instance"),
	    (long long)cmd_map_int(map, "pid"),
	    (long long)cmd_map_int(map, "generation"));
	crash_put(map, "reason", out);
	if (cmd_map_bool(map, "oom_killed"))
		fputs(", out of memory", out);
	fputs("\n\nid        ", out);
	crash_put(map, "id", out);
	fputs("\ntime      ", out);
	crash_put(map, "time", out);
	fputs("\nran       ", out);
	crash_put_ms(cmd_map_int(map, "uptime_ms"), out);
	if (cmd_map_int(map, "ready_ms") > 0) {
		fputs(", ready for ", out);
		crash_put_ms(cmd_map_int(map, "ready_ms"), out);
	} else
		fputs(", was never ready", out);
	putc('\n', out);
}

static void
crash_print_usage(struct mp_reader map, FILE *out)
{
	struct mp_reader usage = cmd_map_find(map, "rusage");

	if (!cmd_map_has(map, "rusage"))
		return;
	fprintf(out, "used      %lld KiB at most, CPU ",
	    (long long)cmd_map_int(usage, "max_rss_kb"));
	crash_put_ms(cmd_map_int(usage, "user_ms"), out);
	fputs(" user and ", out);
	crash_put_ms(cmd_map_int(usage, "system_ms"), out);
	fprintf(out, " system, %lld major faults\n",
	    (long long)cmd_map_int(usage, "major_faults"));
}

static void
crash_print_decision(struct mp_reader map, FILE *out)
{
	struct mp_reader decision = cmd_map_find(map, "decision");
	int64_t limit = cmd_map_int(decision, "restart_limit");

	fputs("decision  ", out);
	crash_put(decision, "action", out);
	if (cmd_map_int(decision, "delay_ms") > 0) {
		fputs(" in ", out);
		crash_put_ms(cmd_map_int(decision, "delay_ms"), out);
	}
	if (limit > 0)
		fprintf(out, ", %lld of %lld",
		    (long long)cmd_map_int(decision, "restarts"),
		    (long long)limit);
	putc('\n', out);
}

static void
crash_print_request(struct mp_reader request, FILE *out)
{
	fputs("  ", out);
	crash_column(cmd_map_text(request, "state"), 7, out);
	crash_put(request, "method", out);
	putc(' ', out);
	crash_put(request, "target", out);
	fputs("\n          for ", out);
	crash_put_ms(cmd_map_int(request, "age_ms"), out);
	fputs(", route ", out);
	crash_put(request, "route", out);
	fputs(", client ", out);
	crash_put(request, "client", out);
	fputs("\n          request ", out);
	crash_put(request, "request_id", out);
	fputs(", trace ", out);
	crash_put(request, "trace_id", out);
	putc('\n', out);
}

static void
crash_print_requests(struct mp_reader map, FILE *out)
{
	int64_t total = cmd_map_int(map, "in_flight_total");
	struct mp_reader items, item;
	uint32_t count = cmd_map_items(map, "requests", &items);

	fprintf(out, "requests  %lld in flight", (long long)total);
	if (total > count)
		fprintf(out, ", %u of them known", (unsigned)count);
	putc('\n', out);
	for (uint32_t i = 0; i < count && cmd_map_next(&items, &item); i++)
		crash_print_request(item, out);
}

static void
crash_print_log(struct mp_reader map, FILE *out)
{
	struct mp_reader items;
	uint32_t count = cmd_map_items(map, "log", &items);
	struct cmd_text line;

	fputs(count > 0 ? "log\n" : "log       nothing\n", out);
	for (uint32_t i = 0; i < count; i++) {
		if (mp_get_str(&items, &line.str, &line.len) == -1)
			return;
		fputs("  ", out);
		cmd_map_print(line, TEXT_WIDTH, out);
		putc('\n', out);
	}
}

void
cmd_crash_text_print(const struct buf *mp, FILE *out)
{
	struct mp_reader map = cmd_map_open(mp);

	crash_print_head(map, out);
	crash_print_usage(map, out);
	crash_print_decision(map, out);
	crash_print_requests(map, out);
	crash_print_log(map, out);
}
