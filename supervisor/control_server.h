/*
 * control_server: the supervisor's end of control.h.
 *
 * Any number of clients up to a bound, none of which can make it wait: replies
 * go out as the client reads them, and one that lets too much pile up or stays
 * silent for long is cut off.
 */
#ifndef MSVC_SUPERVISOR_CONTROL_SERVER_H
#define MSVC_SUPERVISOR_CONTROL_SERVER_H

#include <stddef.h>
#include <sys/queue.h>

#include "ipc/loop.h"

struct control_client;
struct err;
struct supervise;

struct control_server {
	struct supervise *sup; /* borrowed */
	struct loop_io io;
	struct loop_timer pause; /* after accept() has failed */
	int sock;                /* owned */
	TAILQ_HEAD(control_clients, control_client) clients;
	size_t client_count;
};

/* sock is a listening socket, owned from here on. */
int control_server_init(struct control_server *server, struct supervise *sup,
    int sock, struct err *err_r);
void control_server_fini(struct control_server *server);

/* A client on fd, which is owned, or closed when NULL is returned. */
struct control_client *control_server_add(struct control_server *server,
    int fd);

/* A state has changed: answer those who wait for it. */
void control_server_step(struct control_server *server);

/* Everything is stopped: tell those who asked for it, for a short while. */
void control_server_finish(struct control_server *server);

#endif
