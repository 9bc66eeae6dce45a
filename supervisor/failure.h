/*
 * failure: what the supervisor remembers of failures, in one place.
 *
 * Crashes whose bundles are not written yet, requests in quarantine, and
 * faults that an operator has asked for.
 */
#ifndef MSVC_SUPERVISOR_FAILURE_H
#define MSVC_SUPERVISOR_FAILURE_H

#include "crash.h"
#include "fault.h"
#include "quarantine.h"

struct failures {
	struct crashes crashes;
	struct quarantines quarantines;
	struct faults faults;
};

/* sup's loop must be there; it is borrowed. */
void failures_init(struct failures *failures, struct supervise *sup);
void failures_fini(struct failures *failures);

#endif
