/*
 * access: one line for each answered request.
 *
 * Text:
 *   TIME CLIENT "METHOD TARGET PROTOCOL" STATUS BYTES TOTAL_MS SERVICE_MS
 *   SERVICE/INSTANCE REQUEST_ID
 * and, when the router's own answer tells of a failure or another answer is in
 * its place, also CAUSE "DETAIL", whatever of it the client was told.
 * Or a JSON object with the same names in lower case. Whatever a client can
 * choose is escaped, so that no request can forge a line or a field.
 */
#ifndef MSVC_ROUTER_ACCESS_H
#define MSVC_ROUTER_ACCESS_H

#include <stddef.h>
#include <stdint.h>

struct access_log;
struct buf;
struct err;
struct loop;

enum {
	ACCESS_TARGET_MAX = 512, /* bytes of a target that are shown */
	ACCESS_DETAIL_MAX = 160, /* and of a detail */
	ACCESS_LINE_MAX = 4096   /* PIPE_BUF: such writes never mix */
};

struct access_line {
	int64_t time_us; /* since 1970, when the answer was complete */
	const char *client;
	const char *method; /* NULL when the request line was not understood */
	size_t method_len;
	const char *path;
	size_t path_len;
	const char *query;
	size_t query_len;
	const char *protocol; /* "HTTP/1.1", "HTTP/1.0", "SP" */
	unsigned status;
	uint64_t bytes;      /* of the body */
	int64_t total_us;    /* from the head's last byte to the answer */
	int64_t service_us;  /* -1: no service answered */
	const char *service; /* NULL: none was involved */
	unsigned instance;   /* 0: none was reached */
	const char *request_id;
	size_t request_id_len;
	const char *cause; /* of a failure, else NULL; as in problem.h */
	const char *detail;
};

/* Append the line with its newline, at most ACCESS_LINE_MAX bytes. Pure. */
void access_put_text(struct buf *buf, const struct access_line *line);
void access_put_json(struct buf *buf, const struct access_line *line);

/*
 * A worker's buffer in front of fd, which must be non-blocking. Lines leave
 * in writes of whole lines: at the end of a turn that made many, else within
 * 200 ms. What does not fit into a full pipe is dropped and counted.
 */
struct access_log *access_log_new(struct loop *loop, int fd);
void access_log_free(struct access_log **logp); /* flushes first */

/* kind is enum lifeline_access. */
void access_log_put(struct access_log *log, unsigned kind,
    struct access_line *line);

/* Wall clock of this turn in microseconds, cheaply. */
int64_t access_log_now_us(struct access_log *log);

#endif
