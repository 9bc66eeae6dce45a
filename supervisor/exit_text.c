#include "exit_text.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

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
