/*
 * plain_nng: a service with libnng and msgpack-c alone, without libmsvc. Any
 * language that has the two can do the same. It does not say READY=1: msvc
 * sees for itself when the SP handshake succeeds.
 */
#include <stdio.h>
#include <stdlib.h>

#include <msgpack.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>

enum {
	MESSAGE_MAX = 1024 * 1024
};

static int
append(void *message, const char *bytes, size_t len)
{
	return nng_msg_append(message, bytes, len);
}

/*
 * Unpack the item at *offset when it is of this type. Maps and arrays are
 * left alone: a few forged bytes make msgpack-c reserve gigabytes for one.
 */
static bool
get(nng_msg *message, size_t *offset, msgpack_object_type type,
    msgpack_unpacked *item_r)
{
	const unsigned char *bytes = nng_msg_body(message);
	size_t len = nng_msg_len(message);

	if (*offset >= len || (bytes[*offset] & 0xe0) == 0x80 ||
	    (bytes[*offset] & 0xfc) == 0xdc)
		return false;
	return msgpack_unpack_next(item_r, (const char *)bytes, len, offset) ==
		   MSGPACK_UNPACK_SUCCESS &&
	       item_r->data.type == type;
}

/* Answer [1, id, 200, {}, {"from": "plain nng", "op": op}]. */
static void
answer(nng_socket socket, const msgpack_object *id, const msgpack_object *op)
{
	msgpack_packer packer;
	nng_msg *reply;

	if (nng_msg_alloc(&reply, 0) != 0)
		return;
	msgpack_packer_init(&packer, reply, append);
	(void)msgpack_pack_array(&packer, 5);
	(void)msgpack_pack_int(&packer, 1);
	(void)msgpack_pack_object(&packer, *id);
	(void)msgpack_pack_int(&packer, 200);
	(void)msgpack_pack_map(&packer, 0);
	(void)msgpack_pack_map(&packer, 2);
	(void)msgpack_pack_str_with_body(&packer, "from", 4);
	(void)msgpack_pack_str_with_body(&packer, "plain nng", 9);
	(void)msgpack_pack_str_with_body(&packer, "op", 2);
	(void)msgpack_pack_object(&packer, *op);
	if (nng_sendmsg(socket, reply, 0) != 0)
		nng_msg_free(reply);
}

/* A request is [0, id, op, meta, payload]; others get no answer. */
static void
serve(nng_socket socket, nng_msg *message)
{
	const unsigned char *bytes = nng_msg_body(message);
	size_t offset = 2; /* behind the array's head and the kind */
	msgpack_unpacked id, op;

	msgpack_unpacked_init(&id);
	msgpack_unpacked_init(&op);
	if (nng_msg_len(message) > 2 && bytes[0] == 0x95 && bytes[1] == 0 &&
	    get(message, &offset, MSGPACK_OBJECT_POSITIVE_INTEGER, &id) &&
	    get(message, &offset, MSGPACK_OBJECT_STR, &op))
		answer(socket, &id.data, &op.data);
	msgpack_unpacked_destroy(&id);
	msgpack_unpacked_destroy(&op);
}

int
main(void)
{
	const char *url = getenv("MSVC_LISTEN");
	nng_socket socket;
	nng_msg *message;

	if (url == NULL || nng_rep0_open(&socket) != 0 ||
	    nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, MESSAGE_MAX) != 0 ||
	    nng_listen(socket, url, NULL, 0) != 0)
		return fprintf(stderr, "cannot listen on MSVC_LISTEN\n"), 1;
	for (; nng_recvmsg(socket, &message, 0) == 0; nng_msg_free(message))
		serve(socket, message);
	return 1;
}
