/*
 * control: the conversation between the msvc command and the supervisor.
 *
 * RUN_DIR/control.sock is a stream socket, mode 0600. Each message is a
 * 4-byte big-endian length and a MessagePack map. One connection carries one
 * request {"cmd": name, "service": str, "instance": uint (0: all), "args": map
 * (below)}, with a service only where one is meant: what is no name does not
 * stand for all. It is answered by any number of {"progress": text} and one
 * last {"ok": bool, "error": text (if not ok), ...}. The last one of
 *
 *   status  has "status": the object that `msvc -o json status` prints:
 *           {supervisor: {pid, version, config, run_dir, log_dir, since,
 *           state, router: {pid, state, restarts}, logger: {same}, listen:
 *           [address...]}, groups: [{name, strategy, services: [name...]}],
 *           services: [{name, state, type, group, after, wants, requires:
 *           [name...], waits_for, scale, rolled_back, instances: [{index,
 *           state, pid, generation, restarts, since, uptime_ms, last_exit,
 *           reason, health, beside}]}]}; since is Unix seconds, uptime_ms null
 *           or the age of its process, last_exit null or "exit 1", "signal 9";
 *           group is null or a name, and so is waits_for; scale is how many
 *           instances there are to be; rolled_back is null or why, until a
 *           restart or reload succeeds; beside is true for the second process
 *           of an index during a rolling restart; each service also has
 *           schedule: null, or {next, last_start, last_end (Unix seconds or
 *           null), last_result (null or "exited 0"), last_duration_ms, runs,
 *           failures, skipped: counts}. The msvc command adds cpu_ms,
 *           cpu_percent, memory and fds to each instance
 *   reload  has "error": all diagnostics, a line each, when refused; else,
 *           once its rolling restarts are over, "added", "removed",
 *           "restarted", "applied", "kept": counts. With the counts it is not
 *           ok when services were rolled back: "error" has a line for each
 *   plan    has "error" as reload when that would be refused; else "plan": an
 *           array of {section, name (null when there is only one), act:
 *           "stop", "start", "restart", "change" or "keep", keys: names of
 *           those that differ}, and the counts that reload would have
 *   signal  with "args" {"signal": number} has "count": how many processes it
 *           was sent to; not ok when there is none
 *   restart is sent when each has a new process that is ready; not ok has
 *           "error": a line for each that has none, or was rolled back
 *   drain   is sent when nothing is in flight there any more; not ok when
 *           something still is after drain_timeout: it stays drained
 *   undrain is sent when it is ready again
 *   wait    is sent when all enabled instances are ready, or one has failed or
 *           runs into its ready_timeout; not ok has "error": a line for each
 *           that is not ready and why
 *   quarantine  with "args" {"action": "list", "show" or "release", "print":
 *           text}. list has "quarantine": [{print, service, left_ms, method,
 *           target, route, client, body_bytes}]; show (one entry) has the
 *           same in "entry", with "fields": text and, when it was kept and
 *           root asks, "body": hex; release has "count". A print may be
 *           shortened while it means one entry; for release "all" is all
 *   fault   with "args" {"fault": "kill", "stop", "delay", "error" or "none",
 *           "value": ms or status, "percent": uint, "for_ms": uint} has
 *           "count": how many processes or faults it was about
 *
 *   scale   with "args" {"scale": [[service, uint]...]} is sent when those that
 *           were added are ready and those that are too many are gone; not ok
 *           has "error": a line for each that is not, and why
 *   reexec  with "args" {"program": path; none: the one that runs} is sent by
 *           the program that has taken over; not ok has why it was refused
 *
 * stop answers when everything is gone; the supervisor exits after it.
 * A client may close its sending side once it has asked; one that closes all
 * is forgotten, and what it asked for goes on.
 */
#ifndef MSVC_SUPERVISOR_CONTROL_H
#define MSVC_SUPERVISOR_CONTROL_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

enum {
	CONTROL_REQUEST_MAX = 64 * 1024
};

enum control_command {
#define X(NAME, name, args, help) CONTROL_##NAME,
#include "control.def"
#undef X
	CONTROL_COMMAND_COUNT
};

/* "status" and so on. */
const char *control_command_name(enum control_command command);

/* Returns the command of that name, or CONTROL_COMMAND_COUNT. */
enum control_command control_command_find(const char *name, size_t len);

/*
 * The client's side, blocking (the msvc command only).
 *
 * control_connect   returns a connected socket or -1; errno ENOENT or
 *                   ECONNREFUSED means that no supervisor runs there
 * control_connect_now  the same without waiting, for a socket that does not
 *                   block either: errno EAGAIN when many others ask just now
 * control_request   sends one request; service may be NULL, args too: a whole
 *                   MessagePack map
 * control_receive   appends the next message's map to out (cleared first);
 *                   returns 0, or -1 with err on end of file or garbage
 */
int control_connect(const char *run_dir, struct err *err_r);
int control_connect_now(const char *run_dir, struct err *err_r);
int control_request(int sock, enum control_command command, const char *service,
    unsigned instance, const struct buf *args, struct err *err_r);
int control_receive(int sock, struct buf *out, struct err *err_r);

#endif
