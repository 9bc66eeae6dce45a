#include "core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ipc/event.h"
#include "ipc/launch.h"
#include "ipc/log.h"

enum {
	/* Beyond this much unwritten, events wait here, where they count. */
	PUB_QUEUE_MAX = 256 * 1024
};

struct bus_out {
	TAILQ_ENTRY(bus_out) link;
	struct buf buf;
};

struct bus_sub {
	SLIST_ENTRY(bus_sub) link;
	char *prefix;
	svc_event_fn *fn;
	void *arg;
};

struct svc_event {
	struct bus *bus;
	char *topic, *id, *from, *type;
	int64_t time_ms;
};

static void
out_drop(struct bus *bus, struct bus_out *out)
{
	TAILQ_REMOVE(&bus->out, out, link);
	bus->out_count--;
	bus->out_bytes -= out->buf.len;
	buf_fini(&out->buf);
	free(out);
}

/* Hand over what the wire has room for. */
static void
bus_flush(struct bus *bus)
{
	struct bus_out *out;

	while (bus->pub != NULL && wire_is_up(bus->pub) &&
	       wire_queued(bus->pub) < PUB_QUEUE_MAX &&
	       (out = TAILQ_FIRST(&bus->out)) != NULL) {
		buf_append(wire_begin(bus->pub), out->buf.data, out->buf.len);
		wire_end(bus->pub);
		out_drop(bus, out);
	}
	if (bus->dropped > 0 && TAILQ_EMPTY(&bus->out)) {
		log_warnx("%llu events were dropped, the router did not take "
			  "them",
		    (unsigned long long)bus->dropped);
		bus->dropped = 0;
	}
}

static void
pub_up(void *arg)
{
	struct svc *svc = arg;

	dialer_up(&svc->bus.pub_dialer);
	bus_flush(&svc->bus);
}

static void
pub_message(void *arg, const uint8_t *data, size_t len)
{
	/* A subscriber says nothing. */
	(void)arg;
	(void)data;
	(void)len;
}

static void
pub_drained(void *arg)
{
	struct svc *svc = arg;

	bus_flush(&svc->bus);
}

static void
pub_down(void *arg, const struct err *why)
{
	struct svc *svc = arg;

	wire_free(&svc->bus.pub);
	dialer_lost(&svc->bus.pub_dialer, why);
}

static void
sub_up(void *arg)
{
	struct svc *svc = arg;

	dialer_up(&svc->bus.sub_dialer);
}

static void
sub_down(void *arg, const struct err *why)
{
	struct svc *svc = arg;

	wire_free(&svc->bus.sub);
	dialer_lost(&svc->bus.sub_dialer, why);
}

/* Copy len bytes to *pos, end them with NUL, move *pos on. */
static char *
copy_text(char **pos, const char *text, size_t len)
{
	char *copy = *pos;

	if (len > 0)
		memcpy(copy, text, len);
	copy[len] = '\0';
	*pos += len + 1;
	return copy;
}

static void
tell_subscribers(struct bus *bus, const struct svc_event *event)
{
	struct bus_sub *sub;

	for (sub = SLIST_FIRST(&bus->subs); sub != NULL;
	     sub = SLIST_NEXT(sub, link))
		if (strncmp(event->topic, sub->prefix, strlen(sub->prefix)) ==
		    0)
			sub->fn(event, sub->arg);
}

static void
sub_message(void *arg, const uint8_t *data, size_t len)
{
	struct svc *svc = arg;
	struct bus *bus = &svc->bus;
	struct event in;
	struct svc_event event = { .bus = bus };
	struct err err;
	/* The parts are shorter than the whole but for their NULs. */
	char *copy, *pos;

	if (event_decode(data, len, &in, &err) != 0) {
		log_warnx("an event is dropped: %s", err.text);
		return;
	}
	copy = pos = malloc(len + 8);
	if (copy == NULL)
		return;
	event.topic = copy_text(&pos, in.topic, in.topic_len);
	event.id = copy_text(&pos, in.id, in.id_len);
	event.from = copy_text(&pos, in.from, in.from_len);
	event.type = copy_text(&pos, in.type, in.type_len);
	event.time_ms = in.time_ms;
	if (in.data != NULL) {
		memcpy(pos, in.data, in.data_len);
		payload_set(&bus->data, (uint8_t *)pos, in.data_len);
	} else {
		payload_set(&bus->data, (uint8_t *)pos, 0);
	}
	tell_subscribers(bus, &event);
	payload_clear(&bus->data);
	free(copy);
}

static const struct wire_limits limits = { CORE_MESSAGE_MAX, CORE_QUEUE_MAX };

static int
pub_open(struct dialer *dialer, int fd, enum sp_transport transport,
    struct err *err_r)
{
	static const struct wire_handler handler = { pub_up, pub_message,
		pub_down, pub_drained };
	struct svc *svc = loop_owner(dialer, struct svc, bus.pub_dialer);

	svc->bus.pub = wire_new(svc->loop, fd, transport, SP_PUB, &limits,
	    &handler, svc, NULL, 0, err_r);
	if (svc->bus.pub == NULL)
		close(fd);
	return svc->bus.pub != NULL ? 0 : -1;
}

static int
sub_open(struct dialer *dialer, int fd, enum sp_transport transport,
    struct err *err_r)
{
	static const struct wire_handler handler = { sub_up, sub_message,
		sub_down, NULL };
	struct svc *svc = loop_owner(dialer, struct svc, bus.sub_dialer);

	svc->bus.sub = wire_new(svc->loop, fd, transport, SP_SUB, &limits,
	    &handler, svc, NULL, 0, err_r);
	if (svc->bus.sub == NULL)
		close(fd);
	return svc->bus.sub != NULL ? 0 : -1;
}

static int64_t
wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
out_encode(struct svc *svc, struct bus_out *out, const char *topic,
    const struct buf *data)
{
	char id[128], from[128];
	int id_len, from_len;
	struct event event = {
		.topic = topic,
		.topic_len = strlen(topic),
		.type = topic,
		.type_len = strlen(topic),
		.time_ms = wall_ms(),
	};

	from_len = snprintf(from, sizeof(from), "%.80s/%.20s", svc->name,
	    svc->instance);
	id_len = snprintf(id, sizeof(id), "%s-%llx-%llx", from,
	    (unsigned long long)svc->bus.start_ms,
	    (unsigned long long)svc->bus.next_id++);
	event.id = id;
	event.id_len = (size_t)id_len;
	event.from = from;
	event.from_len = (size_t)from_len;
	if (data != NULL) {
		event.data = buf_front(data);
		event.data_len = buf_count(data);
	}
	event_encode(&out->buf, &event);
}

void
svc_publish(struct svc *svc, const char *topic, struct svc_data *data)
{
	struct bus *bus = &svc->bus;
	const struct buf *value = data_finish(data);
	struct bus_out *out;

	if (*topic == '\0' || strlen(topic) > EVENT_TOPIC_MAX ||
	    (data != NULL && value == NULL)) {
		log_errorx("event \"%.64s\" is dropped: its %s", topic,
		    data != NULL && value == NULL
			? "data were not put together well"
			: "topic is empty or too long");
		goto out;
	}
	if (!dialer_start(&bus->pub_dialer))
		goto out;
	out = calloc(1, sizeof(*out));
	if (out == NULL)
		goto out;
	out_encode(svc, out, topic, value);
	TAILQ_INSERT_TAIL(&bus->out, out, link);
	bus->out_count++;
	bus->out_bytes += out->buf.len;
	if (out->buf.is_failed || out->buf.len > CORE_EVENT_SIZE_MAX) {
		log_errorx("event \"%s\" is dropped: it is larger than %d "
			   "bytes",
		    topic, CORE_EVENT_SIZE_MAX);
		out_drop(bus, out);
	}
	bus_flush(bus);
	while (bus->out_count > CORE_EVENT_MAX ||
	       bus->out_bytes > CORE_EVENT_BYTES_MAX) {
		out_drop(bus, TAILQ_FIRST(&bus->out));
		bus->dropped++;
	}
out:
	svc_data_free(data);
}

void
svc_subscribe(struct svc *svc, const char *prefix, svc_event_fn *fn, void *arg)
{
	struct bus_sub *sub;

	if (svc == NULL)
		return; /* svc_run() will tell */
	sub = calloc(1, sizeof(*sub));
	if (sub == NULL || (sub->prefix = strdup(prefix)) == NULL) {
		log_errorx("out of memory, \"%s\" is not subscribed", prefix);
		free(sub);
		return;
	}
	sub->fn = fn;
	sub->arg = arg;
	SLIST_INSERT_HEAD(&svc->bus.subs, sub, link);
	(void)dialer_start(&svc->bus.sub_dialer);
}

const char *
svc_event_topic(const struct svc_event *event)
{
	return event->topic;
}

const char *
svc_event_id(const struct svc_event *event)
{
	return event->id;
}

const char *
svc_event_from(const struct svc_event *event)
{
	return event->from;
}

const char *
svc_event_type(const struct svc_event *event)
{
	return event->type;
}

int64_t
svc_event_time_ms(const struct svc_event *event)
{
	return event->time_ms;
}

const struct svc_value *
svc_event_data(const struct svc_event *event)
{
	return payload_public(payload_value(&event->bus->data, NULL));
}

void
bus_init(struct svc *svc)
{
	struct bus *bus = &svc->bus;

	dialer_init(&bus->pub_dialer, svc->loop, "events out",
	    getenv(LAUNCH_ENV_PUB), pub_open);
	dialer_init(&bus->sub_dialer, svc->loop, "events in",
	    getenv(LAUNCH_ENV_SUB), sub_open);
	TAILQ_INIT(&bus->out);
	SLIST_INIT(&bus->subs);
	bus->start_ms = wall_ms();
}

bool
bus_is_idle(const struct svc *svc)
{
	const struct bus *bus = &svc->bus;

	/* For a router that is known to be away nobody should wait. */
	if (TAILQ_EMPTY(&bus->out) || bus->pub_dialer.is_told)
		return bus->pub == NULL || wire_queued(bus->pub) == 0;
	return false;
}

void
bus_fini(struct svc *svc)
{
	struct bus *bus = &svc->bus;
	struct bus_sub *sub;

	dialer_fini(&bus->pub_dialer);
	dialer_fini(&bus->sub_dialer);
	wire_free(&bus->pub);
	wire_free(&bus->sub);
	while (!TAILQ_EMPTY(&bus->out))
		out_drop(bus, TAILQ_FIRST(&bus->out));
	while ((sub = SLIST_FIRST(&bus->subs)) != NULL) {
		SLIST_REMOVE_HEAD(&bus->subs, link);
		free(sub->prefix);
		free(sub);
	}
	payload_fini(&bus->data);
}
