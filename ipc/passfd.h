/*
 * passfd: a descriptor that travels beside the bytes of a unix socket, as
 * unix(7) says of SCM_RIGHTS. For wire_sock.c, which owns one of each socket.
 */
#ifndef MSVC_IPC_PASSFD_H
#define MSVC_IPC_PASSFD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct passfd {
	int in;  /* owned; came, and waits to be taken; or -1 */
	int out; /* owned; goes along with a byte of the stream; or -1 */
	uint64_t out_at; /* that byte, counted from the first one sent */
};

void passfd_init(struct passfd *passfd);
void passfd_fini(struct passfd *passfd); /* closes what is left */

/*
 * As send() of bytes that stand at this place of the stream, never blocking,
 * with the descriptor when its turn has come; bytes behind its place wait for
 * it. When the kernel refuses to carry it, the bytes go without.
 */
ssize_t passfd_send(struct passfd *passfd, int sock, uint64_t at,
    const void *data, size_t len);

/*
 * As recv(), never blocking. The first descriptor that ever comes is kept, all
 * others are closed.
 */
ssize_t passfd_recv(struct passfd *passfd, int sock, void *data, size_t len);

/* Take what came (-1: nothing), which is the caller's then; or close it. */
int passfd_take(struct passfd *passfd);
void passfd_drop_in(struct passfd *passfd);

#endif
