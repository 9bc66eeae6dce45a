#include "exit_text.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "ipc/lifeline.h"

void
exit_text(int status, char *text)
{
	int signum = WTERMSIG(status);

	if (WIFEXITED(status))
		snprintf(text, EXIT_TEXT_MAX, "exited %d", WEXITSTATUS(status));
	else
		snprintf(text, EXIT_TEXT_MAX, "killed by signal %d (%s)%s",
		    signum, strsignal(signum),
		    WCOREDUMP(status) ? ", core dumped" : "");
}

void
exit_text_short(int status, char *text)
{
	if (WIFEXITED(status))
		snprintf(text, EXIT_TEXT_MAX, "exit %d", WEXITSTATUS(status));
	else
		snprintf(text, EXIT_TEXT_MAX, "signal %d", WTERMSIG(status));
}

bool
exit_is_success(int status, const uint8_t codes[32])
{
	unsigned code;

	if (!WIFEXITED(status))
		return false;
	code = (unsigned)WEXITSTATUS(status) & 0xff;
	return (codes[code / 8] >> (code % 8) & 1) != 0;
}

/* What a program does to itself, unlike SIGKILL or SIGTERM. */
static bool
exit_is_own_signal(int signum)
{
	static const int own[] = { SIGSEGV, SIGABRT, SIGBUS, SIGILL, SIGFPE,
		SIGSYS, SIGTRAP };

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		if (own[i] == signum)
			return true;
	}
	return false;
}

unsigned
exit_death(int status, const uint8_t codes[32], bool was_ready, bool is_asked,
    bool is_hung)
{
	if (is_hung)
		return DEATH_SUSPECT;
	if (!was_ready || is_asked)
		return DEATH_OTHER;
	if (WIFEXITED(status))
		return WEXITSTATUS(status) == 0 ||
			       exit_is_success(status, codes)
			   ? DEATH_OTHER
			   : DEATH_SUSPECT;
	return exit_is_own_signal(WTERMSIG(status)) ? DEATH_SUSPECT
						    : DEATH_OTHER;
}
