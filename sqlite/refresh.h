/* Keeping indexes consistent with their rows.
 *
 * Each change of a part increments its number `seq` and gives it a new random `mark`. T_changes has a row
 * (seq, mark) for each change since the part's snapshot was written. An index in memory knows the seq and
 * mark of the state that it represents. If they are those of the part, the index is up to date. If they
 * are in T_changes, the index lacks the changes after them. Otherwise it belongs to another history of the
 * file (a restored copy, or a transaction that this one does not see). */
#ifndef KITH_SQLITE_REFRESH_H
#define KITH_SQLITE_REFRESH_H

#include "registry.h"
#include "table.h"

enum {
	INDEX_FROM =
	    1000, /* a part with fewer rows gets no index, as comparing all is as fast; set by 'index-from' */
	URGENT_LAG =
	    1000, /* with more changes than this, a search waits for running searches to update the index */
	MIN_ADDED = 8,       /* a search adds this number of pending rows to the index, or */
	ADDED_SHARE = 32,    /* this fraction of them, 1 / ADDED_SHARE, if that is more */
	MAX_CHANGES = 20000, /* a new snapshot is written after at most this number of changes */
};

/* A part's row in T_parts. Without a snapshot, kith_base_mark is the number of rows at which an index is
 * tried again. */
struct part_state {
	int64_t part, n, seq, mark;
	int64_t base, base_mark; /* seq and mark of the snapshot; base −1: there is none */
};

/* Read the rows that have changed after number seq: all in *d, and those whose vectors have changed in
 * *vectors, unless it is NULL. There must be `wanted` changes. */
int delta_read(
    struct table *t, int64_t part, int64_t seq, int64_t wanted, struct delta *d, struct delta *vectors);

/* The factory string of a column's index; NULL: no index. Freed with sqlite3_free. */
int index_spec(struct table *t, const struct column *c, char **spec);
int index_load_config(struct table *t); /* t->indexed, t->index_from */

/* How many bytes a table's indexes may take in a process; −1: no limit. */
int index_memory_limit(struct table *t, int64_t *bytes);

/* Get the index of a part, locked for reading, until index_release. `delta` are the rows that must be
 * compared separately, because the index does not have their present state. *out is NULL if all rows must
 * be compared. columns [n]: the columns on which the query has conditions (sieve.h). */
int index_acquire(struct table *t, const struct column *c, int64_t part, const int *columns, int n,
    struct shared **out, struct delta *delta);
void index_release(struct shared *s, struct delta *delta);

/* xSync: write the snapshots that are due. xCommit, xRollback: share the new indexes, or free them. */
int index_sync(struct table *t);
void index_commit(struct table *t);
void index_rollback(struct table *t);

/* Write all snapshots anew, or only those of parts that have changed. */
int index_rebuild(struct table *t);
int index_merge(struct table *t);

int part_state(struct table *t, int64_t part, struct part_state *s);

#endif
