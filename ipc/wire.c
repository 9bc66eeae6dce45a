#include "wire.h"

#include "err.h"
#include "wire_ops.h"

void
wire_down(struct wire *wire, const struct err *why)
{
	if (wire->is_over)
		return;
	wire->is_over = true;
	wire->is_up = false;
	wire->handler->down(wire->arg, why);
}

void
wire_malformed(struct wire *wire, const struct err *why)
{
	wire->is_malformed = true;
	wire_down(wire, why);
}

bool
wire_is_full(const struct wire *wire)
{
	return wire->ready > wire->longest &&
	       wire->ready - wire->longest > wire->limits.queue_max;
}

void
wire_close(struct wire *wire)
{
	size_t len = buf_count(&wire->out) - wire->ready;

	if (wire->ready == 0 || len > wire->longest)
		wire->longest = len;
	wire->ready = buf_count(&wire->out);
}

void
wire_drop_open(struct wire *wire)
{
	size_t len = buf_count(&wire->out) - wire->ready;

	wire->discarded += len;
	wire->out.len -= len;
}

void
wire_free(struct wire **wirep)
{
	struct wire *wire = *wirep;

	if (wire == NULL)
		return;
	*wirep = NULL;
	wire->ops->free(wire);
}

struct buf *
wire_begin(struct wire *wire)
{
	return wire->ops->begin(wire);
}

void
wire_end(struct wire *wire)
{
	wire->ops->end(wire);
}

size_t
wire_queued(const struct wire *wire)
{
	return buf_count(&wire->out);
}

uint64_t
wire_enqueued(const struct wire *wire)
{
	return wire->written + wire->discarded + buf_count(&wire->out);
}

uint64_t
wire_written(const struct wire *wire)
{
	return wire->written;
}

bool
wire_is_up(const struct wire *wire)
{
	return wire->is_up;
}

bool
wire_is_cut(const struct wire *wire)
{
	return wire->is_cut;
}

bool
wire_is_malformed(const struct wire *wire)
{
	return wire->is_malformed;
}

void
wire_pause(struct wire *wire)
{
	wire->ops->pause(wire);
}

void
wire_resume(struct wire *wire)
{
	wire->ops->resume(wire);
}

int
wire_attach_fd(struct wire *wire, int fd)
{
	return wire->ops->attach_fd == NULL ? -1
					    : wire->ops->attach_fd(wire, fd);
}

void
wire_want_fd(struct wire *wire)
{
	wire->wants_fd = true;
}

int
wire_take_fd(struct wire *wire)
{
	return wire->ops->take_fd == NULL ? -1 : wire->ops->take_fd(wire);
}

struct loop *
wire_loop(const struct wire *wire)
{
	return wire->loop;
}
