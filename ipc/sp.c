#include "sp.h"

#include <string.h>

static const uint8_t sp_magic[4] = { 0x00, 'S', 'P', 0x00 };

enum {
	SP_IPC_DATA = 0x01, /* the only message type nng's ipc transport has */
	SP_WORD_LEN = 4
};

void
sp_handshake_encode(enum sp_protocol protocol, uint8_t out[SP_HANDSHAKE_LEN])
{
	memcpy(out, sp_magic, sizeof(sp_magic));
	out[4] = (uint8_t)((unsigned)protocol >> 8);
	out[5] = (uint8_t)protocol;
	out[6] = 0;
	out[7] = 0;
}

unsigned
sp_handshake_decode(const uint8_t in[SP_HANDSHAKE_LEN])
{
	if (memcmp(in, sp_magic, sizeof(sp_magic)) != 0)
		return SP_NONE;
	if (in[6] != 0 || in[7] != 0)
		return SP_NONE;
	return (unsigned)in[4] << 8 | in[5];
}

enum sp_protocol
sp_protocol_peer(unsigned protocol)
{
	switch (protocol) {
	case SP_PUB:
		return SP_SUB;
	case SP_SUB:
		return SP_PUB;
	case SP_REQ:
		return SP_REP;
	case SP_REP:
		return SP_REQ;
	default:
		return SP_NONE;
	}
}

const char *
sp_protocol_name(unsigned protocol)
{
	switch (protocol) {
	case SP_PUB:
		return "PUB";
	case SP_SUB:
		return "SUB";
	case SP_REQ:
		return "REQ";
	case SP_REP:
		return "REP";
	default:
		return "unknown";
	}
}

size_t
sp_prefix_len(enum sp_transport transport)
{
	return transport == SP_IPC ? 9 : 8;
}

void
sp_prefix_encode(enum sp_transport transport, uint64_t len, uint8_t *out)
{
	if (transport == SP_IPC)
		*out++ = SP_IPC_DATA;
	for (int shift = 56; shift >= 0; shift -= 8)
		*out++ = (uint8_t)(len >> shift);
}

int
sp_prefix_decode(enum sp_transport transport, const uint8_t *in,
    uint64_t *len_r)
{
	uint64_t len = 0;

	if (transport == SP_IPC && *in++ != SP_IPC_DATA)
		return -1;
	for (size_t i = 0; i < 8; i++)
		len = len << 8 | in[i];
	*len_r = len;
	return 0;
}

int
sp_header_split(const uint8_t *data, size_t len, struct sp_header *header_r)
{
	for (size_t at = 0; at < SP_HEADER_MAX; at += SP_WORD_LEN) {
		if (len - at < SP_WORD_LEN)
			return -1;
		if ((data[at] & 0x80) == 0)
			continue;
		header_r->len = (uint8_t)(at + SP_WORD_LEN);
		memcpy(header_r->data, data, header_r->len);
		return header_r->len;
	}
	return -1;
}

void
sp_header_init(struct sp_header *header, uint32_t id)
{
	id |= 0x80000000u;
	for (size_t i = 0; i < SP_WORD_LEN; i++)
		header->data[i] = (uint8_t)(id >> (24 - 8 * i));
	header->len = SP_WORD_LEN;
}

uint32_t
sp_header_id(const struct sp_header *header)
{
	const uint8_t *word = header->data + header->len - SP_WORD_LEN;

	return ((uint32_t)word[0] << 24 | (uint32_t)word[1] << 16 |
		   (uint32_t)word[2] << 8 | word[3]) &
	       0x7fffffffu;
}
