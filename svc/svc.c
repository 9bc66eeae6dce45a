#include "core.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ipc/launch.h"
#include "ipc/log.h"

enum {
	DRAIN_STEP_US = 5000,
	TELL_WAIT_MS = 50,         /* what a hung supervisor may cost a turn */
	WATCHDOG_AGAIN_US = 10000, /* after it could not be told */
};

/* Where the signal handler finds the eventfd of the running service. */
static volatile sig_atomic_t stop_fd = -1;

static const char *
env_or(const char *name, const char *fallback)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0' ? value : fallback;
}

struct svc *
svc_new(void)
{
	struct svc *svc = calloc(1, sizeof(*svc));

	if (svc == NULL)
		return NULL;
	svc->listen_fd = svc->signal_fd = -1;
	svc->listen_io.fd = svc->signal_io.fd = -1;
	svc->name = env_or(LAUNCH_ENV_SERVICE, "service");
	svc->instance = env_or(LAUNCH_ENV_INSTANCE, "1");
	svc->loop = loop_new(NULL);
	svc->patterns = pattern_set_new();
	if (svc->loop == NULL || svc->patterns == NULL) {
		pattern_set_free(&svc->patterns);
		loop_free(&svc->loop);
		free(svc);
		return NULL;
	}
	request_init(svc);
	dispatch_init(svc);
	caller_init(svc);
	bus_init(svc);
	return svc;
}

void
svc_free(struct svc *svc)
{
	struct svc_handler *handler;

	if (svc == NULL)
		return;
	loop_timer_drop(svc->loop, &svc->drain_timer);
	loop_timer_drop(svc->loop, &svc->watchdog_timer);
	if (svc->signal_io.fd >= 0)
		loop_io_drop(svc->loop, &svc->signal_io);
	if (svc->signal_fd >= 0)
		close(svc->signal_fd);
	conn_unlisten(svc);
	caller_fini(svc);
	dispatch_fini(svc);
	request_fini(svc);
	conn_close_all(svc);
	bus_fini(svc);
	watch_fini(svc);
	while ((handler = SLIST_FIRST(&svc->handlers)) != NULL) {
		SLIST_REMOVE_HEAD(&svc->handlers, link);
		free(handler->what);
		free(handler);
	}
	pattern_set_free(&svc->patterns);
	loop_free(&svc->loop);
	free(svc);
}

void
svc_handle(struct svc *svc, const char *what, svc_request_fn *fn, void *arg)
{
	struct svc_handler *handler;
	struct err err = { "" };

	if (svc == NULL)
		return; /* svc_run() will tell */
	handler = calloc(1, sizeof(*handler));
	if (handler == NULL || (handler->what = strdup(what)) == NULL) {
		free(handler);
		err_set(&svc->mistake, "out of memory");
		return;
	}
	handler->fn = fn;
	handler->arg = arg;
	SLIST_INSERT_HEAD(&svc->handlers, handler, link);
	if (strchr(what, '/') != NULL &&
	    pattern_set_add(svc->patterns, what, handler, &err) != 0 &&
	    svc->mistake.text[0] == '\0')
		err_set(&svc->mistake, "handler \"%s\": %s", what, err.text);
}

const char *
svc_name(const struct svc *svc)
{
	return svc->name;
}

int
svc_instance(const struct svc *svc)
{
	return (int)strtol(svc->instance, NULL, 10);
}

void
svc_on_start(struct svc *svc, svc_hook_fn *fn, void *arg)
{
	svc->on_start = (struct svc_hook){ fn, arg };
}

void
svc_on_stop(struct svc *svc, svc_hook_fn *fn, void *arg)
{
	svc->on_stop = (struct svc_hook){ fn, arg };
}

void
svc_ready_later(struct svc *svc)
{
	svc->is_ready_later = true;
}

static void
tell_supervisor(const char *text, int wait_ms)
{
	if (notify_send(text, wait_ms) != 0)
		log_warn("cannot tell the supervisor %s", text);
}

/*
 * Listen and say so. Not before: to a supervisor that may take the router's
 * handshake for readiness, to listen is to be ready.
 */
static int
become_ready(struct svc *svc)
{
	struct err err = { "" };

	if (svc->listen_fd < 0 &&
	    conn_listen(svc, getenv(LAUNCH_ENV_LISTEN), &err) != 0) {
		log_errorx("cannot listen: %s", err.text);
		return -1;
	}
	/* Without this one the service never gets a request. */
	tell_supervisor("READY=1", NOTIFY_WAIT);
	return 0;
}

void
svc_ready(struct svc *svc)
{
	svc->is_ready_later = false;
	if (svc->is_running && !svc->is_stopping && become_ready(svc) != 0)
		svc_stop(svc, 1);
}

void
svc_status(struct svc *svc, const char *fmt, ...)
{
	char text[512] = "STATUS=";
	size_t prefix = strlen(text);
	va_list ap;

	(void)svc;
	va_start(ap, fmt);
	(void)vsnprintf(text + prefix, sizeof(text) - prefix, fmt, ap);
	va_end(ap);
	/* A second line would be another message to the supervisor. */
	text[strcspn(text, "\n")] = '\0';
	tell_supervisor(text, TELL_WAIT_MS);
}

/*
 * The supervisor tells the router of the stop, and the router closes its links
 * when nothing is outstanding on them: that is the exact end. Callers that
 * are not told so are only given a moment for what is under way to us; and a
 * router that hangs is not waited for as long as an answer is.
 */
static bool
is_quiet(const struct svc *svc, int64_t now_us)
{
	int64_t quiet_ms = CORE_QUIET_MS;

	if (LIST_EMPTY(&svc->conns))
		return true;
	if (getenv(LAUNCH_ENV_NOTIFY) != NULL && conn_has_router(svc))
		quiet_ms = CORE_ROUTER_QUIET_MS;
	return now_us - svc->last_request_us >= quiet_ms * 1000;
}

static void
on_drain(struct loop_timer *timer)
{
	struct svc *svc = loop_owner(timer, struct svc, drain_timer);
	int64_t now_us = loop_now_us(svc->loop);
	size_t owed = request_owed(svc, now_us);
	bool is_drained = owed == 0 && svc->caller.count == 0 &&
			  is_quiet(svc, now_us) && conn_queued(svc) == 0 &&
			  bus_is_idle(svc);

	if (!is_drained && now_us < svc->drain_due_us) {
		loop_timer_set(svc->loop, timer, now_us + DRAIN_STEP_US);
		return;
	}
	if (owed > 0)
		log_warnx("stopped with %zu requests not answered", owed);
	loop_stop(svc->loop);
}

void
svc_stop(struct svc *svc, int code)
{
	int64_t now_us = core_now_us();

	if (svc->is_stopping) {
		loop_stop(svc->loop); /* asked twice: at once */
		return;
	}
	svc->is_stopping = true;
	svc->exit_code = code;
	tell_supervisor("STOPPING=1", TELL_WAIT_MS);
	if (svc->on_stop.fn != NULL)
		svc->on_stop.fn(svc, svc->on_stop.arg);
	conn_unlisten(svc);
	/* A request that is under way to us now should still be answered. */
	svc->last_request_us = now_us;
	svc->drain_due_us = now_us + (int64_t)CORE_DRAIN_MS * 1000;
	svc->drain_timer.fn = on_drain;
	loop_timer_set(svc->loop, &svc->drain_timer, now_us);
}

static void
on_signal(int number)
{
	int saved = errno;
	uint64_t one = 1;

	(void)number;
	if (write(stop_fd, &one, sizeof(one)) < 0) {
		/* It is full: then the loop will wake up anyway. */
	}
	errno = saved;
}

static void
on_signal_fd(struct loop_io *io, uint32_t events)
{
	struct svc *svc = loop_owner(io, struct svc, signal_io);
	uint64_t count;

	(void)events;
	if (read(io->fd, &count, sizeof(count)) == sizeof(count))
		svc_stop(svc, 0);
}

/*
 * A handler and an eventfd, not a signalfd: that needs the signals blocked,
 * and children of the service would inherit it.
 */
static int
catch_signals(struct svc *svc, struct err *err_r)
{
	struct sigaction action = { .sa_flags = SA_RESTART };

	svc->signal_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (svc->signal_fd < 0) {
		err_set_errno(err_r, "cannot make an eventfd");
		return -1;
	}
	stop_fd = svc->signal_fd;
	svc->signal_io.fn = on_signal_fd;
	if (loop_io_add(svc->loop, &svc->signal_io, svc->signal_fd, EPOLLIN,
		err_r) != 0)
		return -1;
	action.sa_handler = on_signal;
	sigemptyset(&action.sa_mask);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGINT, &action, NULL);
	action.sa_handler = SIG_IGN;
	(void)sigaction(SIGPIPE, &action, NULL);
	return 0;
}

static void
release_signals(void)
{
	(void)signal(SIGTERM, SIG_DFL);
	(void)signal(SIGINT, SIG_DFL);
	stop_fd = -1;
}

/*
 * A supervisor that does not read must not make us hang as well. But a full
 * queue may be no more than many services at once, so try again soon.
 */
static void
on_watchdog(struct loop_timer *timer)
{
	struct svc *svc = loop_owner(timer, struct svc, watchdog_timer);
	int64_t pause_us = svc->watchdog_us;

	if (notify_send("WATCHDOG=1", 0) != 0) {
		if (errno != EAGAIN)
			log_warn("cannot feed the watchdog");
		else if (pause_us > WATCHDOG_AGAIN_US)
			pause_us = WATCHDOG_AGAIN_US;
	}
	loop_timer_set(svc->loop, timer, loop_now_us(svc->loop) + pause_us);
}

/* A decimal number from 1 to INT64_MAX, with nothing around it; else 0. */
static int64_t
env_number(const char *name)
{
	const char *text = getenv(name);
	char *end;
	long long number;

	if (text == NULL || *text < '0' || *text > '9')
		return 0;
	errno = 0;
	number = strtoll(text, &end, 10);
	return errno == 0 && *end == '\0' ? number : 0;
}

/*
 * Source: sd_watchdog_enabled(3). The interval of another process, which is
 * what WATCHDOG_PID tells, is not for us. Told from the loop: a service that
 * hangs in a callback stays silent, and that is the point.
 */
static void
start_watchdog(struct svc *svc)
{
	int64_t interval_us = env_number(LAUNCH_ENV_WATCHDOG);

	if (interval_us == 0 || (getenv("WATCHDOG_PID") != NULL &&
				    env_number("WATCHDOG_PID") != getpid()))
		return;
	svc->watchdog_us = interval_us > 2 ? interval_us / 2 : 1;
	svc->watchdog_timer.fn = on_watchdog;
	loop_timer_set(svc->loop, &svc->watchdog_timer, core_now_us());
}

/* Returns 0, or the exit code after telling what is wrong. */
static int
svc_open(struct svc *svc)
{
	const char *url = getenv(LAUNCH_ENV_LISTEN);
	struct err err = { "" };

	if (svc->mistake.text[0] != '\0') {
		log_errorx("%s", svc->mistake.text);
		return 2;
	}
	if (url == NULL || *url == '\0') {
		log_errorx(LAUNCH_ENV_LISTEN
		    " is not set: let msvc start this service, or set it to "
		    "ipc:///PATH to run it by hand");
		return 2;
	}
	if (catch_signals(svc, &err) != 0) {
		log_errorx("cannot start: %s", err.text);
		return 1;
	}
	return 0;
}

int
svc_run(struct svc *svc)
{
	struct err err = { "" };
	int code;

	if (svc == NULL) {
		log_errorx("out of memory or file descriptors");
		return 1;
	}
	code = svc_open(svc);
	if (code != 0)
		goto out;
	svc->is_running = true;
	start_watchdog(svc);
	if (svc->on_start.fn != NULL)
		svc->on_start.fn(svc, svc->on_start.arg);
	if (!svc->is_ready_later)
		svc_ready(svc);
	if (loop_run(svc->loop, &err) != 0) {
		log_errorx("%s", err.text);
		svc->exit_code = 1;
	}
	code = svc->exit_code;
out:
	release_signals();
	svc_free(svc);
	return code;
}
