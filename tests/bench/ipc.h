/*
 * ipc bench: 64-byte request/reply between two processes, by several means.
 *
 * Each means is a server and a client that runs in a process of its own; the
 * client keeps depth requests in flight until its time is up.
 */
#ifndef MSVC_BENCH_IPC_H
#define MSVC_BENCH_IPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	BENCH_BODY_LEN = 64,
	BENCH_DEPTH_MAX = 256,
	BENCH_SAMPLE_MAX = 4 * 1000 * 1000
};

/* What a client measures; in memory shared with the driver. */
struct bench_run {
	unsigned depth;
	int64_t duration_ns;
	int64_t start_ns, end_ns;
	int64_t sent_ns[BENCH_DEPTH_MAX];
	uint64_t count;
	uint32_t samples_ns[BENCH_SAMPLE_MAX];
};

struct bench_result {
	double per_second, p50_us, p99_us;
};

/* One way to ask and answer; both functions leave only by exit or a signal. */
struct bench_means {
	const char *name;
	void (*serve)(const char *path);
	void (*ask)(const char *path, struct bench_run *run);
};

extern const struct bench_means bench_raw, bench_msvc, bench_nng, bench_zmq;

int64_t bench_now_ns(void);

/* Call before the first request of all. */
void bench_start(struct bench_run *run);

/* Call as a request leaves and as its reply is there. */
void bench_sent(struct bench_run *run, unsigned slot);

/* Returns false when the time is up. */
bool bench_received(struct bench_run *run, unsigned slot);

/* What a run with at least one reply comes to; sorts its samples. */
struct bench_result bench_result_of(struct bench_run *run);

/*
 * Run the means' two processes for so long with depth requests in flight.
 * run is memory shared with children.
 */
struct bench_result bench_measure(const struct bench_means *means,
    unsigned depth, int duration_ms, struct bench_run *run);

/* Print and exit 1: the bench itself is broken. */
void bench_fail(const char *what) __attribute__((noreturn));

#endif
