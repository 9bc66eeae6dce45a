/*
 * media: media types and what a client would rather have (RFC 9110 12.5.1).
 *
 * Pure; any bytes are safe.
 */
#ifndef MSVC_ROUTER_MEDIA_H
#define MSVC_ROUTER_MEDIA_H

#include <stdbool.h>
#include <stddef.h>

enum media {
	MEDIA_OTHER,
	MEDIA_JSON,   /* application/json, anything "+json" */
	MEDIA_MSGPACK /* application/msgpack, x-msgpack, vnd.msgpack */
};

/* The kind of a Content-Type value; parameters are ignored. */
enum media media_kind(const char *type, size_t len);

/*
 * Would the sender of this Accept value rather have MessagePack than JSON?
 * Each gets the q of the most specific range that covers it; a tie is JSON.
 */
bool media_wants_msgpack(const char *accept, size_t len);

#endif
