/* Each log goes where its rule says, as fast as that allows. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/buf.h"
#include "ipc/json.h"
#include "ipc/lifeline.h"
#include "ipc/log.h"
#include "ipc/loop.h"
#include "supervisor/logger/logset.h"
#include "supervisor/logger/logwriter.h"

enum {
	TIME_LEN = 25 /* with the space behind it */
};

struct fixture {
	char dir[64], syslog[96], journal[96];
	struct loop *loop;
	struct logset *set;
	struct lifeline_log settings;
	int console[2], daemons[2]; /* syslog, journal */
	unsigned matched, ended;
	uint64_t matched_id;
};

static void
on_ended(void *arg, uint64_t id)
{
	struct fixture *f = arg;

	(void)id;
	f->ended++;
}

static void
on_matched(void *arg, uint64_t id)
{
	struct fixture *f = arg;

	f->matched++;
	f->matched_id = id;
}

static int
start_daemon(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(bind(sock, (struct sockaddr *)&address,
			     sizeof(address)),
	    0);
	return sock;
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct logwriter_places places = { 0 };
	struct logset_news news = { on_ended, on_matched, f };

	assert_non_null(f);
	strcpy(f->dir, "/tmp/test_logset.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->syslog, sizeof(f->syslog), "%s/syslog", f->dir);
	snprintf(f->journal, sizeof(f->journal), "%s/journal", f->dir);
	f->daemons[0] = start_daemon(f->syslog);
	f->daemons[1] = start_daemon(f->journal);
	assert_int_equal(pipe2(f->console, O_NONBLOCK), 0);
	places.console = f->console[1];
	places.syslog = f->syslog;
	places.journal = f->journal;
	f->loop = loop_new(NULL);
	f->set = logset_new(f->loop, &places, &news, NULL);
	assert_non_null(f->set);
	f->settings.dir = f->dir;
	logset_configure(f->set, &f->settings);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	static const char *const names[] = { "svc.log", "svc.log.1",
		"svc.log.1.gz", "other.log", "syslog", "journal" };
	struct fixture *f = *state;
	char path[96];

	logset_free(&f->set);
	loop_free(&f->loop);
	for (int i = 0; i < 2; i++) {
		close(f->console[i]);
		close(f->daemons[i]);
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->dir, names[i]);
		remove(path);
	}
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static void
rule(struct fixture *f, enum lifeline_log_target target, uint64_t rate,
    uint64_t rate_ms)
{
	const struct lifeline_log_rule msg = { "svc", target, rate, rate_ms };

	logset_rule(f->set, &msg);
}

/* Give the set a pipe; returns its write end. */
static int
add(struct fixture *f, uint64_t id, const char *name, const char *pattern)
{
	const struct lifeline_stream msg = { .id = id,
		.name = name,
		.label = name[0] == 's' ? "svc/1" : "other/1",
		.pattern = pattern };
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(logset_add(f->set, &msg, fds[0], NULL), 0);
	return fds[1];
}

static void
turn(struct fixture *f)
{
	for (int i = 0; i < 4; i++)
		assert_int_equal(loop_turn(f->loop, 0, NULL), 0);
}

static void
say(struct fixture *f, int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	turn(f);
}

static char *
content(struct fixture *f, const char *name)
{
	static char text[4096];
	char path[96];
	FILE *in;

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	in = fopen(path, "r");
	text[0] = '\0';
	if (in == NULL)
		return strcpy(text, "none");
	text[fread(text, 1, sizeof(text) - 1, in)] = '\0';
	fclose(in);
	return text;
}

/* What a descriptor has, with the times left out; "" for nothing. */
static const char *
heard(int fd)
{
	static char text[4096];
	ssize_t len = read(fd, text, sizeof(text) - 1);

	text[len > 0 ? len : 0] = '\0';
	return text;
}

static void
test_without_a_rule_lines_go_into_a_file(void **state)
{
	struct fixture *f = *state;
	int fd = add(f, 1, "svc", "");

	say(f, fd, "one\n");
	assert_string_equal(content(f, "svc.log") + TIME_LEN, "svc/1 one\n");
	close(fd);
	turn(f);
	assert_int_equal(f->ended, 1);
}

static void
test_files_may_be_json(void **state)
{
	struct fixture *f = *state;
	int fd = add(f, 1, "svc", "");

	f->settings.format = LOG_FORMAT_JSON;
	logset_configure(f->set, &f->settings);
	say(f, fd, "{\"a\":1}\n");
	assert_string_equal(content(f, "svc.log") + TIME_LEN + 9,
	    ",\"service\":\"svc\",\"instance\":1,"
	    "\"line\":\"{\\\"a\\\":1}\"}\n");
	close(fd);
}

/* What is expected to be nothing has to be nothing. */
static void
assert_has(const char *text, const char *expected)
{
	if (expected[0] == '\0')
		assert_string_equal(text, "");
	else
		assert_non_null(strstr(text, expected));
}

static void
test_each_target_gets_the_lines_and_no_other(void **state)
{
	static const struct {
		enum lifeline_log_target target;
		const char *file, *syslog, *journal, *console;
	} cases[] = {
		{ LOG_TARGET_SYSLOG, "none", "svc/1: one", "", "svc/1 one\n" },
		{ LOG_TARGET_JOURNALD, "none", "", "\nMSVC_INSTANCE=1\n",
		    "svc/1 one\n" },
		{ LOG_TARGET_INHERIT, "none", "", "", "svc/1 one\n" },
		{ LOG_TARGET_OFF, "none", "", "", "" },
		{ LOG_TARGET_FILE, "svc/1 one\n", "", "", "svc/1 one\n" },
	};
	struct fixture *f = *state;
	int fd = add(f, 1, "svc", "");

	f->settings.is_console = true;
	logset_configure(f->set, &f->settings);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		rule(f, cases[i].target, 0, 0);
		say(f, fd, "one\n");
		assert_has(content(f, "svc.log"), cases[i].file);
		assert_has(heard(f->daemons[0]), cases[i].syslog);
		assert_has(heard(f->daemons[1]), cases[i].journal);
		assert_has(heard(f->console[0]), cases[i].console);
	}
	close(fd);
}

static void
test_inherited_lines_have_the_form_of_files(void **state)
{
	struct fixture *f = *state;
	int fd = add(f, 1, "svc", "");

	f->settings.is_console = f->settings.is_colour = true;
	f->settings.format = LOG_FORMAT_JSON;
	logset_configure(f->set, &f->settings);
	rule(f, LOG_TARGET_INHERIT, 0, 0);
	say(f, fd, "one\n");
	assert_non_null(strstr(heard(f->console[0]), "\"line\":\"one\"}\n"));
	close(fd);
}

/* The last lines of svc/1, as JSON without the times. */
static const char *
last_lines(struct fixture *f)
{
	static char text[512];
	struct buf mp = { 0 }, json = { 0 };
	const char *at;
	size_t len = 0;

	logset_put_last(f->set, "svc", "svc/1", &mp);
	assert_int_equal(json_from_mp(buf_front(&mp), buf_count(&mp), &json,
			     NULL),
	    0);
	buf_append_byte(&json, 0);
	at = (const char *)buf_front(&json);
	while ((at = strchr(at, 'Z')) != NULL) {
		const char *end = strchr(at, '"');

		memcpy(text + len, at + 1, (size_t)(end - at - 1));
		len += (size_t)(end - at - 1);
		at = end;
	}
	text[len] = '\0';
	buf_fini(&mp);
	buf_fini(&json);
	return text;
}

static void
test_last_lines_are_there_for_all_targets(void **state)
{
	struct fixture *f = *state;

	for (int target = LOG_TARGET_FILE; target <= LOG_TARGET_OFF; target++) {
		int fd;

		rule(f, (enum lifeline_log_target)target, 0, 0);
		fd = add(f, 1, "svc", "");
		say(f, fd, "one\ntwo\n");
		close(fd);
		turn(f);
		assert_string_equal(last_lines(f), " one two");
		rule(f, LOG_TARGET_FILE, 0, 0);
	}
}

static void
test_only_the_last_of_many_lines_are_kept(void **state)
{
	struct fixture *f = *state;
	char text[16];
	int fd;

	rule(f, LOG_TARGET_OFF, 0, 0);
	fd = add(f, 1, "svc", "");
	for (int i = 0; i < 120; i++) {
		snprintf(text, sizeof(text), "%d\n", i);
		say(f, fd, text);
	}
	assert_memory_equal(last_lines(f), " 70 71 72", 9);
	assert_non_null(strstr(last_lines(f), " 118 119"));
	close(fd);
}

static void
test_lines_beyond_the_rate_are_dropped_and_told_of(void **state)
{
	struct fixture *f = *state;
	int fd, other = add(f, 2, "other", "");

	rule(f, LOG_TARGET_FILE, 2, 60 * 1000);
	fd = add(f, 1, "svc", "");
	say(f, fd, "1\n2\n3\n4\n");
	say(f, fd, "5\n");
	say(f, other, "1\n2\n3\n");
	assert_string_equal(content(f, "svc.log") + TIME_LEN + 8 + TIME_LEN,
	    "svc/1 2\n");
	assert_non_null(strstr(content(f, "other.log"), "other/1 3\n"));
	/* Without a limit, what was dropped is told at once. */
	rule(f, LOG_TARGET_FILE, 0, 0);
	turn(f);
	say(f, fd, "6\n");
	assert_non_null(strstr(content(f, "svc.log"),
	    "msvc-logger warn 3 lines dropped by log_rate\n"));
	assert_non_null(strstr(content(f, "svc.log"), "svc/1 6\n"));
	close(fd);
	close(other);
}

static void
test_a_period_ends_without_a_line(void **state)
{
	struct fixture *f = *state;
	int fd;

	rule(f, LOG_TARGET_FILE, 1, 20);
	fd = add(f, 1, "svc", "");
	say(f, fd, "1\n2\n");
	for (int i = 0;
	     i < 100 && strstr(content(f, "svc.log"), "dropped") == NULL; i++)
		assert_int_equal(loop_turn(f->loop, 100, NULL), 0);
	assert_non_null(strstr(content(f, "svc.log"),
	    "msvc-logger warn 1 lines dropped by log_rate\n"));
	close(fd);
}

static void
test_the_end_tells_of_dropped_lines_too(void **state)
{
	struct fixture *f = *state;
	int fd;

	rule(f, LOG_TARGET_FILE, 1, 60 * 1000);
	fd = add(f, 1, "svc", "");
	say(f, fd, "1\n2\n");
	logset_flush(f->set);
	logset_free(&f->set);
	assert_non_null(strstr(content(f, "svc.log"), "1 lines dropped"));
	close(fd);
}

/* A service that crashes again and again on a full disk. */
static void
test_a_loss_is_told_though_its_stream_has_ended(void **state)
{
	struct rlimit limit = { 0, RLIM_INFINITY };
	struct fixture *f = *state;

	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (uint64_t id = 1; id <= 2; id++) {
		int fd = add(f, id, "svc", "");

		say(f, fd, "1\n2\n");
		close(fd);
		turn(f);
	}
	limit.rlim_cur = RLIM_INFINITY;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(f->ended, 2);
	for (int i = 0;
	     i < 50 && strstr(content(f, "svc.log"), "dropped") == NULL; i++)
		assert_int_equal(loop_turn(f->loop, 100, NULL), 0);
	assert_non_null(strstr(content(f, "svc.log"),
	    "msvc-logger warn 4 lines dropped: File too large\n"));
}

/* Other logs must not wait for a pattern that takes its time with each line. */
static void
test_a_pattern_that_takes_too_long_is_given_up(void **state)
{
	static const char line[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\n";
	struct fixture *f = *state;
	int fd = add(f, 1, "svc", "^(a+)+\\1$|^ready");
	clock_t start = clock();

	for (int i = 0; i < 1000; i++)
		assert_int_equal(write(fd, line, strlen(line)), strlen(line));
	turn(f);
	assert_true((clock() - start) * 1000 / CLOCKS_PER_SEC < 500);
	say(f, fd, "ready\n");
	assert_int_equal(f->matched, 0);
	close(fd);
}

/*
 * A pipe wakes who waits for an edge only when it was empty before, as long as
 * its writer is in the middle of one write: half a line makes that never.
 */
static void
test_half_a_line_and_more_than_a_pipe_holds_behind_it(void **state)
{
	static char text[256 * 1024];
	struct fixture *f = *state;
	int fd = add(f, 1, "svc", "^the end$"), status;
	pid_t pid;

	rule(f, LOG_TARGET_OFF, 0, 0);
	say(f, fd, "half");
	memset(text, 'x', sizeof(text));
	for (size_t i = 99; i < sizeof(text); i += 100)
		text[i] = '\n';
	memcpy(text + sizeof(text) - 9, "\nthe end\n", 9);
	pid = fork();
	if (pid == 0 && alarm(10) == 0)
		_exit(write(fd, text, sizeof(text)) != sizeof(text));
	for (int i = 0; i < 50 && f->matched == 0; i++)
		assert_int_equal(loop_turn(f->loop, 100, NULL), 0);
	assert_int_equal(f->matched, 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(fd);
}

static void
test_a_rule_of_before_is_forgotten_with_its_log(void **state)
{
	struct fixture *f = *state;
	int fd;

	rule(f, LOG_TARGET_OFF, 0, 0);
	/* A reload: the service is gone, and comes back without a rule. */
	logset_configure(f->set, &f->settings);
	fd = add(f, 1, "svc", "");
	say(f, fd, "one\n");
	assert_non_null(strstr(content(f, "svc.log"), "svc/1 one\n"));
	close(fd);
}

static void
test_a_pattern_is_told_of_once_when_a_whole_line_has_it(void **state)
{
	struct fixture *f = *state;
	int fd = add(f, 7, "svc", "^ready|up$");

	/* Even if nobody is to read it. */
	rule(f, LOG_TARGET_OFF, 1, 60 * 1000);
	say(f, fd, "not ready\nalready\nand more\nread");
	assert_int_equal(f->matched, 0);
	say(f, fd, "y");
	assert_int_equal(f->matched, 0);
	say(f, fd, "\n");
	assert_int_equal(f->matched, 1);
	assert_int_equal(f->matched_id, 7);
	say(f, fd, "ready\nup\n");
	assert_int_equal(f->matched, 1);
	close(fd);
}

static void
test_a_pattern_that_is_none_costs_no_line(void **state)
{
	struct fixture *f = *state;
	int fd = add(f, 7, "svc", "(");

	say(f, fd, "(\n");
	assert_int_equal(f->matched, 0);
	assert_non_null(strstr(content(f, "svc.log"), "svc/1 (\n"));
	close(fd);
}

static void
test_rotated_files_are_compressed(void **state)
{
	struct fixture *f = *state;
	int fd = add(f, 1, "svc", "");
	char path[96];

	f->settings.max_size = 40;
	f->settings.keep = 1;
	f->settings.is_compressed = true;
	logset_configure(f->set, &f->settings);
	say(f, fd, "one\ntwo\n");
	snprintf(path, sizeof(path), "%s/svc.log.1.gz", f->dir);
	for (int i = 0; i < 100 && access(path, F_OK) == -1; i++)
		assert_int_equal(loop_turn(f->loop, 100, NULL), 0);
	assert_int_equal(access(path, F_OK), 0);
	/* A crash bundle reads them, too. */
	assert_string_equal(last_lines(f), " one two");
	close(fd);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_without_a_rule_lines_go_into_a_file),
		T(test_files_may_be_json),
		T(test_each_target_gets_the_lines_and_no_other),
		T(test_inherited_lines_have_the_form_of_files),
		T(test_last_lines_are_there_for_all_targets),
		T(test_only_the_last_of_many_lines_are_kept),
		T(test_lines_beyond_the_rate_are_dropped_and_told_of),
		T(test_a_period_ends_without_a_line),
		T(test_the_end_tells_of_dropped_lines_too),
		T(test_a_loss_is_told_though_its_stream_has_ended),
		T(test_a_pattern_that_takes_too_long_is_given_up),
		T(test_half_a_line_and_more_than_a_pipe_holds_behind_it),
		T(test_a_rule_of_before_is_forgotten_with_its_log),
		T(test_a_pattern_is_told_of_once_when_a_whole_line_has_it),
		T(test_a_pattern_that_is_none_costs_no_line),
		T(test_rotated_files_are_compressed),
	};

	signal(SIGXFSZ, SIG_IGN);
	log_init(-1, LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
