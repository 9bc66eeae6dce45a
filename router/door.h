/*
 * door: one listener as one worker sees it: accept, and when not to.
 *
 * Every worker has a door for every listener; EPOLLEXCLUSIVE lets the kernel
 * wake one of them. At the bound of connections a door shuts, and the backlog
 * waits; when the process is out of file descriptors it shuts for a moment.
 */
#ifndef MSVC_ROUTER_DOOR_H
#define MSVC_ROUTER_DOOR_H

struct door;
struct err;
struct listener;
struct worker;

/* Takes a reference on listener. NULL with err set on failure. */
struct door *door_new(struct worker *worker, struct listener *listener,
    struct err *err_r);
void door_free(struct door **doorp);

const struct listener *door_listener(const struct door *door);

/* A connection has gone: open again when shut. */
void door_reopen(struct door *door);

#endif
