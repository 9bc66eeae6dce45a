#include "core.h"

#include <stdlib.h>

enum {
	/* Longer delays are as good as this one, and never overflow. */
	DELAY_MAX_S = 1000000000
};

static void
timer_free(struct svc_timer *timer)
{
	loop_timer_drop(timer->loop, &timer->timer);
	LIST_REMOVE(timer, link);
	free(timer);
}

static void
on_timer(struct loop_timer *inner)
{
	struct svc_timer *timer = loop_owner(inner, struct svc_timer, timer);
	svc_timer_fn *fn = timer->fn;
	void *arg = timer->arg;

	timer_free(timer);
	fn(arg);
}

struct svc_timer *
svc_after(struct svc *svc, int64_t delay_ms, svc_timer_fn *fn, void *arg)
{
	struct svc_timer *timer = calloc(1, sizeof(*timer));

	if (timer == NULL)
		return NULL;
	if (delay_ms > INT64_C(1000) * DELAY_MAX_S)
		delay_ms = INT64_C(1000) * DELAY_MAX_S;
	timer->loop = svc->loop;
	timer->timer.fn = on_timer;
	timer->fn = fn;
	timer->arg = arg;
	LIST_INSERT_HEAD(&svc->timers, timer, link);
	loop_timer_set(svc->loop, &timer->timer,
	    core_now_us() + (delay_ms > 0 ? delay_ms : 0) * 1000);
	return timer;
}

void
svc_timer_drop(struct svc_timer *timer)
{
	if (timer != NULL)
		timer_free(timer);
}

static void
on_io(struct loop_io *io, uint32_t events)
{
	struct svc_watch *watch = loop_owner(io, struct svc_watch, io);
	int seen = 0;

	/* An error or a hang-up shows itself to whoever reads or writes. */
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
		seen |= (int)io->events & SVC_READ;
	if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0)
		seen |= (int)io->events & SVC_WRITE;
	if (seen != 0)
		watch->fn(io->fd, seen, watch->arg);
}

struct svc_watch *
svc_watch_fd(struct svc *svc, int fd, int events, svc_watch_fn *fn, void *arg)
{
	struct svc_watch *watch = calloc(1, sizeof(*watch));

	_Static_assert((int)SVC_READ == (int)EPOLLIN &&
			   (int)SVC_WRITE == (int)EPOLLOUT,
	    "events are passed through");
	if (watch == NULL)
		return NULL;
	watch->loop = svc->loop;
	watch->io.fn = on_io;
	watch->fn = fn;
	watch->arg = arg;
	if (loop_io_add(svc->loop, &watch->io, fd,
		(uint32_t)events & (SVC_READ | SVC_WRITE), NULL) != 0) {
		free(watch);
		return NULL;
	}
	LIST_INSERT_HEAD(&svc->watches, watch, link);
	return watch;
}

void
svc_watch_drop(struct svc_watch *watch)
{
	if (watch == NULL)
		return;
	loop_io_drop(watch->loop, &watch->io);
	LIST_REMOVE(watch, link);
	free(watch);
}

void
watch_fini(struct svc *svc)
{
	while (!LIST_EMPTY(&svc->timers))
		timer_free(LIST_FIRST(&svc->timers));
	while (!LIST_EMPTY(&svc->watches))
		svc_watch_drop(LIST_FIRST(&svc->watches));
}
