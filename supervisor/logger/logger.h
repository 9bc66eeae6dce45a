/*
 * logger: pipes in, log files (and the console) out, on one event loop.
 *
 * The lifeline (ipc/lifeline.h) brings the pipes and the settings and takes
 * back the news that a pipe has ended. It also brings crash bundles, which are
 * written here since it is here that files are. The logger is done when the
 * supervisor says STOP, after writing what is in the pipes; or when the
 * supervisor is gone and all pipes have ended, or LOGGER_LINGER_US is over.
 */
#ifndef MSVC_SUPERVISOR_LOGGER_LOGGER_H
#define MSVC_SUPERVISOR_LOGGER_LOGGER_H

struct err;
struct logger;
struct loop;

enum {
	LOGGER_LINGER_US = 1000 * 1000
};

/*
 * lifeline   the socket to the supervisor; borrowed
 * console    where lines go when LOG asks for it; borrowed (1, but in tests)
 *
 * Returns NULL with err_r set. The logger stops the loop when it is done.
 */
struct logger *logger_new(struct loop *loop, int lifeline, int console,
    struct err *err_r);

void logger_free(struct logger **loggerp);

#endif
