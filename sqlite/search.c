/* How a query is carried out is decided part by part, when it runs:
 *
 *   all        the part has no index, or so many neighbours are wanted that comparing all is no slower
 *   passing    conditions let so few rows pass that it is less work to list them by SQL and compare them
 *   index      the index gives candidates, the more the fewer rows pass, and conditions are tried on them
 *
 * How many rows pass is estimated by trying some, up to 256, from all over the index. Candidates are
 * compared once more with the stored vectors, in double precision, so an index decides which rows are
 * compared, never what their distances are. Where it finds fewer than are wanted, all rows that pass are
 * compared. */
#include "search.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "conditions.h"
#include "refresh.h"
#include "rows.h"
#include "snapshot.h"

enum { MIN_SAMPLE = 24, MAX_SAMPLE = 256, ENOUGH = 8, EXTRA = 8, SMALL = 20000, FEW = 1000 };

/* What things take, in microseconds, about: to list a row by SQL, in a pass over all of them or by an index
 * of SQLite's; to read and compare one; to find and try a candidate. */
static const double list_all = 0.05, list_indexed = 0.5, compare_one = 7, try_one = 3;

struct search {
	struct table *table;
	const struct plan *plan;
	struct query *query;
	struct hits *hits;
	sqlite3_stmt *test; /* NULL: there are no conditions but on partition keys */
	int64_t part;       /* that is being searched */
	const struct live *live;
	double share; /* of its rows that pass, about */
	const struct delta *delta;
	int rc; /* of a test */
};

/* Whether a row passes, and where it is. One that has gone to another part is found there. */
static int try_row(struct search *s, int64_t rowid, int64_t *position)
{
	if (s->test == NULL) {
		s->rc = row_position(s->table, rowid, position);
		return s->rc == SQLITE_OK && *position >= 0 && position_part(*position) == s->part;
	}
	sqlite3_bind_int64(s->test, sqlite3_bind_parameter_count(s->test), rowid);
	int step = sqlite3_step(s->test);
	*position = step == SQLITE_ROW ? sqlite3_column_int64(s->test, 1) : -1;
	int rc = sqlite3_reset(s->test);
	if (rc != SQLITE_OK) {
		s->rc = table_forward(s->table, rc);
	}
	return *position >= 0 && position_part(*position) == s->part;
}

/* The share of rows that pass, from rows all over the index: the more rows are tried the fewer of them
 * pass. */
static double estimate(struct search *s)
{
	int64_t tried = 0;
	int64_t passed = 0;
	int64_t position;
	uint64_t at = 0;
	if (s->test == NULL) {
		return 1;
	}
	for (int64_t i = 0; i < MAX_SAMPLE && (i < MIN_SAMPLE || passed < ENOUGH) && s->rc == SQLITE_OK;
	     i++) {
		at += 0x9e3779b97f4a7c15U; /* steps of the golden ratio fill a range evenly */
		int64_t id = (int64_t)((at >> 32) * (uint64_t)s->live->n >> 32);
		if (!live_is_dead(s->live, id)) {
			tried++;
			passed += try_row(s, s->live->rowids[id], &position);
		}
	}
	return tried > 0 ? (double)passed / (double)tried : 0;
}

/* Compare rows that no index knows. */
static int compare_pending(struct search *s)
{
	struct hits rows = {.k = INT64_MAX};
	int64_t position;
	for (int64_t i = 0; i < s->delta->n && s->rc == SQLITE_OK; i++) {
		if (try_row(s, s->delta->rowids[i], &position) &&
		    !hits_offer(&rows, 0, s->delta->rowids[i], position)) {
			s->rc = SQLITE_NOMEM;
		}
	}
	if (s->rc == SQLITE_OK && rows.n > 0) {
		s->rc = scan_compare(s->table, s->query, &rows, s->hits);
	}
	s->table->stats.pending += s->delta->n;
	hits_free(&rows);
	return s->rc;
}

/* Those candidates that show a row as it is, and pass. */
static int pick_candidates(struct search *s, int64_t n, const int64_t *ids, struct hits *rows)
{
	for (int64_t i = 0; i < n && s->rc == SQLITE_OK; i++) {
		int64_t position;
		if (ids[i] >= s->live->n || delta_has(s->delta, s->live->rowids[ids[i]])) {
			continue;
		}
		if (try_row(s, s->live->rowids[ids[i]], &position) &&
		    !hits_offer(rows, 0, s->live->rowids[ids[i]], position)) {
			s->rc = SQLITE_NOMEM;
		}
	}
	return s->rc;
}

/* Ask the index for candidates. *found: how many it gave; *farthest: about how far the last one is. */
static int find_candidates(struct search *s, int64_t want, const kith_search_options *options,
    struct hits *rows, int64_t *found, double *farthest)
{
	float *scores = sqlite3_malloc64((sqlite3_uint64)want * sizeof *scores);
	int64_t *ids = sqlite3_malloc64((sqlite3_uint64)want * sizeof *ids);
	int rc = scores != NULL && ids != NULL ? SQLITE_OK : SQLITE_NOMEM;
	*found = 0;
	*farthest = INFINITY;
	if (rc == SQLITE_OK) {
		rc = table_status(s->table,
		    kith_index_search(s->live->index, 1, s->query->vector.x, want, scores, ids, options));
	}
	while (rc == SQLITE_OK && *found < want && ids[*found] >= 0) {
		*farthest = distance_from_score(s->query->column->metric, scores[(*found)++]);
	}
	if (rc == SQLITE_OK) {
		rc = pick_candidates(s, *found, ids, rows);
	}
	sqlite3_free(scores);
	sqlite3_free(ids);
	return rc;
}

/* How many candidates make `want` neighbours. */
static int64_t candidates_for(const struct search *s, int64_t want)
{
	double share = s->share < 1 ? s->share / 1.25 : 1;
	return (int64_t)((double)want / share) * s->live->multiplier + EXTRA;
}

/* One search of the index for `want` neighbours. *more: whether to ask for more. */
static int search_once(struct search *s, int64_t want, struct hits *near, int *more)
{
	const struct query *q = s->query;
	kith_search_options options = KITH_SEARCH_OPTIONS;
	struct hits rows = {.k = INT64_MAX};
	int64_t candidates = candidates_for(s, want);
	int64_t found;
	double farthest;
	options.threads = 1;
	options.filter = s->live->alive;
	live_options(s->live, q->recall > 0 ? q->recall : 0.95, candidates / s->live->multiplier, q->ef,
	    q->nprobe, &options);
	/* The fewer rows of a list pass, the more lists it takes. */
	if (q->nprobe == 0) {
		options.nprobe = (int64_t)((double)options.nprobe / s->share);
	}
	int rc = find_candidates(s, candidates, &options, &rows, &found, &farthest);
	if (rc == SQLITE_OK) {
		s->table->stats.candidates += found;
		s->table->stats.effort = s->live->uses_nprobe ? options.nprobe : options.efSearch;
		rc = scan_compare(s->table, s->query, &rows, near);
	}
	hits_free(&rows);
	*more = near->n < near->k && found == candidates && farthest <= q->bounds.max;
	return rc;
}

/* Ask the index for more and more candidates until k of them are within the bounds. *enough 0: it has no
 * more. */
static int search_index(struct search *s, int64_t n, int *enough)
{
	int more = 1;
	int rc = SQLITE_OK;
	*enough = 0;
	for (int64_t want = s->hits->k; rc == SQLITE_OK && more; want *= 2) {
		struct hits near = {.k = s->hits->k};
		if (candidates_for(s, want) > n / 4) {
			break;
		}
		rc = search_once(s, want, &near, &more);
		*enough = rc == SQLITE_OK && near.n == near.k;
		for (int64_t i = 0; *enough && i < near.n && rc == SQLITE_OK; i++) {
			const struct hit *hit = &near.items[i];
			rc = hits_offer(s->hits, hit->distance, hit->rowid, hit->position) ? SQLITE_OK
			                                                                   : SQLITE_NOMEM;
		}
		hits_free(&near);
	}
	return rc;
}

/* Whether it is less work to list the rows that pass, of which there are about s->share · n, and to compare
 * them. */
static int list_is_cheaper(const struct search *s, int64_t n)
{
	double rows = s->share * (double)n;
	double list = list_all * (double)n;
	for (int i = 0; i < s->plan->n; i++) {
		const struct term *term = &s->plan->terms[i];
		int column = term->kind == TERM_WHERE || term->kind == TERM_IN ? term->column : -1;
		if (column >= 0 && s->table->schema.columns[column].indexed) {
			list = list_indexed * rows;
		}
	}
	return rows == 0 || (n < SMALL && rows < FEW) ||
	       list + compare_one * rows < try_one * (double)candidates_for(s, s->hits->k);
}

/* Search the index of a part. *done 0: compare all rows instead. */
static int search_live(struct search *s, int64_t n, int *done)
{
	*done = 0;
	s->share = estimate(s);
	s->table->stats.passing = s->test != NULL ? s->share : -1;
	if (s->rc != SQLITE_OK || (s->test != NULL && list_is_cheaper(s, n))) {
		s->table->stats.strategy = "passing";
		return s->rc;
	}
	int rc = search_index(s, n, done);
	if (rc == SQLITE_OK && *done) {
		s->table->stats.strategy = "index";
		rc = compare_pending(s);
	}
	return rc;
}

static int search_part(struct search *s, int64_t part, int64_t n)
{
	struct shared *shared = NULL;
	struct delta delta = {0};
	int done = 0;
	int rc = SQLITE_OK;
	if (s->hits->k < n / 4) {
		rc = index_acquire(s->table, s->query->column, part, &shared, &delta);
	}
	if (rc == SQLITE_OK && shared != NULL) {
		s->part = part;
		s->live = shared->live;
		s->delta = &delta;
		if (delta.n < n / 10 + 1) {
			rc = search_live(s, n, &done);
		}
		s->live = NULL;
		s->delta = NULL;
		index_release(shared, &delta);
	}
	if (rc != SQLITE_OK || done) {
		return rc;
	}
	s->table->stats.exact_searches++;
	return scan_search(s->table, s->plan, s->query, part, n, s->hits);
}

/* The parts that a query speaks of, and their rows. *indexed: one of them has an index. */
static int list_parts(
    struct table *t, const struct plan *p, struct query *q, struct hits *parts, int *indexed)
{
	sqlite3_stmt *s;
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
	int end = sqlite3_finalize(s);
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
	struct search s = {.table = t, .plan = p, .query = q, .hits = h};
	int indexed = 0;
	int rc = list_parts(t, p, q, &parts, &indexed);
	if (rc == SQLITE_OK && !indexed) {
		h->k = q->k; /* all together */
		rc = scan_search(t, p, q, -1, -1, h);
	} else if (rc == SQLITE_OK) {
		if (!conditions_on_parts(t, p, q)) {
			rc = conditions_prepare(t, p, q, SELECT_TEST, -1, 0, &s.test);
		}
		for (int64_t i = 0; i < parts.n && rc == SQLITE_OK; i++) {
			rc = search_part(&s, parts.items[i].position, parts.items[i].rowid);
		}
		sqlite3_finalize(s.test);
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
