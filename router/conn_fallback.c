/* From a failed request to another answer. */
#include <string.h>

#include "ipc/lifeline.h"

#include "conn.h"
#include "fallback.h"
#include "http.h"
#include "snapshot.h"
#include "worker.h"

/* The failure that the fallback service could not make good. */
static void
answer_first(struct conn *conn)
{
	struct fallback *first = conn->fallback;

	conn->fallback = NULL; /* it names neither the answer nor the log */
	conn->ex.instance = first->instance;
	conn->ex.service_us = first->service_us;
	if (first->is_problem)
		conn_answer_problem(conn, &first->problem);
	else
		conn_answer_frame(conn, &first->frame);
	fallback_free(&first);
}

bool
conn_fall_back(struct conn *conn, unsigned failure,
    const struct problem *problem, const struct frame *frame)
{
	const struct snapshot_route *route = conn->route;
	int64_t until_us;

	if (conn->fallback != NULL) {
		answer_first(conn);
		return true;
	}
	if ((route->fallback_on & failure) == 0)
		return false;
	if (route->fallback == FALLBACK_BODY) {
		conn_answer_body(conn, failure, problem);
		return true;
	}
	until_us = fallback_until(&conn->ex, route, conn->limit_ms,
	    conn->start_us, loop_now_us(conn->worker->loop));
	if (until_us == -1)
		return false;
	conn->fallback = fallback_new(failure, problem, frame, &conn->ex);
	if (conn->fallback == NULL)
		return false;
	fallback_ask(&conn->ex, route, conn->view, until_us);
	return true;
}
