/*
 * control: the router's main thread: lifeline, admin listener, bus, workers.
 *
 * What the supervisor says becomes pictures (picture.c) and notes (roster.c)
 * for the workers; what the workers find out goes back to it. It ends with
 * STOP or with the end of the lifeline: accepting stops, what is in flight is
 * answered, and after drain_timeout the rest is cut off.
 *
 * control.c is the lifeline and the life of it all; control_apply.c goes over
 * to a new picture; control_words.c is what workers and morgue have to say.
 */
#ifndef MSVC_ROUTER_CONTROL_H
#define MSVC_ROUTER_CONTROL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/loop.h"

#include "load.h"
#include "morgue.h"
#include "outbox.h"
#include "picture.h"
#include "tally.h"
#include "worker.h"

struct admin;
struct buf;
struct bus;
struct err;
struct lifeline_msg;
struct roster;

enum {
	CONTROL_WORKERS_MAX = 64
};

_Static_assert((int)CONTROL_WORKERS_MAX <= (int)MORGUE_WORKER_MAX &&
		   (int)CONTROL_WORKERS_MAX <= (int)TALLY_WORKERS_MAX &&
		   (int)CONTROL_WORKERS_MAX <= (int)LOAD_WORKERS_MAX,
    "a number of each worker");

struct control {
	struct loop *loop;
	struct loop_io lifeline;
	struct outbox outbox;
	uint8_t *packet; /* LIFELINE_PACKET_MAX + 1 */
	struct picture drawn, applied;
	struct roster *roster;
	struct morgue *morgue;
	struct tally *tally;
	struct loads *loads;
	struct bus *bus;
	struct admin *admin;
	struct worker *workers[CONTROL_WORKERS_MAX];
	size_t worker_count;
	struct worker_host hosts[CONTROL_WORKERS_MAX]; /* by number */
	atomic_size_t connections;
	struct loop_timer drain;
	bool is_stopping;
};

/*
 * Serve until told to stop. lifeline is a connected SEQPACKET socket, made
 * non-blocking here. Returns 0 after a stop, -1 with err set when the router
 * could not be set up.
 */
int control_run(int lifeline, struct err *err_r);

/*
 * For the files of control.
 */

/* Tell the supervisor; a packet that is not needed may get lost. */
void control_tell(struct control *control, const struct lifeline_msg *msg);
void control_tell_packet(void *arg, const struct buf *packet, bool is_needed);

/* Make the parts that have something to say, and listen. control_words.c */
int control_listen(struct control *control, struct err *err_r);

/* The picture is drawn: go over to it. control_apply.c */
void control_commit(struct control *control);

#endif
