/* hello: the smallest service, one constant answer. */
#include "svc/svc.h"

static void
hello(struct svc_request *req, void *arg)
{
	svc_reply_json(req, 200, arg);
}

int
main(void)
{
	struct svc *svc = svc_new();

	svc_handle(svc, "GET /hello", hello, "{\"hello\":\"world\"}");
	return svc_run(svc);
}
