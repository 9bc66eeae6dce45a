#include "ledger.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "err.h"

enum {
	LEDGER_MAGIC = 0x4c47444c, /* "LDGL" in memory */
	LEDGER_VERSION = 1,
	LEDGER_SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL,
	CACHE_LINE = 64,
	STATE_BITS = 8
};

/*
 * What both processes see. The head is written before the router passes the
 * memory on, but for is_mapped, which the service sets before it reads its
 * first request. A slot is a claim, id << 8 | state, in one atomic word.
 */
struct page {
	uint32_t magic, version, slot_count;
	_Atomic uint32_t is_mapped;
	_Alignas(CACHE_LINE) _Atomic uint64_t slots[LEDGER_SLOTS];
};

/* A lock would live in one process and protect nothing from the other. */
_Static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2 &&
		   sizeof(_Atomic uint64_t) == sizeof(uint64_t),
    "the ledger needs lock-free words of 64 bits");
_Static_assert(sizeof(struct page) == CACHE_LINE + LEDGER_SLOTS * 8,
    "the ledger has one layout");

struct ledger {
	struct page *page; /* mapped */
};

static uint64_t
claim_of(uint32_t id, enum ledger_state state)
{
	return (uint64_t)id << STATE_BITS | (uint64_t)state;
}

static _Atomic uint64_t *
slot_of(const struct ledger *ledger, uint32_t id)
{
	return &ledger->page->slots[id & (LEDGER_SLOTS - 1)];
}

static struct ledger *
ledger_map(int fd, struct err *err_r)
{
	struct ledger *ledger = calloc(1, sizeof(*ledger));

	if (ledger == NULL) {
		err_set(err_r, "out of memory for a ledger");
		return NULL;
	}
	ledger->page = mmap(NULL, sizeof(*ledger->page), PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);
	if (ledger->page == MAP_FAILED) {
		err_set_errno(err_r, "cannot map a ledger");
		free(ledger);
		return NULL;
	}
	return ledger;
}

struct ledger *
ledger_new(int *fd_r, struct err *err_r)
{
	struct ledger *ledger = NULL;
	int fd = memfd_create("msvc-ledger", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	*fd_r = -1;
	if (fd < 0 || ftruncate(fd, sizeof(struct page)) != 0 ||
	    fcntl(fd, F_ADD_SEALS, LEDGER_SEALS) != 0)
		err_set_errno(err_r, "cannot make a ledger");
	else
		ledger = ledger_map(fd, err_r);
	if (ledger == NULL) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	ledger->page->magic = LEDGER_MAGIC;
	ledger->page->version = LEDGER_VERSION;
	ledger->page->slot_count = LEDGER_SLOTS;
	*fd_r = fd;
	return ledger;
}

/* Until it is known to be sealed, reading it could be deadly. */
static int
check_file(int fd, struct err *err_r)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat status;

	if (seals < 0 || (seals & LEDGER_SEALS) != LEDGER_SEALS) {
		err_set(err_r, "the ledger is not sealed memory");
		return -1;
	}
	if (fstat(fd, &status) != 0 || status.st_size != sizeof(struct page)) {
		err_set(err_r, "the ledger does not have %zu bytes",
		    sizeof(struct page));
		return -1;
	}
	return 0;
}

struct ledger *
ledger_open(int fd, struct err *err_r)
{
	struct ledger *ledger;
	const struct page *page;

	if (check_file(fd, err_r) != 0)
		return NULL;
	ledger = ledger_map(fd, err_r);
	if (ledger == NULL)
		return NULL;
	page = ledger->page;
	if (page->magic != LEDGER_MAGIC || page->version != LEDGER_VERSION ||
	    page->slot_count != LEDGER_SLOTS) {
		err_set(err_r, "it is no ledger of version %d", LEDGER_VERSION);
		ledger_free(&ledger);
		return NULL;
	}
	atomic_store_explicit(&ledger->page->is_mapped, 1,
	    memory_order_release);
	return ledger;
}

void
ledger_free(struct ledger **ledgerp)
{
	struct ledger *ledger = *ledgerp;

	if (ledger == NULL)
		return;
	*ledgerp = NULL;
	(void)munmap(ledger->page, sizeof(*ledger->page));
	free(ledger);
}

bool
ledger_has(const struct ledger *ledger, uint32_t id)
{
	return ledger != NULL && (id & 0xffff) < LEDGER_SLOTS;
}

/*
 * Writes release and reads acquire, on every word: whoever sees a claim sees
 * all that its writer did before, so a handler's doing lies behind its take
 * and before its done. The order of claims in different slots says nothing,
 * so nothing stronger is needed.
 */
static void
claim_set(struct ledger *ledger, uint32_t id, uint64_t claim)
{
	if (ledger_has(ledger, id))
		atomic_store_explicit(slot_of(ledger, id), claim,
		    memory_order_release);
}

/* The one step that can be contended; strong, as a spurious loss would lie. */
static bool
claim_move(struct ledger *ledger, uint32_t id, enum ledger_state from,
    enum ledger_state to)
{
	uint64_t expected = claim_of(id, from);

	return ledger_has(ledger, id) &&
	       atomic_compare_exchange_strong_explicit(slot_of(ledger, id),
		   &expected, claim_of(id, to), memory_order_acq_rel,
		   memory_order_acquire);
}

static bool
is_mapped(const struct ledger *ledger)
{
	return atomic_load_explicit(&ledger->page->is_mapped,
		   memory_order_acquire) == 1;
}

void
ledger_offer(struct ledger *ledger, uint32_t id)
{
	claim_set(ledger, id, claim_of(id, LEDGER_OFFERED));
}

void
ledger_clear(struct ledger *ledger, uint32_t id)
{
	claim_set(ledger, id, claim_of(id, LEDGER_FREE));
}

bool
ledger_revoke(struct ledger *ledger, uint32_t id)
{
	return ledger_has(ledger, id) && is_mapped(ledger) &&
	       claim_move(ledger, id, LEDGER_OFFERED, LEDGER_REVOKED);
}

enum ledger_state
ledger_state(const struct ledger *ledger, uint32_t id)
{
	uint64_t claim;

	if (!ledger_has(ledger, id) || !is_mapped(ledger))
		return LEDGER_TAKEN;
	claim = atomic_load_explicit(slot_of(ledger, id), memory_order_acquire);
	for (int state = LEDGER_FREE; state <= LEDGER_DONE; state++)
		if (claim == claim_of(id, (enum ledger_state)state))
			return (enum ledger_state)state;
	return LEDGER_TAKEN;
}

bool
ledger_take(struct ledger *ledger, uint32_t id)
{
	return claim_move(ledger, id, LEDGER_OFFERED, LEDGER_TAKEN);
}

void
ledger_done(struct ledger *ledger, uint32_t id)
{
	(void)claim_move(ledger, id, LEDGER_TAKEN, LEDGER_DONE);
}
