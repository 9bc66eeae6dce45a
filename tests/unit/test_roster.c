#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/lifeline.h"
#include "ipc/loop.h"
#include "router/note.h"
#include "router/roster.h"
#include "router/snapshot.h"

enum {
	BESIDE = 0x100 /* in a state below */
};

static struct loop *loop;
static struct roster *roster;
static char dir[64];
static unsigned kicks;
static uint64_t kicked; /* generation */

static void
on_kick(void *arg, struct note *note)
{
	(void)arg;
	kicks++;
	kicked = note->generation;
}

static int
setup(void **state)
{
	(void)state;
	kicks = 0;
	kicked = 0;
	snprintf(dir, sizeof(dir), "/tmp/test_roster.XXXXXX");
	loop = loop_new(NULL);
	if (loop == NULL || mkdtemp(dir) == NULL)
		return -1;
	roster = roster_new(loop, on_kick, NULL, NULL);
	return roster == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	roster_free(&roster);
	loop_free(&loop);
	return rmdir(dir);
}

/* What the supervisor says of s/1; listen "" when it has no process. */
static bool
told_of(uint64_t index, uint64_t generation, unsigned state, const char *listen)
{
	const struct lifeline_instance instance = { .service = "s",
		.index = index,
		.generation = generation,
		.state = state & 0xff,
		.listen = listen,
		.reason = "",
		.is_beside = (state & BESIDE) != 0 };
	const struct note *note = roster_note(roster, &instance);

	if (note != NULL)
		assert_int_equal(note->generation, generation);
	return note != NULL;
}

static bool
told(uint64_t generation, unsigned state)
{
	return told_of(1, generation, state, "tcp://127.0.0.1:1");
}

/* A worker says that its link is up; is the supervisor to be told? */
static bool
up(uint64_t generation)
{
	return roster_linked(roster, "s", 1, generation, true);
}

static bool
down(uint64_t generation)
{
	return roster_linked(roster, "s", 1, generation, false);
}

static bool
is_ready(void)
{
	return roster_is_ready(roster, "s", false);
}

static void
prune(unsigned instances, const char *url)
{
	struct snapshot *snapshot = snapshot_new();
	const struct lifeline_service service = { .name = "s",
		.instances = instances,
		.url = url };

	if (instances != 0)
		assert_int_equal(snapshot_add_service(snapshot, &service, NULL),
		    0);
	roster_prune(roster, snapshot);
	snapshot_unref(&snapshot);
}

static void
test_the_first_link_of_each_generation_is_told(void **state)
{
	(void)state;
	assert_false(up(1)); /* nobody knows it */
	assert_true(told(1, STATE_STARTING));
	assert_true(up(1));
	assert_false(up(1));
	assert_false(down(1));
	assert_false(down(1));
	assert_false(down(1));
	assert_false(up(1));
	assert_true(told(1, STATE_READY));
	assert_false(up(1));
	assert_true(told(2, STATE_STARTING));
	assert_false(up(1));
	assert_true(up(2));
}

static void
test_news_of_an_older_generation_are_none(void **state)
{
	(void)state;
	assert_true(told(3, STATE_READY));
	assert_false(told(2, STATE_READY));
	assert_true(told(3, STATE_DRAINING));
	assert_false(is_ready());
}

static void
test_one_beside_has_links_of_its_own_and_takes_over(void **state)
{
	(void)state;
	assert_true(told(1, STATE_READY));
	assert_true(up(1));
	assert_true(told(2, STATE_STARTING | BESIDE));
	assert_true(up(2));
	assert_false(up(2));
	assert_false(up(1));
	assert_true(told(2, STATE_READY | BESIDE));
	assert_true(told(1, STATE_READY)); /* a reload tells all again */
	/* It takes over, and still has its links. */
	assert_true(told(2, STATE_READY));
	assert_false(up(2));
	assert_true(told(1, STATE_DRAINING | BESIDE));
	assert_false(told(1, STATE_READY));
	assert_true(is_ready());
	assert_true(told(1, STATE_STOPPING | BESIDE));
	assert_true(told(1, STATE_STOPPED | BESIDE));
	assert_true(told(2, STATE_DRAINING));
	assert_false(is_ready());
}

static void
test_one_beside_that_has_ended_is_forgotten(void **state)
{
	(void)state;
	assert_true(told(1, STATE_READY));
	for (uint64_t i = 2; i < 6; i++) {
		assert_true(told(i, STATE_READY | BESIDE));
		assert_true(told(i, STATE_BACKOFF | BESIDE));
		assert_true(told(1, STATE_READY));
		assert_false(up(i)); /* it would be the first */
	}
	assert_true(up(1));
	/* The index itself is not, however it ends. */
	assert_true(told(1, STATE_FAILED));
	assert_true(told_of(2, 1, STATE_READY, ""));
	assert_false(told(0, STATE_READY));
}

static void
test_one_that_died_before_it_was_replaced_is_forgotten(void **state)
{
	(void)state;
	assert_true(told(1, STATE_READY));
	assert_true(told(2, STATE_READY | BESIDE));
	/* It waits for its successor, and has no process. */
	assert_true(told_of(1, 1, STATE_STARTING, ""));
	assert_true(told(2, STATE_READY));
	assert_true(told(2, STATE_READY));
	assert_false(up(1));
	assert_true(up(2));
}

static void
test_a_service_is_ready_with_any_generation_of_any_index(void **state)
{
	static const struct {
		unsigned present, beside; /* state; 0: none */
		bool is_ready;
	} cases[] = {
		{ 0, 0, false },
		{ STATE_READY, 0, true },
		{ STATE_READY, STATE_STARTING, true },
		{ STATE_READY, STATE_READY, true },
		{ STATE_READY, STATE_DRAINING, true },
		{ STATE_BACKOFF, STATE_STARTING, false },
		{ STATE_STARTING, STATE_DRAINING, false },
		/* It gets the requests, though it has not taken over. */
		{ STATE_BACKOFF, STATE_READY, true },
		{ STATE_FAILED, STATE_STOPPED, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (cases[i].present != 0)
			assert_true(told(1, cases[i].present));
		if (cases[i].beside != 0)
			assert_true(told(2, cases[i].beside | BESIDE));
		assert_int_equal(is_ready(), cases[i].is_ready);
		assert_false(roster_is_ready(roster, "t", false));
		assert_false(roster_is_ready(roster, "s", true));
		assert_int_equal(teardown(state), 0);
		assert_int_equal(setup(state), 0);
	}
}

static void
test_what_is_no_longer_in_the_picture_is_forgotten(void **state)
{
	(void)state;
	assert_true(told_of(1, 5, STATE_READY, ""));
	assert_true(told_of(1, 6, STATE_READY | BESIDE, ""));
	assert_true(told_of(3, 7, STATE_READY, ""));
	prune(2, "");
	assert_true(roster_linked(roster, "s", 1, 5, true));
	assert_true(roster_linked(roster, "s", 1, 6, true));
	assert_false(roster_linked(roster, "s", 3, 7, true));
	prune(0, "");
	assert_false(is_ready());
	/* The name is back, its generations count anew. */
	assert_true(told_of(1, 1, STATE_READY, ""));
	assert_true(is_ready());
	prune(1, "tcp://127.0.0.1:1");
	assert_false(is_ready());
}

static void
test_of_a_remote_service_the_first_and_the_last_link_are_told(void **state)
{
	(void)state;
	assert_false(down(0));
	assert_true(up(0));
	assert_false(up(0));
	assert_true(roster_is_ready(roster, "s", true));
	assert_false(is_ready());
	prune(1, "tcp://127.0.0.1:1");
	assert_false(down(0));
	assert_true(down(0));
	assert_false(down(0));
	assert_false(roster_is_ready(roster, "s", true));
	assert_true(up(0));
	prune(1, "");
	assert_false(roster_is_ready(roster, "s", true));
}

static void
touch(const char *name)
{
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_CREAT | O_RDWR, 0600);
	assert_int_not_equal(fd, -1);
	close(fd);
	assert_int_equal(unlink(path), 0);
}

static void
listens(uint64_t generation, unsigned state, const char *name)
{
	char url[160];

	snprintf(url, sizeof(url), "ipc://%s/%s", dir, name);
	assert_true(told_of(1, generation, state, url));
}

static void
test_the_generation_whose_socket_appears_is_kicked(void **state)
{
	(void)state;
	listens(1, STATE_STARTING, "1");
	listens(2, STATE_STARTING | BESIDE, "2");
	touch("other");
	assert_int_equal(loop_turn(loop, 0, NULL), 0);
	assert_int_equal(kicks, 0);
	touch("2");
	assert_int_equal(loop_turn(loop, 0, NULL), 0);
	assert_int_equal(kicks, 1);
	assert_int_equal(kicked, 2);
	touch("1");
	assert_int_equal(loop_turn(loop, 0, NULL), 0);
	assert_int_equal(kicks, 2);
	assert_int_equal(kicked, 1);
	/* One that has ended is of no interest. */
	listens(2, STATE_STOPPED | BESIDE, "2");
	touch("2");
	assert_int_equal(loop_turn(loop, 0, NULL), 0);
	assert_int_equal(kicks, 2);
}

/* As many files as the kernel remembers, and one that it does not. */
static void
test_a_socket_is_not_missed_in_a_crowd_of_others(void **state)
{
	unsigned max = 0;
	FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "re");

	(void)state;
	if (file == NULL || fscanf(file, "%u", &max) != 1 || max > 20000)
		max = 0;
	if (file != NULL)
		fclose(file);
	if (max == 0)
		skip();
	listens(1, STATE_STARTING, "1");
	for (unsigned i = 0; i < max + 2; i++)
		touch(i % 2 == 0 ? "a" : "b");
	touch("1");
	for (unsigned i = 0; i < max && kicks == 0; i++)
		assert_int_equal(loop_turn(loop, 0, NULL), 0);
	assert_int_equal(kicks, 1);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_first_link_of_each_generation_is_told),
		T(news_of_an_older_generation_are_none),
		T(one_beside_has_links_of_its_own_and_takes_over),
		T(one_beside_that_has_ended_is_forgotten),
		T(one_that_died_before_it_was_replaced_is_forgotten),
		T(a_service_is_ready_with_any_generation_of_any_index),
		T(what_is_no_longer_in_the_picture_is_forgotten),
		T(of_a_remote_service_the_first_and_the_last_link_are_told),
		T(the_generation_whose_socket_appears_is_kicked),
		T(a_socket_is_not_missed_in_a_crowd_of_others),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
