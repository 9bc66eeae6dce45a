/* The lifeline's queue: bounded, forgettable, and never in the way. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/err.h"
#include "supervisor/feed.h"

static unsigned broken_count;

static void
on_message(void *arg, const struct lifeline_msg *msg)
{
	(void)arg;
	(void)msg;
}

static void
on_broken(void *arg, const char *why)
{
	(void)arg;
	assert_non_null(strstr(why, "does not read"));
	broken_count++;
}

static size_t
open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t count = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

static void
feed_make(struct feed *feed, struct loop *loop, int *peer_r)
{
	const struct feed_handler handler = { on_message, on_broken, NULL };
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX,
			     SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
			     ends),
	    0);
	feed_init(feed, loop, &handler);
	assert_int_equal(feed_open(feed, ends[0], NULL), 0);
	*peer_r = ends[1];
	broken_count = 0;
}

static void
a_peer_that_never_reads_is_broken_at_the_bound(void **state)
{
	static char reason[4096];
	struct lifeline_msg msg = { .type = LIFELINE_INSTANCE };
	struct loop *loop = loop_new(NULL);
	struct feed feed;
	int peer;

	(void)state;
	assert_non_null(loop);
	memset(reason, 'x', sizeof(reason) - 1);
	msg.u.instance.service = "a";
	msg.u.instance.listen = "";
	msg.u.instance.reason = reason;
	feed_make(&feed, loop, &peer);
	for (size_t i = 0; i < 2 * FEED_QUEUE_MAX / sizeof(reason); i++)
		feed_send(&feed, &msg, -1);
	assert_true(feed.queued <= FEED_QUEUE_MAX);
	assert_int_equal(broken_count, 0);
	assert_int_equal(loop_turn(loop, 0, NULL), 0);
	assert_int_equal(broken_count, 1);
	assert_false(feed_is_open(&feed));
	assert_int_equal(feed.queued, 0);
	feed_fini(&feed);
	close(peer);
	loop_free(&loop);
}

static void
what_is_forgotten_holds_no_descriptor(void **state)
{
	struct lifeline_msg msg = { .type = LIFELINE_STREAM };
	struct loop *loop = loop_new(NULL);
	struct feed feed;
	size_t before;
	int peer;

	(void)state;
	assert_non_null(loop);
	msg.u.stream.name = "a";
	msg.u.stream.label = "a/1";
	feed_make(&feed, loop, &peer);
	while (TAILQ_EMPTY(&feed.queue))
		feed_send(&feed, &msg, STDIN_FILENO);
	feed_forget(&feed);
	before = open_files();
	for (int i = 0; i < 10; i++)
		feed_send(&feed, &msg, STDIN_FILENO);
	assert_int_equal(open_files(), before + 10);
	feed_forget(&feed);
	assert_int_equal(open_files(), before);
	assert_int_equal(feed.queued, 0);
	assert_true(feed_is_open(&feed));
	feed_fini(&feed);
	close(peer);
	loop_free(&loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_peer_that_never_reads_is_broken_at_the_bound),
		cmocka_unit_test(what_is_forgotten_holds_no_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
