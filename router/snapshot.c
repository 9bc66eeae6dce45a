#include "snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/err.h"
#include "ipc/pattern.h"

struct snapshot *
snapshot_new(void)
{
	struct snapshot *snapshot = calloc(1, sizeof(*snapshot));

	if (snapshot == NULL)
		return NULL;
	atomic_init(&snapshot->refs, 1);
	snapshot->patterns = pattern_set_new();
	if (snapshot->patterns == NULL)
		snapshot_unref(&snapshot);
	return snapshot;
}

struct snapshot *
snapshot_ref(struct snapshot *snapshot)
{
	atomic_fetch_add_explicit(&snapshot->refs, 1, memory_order_relaxed);
	return snapshot;
}

static void
service_free(struct snapshot_service *service)
{
	if (service == NULL)
		return;
	free(service->name);
	free(service->url);
	free(service);
}

static void
route_free(struct snapshot_route *route)
{
	if (route == NULL)
		return;
	free(route->name);
	free(route->op);
	free(route->fallback_text);
	free(route->fallback_type);
	free(route);
}

void
snapshot_unref(struct snapshot **snapshotp)
{
	struct snapshot *snapshot = *snapshotp;

	if (snapshot == NULL)
		return;
	*snapshotp = NULL;
	if (atomic_fetch_sub_explicit(&snapshot->refs, 1,
		memory_order_acq_rel) != 1)
		return;
	pattern_set_free(&snapshot->patterns);
	for (size_t i = 0; i < snapshot->route_count; i++)
		route_free(snapshot->routes[i]);
	for (size_t i = 0; i < snapshot->service_count; i++)
		service_free(snapshot->services[i]);
	free(snapshot->routes);
	free(snapshot->services);
	free(snapshot);
}

/* Room for one more pointer; -1 when out of memory. */
static int
grow(void *arrayp, size_t count, size_t *cap)
{
	void **array;
	size_t more = *cap == 0 ? 16 : *cap * 2;

	if (count < *cap)
		return 0;
	memcpy(&array, arrayp, sizeof(array));
	array = realloc(array, more * sizeof(*array));
	if (array == NULL)
		return -1;
	memcpy(arrayp, &array, sizeof(array));
	*cap = more;
	return 0;
}

static int
name_compare(const char *a, size_t len, const char *b)
{
	int order = strncmp(a, b, len);

	return order != 0 ? order : b[len] == '\0' ? 0 : -1;
}

/* The place of the name among the sorted services, or where it would be. */
static size_t
service_place(const struct snapshot *snapshot, const char *name, size_t len,
    bool *is_there)
{
	size_t low = 0, high = snapshot->service_count;

	*is_there = false;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order =
		    name_compare(name, len, snapshot->services[mid]->name);

		if (order == 0) {
			*is_there = true;
			return mid;
		}
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

static struct snapshot_service *
service_new(const struct lifeline_service *from)
{
	struct snapshot_service *service = calloc(1, sizeof(*service));

	if (service == NULL)
		return NULL;
	service->name = strdup(from->name);
	service->url = strdup(from->url);
	service->timeout_ms = from->timeout_ms;
	service->instances = from->instances;
	service->is_enabled = from->is_enabled;
	service->rules = from->rules;
	if (service->name == NULL || service->url == NULL) {
		service_free(service);
		return NULL;
	}
	return service;
}

int
snapshot_add_service(struct snapshot *snapshot,
    const struct lifeline_service *from, struct err *err_r)
{
	struct snapshot_service *service;
	bool is_there;
	size_t at =
	    service_place(snapshot, from->name, strlen(from->name), &is_there);

	if (is_there) {
		err_set(err_r, "service \"%s\" is there twice", from->name);
		return -1;
	}
	service = service_new(from);
	if (service == NULL ||
	    grow(&snapshot->services, snapshot->service_count,
		&snapshot->service_cap) == -1) {
		service_free(service);
		err_set(err_r, "out of memory");
		return -1;
	}
	memmove(&snapshot->services[at + 1], &snapshot->services[at],
	    (snapshot->service_count - at) * sizeof(struct snapshot_service *));
	snapshot->services[at] = service;
	snapshot->service_count++;
	return 0;
}

static struct snapshot_route *
route_new(const struct snapshot *snapshot, const struct lifeline_route *from,
    const struct snapshot_service *service)
{
	struct snapshot_route *route = calloc(1, sizeof(*route));

	if (route == NULL)
		return NULL;
	route->service = service;
	route->name = strdup(from->name);
	route->op = strdup(from->op);
	route->op_len = strlen(from->op);
	route->timeout_ms =
	    from->timeout_ms != 0 ? from->timeout_ms : service->timeout_ms;
	route->max_body =
	    (size_t)(from->max_body != 0 ? from->max_body
					 : snapshot->settings.max_body);
	route->is_idempotent = from->is_idempotent;
	route->fallback = (unsigned)from->fallback;
	route->fallback_on = (unsigned)(from->fallback_on & FAILURE_ALL);
	route->fallback_text = strdup(from->fallback_text);
	route->fallback_type = strdup(from->fallback_type);
	if (route->name == NULL || route->op == NULL ||
	    route->fallback_text == NULL || route->fallback_type == NULL) {
		route_free(route);
		return NULL;
	}
	return route;
}

int
snapshot_add_route(struct snapshot *snapshot, const struct lifeline_route *from,
    struct err *err_r)
{
	const struct snapshot_service *service =
	    snapshot_find(snapshot, from->service, strlen(from->service));
	struct snapshot_route *route;

	if (service == NULL) {
		err_set(err_r, "route \"%s\": no service \"%s\"", from->name,
		    from->service);
		return -1;
	}
	route = route_new(snapshot, from, service);
	if (route == NULL || grow(&snapshot->routes, snapshot->route_count,
				 &snapshot->route_cap) == -1) {
		route_free(route);
		err_set(err_r, "out of memory");
		return -1;
	}
	if (pattern_set_add(snapshot->patterns, from->pattern, route, err_r) ==
	    -1) {
		route_free(route);
		err_prefix(err_r, "route \"%s\"", from->name);
		return -1;
	}
	snapshot->routes[snapshot->route_count++] = route;
	return 0;
}

/* Without the service that it names a route has no fallback. */
static void
fallback_resolve(const struct snapshot *snapshot, struct snapshot_route *route)
{
	if (route->fallback == FALLBACK_BODY)
		return;
	if (route->fallback == FALLBACK_SERVICE)
		route->fallback_service = snapshot_find(snapshot,
		    route->fallback_text, strlen(route->fallback_text));
	if (route->fallback_service == NULL) {
		route->fallback = FALLBACK_NONE;
		route->fallback_on = 0;
	}
}

void
snapshot_seal(struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->service_count; i++)
		snapshot->services[i]->index = i;
	for (size_t i = 0; i < snapshot->route_count; i++)
		fallback_resolve(snapshot, snapshot->routes[i]);
}

const struct snapshot_service *
snapshot_find(const struct snapshot *snapshot, const char *name, size_t len)
{
	bool is_there;
	size_t at = service_place(snapshot, name, len, &is_there);

	return is_there ? snapshot->services[at] : NULL;
}
