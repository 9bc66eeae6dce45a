/* users: who may order. Owns users.db. */
#include "db.h"

static sqlite3 *db;
static sqlite3_stmt *insert, *get, *list;

/* POST /users {"name": "Ada", "email": "ada@example.org"} */
static void
add_user(struct svc_request *req, void *arg)
{
	const struct svc_value *in = svc_payload(req);
	const char *name = svc_str(svc_get(in, "name"));
	const char *email = svc_str(svc_get(in, "email"));
	char path[64];
	int64_t id;
	int rc;

	(void)arg;
	if (name == NULL || *name == '\0' || email == NULL ||
	    strchr(email, '@') == NULL) {
		svc_reply_error(req, 422, "a user has a name and an email");
		return;
	}
	db_bind(insert, "ss", name, email);
	rc = db_run(insert);
	if (rc == SQLITE_CONSTRAINT) {
		svc_reply_error(req, 409, "%s is registered already", email);
	} else if (rc != SQLITE_OK) {
		svc_log_error("insert: %s", sqlite3_errmsg(db));
		svc_reply_error(req, 500, "the user could not be stored");
	} else {
		id = sqlite3_last_insert_rowid(db);
		(void)snprintf(path, sizeof(path), "/users/%lld",
		    (long long)id);
		svc_reply_header(req, "location", path);
		db_bind(get, "i", id);
		db_reply_row(req, 201, get);
	}
}

/* GET /users/{id}, or users.get {"id": 1} */
static void
get_user(struct svc_request *req, void *arg)
{
	(void)arg;
	db_bind(get, "i", db_id_of(req));
	db_reply_row(req, 200, get);
}

/* GET /users */
static void
list_users(struct svc_request *req, void *arg)
{
	(void)arg;
	db_bind(list, "");
	db_reply_rows(req, list);
}

int
main(void)
{
	struct svc *svc = svc_new();

	db = db_open("users.db",
	    "CREATE TABLE IF NOT EXISTS user (id INTEGER PRIMARY KEY,"
	    " name TEXT NOT NULL, email TEXT NOT NULL UNIQUE)");
	insert = db_prepare(db, "INSERT INTO user (name, email) VALUES (?, ?)");
	get = db_prepare(db, "SELECT id, name, email FROM user WHERE id = ?");
	list = db_prepare(db,
	    "SELECT id, name, email FROM user ORDER BY id LIMIT 1000");

	svc_handle(svc, "POST /users", add_user, NULL);
	svc_handle(svc, "GET /users/{id}", get_user, NULL);
	svc_handle(svc, "GET /users", list_users, NULL);
	svc_handle(svc, "get", get_user, NULL);
	return svc_run(svc);
}
