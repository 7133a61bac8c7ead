/* Connections to a database with kith's extension, and what its tables hold. */
#ifndef KITH_TOOLS_DB_OPEN_H
#define KITH_TOOLS_DB_OPEN_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include <kith/kith.h>

/* Open a database; flags: those of sqlite3_open_v2. Returns an exit code. */
int db_open(sqlite3 **db, const char *path, int flags);

/* Print the last error of the connection, or that a signal asked to stop. Returns the exit code. */
int db_fail(sqlite3 *db, const char *path);

/* Run or prepare SQL that sqlite3_mprintf made, which is freed here; NULL: memory was short. Return exit
 * codes. */
int db_run(sqlite3 *db, const char *path, char *take_sql);
int db_prepare(sqlite3 *db, const char *path, sqlite3_stmt **statement, char *take_sql);

/* Count the rows of a table, and find the largest rowid, −1 if there are none. Returns an exit code. */
int db_count(sqlite3 *db, const char *path, const char *table, int64_t *count, int64_t *largest);

/* A vector column: its name, and how its vectors are stored. */
struct db_column {
	char name[128];
	char type[16]; /* "FLOAT", "FLOAT16", "INT8", "UINT8" */
	int64_t dim;
};

/* Find a vector column of a table; name NULL: the first. *exists: whether there is such a table. A column
 * that is not there is an error, and so is a table that is not kith's. Returns an exit code. */
int db_find_column(sqlite3 *db, const char *path, const char *table, const char *name,
    struct db_column *column, bool *exists);

#endif
