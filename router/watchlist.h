/*
 * watchlist: the requests that every worker has to look out for.
 *
 * Suspects and quarantined ones, as the control thread last knew them; shared
 * by the workers, immutable once published, freed with the last reference.
 */
#ifndef MSVC_ROUTER_WATCHLIST_H
#define MSVC_ROUTER_WATCHLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct poison;
struct poison_print;
struct watchlist;

/*
 * What poison holds now; NULL when it holds nothing, or without memory: then
 * the requests are delivered, which is what would have happened without us.
 */
struct watchlist *watchlist_new(const struct poison *poison);
struct watchlist *watchlist_ref(struct watchlist *list); /* NULL is fine */
void watchlist_unref(struct watchlist **listp);

/* Is anything there about this service? */
bool watchlist_has(const struct watchlist *list, const char *service);

enum watchlist_kind {
	WATCHLIST_NONE,
	WATCHLIST_SUSPECT,
	WATCHLIST_QUARANTINED
};

/*
 * until_us_r   set to the loop time at which a quarantine ends; one that is
 *              over by now_us is none. Loops share one clock.
 */
enum watchlist_kind watchlist_find(const struct watchlist *list,
    const char *service, const struct poison_print *print, int64_t now_us,
    int64_t *until_us_r);

#endif
