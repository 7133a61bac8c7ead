/* A list of SQL values, which statements of the extension can read as a table of one column. */
#ifndef KITH_SQLITE_VALUES_H
#define KITH_SQLITE_VALUES_H

#include "sqlite.h"

struct values {
	int n, room;
	sqlite3_value **items;
};

#define VALUES_POINTER "kith_values"

int values_push(struct values *v, sqlite3_value *value);
void values_free(struct values *v);

/* Register kith_values(pointer). */
int values_register(sqlite3 *db);

#endif
