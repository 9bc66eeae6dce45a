#include "failure.h"

void
failures_init(struct failures *failures, struct supervise *sup)
{
	crashes_init(&failures->crashes, sup);
	quarantines_init(&failures->quarantines);
	faults_init(&failures->faults, sup);
}

void
failures_fini(struct failures *failures)
{
	crashes_fini(&failures->crashes);
	quarantines_fini(&failures->quarantines);
	faults_fini(&failures->faults);
}
