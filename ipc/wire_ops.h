/*
 * wire_ops: what the kinds of wire share and what each implements. For wire.c
 * and nngwire.c only; everybody else uses wire.h.
 */
#ifndef MSVC_IPC_WIRE_OPS_H
#define MSVC_IPC_WIRE_OPS_H

#include "buf.h"
#include "wire.h"

struct wire_ops {
	void (*free)(struct wire *wire);
	struct buf *(*begin)(struct wire *wire);
	void (*end)(struct wire *wire);
	void (*pause)(struct wire *wire);
	void (*resume)(struct wire *wire);
	/* As wire_attach_fd() and wire_take_fd(); NULL: it carries none. */
	int (*attach_fd)(struct wire *wire, int fd);
	int (*take_fd)(struct wire *wire);
};

/* The first member of each kind's own struct. */
struct wire {
	const struct wire_ops *ops;
	struct loop *loop;                  /* borrowed */
	const struct wire_handler *handler; /* borrowed */
	void *arg;                          /* borrowed */
	struct wire_limits limits;
	struct buf out;
	size_t ready;       /* bytes of out in closed messages */
	size_t longest;     /* of these messages; bytes */
	uint64_t written;   /* ever taken by the kernel or libnng */
	uint64_t discarded; /* ever dropped in wire_end() */
	bool is_up;
	bool is_over;      /* down() was called */
	bool is_cut;       /* what is written now goes nowhere */
	bool is_malformed; /* the peer's bytes break the rules of SP */
	bool is_paused;
	bool wants_fd; /* one that comes up to the first message */
};

/*
 * Call down() with this reason, unless it was called before. The wire may be
 * gone afterwards.
 */
void wire_down(struct wire *wire, const struct err *why);

/* Likewise, for bytes that break the rules of SP. */
void wire_malformed(struct wire *wire, const struct err *why);

/*
 * Is more unwritten than the limits allow? The longest message that waits does
 * not count: whoever is busy taking it reads, however long that lasts.
 */
bool wire_is_full(const struct wire *wire);

/* The message that is open is complete. */
void wire_close(struct wire *wire);

/* Forget the message that is open and whatever waits behind the ready bytes. */
void wire_drop_open(struct wire *wire);

#endif
