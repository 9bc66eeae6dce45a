/*
 * The process that restart.py kills, and the floor it compares with.
 *
 *   restart child PATH      send pid and time to the datagram socket, stay
 *   restart floor PATH N    do to such a child what a supervisor does, N times:
 *                           kill, wait, fork, exec; nothing else
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t
clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int
child(const char *path)
{
	int64_t word[2] = { getpid(), clock_ns() };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_DGRAM, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (sock < 0 || sendto(sock, word, sizeof(word), 0,
			    (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return 1;
	for (;;)
		pause();
}

static int
floor_of(const char *path, int rounds)
{
	char program[4096];
	ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);
	char go[1];
	pid_t pid = 0;

	if (len < 0)
		return 1;
	program[len] = '\0';
	/* A byte on standard input asks for the next round. */
	for (int i = 0; i < rounds && read(STDIN_FILENO, go, 1) == 1; i++) {
		if (pid > 0)
			(void)waitpid(pid, NULL, 0);
		pid = fork();
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			execl(program, program, "child", path, (char *)NULL);
			_exit(127);
		}
	}
	/* The last one ends with us. */
	(void)!read(STDIN_FILENO, go, 1);
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "child") == 0)
		return child(argv[2]);
	if (argc == 4 && strcmp(argv[1], "floor") == 0)
		return floor_of(argv[2], atoi(argv[3]));
	fprintf(stderr, "usage: restart child PATH | floor PATH N\n");
	return 2;
}
