/* kith_hybrid(table, fts, text, vector, k, options): a search for both text and vectors. */
#ifndef KITH_SQLITE_HYBRID_H
#define KITH_SQLITE_HYBRID_H

#include "sqlite.h"

int hybrid_register(sqlite3 *db);

#endif
