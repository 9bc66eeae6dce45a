/* Which route a request leads to, or which answer of the router. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>

#include "ipc/buf.h"
#include "ipc/pattern.h"
#include "router/problem.h"
#include "router/routing.h"
#include "router/snapshot.h"

static struct snapshot *
picture(void)
{
	static const struct lifeline_service users = { .name = "users",
		.instances = 1,
		.timeout_ms = 5000,
		.url = "",
		.is_enabled = true };
	static const struct lifeline_route routes[] = {
		{ .pattern = "GET /users/{id}",
		    .service = "users",
		    .op = "",
		    .name = "one",
		    .fallback_text = "",
		    .fallback_type = "" },
		{ .pattern = "POST /users",
		    .service = "users",
		    .op = "users.add",
		    .timeout_ms = 100,
		    .max_body = 10,
		    .name = "add",
		    .fallback_text = "",
		    .fallback_type = "" },
		{ .pattern = "/files/*",
		    .service = "users",
		    .op = "",
		    .name = "files",
		    .fallback_text = "",
		    .fallback_type = "" },
	};
	struct snapshot *snapshot = snapshot_new();

	snapshot->settings.max_body = 1000;
	assert_int_equal(snapshot_add_service(snapshot, &users, NULL), 0);
	for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++)
		assert_int_equal(snapshot_add_route(snapshot, &routes[i], NULL),
		    0);
	snapshot_seal(snapshot);
	return snapshot;
}

static void
each_request_gets_its_route_or_its_answer(void **state)
{
	static const struct {
		const char *method, *path, *route;
		unsigned status;
		const char *allow;
	} cases[] = {
		{ "GET", "/users/1", "one", 0, NULL },
		{ "HEAD", "/users/1", "one", 0, NULL },
		{ "POST", "/users", "add", 0, NULL },
		{ "DELETE", "/files/a//b", "files", 0, NULL },
		{ "GET", "/files/a/...", "files", 0, NULL },
		{ "GET", "/files/.a", "files", 0, NULL },
		{ "GET", "/nothing", NULL, 404, NULL },
		{ "PUT", "/users", NULL, 405, "POST" },
		{ "OPTIONS", "/users", NULL, 204, "POST" },
		{ "OPTIONS", "*", NULL, 204, "GET" },
		{ "GET", "*", NULL, 404, NULL },
		{ "GET", "/files/../users/1", NULL, 400, NULL },
		{ "GET", "/files/%2e%2E/x", NULL, 400, NULL },
		{ "GET", "/files/.%2e", NULL, 400, NULL },
		{ "GET", "/files/./x", NULL, 400, NULL },
		{ "GET", "", NULL, 404, NULL },
	};
	struct snapshot *snapshot = picture();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct pattern_match match;
		struct problem problem = { 0 };
		const struct snapshot_route *route = routing_find(snapshot,
		    cases[i].method, strlen(cases[i].method), cases[i].path,
		    strlen(cases[i].path), &match, &problem);

		if (cases[i].route != NULL) {
			assert_non_null(route);
			assert_string_equal(route->name, cases[i].route);
			continue;
		}
		assert_null(route);
		assert_int_equal(problem.status, cases[i].status);
		if (cases[i].allow != NULL)
			assert_non_null(strstr(problem.allow, cases[i].allow));
	}
	snapshot_unref(&snapshot);
}

static void
a_route_inherits_what_it_does_not_say(void **state)
{
	struct snapshot *snapshot = picture();

	(void)state;
	assert_int_equal(snapshot->routes[0]->timeout_ms, 5000);
	assert_int_equal(snapshot->routes[0]->max_body, 1000);
	assert_int_equal(snapshot->routes[1]->timeout_ms, 100);
	assert_int_equal(snapshot->routes[1]->max_body, 10);
	snapshot_unref(&snapshot);
}

static void
services_are_found_by_name_in_whatever_order_they_came(void **state)
{
	static const char *const names[] = { "m", "b", "z", "bb", "a" };
	struct snapshot *snapshot = snapshot_new();

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		struct lifeline_service service = { .name = names[i],
			.instances = 1,
			.timeout_ms = 1,
			.url = "",
			.is_enabled = true };

		assert_int_equal(snapshot_add_service(snapshot, &service, NULL),
		    0);
		assert_int_equal(snapshot_add_service(snapshot, &service, NULL),
		    -1);
	}
	snapshot_seal(snapshot);
	for (size_t i = 0; i < 5; i++) {
		const struct snapshot_service *service =
		    snapshot_find(snapshot, names[i], strlen(names[i]));

		assert_non_null(service);
		assert_string_equal(service->name, names[i]);
		assert_ptr_equal(snapshot->services[service->index], service);
	}
	assert_null(snapshot_find(snapshot, "c", 1));
	assert_string_equal(snapshot_find(snapshot, "bbb", 2)->name, "bb");
	snapshot_unref(&snapshot);
}

static void
percent_decoding_leaves_alone_what_is_no_escape(void **state)
{
	struct buf buf = { 0 };

	(void)state;
	routing_percent_decode(&buf, "a%20b%zz%4", 10);
	buf_append_byte(&buf, 0);
	assert_string_equal((const char *)buf_front(&buf), "a b%zz%4");
	buf_fini(&buf);
}

static void
a_fallback_service_is_found_behind_the_route_that_names_it(void **state)
{
	static const struct {
		uint64_t fallback;
		const char *text;
		unsigned kind, failures;
		const char *service;
	} cases[] = {
		{ FALLBACK_SERVICE, "later", FALLBACK_SERVICE, 3, "later" },
		{ FALLBACK_SERVICE, "nosuch", FALLBACK_NONE, 0, NULL },
		{ FALLBACK_BODY, "later", FALLBACK_BODY, 3, NULL },
		{ FALLBACK_NONE, "", FALLBACK_NONE, 0, NULL },
		{ 99, "later", FALLBACK_NONE, 0, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lifeline_service service = { .name = "first",
			.url = "" };
		struct lifeline_route from = { .pattern = "/a",
			.service = "first",
			.op = "",
			.name = "a",
			.fallback = cases[i].fallback,
			.fallback_on = 3 | 64,
			.fallback_text = cases[i].text,
			.fallback_type = "" };
		struct snapshot *snapshot = snapshot_new();
		const struct snapshot_route *route;

		snapshot_add_service(snapshot, &service, NULL);
		snapshot_add_route(snapshot, &from, NULL);
		service.name = "later";
		snapshot_add_service(snapshot, &service, NULL);
		snapshot_seal(snapshot);
		route = snapshot->routes[0];
		assert_int_equal(route->fallback, cases[i].kind);
		assert_int_equal(route->fallback_on, cases[i].failures);
		if (cases[i].service == NULL)
			assert_null(route->fallback_service);
		else
			assert_string_equal(route->fallback_service->name,
			    cases[i].service);
		snapshot_unref(&snapshot);
	}
}

static void
a_problem_is_json_that_names_the_cause(void **state)
{
	struct problem problem;
	struct buf buf = { 0 };
	json_t *json;

	(void)state;
	problem_set(&problem, 503, "restarting", "killed\nby %d", 9);
	problem.service = "users";
	problem.instance = 2;
	problem.retry_after = 3;
	problem.offset = 0;
	problem_put_json(&problem, false, &buf);
	json =
	    json_loadb((const char *)buf_front(&buf), buf_count(&buf), 0, NULL);
	assert_non_null(json);
	assert_int_equal(json_integer_value(json_object_get(json, "status")),
	    503);
	assert_string_equal(json_string_value(json_object_get(json, "title")),
	    "Service Unavailable");
	assert_string_equal(json_string_value(json_object_get(json, "detail")),
	    "killed?by 9");
	assert_string_equal(json_string_value(json_object_get(json, "cause")),
	    "restarting");
	assert_int_equal(json_object_size(json), 9);
	json_decref(json);
	buf_fini(&buf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_request_gets_its_route_or_its_answer),
		cmocka_unit_test(a_route_inherits_what_it_does_not_say),
		cmocka_unit_test(
		    services_are_found_by_name_in_whatever_order_they_came),
		cmocka_unit_test(
		    percent_decoding_leaves_alone_what_is_no_escape),
		cmocka_unit_test(
		    a_fallback_service_is_found_behind_the_route_that_names_it),
		cmocka_unit_test(a_problem_is_json_that_names_the_cause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
