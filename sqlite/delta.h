/* A set of rowids. */
#ifndef KITH_SQLITE_DELTA_H
#define KITH_SQLITE_DELTA_H

#include <stdint.h>

/* Zeroed: empty. */
struct delta {
	int64_t n, room;
	int64_t *rowids; /* sorted, each once */
};

/* delta_sort is to be called behind the last delta_push. Both return SQLite's codes, or nothing. */
int delta_push(struct delta *d, int64_t rowid);
void delta_sort(struct delta *d);
int delta_join(struct delta *d, const struct delta *more);
int delta_has(const struct delta *d, int64_t rowid);
void delta_free(struct delta *d);

#endif
