/*
 * ledger: which requests of one link did a handler get to see?
 *
 * Memory that the router (the caller) and one generation of an instance (the
 * service) share, with a slot for each request in flight. The router writes
 * the request as offered before it sends it; the service turns offered into
 * taken right before the handler runs, and taken into done when the answer is
 * queued; the router may turn offered into revoked. Exactly one of take and
 * revoke wins, with no system call on either side, and what stands there
 * survives the death of either.
 *
 * Neither side trusts what it reads: whatever is not exactly what it expects
 * counts as taken for the router, and as not its own for the service. The
 * memory can be neither shrunk nor grown, so that nobody dies of SIGBUS. As
 * long as the service has not mapped it, nobody takes anything in it, and for
 * the router all requests count as taken.
 *
 * The slot is the low 16 bits of the request's id (router/slots.h); a ledger
 * has LEDGER_SLOTS of them, requests beyond have none. One writer a side: the
 * functions of a side are for one thread.
 */
#ifndef MSVC_IPC_LEDGER_H
#define MSVC_IPC_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct ledger; /* opaque: one mapping */

enum {
	LEDGER_SLOTS = 4096
};

enum ledger_state {
	LEDGER_FREE,
	LEDGER_OFFERED, /* sent, or about to be; no handler has seen it */
	LEDGER_TAKEN,   /* a handler saw it */
	LEDGER_REVOKED, /* taken back: no handler will see it */
	LEDGER_DONE     /* its answer is queued, or was cancelled */
};

/*
 * Make one, for the router.
 *
 * fd_r   set to a memfd to pass to the service; the caller's to close
 *
 * Returns NULL with err_r set and *fd_r -1 when there is no memory.
 */
struct ledger *ledger_new(int *fd_r, struct err *err_r);

/*
 * Map the one that the router passed, for the service. fd stays the caller's
 * and is not needed afterwards. Returns NULL when it is no sealed ledger of
 * this version.
 */
struct ledger *ledger_open(int fd, struct err *err_r);

void ledger_free(struct ledger **ledgerp); /* unmaps; the other side stays */

/* Does this request have a slot? False without a ledger (NULL). */
bool ledger_has(const struct ledger *ledger, uint32_t id);

/*
 * All below are for requests with a slot; without one they do nothing, and
 * ledger_state() is LEDGER_TAKEN.
 *
 * Router: before it is sent; when it is over and its id is free again; and
 * take it back. Revoking returns true when certainly no handler saw it or
 * ever will.
 */
void ledger_offer(struct ledger *ledger, uint32_t id);
void ledger_clear(struct ledger *ledger, uint32_t id);
bool ledger_revoke(struct ledger *ledger, uint32_t id);

/*
 * Router: what became of it. LEDGER_TAKEN also for garbage, for another
 * request in its slot, and as long as the service has not mapped the ledger.
 */
enum ledger_state ledger_state(const struct ledger *ledger, uint32_t id);

/* Service: may the handler run? False: forget the request without a word. */
bool ledger_take(struct ledger *ledger, uint32_t id);

/* Service: a taken one is answered, or nobody waits for it any more. */
void ledger_done(struct ledger *ledger, uint32_t id);

#endif
