#include "cmd.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf_value.h"
#include "ipc/buf.h"
#include "ipc/mp.h"

#include "cmd_json.h"

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
	if (text[0] == '\0' || slash == text)
		return -1;
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

/* Which option sets what; a letter has one meaning in all commands. */
static const struct {
	int letter;
	bool has_text; /* a const char *, else it is a bool */
	size_t offset;
} cmd_options[] = {
	{ 'c', true, offsetof(struct cmd_line, conf_path) },
	{ 'r', true, offsetof(struct cmd_line, run_dir) },
	{ 'h', false, offsetof(struct cmd_line, is_help) },
	{ 'V', false, offsetof(struct cmd_line, is_version) },
	{ 'f', false, offsetof(struct cmd_line, is_following) },
	{ 'i', false, offsetof(struct cmd_line, is_caseless) },
	{ 'F', false, offsetof(struct cmd_line, is_forced) },
	{ 'N', false, offsetof(struct cmd_line, is_plan) },
	{ 'T', false, offsetof(struct cmd_line, is_tree) },
	{ 'S', true, offsetof(struct cmd_line, since) },
	{ 'U', true, offsetof(struct cmd_line, until) },
	{ 'g', true, offsetof(struct cmd_line, grep) },
	{ 'n', true, offsetof(struct cmd_line, count) },
	{ 't', true, offsetof(struct cmd_line, timeout) },
	{ 'p', true, offsetof(struct cmd_line, percent) },
	{ 'd', true, offsetof(struct cmd_line, duration) },
};

static int
cmd_take_option(struct cmd_line *line, int option)
{
	char *field = (char *)line;

	if (option == 'o') {
		line->is_json = strcmp(optarg, "json") == 0;
		if (line->is_json || strcmp(optarg, "table") == 0)
			return 0;
		cmd_say("-o \"%s\": must be table or json", optarg);
		return -1;
	}
	for (size_t i = 0; i < sizeof(cmd_options) / sizeof(cmd_options[0]);
	     i++) {
		if (cmd_options[i].letter != option)
			continue;
		field += cmd_options[i].offset;
		if (cmd_options[i].has_text)
			*(const char **)(void *)field = optarg;
		else
			*(bool *)field = true;
		return 0;
	}
	return -1;
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
		{ "since", required_argument, NULL, 'S' },
		{ "until", required_argument, NULL, 'U' },
		{ "grep", required_argument, NULL, 'g' },
		{ "dry-run", no_argument, NULL, 'N' },
		{ "tree", no_argument, NULL, 'T' },
		{ "force", no_argument, NULL, 'F' },
		{ NULL, 0, NULL, 0 },
	};
	static char program[] = "msvc";
	char *name = argv[0];
	int option, name_at = 0, rc = 0;

	/* getopt begins its messages with argv[0]; ours begin with "msvc". */
	argv[0] = program;
	optind = 0;
	/* To the end: behind a mistake may be -o json, for how it is told. */
	while ((option = getopt_long(argc, argv, options, names, &name_at)) !=
	       -1) {
		/* The long names are all commands', the letters are not. */
		if (option != '?' && strchr(options, option) == NULL) {
			cmd_say("unrecognized option '--%s'",
			    names[name_at].name);
			rc = -1;
		} else if (cmd_take_option(line, option) == -1)
			rc = -1;
	}
	argv[0] = name;
	return rc == 0 ? optind : -1;
}

/*
 * Does the argument that should name a service name none, as in
 * msvc stop "$SERVICE" without that variable? It must not mean all of them.
 */
static bool
cmd_has_empty_name(const struct cmd_line *line)
{
	return line->arg_count > 0 && line->args[0][0] == '\0' &&
	       strstr(line->cmd->synopsis, "service") != NULL;
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
	else if (cmd_has_empty_name(line))
		cmd_say("%s: \"\" is not the name of a service", cmd->name);
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

/* One command, or all of them. */
static int
cmd_help_json(const struct cmd *cmd)
{
	struct buf value = { 0 };
	int rc;

	mp_put_array(&value, cmd != NULL ? 1 : (uint32_t)cmd_count);
	for (size_t i = 0; i < cmd_count; i++) {
		if (cmd != NULL && cmd != &cmd_table[i])
			continue;
		mp_put_map(&value, 3);
		mp_put_cstr(&value, "name");
		mp_put_cstr(&value, cmd_table[i].name);
		mp_put_cstr(&value, "synopsis");
		mp_put_cstr(&value, cmd_table[i].synopsis);
		mp_put_cstr(&value, "help");
		mp_put_cstr(&value, cmd_table[i].help);
	}
	rc = cmd_json_print_buf(&value);
	buf_fini(&value);
	return rc;
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
	return line->is_json ? cmd_help_json(cmd) : cmd_help_one(cmd);
}

int
cmd_version(const struct cmd_line *line)
{
	if (line->is_json)
		fputs("{\"version\":\"" MSVC_VERSION "\"}\n", cmd_json_out());
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
		if (line.is_json)
			cmd_json_finish(CMD_USAGE);
		return CMD_USAGE;
	}
	if (line.is_version)
		rc = cmd_version(&line);
	else if (line.is_help)
		rc = line.is_json ? cmd_help_json(line.cmd)
				  : cmd_help_one(line.cmd);
	else
		rc = line.cmd->fn(&line);
	if (line.is_json)
		cmd_json_finish(rc);
	/* A full disk under "msvc status >file" is a failure, not a success. */
	if (fflush(stdout) == EOF && errno != EPIPE) {
		cmd_say("standard output: %s", strerror(errno));
		return CMD_FAILED;
	}
	return rc;
}
