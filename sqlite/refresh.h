/* Keeping indexes in step with their rows.
 *
 * Each change of a part counts its number `seq` up and gives the part a new random `mark`. Since a part's
 * snapshot was made, T_changes has a row for each number. An index in memory knows the number and the mark
 * that it shows: if the part has them too, it is up to date; if T_changes has them, it lacks the changes
 * behind them; else it is of another history (a restored copy, a transaction that this one does not see). */
#ifndef KITH_SQLITE_REFRESH_H
#define KITH_SQLITE_REFRESH_H

#include "registry.h"
#include "table.h"

enum {
	INDEX_FROM = 1000, /* rows of a part, below which comparing all is as fast; 'index-from' changes it */
	MUCH = 1000,       /* changes that a search waits for other searches to apply some of */
	MIN_STEP = 8,      /* changes that a search adds to the index, if no more are due, and */
	LAG_STEPS = 32,    /* the share of those due otherwise */
	MAX_PENDING = 20000, /* changes, beyond which a new snapshot is made */
};

struct part_state {
	int64_t part, n, seq, mark;
	int64_t base, base_mark; /* of the snapshot; base −1: there is none, and base_mark is how many rows
	                            it takes to try again to make one */
};

/* The changes behind number seq, of which there must be so many: all, and those of vectors (NULL: not
 * wanted). */
int delta_read(
    struct table *t, int64_t part, int64_t seq, int64_t wanted, struct delta *d, struct delta *vectors);

/* The factory string of a column; NULL: exact. Freed with sqlite3_free. */
int index_spec(struct table *t, const struct column *c, char **spec);
int index_load_config(struct table *t); /* t->indexed, t->index_from */

/* Bytes that a table's indexes may take in a process; −1: any number. */
int index_memory_limit(struct table *t, int64_t *bytes);

/* The index of a part, to be searched together with the rows of `delta`, and given back with index_release.
 * *out NULL: compare all rows. columns [n]: conditions ask about them (sieve.h). */
int index_acquire(struct table *t, const struct column *c, int64_t part, const int *columns, int n,
    struct shared **out, struct delta *delta);
void index_release(struct shared *s, struct delta *delta);

/* xSync: make the snapshots that are due. xCommit, xRollback: share or forget them. */
int index_sync(struct table *t);
void index_commit(struct table *t);
void index_rollback(struct table *t);

/* Make all snapshots anew, or bring those up to date that have changes. */
int index_rebuild(struct table *t);
int index_merge(struct table *t);

int part_state(struct table *t, int64_t part, struct part_state *s);

#endif
