/* Connections to a database with the extension, and what its tables are. */
#ifndef KITH_TOOLS_DB_OPEN_H
#define KITH_TOOLS_DB_OPEN_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include <kith/kith.h>

/* flags: of sqlite3_open_v2. Returns an exit code. */
int db_open(sqlite3 **db, const char *path, int flags);

/* The last error of the connection as an error line. Returns EXIT_FAILED. */
int db_fail(sqlite3 *db, const char *path);

/* SQL made by sqlite3_mprintf, which is freed; NULL: no memory. Return exit codes. */
int db_run(sqlite3 *db, const char *path, char *take_sql);
int db_prepare(sqlite3 *db, const char *path, sqlite3_stmt **statement, char *take_sql);

/* Rows of a table, and the largest rowid, −1 if there are none. Returns an exit code. */
int db_count(sqlite3 *db, const char *path, const char *table, int64_t *count, int64_t *largest);

/* How rows of a vector column are stored. */
struct db_column {
	char name[128];
	char type[16]; /* "FLOAT", "FLOAT16", "INT8", "UINT8" */
	int64_t dim;
};

/* A vector column of a table; name NULL: the first. *exists: there is such a table of kith's. Returns an exit
 * code: a column that is not there, or a table of another kind, is an error. */
int db_find_column(sqlite3 *db, const char *path, const char *table, const char *name,
    struct db_column *column, bool *exists);

#endif
