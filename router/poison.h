/*
 * poison: which requests kill a service, and are to be kept from it.
 *
 * Each crash of a kind that a request can cause has suspects: the requests
 * that were taken by the process and not answered. One of them is taken to be
 * the cause; which one, comparing crashes shows:
 *
 * - No suspect is known from an earlier crash: all of them become suspects.
 * - Some are: only these can explain both, the others are not suspected.
 *   Of these, those suspected most often; and when one of them was alone in
 *   an earlier crash, it has proven itself and only such ones count.
 * - One is left, or all that are left have proven themselves: quarantine.
 * - Several are left: each is suspected once more, and the next crash narrows
 *   further. Requests that always come together cannot be told apart: at the
 *   fourth crash they are all quarantined.
 * - A suspect already in quarantine (taken before it was) explains the crash.
 *
 * So a request that is alone in its process crashes it twice at most, and any
 * request four times. A suspect that is answered well is cleared, and
 * suspicion fades after 10 minutes. Lists are bounded; the oldest goes.
 *
 * Services are told apart by name: the same request may be good for another.
 * Of one thread; no system calls; times are any monotonic clock's.
 */
#ifndef MSVC_ROUTER_POISON_H
#define MSVC_ROUTER_POISON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	POISON_SUSPECT_MAX = 1024,
	POISON_QUARANTINE_MAX = 256,
	POISON_CRASHES_MAX = 4,    /* of any request */
	POISON_FADE_US = 600000000 /* suspicion lasts so long */
};

struct poison; /* opaque: suspects and quarantine, see poison.c */

/* The exact fingerprint of a request; equal ones are the same request. */
struct poison_print {
	uint64_t a, b;
};

struct poison_entry {
	char *service; /* owned by the list */
	struct poison_print print;
	unsigned crashes; /* that it explains */
	bool was_alone;   /* the only suspect of one of them */
	int64_t at_us;    /* of the last crash */
	int64_t until_us; /* end of the suspicion or quarantine */
};

/* Returns NULL when out of memory. */
struct poison *poison_new(void);
void poison_free(struct poison **poisonp);

/*
 * A process of service has crashed.
 *
 * suspects, count  the requests it had taken; the same one may be there twice.
 *                  Of more than POISON_SUSPECT_MAX the first ones count: put
 *                  those taken last before the others
 * quarantine_us    how long a quarantine lasts; 0: there is none for this
 *                  service, and the call does nothing
 * out, out_count   set to those quarantined now; room for count of them
 *
 * Out of memory suspects fewer requests.
 */
void poison_death(struct poison *poison, const char *service,
    const struct poison_print *suspects, size_t count, int64_t quarantine_us,
    int64_t now_us, struct poison_print *out, size_t *out_count);

/*
 * Quarantine a request whose guilt is known from elsewhere, for so long; one
 * that is quarantined already is so for that time from now.
 */
void poison_quarantine(struct poison *poison, const char *service,
    const struct poison_print *print, int64_t quarantine_us, int64_t now_us);

/*
 * The service has answered this request well. Returns whether it was a
 * suspect, which it is no more. Does not end a quarantine.
 */
bool poison_cleared(struct poison *poison, const char *service,
    const struct poison_print *print);

bool poison_is_suspect(const struct poison *poison, const char *service,
    const struct poison_print *print, int64_t now_us);
bool poison_is_quarantined(const struct poison *poison, const char *service,
    const struct poison_print *print, int64_t now_us);

/*
 * An operator ends the quarantine of a request, of service or, when that is
 * NULL, of all services. Returns how many that were.
 */
size_t poison_release(struct poison *poison, const char *service,
    const struct poison_print *print);

/*
 * Forget what is over; to be called now and then. Returns how many
 * quarantines have ended.
 */
size_t poison_expire(struct poison *poison, int64_t now_us);

/*
 * What is in the lists, oldest entry first, those over but not yet expired
 * too. Entries are borrowed until the next call that changes poison.
 */
size_t poison_suspect_count(const struct poison *poison);
const struct poison_entry *poison_suspect_at(const struct poison *poison,
    size_t index);
size_t poison_quarantine_count(const struct poison *poison);
const struct poison_entry *poison_quarantine_at(const struct poison *poison,
    size_t index);

#endif
