#include "ipc.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	ROUND_MAX = 31
};

static const unsigned depths[] = { 1, 16, 64, 256 };
static const struct bench_means *const all_means[] = { &bench_raw, &bench_msvc,
	&bench_nng, &bench_zmq };

enum {
	DEPTH_COUNT = sizeof(depths) / sizeof(depths[0]),
	MEANS_COUNT = sizeof(all_means) / sizeof(all_means[0])
};

struct result {
	double per_second, p50_us, p99_us;
};

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

static int
compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
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

static struct result
measure(const struct bench_means *means, unsigned depth, int duration_ms,
    struct bench_run *run)
{
	char path[64];
	static unsigned serial;
	pid_t server, client;
	int status;
	size_t count;

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
	count = run->count < BENCH_SAMPLE_MAX ? run->count : BENCH_SAMPLE_MAX;
	qsort(run->samples_ns, count, sizeof(run->samples_ns[0]), compare_u32);
	return (struct result){
		.per_second = (double)run->count * 1e9 /
			      (double)(run->end_ns - run->start_ns),
		.p50_us = run->samples_ns[count / 2] / 1e3,
		.p99_us = run->samples_ns[count * 99 / 100] / 1e3,
	};
}

static double
median(const struct result *results, size_t count, size_t field)
{
	double values[ROUND_MAX];

	for (size_t i = 0; i < count; i++)
		memcpy(&values[i], (const char *)&results[i] + field,
		    sizeof(double));
	qsort(values, count, sizeof(values[0]), compare_double);
	return values[count / 2];
}

static void
report(const struct result *results, size_t rounds, FILE *json)
{
	printf("%-8s %-8s %12s %10s %10s\n", "depth", "means", "requests/s",
	    "p50 us", "p99 us");
	for (size_t d = 0; d < DEPTH_COUNT; d++) {
		for (size_t m = 0; m < MEANS_COUNT; m++) {
			const struct result *at =
			    results + (d * MEANS_COUNT + m) * ROUND_MAX;
			double rate = median(at, rounds,
			    offsetof(struct result, per_second));
			double p50 =
			    median(at, rounds, offsetof(struct result, p50_us));
			double p99 =
			    median(at, rounds, offsetof(struct result, p99_us));

			printf("%-8u %-8s %12.0f %10.1f %10.1f\n", depths[d],
			    all_means[m]->name, rate, p50, p99);
			if (json != NULL)
				fprintf(json,
				    "{\"depth\":%u,\"means\":\"%s\","
				    "\"requests_per_second\":%.0f,"
				    "\"p50_us\":%.1f,\"p99_us\":%.1f}\n",
				    depths[d], all_means[m]->name, rate, p50,
				    p99);
		}
	}
}

int
main(int argc, char **argv)
{
	static struct result results[DEPTH_COUNT * MEANS_COUNT * ROUND_MAX];
	int option, rounds = 5, duration_ms = 400;
	FILE *json = NULL;
	struct bench_run *run;

	while ((option = getopt(argc, argv, "r:d:o:")) != -1) {
		if (option == 'r' && (rounds = atoi(optarg)) >= 1 &&
		    rounds <= ROUND_MAX)
			continue;
		if (option == 'd' && (duration_ms = atoi(optarg)) >= 1)
			continue;
		if (option == 'o' && (json = fopen(optarg, "w")) != NULL)
			continue;
		fputs("usage: ipc [-r rounds] [-d ms] [-o file]\n", stderr);
		return 2;
	}
	run = mmap(NULL, sizeof(*run), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (run == MAP_FAILED)
		bench_fail("mmap");
	for (int round = 0; round < rounds; round++) {
		for (size_t i = 0; i < DEPTH_COUNT * MEANS_COUNT; i++)
			results[i * ROUND_MAX + (size_t)round] =
			    measure(all_means[i % MEANS_COUNT],
				depths[i / MEANS_COUNT], duration_ms, run);
	}
	report(results, (size_t)rounds, json);
	return json != NULL && fclose(json) != 0;
}
