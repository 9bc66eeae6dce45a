/*
 * sockets: those that services are given (socket = in msvc.ini(5)), open for as
 * long as the configuration has them.
 *
 * The supervisor opens them before anything runs and never accepts from them:
 * while a service is away its clients wait in the backlog. All instances and
 * generations of a service share them. A socket is known by its text, so that
 * a reload may also hand it from one service to another. The file of a unix
 * socket belongs to the service's user and group and has mode 0660; it is
 * removed with the socket.
 */
#ifndef MSVC_SUPERVISOR_SOCKETS_H
#define MSVC_SUPERVISOR_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "spawn.h"

struct conf;
struct conf_service;
struct err;
struct services;

enum {
	SOCKETS_NAMES_MAX = SPAWN_FDS_MAX * 256
};

struct socket_item {
	TAILQ_ENTRY(socket_item) link;
	char *text;    /* owned: "tcp:127.0.0.1:9000", "unix:/run/app.sock" */
	char *service; /* owned: the name of the one that has it */
	int fd;        /* owned, in listening state */
	dev_t dev;     /* of a unix socket's file, to know it again */
	ino_t ino;
	bool is_retired; /* configured no longer: see sockets_sweep() */
};

TAILQ_HEAD(sockets, socket_item);

/* What a process is passed; the fds are borrowed. */
struct sockets_passed {
	int fds[SPAWN_FDS_MAX];
	size_t count;
	char names[SOCKETS_NAMES_MAX]; /* for LISTEN_FDNAMES */
};

void sockets_init(struct sockets *sockets);

/* Close all and remove their files. */
void sockets_fini(struct sockets *sockets);

/*
 * Open what the services of conf that are enabled need and present has not.
 *
 * added   initialized and empty; gets the new ones, of the caller, who drops
 *         them with sockets_fini() or makes them present with sockets_commit()
 *
 * Returns 0, or -1 with err `service "a": tcp:127.0.0.1:9000: Address already
 * in use` and added empty. May block on the name service.
 */
int sockets_open(const struct sockets *present, const struct conf *conf,
    struct sockets *added, struct err *err_r);

/*
 * Go over to conf: added is emptied into present, what conf has not is retired,
 * and files are given to the users of conf. Cannot fail.
 */
void sockets_commit(struct sockets *present, const struct conf *conf,
    struct sockets *added);

/* Close those retired that no service may go back to, nor has one that ends. */
void sockets_sweep(struct sockets *present, const struct services *services);

/* The sockets for a process of conf, in its order. Returns 0 or -1. */
int sockets_pass(const struct sockets *present, const struct conf_service *conf,
    struct sockets_passed *passed, struct err *err_r);

#endif
