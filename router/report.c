#include "report.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/err.h"
#include "ipc/log.h"
#include "ipc/loop.h"

#include "worker.h"

enum report_kind {
	REPORT_LINK,
	REPORT_BUS,
	REPORT_DONE
};

struct desk {
	struct loop *loop;
	struct report_handler handler;
};

struct report {
	struct loop_mail mail;
	struct desk *desk;
	enum report_kind kind;
	struct report_link link;
	struct report_bus bus;
	size_t text_len;
	char text[]; /* service or label with NUL, then the initial bytes */
};

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
	}
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

int
report_init(struct worker_host *host, struct loop *loop,
    const struct report_handler *handler, struct err *err_r)
{
	struct desk *desk = malloc(sizeof(*desk));

	if (desk == NULL) {
		err_set(err_r, "out of memory");
		return -1;
	}
	desk->loop = loop;
	desk->handler = *handler;
	host->arg = desk;
	host->linked = post_linked;
	host->bus = post_bus;
	host->done = post_done;
	return 0;
}

void
report_fini(struct worker_host *host)
{
	free(host->arg);
	host->arg = NULL;
}
