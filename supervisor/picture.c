/*
 * picture: the configuration as the router and the logger are told it.
 */
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"
#include "instance.h"
#include "ipc/launch.h"
#include "ipc/lifeline.h"
#include "ipc/log.h"
#include "quarantine.h"
#include "supervisor.h"

_Static_assert((int)ACCESS_OFF == (int)CONF_ACCESS_OFF &&
		   (int)ACCESS_TEXT == (int)CONF_ACCESS_TEXT &&
		   (int)ACCESS_JSON == (int)CONF_ACCESS_JSON &&
		   (int)DETAIL_BRIEF == (int)CONF_DETAIL_BRIEF &&
		   (int)DETAIL_FULL == (int)CONF_DETAIL_FULL &&
		   LIFELINE_AUTO == CONF_INFLIGHT_AUTO &&
		   (int)FALLBACK_NONE == (int)CONF_FALLBACK_NONE &&
		   (int)FALLBACK_BODY == (int)CONF_FALLBACK_BODY &&
		   (int)FALLBACK_SERVICE == (int)CONF_FALLBACK_SERVICE &&
		   (int)FAILURE_DOWN == (int)CONF_FAILURE_DOWN &&
		   (int)FAILURE_TIMEOUT == (int)CONF_FAILURE_TIMEOUT &&
		   (int)FAILURE_5XX == (int)CONF_FAILURE_5XX &&
		   (int)LOG_TARGET_FILE == (int)CONF_LOG_FILE &&
		   (int)LOG_TARGET_SYSLOG == (int)CONF_LOG_SYSLOG &&
		   (int)LOG_TARGET_JOURNALD == (int)CONF_LOG_JOURNALD &&
		   (int)LOG_TARGET_INHERIT == (int)CONF_LOG_INHERIT &&
		   (int)LOG_TARGET_OFF == (int)CONF_LOG_OFF &&
		   (int)LOG_FORMAT_JSON == (int)CONF_LOG_FORMAT_JSON,
    "both sides have the same values");

_Static_assert(CONF_FALLBACK_MAX + 16 * 1024 <= LIFELINE_PACKET_MAX,
    "a route with its fallback is one packet");
_Static_assert((int)CONF_FALLBACK_ALL_MAX <= (int)FEED_QUEUE_MAX / 2,
    "a picture with its fallbacks waits in the queue");

static uint64_t
picture_workers(unsigned configured)
{
	long cores;

	if (configured != 0)
		return configured;
	cores = sysconf(_SC_NPROCESSORS_ONLN);
	return cores >= 4 ? (uint64_t)cores / 2 : 1;
}

static void
picture_send_settings(struct supervise *sup)
{
	const struct conf_router *router = &sup->conf->router;
	struct lifeline_msg msg = { .type = LIFELINE_SETTINGS };

	msg.u.settings = (struct lifeline_settings){
		.workers = picture_workers(router->workers),
		.max_connections = router->max_connections,
		.max_head = router->max_head,
		.max_headers = router->max_headers,
		.max_body = router->max_body,
		.header_timeout = (uint64_t)router->header_timeout_ms,
		.body_timeout = (uint64_t)router->body_timeout_ms,
		.idle_timeout = (uint64_t)router->idle_timeout_ms,
		.write_timeout = (uint64_t)router->write_timeout_ms,
		.drain_timeout = (uint64_t)router->drain_timeout_ms,
		.access = router->access_log,
		.event_queue = router->event_queue,
		.link_queue = router->link_queue,
		.detail = router->error_detail,
		.poison_key = sup->poison_key,
		.is_body_kept = router->is_body_kept,
	};
	feed_send(&sup->router.feed, &msg, -1);
}

static void
picture_send_listeners(struct supervise *sup)
{
	struct lifeline_msg msg = { .type = LIFELINE_LISTENER };
	const struct listener *item;

	for (size_t i = 0; i < sup->listeners.count; i++) {
		item = &sup->listeners.items[i];
		msg.u.listener.kind = item->kind;
		msg.u.listener.address = item->address;
		msg.u.listener.is_sp_allowed = item->is_sp_allowed;
		feed_send(&sup->router.feed, &msg, item->fd);
	}
}

static void
picture_send_service(struct supervise *sup, const struct conf_service *svc)
{
	struct lifeline_msg msg = { .type = LIFELINE_SERVICE };

	msg.u.service.name = svc->name;
	msg.u.service.instances =
	    svc->url != NULL
		? 1
		: service_scale_after(services_find(&sup->services, svc->name,
					  strlen(svc->name)),
		      svc);
	msg.u.service.timeout_ms = (uint64_t)svc->timeout_ms;
	msg.u.service.url = svc->url != NULL ? svc->url : "";
	msg.u.service.is_enabled = svc->is_enabled;
	msg.u.service.rules = (struct lifeline_rules){
		.attempts = svc->attempts,
		.retry_budget = svc->retry_budget,
		.stall_ms = (uint64_t)svc->stall_timeout_ms,
		.hold_max = svc->hold_max,
		.hold_max_bytes = svc->hold_max_bytes,
		.max_inflight = svc->max_inflight,
		.max_inflight_all = svc->max_inflight_all,
		.queue_ms = (uint64_t)svc->queue_timeout_ms,
		.eject_ms = (uint64_t)svc->eject_time_ms,
		.hang_ms = (uint64_t)svc->hang_grace_ms,
		.quarantine_ms = (uint64_t)svc->quarantine_ms,
		.ramp_ms = (uint64_t)svc->ramp_ms,
		.load_ms = service_load_ms(svc),
	};
	feed_send(&sup->router.feed, &msg, -1);
}

static void
picture_set_fallback(struct lifeline_route *to,
    const struct conf_fallback *fallback, unsigned failures)
{
	to->fallback = fallback->kind;
	to->fallback_on = failures;
	to->fallback_text = fallback->text;
	to->fallback_type = fallback->type;
}

/* A prefix is one pattern: the star also matches nothing. */
static void
picture_send_prefixes(struct supervise *sup, const struct conf_service *svc)
{
	struct lifeline_msg msg = { .type = LIFELINE_ROUTE };
	char pattern[4096];
	const char *prefix;
	size_t len;

	msg.u.route.pattern = pattern;
	msg.u.route.service = svc->name;
	msg.u.route.op = "";
	msg.u.route.name = svc->name;
	picture_set_fallback(&msg.u.route, &svc->fallback, svc->fallback_on);
	for (size_t i = 0; i < svc->prefixes.count; i++) {
		prefix = svc->prefixes.items[i];
		len = strlen(prefix);
		if (len + 3 > sizeof(pattern))
			continue;
		memcpy(pattern, prefix, len);
		memcpy(pattern + len, prefix[len - 1] == '/' ? "*" : "/*",
		    prefix[len - 1] == '/' ? 2 : 3);
		feed_send(&sup->router.feed, &msg, -1);
	}
}

static void
picture_send_route(struct supervise *sup, const struct conf_route *route)
{
	struct lifeline_msg msg = { .type = LIFELINE_ROUTE };
	const struct conf_fallback *fallback;
	unsigned failures;

	fallback = conf_route_fallback(sup->conf, route, &failures);
	picture_set_fallback(&msg.u.route, fallback, failures);
	msg.u.route.pattern = route->match;
	msg.u.route.service = route->service;
	msg.u.route.op = route->op != NULL ? route->op : "";
	msg.u.route.timeout_ms = (uint64_t)route->timeout_ms;
	msg.u.route.max_body = route->max_body;
	msg.u.route.name = route->name;
	msg.u.route.is_idempotent = route->is_idempotent;
	feed_send(&sup->router.feed, &msg, -1);
}

void
picture_send(struct supervise *sup)
{
	struct lifeline_msg msg = { .type = LIFELINE_BEGIN };
	const struct service *svc;

	/* A router that hangs gets the last picture only, not all of them. */
	feed_forget(&sup->router.feed);
	feed_send(&sup->router.feed, &msg, -1);
	picture_send_settings(sup);
	picture_send_listeners(sup);
	for (size_t i = 0; i < sup->conf->service_count; i++) {
		picture_send_service(sup, sup->conf->services[i]);
		picture_send_prefixes(sup, sup->conf->services[i]);
	}
	for (size_t i = 0; i < sup->conf->route_count; i++)
		picture_send_route(sup, &sup->conf->routes[i]);
	msg.type = LIFELINE_COMMIT;
	feed_send(&sup->router.feed, &msg, -1);
	TAILQ_FOREACH (svc, &sup->services.all, link) {
		for (unsigned i = 0; i < svc->count; i++)
			instance_tell(svc->instances[i]);
		if (svc->beside != NULL)
			instance_tell(svc->beside);
	}
	quarantine_send(sup);
	fault_send(sup);
}

/* In the background there is no standard output to inherit. */
static uint64_t
picture_log_target(const struct supervise *sup, const struct conf_service *svc)
{
	if (svc->log != CONF_LOG_INHERIT || sup->is_foreground)
		return svc->log;
	log_warnx("%s: log = inherit has no standard output in the background, "
		  "its lines go to a file",
	    svc->name);
	return LOG_TARGET_FILE;
}

/*
 * The default needs no rule, unless another one was there before; which is so
 * only when one was sent at all.
 */
static void
picture_send_log_rule(struct supervise *sup, const struct conf_service *svc)
{
	struct lifeline_msg msg = { .type = LIFELINE_LOG_RULE };

	msg.u.log_rule = (struct lifeline_log_rule){ .name = svc->name,
		.target = picture_log_target(sup, svc),
		.rate = svc->log_rate.count,
		.rate_ms = (uint64_t)svc->log_rate.period_ms };
	if (msg.u.log_rule.target != LOG_TARGET_FILE ||
	    msg.u.log_rule.rate != 0)
		sup->has_log_rules = true;
	else if (!sup->has_log_rules)
		return;
	feed_send(&sup->logger.feed, &msg, -1);
}

void
picture_send_log(struct supervise *sup)
{
	const struct conf *conf = sup->conf;
	struct lifeline_msg msg = { .type = LIFELINE_LOG };

	msg.u.log = (struct lifeline_log){ .dir = conf->log_dir,
		.max_size = conf->log_max_size,
		.keep = conf->log_keep,
		.is_console = sup->is_foreground,
		.is_colour = sup->is_colour,
		.max_age_ms = (uint64_t)conf->log_max_age_ms,
		.is_compressed = conf->is_log_compressed,
		.format = conf->log_format };
	feed_send(&sup->logger.feed, &msg, -1);
	for (size_t i = 0; i < conf->service_count; i++)
		picture_send_log_rule(sup, conf->services[i]);
}
