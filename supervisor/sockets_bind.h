/*
 * sockets_bind: making the sockets of services, see sockets.h. Each function
 * returns a descriptor or 0, or -1 with err set and nothing left behind.
 */
#ifndef MSVC_SUPERVISOR_SOCKETS_BIND_H
#define MSVC_SUPERVISOR_SOCKETS_BIND_H

struct err;
struct spawn_user;

/*
 * "tcp:HOST:PORT". Of a name with several addresses the first that can be
 * bound is taken; no host is all addresses, IPv6 and IPv4.
 */
int sockets_bind_tcp(const char *text, struct err *err_r);

/*
 * A socket at path, which only we may connect to yet. A socket that is there
 * already is replaced when nobody listens on it and it is ours or user's.
 */
int sockets_bind_unix(const char *path, const struct spawn_user *user,
    struct err *err_r);

int sockets_listen(int sock, const char *text, struct err *err_r);

#endif
