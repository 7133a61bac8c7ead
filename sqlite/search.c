/* How a query is carried out is decided part by part, when it runs:
 *
 *   all        the part has no index, or so many neighbours are wanted that comparing all is no slower
 *   passing    conditions let so few rows pass that all of them are compared, listed by SQL or by what
 *              the index keeps of the columns
 *   index      the index gives candidates (search_part.c)
 *
 * Distances are always those of the stored vectors, in double precision, so an index decides which rows are
 * compared, never what their distances are. Where it finds fewer than are wanted, all rows that pass are
 * compared. */
#include "search.h"

#include <math.h>
#include <time.h>

#include "conditions.h"
#include "refresh.h"
#include "search_part.h"

/* The parts that a query speaks of, and their rows. *indexed: one of them has an index. */
static int list_parts(
    struct table *t, const struct plan *p, struct query *q, struct hits *parts, int *indexed)
{
	sqlite3_stmt *s;
	struct part_state state;
	if (t->schema.count[COLUMN_PARTITION] == 0) { /* part 0, if there are rows */
		int rc = part_state(t, 0, &state);
		*indexed = state.base >= 0;
		return rc != SQLITE_OK || state.n == 0 || hits_offer(parts, 0, state.n, 0) ? rc
		                                                                           : SQLITE_NOMEM;
	}
	int rc = conditions_prepare(t, p, q, SELECT_PARTS, -1, 0, &s);
	while (rc == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW) {
		int64_t part = sqlite3_column_int64(s, 0);
		int64_t n = sqlite3_column_int64(s, 1);
		if (part < 0 || part >= (int64_t)1 << PART_BITS || n < 1 ||
		    n / t->chunk_rows >= (int64_t)1 << SEQ_BITS) {
			rc = table_corrupt(t, "part %lld has %lld rows", (long long)part, (long long)n);
		} else if (!hits_offer(parts, 0, n, part)) {
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
		h->k = q->k; /* all together */
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
	/* A radius is about all rows within it. */
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
