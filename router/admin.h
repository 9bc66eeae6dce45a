/*
 * admin: GET /-/health and /-/ready, on the admin listener only.
 *
 * Served by the control thread: one request a connection, few connections.
 */
#ifndef MSVC_ROUTER_ADMIN_H
#define MSVC_ROUTER_ADMIN_H

struct admin;
struct buf;
struct err;
struct listener;
struct loop;

enum {
	ADMIN_CONN_MAX = 64,
	ADMIN_TIMEOUT_US = 5 * 1000 * 1000
};

/* Both append a JSON object and return the status to answer with. */
struct admin_source {
	unsigned (*health)(void *arg, struct buf *json);
	unsigned (*ready)(void *arg, struct buf *json);
};

/* Takes a reference on listener; source and arg are borrowed. */
struct admin *admin_new(struct loop *loop, struct listener *listener,
    const struct admin_source *source, void *arg, struct err *err_r);
void admin_free(struct admin **adminp);
const struct listener *admin_listener(const struct admin *admin);

#endif
