/*
 * db: what the shop's services with a SQLite database have in common.
 *
 * Static inline, because each sample is one file of its own.
 */
#ifndef SHOP_DB_H
#define SHOP_DB_H

#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "svc/svc.h"

/* The path of a database: "$SHOP_DATA/name", or "./name". Makes the folder. */
static inline const char *
db_path(const char *name, char *path, size_t size)
{
	const char *dir = getenv("SHOP_DATA");

	if (dir != NULL)
		(void)mkdir(dir, 0700);
	(void)snprintf(path, size, "%s/%s", dir != NULL ? dir : ".", name);
	return path;
}

/*
 * Make it ready for several processes. Two instances that do so at the same
 * time make SQLite say BUSY at once, timeout or not.
 */
static inline int
db_configure(sqlite3 *db, const char *schema)
{
	int rc = SQLITE_BUSY;

	(void)sqlite3_busy_timeout(db, 2000);
	for (int i = 0; i < 100; i++) {
		rc = sqlite3_exec(db, "PRAGMA journal_mode = WAL", 0, 0, 0);
		if (rc == SQLITE_OK)
			rc = sqlite3_exec(db, schema, 0, 0, 0);
		if (rc != SQLITE_BUSY && rc != SQLITE_LOCKED)
			break;
		(void)sqlite3_sleep(20);
	}
	return rc;
}

/* Open the database and make its tables. Exits with 1 when it cannot. */
static inline sqlite3 *
db_open(const char *name, const char *schema)
{
	char path[1024];
	sqlite3 *db = NULL;

	if (sqlite3_open(db_path(name, path, sizeof(path)), &db) != SQLITE_OK ||
	    db_configure(db, schema) != SQLITE_OK) {
		svc_log_error("%s: %s", path, sqlite3_errmsg(db));
		exit(1);
	}
	return db;
}

/* Prepare a statement once, for many uses. Exits with 1 when it cannot. */
static inline sqlite3_stmt *
db_prepare(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *stmt = NULL;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK) {
		svc_log_error("%s: %s", sql, sqlite3_errmsg(db));
		exit(1);
	}
	return stmt;
}

/*
 * Start a statement anew with its parameters: 's' a string, 'i' an int64_t.
 * Strings must stay as they are until the statement was stepped.
 */
static inline void
db_bind(sqlite3_stmt *stmt, const char *types, ...)
{
	va_list ap;

	(void)sqlite3_reset(stmt);
	va_start(ap, types);
	for (int i = 0; types[i] != '\0'; i++)
		if (types[i] == 'i')
			(void)sqlite3_bind_int64(stmt, i + 1,
			    va_arg(ap, int64_t));
		else
			(void)sqlite3_bind_text(stmt, i + 1,
			    va_arg(ap, const char *), -1, SQLITE_STATIC);
	va_end(ap);
}

/* Add the row at hand to data, each column under its name. */
static inline void
db_put_row(struct svc_data *data, sqlite3_stmt *stmt)
{
	for (int i = 0; i < sqlite3_column_count(stmt); i++) {
		const char *name = sqlite3_column_name(stmt, i);

		if (sqlite3_column_type(stmt, i) == SQLITE_INTEGER)
			svc_put_int(data, name, sqlite3_column_int64(stmt, i));
		else
			svc_put_str(data, name,
			    (const char *)sqlite3_column_text(stmt, i));
	}
}

/* What SQLite said is for the log, not for the client. */
static inline void
db_reply_failure(struct svc_request *req, sqlite3_stmt *stmt)
{
	svc_log_error("%s: %s", sqlite3_sql(stmt),
	    sqlite3_errmsg(sqlite3_db_handle(stmt)));
	svc_reply_error(req, 500, "the database failed");
}

/* Answer with the one row of a bound statement, or 404. */
static inline void
db_reply_row(struct svc_request *req, int status, sqlite3_stmt *stmt)
{
	struct svc_data *data;
	int rc = sqlite3_step(stmt);

	if (rc == SQLITE_ROW) {
		data = svc_map();
		db_put_row(data, stmt);
		svc_reply(req, status, data);
	} else if (rc == SQLITE_DONE) {
		svc_reply_error(req, 404, "there is no such one");
	} else {
		db_reply_failure(req, stmt);
	}
	(void)sqlite3_reset(stmt);
}

/* Answer with an array of all rows of a bound statement. */
static inline void
db_reply_rows(struct svc_request *req, sqlite3_stmt *stmt)
{
	struct svc_data *data = svc_array();
	int rc;

	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		svc_put_map(data, NULL);
		db_put_row(data, stmt);
		svc_end(data);
	}
	if (rc == SQLITE_DONE) {
		svc_reply(req, 200, data);
	} else {
		svc_data_free(data);
		db_reply_failure(req, stmt);
	}
	(void)sqlite3_reset(stmt);
}

/* Run a bound statement that changes something. Returns its SQLite code. */
static inline int
db_run(sqlite3_stmt *stmt)
{
	(void)sqlite3_step(stmt);
	return sqlite3_reset(stmt);
}

/* The {id} of the path or the "id" of the payload; -1 when there is none. */
static inline int64_t
db_id_of(struct svc_request *req)
{
	const char *text = svc_param(req, "id");
	int64_t id = -1;
	char *end = NULL;

	if (text == NULL) {
		(void)svc_int(svc_get(svc_payload(req), "id"), &id);
		return id;
	}
	id = strtoll(text, &end, 10);
	return *end == '\0' && *text != '\0' ? id : -1;
}

#endif
