/*
 * orders: accepts an order when its user exists and has paid. Owns orders.db.
 *
 *	POST /orders --> users.get --> payments.charge --> orders.db, event
 *
 * An order is pending until it is known how it ended. No answer from payments
 * does not mean that nothing was charged, so it is asked again under the same
 * name, which charges once; when it stays silent the order stays pending.
 */
#include <time.h>
#include <unistd.h>

#include "db.h"

enum {
	CHARGE_TRIES = 3
};

static sqlite3 *db;
static sqlite3_stmt *insert, *finish, *get, *list;

/* An order on its way; freed when its request is answered. */
struct order {
	int64_t id, user, amount;
	const char *item; /* borrowed from the request */
	char name[64]; /* as payments knows it; unique, also across a reset */
	int tries;     /* to charge it */
};

/* Write down how it ended, and tell whom it concerns. */
static bool
close_order(struct svc_request *req, struct order *order, const char *state)
{
	struct svc_data *event = svc_map();
	char topic[64];

	db_bind(finish, "si", state, order->id);
	if (db_run(finish) != SQLITE_OK) {
		svc_log_error("order %lld is %s, but stays pending: %s",
		    (long long)order->id, state, sqlite3_errmsg(db));
		svc_data_free(event);
		return false;
	}
	svc_put_int(event, "order", order->id);
	svc_put_int(event, "user", order->user);
	svc_put_str(event, "item", order->item);
	svc_put_int(event, "amount", order->amount);
	(void)snprintf(topic, sizeof(topic), "orders.%s", state);
	svc_publish(svc_of(req), topic, event);
	return true;
}

static void
accept(struct svc_request *req, struct order *order)
{
	char path[64];

	if (!close_order(req, order, "accepted")) {
		svc_reply_error(req, 500, "order %lld is paid but pending",
		    (long long)order->id);
	} else {
		(void)snprintf(path, sizeof(path), "/orders/%lld",
		    (long long)order->id);
		svc_reply_header(req, "location", path);
		db_bind(get, "i", order->id);
		db_reply_row(req, 201, get);
	}
	free(order);
}

static void
refuse(struct svc_request *req, struct order *order, int status,
    const char *why)
{
	svc_reply_error(req, status, "%s", why);
	(void)close_order(req, order, "refused");
	free(order);
}

static void charge(struct svc_request *req, struct order *order);

static void
on_charged(const struct svc_answer *answer, void *arg)
{
	struct svc_request *req = svc_answer_request(answer);
	struct order *order = arg;

	if (svc_answer_is_ok(answer)) {
		accept(req, order);
	} else if (svc_answer_status(answer) == 402) {
		refuse(req, order, 402, svc_answer_error(answer));
	} else if (order->tries < CHARGE_TRIES) {
		charge(req, order);
	} else {
		svc_reply_error(req, 503,
		    "order %lld is pending, payments could not be asked: %s",
		    (long long)order->id, svc_answer_error(answer));
		free(order);
	}
}

static void
charge(struct svc_request *req, struct order *order)
{
	struct svc_data *data = svc_map();

	order->tries++;
	svc_put_str(data, "order", order->name);
	svc_put_int(data, "user", order->user);
	svc_put_int(data, "amount", order->amount);
	svc_call(req, "payments.charge", data, 0, on_charged, order);
}

static void
on_user(const struct svc_answer *answer, void *arg)
{
	struct svc_request *req = svc_answer_request(answer);
	struct order *order = arg;

	if (svc_answer_is_ok(answer))
		charge(req, order);
	else if (svc_answer_status(answer) == 404)
		refuse(req, order, 422, "there is no such user");
	else
		refuse(req, order, 503, svc_answer_error(answer));
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
	if (order->item == NULL || *order->item == '\0' ||
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
