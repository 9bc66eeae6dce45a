/*
 * instance_command: a command beside an instance, as if it were one.
 */
#ifndef MSVC_SUPERVISOR_INSTANCE_COMMAND_H
#define MSVC_SUPERVISOR_INSTANCE_COMMAND_H

struct instance;
struct probe;

/*
 * Begin a probe whose command runs as the instance does: with its user,
 * environment and directory, and its output in the service's log.
 *
 * argv      ends with NULL; not kept
 * out_fdp   where it writes, opened when it is -1; the caller's
 * probe     its done() may be called before this returns
 */
void instance_command(struct instance *inst, char *const *argv, int *out_fdp,
    struct probe *probe);

#endif
