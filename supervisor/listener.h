/*
 * listener: the sockets on which the router serves, bound by the supervisor.
 *
 * They outlive each router: clients wait in the backlog meanwhile. A set is
 * replaced whole by a reload, with the sockets that stay moved over.
 */
#ifndef MSVC_SUPERVISOR_LISTENER_H
#define MSVC_SUPERVISOR_LISTENER_H

#include <stdbool.h>
#include <stddef.h>

#include "ipc/lifeline.h"

struct conf_router;
struct err;
struct rundir;

struct listener {
	int fd; /* owned */
	enum lifeline_listener_kind kind;
	bool is_sp_allowed;
	char *key;        /* owned: as configured, to find it at a reload */
	char address[64]; /* as bound: "127.0.0.1:8080" */
};

struct listeners {
	struct listener *items; /* owned */
	size_t count;
};

/*
 * Bind what the configuration asks for.
 *
 * before   NULL, or the present set: a socket that both have is duplicated,
 *          not bound again; before itself stays as it is
 *
 * Returns 0, or -1 with err "127.0.0.1:8080: Address already in use" and
 * out_r empty. Resolving a host name may block.
 */
int listeners_open(struct listeners *out_r, const struct conf_router *router,
    const struct rundir *rundir, const struct listeners *before,
    struct err *err_r);

void listeners_fini(struct listeners *listeners);

#endif
