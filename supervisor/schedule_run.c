#include "schedule_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "conf/conf.h"
#include "instance.h"
#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/log.h"
#include "ipc/mp.h"
#include "service.h"
#include "supervisor.h"

enum {
	/* Without news of the clock, look at it so often. */
	SCHEDULE_POLL_MS = 60 * 1000,
	SCHEDULE_FAR_S = 50 * 365 * 86400
};

static int64_t
clock_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void
schedule_run_fini(struct schedule_run *run)
{
	free(run->last_result);
	*run = (struct schedule_run){ 0 };
}

/* Find the next run, unless the one that is planned is still to come. */
static void
schedule_plan(struct service *svc)
{
	const struct conf_service *conf = svc->conf;
	struct schedule_run *run = &svc->schedule;
	int64_t now_ms = clock_now_ms(), next_s;
	uint64_t random = 0;

	if (run->next_s != 0 && run->due_ms > now_ms)
		return;
	next_s = schedule_next_in(&conf->schedule,
	    schedule_after(now_ms / 1000, run->last_s), conf->schedule_zone);
	/* Without randomness all come at once, which is no failure. */
	(void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
	run->next_s = next_s > 0 ? next_s : 0;
	run->due_ms =
	    schedule_due(run->next_s, conf->schedule_jitter_ms, random);
}

static void
schedule_rest(struct service *svc)
{
	char when[SCHEDULE_SHOW_MAX], why[SCHEDULE_SHOW_MAX + 16];

	schedule_show(svc->schedule.next_s, svc->conf->schedule_zone, when);
	snprintf(why, sizeof(why), "next run %s", when);
	service_sleep(svc, why);
}

/* Is a run under way, or to be tried again? */
static bool
schedule_is_busy(const struct service *svc)
{
	for (unsigned i = 0; i < svc->count; i++) {
		if (svc->instances[i]->pid != 0 ||
		    svc->instances[i]->state == INSTANCE_WAITING ||
		    svc->instances[i]->state == STATE_BACKOFF)
			return true;
	}
	return false;
}

static void
schedule_fire(struct service *svc, enum schedule_verdict verdict)
{
	struct schedule_run *run = &svc->schedule;
	char when[SCHEDULE_SHOW_MAX];

	schedule_show(run->next_s, svc->conf->schedule_zone, when);
	run->last_s = run->next_s;
	run->next_s = 0;
	schedule_plan(svc);
	if (verdict == SCHEDULE_MISSED) {
		run->skipped++;
		log_warnx("%s: run of %s missed, the clock was set or the "
			  "machine slept",
		    svc->name, when);
		if (svc->is_asleep)
			schedule_rest(svc);
	} else if (schedule_is_busy(svc)) {
		run->skipped++;
		log_warnx("%s: run of %s skipped, the one before still goes",
		    svc->name, when);
	} else {
		log_info("%s: run of %s begins", svc->name, when);
		/* One that has failed sleeps first. */
		service_sleep(svc, when);
		service_wake(svc);
	}
}

/* Those that an operator has stopped have no next run. */
static bool
schedule_is_live(const struct service *svc)
{
	return svc->schedule.is_on && svc->is_wanted && !svc->is_removed;
}

/* Such a timer never ends, but is canceled when the clock is set. */
static int
clock_watch(int fd)
{
	struct itimerspec far = { .it_value = { .tv_sec = SCHEDULE_FAR_S } };

	far.it_value.tv_sec += time(NULL);
	return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
	    &far, NULL);
}

static void
schedules_open_clock(struct schedules *schedules)
{
	struct err err;
	int fd;

	if (schedules->clock.fd >= 0)
		return;
	fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (fd < 0 || clock_watch(fd) < 0)
		err_set_errno(&err, "timerfd");
	else if (loop_io_add(schedules->sup->loop, &schedules->clock, fd,
		     EPOLLIN, &err) == 0)
		return;
	log_warnx("supervisor: %s, looking at the clock each minute instead",
	    err.text);
	if (fd >= 0)
		close(fd);
	schedules->clock.fd = -1;
}

static void
schedules_set_timer(struct schedules *schedules, int64_t now_ms, int64_t due_ms)
{
	struct loop *loop = schedules->sup->loop;
	int64_t wait_ms = due_ms > now_ms ? due_ms - now_ms : 1;

	schedules_open_clock(schedules);
	if (schedules->clock.fd < 0 && wait_ms > SCHEDULE_POLL_MS)
		wait_ms = SCHEDULE_POLL_MS;
	loop_timer_set(loop, &schedules->timer,
	    loop_now_us(loop) + wait_ms * 1000);
}

void
schedules_step(struct schedules *schedules)
{
	struct supervise *sup = schedules->sup;
	int64_t now_ms = clock_now_ms(), first_ms = INT64_MAX;
	enum schedule_verdict verdict;
	struct service *svc;

	loop_timer_drop(sup->loop, &schedules->timer);
	if (sup->phase > SUPERVISE_RUNNING)
		return;
	TAILQ_FOREACH (svc, &sup->services.all, link) {
		if (!schedule_is_live(svc))
			continue;
		if (svc->schedule.next_s == 0)
			schedule_plan(svc);
		verdict = schedule_judge(now_ms, svc->schedule.due_ms);
		if (svc->schedule.next_s != 0 && verdict != SCHEDULE_WAIT)
			schedule_fire(svc, verdict);
		if (svc->schedule.next_s != 0 &&
		    svc->schedule.due_ms < first_ms)
			first_ms = svc->schedule.due_ms;
	}
	if (first_ms != INT64_MAX)
		schedules_set_timer(schedules, now_ms, first_ms);
}

static void
schedules_on_timer(struct loop_timer *timer)
{
	schedules_step(loop_owner(timer, struct schedules, timer));
}

static void
schedules_on_clock(struct loop_io *io, uint32_t events)
{
	struct schedules *schedules = loop_owner(io, struct schedules, clock);
	struct service *svc;
	int64_t now_ms;
	uint64_t ticks;

	(void)events;
	(void)!read(io->fd, &ticks, sizeof(ticks));
	(void)clock_watch(io->fd);
	now_ms = clock_now_ms();
	/* What is due, or only put off, stays; all else is planned anew. */
	TAILQ_FOREACH (svc, &schedules->sup->services.all, link) {
		if (!schedule_is_live(svc) ||
		    svc->schedule.next_s * 1000 <= now_ms)
			continue;
		svc->schedule.next_s = 0;
		schedule_plan(svc);
		if (svc->is_asleep)
			schedule_rest(svc);
	}
	schedules_step(schedules);
}

void
schedules_init(struct schedules *schedules, struct supervise *sup)
{
	*schedules = (struct schedules){ .sup = sup,
		.timer.fn = schedules_on_timer,
		.clock = { schedules_on_clock, -1, 0 } };
}

void
schedules_fini(struct schedules *schedules)
{
	int fd = schedules->clock.fd;

	if (schedules->sup == NULL)
		return;
	loop_timer_drop(schedules->sup->loop, &schedules->timer);
	if (fd < 0)
		return;
	loop_io_drop(schedules->sup->loop, &schedules->clock);
	close(fd);
	schedules->clock.fd = -1;
}

void
service_begin(struct service *svc)
{
	struct schedules *schedules = &svc->sup->schedules;
	bool was_on = svc->schedule.is_on;

	if (!svc->conf->schedule.is_set) {
		schedule_run_fini(&svc->schedule);
		/* What sleeps for want of requests has none now either. */
		if (!svc->is_asleep || was_on || svc->conf->idle_stop_ms == 0)
			service_enqueue(svc);
		return;
	}
	svc->is_wanted = true;
	svc->schedule.is_on = true;
	svc->schedule.next_s = 0;
	schedule_plan(svc);
	if (!was_on || !schedule_is_busy(svc))
		schedule_rest(svc);
	schedules_step(schedules);
}

bool
schedule_is_resting(const struct instance *inst)
{
	const struct service *svc = inst->service;

	return svc->conf->schedule.is_set &&
	       (inst->pid == 0 || !svc->schedule.is_on);
}

void
schedule_started(struct instance *inst)
{
	struct service *svc = inst->service;
	int64_t due_ms = svc->schedule.due_ms;

	if (!svc->schedule.is_on)
		return;
	svc->schedule.last_start = time(NULL);
	/* What was due while it was stopped is no run that was missed. */
	schedule_plan(svc);
	if (svc->schedule.due_ms != due_ms)
		schedules_step(&svc->sup->schedules);
}

void
schedule_ended(struct instance *inst, const char *what, bool is_failure,
    int64_t ran_ms)
{
	struct service *svc = inst->service;
	struct schedule_run *run = &svc->schedule;

	if (!run->is_on)
		return;
	run->runs++;
	if (is_failure)
		run->failures++;
	run->last_end = time(NULL);
	run->last_duration_ms = ran_ms;
	free(run->last_result);
	run->last_result = strdup(what);
	if (!schedule_is_live(svc))
		return;
	schedule_plan(svc);
	if (inst->pid == 0 && inst->state == STATE_STOPPED)
		schedule_rest(svc);
	schedules_step(&svc->sup->schedules);
}

const char *
schedule_reason(const struct service *svc, char text[SCHEDULE_SHOW_MAX])
{
	char wait[SCHEDULE_SHOW_MAX];

	if (!schedule_is_live(svc) || svc->schedule.next_s == 0)
		return NULL;
	schedule_show_wait(clock_now_ms(), svc->schedule.due_ms, wait);
	snprintf(text, SCHEDULE_SHOW_MAX, "next run %.40s", wait);
	return text;
}

/* Zero is "never": nil. */
static void
put_time(struct buf *buf, const char *key, int64_t time_s)
{
	mp_put_cstr(buf, key);
	if (time_s != 0)
		mp_put_int(buf, time_s);
	else
		mp_put_nil(buf);
}

static void
put_count(struct buf *buf, const char *key, uint64_t count)
{
	mp_put_cstr(buf, key);
	mp_put_uint(buf, count);
}

void
schedule_put_status(struct buf *buf, const struct service *svc)
{
	const struct schedule_run *run = &svc->schedule;
	bool is_live = schedule_is_live(svc) && run->next_s != 0;

	if (!run->is_on) {
		mp_put_nil(buf);
		return;
	}
	mp_put_map(buf, 8);
	put_time(buf, "next", is_live ? (run->due_ms + 999) / 1000 : 0);
	put_time(buf, "last_start", run->last_start);
	put_time(buf, "last_end", run->last_end);
	mp_put_cstr(buf, "last_result");
	if (run->last_result != NULL)
		mp_put_cstr(buf, run->last_result);
	else
		mp_put_nil(buf);
	put_count(buf, "last_duration_ms", (uint64_t)run->last_duration_ms);
	put_count(buf, "runs", run->runs);
	put_count(buf, "failures", run->failures);
	put_count(buf, "skipped", run->skipped);
}
