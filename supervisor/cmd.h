/*
 * cmd: the commands of msvc(8), what they share, and their exit codes.
 *
 * cmd.def is the table of commands; main() hands over to cmd_main(), which
 * reads the options and calls cmd_NAME(). A command prints its result on
 * standard output and everything else, as "msvc: text", on standard error.
 */
#ifndef MSVC_SUPERVISOR_CMD_H
#define MSVC_SUPERVISOR_CMD_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control.h"

struct buf;
struct conf;

enum cmd_exit {
	CMD_DONE = 0,
	CMD_FAILED = 1,
	CMD_USAGE = 2,
	CMD_NOT_RUNNING = 3
};

enum {
	CMD_LINES_DEFAULT = 20,
	CMD_LINES_MAX = 1000 * 1000
};

/* A command line, read. Strings are borrowed from argv. */
struct cmd_line {
	const char *conf_path; /* -c; NULL: not given */
	const char *run_dir;   /* -r; NULL: not given */
	bool is_json;          /* -o json */
	bool is_help;          /* -h, --help */
	bool is_version;       /* -V, --version */
	bool is_following;     /* logs -f */
	bool is_forced;        /* stop --force */
	bool is_plan;          /* reload --dry-run */
	bool is_tree;          /* status --tree */
	const char *count;     /* -n; NULL: not given; digits, not checked */
	const char *timeout;   /* call -t; the same */
	const char *percent;   /* fault -p, --percent; the same */
	const char *since;     /* logs --since; the same */
	const char *until;     /* logs --until; the same */
	const char *grep;      /* logs --grep; the same */
	bool is_caseless;      /* logs -i */
	const char *duration;  /* fault -d, --for; top -d; not checked */
	const struct cmd *cmd; /* NULL without a command */
	char **args;           /* what follows the command and its options */
	size_t arg_count;
};

struct cmd {
	const char *name;
	const char *options;
	size_t arg_min, arg_max;
	const char *synopsis;
	const char *help;
	int (*fn)(const struct cmd_line *line);
};

/* All commands, in the order of the help text. */
extern const struct cmd cmd_table[];
extern const size_t cmd_count;

/* Returns NULL when there is no command of that name. */
const struct cmd *cmd_find(const char *name);

/*
 * The command that was probably meant by what is none: one that begins so,
 * else the one with the fewest slips of the fingers. NULL: none is near.
 */
const struct cmd *cmd_nearest(const char *name);

/*
 * Read a command line. Not thread-safe: it is getopt's.
 *
 * Returns 0; or -1 after having said on standard error what is wrong.
 */
int cmd_parse(int argc, char **argv, struct cmd_line *line_r);

/*
 * Split "users/2" in place. Returns 0 with instance 0 for all of them; or -1
 * when there is no name, or what follows the slash is no instance number.
 */
int cmd_split_instance(char *text, unsigned *instance_r);

/* A decimal from min to max, all of the text; or -1. */
int64_t cmd_number(const char *text, int64_t min, int64_t max);

int cmd_main(int argc, char **argv);

#define X(name, options, min, max, synopsis, help) \
	int cmd_##name(const struct cmd_line *line);
#include "cmd.def"
#undef X

/* "msvc: text\n" on standard error; text of several lines, each so. */
void cmd_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Colour is wanted on fd: a terminal, TERM not dumb, NO_COLOR unset. */
bool cmd_is_colour(int fd);

/* -c, else $MSVC_CONF, else ./msvc.ini, else /etc/msvc/msvc.ini. */
const char *cmd_conf_path(const struct cmd_line *line);

/* The configuration, or NULL after every mistake in it was printed. */
struct conf *cmd_load(const struct cmd_line *line);

/* -r or the configuration's run_dir. Returns 0, or -1 after saying why. */
int cmd_run_dir(const struct cmd_line *line, char path_r[PATH_MAX]);

/* The directory of our own executable, where its companions are. */
int cmd_program_dir(char path_r[PATH_MAX]);

/*
 * Send one request to the supervisor of run_dir and print its progress.
 *
 * service    may be NULL
 * answer     set to the map of the last message; may be NULL
 *
 * Returns an exit code; anything but CMD_DONE has been explained.
 */
int cmd_converse(const char *run_dir, enum control_command command,
    const char *service, unsigned instance, struct buf *answer);

/*
 * What the supervisor that runs in run_dir says of itself in status, such as
 * "log_dir". text_r is set to a string that the caller frees. Returns an exit
 * code, told why.
 */
int cmd_ask_about(const char *run_dir, const char *key, char **text_r);

/* The same as cmd_converse() with "args" of control.h: a whole map, or NULL. */
int cmd_converse_args(const char *run_dir, enum control_command command,
    const char *service, unsigned instance, const struct buf *args,
    struct buf *answer);

#endif
