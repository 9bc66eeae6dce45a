/*
 * keep: how the state of a supervisor is written for the program that takes
 * its place (see reexec.h), and read again there.
 *
 * All of it is one MessagePack map: the version, and a map of sections, each a
 * value that its module writes and reads itself. Structs are written by tables
 * of their fields, as maps from name to value: a new field is one line in its
 * table. A field that the reader does not know is skipped, one that is missing
 * keeps the value it has, so that only a change of meaning needs a new version.
 *
 * Times are those of CLOCK_MONOTONIC and stay what they are. A descriptor is
 * written as its number and stays open across the exec; the reader owns it.
 */
#ifndef MSVC_SUPERVISOR_KEEP_H
#define MSVC_SUPERVISOR_KEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/buf.h"
#include "ipc/err.h"
#include "ipc/mp.h"

struct loop;
struct supervise;

enum {
	/*
	 * To be raised when a field or section changes its meaning, or the
	 * lifelines do: router and logger of the old program go on.
	 */
	KEEP_VERSION = 1
};

enum keep_type {
	KEEP_BOOL,
	KEEP_UINT,  /* unsigned, or an enum, of any size */
	KEEP_INT,   /* signed, of any size */
	KEEP_TEXT,  /* char *, owned, or NULL */
	KEEP_CHARS, /* char[], NUL-terminated */
	KEEP_BUF,   /* struct buf */
	KEEP_TIMER, /* struct loop_timer: when it fires, if it is set */
	KEEP_FD     /* int, owned; -1: none */
};

struct keep_field {
	const char *name;
	enum keep_type type;
	size_t offset, size; /* bytes */
};

#define KEEP_FIELD(type, of, member)                        \
	{                                                   \
#member, type, offsetof(struct of, member), \
		    sizeof(((struct of *)0)->member)        \
	}
#define KEEP_COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* What is being written. Out of memory shows as bytes.is_failed. */
struct keep_out {
	struct buf bytes;
	struct buf fds; /* of int: those that must stay open */
};

/* What is being read. */
struct keep_in {
	struct loop *loop; /* borrowed; for timers */
	/* Only to see whether it can be done: no descriptor is what it was,
	 * each is an eventfd of its own. */
	bool is_rehearsal;
	struct err err; /* set by the first function that returns -1 */
};

void keep_out_fini(struct keep_out *out);

void keep_put_fd(struct keep_out *out, int fd);

/* Append one struct as a map. */
void keep_put(struct keep_out *out, const struct keep_field *fields,
    size_t count, const void *object);

/*
 * Read one value that keep_put() has written into object, whose strings and
 * buffers are freed first; timers are set in the loop. Returns 0 or -1.
 */
int keep_get(struct keep_in *in, struct mp_reader *reader,
    const struct keep_field *fields, size_t count, void *object);

/* Single values. Each returns 0, or -1 with in->err set. */
int keep_get_array(struct keep_in *in, struct mp_reader *reader,
    uint32_t *count_r);
int keep_get_uint(struct keep_in *in, struct mp_reader *reader,
    uint64_t *value_r);
int keep_get_int(struct keep_in *in, struct mp_reader *reader,
    int64_t *value_r);
/* A copy that the caller frees; NULL for nil. */
int keep_get_text(struct keep_in *in, struct mp_reader *reader, char **text_r);
/* Borrowed from the bytes. */
int keep_get_bytes(struct keep_in *in, struct mp_reader *reader,
    const uint8_t **bytes_r, size_t *len_r);
/*
 * The caller's; -1: none. Close-on-exec is set again once all has been read:
 * until then it may have to be read another time, see reexec.h.
 */
int keep_get_fd(struct keep_in *in, struct mp_reader *reader, int *fd_r);

/* -1 with in->err "what: malformed", unless it is set. */
int keep_bad(struct keep_in *in, const char *what);

/* All of a supervisor. keep_all.c */
void keep_save(const struct supervise *sup, struct keep_out *out);
int keep_load(struct supervise *sup, struct keep_in *in, const uint8_t *bytes,
    size_t len);

/*
 * The sections; save appends one value, load reads it. Those of structs that
 * are private to their files are there.
 */
#define KEEP_SECTIONS(X) \
	X(supervisor)    \
	X(limits)        \
	X(cgroups)       \
	X(confs)         \
	X(listeners)     \
	X(sockets)       \
	X(streams)       \
	X(services)      \
	X(groups)        \
	X(generations)   \
	X(quarantines)   \
	X(faults)        \
	X(crashes)       \
	X(roles)         \
	X(control)
#define X(name)                                                         \
	void keep_save_##name(const struct supervise *sup,              \
	    struct keep_out *out);                                      \
	int keep_load_##name(struct supervise *sup, struct keep_in *in, \
	    struct mp_reader *reader);
KEEP_SECTIONS(X)
#undef X

#endif
