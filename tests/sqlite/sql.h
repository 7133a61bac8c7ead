/* Helpers of the SQLite extension's tests in C. */
#ifndef KITH_TESTS_SQLITE_SQL_H
#define KITH_TESTS_SQLITE_SQL_H

#include "tests/support/support.h"

#include <stdlib.h>

#include <sqlite3.h>

/* Load the extension that KITH_SQLITE names into a connection. */
static inline void load_extension(sqlite3 *db)
{
	char *error = NULL;
	sqlite3_enable_load_extension(db, 1);
	int rc = sqlite3_load_extension(db, getenv("KITH_SQLITE"), NULL, &error);
	ck_assert_msg(rc == SQLITE_OK, "%s", error);
}

/* Run a statement, which must succeed. */
static inline void must(sqlite3 *db, const char *sql)
{
	char *error = NULL;
	int rc = sqlite3_exec(db, sql, NULL, NULL, &error);
	ck_assert_msg(rc == SQLITE_OK, "%s: %s", sql, error);
}

#endif
