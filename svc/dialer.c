#include "core.h"

#include <unistd.h>

#include "ipc/log.h"

enum {
	DELAY_MIN_MS = 10,
	DELAY_MAX_MS = 1000
};

static void
dialer_try(struct dialer *dialer)
{
	enum sp_transport transport;
	struct err err = { "" };
	int fd = wire_dial(dialer->url, &transport, &err);

	if (fd < 0 || dialer->open(dialer, fd, transport, &err) != 0)
		dialer_lost(dialer, &err);
}

static void
on_timer(struct loop_timer *timer)
{
	dialer_try(loop_owner(timer, struct dialer, timer));
}

void
dialer_init(struct dialer *dialer, struct loop *loop, const char *what,
    const char *url,
    int (*open)(struct dialer *, int, enum sp_transport, struct err *))
{
	dialer->loop = loop;
	dialer->what = what;
	dialer->url = url;
	dialer->open = open;
	dialer->timer.fn = on_timer;
	dialer->delay_ms = DELAY_MIN_MS;
}

bool
dialer_start(struct dialer *dialer)
{
	if (dialer->is_started)
		return dialer->url != NULL;
	dialer->is_started = true;
	if (dialer->url == NULL) {
		log_warnx("%s: no router, msvc did not start this service",
		    dialer->what);
		return false;
	}
	dialer_try(dialer);
	return true;
}

void
dialer_up(struct dialer *dialer)
{
	if (dialer->is_told)
		log_info("%s: the router is back", dialer->what);
	dialer->is_told = false;
	dialer->delay_ms = DELAY_MIN_MS;
}

void
dialer_lost(struct dialer *dialer, const struct err *why)
{
	/* A router that restarts is back at the third try or so. */
	if (!dialer->is_told && dialer->delay_ms > 4 * DELAY_MIN_MS) {
		log_warnx("%s: no router: %s; trying again", dialer->what,
		    why->text);
		dialer->is_told = true;
	}
	loop_timer_set(dialer->loop, &dialer->timer,
	    loop_now_us(dialer->loop) + dialer->delay_ms * 1000);
	dialer->delay_ms *= 2;
	if (dialer->delay_ms > DELAY_MAX_MS)
		dialer->delay_ms = DELAY_MAX_MS;
}

void
dialer_fini(struct dialer *dialer)
{
	loop_timer_drop(dialer->loop, &dialer->timer);
}
