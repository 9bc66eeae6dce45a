#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/lifeline.h"
#include "router/outbox.h"

static int ends[2]; /* ours, the supervisor's */
static struct outbox outbox;

static int
setup(void **state)
{
	(void)state;
	memset(&outbox, 0, sizeof(outbox));
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends);
}

static int
teardown(void **state)
{
	(void)state;
	outbox_fini(&outbox);
	close(ends[0]);
	close(ends[1]);
	return 0;
}

/* A packet that begins with this number. */
static void
send_one(uint32_t number, size_t len, bool is_needed)
{
	static uint8_t bytes[LIFELINE_PACKET_MAX];
	struct buf packet = { 0 };

	memcpy(bytes, &number, sizeof(number));
	buf_append(&packet, bytes, len);
	outbox_send(&outbox, ends[0], &packet, is_needed);
	buf_fini(&packet);
}

/* The number of the next packet; UINT32_MAX: there is none. */
static uint32_t
receive_one(void)
{
	uint8_t bytes[64];
	uint32_t number;

	(void)outbox_flush(&outbox, ends[0]);
	if (recv(ends[1], bytes, sizeof(bytes), 0) < (long)sizeof(number))
		return UINT32_MAX;
	memcpy(&number, bytes, sizeof(number));
	return number;
}

static void
test_packets_keep_their_order_when_the_socket_is_full(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 3000; i++)
		send_one(i, 100, i % 3 == 0);
	assert_true(buf_count(&outbox.packets) > 1000);
	for (uint32_t i = 0; i < 3000; i++)
		assert_int_equal(receive_one(), i);
	assert_int_equal(receive_one(), UINT32_MAX);
	assert_true(outbox_flush(&outbox, ends[0]));
	assert_int_equal(outbox.lost, 0);
}

static void
test_what_is_needed_finds_room_behind_what_is_not(void **state)
{
	uint32_t number, last = 0, count = 0;

	(void)state;
	for (uint32_t i = 0; i < 40; i++)
		send_one(i, 64 * 1024, false);
	assert_true(outbox.lost > 10);
	send_one(1000, 100, true);
	while ((number = receive_one()) != UINT32_MAX) {
		last = number;
		count++;
	}
	assert_in_range(count, 17, 30);
	assert_int_equal(last, 1000);
	assert_int_equal(outbox.lost, 0);
}

static void
test_a_supervisor_that_never_reads_costs_so_much_and_no_more(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 2 * OUTBOX_MAX / LIFELINE_PACKET_MAX; i++)
		send_one(i, LIFELINE_PACKET_MAX, true);
	assert_in_range(buf_count(&outbox.packets), OUTBOX_MAX,
	    OUTBOX_MAX + 2 * LIFELINE_PACKET_MAX);
	assert_true(outbox.lost != 0);
}

static void
test_what_cannot_be_sent_is_left_out(void **state)
{
	struct buf failed = { .is_failed = true };

	(void)state;
	send_one(1, 100, true);
	send_one(2, 0, true); /* would look like the end */
	outbox_send(&outbox, ends[0], &failed, true);
	send_one(3, 100, true);
	assert_int_equal(receive_one(), 1);
	assert_int_equal(receive_one(), 3);
	assert_int_equal(receive_one(), UINT32_MAX);
}

static void
test_without_a_supervisor_nothing_piles_up(void **state)
{
	(void)state;
	close(ends[1]);
	ends[1] = -1;
	for (uint32_t i = 0; i < 100; i++)
		send_one(i, 1000, true);
	assert_int_equal(buf_count(&outbox.packets), 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(packets_keep_their_order_when_the_socket_is_full),
		T(what_is_needed_finds_room_behind_what_is_not),
		T(a_supervisor_that_never_reads_costs_so_much_and_no_more),
		T(what_cannot_be_sent_is_left_out),
		T(without_a_supervisor_nothing_piles_up),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
