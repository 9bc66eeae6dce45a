/* fault: make a service fail on purpose. */
#include "cmd_fault.h"

#include <stdio.h>
#include <string.h>

#include "conf/conf_value.h"
#include "ipc/buf.h"
#include "ipc/mp.h"

#include "cmd.h"
#include "cmd_json.h"
#include "cmd_map.h"
#include "control.h"
#include "fault.h"

struct cmd_fault_kind {
	const char *name;
	bool has_value, has_percent;
	int64_t for_ms; /* unless told; 0: takes no time */
};

static const struct cmd_fault_kind *
fault_kind_find(const char *what)
{
	static const struct cmd_fault_kind kinds[] = {
		{ "kill", false, false, 0 },
		{ "stop", false, false, FAULT_STOP_MS },
		{ "delay", true, true, FAULT_ROUTE_MS },
		{ "error", true, true, FAULT_ROUTE_MS },
		{ "none", false, false, 0 },
	};
	size_t len = strcspn(what, "=");

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strlen(kinds[i].name) == len &&
		    memcmp(kinds[i].name, what, len) == 0 &&
		    kinds[i].has_value == (what[len] == '='))
			return &kinds[i];
	}
	return NULL;
}

/* Plain digits are milliseconds, else it is a duration of msvc.ini(5). */
static int
fault_read_delay(const char *text, int64_t *ms_r)
{
	struct conf_why why;

	*ms_r = cmd_number(text, 1, FAULT_FOR_MAX_MS);
	if (*ms_r != -1)
		return 0;
	if (conf_value_duration(text, ms_r, &why) == 0 && *ms_r > 0 &&
	    *ms_r <= FAULT_FOR_MAX_MS)
		return 0;
	cmd_say("fault: \"delay=%s\": must be milliseconds or a duration such "
		"as 200ms, up to 24h",
	    text);
	return -1;
}

static int
fault_read_value(const struct cmd_fault_kind *kind, const char *what,
    struct cmd_fault *fault)
{
	const char *text = what + strlen(kind->name) + 1;

	if (!kind->has_value)
		return 0;
	if (strcmp(kind->name, "delay") == 0)
		return fault_read_delay(text, &fault->value);
	fault->value = cmd_number(text, FAULT_ERROR_MIN, FAULT_ERROR_MAX);
	if (fault->value != -1)
		return 0;
	cmd_say("fault: \"%s\": must be a status from %d to %d", what,
	    FAULT_ERROR_MIN, FAULT_ERROR_MAX);
	return -1;
}

static int
fault_read_percent(const struct cmd_fault_kind *kind, const char *text,
    struct cmd_fault *fault)
{
	fault->percent = 100;
	if (text == NULL)
		return 0;
	if (!kind->has_percent) {
		cmd_say("fault: %s takes no --percent", kind->name);
		return -1;
	}
	fault->percent = cmd_number(text, 1, 100);
	if (fault->percent != -1)
		return 0;
	cmd_say("fault: --percent \"%s\": must be a number from 1 to 100",
	    text);
	return -1;
}

static int
fault_read_for(const struct cmd_fault_kind *kind, const char *text,
    struct cmd_fault *fault)
{
	struct conf_why why;

	fault->for_ms = kind->for_ms;
	if (text == NULL)
		return 0;
	if (kind->for_ms == 0) {
		cmd_say("fault: %s takes no --for", kind->name);
		return -1;
	}
	if (conf_value_duration(text, &fault->for_ms, &why) == 0 &&
	    fault->for_ms > 0 && fault->for_ms <= FAULT_FOR_MAX_MS)
		return 0;
	cmd_say("fault: --for \"%s\": must be a duration such as 500ms or 10s, "
		"up to 24h",
	    text);
	return -1;
}

int
cmd_fault_read(const char *what, const char *percent, const char *duration,
    struct cmd_fault *fault_r)
{
	const struct cmd_fault_kind *kind = fault_kind_find(what);

	memset(fault_r, 0, sizeof(*fault_r));
	if (kind == NULL) {
		cmd_say("fault: \"%s\": must be kill, stop, delay=MS, "
			"error=STATUS or none",
		    what);
		return -1;
	}
	fault_r->kind = kind->name;
	if (fault_read_value(kind, what, fault_r) == -1 ||
	    fault_read_percent(kind, percent, fault_r) == -1 ||
	    fault_read_for(kind, duration, fault_r) == -1)
		return -1;
	return 0;
}

static void
fault_put_args(const struct cmd_fault *fault, struct buf *args)
{
	mp_put_map(args, 4);
	mp_put_cstr(args, "fault");
	mp_put_cstr(args, fault->kind);
	mp_put_cstr(args, "value");
	mp_put_int(args, fault->value);
	mp_put_cstr(args, "percent");
	mp_put_int(args, fault->percent);
	mp_put_cstr(args, "for_ms");
	mp_put_int(args, fault->for_ms);
}

static void
fault_print(const struct cmd_fault *fault, const char *service, int64_t count,
    bool is_json)
{
	const char *s = count == 1 ? "" : "es";

	if (is_json)
		fprintf(cmd_json_out(), "{\"ok\":true,\"count\":%lld}\n",
		    (long long)count);
	else if (strcmp(fault->kind, "kill") == 0)
		printf("%s: %lld process%s killed\n", service, (long long)count,
		    s);
	else if (strcmp(fault->kind, "stop") == 0)
		printf("%s: %lld process%s stopped for %lld ms\n", service,
		    (long long)count, s, (long long)fault->for_ms);
	else if (strcmp(fault->kind, "none") == 0)
		printf("%s: %lld fault%s ended\n", service, (long long)count,
		    count == 1 ? "" : "s");
	else
		printf(strcmp(fault->kind, "delay") == 0
			   ? "%s: %lld%% of its requests wait %lld ms, for "
			     "%lld ms\n"
			   : "%s: %lld%% of its requests are answered %lld, "
			     "for %lld ms\n",
		    service, (long long)fault->percent, (long long)fault->value,
		    (long long)fault->for_ms);
}

int
cmd_fault(const struct cmd_line *line)
{
	struct buf args = { 0 }, answer = { 0 };
	char run_dir[PATH_MAX], *service = line->args[0];
	struct cmd_fault fault;
	unsigned instance = 0;
	int rc;

	if (cmd_split_instance(service, &instance) == -1) {
		cmd_say("fault: \"%s\": must be SERVICE or SERVICE/INSTANCE, "
			"such as users/2",
		    service);
		return CMD_USAGE;
	}
	if (cmd_fault_read(line->args[1], line->percent, line->duration,
		&fault) == -1)
		return CMD_USAGE;
	if (cmd_run_dir(line, run_dir) == -1)
		return CMD_FAILED;
	fault_put_args(&fault, &args);
	rc = cmd_converse_args(run_dir, CONTROL_FAULT, service, instance, &args,
	    &answer);
	if (rc == CMD_DONE)
		fault_print(&fault, service,
		    cmd_map_int(cmd_map_open(&answer), "count"), line->is_json);
	buf_fini(&args);
	buf_fini(&answer);
	return rc;
}
