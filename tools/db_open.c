#include "db_open.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "bar.h"
#include "cli.h"
#include "files.h"

/* The entry point of the extension, which is linked into the program. */
int sqlite3_kith_init(sqlite3 *db, char **error, const void *api);

/* SQLite calls this during a statement; after a signal it ends the statement. */
static int on_progress(void *data)
{
	(void)data;
	return stop_signal() != 0;
}

int db_open(sqlite3 **db, const char *path, int flags)
{
	enum { WAIT = 10000, STEPS = 10000 };
	char *error = NULL;
	if (!(flags & SQLITE_OPEN_CREATE)) {
		int code = file_check(path);
		if (code != EXIT_OK)
			return code;
	}
	int rc = sqlite3_open_v2(path, db, flags, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_kith_init(*db, &error, NULL);
	if (rc != SQLITE_OK) {
		int code = cli_error(EXIT_FAILED, "cannot open the database '%s': %s", path,
		    error ? error : sqlite3_errmsg(*db));
		sqlite3_free(error);
		return code;
	}
	sqlite3_busy_timeout(*db, WAIT);
	sqlite3_progress_handler(*db, STEPS, on_progress, NULL);
	return EXIT_OK;
}

int db_fail(sqlite3 *db, const char *path)
{
	if (stop_signal())
		return fail_stopped(NULL);
	return cli_error(EXIT_FAILED, "'%s': %s", path, sqlite3_errmsg(db));
}

int db_run(sqlite3 *db, const char *path, char *take_sql)
{
	if (!take_sql)
		return fail_memory(0, "a statement");
	int rc = sqlite3_exec(db, take_sql, NULL, NULL, NULL);
	sqlite3_free(take_sql);
	return rc == SQLITE_OK ? EXIT_OK : db_fail(db, path);
}

int db_prepare(sqlite3 *db, const char *path, sqlite3_stmt **statement, char *take_sql)
{
	*statement = NULL;
	if (!take_sql)
		return fail_memory(0, "a statement");
	int rc = sqlite3_prepare_v2(db, take_sql, -1, statement, NULL);
	sqlite3_free(take_sql);
	return rc == SQLITE_OK ? EXIT_OK : db_fail(db, path);
}

int db_count(sqlite3 *db, const char *path, const char *table, int64_t *count, int64_t *largest)
{
	sqlite3_stmt *s;
	int code =
	    db_prepare(db, path, &s, sqlite3_mprintf("SELECT count(*), max(rowid) FROM \"%w\"", table));
	if (code != EXIT_OK)
		return code;
	if (sqlite3_step(s) != SQLITE_ROW)
		code = db_fail(db, path);
	*count = sqlite3_column_int64(s, 0);
	*largest = *count ? sqlite3_column_int64(s, 1) : -1;
	sqlite3_finalize(s);
	return code;
}

/* Copy the name that ends before `end`, which may be in double quotes. False: there is none, or it is too
 * long. */
static bool name_before(const char *begin, const char *end, char *name, size_t size)
{
	while (end > begin && isspace((unsigned char)end[-1]))
		end--;
	const char *at = end;
	bool quoted = end > begin && end[-1] == '"';
	if (quoted) {
		for (at = --end; at > begin && at[-1] != '"';)
			at--;
	} else {
		while (at > begin && (isalnum((unsigned char)at[-1]) || at[-1] == '_' || (at[-1] & 0x80)))
			at--;
	}
	size_t n = (size_t)(end - at);
	if (n == 0 || n >= size)
		return false;
	memcpy(name, at, n);
	name[n] = 0;
	return true;
}

/* Read "name TYPE[dim]", whose opening bracket is at `bracket`. False: it is something else. */
static bool read_column(const char *sql, const char *bracket, struct db_column *column)
{
	const char *type = bracket;
	while (type > sql && isalnum((unsigned char)type[-1]))
		type--;
	size_t n = (size_t)(bracket - type);
	if (n == 0 || n >= sizeof column->type)
		return false;
	for (size_t i = 0; i < n; i++)
		column->type[i] = (char)toupper((unsigned char)type[i]);
	column->type[n] = 0;
	column->dim = strtoll(bracket + 1, NULL, 10);
	return column->dim > 0 && name_before(sql, type, column->name, sizeof column->name);
}

static int find_in(
    const char *sql, const char *path, const char *table, const char *name, struct db_column *column)
{
	for (const char *at = strchr(sql, '('); at && (at = strchr(at, '[')); at++)
		if (read_column(sql, at, column) && (!name || sqlite3_stricmp(column->name, name) == 0))
			return EXIT_OK;
	return cli_error(
	    EXIT_FAILED, "'%s': table '%s' has no vector column '%s'", path, table, name ? name : "");
}

int db_find_column(sqlite3 *db, const char *path, const char *table, const char *name,
    struct db_column *column, bool *exists)
{
	sqlite3_stmt *s;
	*exists = false;
	int code = db_prepare(db, path, &s,
	    sqlite3_mprintf("SELECT sql FROM sqlite_master WHERE lower(name) = lower(%Q)", table));
	if (code != EXIT_OK)
		return code;
	int rc = sqlite3_step(s);
	if (rc == SQLITE_ROW) {
		const char *sql = (const char *)sqlite3_column_text(s, 0);
		*exists = sql && sqlite3_strlike("CREATE VIRTUAL TABLE%USING%kith%(%", sql, 0) == 0;
		code = *exists ? find_in(sql, path, table, name, column)
		               : cli_error(EXIT_FAILED, "'%s': '%s' is no table of vectors", path, table);
	} else if (rc != SQLITE_DONE) {
		code = db_fail(db, path);
	}
	sqlite3_finalize(s);
	return code;
}
