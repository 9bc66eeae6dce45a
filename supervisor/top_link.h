/*
 * top_link: one request to the supervisor that never makes its asker wait.
 */
#ifndef MSVC_SUPERVISOR_TOP_LINK_H
#define MSVC_SUPERVISOR_TOP_LINK_H

#include <stdint.h>

#include "control.h"
#include "ipc/buf.h"

struct err;

struct top_link {
	int fd; /* owned; -1: nothing is asked */
	struct buf in;
};

void top_link_init(struct top_link *link);

/* Forget what was asked; it may go on. */
void top_link_close(struct top_link *link);
void top_link_fini(struct top_link *link);

/*
 * Ask. service may be NULL. Returns 0; or -1 with err set, errno EAGAIN when
 * the supervisor is too busy to take a connection just now, ENOENT or
 * ECONNREFUSED when there is none.
 */
int top_link_ask(struct top_link *link, const char *run_dir,
    enum control_command command, const char *service, unsigned instance,
    struct err *err_r);

/*
 * Read what is there, when fd is readable. Returns 1 with the last message in
 * answer, and the link closed; 0 when there is more to come; -1 with err set
 * and the link closed when the supervisor is gone or talks nonsense.
 */
int top_link_read(struct top_link *link, struct buf *answer, struct err *err_r);

#endif
