#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/buf.h"
#include "ipc/event.h"
#include "ipc/log.h"
#include "ipc/loop.h"
#include "ipc/sp.h"
#include "router/bus.h"
#include "router/bus_queue.h"

/*
 * The queue.
 */

static size_t
add(struct bus_queue *queue, const char *text)
{
	struct bus_message *message = bus_message_new(text, strlen(text));
	size_t lost;

	assert_non_null(message);
	lost = bus_queue_add(queue, message);
	bus_message_free(&message);
	assert_null(message);
	return lost;
}

static void
assert_take(struct bus_queue *queue, const char *want)
{
	struct bus_message *message = bus_queue_take(queue);

	assert_non_null(message);
	assert_int_equal(message->len, strlen(want));
	assert_memory_equal(message->data, want, message->len);
	bus_message_free(&message);
}

static void
test_a_full_queue_drops_its_oldest(void **state)
{
	struct bus_queue queue;
	char text[16];

	(void)state;
	bus_queue_init(&queue, 3 * (3 + BUS_QUEUE_OVERHEAD));
	for (int i = 100; i < 200; i++) {
		snprintf(text, sizeof(text), "%d", i);
		assert_int_equal(add(&queue, text), i < 103 ? 0 : 1);
	}
	assert_int_equal(queue.count, 3);
	assert_true(queue.bytes <= queue.bytes_max);
	assert_take(&queue, "197");
	assert_take(&queue, "198");
	assert_take(&queue, "199");
	assert_null(bus_queue_take(&queue));
	assert_int_equal(queue.bytes, 0);
	bus_queue_fini(&queue);
}

static void
test_the_newest_stays_however_large(void **state)
{
	struct bus_queue queue;

	(void)state;
	bus_queue_init(&queue, 2 * BUS_QUEUE_OVERHEAD);
	assert_int_equal(add(&queue, "small"), 0);
	assert_int_equal(add(&queue, "larger than the whole bound, which is "
				     "twice what any event costs, and that "
				     "is one hundred and twenty-eight bytes, "
				     "so this one is"),
	    1);
	assert_int_equal(queue.count, 1);
	assert_int_equal(add(&queue, "next"), 1);
	assert_take(&queue, "next");
	bus_queue_fini(&queue);
}

static void
test_the_ring_keeps_its_order_while_it_grows(void **state)
{
	struct bus_queue queue;
	char text[16];
	int in = 1000, out = 1000;

	(void)state;
	bus_queue_init(&queue, 1000000);
	for (int round = 0; round < 60; round++) {
		for (int i = 0; i < 10; i++) {
			snprintf(text, sizeof(text), "%d", in++);
			assert_int_equal(add(&queue, text), 0);
		}
		for (int i = 0; i < 7; i++) {
			snprintf(text, sizeof(text), "%d", out++);
			assert_take(&queue, text);
		}
	}
	assert_int_equal(queue.count, in - out);
	bus_queue_fini(&queue);
}

/*
 * The bus, with this test as the peers.
 */

enum {
	QUEUE_MAX = 256 * 1024
};

static struct loop *loop;
static struct bus *bus;
static int log_pipe[2];

static int
setup(void **state)
{
	(void)state;
	loop = loop_new(NULL);
	bus = loop == NULL ? NULL : bus_new(loop, QUEUE_MAX, NULL);
	if (bus == NULL || pipe2(log_pipe, O_NONBLOCK) < 0)
		return -1;
	log_init(log_pipe[1], LOG_LEVEL_INFO);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	bus_free(&bus);
	loop_free(&loop);
	log_init(STDERR_FILENO, LOG_LEVEL_INFO);
	close(log_pipe[0]);
	close(log_pipe[1]);
	return 0;
}

static const char *
logged(void)
{
	static char text[4096];
	ssize_t len = read(log_pipe[0], text, sizeof(text) - 1);

	text[len > 0 ? len : 0] = '\0';
	return text;
}

static void
turns(int count)
{
	for (int i = 0; i < count; i++)
		assert_int_equal(loop_turn(loop, 0, NULL), 0);
}

/* Returns the peer's end. */
static int
join(enum sp_protocol protocol, const char *label)
{
	uint8_t handshake[SP_HANDSHAKE_LEN];
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
			     fds),
	    0);
	/* Small, so that the kernel often takes a part of what it is given. */
	assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF,
			     &(int){ 16384 }, sizeof(int)),
	    0);
	sp_handshake_encode(protocol, handshake);
	bus_accept(bus, fds[0], SP_IPC, protocol, handshake, sizeof(handshake),
	    label);
	turns(1);
	return fds[1];
}

static void
say(int fd, const void *data, size_t len)
{
	uint8_t prefix[SP_PREFIX_MAX];

	sp_prefix_encode(SP_IPC, len, prefix);
	assert_int_equal(write(fd, prefix, sizeof(prefix)), sizeof(prefix));
	assert_int_equal(write(fd, data, len), len);
}

/* Everything the bus has written, as far as the loop can bring it. */
static void
hear(int fd, struct buf *heard)
{
	for (int idle = 0; idle < 3; idle++) {
		uint8_t *to = buf_reserve(heard, 65536);
		ssize_t len;

		assert_non_null(to);
		len = read(fd, to, 65536);
		if (len > 0) {
			heard->len += (size_t)len;
			idle = -1;
		}
		turns(1);
	}
}

/* A little of it, so that the kernel takes a part of what waits. */
static void
nibble(int fd, struct buf *heard)
{
	uint8_t *to = buf_reserve(heard, 10000);
	ssize_t len;

	assert_non_null(to);
	len = read(fd, to, 10000);
	if (len > 0)
		heard->len += (size_t)len;
}

static void
hear_handshake(struct buf *heard, enum sp_protocol want)
{
	assert_true(buf_count(heard) >= SP_HANDSHAKE_LEN);
	assert_int_equal(sp_handshake_decode(buf_front(heard)), want);
	buf_consume(heard, SP_HANDSHAKE_LEN);
}

/* The length of the next whole message, which starts at buf_front(). */
static size_t
next_message(struct buf *heard)
{
	uint64_t len;

	assert_true(buf_count(heard) >= SP_PREFIX_MAX);
	assert_int_equal(sp_prefix_decode(SP_IPC, buf_front(heard), &len), 0);
	buf_consume(heard, SP_PREFIX_MAX);
	assert_true(buf_count(heard) >= len);
	return (size_t)len;
}

static void
assert_heard(int fd, const char *const *want)
{
	struct buf heard = { 0 };

	hear(fd, &heard);
	hear_handshake(&heard, SP_PUB);
	for (; *want != NULL; want++) {
		size_t len = next_message(&heard);

		assert_int_equal(len, strlen(*want));
		assert_memory_equal(buf_front(&heard), *want, len);
		buf_consume(&heard, len);
	}
	assert_int_equal(buf_count(&heard), 0);
	buf_fini(&heard);
}

static void
test_every_event_reaches_every_subscriber_in_order(void **state)
{
	static const char *const want[] = { "one", "two", "three", NULL };
	int subs[3], pubs[2];
	struct bus_stats stats;

	(void)state;
	for (int i = 0; i < 3; i++)
		subs[i] = join(SP_SUB, "s");
	for (int i = 0; i < 2; i++)
		pubs[i] = join(SP_PUB, "p");
	say(pubs[0], "one", 3);
	turns(1);
	say(pubs[1], "two", 3);
	turns(1);
	assert_int_equal(bus_publish(bus, "three", 5), 0);
	turns(1);
	for (int i = 0; i < 3; i++)
		assert_heard(subs[i], want);
	bus_stats(bus, &stats);
	assert_int_equal(stats.publishers, 2);
	assert_int_equal(stats.subscribers, 3);
	assert_int_equal(stats.events, 3);
	assert_int_equal(stats.sent, 9);
	assert_int_equal(stats.dropped, 0);
	for (int i = 0; i < 3; i++)
		close(subs[i]);
	turns(1);
	bus_stats(bus, &stats);
	assert_int_equal(stats.subscribers, 0);
	for (int i = 0; i < 2; i++)
		close(pubs[i]);
}

enum {
	EVENT_LEN = 1000,
	FLOOD = 3000
};

/* Numbers of the events heard; each is checked to be larger than the last. */
static size_t
count_numbers(struct buf *heard, uint32_t *last_r)
{
	size_t count = 0;
	uint32_t number;

	while (buf_count(heard) > 0) {
		assert_int_equal(next_message(heard), EVENT_LEN);
		memcpy(&number, buf_front(heard), sizeof(number));
		assert_true(count == 0 || number > *last_r);
		*last_r = number;
		count++;
		buf_consume(heard, EVENT_LEN);
	}
	return count;
}

static void
test_a_slow_subscriber_loses_the_oldest_and_slows_nobody(void **state)
{
	int slow = join(SP_SUB, "slow"), fast = join(SP_SUB, "fast");
	struct buf fast_heard = { 0 }, slow_heard = { 0 };
	uint8_t bytes[EVENT_LEN] = { 0 };
	struct bus_stats stats;
	uint32_t last = 0;
	size_t count;

	(void)state;
	for (uint32_t i = 0; i < FLOOD; i++) {
		memcpy(bytes, &i, sizeof(i));
		assert_int_equal(bus_publish(bus, bytes, sizeof(bytes)), 0);
		if (i % 50 == 49)
			hear(fast, &fast_heard);
		if (i % 100 == 99)
			nibble(slow, &slow_heard);
	}
	hear_handshake(&fast_heard, SP_PUB);
	assert_int_equal(count_numbers(&fast_heard, &last), FLOOD);
	bus_stats(bus, &stats);
	assert_true(stats.dropped > 0);
	hear(slow, &slow_heard);
	hear_handshake(&slow_heard, SP_PUB);
	count = count_numbers(&slow_heard, &last);
	assert_int_equal(count, FLOOD - stats.dropped);
	assert_int_equal(last, FLOOD - 1);
	/* What waited is what its queue, its wire and the kernel may hold. */
	assert_true(count * EVENT_LEN > QUEUE_MAX / 2);
	assert_true(count * EVENT_LEN < 4 * QUEUE_MAX);
	close(slow);
	close(fast);
	buf_fini(&fast_heard);
	buf_fini(&slow_heard);
}

static void
test_drops_are_told_once_and_then_not_before_a_second(void **state)
{
	int slow = join(SP_SUB, "10.0.0.7:4711");
	uint8_t bytes[EVENT_LEN] = { 0 };
	struct bus_stats stats;
	char want[128];

	(void)state;
	for (int i = 0; i < FLOOD; i++)
		assert_int_equal(bus_publish(bus, bytes, sizeof(bytes)), 0);
	assert_string_equal(logged(),
	    "warn subscriber 10.0.0.7:4711: too slow, 1 events dropped\n");
	turns(1);
	bus_stats(bus, &stats);
	close(slow);
	turns(2);
	snprintf(want, sizeof(want),
	    "warn subscriber 10.0.0.7:4711: too slow, %d events dropped\n",
	    (int)stats.dropped - 1);
	assert_string_equal(logged(), want);
}

static void
test_what_is_no_event_is_passed_on_counted_and_told_once(void **state)
{
	static const char *const want[] = { "plain nng", "", NULL };
	int sub = join(SP_SUB, "s"), pub = join(SP_PUB, "p");
	const struct event event = { .topic = "t",
		.topic_len = 1,
		.id = "",
		.from = "" };
	struct buf encoded = { 0 };
	struct bus_stats stats;

	(void)state;
	say(pub, "plain nng", 9);
	say(pub, "", 0);
	turns(1);
	assert_heard(sub, want);
	assert_string_equal(logged(),
	    "info publisher p: event: no topic of 1 to 255 bytes of UTF-8 and "
	    "a NUL; passed on as it is\n");
	event_encode(&encoded, &event);
	say(pub, encoded.data, encoded.len);
	turns(1);
	bus_stats(bus, &stats);
	assert_int_equal(stats.events, 3);
	assert_int_equal(stats.foreign, 2);
	close(sub);
	close(pub);
	buf_fini(&encoded);
}

static void
test_an_event_too_large_closes_its_publisher_only(void **state)
{
	int sub = join(SP_SUB, "s"), bad = join(SP_PUB, "bad"),
	    good = join(SP_PUB, "good");
	static const char *const want[] = { "still here", NULL };
	uint8_t prefix[SP_PREFIX_MAX];
	struct bus_stats stats;

	(void)state;
	sp_prefix_encode(SP_IPC, BUS_EVENT_MAX + 1, prefix);
	assert_int_equal(write(bad, prefix, sizeof(prefix)), sizeof(prefix));
	turns(2);
	say(good, "still here", 10);
	turns(1);
	assert_heard(sub, want);
	bus_stats(bus, &stats);
	assert_int_equal(stats.publishers, 1);
	close(sub);
	close(bad);
	close(good);
}

static void
test_what_is_neither_pub_nor_sub_is_refused_and_closed(void **state)
{
	struct bus_stats stats;
	int fd = join(SP_REQ, "1.2.3.4:5");
	char byte;

	(void)state;
	assert_int_equal(read(fd, &byte, 1), 0);
	assert_string_equal(logged(),
	    "warn bus: 1.2.3.4:5: refused: SP protocol 0x30 is neither PUB nor "
	    "SUB\n");
	bus_stats(bus, &stats);
	assert_int_equal(stats.publishers + stats.subscribers, 0);
	close(fd);
}

#define WITH_BUS(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_full_queue_drops_its_oldest),
		cmocka_unit_test(test_the_newest_stays_however_large),
		cmocka_unit_test(test_the_ring_keeps_its_order_while_it_grows),
		WITH_BUS(test_every_event_reaches_every_subscriber_in_order),
		WITH_BUS(
		    test_a_slow_subscriber_loses_the_oldest_and_slows_nobody),
		WITH_BUS(test_drops_are_told_once_and_then_not_before_a_second),
		WITH_BUS(
		    test_what_is_no_event_is_passed_on_counted_and_told_once),
		WITH_BUS(test_an_event_too_large_closes_its_publisher_only),
		WITH_BUS(
		    test_what_is_neither_pub_nor_sub_is_refused_and_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
