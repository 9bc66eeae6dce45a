/*
 * bundle: crash bundles that wait for the last lines of a dead process.
 *
 * A bundle is complete when the stream of the process has ended, or after
 * BUNDLE_WAIT_US: somebody else may hold the pipe open. Then its lines are
 * read back (logset_put_last()) and the file is written (crashfile.h). Failures
 * are logged: there is nobody who could do better.
 */
#ifndef MSVC_SUPERVISOR_LOGGER_BUNDLE_H
#define MSVC_SUPERVISOR_LOGGER_BUNDLE_H

#include <stdint.h>

struct bundles;
struct err;
struct lifeline_crash;
struct logset;
struct loop;

enum {
	BUNDLE_WAIT_US = 1000 * 1000,
	BUNDLE_MAX = 64 /* that wait; the oldest is written for one more */
};

/* loop and set are borrowed. */
struct bundles *bundles_new(struct loop *loop, const struct logset *set,
    struct err *err_r);

/* Writes what still waits. */
void bundles_free(struct bundles **bundlesp);

void bundles_add(struct bundles *bundles, const struct lifeline_crash *crash);

/* All that came by that stream is in its file. */
void bundles_ended(struct bundles *bundles, uint64_t stream);

#endif
