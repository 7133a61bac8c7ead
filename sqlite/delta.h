/* A set of rowids, such as the rows that have changed since a snapshot. */
#ifndef KITH_SQLITE_DELTA_H
#define KITH_SQLITE_DELTA_H

#include <stdint.h>

/* All zero: an empty set. */
struct delta {
	int64_t n, room;
	int64_t *rowids; /* [n] ascending, without repetitions */
};

/* Call delta_sort after the last delta_push. delta_join adds a set to another. delta_push and delta_join
 * return SQLite's codes. */
int delta_push(struct delta *d, int64_t rowid);
void delta_sort(struct delta *d);
int delta_join(struct delta *d, const struct delta *more);
int delta_has(const struct delta *d, int64_t rowid);
void delta_free(struct delta *d);

#endif
