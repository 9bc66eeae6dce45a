#include "call.h"

#include <stdio.h>

#include "ipc/mp.h"

int
svc_answer_status(const struct svc_answer *answer)
{
	return (int)answer->call->status;
}

bool
svc_answer_is_ok(const struct svc_answer *answer)
{
	return answer->call->status >= 200 && answer->call->status <= 299;
}

static const char *
answer_type(const struct svc_answer *answer)
{
	struct payload *meta = &answer->call->in_meta;

	if (meta->bytes == NULL)
		return NULL;
	return svc_str(payload_public(
	    value_get(payload_value(meta, NULL), "content-type")));
}

const struct svc_value *
svc_answer_payload(const struct svc_answer *answer)
{
	struct payload *in = &answer->call->in;

	if (in->bytes == NULL)
		return NULL;
	return payload_public(payload_value(in, answer_type(answer)));
}

const void *
svc_answer_body(const struct svc_answer *answer, size_t *len_r)
{
	*len_r = answer->call->raw != NULL ? answer->call->raw_len : 0;
	return answer->call->raw;
}

/* A problem of RFC 9457 says it in its detail. */
const char *
svc_answer_error(const struct svc_answer *answer)
{
	struct call *call = answer->call;
	const char *detail;

	if (svc_answer_is_ok(answer))
		return "";
	if (call->error[0] != '\0')
		return call->error;
	detail = svc_str(svc_get(svc_answer_payload(answer), "detail"));
	if (detail != NULL)
		return detail;
	(void)snprintf(call->error, sizeof(call->error), "status %u",
	    call->status);
	return call->error;
}

struct svc_request *
svc_answer_request(const struct svc_answer *answer)
{
	return answer->call->req;
}

void
svc_reply_answer(struct svc_request *req, const struct svc_answer *answer)
{
	struct call *call = answer->call;
	const struct svc_value *value;

	if (call->in.bytes == NULL)
		svc_reply_error(req, (int)call->status, "%s: %s", call->what,
		    svc_answer_error(answer));
	else if (call->raw != NULL)
		svc_reply_raw(req, (int)call->status, answer_type(answer),
		    call->raw, call->raw_len);
	else if ((value = svc_answer_payload(answer)) == NULL)
		svc_reply_error(req, 502, "%s: a malformed answer", call->what);
	else
		svc_reply(req, (int)call->status, svc_copy(value));
}
