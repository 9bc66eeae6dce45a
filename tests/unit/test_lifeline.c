#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/lifeline.h"
#include "ipc/mp.h"

/* Each type with each of its items set, none of them zero. */
static const struct lifeline_msg all[] = {
	{ .type = LIFELINE_BEGIN },
	{ .type = LIFELINE_SETTINGS,
	    .u.settings = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, UINT64_MAX,
		DETAIL_FULL, 14, true } },
	{ .type = LIFELINE_LISTENER,
	    .u.listener = { LISTENER_ADMIN, "127.0.0.1:80", true } },
	{ .type = LIFELINE_SERVICE,
	    .u.service = { "echo", 2, 3000, "tcp://h:1", true,
		{ 1, 2, 3, 4, 5, LIFELINE_AUTO, 7, 8, 9, 10, 11, 12 } } },
	{ .type = LIFELINE_ROUTE,
	    .u.route = { "GET /a/{b}", "echo", "users.get", 1, 2, "r1", true,
		FALLBACK_BODY, FAILURE_ALL, "sorry", "text/plain" } },
	{ .type = LIFELINE_COMMIT },
	{ .type = LIFELINE_INSTANCE,
	    .u.instance = { "echo", 1, 2, STATE_BACKOFF, 4, "ipc://x", 5,
		"killed by signal 9", true, DEATH_OTHER, 2, 5 } },
	{ .type = LIFELINE_STOP },
	{ .type = LIFELINE_APPLIED },
	{ .type = LIFELINE_LINKED, .u.linked = { "echo", 1, 2 } },
	{ .type = LIFELINE_STREAM, .u.stream = { 1, "echo", "echo/1" } },
	{ .type = LIFELINE_LOG, .u.log = { "/var/log", 1, 2, true, true } },
	{ .type = LIFELINE_DRAINED, .u.drained = { 77 } },
	{ .type = LIFELINE_REOPEN },
	{ .type = LIFELINE_UNLINKED, .u.linked = { "echo", 1, 2 } },
	{ .type = LIFELINE_HUNG, .u.hung = { "echo", 1, 2, "GET /x", 3 } },
	{ .type = LIFELINE_IDLE, .u.linked = { "echo", 1, 2 } },
	{ .type = LIFELINE_STATS, .u.stats = { "echo", 1, 2, 3, 4, 5 } },
	{ .type = LIFELINE_CASUALTY,
	    .u.casualty = { "echo", 1, 2, DELIVERY_DONE, "GET", "/x?y", "r1",
		"id", "00-11-22-01", "::1", 3 } },
	{ .type = LIFELINE_CASUALTIES_END, .u.linked = { "echo", 1, 2 } },
	{ .type = LIFELINE_QUARANTINE,
	    .u.quarantine = { "echo", "0123", 1, "POST", "/x", "r1", "::1",
		"a: b", "70", 2 } },
	{ .type = LIFELINE_RELEASE, .u.release = { "0123" } },
	{ .type = LIFELINE_FAULT,
	    .u.fault = { "echo", FAULT_ERROR, 503, 50, 1000 } },
	{ .type = LIFELINE_CRASH,
	    .u.crash = { "echo-1-2", "/var/log", 50, 1000, 7, "echo", "echo/1",
		"{}" } },
};

enum {
	ALL_COUNT = sizeof(all) / sizeof(*all)
};

/* With the spare byte that lifeline_decode() may write to, and no more. */
static uint8_t *
copy_of(const void *bytes, size_t len)
{
	uint8_t *copy = malloc(len + 1);

	assert_non_null(copy);
	if (len > 0)
		memcpy(copy, bytes, len);
	copy[len] = 0xff;
	return copy;
}

static int
decode(const struct buf *buf, size_t len, struct err *err)
{
	uint8_t *copy = copy_of(buf->data, len);
	struct lifeline_msg msg;
	int rc = lifeline_decode(copy, len, &msg, err);

	free(copy);
	return rc;
}

static void
test_every_message_comes_back_as_it_was_sent(void **state)
{
	(void)state;
	for (size_t i = 0; i < ALL_COUNT; i++) {
		struct buf first = { 0 }, second = { 0 };
		struct err err = { .text = "" };
		struct lifeline_msg msg;
		uint8_t *copy;

		lifeline_encode(&first, &all[i]);
		copy = copy_of(first.data, first.len);
		if (lifeline_decode(copy, first.len, &msg, &err) != 0)
			fail_msg("%s", err.text);
		assert_int_equal(msg.type, all[i].type);
		lifeline_encode(&second, &msg);
		assert_int_equal(first.len, second.len);
		assert_memory_equal(first.data, second.data, first.len);
		free(copy);
		buf_fini(&first);
		buf_fini(&second);
	}
}

static void
test_fields_land_where_they_belong(void **state)
{
	static const char wire[] = "\x9e\x07\xa4"
				   "echo\x01\x02\x05\x04\xa7ipc://x\x05\xb2"
				   "killed by signal 9\xc3\x01\x02\x05\xc2";
	struct buf buf = { 0 };
	struct lifeline_msg msg;
	uint8_t *copy;

	(void)state;
	lifeline_encode(&buf, &all[1]);
	copy = copy_of(buf.data, buf.len);
	assert_int_equal(lifeline_decode(copy, buf.len, &msg, NULL), 0);
	assert_memory_equal(&msg.u.settings, &all[1].u.settings,
	    sizeof(msg.u.settings));
	free(copy);
	buf_clear(&buf);
	lifeline_encode(&buf, &all[6]);
	assert_int_equal(buf.len, sizeof(wire) - 1);
	assert_memory_equal(buf.data, wire, buf.len);
	copy = copy_of(buf.data, buf.len);
	assert_int_equal(lifeline_decode(copy, buf.len, &msg, NULL), 0);
	assert_string_equal(msg.u.instance.service, "echo");
	assert_int_equal(msg.u.instance.generation, 2);
	assert_string_equal(lifeline_state_name((unsigned)msg.u.instance.state),
	    "backoff");
	assert_int_equal(msg.u.instance.pid, 4);
	assert_string_equal(msg.u.instance.listen, "ipc://x");
	assert_string_equal(msg.u.instance.reason, "killed by signal 9");
	free(copy);
	buf_fini(&buf);
}

static void
test_a_packet_cut_anywhere_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ALL_COUNT; i++) {
		struct buf buf = { 0 };

		lifeline_encode(&buf, &all[i]);
		for (size_t len = 0; len < buf.len; len++)
			assert_int_equal(decode(&buf, len, NULL), -1);
		buf_append_byte(&buf, 0xc0);
		assert_int_equal(decode(&buf, buf.len, NULL), -1);
		buf_fini(&buf);
	}
}

static void
test_unknown_trailing_items_are_ignored(void **state)
{
	struct buf buf = { 0 };

	(void)state;
	mp_put_array(&buf, 4);
	mp_put_uint(&buf, LIFELINE_DRAINED);
	mp_put_uint(&buf, 7);
	mp_put_map(&buf, 1);
	mp_put_nil(&buf);
	mp_put_nil(&buf);
	mp_put_cstr(&buf, "later");
	assert_int_equal(decode(&buf, buf.len, NULL), 0);
	buf_fini(&buf);
}

static void
put_linked(struct buf *buf, const char *service, size_t len, bool is_uint)
{
	mp_put_array(buf, 4);
	mp_put_uint(buf, LIFELINE_LINKED);
	mp_put_str(buf, service, len);
	mp_put_uint(buf, 1);
	if (is_uint)
		mp_put_uint(buf, 2);
	else
		mp_put_int(buf, -2);
}

static void
test_bad_items_are_named(void **state)
{
	struct buf buf = { 0 };
	struct err err;

	(void)state;
	put_linked(&buf, "a\0b", 3, true);
	assert_int_equal(decode(&buf, buf.len, &err), -1);
	assert_string_equal(err.text, "lifeline linked: bad item \"service\"");
	buf_clear(&buf);
	put_linked(&buf, "ab", 2, false);
	assert_int_equal(decode(&buf, buf.len, &err), -1);
	assert_string_equal(err.text,
	    "lifeline linked: bad item \"generation\"");
	buf_clear(&buf);
	mp_put_array(&buf, 1);
	mp_put_uint(&buf, 99);
	assert_int_equal(decode(&buf, buf.len, &err), -1);
	assert_string_equal(err.text, "lifeline: unknown type 99");
	buf_fini(&buf);
}

static void
test_states_have_the_words_of_the_design(void **state)
{
	static const char *const words[] = { "unknown", "starting", "ready",
		"draining", "stopping", "backoff", "failed", "stopped",
		"disabled", "unknown" };

	(void)state;
	for (unsigned i = 0; i < sizeof(words) / sizeof(*words); i++)
		assert_string_equal(lifeline_state_name(i), words[i]);
}

/*
 * Sockets.
 */

static uint8_t packet[LIFELINE_PACKET_MAX + 1];

static void
open_pair(int socks[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, socks), 0);
}

static void
test_a_packet_carries_a_descriptor(void **state)
{
	int socks[2], pipes[2], fd = -2;
	char byte = 0;

	(void)state;
	open_pair(socks);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(lifeline_send(socks[0], "abc", 3, pipes[1]), 0);
	assert_int_equal(lifeline_send(socks[0], "de", 2, -1), 0);
	close(pipes[1]);
	assert_int_equal(lifeline_recv(socks[1], packet, sizeof(packet), &fd),
	    3);
	assert_memory_equal(packet, "abc", 3);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(read(pipes[0], &byte, 1), 1);
	close(fd);
	assert_int_equal(lifeline_recv(socks[1], packet, sizeof(packet), &fd),
	    2);
	assert_int_equal(fd, -1);
	close(pipes[0]);
	close(socks[0]);
	close(socks[1]);
}

static void
test_what_was_sent_before_a_close_is_still_received(void **state)
{
	int socks[2], fd;

	(void)state;
	open_pair(socks);
	assert_int_equal(lifeline_recv(socks[1], packet, sizeof(packet), &fd),
	    -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(lifeline_send(socks[1], "unread", 6, -1), 0);
	assert_int_equal(lifeline_send(socks[0], "last", 4, -1), 0);
	close(socks[0]);
	assert_int_equal(lifeline_recv(socks[1], packet, sizeof(packet), &fd),
	    4);
	assert_int_equal(lifeline_recv(socks[1], packet, sizeof(packet), &fd),
	    0);
	assert_int_equal(lifeline_send(socks[1], "x", 1, -1), -1);
	assert_int_equal(errno, EPIPE);
	close(socks[1]);
}

static void
test_a_full_socket_is_told_from_a_broken_one(void **state)
{
	int socks[2], rc;

	(void)state;
	open_pair(socks);
	do
		rc = lifeline_send(socks[0], packet, LIFELINE_PACKET_MAX, -1);
	while (rc == 0);
	assert_int_equal(rc, 1);
	assert_int_equal(lifeline_send(socks[0], packet,
			     LIFELINE_PACKET_MAX + 1, -1),
	    -1);
	assert_int_equal(errno, EMSGSIZE);
	close(socks[0]);
	close(socks[1]);
}

static void
test_a_packet_too_large_is_an_error_and_leaks_no_descriptor(void **state)
{
	int socks[2], fd, next, probe;

	(void)state;
	open_pair(socks);
	next = dup(0);
	close(next);
	assert_int_equal(lifeline_send(socks[0], "123456", 6, 0), 0);
	assert_int_equal(lifeline_recv(socks[1], packet, 5, &fd), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(fd, -1);
	probe = dup(0);
	assert_int_equal(probe, next);
	close(probe);
	close(socks[0]);
	close(socks[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_message_comes_back_as_it_was_sent),
		cmocka_unit_test(test_fields_land_where_they_belong),
		cmocka_unit_test(test_a_packet_cut_anywhere_is_refused),
		cmocka_unit_test(test_unknown_trailing_items_are_ignored),
		cmocka_unit_test(test_bad_items_are_named),
		cmocka_unit_test(test_states_have_the_words_of_the_design),
		cmocka_unit_test(test_a_packet_carries_a_descriptor),
		cmocka_unit_test(
		    test_what_was_sent_before_a_close_is_still_received),
		cmocka_unit_test(test_a_full_socket_is_told_from_a_broken_one),
		cmocka_unit_test(
		    test_a_packet_too_large_is_an_error_and_leaks_no_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
