/* The SQL functions about vectors and texts. */
#ifndef KITH_SQLITE_FUNCTIONS_H
#define KITH_SQLITE_FUNCTIONS_H

#include "sqlite.h"

int functions_register(sqlite3 *db);

/* xFindFunction: the table itself evaluates kith_contains(column, x) in WHERE. */
int functions_find(sqlite3_vtab *base, int argc, const char *name,
    void (**function)(sqlite3_context *, int, sqlite3_value **), void **data);

#endif
