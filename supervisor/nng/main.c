/*
 * msvc-nng: the commands of msvc that speak nng: call, pub, sub. A program of
 * its own, because libnng starts threads and the supervisor forks.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/launch.h"

#include "tool.h"

static const struct command {
	const char *name;
	int min, max; /* operands */
	int (*run)(const struct tool_options *options, char **argv);
} commands[] = {
	{ "call", 1, 2, tool_call },
	{ "pub", 2, 2, tool_pub },
	{ "sub", 1, 1, tool_sub },
};

static int
usage(void)
{
	fputs("usage: msvc-nng -r run_dir [-t ms] [-o table|json] call "
	      "'method /path'|service.operation [json]\n"
	      "       msvc-nng -r run_dir pub topic json\n"
	      "       msvc-nng -r run_dir sub [-n count] prefix\n",
	    stderr);
	return TOOL_USAGE;
}

/* Returns the number, or -1 when text is none from 1 to INT_MAX. */
static int
number_parse(const char *text)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(text, &end, 10);
	if (errno != 0 || *end != '\0' || number < 1 || number > INT_MAX)
		return -1;
	return (int)number;
}

static int
option_take(struct tool_options *options, int option, const char *text)
{
	int number;

	switch (option) {
	case 'r':
		number = snprintf(options->url, sizeof(options->url),
		    "ipc://%s/%s", text, LAUNCH_PATH_ROUTER);
		return number < (int)sizeof(options->url) ? 0 : -1;
	case 't':
		options->timeout_ms = number_parse(text);
		return options->timeout_ms;
	case 'n':
		options->count = number_parse(text);
		return (int)options->count;
	case 'o':
		options->is_json = strcmp(text, "json") == 0;
		return options->is_json || strcmp(text, "table") == 0 ? 0 : -1;
	default:
		return -1;
	}
}

/* Read options up to the next operand. Returns its index, or -1. */
static int
options_parse(struct tool_options *options, int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "+r:t:o:n:")) != -1) {
		if (option_take(options, option, optarg) < 0) {
			if (option != '?')
				tool_say("-%c \"%s\": not possible", option,
				    optarg);
			return -1;
		}
	}
	return optind;
}

int
main(int argc, char **argv)
{
	struct tool_options options = { .timeout_ms = TOOL_TIMEOUT_MS };
	const struct command *command = NULL;
	int at = options_parse(&options, argc, argv);

	if (at < 0 || at >= argc || options.url[0] == '\0')
		return usage();
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, argv[at]) == 0)
			command = &commands[i];
	}
	if (command == NULL)
		return usage();
	argc -= at;
	argv += at;
	optind = 1;
	at = options_parse(&options, argc, argv);
	if (at < 0 || argc - at < command->min || argc - at > command->max)
		return usage();
	at = command->run(&options, argv + at);
	if (options.is_json)
		tool_finish_json(at);
	return at;
}
