/* The strategy of a query is chosen for each part when it runs:
 *
 *   all        compare all rows, because the part has no index, or so many neighbours are wanted that this
 *              is no slower
 *   passing    compare all rows that pass the conditions, because they are few; they are found by SQL or by
 *              the columns in memory
 *   index      compare candidates from the index (search_part.c)
 *
 * Distances are always those of the stored vectors, in double precision: an index determines which rows
 * are compared, but never their distances. If it finds too few, all rows that pass are compared. */
#include "search.h"

#include <math.h>
#include <time.h>

#include "conditions.h"
#include "refresh.h"
#include "search_part.h"

/* List the parts that a query may have rows in: `parts` gets their numbers as positions and their sizes as
 * rowids. *indexed: whether one of them has an index. */
static int list_parts(
    struct table *t, const struct plan *p, struct query *q, struct hits *parts, int *indexed)
{
	sqlite3_stmt *s;
	struct part_state state;
	if (t->schema.count[COLUMN_PARTITION] == 0) { /* the only part is 0, if there are rows */
		int rc = part_state(t, 0, &state);
		*indexed = state.base >= 0;
		return rc != SQLITE_OK || state.n == 0 || hits_offer(parts, 0, state.n, 0) ? rc
		                                                                           : SQLITE_NOMEM;
	}
	int rc = conditions_prepare(t, p, q, SELECT_PARTS, -1, 0, &s);
	while (rc == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW) {
		int64_t part = sqlite3_column_int64(s, 0);
		int64_t n = sqlite3_column_int64(s, 1);
		rc = part_check(t, part, n);
		if (rc == SQLITE_OK && !hits_offer(parts, 0, n, part)) {
			rc = SQLITE_NOMEM;
		}
		*indexed |= sqlite3_column_int(s, 2);
	}
	int end = conditions_finish(t, SELECT_PARTS, s);
	return rc != SQLITE_OK || end == SQLITE_OK ? rc : table_forward(t, end);
}

static void count_search(struct table *t, const struct timespec *begin)
{
	struct timespec end;
	clock_gettime(CLOCK_MONOTONIC, &end);
	double seconds = (double)(end.tv_sec - begin->tv_sec) + 1e-9 * (double)(end.tv_nsec - begin->tv_nsec);
	int bucket = 0;
	while (bucket < 27 && seconds * 1e6 > (double)((int64_t)1 << bucket)) {
		bucket++;
	}
	t->stats.latency[bucket]++;
	t->stats.searches++;
	t->stats.seconds += seconds;
}

static int search_parts(struct table *t, const struct plan *p, struct query *q, struct hits *h)
{
	struct hits parts = {.k = INT64_MAX};
	int indexed = 0;
	int rc = list_parts(t, p, q, &parts, &indexed);
	if (rc == SQLITE_OK && !indexed) {
		h->k = q->k; /* all parts are searched together */
		rc = scan_search(t, p, q, -1, -1, h);
	}
	for (int64_t i = 0; indexed && i < parts.n && rc == SQLITE_OK; i++) {
		rc = search_part(t, p, q, parts.items[i].position, parts.items[i].rowid, h);
	}
	hits_free(&parts);
	return rc;
}

int search_run(struct table *t, const struct plan *p, struct query *q, struct hits *h, int *complete)
{
	struct timespec begin;
	char *spec;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	int rc = index_spec(t, q->column, &spec);
	if (rc != SQLITE_OK) {
		return rc;
	}
	int indexed = spec != NULL;
	sqlite3_free(spec);
	t->stats.strategy = "all";
	t->stats.rows = t->stats.candidates = t->stats.effort = t->stats.pending = 0;
	t->stats.passing = -1;
	/* A search within a radius must find all rows, so it cannot use an index. */
	int radius = q->k == INT64_MAX && q->bounds.max < INFINITY;
	if (!indexed || radius || conditions_name_rows(t, p)) {
		h->k = q->k;
		t->stats.exact_searches++;
		rc = scan_search(t, p, q, -1, -1, h);
	} else {
		rc = search_parts(t, p, q, h);
	}
	*complete = h->n < h->k || h->k == q->k;
	if (rc == SQLITE_OK) {
		count_search(t, &begin);
	}
	return rc;
}
