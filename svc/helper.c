#include "svc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ipc/log.h"

enum {
	LINE_MAX_LEN = 2048
};

const char *
svc_option(int argc, char **argv, const char *name)
{
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return argv[i + 1];
	return NULL;
}

#define LOG_FUNCTION(name, log_fn)                            \
	void name(const char *fmt, ...)                       \
	{                                                     \
		char line[LINE_MAX_LEN];                      \
		va_list ap;                                   \
                                                              \
		va_start(ap, fmt);                            \
		(void)vsnprintf(line, sizeof(line), fmt, ap); \
		va_end(ap);                                   \
		log_fn("%s", line);                           \
	}

LOG_FUNCTION(svc_log_info, log_info)
LOG_FUNCTION(svc_log_warn, log_warnx)
LOG_FUNCTION(svc_log_error, log_errorx)
