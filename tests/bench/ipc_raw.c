/* Bare 64-byte messages on a unix stream socket: what the kernel allows. */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ipc.h"

static struct sockaddr_un
address_of(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	return address;
}

static void
write_all(int fd, const uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t count = write(fd, data, len);

		if (count <= 0)
			bench_fail("write");
		data += count;
		len -= (size_t)count;
	}
}

static void
raw_serve(const char *path)
{
	struct sockaddr_un address = address_of(path);
	static uint8_t data[64 * 1024];
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd;
	ssize_t count;

	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 1) < 0)
		bench_fail("listen");
	fd = accept(listener, NULL, NULL);
	while ((count = read(fd, data, sizeof(data))) > 0)
		write_all(fd, data, (size_t)count);
}

static void
raw_ask(const char *path, struct bench_run *run)
{
	struct sockaddr_un address = address_of(path);
	static uint8_t data[BENCH_DEPTH_MAX * BENCH_BODY_LEN];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	size_t whole = run->depth, part = 0;
	unsigned sent = 0, received = 0;
	ssize_t count;

	while (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		usleep(1000);
	bench_start(run);
	for (;;) {
		for (size_t i = 0; i < whole; i++)
			bench_sent(run, sent++ % run->depth);
		write_all(fd, data, whole * BENCH_BODY_LEN);
		count = read(fd, data, sizeof(data));
		if (count <= 0)
			bench_fail("read");
		part += (size_t)count;
		whole = part / BENCH_BODY_LEN;
		part %= BENCH_BODY_LEN;
		for (size_t i = 0; i < whole; i++) {
			if (!bench_received(run, received++ % run->depth))
				return;
		}
	}
}

const struct bench_means bench_raw = { "raw", raw_serve, raw_ask };
