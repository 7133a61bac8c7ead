/* SQL functions about searches: kith_explain(table), kith_stats(table), kith_tune(table). */
#ifndef KITH_SQLITE_STATS_H
#define KITH_SQLITE_STATS_H

#include "table.h"

int stats_register(sqlite3 *db, struct connection *connection);

#endif
