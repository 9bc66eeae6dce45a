/*
 * picture: what the supervisor has drawn since BEGIN, until COMMIT.
 *
 * Control thread only.
 */
#ifndef MSVC_ROUTER_PICTURE_H
#define MSVC_ROUTER_PICTURE_H

#include <stddef.h>

struct lifeline_msg;
struct listener;
struct snapshot;

enum {
	PICTURE_LISTENER_MAX = 256
};

struct picture {
	struct snapshot *snapshot; /* owned; NULL before BEGIN */
	struct listener *listeners[PICTURE_LISTENER_MAX];
	size_t listener_count;
};

/* Start anew, dropping what was there. */
void picture_begin(struct picture *picture);
void picture_fini(struct picture *picture);

/*
 * Take one of SETTINGS, LISTENER, SERVICE, ROUTE. fd is the packet's or -1;
 * taken in any case. What cannot be taken is logged and left out.
 */
void picture_add(struct picture *picture, const struct lifeline_msg *msg,
    int fd);

/*
 * Where this picture has a socket that before has too, use the one of before,
 * so that nobody who polls it has to be disturbed.
 */
void picture_reuse(struct picture *picture, const struct picture *before);

#endif
