#include "probe_http.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

char *
probe_http_request(const char *host, const char *port, const char *path)
{
	bool is_v6 = strchr(host, ':') != NULL;
	char *request;

	/* The zone of an IPv6 address means nothing to the other side. */
	if (asprintf(&request,
		"GET %s HTTP/1.1\r\nHost: %s%.*s%s:%s\r\n"
		"User-Agent: msvc\r\nAccept: */*\r\nConnection: close\r\n\r\n",
		path, is_v6 ? "[" : "", (int)strcspn(host, "%"), host,
		is_v6 ? "]" : "", port) < 0)
		return NULL;
	return request;
}

int
probe_http_status(const char *bytes, size_t len)
{
	/* 0 stands for a digit; what may be behind the status is at the end. */
	static const char form[] = "HTTP/1.0 000";
	size_t form_len = sizeof(form) - 1;
	int status = 0;

	for (size_t i = 0; i < len && i < form_len; i++) {
		if (form[i] != '0' && bytes[i] != form[i])
			return -1;
		if (form[i] == '0' && (bytes[i] < '0' || bytes[i] > '9'))
			return -1;
		status = form[i] == '0' ? status * 10 + (bytes[i] - '0') : 0;
	}
	if (len <= form_len)
		return 0;
	if (strchr(" \r\n", bytes[form_len]) == NULL ||
	    bytes[form_len] == '\0' || status < 100 || status > 599)
		return -1;
	return status;
}
