/* One run of one means, and what it comes to. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ipc.h"

int64_t
bench_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void
bench_start(struct bench_run *run)
{
	run->start_ns = bench_now_ns();
}

void
bench_sent(struct bench_run *run, unsigned slot)
{
	run->sent_ns[slot] = bench_now_ns();
}

bool
bench_received(struct bench_run *run, unsigned slot)
{
	int64_t now_ns = bench_now_ns();

	if (run->count < BENCH_SAMPLE_MAX)
		run->samples_ns[run->count] =
		    (uint32_t)(now_ns - run->sent_ns[slot]);
	run->count++;
	run->end_ns = now_ns;
	return now_ns - run->start_ns < run->duration_ns;
}

void
bench_fail(const char *what)
{
	perror(what);
	exit(1);
}

static int
compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

struct bench_result
bench_result_of(struct bench_run *run)
{
	size_t count =
	    run->count < BENCH_SAMPLE_MAX ? run->count : BENCH_SAMPLE_MAX;

	qsort(run->samples_ns, count, sizeof(run->samples_ns[0]), compare_u32);
	return (struct bench_result){
		.per_second = (double)run->count * 1e9 /
			      (double)(run->end_ns - run->start_ns),
		.p50_us = run->samples_ns[count / 2] / 1e3,
		.p99_us = run->samples_ns[count * 99 / 100] / 1e3,
	};
}

/* Neither process may inherit threads: each is forked from the bare driver. */
static pid_t
start(const struct bench_means *means, const char *path, struct bench_run *run)
{
	pid_t pid = fork();

	if (pid < 0)
		bench_fail("fork");
	if (pid > 0)
		return pid;
	if (run == NULL)
		means->serve(path);
	else
		means->ask(path, run);
	_exit(0);
}

struct bench_result
bench_measure(const struct bench_means *means, unsigned depth, int duration_ms,
    struct bench_run *run)
{
	char path[64];
	static unsigned serial;
	pid_t server, client;
	int status;

	snprintf(path, sizeof(path), "/tmp/msvc-bench.%d.%u", (int)getpid(),
	    serial++);
	memset(run, 0, offsetof(struct bench_run, samples_ns));
	run->depth = depth;
	run->duration_ns = (int64_t)duration_ms * 1000000;
	server = start(means, path, NULL);
	client = start(means, path, run);
	waitpid(client, &status, 0);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	unlink(path);
	if (status != 0 || run->count == 0) {
		fprintf(stderr, "%s: the client failed\n", means->name);
		exit(1);
	}
	return bench_result_of(run);
}
