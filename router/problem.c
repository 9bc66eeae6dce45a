#include "problem.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "ipc/buf.h"
#include "ipc/json.h"
#include "ipc/mp.h"

#include "http.h"

void
problem_set(struct problem *problem, unsigned status, const char *cause,
    const char *fmt, ...)
{
	va_list args;

	*problem =
	    (struct problem){ .status = status, .cause = cause, .offset = -1 };
	va_start(args, fmt);
	vsnprintf(problem->detail, sizeof(problem->detail), fmt, args);
	va_end(args);
	/* Clients, paths and peers are quoted in it: keep it plain text. */
	for (char *c = problem->detail; *c != '\0'; c++) {
		if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e)
			*c = '?';
	}
}

static void
put_text(struct buf *buf, const char *key, const char *value)
{
	mp_put_cstr(buf, key);
	mp_put_cstr(buf, value);
}

static void
put_uint(struct buf *buf, const char *key, uint64_t value)
{
	mp_put_cstr(buf, key);
	mp_put_uint(buf, value);
}

void
problem_put_mp(const struct problem *problem, bool is_brief, struct buf *buf)
{
	/* Of a service it tells even with a status that blames the client. */
	bool has_detail =
	    !is_brief || (problem->status < 500 && problem->service == NULL);
	bool has_service = !is_brief && problem->service != NULL;
	bool has_instance = has_service && problem->instance != 0;
	uint32_t count = 4;

	count += has_detail ? 1 : 0;
	count += has_service ? 1 : 0;
	count += has_instance ? 1 : 0;
	count += problem->retry_after != 0 ? 1 : 0;
	count += problem->offset >= 0 ? 1 : 0;
	mp_put_map(buf, count);
	put_text(buf, "type", "about:blank");
	put_text(buf, "title", http_status_phrase(problem->status));
	put_uint(buf, "status", problem->status);
	if (has_detail)
		put_text(buf, "detail", problem->detail);
	put_text(buf, "cause", problem->cause);
	if (has_service)
		put_text(buf, "service", problem->service);
	if (has_instance)
		put_uint(buf, "instance", problem->instance);
	if (problem->retry_after != 0)
		put_uint(buf, "retry_after", problem->retry_after);
	if (problem->offset >= 0)
		put_uint(buf, "offset", (uint64_t)problem->offset);
}

void
problem_put_json(const struct problem *problem, bool is_brief, struct buf *buf)
{
	struct buf map = { 0 };

	problem_put_mp(problem, is_brief, &map);
	if (buf_count(&map) == 0 ||
	    json_from_mp(buf_front(&map), buf_count(&map), buf, NULL) == -1)
		buf_append_str(buf, "{}");
	buf_fini(&map);
}
