/* Snapshots of indexes in T_idx: bytes in pieces of a megabyte, one row each. */
#ifndef KITH_SQLITE_SNAPSHOT_H
#define KITH_SQLITE_SNAPSHOT_H

#include "live.h"
#include "table.h"

/* Write the snapshot of a part's index for a vector column, in place of an older one. */
int snapshot_write(struct table *t, int64_t part, const struct column *c, const struct live *l);

/* Read it. *out NULL without an error: there is none. */
int snapshot_read(struct table *t, int64_t part, const struct column *c, struct live **out);

/* Remove one snapshot; a part's log of changes; all snapshots of a part and its log. */
int snapshot_remove(struct table *t, int64_t part, const struct column *c);
int changes_drop(struct table *t, int64_t part);
int snapshot_drop(struct table *t, int64_t part);

/* An error of kith's as one of the table's. */
int table_status(struct table *t, kith_status status);

#endif
