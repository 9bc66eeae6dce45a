/*
 * report: letters from the workers to the control thread.
 */
#ifndef MSVC_ROUTER_REPORT_H
#define MSVC_ROUTER_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/sp.h"

struct err;
struct loop;
struct worker_host;

struct report_link {
	const char *service;
	uint64_t index, generation;
	bool is_up;
};

struct report_bus {
	int fd; /* the receiver's from then on */
	enum sp_transport transport;
	unsigned protocol; /* of the peer */
	const uint8_t *initial;
	size_t len;
	const char *label;
};

/* Called in the loop's thread; pointers are borrowed. */
struct report_handler {
	void *arg;
	void (*linked)(void *arg, const struct report_link *link);
	void (*bus)(void *arg, const struct report_bus *peer);
	void (*done)(void *arg);
};

/* Fill host's functions so that they post to loop; handler is copied. */
int report_init(struct worker_host *host, struct loop *loop,
    const struct report_handler *handler, struct err *err_r);
void report_fini(struct worker_host *host);

#endif
