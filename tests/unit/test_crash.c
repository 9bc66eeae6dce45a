/* A death becomes a bundle: its facts, what was in flight, and when it goes. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/conf.h"
#include "ipc/buf.h"
#include "ipc/json.h"
#include "ipc/lifeline.h"
#include "ipc/log.h"
#include "ipc/mp.h"
#include "supervisor/crash_json.h"
#include "supervisor/crash_oom.h"
#include "supervisor/supervisor.h"

enum {
	STATUS_SEGV = SIGSEGV | 0x80, /* with a core */
	STATUS_KILL = SIGKILL,
	STATUS_EXIT_3 = 3 << 8
};

static const struct rusage usage = { .ru_utime = { 1, 500000 },
	.ru_stime = { 0, 20000 },
	.ru_maxrss = 4096,
	.ru_minflt = 5,
	.ru_majflt = 6,
	.ru_nvcsw = 7,
	.ru_nivcsw = 8 };

static struct crash_facts
facts_of(int status)
{
	return (struct crash_facts){
		.service = "users",
		.index = 2,
		.generation = 3,
		.pid = 77,
		.status = status,
		.rusage = &usage,
		.uptime_ms = 1234,
		.ready_ms = 1000,
		.what = "it \"broke\" \xff",
		.decision = "restart",
		.delay_ms = 100,
		.restarts = 2,
		.restart_limit = 5,
		.stream = 9,
	};
}

static void
test_facts_are_told_as_json(void **state)
{
	struct crash_facts facts = facts_of(STATUS_SEGV);
	struct buf out = { 0 };

	(void)state;
	crash_json_facts(&out, "ID", 1795346430123, &facts);
	buf_append_byte(&out, '\0');
	assert_string_equal((const char *)buf_front(&out),
	    "{\"id\":\"ID\",\"time\":\"2026-11-22T11:20:30.123Z\","
	    "\"service\":\"users\",\"instance\":2,\"generation\":3,\"pid\":77,"
	    "\"exit_code\":null,\"signal\":11,\"signal_name\":\"SIGSEGV\","
	    "\"core_dumped\":true,\"oom_killed\":false,"
	    "\"reason\":\"it \\\"broke\\\" \\\\xff\",\"uptime_ms\":1234,"
	    "\"ready_ms\":1000,\"rusage\":{\"user_ms\":1500,\"system_ms\":20,"
	    "\"max_rss_kb\":4096,\"minor_faults\":5,\"major_faults\":6,"
	    "\"voluntary_switches\":7,\"involuntary_switches\":8},"
	    "\"decision\":{\"action\":\"restart\",\"delay_ms\":100,"
	    "\"restarts\":2,\"restart_limit\":5}}");
	buf_fini(&out);
}

static void
test_the_end_is_a_code_or_a_signal(void **state)
{
	static const struct {
		int status;
		const char *text;
	} cases[] = {
		{ STATUS_EXIT_3, "\"exit_code\":3,\"signal\":null,"
				 "\"signal_name\":null,\"core_dumped\":false" },
		{ STATUS_KILL, "\"exit_code\":null,\"signal\":9,"
			       "\"signal_name\":\"SIGKILL\","
			       "\"core_dumped\":false" },
		{ 40, "\"signal\":40,\"signal_name\":\"signal 40\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct crash_facts facts = facts_of(cases[i].status);
		struct buf out = { 0 };

		facts.rusage = NULL;
		crash_json_facts(&out, "ID", 0, &facts);
		buf_append_byte(&out, '\0');
		assert_non_null(
		    strstr((const char *)buf_front(&out), cases[i].text));
		assert_non_null(
		    strstr((const char *)buf_front(&out), "\"rusage\":null"));
		buf_fini(&out);
	}
}

static struct lifeline_casualty
casualty_of(uint64_t generation, uint64_t delivery)
{
	return (struct lifeline_casualty){
		.service = "users",
		.index = 2,
		.generation = generation,
		.delivery = delivery,
		.method = "GET",
		.target = "/x?a=b",
		.route = "users",
		.request_id = "r1",
		.trace =
		    "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01",
		.client = "192.0.2.1",
		.age_us = 12999,
	};
}

static void
test_a_request_is_told_as_json(void **state)
{
	static const struct {
		uint64_t delivery;
		const char *trace, *state, *trace_id;
	} cases[] = {
		{ DELIVERY_TAKEN, NULL, "taken",
		    "0123456789abcdef0123456789abcdef" },
		{ DELIVERY_UNTAKEN, "", "untaken", "" },
		{ DELIVERY_DONE, "odd", "done", "odd" },
		{ 99, "", "taken", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lifeline_casualty casualty =
		    casualty_of(3, cases[i].delivery);
		struct buf out = { 0 };
		char want[512];

		if (cases[i].trace != NULL)
			casualty.trace = cases[i].trace;
		snprintf(want, sizeof(want),
		    "{\"state\":\"%s\",\"method\":\"GET\",\"target\":\"/"
		    "x?a=b\",\"route\":\"users\",\"request_id\":\"r1\","
		    "\"trace_id\":\"%s\",\"client\":\"192.0.2.1\",\"age_ms\":"
		    "12}",
		    cases[i].state, cases[i].trace_id);
		crash_json_request(&out, &casualty);
		buf_append_byte(&out, '\0');
		assert_string_equal((const char *)buf_front(&out), want);
		buf_fini(&out);
	}
}

/* A supervisor that is little more than its two lifelines. */
struct fixture {
	struct supervise sup;
	struct conf conf;
	char dir[8];
	int router[2], logger[2]; /* the supervisor's end, ours */
};

static void
ignore_message(void *arg, const struct lifeline_msg *msg)
{
	(void)arg;
	(void)msg;
}

static void
ignore_broken(void *arg, const char *why)
{
	(void)arg;
	(void)why;
}

static void
open_feed(struct fixture *f, struct feed *feed, int ends[2])
{
	const struct feed_handler handler = { ignore_message, ignore_broken,
		NULL };

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0,
			     ends),
	    0);
	feed_init(feed, f->sup.loop, &handler);
	assert_int_equal(feed_open(feed, ends[0], NULL), 0);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->sup.loop = loop_new(NULL);
	f->sup.conf = &f->conf;
	strcpy(f->dir, "/c");
	f->conf.crash_dir = f->dir;
	f->conf.crash_keep = 5;
	f->conf.crash_max_size = 1000;
	open_feed(f, &f->sup.router.feed, f->router);
	open_feed(f, &f->sup.logger.feed, f->logger);
	f->sup.router.state = STATE_READY;
	failures_init(&f->sup.failures, &f->sup);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	failures_fini(&f->sup.failures);
	feed_fini(&f->sup.router.feed);
	feed_fini(&f->sup.logger.feed);
	close(f->router[1]);
	close(f->logger[1]);
	loop_free(&f->sup.loop);
	free(f);
	return 0;
}

/* The next bundle given to the logger, as text; NULL when there is none. */
static const char *
bundle(struct fixture *f, struct lifeline_crash *crash_r)
{
	static uint8_t bytes[LIFELINE_PACKET_MAX + 1];
	struct lifeline_msg msg;
	struct buf mp = { 0 };
	int fd;
	long len = lifeline_recv(f->logger[1], bytes, sizeof(bytes), &fd);

	if (len <= 0)
		return NULL;
	assert_int_equal(lifeline_decode(bytes, (size_t)len, &msg, NULL), 0);
	assert_int_equal(msg.type, LIFELINE_CRASH);
	assert_int_equal(json_to_mp(msg.u.crash.json, strlen(msg.u.crash.json),
			     &mp, NULL, NULL),
	    0);
	buf_fini(&mp);
	if (crash_r != NULL)
		*crash_r = msg.u.crash;
	return msg.u.crash.json;
}

static void
begin(struct fixture *f, uint64_t generation)
{
	struct crash_facts facts = facts_of(STATUS_SEGV);
	char id[CRASH_ID_MAX];

	facts.generation = generation;
	crash_begin(&f->sup, &facts, id);
	assert_true(crash_id_is_good(id));
}

static void
end(struct fixture *f, uint64_t generation)
{
	const struct lifeline_linked linked = { "users", 2, generation };

	crash_casualties_end(&f->sup, &linked);
}

static void
test_a_bundle_waits_for_what_was_in_flight(void **state)
{
	struct fixture *f = *state;
	struct lifeline_casualty casualty = casualty_of(3, DELIVERY_TAKEN);
	struct lifeline_crash crash;
	const char *json;

	begin(f, 3);
	assert_null(bundle(f, NULL));
	crash_casualty(&f->sup, &casualty);
	casualty.generation = 4; /* of another death */
	crash_casualty(&f->sup, &casualty);
	end(f, 4);
	assert_null(bundle(f, NULL));
	end(f, 3);
	json = bundle(f, &crash);
	assert_non_null(strstr(json, "\"in_flight_total\":1}"));
	assert_non_null(strstr(json, "\"requests\":[{\"state\":\"taken\""));
	assert_string_equal(crash.dir, "/c");
	assert_string_equal(crash.name, "users");
	assert_string_equal(crash.label, "users/2");
	assert_int_equal(crash.keep, 5);
	assert_int_equal(crash.max_size, 1000);
	assert_int_equal(crash.stream, 9);
	end(f, 3);
	assert_null(bundle(f, NULL));
}

static void
test_without_a_router_it_goes_at_once(void **state)
{
	struct fixture *f = *state;

	f->sup.router.state = STATE_BACKOFF;
	begin(f, 3);
	assert_non_null(strstr(bundle(f, NULL), "\"in_flight_total\":0"));
}

static void
test_nothing_is_kept_when_none_is_wanted(void **state)
{
	struct fixture *f = *state;
	struct crash_facts facts = facts_of(STATUS_SEGV);
	char id[CRASH_ID_MAX] = "x";

	f->conf.crash_keep = 0;
	crash_begin(&f->sup, &facts, id);
	assert_string_equal(id, "");
	crash_flush(&f->sup);
	assert_null(bundle(f, NULL));
}

static void
test_requests_are_bounded_and_all_are_counted(void **state)
{
	struct fixture *f = *state;
	char *target = malloc(100001);
	const char *json;
	unsigned listed = 0;

	/* Escaped, each of them is several bytes. */
	memset(target, '\x01', 100000);
	target[100000] = '\0';
	begin(f, 3);
	for (unsigned i = 0; i < 500; i++) {
		struct lifeline_casualty casualty =
		    casualty_of(3, DELIVERY_TAKEN);

		casualty.target = target;
		crash_casualty(&f->sup, &casualty);
	}
	end(f, 3);
	json = bundle(f, NULL);
	assert_non_null(json);
	assert_non_null(strstr(json, "\"in_flight_total\":500}"));
	for (; (json = strstr(json, "\"state\"")) != NULL; json++)
		listed++;
	assert_true(listed > 0 && listed <= CRASH_REQUESTS_MAX);
	free(target);
}

static void
test_so_many_requests_are_listed(void **state)
{
	struct fixture *f = *state;
	struct lifeline_casualty casualty = casualty_of(3, DELIVERY_TAKEN);
	const char *json;
	unsigned listed = 0;

	begin(f, 3);
	for (unsigned i = 0; i < CRASH_REQUESTS_MAX + 1; i++)
		crash_casualty(&f->sup, &casualty);
	end(f, 3);
	json = bundle(f, NULL);
	assert_non_null(strstr(json, "\"in_flight_total\":65}"));
	for (; (json = strstr(json, "\"state\"")) != NULL; json++)
		listed++;
	assert_int_equal(listed, CRASH_REQUESTS_MAX);
}

static void
test_too_many_at_a_time_push_out_the_oldest(void **state)
{
	struct fixture *f = *state;

	for (uint64_t i = 1; i <= CRASH_PENDING_MAX; i++)
		begin(f, i);
	assert_null(bundle(f, NULL));
	begin(f, CRASH_PENDING_MAX + 1);
	assert_non_null(strstr(bundle(f, NULL), "\"generation\":1,"));
	assert_null(bundle(f, NULL));
	crash_flush(&f->sup);
	assert_non_null(strstr(bundle(f, NULL), "\"generation\":2,"));
}

static void
test_a_logger_that_is_gone_is_waited_for(void **state)
{
	struct fixture *f = *state;

	feed_close(&f->sup.logger.feed);
	close(f->logger[1]);
	f->sup.router.state = STATE_BACKOFF;
	begin(f, 3);
	end(f, 3);
	assert_int_equal(f->sup.failures.crashes.count, 1);
	feed_fini(&f->sup.logger.feed);
	open_feed(f, &f->sup.logger.feed, f->logger);
	end(f, 3);
	assert_non_null(bundle(f, NULL));
}

static void
test_the_oom_counter_is_found_in_both_files(void **state)
{
	static const struct {
		const char *text;
		uint64_t count;
	} cases[] = {
		{ "low 0\nhigh 0\nmax 5\noom 3\noom_kill 2\n"
		  "oom_group_kill 7\n",
		    2 },
		{ "nr_free_pages 1\noom_kill 41\nx 1\n", 41 },
		{ "oom_kill 9", 9 },
		{ "oom_group_kill 7\n", 0 },
		{ "x oom_kill 7\n", 0 },
		{ "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(crash_oom_parse(cases[i].text),
		    cases[i].count);
}

static void
set_count(struct fixture *f, unsigned count)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "oom_kill %4u\n", count);

	assert_int_equal(pwrite(f->sup.failures.crashes.oom_fd, text,
			     (size_t)len, 0),
	    len);
}

static void
test_a_kill_for_want_of_memory_has_one_victim(void **state)
{
	struct fixture *f = *state;
	struct crashes *crashes = &f->sup.failures.crashes;

	close(crashes->oom_fd);
	crashes->oom_fd = memfd_create("oom", MFD_CLOEXEC);
	crashes->oom_known = 5;
	set_count(f, 5);
	assert_int_equal(crash_oom_count(&f->sup), 5);
	assert_false(crash_is_oom(&f->sup, STATUS_KILL, 5, false));
	set_count(f, 6);
	assert_false(crash_is_oom(&f->sup, STATUS_SEGV, 5, false));
	assert_false(crash_is_oom(&f->sup, STATUS_EXIT_3, 5, false));
	assert_false(crash_is_oom(&f->sup, STATUS_KILL, 5, true));
	assert_false(crash_is_oom(&f->sup, STATUS_KILL, 6, false));
	assert_true(crash_is_oom(&f->sup, STATUS_KILL, 5, false));
	assert_false(crash_is_oom(&f->sup, STATUS_KILL, 5, false));
	set_count(f, 8);
	/* One of the two was before this one's start. */
	assert_true(crash_is_oom(&f->sup, STATUS_KILL, 7, false));
	assert_false(crash_is_oom(&f->sup, STATUS_KILL, 7, false));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_facts_are_told_as_json),
		cmocka_unit_test(test_the_end_is_a_code_or_a_signal),
		cmocka_unit_test(test_a_request_is_told_as_json),
		T(test_a_bundle_waits_for_what_was_in_flight),
		T(test_without_a_router_it_goes_at_once),
		T(test_nothing_is_kept_when_none_is_wanted),
		T(test_requests_are_bounded_and_all_are_counted),
		T(test_so_many_requests_are_listed),
		T(test_too_many_at_a_time_push_out_the_oldest),
		T(test_a_logger_that_is_gone_is_waited_for),
		cmocka_unit_test(test_the_oom_counter_is_found_in_both_files),
		T(test_a_kill_for_want_of_memory_has_one_victim),
	};

	log_init(-1, LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
