/* Writing rows: INSERT, UPDATE and DELETE. */
#ifndef KITH_SQLITE_WRITE_H
#define KITH_SQLITE_WRITE_H

#include "table.h"

/* xUpdate, except commands. The arguments are those of SQLite. */
int write_row(struct table *t, int argc, sqlite3_value **argv, sqlite3_int64 *rowid);

#endif
