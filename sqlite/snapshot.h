/* Snapshots of indexes in T_idx: their bytes, in pieces of a megabyte, one row for each piece. */
#ifndef KITH_SQLITE_SNAPSHOT_H
#define KITH_SQLITE_SNAPSHOT_H

#include "live.h"
#include "table.h"

/* Write the snapshot of a part's index for a vector column, replacing an older one. */
int snapshot_write(struct table *t, int64_t part, const struct column *c, const struct live *l);

/* Read a snapshot. *out is NULL without an error if there is none. */
int snapshot_read(struct table *t, int64_t part, const struct column *c, struct live **out);

/* Remove one snapshot; a part's log of changes; all snapshots of a part and its log. */
int snapshot_remove(struct table *t, int64_t part, const struct column *c);
int changes_drop(struct table *t, int64_t part);
int snapshot_drop(struct table *t, int64_t part);

/* Convert a status of kith to SQLite's code, and set the table's message. */
int table_status(struct table *t, kith_status status);

#endif
