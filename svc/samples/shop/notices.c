/*
 * notices: keeps what it would send to customers. Owns notices.mdb (LMDB),
 * which maps a counter to the JSON text of a notice.
 */
#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "svc/svc.h"

enum {
	LISTED_MAX = 1000
};

static MDB_env *env;
static MDB_dbi notices;

/* Open the database. Returns 0, or an LMDB code. */
static int
open_database(void)
{
	const char *dir = getenv("SHOP_DATA");
	char path[1024];
	MDB_txn *txn;
	int rc;

	if (dir != NULL)
		(void)mkdir(dir, 0700);
	(void)snprintf(path, sizeof(path), "%s/notices.mdb",
	    dir != NULL ? dir : ".");
	if ((rc = mdb_env_create(&env)) != 0 ||
	    (rc = mdb_env_set_mapsize(env, 64 * 1024 * 1024)) != 0 ||
	    (rc = mdb_env_open(env, path, MDB_NOSUBDIR, 0600)) != 0 ||
	    (rc = mdb_txn_begin(env, NULL, 0, &txn)) != 0)
		return rc;
	if ((rc = mdb_dbi_open(txn, NULL, MDB_INTEGERKEY, &notices)) != 0) {
		mdb_txn_abort(txn);
		return rc;
	}
	return mdb_txn_commit(txn);
}

/* LMDB does not align what it hands out. */
static size_t
number_of(const MDB_val *key)
{
	size_t number;

	memcpy(&number, key->mv_data, sizeof(number));
	return number;
}

/* Store text under the next number. Returns 0, or an LMDB code. */
static int
store(const char *text)
{
	MDB_val key, value = { strlen(text), (void *)(uintptr_t)text };
	MDB_cursor *cursor;
	MDB_txn *txn;
	size_t number = 1;
	int rc = mdb_txn_begin(env, NULL, 0, &txn);

	if (rc != 0)
		return rc;
	if ((rc = mdb_cursor_open(txn, notices, &cursor)) == 0) {
		if (mdb_cursor_get(cursor, &key, NULL, MDB_LAST) == 0)
			number = number_of(&key) + 1;
		mdb_cursor_close(cursor);
		key = (MDB_val){ sizeof(number), &number };
		rc = mdb_put(txn, notices, &key, &value, MDB_APPEND);
	}
	if (rc != 0) {
		mdb_txn_abort(txn);
		return rc;
	}
	return mdb_txn_commit(txn);
}

/* orders.accepted and orders.refused {"order", "user", "item", "amount"} */
static void
on_order(const struct svc_event *event, void *arg)
{
	bool is_accepted =
	    strcmp(svc_event_topic(event), "orders.accepted") == 0;
	struct svc_data *notice = svc_map();
	const struct svc_value *order = svc_event_data(event);
	char *text;
	int rc = ENOMEM;

	(void)arg;
	svc_put_str(notice, "event", svc_event_id(event));
	svc_put_value(notice, "user", svc_get(order, "user"));
	svc_put_value(notice, "order", svc_get(order, "order"));
	svc_put_str(notice, "text",
	    is_accepted ? "Your order is on its way."
			: "We are sorry, your order was refused.");
	text = svc_data_to_json(notice);
	if (text != NULL)
		rc = store(text);
	if (rc != 0)
		svc_log_error("a notice is lost: %s", mdb_strerror(rc));
	free(text);
}

/* GET /notices: the newest first */
static void
list_notices(struct svc_request *req, void *arg)
{
	struct svc_data *list = svc_array();
	MDB_cursor *cursor;
	MDB_txn *txn;
	MDB_val key, value;
	char text[4096];
	int rc, count = 0;

	(void)arg;
	if ((rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn)) == 0 &&
	    (rc = mdb_cursor_open(txn, notices, &cursor)) != 0)
		mdb_txn_abort(txn);
	if (rc != 0) {
		svc_log_error("notices.mdb: %s", mdb_strerror(rc));
		svc_data_free(list);
		svc_reply_error(req, 500, "the notices cannot be read");
		return;
	}
	while (count++ < LISTED_MAX &&
	       mdb_cursor_get(cursor, &key, &value, MDB_PREV) == 0) {
		(void)snprintf(text, sizeof(text), "%.*s", (int)value.mv_size,
		    (const char *)value.mv_data);
		svc_put_json(list, NULL, text);
	}
	mdb_cursor_close(cursor);
	mdb_txn_abort(txn);
	svc_reply(req, 200, list);
}

int
main(void)
{
	struct svc *svc = svc_new();
	int rc = open_database();

	if (rc != 0) {
		svc_log_error("notices.mdb: %s", mdb_strerror(rc));
		return 1;
	}
	svc_subscribe(svc, "orders.", on_order, NULL);
	svc_handle(svc, "GET /notices", list_notices, NULL);
	return svc_run(svc);
}
