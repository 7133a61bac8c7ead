/* A growing array that is sorted after all insertions. */
#include "delta.h"

#include <stdlib.h>

#include "sqlite.h"

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a;
	int64_t y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

void delta_free(struct delta *d)
{
	sqlite3_free(d->rowids);
	*d = (struct delta){0};
}

int delta_push(struct delta *d, int64_t rowid)
{
	if (d->n == d->room) {
		int64_t room = d->room < 64 ? 64 : 2 * d->room;
		int64_t *rowids = sqlite3_realloc64(d->rowids, (sqlite3_uint64)room * sizeof *rowids);
		if (rowids == NULL) {
			return SQLITE_NOMEM;
		}
		d->rowids = rowids;
		d->room = room;
	}
	d->rowids[d->n++] = rowid;
	return SQLITE_OK;
}

void delta_sort(struct delta *d)
{
	int64_t n = 0;
	if (d->n > 1) {
		qsort(d->rowids, (size_t)d->n, sizeof *d->rowids, compare);
	}
	for (int64_t i = 0; i < d->n; i++) {
		if (n == 0 || d->rowids[i] != d->rowids[n - 1]) {
			d->rowids[n++] = d->rowids[i];
		}
	}
	d->n = n;
}

int delta_join(struct delta *d, const struct delta *more)
{
	int rc = SQLITE_OK;
	for (int64_t i = 0; i < more->n && rc == SQLITE_OK; i++) {
		rc = delta_push(d, more->rowids[i]);
	}
	delta_sort(d);
	return rc;
}

int delta_has(const struct delta *d, int64_t rowid)
{
	return d->n > 0 && bsearch(&rowid, d->rowids, (size_t)d->n, sizeof rowid, compare) != NULL;
}
