/* keep_all: the whole of what is handed on, and the supervisor's own part. */
#include <stdlib.h>
#include <string.h>

#include "keep.h"
#include "supervisor.h"

static const struct keep_field supervise_fields[] = {
	KEEP_FIELD(KEEP_UINT, supervise, phase),
	KEEP_FIELD(KEEP_BOOL, supervise, is_foreground),
	KEEP_FIELD(KEEP_BOOL, supervise, is_colour),
	KEEP_FIELD(KEEP_BOOL, supervise, has_log_rules),
	KEEP_FIELD(KEEP_INT, supervise, exit_code),
	KEEP_FIELD(KEEP_INT, supervise, since),
	KEEP_FIELD(KEEP_UINT, supervise, poison_key),
	KEEP_FIELD(KEEP_UINT, supervise, nofile.rlim_cur),
	KEEP_FIELD(KEEP_UINT, supervise, nofile.rlim_max),
	KEEP_FIELD(KEEP_TEXT, supervise, rundir.path),
	KEEP_FIELD(KEEP_FD, supervise, rundir.lock_fd),
	KEEP_FIELD(KEEP_FD, supervise, notify_fd),
	KEEP_FIELD(KEEP_FD, supervise, log_fd),
	KEEP_FIELD(KEEP_FD, supervise, access_fd),
	KEEP_FIELD(KEEP_FD, supervise, router_fd),
	KEEP_FIELD(KEEP_BOOL, supervise, services.is_purging),
	KEEP_FIELD(KEEP_BOOL, supervise, services.is_stopping),
};

void
keep_save_supervisor(const struct supervise *sup, struct keep_out *out)
{
	keep_put(out, supervise_fields, KEEP_COUNT(supervise_fields), sup);
}

int
keep_load_supervisor(struct supervise *sup, struct keep_in *in,
    struct mp_reader *reader)
{
	if (keep_get(in, reader, supervise_fields, KEEP_COUNT(supervise_fields),
		sup) < 0)
		return -1;
	return sup->rundir.path == NULL ? keep_bad(in, "run_dir") : 0;
}

/* Our own limits as we were started: they are others by now. */
void
keep_save_limits(const struct supervise *sup, struct keep_out *out)
{
	const struct limits_own *own = &sup->own;

	mp_put_array(&out->bytes, 2 + 2 * RLIM_NLIMITS);
	mp_put_int(&out->bytes, own->nice);
	mp_put_int(&out->bytes, own->oom_score_adj);
	for (size_t i = 0; i < RLIM_NLIMITS; i++) {
		mp_put_uint(&out->bytes, own->rlimits[i].rlim_cur);
		mp_put_uint(&out->bytes, own->rlimits[i].rlim_max);
	}
}

int
keep_load_limits(struct supervise *sup, struct keep_in *in,
    struct mp_reader *reader)
{
	struct limits_own *own = &sup->own;
	uint64_t soft, hard;
	int64_t nice, adj;
	uint32_t count;

	if (keep_get_array(in, reader, &count) < 0 || count % 2 != 0 ||
	    count > 2 + 2 * RLIM_NLIMITS ||
	    keep_get_int(in, reader, &nice) < 0 ||
	    keep_get_int(in, reader, &adj) < 0)
		return keep_bad(in, "limits");
	own->nice = (int)nice;
	own->oom_score_adj = (int)adj;
	for (uint32_t i = 0; i < (count - 2) / 2; i++) {
		if (keep_get_uint(in, reader, &soft) < 0 ||
		    keep_get_uint(in, reader, &hard) < 0)
			return -1;
		own->rlimits[i] = (struct rlimit){ soft, hard };
	}
	return 0;
}

static const struct keep_field cgroups_fields[] = {
	KEEP_FIELD(KEEP_TEXT, cgroups, base),
	KEEP_FIELD(KEEP_FD, cgroups, dir_fd),
	KEEP_FIELD(KEEP_UINT, cgroups, controllers),
};

void
keep_save_cgroups(const struct supervise *sup, struct keep_out *out)
{
	const struct cgroups *groups = &sup->cgroups;

	mp_put_array(&out->bytes, (uint32_t)(1 + groups->leftover_count));
	keep_put(out, cgroups_fields, KEEP_COUNT(cgroups_fields), groups);
	for (size_t i = 0; i < groups->leftover_count; i++)
		mp_put_cstr(&out->bytes, groups->leftovers[i]);
}

int
keep_load_cgroups(struct supervise *sup, struct keep_in *in,
    struct mp_reader *reader)
{
	struct cgroups *groups = &sup->cgroups;
	char **name;
	uint32_t count;

	if (keep_get_array(in, reader, &count) < 0 || count == 0 ||
	    keep_get(in, reader, cgroups_fields, KEEP_COUNT(cgroups_fields),
		groups) < 0)
		return keep_bad(in, "cgroups");
	groups->leftovers = calloc(count, sizeof(char *));
	if (groups->leftovers == NULL)
		return keep_bad(in, "cgroups");
	for (; count > 1; count--) {
		name = &groups->leftovers[groups->leftover_count];
		if (keep_get_text(in, reader, name) < 0)
			return -1;
		if (*name != NULL)
			groups->leftover_count++;
	}
	return 0;
}

/* In this order: later ones refer to those before them. */
static const struct {
	const char *name;
	void (*save)(const struct supervise *sup, struct keep_out *out);
	int (*load)(struct supervise *sup, struct keep_in *in,
	    struct mp_reader *reader);
} sections[] = {
#define X(name) { #name, keep_save_##name, keep_load_##name },
	KEEP_SECTIONS(X)
#undef X
};

void
keep_save(const struct supervise *sup, struct keep_out *out)
{
	mp_put_map(&out->bytes, 1 + KEEP_COUNT(sections));
	mp_put_cstr(&out->bytes, "version");
	mp_put_uint(&out->bytes, KEEP_VERSION);
	for (size_t i = 0; i < KEEP_COUNT(sections); i++) {
		mp_put_cstr(&out->bytes, sections[i].name);
		sections[i].save(sup, out);
	}
}

static int
keep_check(struct keep_in *in, const uint8_t *bytes, size_t len)
{
	struct mp_reader reader;
	uint64_t version;

	if (!mp_map_find(bytes, len, "version", &reader) ||
	    mp_get_uint(&reader, &version) < 0)
		return keep_bad(in, "state");
	if (version == KEEP_VERSION)
		return 0;
	err_set(&in->err,
	    "msvc %s reads state of version %d, that of the running "
	    "supervisor is %llu",
	    MSVC_VERSION, KEEP_VERSION, (unsigned long long)version);
	return -1;
}

int
keep_load(struct supervise *sup, struct keep_in *in, const uint8_t *bytes,
    size_t len)
{
	struct mp_reader reader;

	if (keep_check(in, bytes, len) < 0)
		return -1;
	for (size_t i = 0; i < KEEP_COUNT(sections); i++) {
		/* A supervisor before it came to be has none. */
		if (!mp_map_find(bytes, len, sections[i].name, &reader))
			continue;
		if (sections[i].load(sup, in, &reader) < 0) {
			err_prefix(&in->err, "%s", sections[i].name);
			return -1;
		}
	}
	if (sup->conf != NULL && sup->control.sup != NULL)
		return 0;
	return keep_bad(in, "state");
}
