/* kith_hybrid(table, fts, text, vector, k, options): text and vectors searched together. */
#ifndef KITH_SQLITE_HYBRID_H
#define KITH_SQLITE_HYBRID_H

#include "sqlite.h"

int hybrid_register(sqlite3 *db);

#endif
