#include "bundle.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "crashfile.h"
#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/json.h"
#include "ipc/lifeline.h"
#include "ipc/log.h"
#include "ipc/loop.h"
#include "logset.h"

struct bundle {
	TAILQ_ENTRY(bundle) link;
	struct bundles *bundles; /* borrowed */
	struct loop_timer timer;
	struct lifeline_crash crash; /* its strings are owned */
};

struct bundles {
	struct loop *loop;
	const struct logset *set;
	TAILQ_HEAD(, bundle) all;
	unsigned count;
};

static void
bundle_free(struct bundle **bundlep)
{
	struct bundle *bundle = *bundlep;

	if (bundle == NULL)
		return;
	*bundlep = NULL;
	free((char *)bundle->crash.id);
	free((char *)bundle->crash.dir);
	free((char *)bundle->crash.name);
	free((char *)bundle->crash.label);
	free((char *)bundle->crash.json);
	free(bundle);
}

/* The object of the supervisor, with "log" as its last member. */
static void
bundle_put(const struct bundle *bundle, struct buf *out)
{
	const struct lifeline_crash *crash = &bundle->crash;
	size_t len = strlen(crash->json);
	struct buf lines = { 0 };

	logset_put_last(bundle->bundles->set, crash->name, crash->label,
	    &lines);
	buf_append(out, crash->json, len > 0 ? len - 1 : 0);
	buf_append_str(out, ",\"log\":");
	if (lines.is_failed ||
	    json_from_mp(buf_front(&lines), buf_count(&lines), out, NULL) == -1)
		buf_append_str(out, "[]");
	buf_append_str(out, "}\n");
	buf_fini(&lines);
}

static void
bundle_write(struct bundle *bundle)
{
	struct bundles *bundles = bundle->bundles;
	const struct lifeline_crash *crash = &bundle->crash;
	struct err err = { "out of memory" };
	struct buf out = { 0 };

	TAILQ_REMOVE(&bundles->all, bundle, link);
	bundles->count--;
	loop_timer_drop(bundles->loop, &bundle->timer);
	bundle_put(bundle, &out);
	if (out.is_failed || crashfile_write(crash->dir, crash->id,
				 buf_front(&out), buf_count(&out), &err) == -1)
		log_warnx("crash bundle is lost: %s", err.text);
	else
		crashfile_prune(crash->dir, crash->keep, crash->max_size,
		    crash->id);
	buf_fini(&out);
	bundle_free(&bundle);
}

static void
bundle_on_timer(struct loop_timer *timer)
{
	bundle_write(loop_owner(timer, struct bundle, timer));
}

static struct bundle *
bundle_new(struct bundles *bundles, const struct lifeline_crash *crash)
{
	struct bundle *bundle = calloc(1, sizeof(*bundle));
	struct lifeline_crash *copy;

	if (bundle == NULL)
		return NULL;
	bundle->bundles = bundles;
	bundle->timer.fn = bundle_on_timer;
	copy = &bundle->crash;
	copy->keep = crash->keep;
	copy->max_size = crash->max_size;
	copy->stream = crash->stream;
	copy->id = strdup(crash->id);
	copy->dir = strdup(crash->dir);
	copy->name = strdup(crash->name);
	copy->label = strdup(crash->label);
	copy->json = strdup(crash->json);
	if (copy->id == NULL || copy->dir == NULL || copy->name == NULL ||
	    copy->label == NULL || copy->json == NULL)
		bundle_free(&bundle);
	return bundle;
}

void
bundles_add(struct bundles *bundles, const struct lifeline_crash *crash)
{
	struct bundle *bundle = bundle_new(bundles, crash);

	if (bundle == NULL) {
		log_error("crash bundle %s is lost", crash->id);
		return;
	}
	if (bundles->count >= BUNDLE_MAX)
		bundle_write(TAILQ_FIRST(&bundles->all));
	TAILQ_INSERT_TAIL(&bundles->all, bundle, link);
	bundles->count++;
	if (logset_has(bundles->set, crash->stream))
		loop_timer_set(bundles->loop, &bundle->timer,
		    loop_now_us(bundles->loop) + BUNDLE_WAIT_US);
	else
		bundle_write(bundle);
}

void
bundles_ended(struct bundles *bundles, uint64_t stream)
{
	struct bundle *bundle, *next;

	for (bundle = TAILQ_FIRST(&bundles->all); bundle != NULL;
	     bundle = next) {
		next = TAILQ_NEXT(bundle, link);
		if (bundle->crash.stream == stream)
			bundle_write(bundle);
	}
}

struct bundles *
bundles_new(struct loop *loop, const struct logset *set, struct err *err_r)
{
	struct bundles *bundles = calloc(1, sizeof(*bundles));

	if (bundles == NULL) {
		err_set_errno(err_r, "logger");
		return NULL;
	}
	bundles->loop = loop;
	bundles->set = set;
	TAILQ_INIT(&bundles->all);
	return bundles;
}

void
bundles_free(struct bundles **bundlesp)
{
	struct bundles *bundles = *bundlesp;
	struct bundle *bundle;

	if (bundles == NULL)
		return;
	*bundlesp = NULL;
	while ((bundle = TAILQ_FIRST(&bundles->all)) != NULL)
		bundle_write(bundle);
	free(bundles);
}
