#include "status.h"

#include "ipc/buf.h"
#include "ipc/json.h"
#include "ipc/mp.h"

#include "bus.h"
#include "roster.h"
#include "snapshot.h"
#include "worker.h"

static void
put_count(struct buf *map, const char *name, uint64_t value)
{
	mp_put_cstr(map, name);
	mp_put_uint(map, value);
}

static uint64_t
sum_of(struct worker *const *workers, size_t count, size_t offset)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++) {
		const char *counters = (const char *)&workers[i]->counters;

		sum +=
		    atomic_load_explicit((const _Atomic uint64_t *)(const void
						 *)(counters + offset),
			memory_order_relaxed);
	}
	return sum;
}

static void
put_json(struct buf *map, struct buf *json)
{
	if (buf_count(map) != 0)
		json_from_mp(buf_front(map), buf_count(map), json, NULL);
	buf_fini(map);
}

unsigned
status_health(struct buf *json, struct worker *const *workers, size_t count,
    const struct bus *bus, bool is_stopping)
{
	struct bus_stats stats = { 0 };
	struct buf map = { 0 };
	uint32_t entries = 7;

	if (bus != NULL)
		bus_stats(bus, &stats);
#define X(name, help) entries++;
	WORKER_COUNTERS(X)
#undef X
	mp_put_map(&map, entries);
	mp_put_cstr(&map, "status");
	mp_put_cstr(&map, is_stopping ? "stopping" : "ok");
	put_count(&map, "workers", count);
#define X(name, help)          \
	put_count(&map, #name, \
	    sum_of(workers, count, offsetof(struct worker_counters, name)));
	WORKER_COUNTERS(X)
#undef X
	put_count(&map, "publishers", stats.publishers);
	put_count(&map, "subscribers", stats.subscribers);
	put_count(&map, "events", stats.events);
	put_count(&map, "events_sent", stats.sent);
	put_count(&map, "events_dropped", stats.dropped);
	put_json(&map, json);
	return 200;
}

static bool
is_waited_for(const struct roster *roster,
    const struct snapshot_service *service)
{
	return service->is_enabled &&
	       !roster_is_ready(roster, service->name, service->url[0] != '\0');
}

unsigned
status_ready(struct buf *json, const struct snapshot *snapshot,
    const struct roster *roster, bool is_stopping)
{
	struct buf map = { 0 };
	uint32_t count = 0;
	bool is_ready;

	for (size_t i = 0; i < snapshot->service_count; i++)
		count += is_waited_for(roster, snapshot->services[i]) ? 1 : 0;
	is_ready = count == 0 && !is_stopping;
	mp_put_map(&map, 2);
	mp_put_cstr(&map, "status");
	mp_put_cstr(&map, is_ready ? "ready" : "not ready");
	mp_put_cstr(&map, "waiting_for");
	mp_put_array(&map, count);
	for (size_t i = 0; i < snapshot->service_count; i++) {
		if (is_waited_for(roster, snapshot->services[i]))
			mp_put_cstr(&map, snapshot->services[i]->name);
	}
	put_json(&map, json);
	return is_ready ? 200 : 503;
}
