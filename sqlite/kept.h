/* Columns that an index keeps in memory (cells.h), read from the table. The index's lock is held for
 * writing, and it shows the state that the transaction sees. */
#ifndef KITH_SQLITE_KEPT_H
#define KITH_SQLITE_KEPT_H

#include "live.h"
#include "table.h"

/* Whether it lacks one of these columns. Reads alone: the lock may be held for reading. */
int kept_lacks(const struct live *l, const int *columns, int n);

/* Read those that it lacks. */
int kept_load(struct table *t, struct live *l, const int *columns, int n);

/* Read a row's values anew, of all columns that it keeps. */
int kept_update(struct table *t, struct live *l, int64_t rowid);

/* After ids were added: all columns have as many. */
int kept_extend(struct live *l);

#endif
