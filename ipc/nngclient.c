#include "nngclient.h"

#include <stdbool.h>
#include <string.h>

#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/util/platform.h>

#include "buf.h"
#include "err.h"

enum {
	FLUSH_POLL_MS = 1,
	FLUSH_BLIND_MS = 200, /* when nng was built without statistics */
	RECONNECT_MAX_MS = 1000
};

static enum nngclient_result
client_failed(const char *url, int rv, struct err *err_r)
{
	err_set(err_r, "%s: %s", url, nng_strerror(rv));
	return NNGCLIENT_FAILED;
}

static enum nngclient_result
client_dial(nng_socket socket, const char *url, struct err *err_r)
{
	int rv;

	if ((rv = nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ,
		 NNGCLIENT_MESSAGE_MAX)) != 0 ||
	    (rv = nng_socket_set_ms(socket, NNG_OPT_RECONNMAXT,
		 RECONNECT_MAX_MS)) != 0)
		return client_failed(url, rv, err_r);
	rv = nng_dial(socket, url, NULL, 0);
	if (rv == 0)
		return NNGCLIENT_OK;
	(void)client_failed(url, rv, err_r);
	return rv == NNG_ECONNREFUSED || rv == NNG_ENOENT ? NNGCLIENT_ABSENT
							  : NNGCLIENT_FAILED;
}

static int
call_exchange(nng_socket socket, const void *data, size_t len, int timeout_ms,
    struct buf *reply)
{
	nng_msg *msg;
	int rv;

	if ((rv = nng_socket_set_ms(socket, NNG_OPT_SENDTIMEO, timeout_ms)) !=
		0 ||
	    (rv = nng_socket_set_ms(socket, NNG_OPT_RECVTIMEO, timeout_ms)) !=
		0 ||
	    (rv = nng_send(socket, (void *)(uintptr_t)data, len, 0)) != 0 ||
	    (rv = nng_recvmsg(socket, &msg, 0)) != 0)
		return rv;
	buf_append(reply, nng_msg_body(msg), nng_msg_len(msg));
	nng_msg_free(msg);
	return reply->is_failed ? NNG_ENOMEM : 0;
}

enum nngclient_result
nngclient_call(const char *url, const void *data, size_t len, int timeout_ms,
    struct buf *reply, struct err *err_r)
{
	enum nngclient_result result;
	nng_socket socket;
	int rv = nng_req0_open(&socket);

	if (rv != 0)
		return client_failed(url, rv, err_r);
	/* By default REQ sends again when the peer dies or after a minute. */
	rv = nng_socket_set_ms(socket, NNG_OPT_REQ_RESENDTIME,
	    NNG_DURATION_INFINITE);
	result = rv == 0 ? client_dial(socket, url, err_r)
			 : client_failed(url, rv, err_r);
	if (result == NNGCLIENT_OK) {
		rv = call_exchange(socket, data, len, timeout_ms, reply);
		if (rv != 0)
			result = client_failed(url, rv, err_r);
	}
	(void)nng_close(socket);
	return result;
}

/* The sum of tx_msgs of all pipes below a node, or -1 without any. */
static int64_t
stat_sent(nng_stat *stat)
{
	int64_t sum = -1, sent;

	if (strcmp(nng_stat_name(stat), "tx_msgs") == 0)
		return (int64_t)nng_stat_value(stat);
	for (stat = nng_stat_child(stat); stat != NULL;
	     stat = nng_stat_next(stat)) {
		if (strcmp(nng_stat_name(stat), "socket") == 0 ||
		    strcmp(nng_stat_name(stat), "pipe") == 0 ||
		    strcmp(nng_stat_name(stat), "tx_msgs") == 0) {
			sent = stat_sent(stat);
			if (sent >= 0)
				sum = (sum < 0 ? 0 : sum) + sent;
		}
	}
	return sum;
}

/*
 * PUB hands a message to its pipes and forgets it, and closing the socket
 * drops what a pipe has not written. Its statistics tell when it is out.
 */
static int
publish_flush(int timeout_ms)
{
	for (int waited_ms = 0; waited_ms <= timeout_ms;
	     waited_ms += FLUSH_POLL_MS) {
		nng_stat *stats;
		int64_t sent;

		if (nng_stats_get(&stats) != 0) {
			nng_msleep(FLUSH_BLIND_MS);
			return 0;
		}
		sent = stat_sent(stats);
		nng_stats_free(stats);
		if (sent > 0)
			return 0;
		nng_msleep(FLUSH_POLL_MS);
	}
	return NNG_ETIMEDOUT;
}

enum nngclient_result
nngclient_publish(const char *url, const void *data, size_t len, int timeout_ms,
    struct err *err_r)
{
	enum nngclient_result result;
	nng_socket socket;
	int rv = nng_pub0_open(&socket);

	if (rv != 0)
		return client_failed(url, rv, err_r);
	result = client_dial(socket, url, err_r);
	if (result == NNGCLIENT_OK) {
		rv = nng_send(socket, (void *)(uintptr_t)data, len, 0);
		if (rv == 0)
			rv = publish_flush(timeout_ms);
		if (rv != 0)
			result = client_failed(url, rv, err_r);
	}
	(void)nng_close(socket);
	return result;
}

static int
subscribe_receive(nng_socket socket,
    int (*fn)(void *arg, const uint8_t *data, size_t len), void *arg)
{
	nng_msg *msg;
	int rv, verdict = 0;

	while (verdict == 0) {
		if ((rv = nng_recvmsg(socket, &msg, 0)) != 0)
			return rv;
		verdict = fn(arg, nng_msg_body(msg), nng_msg_len(msg));
		nng_msg_free(msg);
	}
	return 0;
}

enum nngclient_result
nngclient_subscribe(const char *url, const char *prefix,
    int (*fn)(void *arg, const uint8_t *data, size_t len), void *arg,
    struct err *err_r)
{
	enum nngclient_result result;
	nng_socket socket;
	int rv = nng_sub0_open(&socket);

	if (rv != 0)
		return client_failed(url, rv, err_r);
	rv = nng_socket_set(socket, NNG_OPT_SUB_SUBSCRIBE, prefix,
	    strlen(prefix));
	result = rv == 0 ? client_dial(socket, url, err_r)
			 : client_failed(url, rv, err_r);
	if (result == NNGCLIENT_OK) {
		rv = subscribe_receive(socket, fn, arg);
		if (rv != 0)
			result = client_failed(url, rv, err_r);
	}
	(void)nng_close(socket);
	return result;
}
