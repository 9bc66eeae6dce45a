/* ZeroMQ DEALER/ROUTER. */
#include <stdio.h>
#include <string.h>

#include <zmq.h>

#include "ipc.h"

static void *
socket_open(int type)
{
	void *socket = zmq_socket(zmq_ctx_new(), type);
	int no_limit = 0;

	if (socket == NULL)
		bench_fail("zmq_socket");
	zmq_setsockopt(socket, ZMQ_SNDHWM, &no_limit, sizeof(no_limit));
	zmq_setsockopt(socket, ZMQ_RCVHWM, &no_limit, sizeof(no_limit));
	return socket;
}

static void
zmq_serve(const char *path)
{
	void *socket = socket_open(ZMQ_ROUTER);
	char url[128], peer[256], body[BENCH_BODY_LEN];

	snprintf(url, sizeof(url), "ipc://%s", path);
	if (zmq_bind(socket, url) < 0)
		bench_fail("zmq_bind");
	for (;;) {
		int peer_len = zmq_recv(socket, peer, sizeof(peer), 0);
		int len = zmq_recv(socket, body, sizeof(body), 0);

		if (peer_len < 0 || len < 0)
			bench_fail("zmq_recv");
		zmq_send(socket, peer, (size_t)peer_len, ZMQ_SNDMORE);
		zmq_send(socket, body, (size_t)len, 0);
	}
}

static void
ask_one(void *socket, struct bench_run *run, unsigned slot)
{
	char body[BENCH_BODY_LEN] = { 0 };

	memcpy(body, &slot, sizeof(slot));
	bench_sent(run, slot);
	if (zmq_send(socket, body, sizeof(body), 0) < 0)
		bench_fail("zmq_send");
}

static void
zmq_ask(const char *path, struct bench_run *run)
{
	void *socket = socket_open(ZMQ_DEALER);
	char url[128], body[BENCH_BODY_LEN];
	unsigned slot;

	snprintf(url, sizeof(url), "ipc://%s", path);
	if (zmq_connect(socket, url) < 0)
		bench_fail("zmq_connect");
	/* The connection is made with the first exchange, off the clock. */
	ask_one(socket, run, 0);
	zmq_recv(socket, body, sizeof(body), 0);
	bench_start(run);
	for (slot = 0; slot < run->depth; slot++)
		ask_one(socket, run, slot);
	for (;;) {
		if (zmq_recv(socket, body, sizeof(body), 0) < 0)
			bench_fail("zmq_recv");
		memcpy(&slot, body, sizeof(slot));
		if (!bench_received(run, slot))
			return;
		ask_one(socket, run, slot);
	}
}

const struct bench_means bench_zmq = { "zmq", zmq_serve, zmq_ask };
