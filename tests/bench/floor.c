/*
 * floor: what HTTP over TCP costs here with nothing behind it.
 *
 * One epoll loop that answers whatever one read brings with constant bytes,
 * as long as what msvc sends for the echo sample's /hello: no parsing, no
 * routing, no service. No gateway with one loop can be faster than this, so it
 * shows how much of a result is the machine. usage: floor HOST PORT
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static const char answer[] =
    "HTTP/1.1 200 OK\r\n"
    "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    "X-Request-Id: 00000000000000000000000000000000\r\n"
    "Content-Type: application/json\r\n"
    "Content-Length: 60\r\n"
    "\r\n"
    "{\"message\":\"hello\",\"from\":\"one small service behind a door\"}";

static int
listen_at(const char *host, const char *port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)strtoul(port, NULL, 10)) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (fd == -1 || inet_pton(AF_INET, host, &addr.sin_addr) != 1 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1 ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == -1 ||
	    listen(fd, SOMAXCONN) == -1) {
		perror("floor");
		exit(1);
	}
	return fd;
}

static void
take(int epoll, int listener)
{
	struct epoll_event event = { .events = EPOLLIN };
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), on = 1;

	if (fd == -1)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	event.data.fd = fd;
	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void
serve(int fd)
{
	char bytes[65536];

	if (recv(fd, bytes, sizeof(bytes), 0) <= 0 ||
	    send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL) == -1)
		close(fd);
}

int
main(int argc, char **argv)
{
	struct epoll_event events[256];
	struct epoll_event event = { .events = EPOLLIN };
	int epoll, listener;

	if (argc != 3) {
		fputs("usage: floor HOST PORT\n", stderr);
		return 2;
	}
	listener = listen_at(argv[1], argv[2]);
	epoll = epoll_create1(0);
	event.data.fd = listener;
	epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
	for (;;) {
		int count = epoll_wait(epoll, events, 256, -1);

		for (int i = 0; i < count; i++) {
			if (events[i].data.fd == listener)
				take(epoll, listener);
			else
				serve(events[i].data.fd);
		}
	}
}
