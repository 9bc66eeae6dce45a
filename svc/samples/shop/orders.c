/*
 * orders: accepts an order when its user exists and has paid. Owns orders.db.
 *
 *	POST /orders --> users.get --> payments.charge --> orders.db, event
 */
#include <time.h>
#include <unistd.h>

#include "db.h"

static sqlite3 *db;
static sqlite3_stmt *insert, *finish, *get, *list;

/* An order on its way; freed when it is closed. */
struct order {
	int64_t id, user, amount;
	const char *item; /* borrowed from the request */
	char name[64]; /* as payments knows it; unique, also across a reset */
};

/* Write down how it ended, and tell whom it concerns. */
static void
close_order(struct svc_request *req, struct order *order, const char *state)
{
	struct svc_data *event = svc_map();
	bool is_accepted = strcmp(state, "accepted") == 0;

	db_bind(finish, "si", state, order->id);
	if (db_run(finish) != SQLITE_OK)
		svc_log_error("update: %s", sqlite3_errmsg(db));
	svc_put_int(event, "order", order->id);
	svc_put_int(event, "user", order->user);
	svc_put_str(event, "item", order->item);
	svc_put_int(event, "amount", order->amount);
	svc_publish(svc_of(req),
	    is_accepted ? "orders.accepted" : "orders.refused", event);
	free(order);
}

/* A service that we need said no, or could not be asked. */
static void
refuse(struct svc_request *req, struct order *order, const char *who,
    const struct svc_answer *answer)
{
	int status = svc_answer_status(answer);

	if (status == 404)
		svc_reply_error(req, 422, "there is no user %lld",
		    (long long)order->user);
	else if (status == 402)
		svc_reply_error(req, 402, "%s", svc_answer_error(answer));
	else
		svc_reply_error(req, 503, "%s could not be asked: %s", who,
		    svc_answer_error(answer));
	close_order(req, order, "refused");
}

static void
on_charged(const struct svc_answer *answer, void *arg)
{
	struct svc_request *req = svc_answer_request(answer);
	struct order *order = arg;
	char path[64];

	if (!svc_answer_is_ok(answer)) {
		refuse(req, order, "payments", answer);
		return;
	}
	(void)snprintf(path, sizeof(path), "/orders/%lld",
	    (long long)order->id);
	svc_reply_header(req, "location", path);
	db_bind(get, "i", order->id);
	close_order(req, order, "accepted"); /* first, so that get sees it */
	db_reply_row(req, 201, get);
}

static void
on_user(const struct svc_answer *answer, void *arg)
{
	struct svc_request *req = svc_answer_request(answer);
	struct order *order = arg;
	struct svc_data *charge;

	if (!svc_answer_is_ok(answer)) {
		refuse(req, order, "users", answer);
		return;
	}
	charge = svc_map();
	svc_put_str(charge, "order", order->name);
	svc_put_int(charge, "user", order->user);
	svc_put_int(charge, "amount", order->amount);
	svc_call(req, "payments.charge", charge, 0, on_charged, order);
}

/* Write the order down as pending. Returns false when that failed. */
static bool
open_order(struct order *order)
{
	db_bind(insert, "isi", order->user, order->item, order->amount);
	if (db_run(insert) != SQLITE_OK) {
		svc_log_error("insert: %s", sqlite3_errmsg(db));
		return false;
	}
	order->id = sqlite3_last_insert_rowid(db);
	(void)snprintf(order->name, sizeof(order->name), "%lld-%llx-%x",
	    (long long)order->id, (unsigned long long)time(NULL),
	    (unsigned)getpid());
	return true;
}

/* POST /orders {"user": 1, "item": "tea", "amount": 20} */
static void
add_order(struct svc_request *req, void *arg)
{
	const struct svc_value *in = svc_payload(req);
	struct order *order = calloc(1, sizeof(*order));
	struct svc_data *who;

	(void)arg;
	if (order == NULL)
		return;
	order->item = svc_str(svc_get(in, "item"));
	if (order->item == NULL ||
	    !svc_int(svc_get(in, "user"), &order->user) ||
	    !svc_int(svc_get(in, "amount"), &order->amount) ||
	    order->amount <= 0) {
		svc_reply_error(req, 422,
		    "an order has a user, an item and an amount");
		free(order);
		return;
	}
	if (!open_order(order)) {
		svc_reply_error(req, 500, "the order could not be stored");
		free(order);
		return;
	}
	who = svc_map();
	svc_put_int(who, "id", order->user);
	svc_call(req, "users.get", who, 0, on_user, order);
}

/* GET /orders/{id} */
static void
get_order(struct svc_request *req, void *arg)
{
	(void)arg;
	db_bind(get, "i", db_id_of(req));
	db_reply_row(req, 200, get);
}

/* GET /orders */
static void
list_orders(struct svc_request *req, void *arg)
{
	(void)arg;
	db_bind(list, "");
	db_reply_rows(req, list);
}

int
main(void)
{
	struct svc *svc = svc_new();

	db = db_open("orders.db",
	    "CREATE TABLE IF NOT EXISTS \"order\" (id INTEGER PRIMARY KEY,"
	    " user INTEGER NOT NULL, item TEXT NOT NULL,"
	    " amount INTEGER NOT NULL, state TEXT NOT NULL)");
	insert =
	    db_prepare(db, "INSERT INTO \"order\" (user, item, amount, state)"
			   " VALUES (?, ?, ?, 'pending')");
	finish = db_prepare(db, "UPDATE \"order\" SET state = ? WHERE id = ?");
	get = db_prepare(db, "SELECT * FROM \"order\" WHERE id = ?");
	list = db_prepare(db,
	    "SELECT * FROM \"order\" ORDER BY id DESC LIMIT 1000");

	svc_handle(svc, "POST /orders", add_order, NULL);
	svc_handle(svc, "GET /orders/{id}", get_order, NULL);
	svc_handle(svc, "GET /orders", list_orders, NULL);
	return svc_run(svc);
}
