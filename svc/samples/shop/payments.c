/* payments: takes the money, up to a limit. Owns payments.db. */
#include "db.h"

enum {
	LIMIT = 1000
};

static sqlite3 *db;
static sqlite3_stmt *insert, *get;

/*
 * payments.charge {"order": "7f3c", "user": 1, "amount": 20}
 *
 * The same order is charged once, however often it is asked for.
 */
static void
charge(struct svc_request *req, void *arg)
{
	const struct svc_value *in = svc_payload(req);
	const char *order = svc_str(svc_get(in, "order"));
	int64_t user, amount;

	(void)arg;
	if (order == NULL || !svc_int(svc_get(in, "user"), &user) ||
	    !svc_int(svc_get(in, "amount"), &amount) || amount <= 0) {
		svc_reply_error(req, 422,
		    "a charge has an order, a user and an amount");
		return;
	}
	if (amount > LIMIT) {
		svc_reply_error(req, 402, "%lld is over the limit of %d",
		    (long long)amount, LIMIT);
		return;
	}
	db_bind(insert, "sii", order, user, amount);
	if (db_run(insert) != SQLITE_OK) {
		svc_log_error("insert: %s", sqlite3_errmsg(db));
		svc_reply_error(req, 500, "the payment could not be stored");
		return;
	}
	db_bind(get, "s", order);
	db_reply_row(req, 201, get);
}

/* GET /payments/{order} */
static void
get_payment(struct svc_request *req, void *arg)
{
	(void)arg;
	db_bind(get, "s", svc_param(req, "order"));
	db_reply_row(req, 200, get);
}

int
main(void)
{
	struct svc *svc = svc_new();

	db = db_open("payments.db",
	    "CREATE TABLE IF NOT EXISTS payment (id INTEGER PRIMARY KEY,"
	    " order_id TEXT NOT NULL UNIQUE, user INTEGER NOT NULL,"
	    " amount INTEGER NOT NULL)");
	insert = db_prepare(db,
	    "INSERT INTO payment (order_id, user, amount) VALUES (?, ?, ?)"
	    " ON CONFLICT (order_id) DO NOTHING");
	get = db_prepare(db,
	    "SELECT id, order_id AS \"order\", user, amount FROM payment"
	    " WHERE order_id = ?");

	svc_handle(svc, "charge", charge, NULL);
	svc_handle(svc, "GET /payments/{order}", get_payment, NULL);
	return svc_run(svc);
}
