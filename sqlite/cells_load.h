/* Reading the columns that an index holds in memory (cells.h). The caller has locked the index for
 * writing, and the index is in the state that the transaction sees. */
#ifndef KITH_SQLITE_CELLS_LOAD_H
#define KITH_SQLITE_CELLS_LOAD_H

#include "live.h"
#include "table.h"

/* Whether one of these columns is not in memory. The lock need only be held for reading. */
int cells_are_missing(const struct live *l, const int *columns, int n);

/* Read those of the columns that are not in memory. */
int cells_load(struct table *t, struct live *l, const int *columns, int n);

/* Read a row's values of all columns in memory again. */
int cells_update(struct table *t, struct live *l, int64_t rowid);

/* Extend all columns to the index's number of ids, after ids were added. */
int cells_extend_all(struct live *l);

#endif
