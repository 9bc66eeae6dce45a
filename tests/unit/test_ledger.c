#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/err.h"
#include "ipc/ledger.h"

enum {
	HEAD_LEN = 64,
	FILE_LEN = HEAD_LEN + LEDGER_SLOTS * 8,
	ID = 0x00050007, /* slot 7, its fifth use */
	BEYOND = 0x00010000 | LEDGER_SLOTS
};

/* Both sides of one ledger, and its bytes as a third party sees them. */
struct both {
	struct ledger *router, *service; /* service NULL: not mapped yet */
	uint64_t *slots;
	int fd;
};

static void
both_init(struct both *both, bool is_mapped)
{
	struct err err = { "" };
	uint8_t *file;

	*both = (struct both){ .fd = -1 };
	both->router = ledger_new(&both->fd, &err);
	assert_non_null(both->router);
	if (is_mapped) {
		both->service = ledger_open(both->fd, &err);
		assert_non_null(both->service);
	}
	file = mmap(NULL, FILE_LEN, PROT_READ | PROT_WRITE, MAP_SHARED,
	    both->fd, 0);
	assert_ptr_not_equal(file, MAP_FAILED);
	both->slots = (uint64_t *)(void *)(file + HEAD_LEN);
}

static void
both_fini(struct both *both)
{
	ledger_free(&both->router);
	ledger_free(&both->service);
	assert_int_equal(munmap((uint8_t *)both->slots - HEAD_LEN, FILE_LEN),
	    0);
	close(both->fd);
}

enum operation {
	OFFER,
	TAKE,
	DONE,
	REVOKE,
	CLEAR,
	STATE
};

/* Returns what it returns; 0 for those that return nothing. */
static int
operate(struct both *both, enum operation operation, uint32_t id)
{
	switch (operation) {
	case OFFER:
		ledger_offer(both->router, id);
		return 0;
	case TAKE:
		return ledger_take(both->service, id);
	case DONE:
		ledger_done(both->service, id);
		return 0;
	case REVOKE:
		return ledger_revoke(both->router, id);
	case CLEAR:
		ledger_clear(both->router, id);
		return 0;
	default:
		return (int)ledger_state(both->router, id);
	}
}

#define CLAIM(id, state) ((uint64_t)(id) << 8 | (uint64_t)(state))
#define OTHER            (ID + 0x10000) /* another use of the same slot */
#define HIGH             (UINT64_C(1) << 40)

static void
test_each_operation_moves_exactly_what_it_expects(void **state)
{
	static const struct {
		uint64_t before;
		enum operation operation;
		int result;
		uint64_t after;
	} cases[] = {
		{ 0, OFFER, 0, CLAIM(ID, LEDGER_OFFERED) },
		{ CLAIM(OTHER, LEDGER_TAKEN), OFFER, 0,
		    CLAIM(ID, LEDGER_OFFERED) },
		{ UINT64_MAX, OFFER, 0, CLAIM(ID, LEDGER_OFFERED) },

		{ CLAIM(ID, LEDGER_OFFERED), TAKE, true,
		    CLAIM(ID, LEDGER_TAKEN) },
		{ 0, TAKE, false, 0 },
		{ CLAIM(ID, LEDGER_FREE), TAKE, false, CLAIM(ID, LEDGER_FREE) },
		{ CLAIM(ID, LEDGER_TAKEN), TAKE, false,
		    CLAIM(ID, LEDGER_TAKEN) },
		{ CLAIM(ID, LEDGER_REVOKED), TAKE, false,
		    CLAIM(ID, LEDGER_REVOKED) },
		{ CLAIM(ID, LEDGER_DONE), TAKE, false, CLAIM(ID, LEDGER_DONE) },
		{ CLAIM(OTHER, LEDGER_OFFERED), TAKE, false,
		    CLAIM(OTHER, LEDGER_OFFERED) },
		{ CLAIM(ID, LEDGER_OFFERED) | HIGH, TAKE, false,
		    CLAIM(ID, LEDGER_OFFERED) | HIGH },

		{ CLAIM(ID, LEDGER_TAKEN), DONE, 0, CLAIM(ID, LEDGER_DONE) },
		{ CLAIM(ID, LEDGER_OFFERED), DONE, 0,
		    CLAIM(ID, LEDGER_OFFERED) },
		{ CLAIM(OTHER, LEDGER_TAKEN), DONE, 0,
		    CLAIM(OTHER, LEDGER_TAKEN) },
		{ 0, DONE, 0, 0 },

		{ CLAIM(ID, LEDGER_OFFERED), REVOKE, true,
		    CLAIM(ID, LEDGER_REVOKED) },
		{ CLAIM(ID, LEDGER_TAKEN), REVOKE, false,
		    CLAIM(ID, LEDGER_TAKEN) },
		{ CLAIM(ID, LEDGER_DONE), REVOKE, false,
		    CLAIM(ID, LEDGER_DONE) },
		{ CLAIM(OTHER, LEDGER_OFFERED), REVOKE, false,
		    CLAIM(OTHER, LEDGER_OFFERED) },
		{ CLAIM(ID, LEDGER_FREE), REVOKE, false,
		    CLAIM(ID, LEDGER_FREE) },

		{ CLAIM(ID, LEDGER_DONE), CLEAR, 0, CLAIM(ID, LEDGER_FREE) },
		{ UINT64_MAX, CLEAR, 0, CLAIM(ID, LEDGER_FREE) },

		{ CLAIM(ID, LEDGER_FREE), STATE, LEDGER_FREE,
		    CLAIM(ID, LEDGER_FREE) },
		{ CLAIM(ID, LEDGER_OFFERED), STATE, LEDGER_OFFERED,
		    CLAIM(ID, LEDGER_OFFERED) },
		{ CLAIM(ID, LEDGER_TAKEN), STATE, LEDGER_TAKEN,
		    CLAIM(ID, LEDGER_TAKEN) },
		{ CLAIM(ID, LEDGER_REVOKED), STATE, LEDGER_REVOKED,
		    CLAIM(ID, LEDGER_REVOKED) },
		{ CLAIM(ID, LEDGER_DONE), STATE, LEDGER_DONE,
		    CLAIM(ID, LEDGER_DONE) },
		{ CLAIM(ID, LEDGER_DONE + 1), STATE, LEDGER_TAKEN,
		    CLAIM(ID, LEDGER_DONE + 1) },
		{ CLAIM(OTHER, LEDGER_OFFERED), STATE, LEDGER_TAKEN,
		    CLAIM(OTHER, LEDGER_OFFERED) },
		{ CLAIM(ID, LEDGER_OFFERED) | HIGH, STATE, LEDGER_TAKEN,
		    CLAIM(ID, LEDGER_OFFERED) | HIGH },
		{ UINT64_MAX, STATE, LEDGER_TAKEN, UINT64_MAX },
	};
	struct both both;
	int result;

	(void)state;
	both_init(&both, true);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		both.slots[ID & 0xffff] = cases[i].before;
		result = operate(&both, cases[i].operation, ID);
		if (result != cases[i].result ||
		    both.slots[ID & 0xffff] != cases[i].after)
			fail_msg("case %zu: %d, 0x%llx", i, result,
			    (unsigned long long)both.slots[ID & 0xffff]);
	}
	both_fini(&both);
}

static void
test_a_request_without_a_slot_counts_as_taken(void **state)
{
	static const uint32_t ids[] = { BEYOND, 0xffff, UINT32_MAX,
		0x7fff1000 };
	struct both both;

	(void)state;
	both_init(&both, true);
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		assert_false(ledger_has(both.router, ids[i]));
		assert_false(ledger_has(NULL, ids[i]));
		for (int op = OFFER; op < STATE; op++)
			assert_int_equal(operate(&both, (enum operation)op,
					     ids[i]),
			    0);
		assert_int_equal(ledger_state(both.router, ids[i]),
		    LEDGER_TAKEN);
	}
	for (size_t i = 0; i < LEDGER_SLOTS; i++)
		assert_int_equal(both.slots[i], 0);
	assert_true(ledger_has(both.router, 0x7fff0000 | (LEDGER_SLOTS - 1)));
	assert_true(ledger_has(both.router, 0));
	assert_false(ledger_has(NULL, 0));
	assert_int_equal(ledger_state(NULL, 0), LEDGER_TAKEN);
	assert_false(ledger_revoke(NULL, 0));
	ledger_offer(NULL, 0);
	both_fini(&both);
}

/* Who did not map it looks up nothing, and might run what is offered. */
static void
test_what_the_service_has_not_mapped_counts_as_taken(void **state)
{
	struct both both;

	(void)state;
	both_init(&both, false);
	ledger_offer(both.router, ID);
	assert_int_equal(ledger_state(both.router, ID), LEDGER_TAKEN);
	assert_false(ledger_revoke(both.router, ID));
	both.service = ledger_open(both.fd, NULL);
	assert_non_null(both.service);
	assert_int_equal(ledger_state(both.router, ID), LEDGER_OFFERED);
	assert_true(ledger_revoke(both.router, ID));
	assert_false(ledger_take(both.service, ID));
	both_fini(&both);
}

static void
test_what_the_service_wrote_outlives_it(void **state)
{
	struct both both;

	(void)state;
	both_init(&both, true);
	ledger_offer(both.router, ID);
	ledger_offer(both.router, ID + 1);
	assert_true(ledger_take(both.service, ID));
	ledger_free(&both.service);
	assert_int_equal(ledger_state(both.router, ID), LEDGER_TAKEN);
	assert_int_equal(ledger_state(both.router, ID + 1), LEDGER_OFFERED);
	both_fini(&both);
}

static void
test_nobody_can_change_its_size(void **state)
{
	struct both both;

	(void)state;
	both_init(&both, true);
	assert_int_equal(ftruncate(both.fd, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(both.fd, FILE_LEN + 4096), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(fcntl(both.fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_true((fcntl(both.fd, F_GETFD) & FD_CLOEXEC) != 0);
	both_fini(&both);
}

static void
test_what_is_no_ledger_is_refused(void **state)
{
	enum {
		SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL
	};
	static const struct {
		const char *name;
		off_t len;
		int seals;
		uint32_t head[3];
		const char *text; /* NULL: it is one */
	} cases[] = {
		{ "as it should be", FILE_LEN, SEALS,
		    { 0x4c47444c, 1, LEDGER_SLOTS }, NULL },
		{ "unsealed", FILE_LEN, 0, { 0x4c47444c, 1, LEDGER_SLOTS },
		    "sealed" },
		{ "may shrink", FILE_LEN, F_SEAL_GROW | F_SEAL_SEAL,
		    { 0x4c47444c, 1, LEDGER_SLOTS }, "sealed" },
		{ "short", FILE_LEN - 1, SEALS, { 0x4c47444c, 1, LEDGER_SLOTS },
		    "bytes" },
		{ "empty", 0, SEALS, { 0 }, "bytes" },
		{ "long", FILE_LEN + 1, SEALS, { 0x4c47444c, 1, LEDGER_SLOTS },
		    "bytes" },
		{ "zeros", FILE_LEN, SEALS, { 0 }, "version 1" },
		{ "wrong magic", FILE_LEN, SEALS,
		    { 0x4c47444d, 1, LEDGER_SLOTS }, "version 1" },
		{ "other version", FILE_LEN, SEALS,
		    { 0x4c47444c, 2, LEDGER_SLOTS }, "version 1" },
		{ "other slots", FILE_LEN, SEALS, { 0x4c47444c, 1, 1 },
		    "version 1" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd = memfd_create("test", MFD_ALLOW_SEALING);
		struct err err = { "" };
		struct ledger *ledger;

		if (cases[i].len > 0)
			assert_int_equal(pwrite(fd, cases[i].head,
					     sizeof(cases[i].head), 0),
			    sizeof(cases[i].head));
		assert_int_equal(ftruncate(fd, cases[i].len), 0);
		if (cases[i].seals != 0)
			assert_int_equal(fcntl(fd, F_ADD_SEALS, cases[i].seals),
			    0);
		ledger = ledger_open(fd, &err);
		if ((ledger == NULL) != (cases[i].text != NULL) ||
		    (ledger == NULL && strstr(err.text, cases[i].text) == NULL))
			fail_msg("%s: \"%s\"", cases[i].name, err.text);
		ledger_free(&ledger);
		close(fd);
	}
	assert_null(ledger_open(-1, NULL));
}

enum {
	ROUNDS = 20,
	SPINS_MAX = 2000 /* then the other may need our processor */
};

/* Two threads that go from slot to slot together. */
struct race {
	struct ledger *service;
	atomic_uint router_at, service_at;
	bool took[LEDGER_SLOTS];
};

static uint32_t
race_id(unsigned step)
{
	return (step / LEDGER_SLOTS + 1) << 16 | step % LEDGER_SLOTS;
}

/*
 * Wait until the other is there too. Who came last would always be first, so
 * the router dawdles a little, each time for another number of nanoseconds.
 */
static void
meet(atomic_uint *mine, atomic_uint *other, unsigned step, unsigned dawdle)
{
	atomic_store(mine, step);
	for (unsigned spins = 0; atomic_load(other) < step; spins++)
		if (spins > SPINS_MAX)
			sched_yield();
	while (dawdle-- > 0)
		(void)atomic_load(other);
}

static void *
take_all(void *arg)
{
	struct race *race = arg;

	for (unsigned step = 0; step < ROUNDS * LEDGER_SLOTS; step++) {
		meet(&race->service_at, &race->router_at, step + 1, 0);
		race->took[step % LEDGER_SLOTS] =
		    ledger_take(race->service, race_id(step));
	}
	atomic_store(&race->service_at, UINT_MAX);
	return NULL;
}

static void
test_of_take_and_revoke_exactly_one_wins(void **state)
{
	static struct race race;
	pthread_t thread;
	struct both both;
	bool is_revoked;

	(void)state;
	both_init(&both, true);
	race.service = both.service;
	assert_int_equal(pthread_create(&thread, NULL, take_all, &race), 0);
	for (unsigned step = 0; step < ROUNDS * LEDGER_SLOTS; step++) {
		ledger_offer(both.router, race_id(step));
		meet(&race.router_at, &race.service_at, step + 1,
		    step % 61 * 8);
		is_revoked = ledger_revoke(both.router, race_id(step));
		/* The other is through with this one when it waits again. */
		while (atomic_load(&race.service_at) == step + 1)
			sched_yield();
		assert_int_equal(is_revoked + race.took[step % LEDGER_SLOTS],
		    1);
		assert_int_equal(ledger_state(both.router, race_id(step)),
		    is_revoked ? LEDGER_REVOKED : LEDGER_TAKEN);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	both_fini(&both);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_each_operation_moves_exactly_what_it_expects),
		cmocka_unit_test(test_a_request_without_a_slot_counts_as_taken),
		cmocka_unit_test(
		    test_what_the_service_has_not_mapped_counts_as_taken),
		cmocka_unit_test(test_what_the_service_wrote_outlives_it),
		cmocka_unit_test(test_nobody_can_change_its_size),
		cmocka_unit_test(test_what_is_no_ledger_is_refused),
		cmocka_unit_test(test_of_take_and_revoke_exactly_one_wins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
