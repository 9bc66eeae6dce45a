/*
 * control_failure: the commands about failures: quarantine and fault.
 */
#include <string.h>
#include <sys/socket.h>

#include "conf/conf.h"
#include "control_client.h"
#include "ipc/mp.h"
#include "ipc/mp_text.h"
#include "supervisor.h"

enum {
	CONTROL_WORD_MAX = 64,
	CONTROL_LIST_TEXT_MAX = 1024, /* bytes of a target in a list */
	CONTROL_TEXT_MAX = 64 * 1024
};

/* What a client asks for; "" and 0 for what it did not say. */
struct control_args {
	char word[CONTROL_WORD_MAX];  /* "action" or "fault" */
	char print[CONTROL_WORD_MAX]; /* "print" */
	uint64_t value, percent, for_ms;
};

static void
control_arg_str(const struct mp_reader *map, const char *key,
    char to[CONTROL_WORD_MAX])
{
	struct mp_reader value;
	const char *text;
	size_t len;

	if (!mp_map_find(map->pos, (size_t)(map->end - map->pos), key,
		&value) ||
	    mp_get_str(&value, &text, &len) < 0 || len >= CONTROL_WORD_MAX)
		return;
	memcpy(to, text, len);
	to[len] = '\0';
}

static void
control_arg_uint(const struct mp_reader *map, const char *key, uint64_t *to)
{
	struct mp_reader value;

	if (mp_map_find(map->pos, (size_t)(map->end - map->pos), key, &value))
		(void)mp_get_uint(&value, to);
}

static void
control_args_read(struct control_args *args, const uint8_t *bytes, size_t len)
{
	struct mp_reader map;

	memset(args, 0, sizeof(*args));
	if (!mp_map_find(bytes, len, "args", &map))
		return;
	control_arg_str(&map, "action", args->word);
	control_arg_str(&map, "fault", args->word);
	control_arg_str(&map, "print", args->print);
	control_arg_uint(&map, "value", &args->value);
	control_arg_uint(&map, "percent", &args->percent);
	control_arg_uint(&map, "for_ms", &args->for_ms);
}

/* Begin {"ok": true, KEY: ...}; the caller appends the value and ends it. */
static size_t
control_begin_ok(struct control_client *client, const char *key)
{
	size_t start = control_begin(client);

	mp_put_map(&client->out, 2);
	mp_put_cstr(&client->out, "ok");
	mp_put_bool(&client->out, true);
	mp_put_cstr(&client->out, key);
	return start;
}

void
control_answer_count(struct control_client *client, unsigned count)
{
	size_t start = control_begin_ok(client, "count");

	mp_put_uint(&client->out, count);
	control_end(client, start);
	control_answered(client);
}

static void
control_put_text(struct buf *out, const char *key, const char *text, size_t max)
{
	mp_put_cstr(out, key);
	mp_put_text(out, text, strlen(text), max);
}

/* The eight items that both list and show have. */
static void
control_put_entry(struct buf *out, const struct lifeline_quarantine *entry,
    size_t max)
{
	control_put_text(out, "print", entry->print, max);
	control_put_text(out, "service", entry->service, max);
	mp_put_cstr(out, "left_ms");
	mp_put_uint(out, entry->left_ms);
	control_put_text(out, "method", entry->method, max);
	control_put_text(out, "target", entry->target, max);
	control_put_text(out, "route", entry->route, max);
	control_put_text(out, "client", entry->client, max);
	mp_put_cstr(out, "body_bytes");
	mp_put_uint(out, entry->body_len);
}

/* What clients have sent may be anybody's secret: root's eyes only. */
static bool
control_is_root(const struct control_client *client)
{
	struct ucred cred = { 0 };
	socklen_t len = sizeof(cred);

	return getsockopt(client->io.fd, SOL_SOCKET, SO_PEERCRED, &cred,
		   &len) == 0 &&
	       len == sizeof(cred) && cred.uid == 0;
}

static void
control_quarantine_list(struct control_client *client,
    const struct quarantines *set)
{
	size_t start = control_begin_ok(client, "quarantine");
	const struct quarantine *item;

	mp_put_array(&client->out, set->count);
	TAILQ_FOREACH (item, &set->all, link) {
		mp_put_map(&client->out, 8);
		control_put_entry(&client->out, &item->entry,
		    CONTROL_LIST_TEXT_MAX);
	}
	control_end(client, start);
	control_answered(client);
}

static void
control_quarantine_show(struct control_client *client,
    const struct lifeline_quarantine *entry)
{
	size_t start = control_begin_ok(client, "entry");
	struct buf *out = &client->out;
	bool has_body = entry->body[0] != '\0' && control_is_root(client);

	mp_put_map(out, has_body ? 10 : 9);
	control_put_entry(out, entry, CONTROL_TEXT_MAX);
	control_put_text(out, "fields", entry->fields, CONTROL_TEXT_MAX);
	if (has_body) {
		mp_put_cstr(out, "body");
		mp_put_cstr(out, entry->body);
	}
	control_end(client, start);
	control_answered(client);
}

static void
control_quarantine_release_all(struct control_client *client,
    struct quarantines *set)
{
	struct supervise *sup = client->server->sup;
	struct quarantine *item;
	unsigned count = 0;

	while ((item = TAILQ_FIRST(&set->all)) != NULL) {
		quarantine_release(sup, &item);
		count++;
	}
	control_answer_count(client, count);
}

static void
control_do_quarantine(struct control_client *client,
    const struct control_args *args)
{
	struct supervise *sup = client->server->sup;
	struct quarantines *set = &sup->failures.quarantines;
	struct quarantine *item;
	bool is_several = false,
	     is_release = strcmp(args->word, "release") == 0;

	quarantines_look(set, loop_now_us(sup->loop));
	if (strcmp(args->word, "list") == 0) {
		control_quarantine_list(client, set);
		return;
	}
	if (is_release && strcmp(args->print, "all") == 0) {
		control_quarantine_release_all(client, set);
		return;
	}
	item = quarantines_find(set, args->print, &is_several);
	if (!is_release && strcmp(args->word, "show") != 0)
		control_answer_errorf(client, "unknown action");
	else if (is_several)
		control_answer_errorf(client,
		    "several quarantined requests begin with \"%s\"; msvc "
		    "quarantine lists them",
		    args->print);
	else if (item == NULL)
		control_answer_errorf(client,
		    "no quarantined request is \"%s\"; msvc quarantine lists "
		    "them",
		    args->print);
	else if (is_release) {
		quarantine_release(sup, &item);
		control_answer_count(client, 1);
	} else
		control_quarantine_show(client, &item->entry);
}

static const char *const control_fault_names[] = { "none", "delay", "error",
	"kill", "stop" };

enum control_fault {
	CONTROL_FAULT_NONE,
	CONTROL_FAULT_DELAY,
	CONTROL_FAULT_ERROR,
	CONTROL_FAULT_KILL,
	CONTROL_FAULT_STOP,
	CONTROL_FAULT_COUNT
};

static enum control_fault
control_fault_find(const char *name)
{
	unsigned i = 0;

	while (i < CONTROL_FAULT_COUNT &&
	       strcmp(control_fault_names[i], name) != 0)
		i++;
	return (enum control_fault)i;
}

/* The command checks them too, and says it better. */
static bool
control_fault_is_good(const struct control_args *args, enum control_fault kind)
{
	bool has_time = args->for_ms > 0 && args->for_ms <= FAULT_FOR_MAX_MS;
	bool has_share = args->percent > 0 && args->percent <= 100;

	switch (kind) {
	case CONTROL_FAULT_NONE:
	case CONTROL_FAULT_KILL:
		return true;
	case CONTROL_FAULT_STOP:
		return has_time;
	case CONTROL_FAULT_DELAY:
		return has_time && has_share && args->value > 0 &&
		       args->value <= FAULT_FOR_MAX_MS;
	case CONTROL_FAULT_ERROR:
		return has_time && has_share &&
		       args->value >= FAULT_ERROR_MIN &&
		       args->value <= FAULT_ERROR_MAX;
	default:
		return false;
	}
}

/* Returns false, with an error answered, when that cannot be done to it. */
static bool
control_fault_allows(struct control_client *client, const struct service *svc,
    enum control_fault kind)
{
	const struct control_goal *goal = &client->goal;
	bool is_routed =
	    kind == CONTROL_FAULT_DELAY || kind == CONTROL_FAULT_ERROR;

	if (svc == NULL || svc->is_removed)
		control_answer_errorf(client, "there is no service \"%s\"",
		    goal->service);
	else if (is_routed && goal->instance != 0)
		control_answer_errorf(client,
		    "%s and %s are for a whole service, not for one instance",
		    control_fault_names[CONTROL_FAULT_DELAY],
		    control_fault_names[CONTROL_FAULT_ERROR]);
	else if (!is_routed && kind != CONTROL_FAULT_NONE &&
		 svc->conf->url != NULL)
		control_answer_errorf(client,
		    "%s is on another machine (%s), msvc does not run it",
		    goal->service, svc->conf->url);
	else if (goal->instance != 0 &&
		 service_instance(svc, goal->instance) == NULL)
		control_answer_errorf(client, "there is no %s/%u",
		    goal->service, goal->instance);
	else
		return true;
	return false;
}

/* Returns how many processes or faults it was about; -1: no room. */
static int
control_fault_act(struct service *svc, unsigned instance,
    const struct control_args *args, enum control_fault kind)
{
	const struct lifeline_fault fault = {
		.kind = kind == CONTROL_FAULT_DELAY ? FAULT_DELAY : FAULT_ERROR,
		.value = args->value,
		.percent = args->percent,
		.for_ms = args->for_ms,
	};

	switch (kind) {
	case CONTROL_FAULT_NONE:
		return (int)fault_end(svc, instance);
	case CONTROL_FAULT_KILL:
		return (int)fault_kill(svc, instance);
	case CONTROL_FAULT_STOP:
		return fault_stop(svc, instance, (int64_t)args->for_ms);
	default:
		return fault_route(svc, &fault) == 0 ? 1 : -1;
	}
}

static void
control_do_fault(struct control_client *client, const struct control_args *args)
{
	const struct control_goal *goal = &client->goal;
	struct supervise *sup = client->server->sup;
	struct service *svc =
	    services_find(&sup->services, goal->service, strlen(goal->service));
	enum control_fault kind = control_fault_find(args->word);
	int count;

	if (!control_fault_is_good(args, kind)) {
		control_answer_errorf(client, "no such fault");
		return;
	}
	if (sup->phase > SUPERVISE_RUNNING) {
		control_answer_errorf(client, "the supervisor is stopping");
		return;
	}
	if (!control_fault_allows(client, svc, kind))
		return;
	count = control_fault_act(svc, goal->instance, args, kind);
	if (count < 0)
		control_answer_errorf(client, "too many faults at a time");
	else if (count == 0 && kind != CONTROL_FAULT_NONE)
		control_answer_errorf(client, "%s has no process now",
		    goal->service);
	else
		control_answer_count(client, (unsigned)count);
}

void
control_do_failure(struct control_client *client, enum control_command command,
    const uint8_t *bytes, size_t len)
{
	struct control_args args;

	control_args_read(&args, bytes, len);
	if (command == CONTROL_QUARANTINE)
		control_do_quarantine(client, &args);
	else
		control_do_fault(client, &args);
}
