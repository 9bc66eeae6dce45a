/*
 * nngwire: a wire whose other end is reached through libnng.
 *
 * For url = services on other machines (tcp://, tls+tcp://, ws://, wss://,
 * ipc://). A raw REQ socket with one dialer that reconnects by itself with
 * backoff; messages cross between nng's threads and the loop by loop_post().
 * The queue bound counts bytes handed to nng and not yet taken. RECVMAXSZ is
 * always set; a raw socket never re-sends.
 *
 * down() is called when the connection is lost; the owner frees the wire and
 * makes a new one when it wants to dial again.
 */
#ifndef MSVC_IPC_NNGWIRE_H
#define MSVC_IPC_NNGWIRE_H

struct err;
struct loop;
struct wire;
struct wire_handler;
struct wire_limits;

struct wire *nngwire_new(struct loop *loop, const char *url,
    const struct wire_limits *limits, const struct wire_handler *handler,
    void *arg, struct err *err_r);

#endif
