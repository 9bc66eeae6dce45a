#include "link.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "buf.h"
#include "err.h"
#include "ledger.h"
#include "log.h"
#include "loop.h"
#include "mp.h"
#include "wire.h"

enum {
	LINK_BATCH_BYTES = 256 * 1024
};

/*
 * The SP message that is open from link_begin() to the end of the turn. Places
 * in it are values of wire_enqueued(), which stay true while written bytes
 * leave the buffer.
 */
struct batch {
	bool is_open;
	struct buf *out;      /* borrowed from the wire */
	unsigned count;       /* frames in it */
	uint64_t start;       /* behind its SP header */
	uint64_t frame_start; /* at the last frame */
	uint32_t frame_id;
};

struct link {
	enum link_side side;
	const struct link_handler *handler; /* borrowed */
	void *arg;                          /* borrowed */
	struct wire *wire;                  /* owned; NULL before and after */
	struct loop_task task;              /* closes the batch */
	struct loop_task up_task;           /* tells that the link is up */
	bool is_up;
	struct loop *loop; /* borrowed; set with the wire */
	struct batch batch;
	bool is_single; /* the open frame travels alone */
	bool has_hello;
	bool is_over;
	bool is_cut, is_malformed; /* why it is over */
	uint64_t max_batch;        /* of the peer; meaningful with has_hello */
	uint64_t window;
	uint64_t enqueued, written; /* as they were when the wire went */
	struct buf sink;            /* where frames go that go nowhere */
	bool *gone;                 /* set by free while a callback runs */
	bool wants_ledger;
	struct ledger *ledger; /* owned; NULL: none */
};

/* Give the wire back; what is asked about it later stays answered. */
static void
link_detach(struct link *link)
{
	if (link->wire == NULL)
		return;
	link->enqueued = wire_enqueued(link->wire);
	link->written = wire_written(link->wire);
	link->is_cut = link->is_cut || wire_is_cut(link->wire);
	link->is_malformed =
	    link->is_malformed || wire_is_malformed(link->wire);
	link->is_up = false;
	loop_task_drop(link->loop, &link->task);
	loop_task_drop(link->loop, &link->up_task);
	wire_free(&link->wire);
	link->batch.is_open = false;
}

/* Tell the end, once. The link may be gone afterwards. */
static void
link_end_with(struct link *link, const struct err *why)
{
	if (link->is_over)
		return;
	link->is_over = true;
	link_detach(link);
	link->handler->down(link->arg, why);
}

static void
link_end_malformed(struct link *link, const struct err *why)
{
	if (!link->is_over)
		link->is_malformed = true;
	link_end_with(link, why);
}

static void
batch_close(struct link *link)
{
	if (!link->batch.is_open)
		return;
	link->batch.is_open = false;
	wire_end(link->wire);
}

static void
batch_open(struct link *link, const struct sp_header *header)
{
	struct batch *batch = &link->batch;

	batch->out = wire_begin(link->wire);
	buf_append(batch->out, header->data, header->len);
	batch->is_open = true;
	batch->count = 0;
	batch->start = wire_enqueued(link->wire);
}

static bool
batch_is_full(const struct link *link)
{
	return link->batch.count >= link->max_batch ||
	       wire_enqueued(link->wire) - link->batch.start >=
		   LINK_BATCH_BYTES;
}

/*
 * A long last frame goes into a message of its own: together they could be
 * longer than a message the peer takes, though each alone is not.
 */
static void
batch_split(struct link *link)
{
	struct batch *batch = &link->batch;
	size_t len = (size_t)(wire_enqueued(link->wire) - batch->frame_start);
	struct buf frame = { .data = NULL };
	struct sp_header header;

	buf_append(&frame, batch->out->data + batch->out->len - len, len);
	if (!frame.is_failed) {
		batch->out->len -= len;
		batch_close(link);
		sp_header_init(&header, batch->frame_id);
		batch_open(link, &header);
		buf_append(batch->out, buf_front(&frame), len);
		batch->count = 1;
	}
	buf_fini(&frame);
}

static void
link_on_task(struct loop_task *task)
{
	batch_close(loop_owner(task, struct link, task));
}

struct buf *
link_begin(struct link *link, uint32_t id, const struct sp_header *header)
{
	struct batch *batch = &link->batch;
	struct sp_header own;

	if (link->is_over) {
		buf_clear(&link->sink);
		return &link->sink;
	}
	if (link->wire == NULL)
		bug("link_begin() before link_attach()");
	/* More than one word: a device stands between, with other callers. */
	link->is_single = !link->has_hello ||
			  (header != NULL && header->len > sizeof(uint32_t));
	if (batch->is_open && (link->is_single || batch_is_full(link)))
		batch_close(link);
	if (!batch->is_open) {
		if (header == NULL) {
			sp_header_init(&own, id);
			header = &own;
		}
		batch_open(link, header);
	}
	batch->frame_start = wire_enqueued(link->wire);
	batch->frame_id = id;
	return batch->out;
}

void
link_end(struct link *link)
{
	struct batch *batch = &link->batch;

	if (!batch->is_open)
		return;
	batch->count++;
	if (link->is_single) {
		batch_close(link);
		return;
	}
	if (batch->count > 1 &&
	    wire_enqueued(link->wire) - batch->start > LINK_BATCH_BYTES)
		batch_split(link);
	loop_task_add(link->loop, &link->task);
}

/* Before our HELLO is begun. Without it the link works all the same. */
static void
link_make_ledger(struct link *link)
{
	struct err err;
	int fd;

	link->ledger = ledger_new(&fd, &err);
	if (link->ledger == NULL) {
		log_debug("no ledger: %s", err.text);
	} else if (wire_attach_fd(link->wire, fd) != 0) {
		close(fd);
		ledger_free(&link->ledger);
	}
}

static void
link_open_ledger(struct link *link)
{
	int fd = wire_take_fd(link->wire);
	struct err err;

	if (fd < 0)
		return;
	link->ledger = ledger_open(fd, &err);
	if (link->ledger == NULL)
		log_debug("no ledger: %s", err.text);
	close(fd);
}

static void
link_say_hello(struct link *link)
{
	struct sp_header header;
	struct buf *out;

	batch_close(link);
	sp_header_init(&header, 0);
	out = wire_begin(link->wire);
	buf_append(out, header.data, header.len);
	frame_put_hello(out, LINK_BATCH_MAX, LINK_WINDOW,
	    link->side == LINK_SERVICE && link->wants_ledger);
	wire_end(link->wire);
}

static void
link_take_hello(struct link *link, const struct frame *frame,
    const struct sp_header *header)
{
	/* Through a device it would speak for one of many callers. */
	if (link->has_hello || header->len > sizeof(uint32_t))
		return;
	if (link->side == LINK_CALLER) {
		batch_close(link);
		if (link->wants_ledger && frame->has_ledger)
			link_make_ledger(link);
		link_say_hello(link);
	} else if (link->wants_ledger) {
		link_open_ledger(link);
	}
	link->has_hello = true;
	link->window = frame->window;
	link->max_batch = frame->max_batch;
	if (link->max_batch > LINK_BATCH_MAX)
		link->max_batch = LINK_BATCH_MAX;
	if (link->max_batch < 1)
		link->max_batch = 1;
}

static bool
link_expects(const struct link *link, enum frame_kind kind)
{
	if (link->side == LINK_CALLER)
		return kind == FRAME_RESPONSE || kind == FRAME_CHUNK;
	return kind == FRAME_REQUEST || kind == FRAME_CANCEL ||
	       kind == FRAME_CREDIT;
}

/* Returns 0, or -1 with err set when the frame may not be here. */
static int
link_dispatch(struct link *link, const struct frame *frame,
    const struct sp_header *header, struct err *err)
{
	if (frame->kind == FRAME_UNKNOWN)
		return 0;
	if (frame->kind == FRAME_HELLO) {
		link_take_hello(link, frame, header);
		return 0;
	}
	if (!link_expects(link, frame->kind)) {
		err_set(err, "malformed: a frame of kind %d came to a %s",
		    (int)frame->kind,
		    link->side == LINK_CALLER ? "caller" : "service");
		return -1;
	}
	if (link->side == LINK_SERVICE) {
		link->handler->frame(link->arg, frame, header);
		return 0;
	}
	if (!link->has_hello && frame->id != sp_header_id(header)) {
		err_set(err,
		    "malformed: the reply to request %" PRIu32
		    " has frame id %" PRIu32,
		    sp_header_id(header), frame->id);
		return -1;
	}
	link->handler->frame(link->arg, frame, NULL);
	return 0;
}

/* A long message of tiny frames would keep all others from their turn. */
static int
link_count(unsigned count, struct err *err)
{
	if (count <= LINK_BATCH_MAX)
		return 0;
	err_set(err, "malformed: more than %d frames in a message",
	    LINK_BATCH_MAX);
	return -1;
}

static void
link_on_message(void *arg, const uint8_t *data, size_t len)
{
	struct link *link = arg;
	struct mp_reader reader = { data, data + len };
	struct sp_header header;
	struct frame frame;
	struct err err;
	bool is_gone = false;
	int header_len = sp_header_split(data, len, &header);
	unsigned count = 0;

	link->gone = &is_gone;
	if (header_len < 0 || (size_t)header_len == len) {
		err_set(&err, "malformed: an SP message without %s",
		    header_len < 0 ? "a request id" : "a frame");
		link_end_malformed(link, &err);
	} else {
		reader.pos += header_len;
	}
	while (!is_gone && !link->is_over && reader.pos < reader.end) {
		if (link_count(++count, &err) < 0 ||
		    frame_decode(&reader, &frame, &err) < 0 ||
		    link_dispatch(link, &frame, &header, &err) < 0)
			link_end_malformed(link, &err);
	}
	if (is_gone)
		return;
	link->gone = NULL;
}

static void
link_on_up_task(struct loop_task *task)
{
	struct link *link = loop_owner(task, struct link, up_task);

	link->is_up = true;
	if (link->handler->up != NULL)
		link->handler->up(link->arg);
}

/*
 * A service's HELLO stands right behind its handshake. The caller is told that
 * the link is up when the turn has read both, so that no request leaves before
 * our own HELLO and meets a service that takes us for a plain peer.
 */
static void
link_on_up(void *arg)
{
	struct link *link = arg;

	if (link->side == LINK_CALLER)
		loop_task_add(link->loop, &link->up_task);
	else
		link_on_up_task(&link->up_task);
}

static void
link_on_down(void *arg, const struct err *why)
{
	link_end_with(arg, why);
}

static void
link_on_drained(void *arg)
{
	struct link *link = arg;

	if (link->handler->drained != NULL)
		link->handler->drained(link->arg);
}

const struct wire_handler link_wire_handler = {
	.up = link_on_up,
	.message = link_on_message,
	.down = link_on_down,
	.drained = link_on_drained,
};

struct link *
link_new(enum link_side side, const struct link_handler *handler, void *arg)
{
	struct link *link = calloc(1, sizeof(*link));

	if (link == NULL)
		return NULL;
	link->side = side;
	link->handler = handler;
	link->arg = arg;
	link->wants_ledger = side == LINK_CALLER;
	link->task.fn = link_on_task;
	link->up_task.fn = link_on_up_task;
	return link;
}

void
link_attach(struct link *link, struct wire *wire)
{
	link->wire = wire;
	link->loop = wire_loop(wire);
	if (link->side == LINK_CALLER)
		return;
	if (link->wants_ledger)
		wire_want_fd(wire);
	link_say_hello(link);
}

void
link_free(struct link **linkp)
{
	struct link *link = *linkp;

	if (link == NULL)
		return;
	*linkp = NULL;
	if (link->gone != NULL)
		*link->gone = true;
	link_detach(link);
	buf_fini(&link->sink);
	ledger_free(&link->ledger);
	free(link);
}

void
link_want_ledger(struct link *link, bool is_wanted)
{
	link->wants_ledger = is_wanted;
}

struct ledger *
link_ledger(const struct link *link)
{
	return link->ledger;
}

bool
link_is_up(const struct link *link)
{
	return link->is_up;
}

bool
link_has_hello(const struct link *link)
{
	return link->has_hello;
}

uint64_t
link_window(const struct link *link)
{
	return link->window;
}

size_t
link_queued(const struct link *link)
{
	return link->wire == NULL ? 0 : wire_queued(link->wire);
}

bool
link_is_cut(const struct link *link)
{
	return link->is_cut;
}

bool
link_is_malformed(const struct link *link)
{
	return link->is_malformed;
}

uint64_t
link_enqueued(const struct link *link)
{
	return link->wire == NULL ? link->enqueued : wire_enqueued(link->wire);
}

uint64_t
link_written(const struct link *link)
{
	return link->wire == NULL ? link->written : wire_written(link->wire);
}

void
link_pause(struct link *link)
{
	if (link->wire != NULL)
		wire_pause(link->wire);
}

void
link_resume(struct link *link)
{
	if (link->wire != NULL)
		wire_resume(link->wire);
}
