#include "call.h"

#include <stdlib.h>
#include <unistd.h>

#include "ipc/launch.h"

static void
on_up(void *arg)
{
	struct svc *svc = arg;
	struct call *call;

	dialer_up(&svc->caller.dialer);
	while ((call = TAILQ_FIRST(&svc->caller.lists[CALL_WAITING])) != NULL)
		call_write(call);
}

static void
on_down(void *arg, const struct err *why)
{
	struct svc *svc = arg;
	struct caller *caller = &svc->caller;
	struct call *call;

	link_free(&caller->peer);
	while ((call = TAILQ_FIRST(&caller->lists[CALL_SENT])) != NULL)
		call_fail(call, 502, "the connection to the router was lost");
	dialer_lost(&caller->dialer, why);
}

static const struct link_handler handler = {
	.up = on_up,
	.frame = call_frame,
	.down = on_down,
};

static int
caller_open(struct dialer *dialer, int fd, enum sp_transport transport,
    struct err *err_r)
{
	static const struct wire_limits limits = { CORE_MESSAGE_MAX,
		CORE_QUEUE_MAX };
	struct svc *svc = loop_owner(dialer, struct svc, caller.dialer);
	struct link *peer = link_new(LINK_CALLER, &handler, svc);
	struct wire *wire = NULL;

	if (peer == NULL)
		err_set(err_r, "out of memory");
	else
		wire = wire_new(svc->loop, fd, transport, SP_REQ, &limits,
		    &link_wire_handler, peer, NULL, 0, err_r);
	if (wire == NULL) {
		close(fd);
		link_free(&peer);
		return -1;
	}
	link_want_ledger(peer, false); /* a call is never sent twice */
	link_attach(peer, wire);
	svc->caller.peer = peer;
	return 0;
}

static void
tell_failed(struct loop_timer *timer)
{
	struct svc *svc = loop_owner(timer, struct svc, caller.fail_timer);
	struct call_list *failed = &svc->caller.lists[CALL_FAILED];
	struct call *last = TAILQ_LAST(failed, call_list), *call;

	/* Those that fail meanwhile are behind last, for the next turn. */
	while ((call = TAILQ_FIRST(failed)) != NULL) {
		bool is_last = call == last;

		call_finish(call);
		if (is_last)
			break;
	}
}

void
caller_init(struct svc *svc)
{
	struct caller *caller = &svc->caller;

	dialer_init(&caller->dialer, svc->loop, "calls",
	    getenv(LAUNCH_ENV_ROUTER), caller_open);
	for (size_t i = 0; i < 3; i++)
		TAILQ_INIT(&caller->lists[i]);
	caller->fail_timer.fn = tell_failed;
}

void
caller_fini(struct svc *svc)
{
	struct caller *caller = &svc->caller;
	struct call *call;

	for (size_t i = 0; i < 3; i++)
		while ((call = TAILQ_FIRST(&caller->lists[i])) != NULL) {
			call_detach(call);
			call_free(call);
		}
	loop_timer_drop(svc->loop, &caller->fail_timer);
	dialer_fini(&caller->dialer);
	link_free(&caller->peer);
}
