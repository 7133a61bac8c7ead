/* SQL functions. */
#ifndef KITH_SQLITE_FUNCTIONS_H
#define KITH_SQLITE_FUNCTIONS_H

#include "sqlite.h"

int functions_register(sqlite3 *db);

/* xFindFunction: kith_contains(column, x) in WHERE is looked after by the table. */
int functions_find(sqlite3_vtab *base, int argc, const char *name,
    void (**function)(sqlite3_context *, int, sqlite3_value **), void **data);

#endif
