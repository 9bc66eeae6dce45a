#include "cmd.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf_value.h"

const struct cmd cmd_table[] = {
#define X(name, options, min, max, synopsis, help) \
	{ #name, options, min, max, synopsis, help, cmd_##name },
#include "cmd.def"
#undef X
};
const size_t cmd_count = sizeof(cmd_table) / sizeof(cmd_table[0]);

static const char cmd_usage_text[] =
    "usage: msvc [-c file | -r dir] [-o table | json] command [argument ...]\n"
    "       msvc -h | -V\n";

const struct cmd *
cmd_find(const char *name)
{
	for (size_t i = 0; i < cmd_count; i++) {
		if (strcmp(cmd_table[i].name, name) == 0)
			return &cmd_table[i];
	}
	return NULL;
}

const struct cmd *
cmd_nearest(const char *name)
{
	size_t len = strlen(name);
	const struct cmd *nearest = NULL;
	bool is_begun, is_nearest_begun = false;
	unsigned distance, least = UINT_MAX;

	for (size_t i = 0; i < cmd_count; i++) {
		is_begun =
		    len > 0 && strncmp(cmd_table[i].name, name, len) == 0;
		if (!is_begun && (is_nearest_begun || !conf_value_is_near(name,
							  cmd_table[i].name)))
			continue;
		distance = conf_value_distance(name, cmd_table[i].name);
		if (distance < least || (is_begun && !is_nearest_begun)) {
			is_nearest_begun = is_begun;
			nearest = &cmd_table[i];
			least = distance;
		}
	}
	return nearest;
}

static void
cmd_say_unknown(const char *name)
{
	const struct cmd *nearest = cmd_nearest(name);

	if (nearest != NULL)
		cmd_say("unknown command \"%s\"; did you mean \"%s\"?", name,
		    nearest->name);
	else
		cmd_say("unknown command \"%s\"; see msvc help", name);
}

int64_t
cmd_number(const char *text, int64_t min, int64_t max)
{
	char *end;
	long long value;

	if (text[0] < '0' || text[0] > '9')
		return -1;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno != 0 || *end != '\0' || value < min || value > max)
		return -1;
	return value;
}

int
cmd_split_instance(char *text, unsigned *instance_r)
{
	char *slash = strchr(text, '/');
	int64_t instance;

	*instance_r = 0;
	if (slash == NULL)
		return 0;
	instance = cmd_number(slash + 1, 1, 1000 * 1000);
	if (instance == -1)
		return -1;
	*slash = '\0';
	*instance_r = (unsigned)instance;
	return 0;
}

static void
cmd_usage(const struct cmd *cmd)
{
	if (cmd == NULL)
		fputs(cmd_usage_text, stderr);
	else
		fprintf(stderr, "usage: msvc %s%s%s\n", cmd->name,
		    cmd->synopsis[0] != '\0' ? " " : "", cmd->synopsis);
}

static int
cmd_take_option(struct cmd_line *line, int option)
{
	switch (option) {
	case 'c':
		line->conf_path = optarg;
		return 0;
	case 'r':
		line->run_dir = optarg;
		return 0;
	case 'o':
		line->is_json = strcmp(optarg, "json") == 0;
		if (line->is_json || strcmp(optarg, "table") == 0)
			return 0;
		cmd_say("-o \"%s\": must be table or json", optarg);
		return -1;
	case 'h':
		line->is_help = true;
		return 0;
	case 'V':
		line->is_version = true;
		return 0;
	case 'f':
		line->is_following = true;
		return 0;
	case 'n':
		line->count = optarg;
		return 0;
	case 't':
		line->timeout = optarg;
		return 0;
	case 'p':
		line->percent = optarg;
		return 0;
	case 'd':
		line->duration = optarg;
		return 0;
	default:
		return -1;
	}
}

/* Read the options at argv[1] and on; returns the index behind them. */
static int
cmd_parse_options(int argc, char **argv, const char *options,
    struct cmd_line *line)
{
	static const struct option names[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ "percent", required_argument, NULL, 'p' },
		{ "for", required_argument, NULL, 'd' },
		{ NULL, 0, NULL, 0 },
	};
	static char program[] = "msvc";
	char *name = argv[0];
	int option, name_at = 0, rc = 0;

	/* getopt begins its messages with argv[0]; ours begin with "msvc". */
	argv[0] = program;
	optind = 0;
	while (rc == 0 && (option = getopt_long(argc, argv, options, names,
			       &name_at)) != -1) {
		/* The long names are all commands', the letters are not. */
		if (option != '?' && strchr(options, option) == NULL) {
			cmd_say("unrecognized option '--%s'",
			    names[name_at].name);
			rc = -1;
		} else
			rc = cmd_take_option(line, option);
	}
	argv[0] = name;
	return rc == 0 ? optind : -1;
}

static int
cmd_check_args(const struct cmd_line *line)
{
	const struct cmd *cmd = line->cmd;

	if (line->is_help || line->is_version)
		return 0;
	if (line->arg_count > cmd->arg_max)
		cmd_say("%s: unexpected argument \"%s\"", cmd->name,
		    line->args[cmd->arg_max]);
	else if (line->arg_count < cmd->arg_min)
		cmd_say("%s: %s", cmd->name, "an argument is missing");
	else
		return 0;
	return -1;
}

int
cmd_parse(int argc, char **argv, struct cmd_line *line_r)
{
	char options[32];
	int index;

	memset(line_r, 0, sizeof(*line_r));
	index = cmd_parse_options(argc, argv, "+c:r:o:hV", line_r);
	if (index == -1)
		return -1;
	argc -= index;
	argv += index;
	if (argc == 0) {
		if (line_r->is_help || line_r->is_version)
			return 0;
		cmd_say("a command is missing");
		return -1;
	}
	line_r->cmd = cmd_find(argv[0]);
	if (line_r->cmd == NULL) {
		cmd_say_unknown(argv[0]);
		return -1;
	}
	/* Without "+": options may follow arguments, as in "logs users -f". */
	snprintf(options, sizeof(options), "c:r:o:hV%s", line_r->cmd->options);
	index = cmd_parse_options(argc, argv, options, line_r);
	if (index == -1)
		return -1;
	line_r->args = argv + index;
	line_r->arg_count = (size_t)(argc - index);
	return cmd_check_args(line_r);
}

static void
cmd_help_all(void)
{
	fputs(cmd_usage_text, stdout);
	puts("\nOptions:\n"
	     "  -c file   configuration; default: $MSVC_CONF, ./msvc.ini,\n"
	     "            /etc/msvc/msvc.ini\n"
	     "  -r dir    run directory of a running system, instead of -c\n"
	     "  -o json   print results as JSON\n"
	     "\nCommands:");
	for (size_t i = 0; i < cmd_count; i++)
		printf("  %-10s  %s\n", cmd_table[i].name, cmd_table[i].help);
	puts("\nExit codes: 0 done, 1 failed, 2 usage, 3 not running.\n"
	     "`msvc help COMMAND` shows its arguments; see also msvc(8).");
}

static int
cmd_help_one(const struct cmd *cmd)
{
	if (cmd == NULL) {
		cmd_help_all();
		return CMD_DONE;
	}
	printf("usage: msvc %s%s%s\n\n%s\n", cmd->name,
	    cmd->synopsis[0] != '\0' ? " " : "", cmd->synopsis, cmd->help);
	return CMD_DONE;
}

int
cmd_help(const struct cmd_line *line)
{
	const struct cmd *cmd = NULL;

	if (line->arg_count == 1) {
		cmd = cmd_find(line->args[0]);
		if (cmd == NULL) {
			cmd_say_unknown(line->args[0]);
			return CMD_USAGE;
		}
	}
	return cmd_help_one(cmd);
}

int
cmd_version(const struct cmd_line *line)
{
	if (line->is_json)
		puts("{\"version\":\"" MSVC_VERSION "\"}");
	else
		puts("msvc " MSVC_VERSION);
	return CMD_DONE;
}

int
cmd_main(int argc, char **argv)
{
	struct cmd_line line;
	int rc;

	if (cmd_parse(argc, argv, &line) == -1) {
		cmd_usage(line.cmd);
		return CMD_USAGE;
	}
	if (line.is_version)
		rc = cmd_version(&line);
	else if (line.is_help)
		rc = cmd_help_one(line.cmd);
	else
		rc = line.cmd->fn(&line);
	/* A full disk under "msvc status >file" is a failure, not a success. */
	if (fflush(stdout) == EOF && errno != EPIPE) {
		cmd_say("standard output: %s", strerror(errno));
		return CMD_FAILED;
	}
	return rc;
}
