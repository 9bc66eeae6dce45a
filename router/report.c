#include "report.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/log.h"
#include "ipc/loop.h"

#include "worker.h"

enum report_kind {
	REPORT_LINK,
	REPORT_BUS,
	REPORT_DONE,
	REPORT_GONE,
	REPORT_HUNG,
	REPORT_STATS,
	REPORT_CASUALTY,
	REPORT_CLEARED,
	REPORT_LOAD,
	REPORT_WANTED
};

/* Where one worker's letters are written. */
struct desk {
	struct loop *loop;
	unsigned worker;
	struct report_handler handler;
};

struct report {
	struct loop_mail mail;
	struct desk *desk;
	enum report_kind kind;
	struct report_link link;
	struct report_bus bus;
	struct worker_key key;
	struct worker_stats stats;
	struct worker_load load;
	uint64_t period_ms; /* of the load */
	struct poison_print print;
	struct buf casualty, quarantine; /* owned */
	int64_t age_us;
	unsigned worker;
	bool is_set; /* of a death; taken */
	size_t text_len;
	char text[]; /* service or label with NUL, then bytes of the kind */
};

/* What is said of one generation of an instance. */
static void
deliver_key(struct report *report, const struct report_handler *handler)
{
	struct worker_casualty casualty = { .print = report->print,
		.is_taken = report->is_set,
		.casualty = &report->casualty,
		.quarantine = &report->quarantine };

	report->key.service = report->text;
	casualty.key = report->key;
	switch (report->kind) {
	case REPORT_GONE:
		handler->gone(handler->arg, report->desk->worker, &report->key,
		    report->is_set);
		break;
	case REPORT_HUNG:
		handler->hung(handler->arg, &report->key,
		    report->text + report->text_len, report->age_us);
		break;
	case REPORT_STATS:
		handler->stats(handler->arg, report->worker, &report->key,
		    &report->stats);
		break;
	case REPORT_CASUALTY:
		handler->casualty(handler->arg, &casualty);
		break;
	default:
		handler->cleared(handler->arg, report->text, &report->print);
		break;
	}
}

static void
on_report(struct loop_mail *mail)
{
	struct report *report = loop_owner(mail, struct report, mail);
	const struct report_handler *handler = &report->desk->handler;

	switch (report->kind) {
	case REPORT_LINK:
		report->link.service = report->text;
		handler->linked(handler->arg, &report->link);
		break;
	case REPORT_BUS:
		report->bus.label = report->text;
		report->bus.initial =
		    (const uint8_t *)report->text + report->text_len;
		handler->bus(handler->arg, &report->bus);
		break;
	case REPORT_DONE:
		handler->done(handler->arg);
		break;
	case REPORT_LOAD:
		handler->load(handler->arg, report->worker, report->text,
		    report->period_ms, &report->load);
		break;
	case REPORT_WANTED:
		handler->wanted(handler->arg, report->text);
		break;
	default:
		deliver_key(report, handler);
		break;
	}
	buf_fini(&report->casualty);
	buf_fini(&report->quarantine);
	free(report);
}

static struct report *
report_new(struct desk *desk, enum report_kind kind, const char *text,
    const void *bytes, size_t len)
{
	size_t text_len = strlen(text) + 1;
	struct report *report = calloc(1, sizeof(*report) + text_len + len);

	if (report == NULL)
		bug("out of memory for a letter to the control thread");
	report->mail.fn = on_report;
	report->desk = desk;
	report->kind = kind;
	report->text_len = text_len;
	memcpy(report->text, text, text_len);
	if (len != 0)
		memcpy(report->text + text_len, bytes, len);
	return report;
}

static void
post_linked(void *arg, const char *service, uint64_t index, uint64_t generation,
    bool is_up)
{
	struct desk *desk = arg;
	struct report *report = report_new(desk, REPORT_LINK, service, NULL, 0);

	report->link.index = index;
	report->link.generation = generation;
	report->link.is_up = is_up;
	loop_post(desk->loop, &report->mail);
}

static void
post_bus(void *arg, int fd, enum sp_transport transport, unsigned peer_protocol,
    const uint8_t *initial, size_t len, const char *label)
{
	struct desk *desk = arg;
	struct report *report =
	    report_new(desk, REPORT_BUS, label, initial, len);

	report->bus.fd = fd;
	report->bus.transport = transport;
	report->bus.protocol = peer_protocol;
	report->bus.len = len;
	loop_post(desk->loop, &report->mail);
}

static void
post_done(void *arg)
{
	struct desk *desk = arg;

	loop_post(desk->loop,
	    &report_new(desk, REPORT_DONE, "", NULL, 0)->mail);
}

static struct report *
report_of(struct desk *desk, enum report_kind kind,
    const struct worker_key *key, const void *bytes, size_t len)
{
	struct report *report =
	    report_new(desk, kind, key->service, bytes, len);

	report->key = *key;
	return report;
}

static void
post_gone(void *arg, const struct worker_key *key, bool is_dead)
{
	struct desk *desk = arg;
	struct report *report = report_of(desk, REPORT_GONE, key, NULL, 0);

	report->is_set = is_dead;
	loop_post(desk->loop, &report->mail);
}

static void
post_hung(void *arg, const struct worker_key *key, const char *what,
    int64_t age_us)
{
	struct desk *desk = arg;
	struct report *report =
	    report_of(desk, REPORT_HUNG, key, what, strlen(what) + 1);

	report->age_us = age_us;
	loop_post(desk->loop, &report->mail);
}

static void
post_stats(void *arg, unsigned worker, const struct worker_key *key,
    const struct worker_stats *stats)
{
	struct desk *desk = arg;
	struct report *report = report_of(desk, REPORT_STATS, key, NULL, 0);

	report->worker = worker;
	report->stats = *stats;
	loop_post(desk->loop, &report->mail);
}

static void
post_casualty(void *arg, const struct worker_casualty *casualty)
{
	struct desk *desk = arg;
	struct report *report =
	    report_of(desk, REPORT_CASUALTY, &casualty->key, NULL, 0);

	report->print = casualty->print;
	report->is_set = casualty->is_taken;
	buf_append(&report->casualty, buf_front(casualty->casualty),
	    buf_count(casualty->casualty));
	if (buf_count(casualty->quarantine) != 0)
		buf_append(&report->quarantine, buf_front(casualty->quarantine),
		    buf_count(casualty->quarantine));
	loop_post(desk->loop, &report->mail);
}

static void
post_cleared(void *arg, const char *service, const struct poison_print *print)
{
	struct desk *desk = arg;
	struct report *report =
	    report_new(desk, REPORT_CLEARED, service, NULL, 0);

	report->print = *print;
	loop_post(desk->loop, &report->mail);
}

static void
post_load(void *arg, unsigned worker, const char *service, uint64_t period_ms,
    const struct worker_load *load)
{
	struct desk *desk = arg;
	struct report *report = report_new(desk, REPORT_LOAD, service, NULL, 0);

	report->worker = worker;
	report->period_ms = period_ms;
	report->load = *load;
	loop_post(desk->loop, &report->mail);
}

static void
post_wanted(void *arg, const char *service)
{
	struct desk *desk = arg;

	loop_post(desk->loop,
	    &report_new(desk, REPORT_WANTED, service, NULL, 0)->mail);
}

static void
fill(struct worker_host *host, struct desk *desk)
{
	host->arg = desk;
	host->linked = post_linked;
	host->bus = post_bus;
	host->done = post_done;
	host->gone = post_gone;
	host->hung = post_hung;
	host->stats = post_stats;
	host->casualty = post_casualty;
	host->cleared = post_cleared;
	host->load = post_load;
	host->wanted = post_wanted;
}

int
report_init(struct worker_host *hosts, size_t count, struct loop *loop,
    const struct report_handler *handler, struct err *err_r)
{
	struct desk *desks = calloc(count, sizeof(*desks));

	if (desks == NULL) {
		err_set(err_r, "out of memory");
		return -1;
	}
	for (size_t i = 0; i < count; i++) {
		desks[i].loop = loop;
		desks[i].worker = (unsigned)i;
		desks[i].handler = *handler;
		fill(&hosts[i], &desks[i]);
	}
	return 0;
}

void
report_fini(struct worker_host *hosts)
{
	/* All desks are one array. */
	free(hosts[0].arg);
	hosts[0].arg = NULL;
}
