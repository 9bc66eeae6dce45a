/*
 * mp_text: text of unknown origin as a MessagePack string that JSON can hold.
 *
 * Lines of a log and what clients have sent need not be UTF-8; json_from_mp()
 * takes nothing else.
 */
#ifndef MSVC_IPC_MP_TEXT_H
#define MSVC_IPC_MP_TEXT_H

#include <stddef.h>

struct buf;

/*
 * Append a str with at most max bytes of text, each byte that is not UTF-8
 * written as \xNN. Longer text is cut between characters and ends in "...".
 */
void mp_put_text(struct buf *buf, const char *text, size_t len, size_t max);

#endif
