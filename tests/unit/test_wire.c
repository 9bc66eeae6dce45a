#include <dirent.h>
#include <errno.h>
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
#include "ipc/err.h"
#include "ipc/loop.h"
#include "ipc/wire.h"

struct tap {
	struct wire *wire;
	unsigned ups, messages, downs;
	size_t last_len;
	bool wants_fd, takes_fd; /* takes: with each message, into fd */
	int fd;
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
	if (tap->takes_fd && tap->fd < 0)
		tap->fd = wire_take_fd(tap->wire);
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

	*tap = (struct tap){ .fd = -1 };
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

static unsigned
count_fds(void)
{
	DIR *self = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(self);
	while (readdir(self) != NULL)
		count++;
	closedir(self);
	return count;
}

static void
send_text(struct tap *tap, const char *text)
{
	buf_append_str(wire_begin(tap->wire), text);
	wire_end(tap->wire);
}

/* The descriptor goes with the message begun after wire_attach_fd(). */
static void
test_a_descriptor_travels_with_its_message(void **state)
{
	static const struct {
		const char *before; /* a message in front of it, or NULL */
		enum sp_transport transport;
		bool wants_fd, takes_fd;
		int attached;
		bool arrives;
	} cases[] = {
		{ NULL, SP_IPC, true, true, 0, true },
		{ NULL, SP_IPC, true, false, 0, false },
		{ NULL, SP_IPC, false, true, 0, false },
		{ "first", SP_IPC, true, true, 0, false },
		{ NULL, SP_TCP, true, true, -1, false },
	};
	unsigned fds_before = count_fds();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct loop *loop = loop_new(NULL);
		struct tap a, b;
		int fds[2], null = open("/dev/null", O_RDONLY);

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		tap_new(&a, loop, fds[0], cases[i].transport, SP_PUB, NULL, 0);
		tap_new(&b, loop, fds[1], cases[i].transport, SP_SUB, NULL, 0);
		b.takes_fd = cases[i].takes_fd;
		if (cases[i].wants_fd)
			wire_want_fd(b.wire);
		if (cases[i].before != NULL)
			send_text(&a, cases[i].before);
		assert_int_equal(wire_attach_fd(a.wire, null),
		    cases[i].attached);
		if (cases[i].attached != 0)
			close(null);
		else
			assert_int_equal(wire_attach_fd(a.wire, 0), -1);
		send_text(&a, "second");
		send_text(&a, "third");
		for (int turn = 0; turn < 8; turn++)
			assert_int_equal(loop_turn(loop, 0, NULL), 0);
		assert_int_equal(b.messages, 2 + (cases[i].before != NULL));
		if ((b.fd >= 0) != cases[i].arrives)
			fail_msg("case %zu: fd %d", i, b.fd);
		if (b.fd >= 0) {
			assert_true((fcntl(b.fd, F_GETFD) & FD_CLOEXEC) != 0);
			close(b.fd);
		}
		wire_free(&a.wire);
		wire_free(&b.wire);
		loop_free(&loop);
		assert_int_equal(count_fds(), fds_before);
	}
}

static void
test_a_descriptor_that_was_never_sent_is_closed(void **state)
{
	unsigned fds_before = count_fds();
	struct loop *loop = loop_new(NULL);
	struct tap tap;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	tap_new(&tap, loop, fds[0], SP_IPC, SP_PUB, NULL, 0);
	assert_int_equal(wire_attach_fd(tap.wire, open("/dev/null", O_RDONLY)),
	    0);
	send_text(&tap, "x");
	wire_free(&tap.wire);
	close(fds[1]);
	loop_free(&loop);
	assert_int_equal(count_fds(), fds_before);
}

static void
send_with_fds(int sock, const void *data, size_t len, size_t count)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(8 * sizeof(int))];
	} control = { .bytes = "" };
	struct iovec part = { (void *)(uintptr_t)data, len };
	struct msghdr msg = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = CMSG_SPACE(count * sizeof(int)) };
	int fds[8] = { 0 };

	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(&control.head), fds, count * sizeof(int));
	assert_int_equal(sendmsg(sock, &msg, 0), (ssize_t)len);
}

/* Each byte of a handshake, then three messages, with descriptors along. */
static void
check_many_fds(bool is_wanted)
{
	unsigned fds_before = count_fds(), fds_open;
	struct loop *loop = loop_new(NULL);
	uint8_t shake[SP_HANDSHAKE_LEN], message[SP_PREFIX_MAX + 1] = { 0 };
	struct tap tap;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	tap_new(&tap, loop, fds[0], SP_IPC, SP_SUB, NULL, 0);
	if (is_wanted)
		wire_want_fd(tap.wire);
	fds_open = count_fds();
	sp_handshake_encode(SP_PUB, shake);
	sp_prefix_encode(SP_IPC, 1, message);
	for (size_t i = 0; i < sizeof(shake); i++) {
		send_with_fds(fds[1], shake + i, 1, i + 1);
		assert_int_equal(loop_turn(loop, 0, NULL), 0);
		assert_int_equal(count_fds(), fds_open + is_wanted);
	}
	for (unsigned i = 0; i < 3; i++) {
		send_with_fds(fds[1], message, sizeof(message), 8);
		assert_int_equal(loop_turn(loop, 0, NULL), 0);
		assert_int_equal(tap.messages, i + 1);
		assert_int_equal(count_fds(), fds_open);
	}
	assert_int_equal(wire_take_fd(tap.wire), -1);
	wire_free(&tap.wire);
	close(fds[1]);
	loop_free(&loop);
	assert_int_equal(count_fds(), fds_before);
}

static void
test_a_peer_that_sends_many_descriptors_leaves_one_or_none(void **state)
{
	(void)state;
	check_many_fds(true);
	check_many_fds(false);
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
		cmocka_unit_test(test_a_descriptor_travels_with_its_message),
		cmocka_unit_test(
		    test_a_descriptor_that_was_never_sent_is_closed),
		cmocka_unit_test(
		    test_a_peer_that_sends_many_descriptors_leaves_one_or_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
