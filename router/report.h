/*
 * report: letters from the workers to the control thread.
 */
#ifndef MSVC_ROUTER_REPORT_H
#define MSVC_ROUTER_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/sp.h"

struct buf;
struct err;
struct loop;
struct poison_print;
struct worker_casualty;
struct worker_key;
struct worker_load;
struct worker_stats;
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
	/* As in struct worker_host; worker is its number. */
	void (*gone)(void *arg, unsigned worker, const struct worker_key *key,
	    bool is_dead);
	void (*hung)(void *arg, const struct worker_key *key, const char *what,
	    int64_t age_us);
	void (*stats)(void *arg, unsigned worker, const struct worker_key *key,
	    const struct worker_stats *stats);
	void (*casualty)(void *arg, const struct worker_casualty *casualty);
	void (*cleared)(void *arg, const char *service,
	    const struct poison_print *print);
	void (*load)(void *arg, unsigned worker, const char *service,
	    uint64_t period_ms, const struct worker_load *load);
	void (*wanted)(void *arg, const char *service);
};

/*
 * Fill the functions of hosts, one for each of count workers by number, so
 * that they post to loop; handler is copied.
 */
int report_init(struct worker_host *hosts, size_t count, struct loop *loop,
    const struct report_handler *handler, struct err *err_r);
void report_fini(struct worker_host *hosts);

#endif
