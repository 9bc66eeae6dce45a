/*
 * casualty: the requests that were in flight on a link when it was lost, told
 * to the control thread, in the packets in which the supervisor may get them.
 */
#ifndef MSVC_ROUTER_CASUALTY_H
#define MSVC_ROUTER_CASUALTY_H

struct parked;
struct peer;
struct slot;

enum {
	CASUALTY_MAX = 256,            /* told of one link, taken ones first */
	CASUALTY_BODY_MAX = 16 * 1024, /* bytes kept of a body */
	CASUALTY_FIELDS_MAX = 16 * 1024, /* and of its fields */
	CASUALTY_TARGET_MAX = 2048
};

/* peer's link is gone, and which of its requests were taken is known. */
void casualties_tell(struct peer *peer);

/*
 * A taken one that nobody waits for any more: keep in parked what would have
 * to be told of it, for its handler may hang or crash the process yet.
 */
void casualty_keep(const struct peer *peer, const struct slot *slot,
    struct parked *parked);

#endif
