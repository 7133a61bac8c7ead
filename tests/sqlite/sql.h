/* What the tests of the SQLite extension in C share. */
#ifndef KITH_TESTS_SQLITE_SQL_H
#define KITH_TESTS_SQLITE_SQL_H

#include "tests/support/support.h"

#include <stdlib.h>

#include <sqlite3.h>

/* The extension that the environment names, into a connection. */
static inline void load_extension(sqlite3 *db)
{
	char *error = NULL;
	sqlite3_enable_load_extension(db, 1);
	int rc = sqlite3_load_extension(db, getenv("KITH_SQLITE"), NULL, &error);
	ck_assert_msg(rc == SQLITE_OK, "%s", error);
}

/* A statement that works. */
static inline void must(sqlite3 *db, const char *sql)
{
	char *error = NULL;
	int rc = sqlite3_exec(db, sql, NULL, NULL, &error);
	ck_assert_msg(rc == SQLITE_OK, "%s: %s", sql, error);
}

#endif
