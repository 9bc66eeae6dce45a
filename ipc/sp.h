/*
 * sp: the bytes of the nanomsg Scalability Protocols, as nng speaks them.
 *
 * Sources: nanomsg RFCs sp-tcp-mapping-01, sp-request-reply-01 and
 * sp-publish-subscribe; nng's ipc transport puts one byte 0x01 before the
 * length. Pure codec, no I/O.
 */
#ifndef MSVC_IPC_SP_H
#define MSVC_IPC_SP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sp_protocol {
	SP_NONE = 0,
	SP_PUB = 0x20,
	SP_SUB = 0x21,
	SP_REQ = 0x30,
	SP_REP = 0x31
};

enum sp_transport {
	SP_IPC,
	SP_TCP
};

enum {
	SP_HANDSHAKE_LEN = 8,
	SP_PREFIX_MAX = 9,  /* bytes before a message: ipc 9, tcp 8 */
	SP_HEADER_MAX = 36, /* REQ/REP: 8 hops and the request id */
};

/* What a REP must send back in front of its reply, taken from the request. */
struct sp_header {
	uint8_t data[SP_HEADER_MAX];
	uint8_t len; /* 4 to SP_HEADER_MAX, a multiple of 4 */
};

void sp_handshake_encode(enum sp_protocol protocol,
    uint8_t out[SP_HANDSHAKE_LEN]);

/* Returns the sender's protocol number, or SP_NONE when these are not SP. */
unsigned sp_handshake_decode(const uint8_t in[SP_HANDSHAKE_LEN]);

/* The protocol that talks to this one: REQ and REP, PUB and SUB. */
enum sp_protocol sp_protocol_peer(unsigned protocol);

/* "REQ" and so on; "unknown" for other numbers. */
const char *sp_protocol_name(unsigned protocol);

size_t sp_prefix_len(enum sp_transport transport);

/* Writes sp_prefix_len() bytes. */
void sp_prefix_encode(enum sp_transport transport, uint64_t len, uint8_t *out);

/* Reads sp_prefix_len() bytes. Returns 0 and the message length, or -1 when the
 * bytes are no prefix. */
int sp_prefix_decode(enum sp_transport transport, const uint8_t *in,
    uint64_t *len_r);

/*
 * Split a REQ/REP message into header (up to and with the first word whose
 * high bit is set) and body. Returns the header's length, or -1 when there is
 * none within SP_HEADER_MAX bytes.
 */
int sp_header_split(const uint8_t *data, size_t len,
    struct sp_header *header_r);

/* A header of one word, id | 0x80000000. */
void sp_header_init(struct sp_header *header, uint32_t id);

/* The last word of a header without its high bit. */
uint32_t sp_header_id(const struct sp_header *header);

#endif
