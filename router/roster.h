/*
 * roster: every instance as the control thread knows it.
 *
 * Keeps the last note of each, watches the directories in which their sockets
 * appear, and answers which services are ready. Control thread only.
 */
#ifndef MSVC_ROUTER_ROSTER_H
#define MSVC_ROUTER_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct lifeline_instance;
struct loop;
struct note;
struct roster;
struct snapshot;

/* kick is called with the note of an instance whose socket has appeared. */
struct roster *roster_new(struct loop *loop,
    void (*kick)(void *arg, struct note *note), void *arg, struct err *err_r);
void roster_free(struct roster **rosterp);

/*
 * Take in what the supervisor says, watch its directory. Returns the note,
 * borrowed until the next one; NULL when it is of an older generation or
 * there is no memory.
 */
struct note *roster_note(struct roster *roster,
    const struct lifeline_instance *instance);

/*
 * A worker's link to an instance is up or gone. Returns true when the
 * supervisor is to be told: of the first for each generation, and of the first
 * and the last to a service on another machine.
 */
bool roster_linked(struct roster *roster, const char *service, uint64_t index,
    uint64_t generation, bool is_up);

/* Forget the instances of services that are no longer in the picture. */
void roster_prune(struct roster *roster, const struct snapshot *snapshot);

/* Has the service an instance that is ready? Remote: one that is linked. */
bool roster_is_ready(const struct roster *roster, const char *service,
    bool is_remote);

#endif
