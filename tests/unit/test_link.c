/* Two ends of a socket pair on one loop; the far end is a link or raw bytes. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
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

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/ledger.h"
#include "ipc/link.h"
#include "ipc/loop.h"
#include "ipc/mp.h"
#include "ipc/wire.h"

enum {
	MESSAGE_MAX = 1 << 20,
	QUEUE_MAX = 1 << 16
};

/* One end: what happened to it, and what it does about it. */
struct end {
	struct link *link;
	unsigned ups, downs, frames, drains;
	uint32_t last_id;
	size_t last_payload_len;
	struct sp_header last_header;
	struct err why;
	bool is_echo;     /* answers each request */
	bool has_ledger;  /* a service that announces it */
	bool frees_self;  /* in the first frame or down */
	bool pauses_self; /* in the first frame */
};

static struct loop *loop;

static void
put_request(struct end *end, uint32_t id, size_t payload_len)
{
	struct buf *out = link_begin(end->link, id, NULL);
	void *zeros = calloc(1, payload_len + 1);

	frame_put_request(out, id, "GET /", 5);
	mp_put_map(out, 0);
	mp_put_bin(out, zeros, payload_len);
	free(zeros);
	link_end(end->link);
}

static void
put_response(struct end *end, uint32_t id, const struct sp_header *header)
{
	struct buf *out = link_begin(end->link, id, header);

	frame_put_response(out, id, 200);
	mp_put_map(out, 0);
	mp_put_nil(out);
	link_end(end->link);
}

static void
on_up(void *arg)
{
	struct end *end = arg;

	end->ups++;
}

static void
on_frame(void *arg, const struct frame *frame, const struct sp_header *header)
{
	struct end *end = arg;

	end->frames++;
	end->last_id = frame->id;
	end->last_payload_len = frame->payload_len;
	if (header != NULL)
		end->last_header = *header;
	if (end->frees_self)
		link_free(&end->link);
	else if (end->is_echo)
		put_response(end, frame->id, header);
	if (end->pauses_self)
		link_pause(end->link);
}

static void
on_down(void *arg, const struct err *why)
{
	struct end *end = arg;

	end->downs++;
	end->why = *why;
	if (end->frees_self)
		link_free(&end->link);
}

static void
on_drained(void *arg)
{
	struct end *end = arg;

	end->drains++;
}

static const struct link_handler handler = { on_up, on_frame, on_down,
	on_drained };

static void
end_init(struct end *end, enum link_side side, int fd)
{
	static const struct wire_limits limits = { MESSAGE_MAX, QUEUE_MAX };
	struct wire *wire;
	struct err err;

	end->link = link_new(side, &handler, end);
	wire = wire_new(loop, fd, SP_IPC, side == LINK_CALLER ? SP_REQ : SP_REP,
	    &limits, &link_wire_handler, end->link, NULL, 0, &err);
	assert_non_null(wire);
	if (side == LINK_SERVICE)
		link_want_ledger(end->link, end->has_ledger);
	link_attach(end->link, wire);
}

static void
turns(int count)
{
	while (count-- > 0)
		assert_int_equal(loop_turn(loop, 0, NULL), 0);
}

/* A caller and a service that have both said HELLO. */
static void
pair_init_with(struct end *caller, struct end *service, bool has_ledger)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	*caller = *service = (struct end){ .has_ledger = has_ledger };
	end_init(caller, LINK_CALLER, fds[0]);
	end_init(service, LINK_SERVICE, fds[1]);
	turns(6);
	assert_true(link_has_hello(caller->link));
	assert_true(link_has_hello(service->link));
}

static void
pair_init(struct end *caller, struct end *service)
{
	pair_init_with(caller, service, false);
}

static void
pair_fini(struct end *caller, struct end *service)
{
	link_free(&caller->link);
	link_free(&service->link);
	turns(1);
}

/* One link, its far end a plain socket that has sent its handshake. */
static int
single_init(struct end *end, enum link_side side)
{
	int fds[2];
	uint8_t shake[SP_HANDSHAKE_LEN];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	end_init(end, side, fds[0]);
	sp_handshake_encode(side == LINK_CALLER ? SP_REP : SP_REQ, shake);
	assert_int_equal(write(fds[1], shake, sizeof(shake)), sizeof(shake));
	turns(2);
	assert_int_equal(read(fds[1], shake, sizeof(shake)), sizeof(shake));
	return fds[1];
}

/* Read one message from the far end; returns its length. */
static size_t
far_read(int fd, uint8_t *data, size_t max)
{
	uint8_t prefix[SP_PREFIX_MAX];
	uint64_t len;

	if (recv(fd, prefix, sizeof(prefix), MSG_DONTWAIT) != sizeof(prefix))
		return 0;
	assert_int_equal(sp_prefix_decode(SP_IPC, prefix, &len), 0);
	assert_true(len <= max);
	assert_int_equal(recv(fd, data, len, MSG_DONTWAIT), len);
	return (size_t)len;
}

static void
far_write(int fd, const void *data, size_t len)
{
	uint8_t prefix[SP_PREFIX_MAX];

	sp_prefix_encode(SP_IPC, len, prefix);
	assert_int_equal(write(fd, prefix, sizeof(prefix)), sizeof(prefix));
	assert_int_equal(write(fd, data, len), (ssize_t)len);
}

static void
test_both_ends_come_up_and_say_hello(void **state)
{
	struct end caller, service;

	(void)state;
	pair_init(&caller, &service);
	assert_int_equal(caller.ups, 1);
	assert_int_equal(service.ups, 1);
	assert_int_equal(link_window(caller.link), LINK_WINDOW);
	assert_int_equal(link_window(service.link), LINK_WINDOW);
	assert_int_equal(caller.frames + service.frames, 0);
	pair_fini(&caller, &service);
}

static void
test_every_request_gets_its_response(void **state)
{
	struct end caller, service;

	(void)state;
	pair_init(&caller, &service);
	service.is_echo = true;
	for (uint32_t id = 1; id <= 1000; id++)
		put_request(&caller, id, 10);
	turns(6);
	assert_int_equal(service.frames, 1000);
	assert_int_equal(caller.frames, 1000);
	assert_int_equal(caller.last_id, 1000);
	assert_int_equal(link_queued(caller.link), 0);
	assert_int_equal(link_written(caller.link), link_enqueued(caller.link));
	assert_true(caller.drains > 0);
	pair_fini(&caller, &service);
}

static void
test_a_turn_of_frames_travels_in_one_message_after_hello(void **state)
{
	static const uint8_t hello[] = { 0x80, 0, 0, 0, 0x92, 9, 0x82, 0xa7,
		'v', 'e', 'r', 's', 'i', 'o', 'n', 1, 0xa9, 'm', 'a', 'x', '_',
		'b', 'a', 't', 'c', 'h', 2 };
	struct end caller = { .link = NULL };
	uint8_t data[4096];
	int fd = single_init(&caller, LINK_CALLER);
	size_t first;

	(void)state;
	/* Before HELLO: one message each, and none said unasked. */
	put_request(&caller, 1, 0);
	put_request(&caller, 2, 0);
	turns(1);
	first = far_read(fd, data, sizeof(data));
	assert_int_equal(data[3], 1);
	assert_int_equal(far_read(fd, data, sizeof(data)), first);
	assert_int_equal(data[3], 2);
	assert_int_equal(far_read(fd, data, sizeof(data)), 0);
	far_write(fd, hello, sizeof(hello));
	turns(2);
	assert_true(link_has_hello(caller.link));
	assert_true(far_read(fd, data, sizeof(data)) > 0);
	assert_memory_equal(data, "\x80\x00\x00\x00\x92\x09", 6);
	/* After: as many in a message as the peer's max_batch allows. */
	for (uint32_t id = 3; id < 6; id++)
		put_request(&caller, id, 0);
	turns(1);
	assert_int_equal(far_read(fd, data, sizeof(data)), 4 + 2 * (first - 4));
	assert_int_equal(far_read(fd, data, sizeof(data)), first);
	link_free(&caller.link);
	close(fd);
}

static void
test_a_long_frame_never_makes_a_batch_too_long(void **state)
{
	struct end caller, service;

	(void)state;
	pair_init(&caller, &service);
	put_request(&caller, 1, QUEUE_MAX - 1024);
	put_request(&caller, 2, MESSAGE_MAX - 64);
	turns(60);
	put_request(&caller, 3, 10);
	turns(3);
	assert_int_equal(service.downs, 0);
	assert_int_equal(service.frames, 3);
	assert_int_equal(service.last_id, 3);
	pair_fini(&caller, &service);
}

static void
test_a_plain_caller_is_answered_with_its_own_header(void **state)
{
	static const uint8_t hops[] = { 0, 0, 0, 9, 0x80, 0, 0, 5, 0x95, 0, 77,
		0xa1, 'x', 0x80, 0xc0 };
	struct end service = { .is_echo = true };
	uint8_t data[256];
	int fd = single_init(&service, LINK_SERVICE);

	(void)state;
	assert_true(far_read(fd, data, sizeof(data)) > 0); /* HELLO */
	far_write(fd, hops, sizeof(hops));
	turns(2);
	assert_int_equal(service.last_header.len, 8);
	assert_int_equal(far_read(fd, data, sizeof(data)), 15);
	assert_memory_equal(data, hops, 8);
	assert_memory_equal(data + 8, "\x95\x01\x4d\xcc\xc8\x80\xc0", 7);
	link_free(&service.link);
	close(fd);
}

static void
test_malformed_input_takes_the_link_down_once_with_a_reason(void **state)
{
#define CASE(side, bytes, text)                      \
	{                                            \
		side, bytes, sizeof(bytes) - 1, text \
	}
	static const struct {
		enum link_side side;
		const char *bytes;
		size_t len;
		const char *text;
	} cases[] = {
		CASE(LINK_SERVICE, "", "request id"),
		CASE(LINK_SERVICE, "\x00\x00\x00\x01", "request id"),
		CASE(LINK_SERVICE, "\x80\x00\x00\x01", "without a frame"),
		CASE(LINK_SERVICE, "\x80\x00\x00\x01\xc1", "array"),
		CASE(LINK_SERVICE, "\x80\x00\x00\x01\x95\x01\x01\x64\x80\xc0",
		    "kind 1 came to a service"),
		CASE(LINK_SERVICE, "\x80\x00\x00\x01\x92\x02\x01\x05", "array"),
		CASE(LINK_CALLER, "\x80\x00\x00\x01\x92\x02\x01",
		    "kind 2 came to a caller"),
		CASE(LINK_CALLER, "\x80\x00\x00\x01\x95\x01\x02\x64\x80\xc0",
		    "request 1 has frame id 2"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct end end = { .link = NULL };
		int fd = single_init(&end, cases[i].side);

		far_write(fd, cases[i].bytes, cases[i].len);
		far_write(fd, cases[i].bytes, cases[i].len);
		turns(3);
		assert_int_equal(end.downs, 1);
		if (strstr(end.why.text, cases[i].text) == NULL)
			fail_msg("case %zu: \"%s\"", i, end.why.text);
		assert_true(link_is_malformed(end.link));
		assert_false(link_is_cut(end.link));
		put_request(&end, 9, 10); /* goes nowhere, harms nobody */
		link_free(&end.link);
		close(fd);
	}
}

/* Kind 7 is unknown and would be skipped; a million of them would take long. */
static void
test_a_message_of_more_frames_than_a_batch_has_is_malformed(void **state)
{
	(void)state;
	for (size_t extra = 0; extra < 2; extra++) {
		struct end end = { .link = NULL };
		int fd = single_init(&end, LINK_SERVICE);
		uint8_t message[4 + 2 * (LINK_BATCH_MAX + 1)] = { 0x80 };
		size_t len = 4 + 2 * (LINK_BATCH_MAX + extra);

		for (size_t at = 4; at < len; at += 2)
			memcpy(message + at, "\x91\x07", 2);
		far_write(fd, message, len);
		turns(3);
		assert_int_equal(end.downs, extra);
		assert_int_equal(link_is_malformed(end.link), extra == 1);
		link_free(&end.link);
		close(fd);
	}
}

static void
test_wrong_bytes_on_the_stream_are_named(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		bool is_malformed;
		const char *text;
	} cases[] = {
		{ "GET / HTTP/1.1\r\n", 16, false, "does not speak SP" },
		{ "\0SP\0\0\x31\0\0", 8, false, "0x31 (REP), not REQ" },
		{ "\0SP\0\0\x30\0\0\x02\0\0\0\0\0\0\0\1", 17, true, "0x02" },
		{ "\0SP\0\0\x30\0\0\x01\0\0\0\0\0\x10\0\1", 17, true,
		    "1048577 bytes; the limit is 1048576" },
		{ "\0SP\0", 4, false, "before the SP handshake" },
		{ "\0SP\0\0\x30\0\0\x01\0", 10, false, "middle of a message" },
		{ "\0SP\0\0\x30\0\0", 8, false, "the peer closed" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct end end = { .link = NULL };
		int fds[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		end_init(&end, LINK_SERVICE, fds[0]);
		assert_int_equal(write(fds[1], cases[i].bytes, cases[i].len),
		    cases[i].len);
		shutdown(fds[1], SHUT_WR);
		turns(3);
		assert_int_equal(end.downs, 1);
		if (strstr(end.why.text, cases[i].text) == NULL)
			fail_msg("case %zu: \"%s\"", i, end.why.text);
		assert_int_equal(link_is_malformed(end.link),
		    cases[i].is_malformed);
		link_free(&end.link);
		close(fds[1]);
	}
}

static void
test_a_peer_that_does_not_read_is_cut_off(void **state)
{
	struct end caller = { .link = NULL };
	int fd = single_init(&caller, LINK_CALLER);
	uint64_t start = 0;

	(void)state;
	for (uint32_t id = 1; id < 1000 && caller.downs == 0; id++) {
		start = link_enqueued(caller.link);
		put_request(&caller, id, 10000);
		assert_true(
		    link_queued(caller.link) <= QUEUE_MAX + 2 * (10000 + 100));
		if (id % 10 == 0)
			turns(1);
	}
	assert_int_equal(caller.downs, 1);
	assert_non_null(strstr(caller.why.text, "does not read"));
	assert_true(link_is_cut(caller.link));
	assert_false(link_is_malformed(caller.link));
	/* The last one never left, not even in part; the first one did. */
	assert_true(link_written(caller.link) <= start);
	assert_true(link_written(caller.link) > 10000);
	link_free(&caller.link);
	close(fd);
}

static void
test_a_peer_that_closed_its_reading_side_is_down_after_what_it_said(
    void **state)
{
	static const uint8_t request[] = { 0x80, 0, 0, 5, 0x95, 0, 5, 0xa1, 'x',
		0x80, 0xc0 };
	struct end service = { .is_echo = true };
	int fd = single_init(&service, LINK_SERVICE);

	(void)state;
	shutdown(fd, SHUT_RD);
	for (size_t i = 0; i < 3; i++) {
		far_write(fd, request, sizeof(request));
		turns(i < 2 ? 0 : 3);
	}
	assert_int_equal(service.frames, 3);
	assert_int_equal(service.downs, 1);
	assert_non_null(strstr(service.why.text, "Broken pipe"));
	link_free(&service.link);
	close(fd);
}

static void
test_a_reply_longer_than_the_queue_is_no_reason_to_cut(void **state)
{
	struct end caller, service;

	(void)state;
	pair_init(&caller, &service);
	put_request(&caller, 1, QUEUE_MAX * 8);
	turns(40);
	assert_int_equal(service.frames, 1);
	assert_int_equal(service.last_payload_len, QUEUE_MAX * 8 + 5);
	pair_fini(&caller, &service);
}

static void
test_a_message_in_single_bytes_arrives_whole(void **state)
{
	static const uint8_t bytes[] = "\x01\0\0\0\0\0\0\0\x0d\x80\0\0\x05"
				       "\x95\0\x05\xa3x.y\x80\xc0";
	struct end service = { .link = NULL }, other = { .link = NULL };
	int fd = single_init(&service, LINK_SERVICE);
	int other_fd = single_init(&other, LINK_SERVICE);

	(void)state;
	for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
		assert_int_equal(service.frames, 0);
		assert_int_equal(write(fd, bytes + i, 1), 1);
		turns(1);
		/* Between its bytes come those of another. */
		far_write(other_fd, bytes + SP_PREFIX_MAX,
		    sizeof(bytes) - 1 - SP_PREFIX_MAX);
		turns(1);
	}
	assert_int_equal(service.frames, 1);
	assert_int_equal(service.downs, 0);
	assert_int_equal(other.frames, sizeof(bytes) - 1);
	link_free(&service.link);
	link_free(&other.link);
	close(fd);
	close(other_fd);
}

static void
test_a_link_freed_in_a_callback_ends_quietly(void **state)
{
	struct end caller, service;

	(void)state;
	pair_init(&caller, &service);
	service.frees_self = true;
	caller.frees_self = true;
	for (uint32_t id = 1; id < 50; id++)
		put_request(&caller, id, 3000);
	turns(6);
	assert_int_equal(service.frames, 1);
	assert_null(service.link);
	assert_int_equal(caller.downs, 1);
	assert_null(caller.link);
}

/* The peer may stay or be gone by the time the link reads on. */
static void
test_a_paused_link_delivers_the_rest_when_resumed(void **state)
{
	static const uint8_t request[] = { 0x80, 0, 0, 5, 0x95, 0, 5, 0xa1, 'x',
		0x80, 0xc0 };

	(void)state;
	for (int is_early = 0; is_early < 2; is_early++) {
		struct end service = { .pauses_self = true };
		int fd = single_init(&service, LINK_SERVICE);

		for (size_t i = 0; i < 3; i++)
			far_write(fd, request, sizeof(request));
		if (is_early)
			close(fd);
		turns(4);
		for (unsigned i = 1; i <= 3; i++) {
			assert_int_equal(service.frames, i);
			assert_int_equal(service.downs, 0);
			link_resume(service.link);
			turns(3);
		}
		if (!is_early)
			close(fd);
		turns(3);
		assert_int_equal(service.frames, 3);
		assert_int_equal(service.downs, 1);
		link_free(&service.link);
	}
}

static void
test_both_ends_share_a_ledger_that_a_service_announced(void **state)
{
	struct end caller, service;

	(void)state;
	pair_init(&caller, &service);
	assert_null(link_ledger(caller.link));
	assert_null(link_ledger(service.link));
	pair_fini(&caller, &service);

	pair_init_with(&caller, &service, true);
	assert_non_null(link_ledger(caller.link));
	assert_non_null(link_ledger(service.link));
	ledger_offer(link_ledger(caller.link), 7);
	ledger_offer(link_ledger(caller.link), 8);
	assert_true(ledger_take(link_ledger(service.link), 7));
	assert_true(ledger_revoke(link_ledger(caller.link), 8));
	assert_false(ledger_take(link_ledger(service.link), 8));
	/* The service dies; what it had is still to be read. */
	link_free(&service.link);
	turns(2);
	assert_int_equal(caller.downs, 1);
	assert_int_equal(ledger_state(link_ledger(caller.link), 7),
	    LEDGER_TAKEN);
	link_free(&caller.link);
}

/* The service's HELLO, with a map of features that ends as given. */
static void
test_a_caller_makes_a_ledger_only_for_what_it_understands(void **state)
{
#define HELLO "\x80\0\0\0\x92\x09\x82\xa7version\x01"
#define SAYS(bytes, has)                                  \
	{                                                 \
		HELLO bytes, sizeof(HELLO bytes) - 1, has \
	}
	static const struct {
		const char *bytes;
		size_t len;
		bool has_ledger;
	} cases[] = {
		SAYS("\xa8"
		     "features\x81\xa6ledger\x01",
		    true),
		SAYS("\xa8"
		     "features\x82\xa1x\xc0\xa6ledger\x01",
		    true),
		SAYS("\xa8"
		     "features\x80",
		    false),
		SAYS("\xa8"
		     "features\x00",
		    false),
		SAYS("\xa8"
		     "features\x81\xa6ledger\x02",
		    false),
		SAYS("\xa8"
		     "features\x81\xa6ledger\xa1x",
		    false),
		SAYS("\xa6ledger\x01", false),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct end caller = { .link = NULL };
		int fd = single_init(&caller, LINK_CALLER);

		far_write(fd, cases[i].bytes, cases[i].len);
		turns(2);
		assert_true(link_has_hello(caller.link));
		if ((link_ledger(caller.link) != NULL) != cases[i].has_ledger)
			fail_msg("case %zu", i);
		assert_int_equal(caller.downs, 0);
		link_free(&caller.link);
		close(fd);
	}
}

/* HELLO from a caller that passes something else, or nothing, along. */
static void
test_a_service_goes_on_without_what_is_no_ledger(void **state)
{
	static const uint8_t hello[] = "\x01\0\0\0\0\0\0\0\x10\x80\0\0\0"
				       "\x92\x09\x81\xa7version\x01";

	(void)state;
	for (int is_passed = 0; is_passed < 2; is_passed++) {
		struct end service = { .is_echo = true, .has_ledger = true };
		int fd = single_init(&service, LINK_SERVICE);
		int file = memfd_create("test", 0);
		union {
			struct cmsghdr head;
			char bytes[CMSG_SPACE(sizeof(int))];
		} control = { .bytes = "" };
		struct iovec part = { (void *)(uintptr_t)hello,
			sizeof(hello) - 1 };
		struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };

		if (is_passed) {
			control.head.cmsg_level = SOL_SOCKET;
			control.head.cmsg_type = SCM_RIGHTS;
			control.head.cmsg_len = CMSG_LEN(sizeof(int));
			memcpy(CMSG_DATA(&control.head), &file, sizeof(file));
			msg.msg_control = control.bytes;
			msg.msg_controllen = sizeof(control.bytes);
		}
		assert_int_equal(sendmsg(fd, &msg, 0), sizeof(hello) - 1);
		far_write(fd, "\x80\0\0\5\x95\0\5\xa1x\x80\xc0", 11);
		turns(3);
		assert_true(link_has_hello(service.link));
		assert_null(link_ledger(service.link));
		assert_int_equal(service.frames, 1);
		assert_int_equal(service.downs, 0);
		link_free(&service.link);
		close(file);
		close(fd);
	}
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

static unsigned
count_mapped_ledgers(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	unsigned count = 0;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps) != NULL)
		count += strstr(line, "msvc-ledger") != NULL;
	(void)fclose(maps);
	return count;
}

/* However far they came, and whoever goes first. */
static void
test_links_that_come_and_go_leave_nothing_behind(void **state)
{
	enum {
		TURNS_MAX = 8, /* by then both have said all */
		ROUNDS = 200
	};
	unsigned fds_before = count_fds(), most = 0;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct end caller = { .link = NULL };
		struct end service = { .has_ledger = true };
		struct end *first = round % 2 == 0 ? &caller : &service;
		int fds[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		end_init(&caller, LINK_CALLER, fds[0]);
		end_init(&service, LINK_SERVICE, fds[1]);
		turns(round / 2 % TURNS_MAX);
		most += count_mapped_ledgers() == 2;
		link_free(&first->link);
		turns(round / 2 / TURNS_MAX % 3);
		pair_fini(&caller, &service);
		assert_int_equal(count_mapped_ledgers(), 0);
		assert_int_equal(count_fds(), fds_before);
	}
	assert_in_range(most, 1, ROUNDS - 1);
}

/* One cannot make the ledger; or the other cannot get what was made. */
static void
test_without_descriptors_both_go_on_without_a_ledger(void **state)
{
	struct rlimit before, none = { 0, 0 };

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none.rlim_max = before.rlim_max;
	for (int is_made = 0; is_made < 2; is_made++) {
		struct end caller = { .link = NULL };
		struct end service = { .has_ledger = true, .is_echo = true };
		int fds[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		end_init(&caller, LINK_CALLER, fds[0]);
		end_init(&service, LINK_SERVICE, fds[1]);
		while (is_made && link_ledger(caller.link) == NULL)
			turns(1);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
		turns(6);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
		assert_true(link_has_hello(service.link));
		assert_null(link_ledger(service.link));
		assert_int_equal(link_ledger(caller.link) != NULL, is_made);
		ledger_offer(link_ledger(caller.link), 7);
		put_request(&caller, 7, 0);
		turns(4);
		assert_int_equal(caller.frames, 1);
		assert_false(ledger_revoke(link_ledger(caller.link), 7));
		assert_int_equal(ledger_state(link_ledger(caller.link), 7),
		    LEDGER_TAKEN);
		pair_fini(&caller, &service);
	}
}

static int
setup(void **state)
{
	(void)state;
	loop = loop_new(NULL);
	return loop == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	loop_free(&loop);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_both_ends_come_up_and_say_hello),
		TEST(test_every_request_gets_its_response),
		TEST(test_a_turn_of_frames_travels_in_one_message_after_hello),
		TEST(test_a_long_frame_never_makes_a_batch_too_long),
		TEST(test_a_plain_caller_is_answered_with_its_own_header),
		TEST(
		    test_malformed_input_takes_the_link_down_once_with_a_reason),
		TEST(
		    test_a_message_of_more_frames_than_a_batch_has_is_malformed),
		TEST(test_wrong_bytes_on_the_stream_are_named),
		TEST(test_a_peer_that_does_not_read_is_cut_off),
		TEST(
		    test_a_peer_that_closed_its_reading_side_is_down_after_what_it_said),
		TEST(test_a_reply_longer_than_the_queue_is_no_reason_to_cut),
		TEST(test_a_message_in_single_bytes_arrives_whole),
		TEST(test_a_link_freed_in_a_callback_ends_quietly),
		TEST(test_a_paused_link_delivers_the_rest_when_resumed),
		TEST(test_both_ends_share_a_ledger_that_a_service_announced),
		TEST(test_a_caller_makes_a_ledger_only_for_what_it_understands),
		TEST(test_a_service_goes_on_without_what_is_no_ledger),
		TEST(test_links_that_come_and_go_leave_nothing_behind),
		TEST(test_without_descriptors_both_go_on_without_a_ledger),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
