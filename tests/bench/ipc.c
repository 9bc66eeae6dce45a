#include "ipc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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

static int
compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double
median(const struct bench_result *results, size_t count, size_t field)
{
	double values[ROUND_MAX];

	for (size_t i = 0; i < count; i++)
		memcpy(&values[i], (const char *)&results[i] + field,
		    sizeof(double));
	qsort(values, count, sizeof(values[0]), compare_double);
	return values[count / 2];
}

static void
report(const struct bench_result *results, size_t rounds, FILE *json)
{
	printf("%-8s %-8s %12s %10s %10s\n", "depth", "means", "requests/s",
	    "p50 us", "p99 us");
	for (size_t d = 0; d < DEPTH_COUNT; d++) {
		for (size_t m = 0; m < MEANS_COUNT; m++) {
			const struct bench_result *at =
			    results + (d * MEANS_COUNT + m) * ROUND_MAX;
			double rate = median(at, rounds,
			    offsetof(struct bench_result, per_second));
			double p50 = median(at, rounds,
			    offsetof(struct bench_result, p50_us));
			double p99 = median(at, rounds,
			    offsetof(struct bench_result, p99_us));

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
	static struct bench_result
	    results[DEPTH_COUNT * MEANS_COUNT * ROUND_MAX];
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
			    bench_measure(all_means[i % MEANS_COUNT],
				depths[i / MEANS_COUNT], duration_ms, run);
	}
	report(results, (size_t)rounds, json);
	return json != NULL && fclose(json) != 0;
}
