#include <errno.h>
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
#include "ipc/err.h"
#include "ipc/loop.h"
#include "ipc/wire.h"

struct tap {
	struct wire *wire;
	unsigned ups, messages, downs;
	size_t last_len;
};

static void
on_up(void *arg)
{
	((struct tap *)arg)->ups++;
}

static void
on_message(void *arg, const uint8_t *data, size_t len)
{
	struct tap *tap = arg;

	(void)data;
	tap->messages++;
	tap->last_len = len;
}

static void
on_down(void *arg, const struct err *why)
{
	struct tap *tap = arg;

	(void)why;
	tap->downs++;
	wire_free(&tap->wire);
}

static const struct wire_handler handler = { on_up, on_message, on_down, NULL };

static struct wire *
tap_new(struct tap *tap, struct loop *loop, int fd, enum sp_transport transport,
    enum sp_protocol protocol, const void *initial, size_t initial_len)
{
	static const struct wire_limits limits = { 1 << 20, 1 << 20 };

	*tap = (struct tap){ .wire = NULL };
	tap->wire = wire_new(loop, fd, transport, protocol, &limits, &handler,
	    tap, initial, initial_len, NULL);
	assert_non_null(tap->wire);
	return tap->wire;
}

static void
test_urls_that_cannot_be_are_refused_with_einval(void **state)
{
	static const struct {
		const char *url, *text;
	} cases[] = {
		{ "", "ipc:// or tcp://" },
		{ "http://127.0.0.1:80", "ipc:// or tcp://" },
		{ "ipc://", "1 to 107 bytes" },
		{ "tcp://127.0.0.1", "port" },
		{ "tcp://127.0.0.1:", "port" },
		{ "tcp://127.0.0.1:65536", "port" },
		{ "tcp://127.0.0.1:-1", "port" },
		{ "tcp://127.0.0.1:8x", "port" },
		{ "tcp://localhost:80", "numeric" },
		{ "tcp://[::1:80", "numeric" },
	};
	char url[200] = "ipc://";
	enum sp_transport transport;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		errno = 0;
		if (wire_dial(cases[i].url, &transport, &err) != -1 ||
		    errno != EINVAL || strstr(err.text, cases[i].text) == NULL)
			fail_msg("%s: %s", cases[i].url, err.text);
	}
	memset(url + 6, 'a', 108);
	assert_int_equal(wire_listen(url, &transport, &err), -1);
	assert_int_equal(errno, EINVAL);
}

static void
test_dial_leaves_in_errno_why_nobody_is_there(void **state)
{
	char dir[] = "/tmp/msvc-wire.XXXXXX", url[64];
	enum sp_transport transport;
	struct err err;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(url, sizeof(url), "ipc://%s/s", dir);
	assert_int_equal(wire_dial(url, &transport, &err), -1);
	assert_int_equal(errno, ENOENT);
	fd = wire_listen(url, &transport, &err);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(wire_dial(url, &transport, &err), -1);
	assert_int_equal(errno, ECONNREFUSED);
	/* The file left behind does not keep the next one from listening. */
	fd = wire_listen(url, &transport, &err);
	assert_true(fd >= 0);
	close(fd);
	unlink(url + 6);
	rmdir(dir);
}

/* One stream of a handshake and messages, cut in two at every byte. */
static void
test_what_was_read_before_is_parsed_first_wherever_it_ends(void **state)
{
	uint8_t stream[SP_HANDSHAKE_LEN + 2 * (SP_PREFIX_MAX + 3)] = { 0 };
	struct loop *loop = loop_new(NULL);

	(void)state;
	sp_handshake_encode(SP_SUB, stream);
	sp_prefix_encode(SP_IPC, 3, stream + SP_HANDSHAKE_LEN);
	sp_prefix_encode(SP_IPC, 3,
	    stream + SP_HANDSHAKE_LEN + SP_PREFIX_MAX + 3);
	for (size_t cut = 0; cut <= sizeof(stream); cut++) {
		struct tap tap;
		size_t rest = sizeof(stream) - cut;
		int fds[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		tap_new(&tap, loop, fds[0], SP_IPC, SP_PUB, stream, cut);
		assert_int_equal(tap.ups, 0); /* nothing happens in new */
		assert_int_equal(write(fds[1], stream + cut, rest), rest);
		for (int i = 0; i < 3; i++)
			assert_int_equal(loop_turn(loop, 0, NULL), 0);
		assert_int_equal(tap.ups, 1);
		assert_int_equal(tap.messages, 2);
		assert_int_equal(tap.last_len, 3);
		wire_free(&tap.wire);
		close(fds[1]);
	}
	loop_free(&loop);
}

static void
test_messages_of_any_length_arrive_over_tcp_framing(void **state)
{
	static const size_t lens[] = { 0, 1, 4000, 32759, 32760, 65528, 65536,
		200000, 1 << 20 };
	struct loop *loop = loop_new(NULL);
	struct tap pub, sub;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	tap_new(&pub, loop, fds[0], SP_TCP, SP_PUB, NULL, 0);
	tap_new(&sub, loop, fds[1], SP_TCP, SP_SUB, NULL, 0);
	for (unsigned i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		struct buf *out = wire_begin(pub.wire);

		memset(buf_reserve(out, lens[i]), 'x', lens[i]);
		out->len += lens[i];
		wire_end(pub.wire);
		for (int left = 100; left > 0 && sub.messages <= i; left--)
			assert_int_equal(loop_turn(loop, 0, NULL), 0);
		assert_int_equal(sub.messages, i + 1);
		assert_int_equal(sub.last_len, lens[i]);
	}
	assert_int_equal(wire_queued(pub.wire), 0);
	wire_free(&pub.wire);
	assert_int_equal(loop_turn(loop, 0, NULL), 0);
	assert_int_equal(sub.downs, 1);
	loop_free(&loop);
}

/* Whoever takes a long message needs its time, and bothers nobody. */
static void
test_what_waits_behind_a_long_message_has_its_own_bound(void **state)
{
	enum {
		LONG = 8 << 20,
		SHORT = 64 << 10,
		FIT = (1 << 20) / SHORT
	};
	static uint8_t bytes[LONG];
	struct loop *loop = loop_new(NULL);
	struct tap tap;
	int fds[2];

	(void)state;
	assert_non_null(loop);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	tap_new(&tap, loop, fds[0], SP_IPC, SP_PUB, NULL, 0);
	buf_append(wire_begin(tap.wire), bytes, LONG);
	wire_end(tap.wire);
	for (int i = 0; i < FIT; i++) {
		buf_append(wire_begin(tap.wire), bytes, SHORT);
		wire_end(tap.wire);
		assert_int_equal(loop_turn(loop, 0, NULL), 0);
		assert_int_equal(tap.downs, 0);
	}
	for (int i = 0; i < FIT && tap.downs == 0; i++) {
		buf_append(wire_begin(tap.wire), bytes, SHORT);
		wire_end(tap.wire);
		assert_int_equal(loop_turn(loop, 0, NULL), 0);
	}
	assert_int_equal(tap.downs, 1);
	close(fds[1]);
	loop_free(&loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_urls_that_cannot_be_are_refused_with_einval),
		cmocka_unit_test(
		    test_what_waits_behind_a_long_message_has_its_own_bound),
		cmocka_unit_test(test_dial_leaves_in_errno_why_nobody_is_there),
		cmocka_unit_test(
		    test_what_was_read_before_is_parsed_first_wherever_it_ends),
		cmocka_unit_test(
		    test_messages_of_any_length_arrive_over_tcp_framing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
