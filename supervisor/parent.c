#include "parent.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "ipc/loop.h"
#include "notify.h"

static struct {
	const char *name;
	const char *value; /* as we were started with it; NULL: not set */
} variables[] = {
	{ "NOTIFY_SOCKET", NULL },
	{ "WATCHDOG_USEC", NULL },
	{ "WATCHDOG_PID", NULL },
};

enum {
	VARIABLE_WATCHDOG = 1,
	VARIABLE_PID = 2,
	VARIABLES = sizeof(variables) / sizeof(variables[0])
};

static struct loop *parent_loop;
static int64_t parent_period_us;
static struct loop_timer parent_timer;

int64_t
parent_watchdog_us(const char *text, const char *for_pid, int64_t pid)
{
	long long value;
	char *end;

	if (text == NULL || text[0] < '0' || text[0] > '9')
		return 0;
	if (for_pid != NULL && for_pid[0] != '\0' &&
	    strtoll(for_pid, NULL, 10) != pid)
		return 0;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno != 0 || *end != '\0')
		return 0;
	return value / 2;
}

static void
parent_on_timer(struct loop_timer *timer)
{
	notify_parent("WATCHDOG=1\n");
	loop_timer_set(parent_loop, timer,
	    loop_now_us(parent_loop) + parent_period_us);
}

void
parent_start(struct loop *loop)
{
	/* Their text stays where it is, also when they are removed. */
	for (size_t i = 0; i < VARIABLES; i++)
		variables[i].value = getenv(variables[i].name);
	notify_parent_init();
	parent_conceal();
	parent_loop = loop;
	parent_period_us =
	    parent_watchdog_us(variables[VARIABLE_WATCHDOG].value,
		variables[VARIABLE_PID].value, getpid());
	parent_timer.fn = parent_on_timer;
	if (parent_period_us > 0)
		parent_on_timer(&parent_timer);
}

void
parent_stop(void)
{
	if (parent_loop != NULL)
		loop_timer_drop(parent_loop, &parent_timer);
	parent_loop = NULL;
	for (size_t i = 0; i < VARIABLES; i++)
		variables[i].value = NULL;
}

bool
parent_export(void)
{
	for (size_t i = 0; i < VARIABLES; i++) {
		if (variables[i].value != NULL &&
		    setenv(variables[i].name, variables[i].value, 1) < 0)
			return false;
	}
	return true;
}

void
parent_conceal(void)
{
	for (size_t i = 0; i < VARIABLES; i++)
		(void)unsetenv(variables[i].name);
}
