/*
 * svc: write a service of msvc, one callback per operation.
 *
 *	static void
 *	hello(struct svc_request *req, void *arg)
 *	{
 *		svc_reply_json(req, 200, "{\"hello\":\"world\"}");
 *	}
 *
 *	int
 *	main(void)
 *	{
 *		struct svc *svc = svc_new();
 *
 *		svc_handle(svc, "GET /hello", hello, NULL);
 *		return svc_run(svc);
 *	}
 *
 * All callbacks run on the thread that called svc_run(), one at a time; a
 * service scales by instances. A callback should not block: while it does,
 * nothing else of this instance runs. None of these functions may be called
 * from another thread or from a signal handler.
 *
 * Unless said otherwise, pointers handed to a function are borrowed until it
 * returns, strings are UTF-8 and end with NUL, and times are milliseconds.
 * See svc(3) for a tour and msvc-wire(7) for what travels.
 */
#ifndef SVC_H
#define SVC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SVC_EXPORT       __attribute__((visibility("default")))
#define SVC_PRINTF(a, b) __attribute__((format(printf, a, b)))

struct svc;         /* the service */
struct svc_request; /* one request, until it is answered */
struct svc_value;   /* a structured value that came in; read only */
struct svc_data;    /* a structured value that is being made to go out */
struct svc_answer;  /* what a call of ours brought back */
struct svc_event;   /* one published event */
struct svc_timer;
struct svc_watch;

typedef void svc_request_fn(struct svc_request *req, void *arg);
typedef void svc_answer_fn(const struct svc_answer *answer, void *arg);
typedef void svc_event_fn(const struct svc_event *event, void *arg);
typedef void svc_hook_fn(struct svc *svc, void *arg);
typedef void svc_timer_fn(void *arg);
typedef void svc_watch_fn(int fd, int events, void *arg);

/* ---- The service -------------------------------------------------- */

/*
 * Make a service. Returns NULL when out of memory or file descriptors, which
 * svc_handle(), svc_subscribe() and svc_run() accept; the last one tells it.
 */
SVC_EXPORT struct svc *svc_new(void);

/* Free a service that was never given to svc_run(); NULL is accepted. */
SVC_EXPORT void svc_free(struct svc *svc);

/*
 * Register a handler.
 *
 * what   "GET /users/{id}", "/files/{name}" (any method), or the name of an
 *        operation: "get" in a service named users is called as "users.get".
 *        A star as the last segment matches the rest of a path
 * fn     called for each request with arg, which is borrowed for good
 *
 * The most specific pattern wins; requests that match none get 404, or 405
 * when only the method differs. A mistake here is told by svc_run().
 */
SVC_EXPORT void svc_handle(struct svc *svc, const char *what,
    svc_request_fn *fn, void *arg);

/*
 * Serve until SIGTERM, SIGINT or svc_stop(), then drain: tell the supervisor,
 * answer what was taken and is still waited for, wait for pending calls (5
 * seconds at most), flush. Consumes svc.
 *
 * Returns the exit code for main(): 0 after a clean stop, 1 when the
 * environment failed, 2 for a mistake of ours in svc_handle() or when
 * MSVC_LISTEN is not set, which means that msvc did not start this program.
 */
SVC_EXPORT int svc_run(struct svc *svc);

/* Stop as SIGTERM does; svc_run() returns code. Called twice: at once. */
SVC_EXPORT void svc_stop(struct svc *svc, int code);

/* Call fn once before the first request; svc_stop() in it ends svc_run(). */
SVC_EXPORT void svc_on_start(struct svc *svc, svc_hook_fn *fn, void *arg);

/* Call fn once when a stop begins, before the drain. */
SVC_EXPORT void svc_on_stop(struct svc *svc, svc_hook_fn *fn, void *arg);

/*
 * Without these svc_run() listens and says READY=1 at once, after the function
 * of svc_on_start(). After svc_ready_later() it does neither until svc_ready()
 * is called, so that no request comes before.
 */
SVC_EXPORT void svc_ready_later(struct svc *svc);
SVC_EXPORT void svc_ready(struct svc *svc);

/*
 * Tell the supervisor one line about the state of the service (STATUS=). One
 * that does not read is waited for only a moment, then the line is lost.
 */
SVC_EXPORT void svc_status(struct svc *svc, const char *fmt, ...)
    SVC_PRINTF(2, 3);

/* MSVC_SERVICE, or "service" when not set. Borrowed for the life of svc. */
SVC_EXPORT const char *svc_name(const struct svc *svc);

/* MSVC_INSTANCE, or 1 when not set. */
SVC_EXPORT int svc_instance(const struct svc *svc);

/*
 * The argument behind the first "name" on a command line, such as "800" for
 * "--ready-after" in "echo --ready-after 800". NULL when there is none.
 */
SVC_EXPORT const char *svc_option(int argc, char **argv, const char *name);

/* Log one line, which ends up in the service's log file with time and name. */
SVC_EXPORT void svc_log_info(const char *fmt, ...) SVC_PRINTF(1, 2);
SVC_EXPORT void svc_log_warn(const char *fmt, ...) SVC_PRINTF(1, 2);
SVC_EXPORT void svc_log_error(const char *fmt, ...) SVC_PRINTF(1, 2);

/* ---- Requests ----------------------------------------------------- */

/*
 * A request is the handler's until it is answered, and what these functions
 * return is borrowed from it. It stays valid until the callback in which it
 * was answered returns. A handler that returns without an answer must have
 * called svc_defer() or svc_call(); else the client gets 500.
 */

/* The service that this request came to. */
SVC_EXPORT struct svc *svc_of(const struct svc_request *req);

/* "GET"; "" when it was called by operation name. */
SVC_EXPORT const char *svc_request_method(const struct svc_request *req);

/* "/users/42" as sent, without query; "" when called by operation name. */
SVC_EXPORT const char *svc_request_path(const struct svc_request *req);

/* What follows "?", as sent; "" when there is none. */
SVC_EXPORT const char *svc_request_query(const struct svc_request *req);

/* The operation: "users.get", or "" when called by method and path. */
SVC_EXPORT const char *svc_request_op(const struct svc_request *req);

/* The id that the router gave it or the client sent; "" when unknown. */
SVC_EXPORT const char *svc_request_id(struct svc_request *req);

/*
 * The value of {name} in the handler's pattern, or of the route's when called
 * by operation name, percent-decoded; "*" names the rest. NULL when there is
 * no such parameter or it has a NUL in it.
 */
SVC_EXPORT const char *svc_param(struct svc_request *req, const char *name);

/* The first "name=value" of the query, decoded; NULL when there is none. */
SVC_EXPORT const char *svc_query(struct svc_request *req, const char *name);

/* A header field by its lower-case name; NULL when there is none. */
SVC_EXPORT const char *svc_header(struct svc_request *req, const char *name);

/* All header fields and ":"-prefixed facts of msvc (msvc-wire(7)), a map. */
SVC_EXPORT const struct svc_value *svc_meta(struct svc_request *req);

/* Milliseconds until nobody waits any more, 0 when past; -1 for no limit. */
SVC_EXPORT int64_t svc_deadline_ms(const struct svc_request *req);

/*
 * The body as a structured value, also when raw bytes of a JSON content type
 * came. A body that is absent is a value of type SVC_NIL; NULL when the body
 * is of another content type or no JSON.
 */
SVC_EXPORT const struct svc_value *svc_payload(struct svc_request *req);

/* The body as raw bytes; NULL when it came as a structured value. */
SVC_EXPORT const void *svc_body(const struct svc_request *req, size_t *len_r);

/* True when the body came as a structured value (then svc_body() is NULL). */
SVC_EXPORT bool svc_is_structured(const struct svc_request *req);

/* Answer later: from a timer, a watch, or the callback of a call. */
SVC_EXPORT void svc_defer(struct svc_request *req);

/*
 * Call fn when nobody waits for the answer any more: the client left, the
 * deadline passed, or the router is gone. The request must still be answered
 * (to nobody), which frees it. fn NULL takes it back. A stream that has begun
 * is not cancelled by its deadline.
 */
SVC_EXPORT void svc_on_cancel(struct svc_request *req, svc_request_fn *fn,
    void *arg);

/* True once that has happened. */
SVC_EXPORT bool svc_is_cancelled(const struct svc_request *req);

/* ---- Answers ------------------------------------------------------ */

/*
 * Exactly one of the functions below answers a request. status is 200 to 599
 * as in HTTP. An answer to a cancelled request is dropped silently, a second
 * answer is dropped with a log line; one near 64 MiB or more becomes a 500:
 * stream what is large.
 */

/*
 * Add a header field, before the answer: "location", "/users/42". One whose
 * value is NULL is left out.
 */
SVC_EXPORT void svc_reply_header(struct svc_request *req, const char *name,
    const char *value);

/*
 * Answer with a value, which is consumed; data NULL is an empty body. The
 * router turns it into what the client accepts: JSON, or MessagePack.
 */
SVC_EXPORT void svc_reply(struct svc_request *req, int status,
    struct svc_data *data);

/* Answer with JSON text, sent as it is. */
SVC_EXPORT void svc_reply_json(struct svc_request *req, int status,
    const char *text);

/* Answer with len raw bytes; content_type NULL: application/octet-stream. */
SVC_EXPORT void svc_reply_raw(struct svc_request *req, int status,
    const char *content_type, const void *data, size_t len);

/* Answer with application/problem+json (RFC 9457) and this detail. */
SVC_EXPORT void svc_reply_error(struct svc_request *req, int status,
    const char *fmt, ...) SVC_PRINTF(3, 4);

/* Pass on the status and body of an answer that a call of ours got. */
SVC_EXPORT void svc_reply_answer(struct svc_request *req,
    const struct svc_answer *answer);

/*
 * Answer piece by piece: begin, write as often as needed, end. Begin defers.
 *
 * svc_stream_write returns how many of the len bytes were taken; fewer when
 * the client does not keep up: then wait for the callback of
 * svc_stream_on_room, and go on. It returns -1 when nobody listens any more.
 */
SVC_EXPORT void svc_stream_begin(struct svc_request *req, int status,
    const char *content_type);
SVC_EXPORT long svc_stream_write(struct svc_request *req, const void *data,
    size_t len);
SVC_EXPORT void svc_stream_on_room(struct svc_request *req, svc_request_fn *fn,
    void *arg);
SVC_EXPORT void svc_stream_end(struct svc_request *req);

/* ---- Values that came in ------------------------------------------ */

enum svc_type {
	SVC_NONE, /* no value at all: the pointer is NULL */
	SVC_NIL,
	SVC_BOOL,
	SVC_INT,
	SVC_DOUBLE,
	SVC_STR,
	SVC_BIN,
	SVC_ARRAY,
	SVC_MAP
};

/*
 * These all accept NULL and values of another type, for which they return
 * NULL, 0 or false, so that lookups can be nested and checked once.
 */
SVC_EXPORT enum svc_type svc_type(const struct svc_value *value);

/* The value of a key of a map. */
SVC_EXPORT const struct svc_value *svc_get(const struct svc_value *map,
    const char *key);

/* Items of an array, entries of a map. */
SVC_EXPORT size_t svc_count(const struct svc_value *value);

/* Item i of an array, or the value of entry i of a map. */
SVC_EXPORT const struct svc_value *svc_at(const struct svc_value *value,
    size_t i);

/* The key of entry i of a map; NULL also when it is not a string. */
SVC_EXPORT const char *svc_key_at(const struct svc_value *map, size_t i);

/* The text of a string; NULL also when it has a NUL in it. */
SVC_EXPORT const char *svc_str(const struct svc_value *value);

/* The bytes of a string or bin. */
SVC_EXPORT const void *svc_bytes(const struct svc_value *value, size_t *len_r);

/*
 * Read a number or truth value; return false and leave the result alone when
 * it is none. An integer is accepted as a double; a double with no fraction,
 * such as JSON 3.0, as an integer.
 */
SVC_EXPORT bool svc_int(const struct svc_value *value, int64_t *int_r);
SVC_EXPORT bool svc_double(const struct svc_value *value, double *double_r);
SVC_EXPORT bool svc_bool(const struct svc_value *value, bool *bool_r);

/*
 * The value as JSON text, which the caller free()s. NULL when out of memory
 * or when JSON cannot say it (a number that is infinite, say).
 */
SVC_EXPORT char *svc_to_json(const struct svc_value *value);

/* ---- Values that go out ------------------------------------------- */

/*
 * Start a value; it is a map or an array until it is given to the function
 * that sends it, which consumes it also on failure. Errors (out of memory, a
 * missing key) are remembered and told by that function.
 */
SVC_EXPORT struct svc_data *svc_map(void);
SVC_EXPORT struct svc_data *svc_array(void);

/*
 * Make a finished value of one that came in, or of JSON text; nothing can be
 * added to it. NULL when it is no JSON.
 */
SVC_EXPORT struct svc_data *svc_copy(const struct svc_value *value);
SVC_EXPORT struct svc_data *svc_json(const char *text);

/* Make JSON text of it, which the caller free()s, and consume it; or NULL. */
SVC_EXPORT char *svc_data_to_json(struct svc_data *data);

/* Free a value that was not sent after all; NULL is accepted. */
SVC_EXPORT void svc_data_free(struct svc_data *data);

/*
 * Add an entry to the innermost open map, or with key NULL an item to the
 * innermost open array. str NULL is written as nil; text that is not UTF-8
 * as bytes, which JSON shows in base64.
 */
SVC_EXPORT void svc_put_nil(struct svc_data *data, const char *key);
SVC_EXPORT void svc_put_bool(struct svc_data *data, const char *key,
    bool value);
SVC_EXPORT void svc_put_int(struct svc_data *data, const char *key,
    int64_t value);
SVC_EXPORT void svc_put_double(struct svc_data *data, const char *key,
    double value);
SVC_EXPORT void svc_put_str(struct svc_data *data, const char *key,
    const char *str);
SVC_EXPORT void svc_put_text(struct svc_data *data, const char *key,
    const void *text, size_t len);
SVC_EXPORT void svc_put_bytes(struct svc_data *data, const char *key,
    const void *bytes, size_t len);
SVC_EXPORT void svc_put_value(struct svc_data *data, const char *key,
    const struct svc_value *value);

/* An entry from JSON text; text that is none is an error of the value. */
SVC_EXPORT void svc_put_json(struct svc_data *data, const char *key,
    const char *text);

/* Open a map or an array inside; what follows goes into it, until svc_end. */
SVC_EXPORT void svc_put_map(struct svc_data *data, const char *key);
SVC_EXPORT void svc_put_array(struct svc_data *data, const char *key);
SVC_EXPORT void svc_end(struct svc_data *data);

/* ---- Calls to other services -------------------------------------- */

/*
 * Call another service through the router, on behalf of a request, which is
 * deferred by it: request id, trace and deadline travel along.
 *
 * what         "users.get", or "GET /users/42" by the route table
 * data         the payload, consumed; NULL for none
 * timeout_ms   0: what is left of the request's deadline, at most that
 * fn           called exactly once with arg, never before svc_call() returns
 *
 * What goes wrong on the way is an answer too: 502 when the router went away,
 * 503 when too many calls are pending (4096), 504 when the time is over, or was
 * before the call, which then is not made.
 */
SVC_EXPORT void svc_call(struct svc_request *req, const char *what,
    struct svc_data *data, int timeout_ms, svc_answer_fn *fn, void *arg);

/* The same with no request behind it; timeout_ms 0 is 10 seconds. */
SVC_EXPORT void svc_call_alone(struct svc *svc, const char *what,
    struct svc_data *data, int timeout_ms, svc_answer_fn *fn, void *arg);

/* An answer and what it returns are valid until the callback returns. */
SVC_EXPORT int svc_answer_status(const struct svc_answer *answer);

/* True for 200 to 299. */
SVC_EXPORT bool svc_answer_is_ok(const struct svc_answer *answer);

/* As svc_payload() and svc_body(). */
SVC_EXPORT const struct svc_value *svc_answer_payload(
    const struct svc_answer *answer);
SVC_EXPORT const void *svc_answer_body(const struct svc_answer *answer,
    size_t *len_r);

/* Why it failed, for a log line or a client; "" when it is ok. */
SVC_EXPORT const char *svc_answer_error(const struct svc_answer *answer);

/* The request on whose behalf it was made; NULL for svc_call_alone(). */
SVC_EXPORT struct svc_request *svc_answer_request(
    const struct svc_answer *answer);

/* ---- Events ------------------------------------------------------- */

/*
 * Publish an event; data is consumed, NULL is nil. The topic is at most 255
 * bytes, the whole 1 MiB; a larger one is dropped with a log line. While the
 * router is away events wait; of more than 1024 events or 4 MiB the oldest are
 * dropped, counted, and told in the log.
 */
SVC_EXPORT void svc_publish(struct svc *svc, const char *topic,
    struct svc_data *data);

/*
 * Call fn for each event whose topic starts with prefix ("" for all), from
 * now on. Events that are published while the router is away are not seen.
 */
SVC_EXPORT void svc_subscribe(struct svc *svc, const char *prefix,
    svc_event_fn *fn, void *arg);

/* An event and what it returns are valid until the callback returns. */
SVC_EXPORT const char *svc_event_topic(const struct svc_event *event);
SVC_EXPORT const char *svc_event_id(const struct svc_event *event);
SVC_EXPORT const char *svc_event_from(const struct svc_event *event);
SVC_EXPORT const char *svc_event_type(const struct svc_event *event);

/* Milliseconds since 1970. */
SVC_EXPORT int64_t svc_event_time_ms(const struct svc_event *event);
SVC_EXPORT const struct svc_value *svc_event_data(
    const struct svc_event *event);

/* ---- Timers and file descriptors ---------------------------------- */

/*
 * Call fn once, delay_ms from now. The timer is gone when fn is called or
 * after svc_timer_drop(). Returns NULL when out of memory.
 */
SVC_EXPORT struct svc_timer *svc_after(struct svc *svc, int64_t delay_ms,
    svc_timer_fn *fn, void *arg);
SVC_EXPORT void svc_timer_drop(struct svc_timer *timer);

enum {
	SVC_READ = 1, /* the values of POLLIN and POLLOUT */
	SVC_WRITE = 4
};

/*
 * Call fn whenever a file descriptor is readable or writable. fd stays the
 * caller's, who drops the watch before closing it. Returns NULL on failure.
 */
SVC_EXPORT struct svc_watch *svc_watch_fd(struct svc *svc, int fd, int events,
    svc_watch_fn *fn, void *arg);
SVC_EXPORT void svc_watch_drop(struct svc_watch *watch);

#ifdef __cplusplus
}
#endif

#endif
