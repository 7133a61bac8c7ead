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
	LAG = 32,          /* changes that a search rather compares than adds to the index */
	MAX_PENDING = 20000, /* changes, beyond which a new snapshot is made */
};

struct part_state {
	int64_t part, n, seq, mark;
	int64_t base, base_mark; /* of the snapshot; base −1: there is none, and base_mark is how many rows
	                            it takes to try again to make one */
};

/* Rows that have changed since the state that an index shows. */
struct delta {
	int64_t n, room;
	int64_t *rowids; /* sorted, each once */
};

/* The changes behind number seq, of which there must be so many. */
int delta_read(struct table *t, int64_t part, int64_t seq, int64_t wanted, struct delta *d);
int delta_push(struct delta *d, int64_t rowid);
void delta_sort(struct delta *d); /* each once */
int delta_has(const struct delta *d, int64_t rowid);
void delta_free(struct delta *d);

/* The factory string of a column; NULL: exact. Freed with sqlite3_free. */
int index_spec(struct table *t, const struct column *c, char **spec);
int index_load_config(struct table *t); /* t->indexed, t->index_from */

/* The index of a part, to be searched together with the rows of `delta`, and given back with index_release.
 * *out NULL: compare all rows. */
int index_acquire(
    struct table *t, const struct column *c, int64_t part, struct shared **out, struct delta *delta);
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
