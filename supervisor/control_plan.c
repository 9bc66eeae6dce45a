/* control_plan: tell a client what a reload would do. */
#include "control_client.h"
#include "ipc/mp.h"
#include "reload_plan.h"
#include "supervisor.h"

void
control_do_plan(struct control_client *client)
{
	struct buf plan = { 0 }, text = { 0 };
	struct buf *out = &client->out;
	struct reload_counts counts;
	size_t start;

	if (reload_put_plan(client->server->sup, &counts, &plan, &text) < 0 ||
	    plan.is_failed) {
		if (text.is_failed || plan.is_failed)
			control_answer_errorf(client, "out of memory");
		else
			control_answer_error(client,
			    (const char *)buf_front(&text), buf_count(&text));
	} else {
		start = control_begin(client);
		mp_put_map(out, 7);
		mp_put_cstr(out, "ok");
		mp_put_bool(out, true);
		mp_put_cstr(out, "plan");
		buf_append(out, buf_front(&plan), buf_count(&plan));
		control_put_counts(out, &counts);
		control_end(client, start);
		control_answered(client);
	}
	buf_fini(&plan);
	buf_fini(&text);
}
