/*
 * nngclient: the three things a plain nng program does with the router, each
 * as one blocking call: ask, publish, subscribe. For msvc-nng; not for a loop.
 */
#ifndef MSVC_IPC_NNGCLIENT_H
#define MSVC_IPC_NNGCLIENT_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

enum nngclient_result {
	NNGCLIENT_OK,
	NNGCLIENT_FAILED, /* refused, timed out, broken off */
	NNGCLIENT_ABSENT  /* nobody listens at the URL */
};

enum {
	NNGCLIENT_MESSAGE_MAX = 64 * 1024 * 1024
};

/*
 * Send one REQ message and wait for its reply, which is appended to reply. It
 * is never sent twice.
 */
enum nngclient_result nngclient_call(const char *url, const void *data,
    size_t len, int timeout_ms, struct buf *reply, struct err *err_r);

/* Send one PUB message; returns when the kernel has taken it. */
enum nngclient_result nngclient_publish(const char *url, const void *data,
    size_t len, int timeout_ms, struct err *err_r);

/*
 * Subscribe by prefix and call fn with each message until it returns other
 * than 0. Reconnects when the listener goes away for a while.
 */
enum nngclient_result nngclient_subscribe(const char *url, const char *prefix,
    int (*fn)(void *arg, const uint8_t *data, size_t len), void *arg,
    struct err *err_r);

#endif
