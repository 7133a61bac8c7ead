/* Searches one part that has an index. The fraction of rows that pass the conditions is estimated from a
 * sample of up to 256 rows:
 *
 *   many    the index is searched without the conditions, for the more candidates the fewer rows pass;
 *           candidates that do not pass are dropped
 *   fewer   the ids that pass are marked, by the columns in memory, and the index is searched with this
 *           filter
 *   few     all rows that pass are compared
 *
 * If the columns are not in memory, SQL tests row by row, or lists the rows that pass. The number of
 * candidates that are compared exactly is the one that was measured when the index was built. */
#include "search_part.h"

#include <math.h>
#include <string.h>

#include "chunks.h"
#include "conditions.h"
#include "distance.h"
#include "refresh.h"
#include "rows.h"
#include "sieve.h"
#include "snapshot.h"

enum {
	MIN_SAMPLE = 24,
	MAX_SAMPLE = 256,
	ENOUGH = 8,
	EXTRA = 2,
	SMALL = 20000,
	FEW = 1000,
	MIN_RANKED = 60,
	MAX_RANKED = 20000,
	AT_ONCE = 32 /* vectors that are got from the index */
};

/* Approximate times in microseconds: to list a row by SQL, in a pass over all rows or by an index of
 * SQLite; to read a stored vector and compare it; to compare a vector that the index holds; to find a
 * candidate and test it, by SQL or in memory; to test one condition on a row in a pass over all rows; to
 * search the index with a filter, for the search itself and for each row of the part. */
static const double list_all = 0.05, list_indexed = 0.5, compare_stored = 5, compare_kept = 0.3, try_sql = 3,
                    try_kept = 0.8, mark_one = 0.0006, search_marked = 200, search_row = 0.0025;

struct search {
	struct table *table;
	const struct plan *plan;
	struct query *query;
	struct hits *hits;
	int conditions;     /* the query has conditions on rows */
	sqlite3_stmt *test; /* SELECT_TEST, prepared when it is first needed */
	int64_t part;
	const struct live *live;
	const struct delta *delta; /* rows whose present state is not in the index */
	struct sieve sieve;
	double share;  /* the estimated fraction of candidates that pass */
	uint8_t *bits; /* a bit for each id that passes the sieve; NULL: ids are not marked */
	struct chunk_blob blob;
	unsigned char *bytes; /* one stored vector */
	float *x;             /* the vector as floats */
};

/* ---- rows ---- */

/* Whether a row passes the conditions and belongs to the part, and its position; −1 if it does not exist
 * or pass. */
static int try_row(struct search *s, int64_t rowid, int64_t *position, int *passes)
{
	int rc = SQLITE_OK;
	if (!s->conditions) {
		rc = row_position(s->table, rowid, position);
	} else {
		if (s->test == NULL) {
			rc = conditions_prepare(s->table, s->plan, s->query, SELECT_TEST, -1, 0, &s->test);
		}
		if (rc != SQLITE_OK) {
			return rc;
		}
		sqlite3_bind_int64(s->test, sqlite3_bind_parameter_count(s->test), rowid);
		int step = sqlite3_step(s->test);
		*position = step == SQLITE_ROW ? sqlite3_column_int64(s->test, 1) : -1;
		rc = sqlite3_reset(s->test);
		rc = rc == SQLITE_OK ? rc : table_forward(s->table, rc);
	}
	*passes = rc == SQLITE_OK && *position >= 0 && position_part(*position) == s->part;
	return rc;
}

/* Whether an id of the index passes, whose row has not changed. The position is looked up only if it is
 * needed; otherwise *position is −1. */
static int try_id(struct search *s, int64_t id, int64_t *position, int *passes)
{
	*position = -1;
	*passes = s->sieve.n == 0 || sieve_passes(&s->sieve, id);
	if (!*passes || (s->sieve.complete && s->sieve.n > 0) || !s->conditions) {
		return SQLITE_OK;
	}
	return try_row(s, s->live->rowids[id], position, passes);
}

/* Read the vector of an id, from the index if it stores vectors bit by bit, otherwise from the table.
 * *gone: whether the row no longer exists. */
static int read_vector(struct search *s, int64_t id, int64_t position, int *gone)
{
	const struct column *c = s->query->column;
	*gone = 0;
	if (s->live->exact) {
		return table_status(s->table, kith_index_get(s->live->index, 1, &id, s->x));
	}
	int rc = position < 0 ? row_position(s->table, s->live->rowids[id], &position) : SQLITE_OK;
	*gone = position < 0;
	if (rc != SQLITE_OK || *gone) {
		return rc;
	}
	void *bytes = c->element == ELEMENT_F32 ? (void *)s->x : s->bytes;
	rc = chunk_read(s->table, &s->blob, c->number, position, 1, bytes);
	if (rc == SQLITE_OK && c->element != ELEMENT_F32) {
		vector_decode(c, 1, bytes, s->x);
	}
	return rc;
}

/* Compare the vector of an id with the query, and offer it to `near`. *distance is NaN if the row no
 * longer exists. */
static int compare_id(struct search *s, int64_t id, int64_t position, struct hits *near, double *distance)
{
	const struct query *q = s->query;
	int gone;
	int rc = read_vector(s, id, position, &gone);
	*distance = NAN;
	if (rc != SQLITE_OK || gone) {
		return rc;
	}
	s->table->stats.rows++;
	*distance = distance_between(q->column->metric, q->column->dim, q->vector.x, s->x);
	return !bounds_allow(&q->bounds, q->column->metric, *distance) ||
	               hits_offer(near, *distance, s->live->rowids[id], -1)
	           ? SQLITE_OK
	           : SQLITE_NOMEM;
}

/* Compare the rows whose present state is not in the index. */
static int compare_pending(struct search *s)
{
	struct hits rows = {.k = INT64_MAX};
	int64_t position;
	int rc = SQLITE_OK;
	for (int64_t i = 0; i < s->delta->n && rc == SQLITE_OK; i++) {
		int passes;
		rc = try_row(s, s->delta->rowids[i], &position, &passes);
		if (rc == SQLITE_OK && passes && !hits_offer(&rows, 0, s->delta->rowids[i], position)) {
			rc = SQLITE_NOMEM;
		}
	}
	if (rc == SQLITE_OK && rows.n > 0) {
		rc = scan_compare(s->table, s->query, &rows, s->hits);
	}
	s->table->stats.pending += s->delta->n;
	hits_free(&rows);
	return rc;
}

/* ---- how many pass ---- */

/* Estimate the fraction of rows that pass from rows spread over the index; more rows are tested if few of
 * them pass. *sieved: the fraction that passes the sieve; s->share: the fraction that passes all
 * conditions. */
static int estimate(struct search *s, double *sieved)
{
	int64_t tried = 0;
	int64_t through = 0;
	int64_t passed = 0;
	uint64_t at = 0;
	int rc = SQLITE_OK;
	for (int64_t i = 0; i < MAX_SAMPLE && (i < MIN_SAMPLE || passed < ENOUGH) && rc == SQLITE_OK; i++) {
		at += 0x9e3779b97f4a7c15U; /* multiples of the golden ratio are spread evenly */
		int64_t id = (int64_t)((at >> 32) * (uint64_t)s->live->n >> 32);
		int64_t position;
		int passes = 0;
		if (!live_is_dead(s->live, id)) {
			tried++;
			through += s->sieve.n == 0 || sieve_passes(&s->sieve, id);
			rc = try_id(s, id, &position, &passes);
			passed += passes;
		}
	}
	*sieved = tried > 0 ? (double)through / (double)tried : 0;
	s->share = tried > 0 ? (double)passed / (double)tried : 0;
	return rc;
}

/* How many candidates are needed for `want` neighbours. */
static int64_t candidates_for(const struct search *s, int64_t want)
{
	double share = s->share < 1 ? fmax(s->share, 1e-6) / 1.25 : 1;
	return (int64_t)((double)live_candidates(s->live, want) / share) + EXTRA;
}

/* Whether SQLite can list the rows that pass by an index. */
static int listed_by_index(const struct search *s)
{
	for (int i = 0; i < s->plan->n; i++) {
		const struct term *term = &s->plan->terms[i];
		int column = term->kind == TERM_WHERE || term->kind == TERM_IN ? term->column : -1;
		if (column >= 0 && s->table->schema.columns[column].indexed) {
			return 1;
		}
	}
	return 0;
}

/* Whether it is less work to list the rows that pass by SQL and compare all of them. */
static int list_is_cheaper(const struct search *s, int64_t n)
{
	double rows = s->share * (double)n;
	double list = listed_by_index(s) ? list_indexed * rows : list_all * (double)n;
	if (s->sieve.n > 0) {
		return listed_by_index(s) && list + compare_stored * rows < mark_one * (double)n;
	}
	return rows == 0 || (n < SMALL && rows < FEW) ||
	       list + compare_stored * rows < try_sql * (double)candidates_for(s, s->hits->k);
}

/* ---- candidates ---- */

/* Test candidates, nearest first, and compare those that pass until `enough` are compared. *tied: the last
 * one has the same distance as the k-th nearest, so further candidates may have this distance, too. */
static int compare_candidates(
    struct search *s, const int64_t *ids, int64_t n, int64_t enough, struct hits *near, int *tied)
{
	int rc = SQLITE_OK;
	double last = NAN;
	int64_t compared = 0;
	for (int64_t i = 0; i < n && compared < enough && rc == SQLITE_OK; i++) {
		int64_t position;
		int passes = 0;
		if (ids[i] >= s->live->n || delta_has(s->delta, s->live->rowids[ids[i]])) {
			continue;
		}
		rc = try_id(s, ids[i], &position, &passes);
		if (rc == SQLITE_OK && passes) {
			rc = compare_id(s, ids[i], position, near, &last);
			compared++;
		}
	}
	*tied = near->n == near->k && last == hits_bound(near);
	return rc;
}

/* Search the index for `want` candidates. *found: how many it returned; *farthest: the approximate
 * distance of the last. */
static int find_candidates(struct search *s, int64_t want, const kith_search_options *options, int64_t *ids,
    int64_t *found, double *farthest)
{
	float *scores = sqlite3_malloc64((sqlite3_uint64)want * sizeof *scores);
	*found = 0;
	*farthest = INFINITY;
	if (scores == NULL) {
		return SQLITE_NOMEM;
	}
	int rc = table_status(
	    s->table, kith_index_search(s->live->index, 1, s->query->vector.x, want, scores, ids, options));
	while (rc == SQLITE_OK && *found < want && ids[*found] >= 0) {
		*farthest = distance_from_score(s->query->column->metric, scores[(*found)++]);
	}
	sqlite3_free(scores);
	return rc;
}

/* Search the index once, for `want` neighbours. *more: whether a search for more of them may find further
 * ones. */
static int search_once(
    struct search *s, const kith_filter *filter, int64_t want, struct hits *near, int *more)
{
	const struct query *q = s->query;
	kith_search_options options = KITH_SEARCH_OPTIONS;
	int64_t candidates = candidates_for(s, want);
	int64_t *ids = sqlite3_malloc64((sqlite3_uint64)candidates * sizeof *ids);
	int64_t found;
	double farthest;
	int tied;
	if (ids == NULL) {
		return SQLITE_NOMEM;
	}
	options.threads = 1;
	options.filter = filter;
	live_options(s->live, q->recall > 0 ? q->recall : 0.95,
	    (int64_t)ceil((double)candidates / s->live->multiplier), q->ef, q->nprobe, &options);
	/* The fewer rows pass, the more lists must be searched. */
	if (q->nprobe == 0 && s->bits == NULL) {
		options.nprobe = (int64_t)((double)options.nprobe / s->share);
	}
	/* A graph has fewer paths among the nodes that pass a filter, so it is searched more thoroughly. */
	if (s->bits != NULL && q->ef == 0 && s->live->uses_ef && !s->live->uses_nprobe) {
		options.efSearch *= 2;
	}
	int rc = find_candidates(s, candidates, &options, ids, &found, &farthest);
	if (rc == SQLITE_OK) {
		s->table->stats.candidates += found;
		s->table->stats.effort = s->live->uses_nprobe ? options.nprobe : options.efSearch;
		rc = compare_candidates(s, ids, found, live_candidates(s->live, want) + EXTRA, near, &tied);
	}
	sqlite3_free(ids);
	*more =
	    rc == SQLITE_OK && found == candidates && (near->n < near->k ? farthest <= q->bounds.max : tied);
	return rc;
}

/* Search the index for more and more candidates until k of them pass and are within the bounds. *enough:
 * whether k were found. */
static int search_index(struct search *s, const kith_filter *filter, int64_t n, int *enough)
{
	int more = 1;
	int rc = SQLITE_OK;
	*enough = 0;
	for (int64_t want = s->hits->k; rc == SQLITE_OK && more; want *= 2) {
		struct hits near = {.k = s->hits->k};
		if (candidates_for(s, want) > n / 4) {
			break;
		}
		rc = search_once(s, filter, want, &near, &more);
		*enough = rc == SQLITE_OK && near.n == near.k && !more;
		for (int64_t i = 0; *enough && i < near.n && rc == SQLITE_OK; i++) {
			const struct hit *hit = &near.items[i];
			rc = hits_offer(s->hits, hit->distance, hit->rowid, hit->position) ? SQLITE_OK
			                                                                   : SQLITE_NOMEM;
		}
		hits_free(&near);
	}
	return rc;
}

/* ---- marked ids ---- */

/* Compare all marked ids. */
static int compare_marked(struct search *s)
{
	int rc = SQLITE_OK;
	for (int64_t byte = 0; byte < (s->live->n + 7) / 8 && rc == SQLITE_OK; byte++) {
		for (unsigned rest = s->bits[byte]; rest != 0 && rc == SQLITE_OK; rest &= rest - 1) {
			int64_t id = 8 * byte + __builtin_ctz(rest);
			int64_t position;
			double distance;
			int passes = 0;
			if (!delta_has(s->delta, s->live->rowids[id])) {
				rc = try_id(s, id, &position, &passes);
			}
			if (rc == SQLITE_OK && passes) {
				rc = compare_id(s, id, position, s->hits, &distance);
			}
		}
	}
	return rc;
}

/* List the marked ids whose rows have not changed: ids [marked]. Returns their number. */
static int64_t list_marked(const struct search *s, int64_t *ids)
{
	int64_t n = 0;
	for (int64_t byte = 0; byte < (s->live->n + 7) / 8; byte++) {
		for (unsigned rest = s->bits[byte]; rest != 0; rest &= rest - 1) {
			int64_t id = 8 * byte + __builtin_ctz(rest);
			if (s->delta->n == 0 || !delta_has(s->delta, s->live->rowids[id])) {
				ids[n++] = id;
			}
		}
	}
	return n;
}

/* Compare the decoded vectors of ids. *told becomes 0 if the index cannot decode vectors. */
static int offer_coded(
    struct search *s, const int64_t *ids, int64_t n, float *x, struct hits *ranked, int *told)
{
	const struct query *q = s->query;
	int rc = SQLITE_OK;
	kith_status status = kith_index_get(s->live->index, n, ids, x);
	*told = status == KITH_OK;
	if (status != KITH_OK) {
		return status == KITH_NOMEM ? SQLITE_NOMEM : SQLITE_OK;
	}
	for (int64_t i = 0; i < n && rc == SQLITE_OK; i++) {
		double d =
		    distance_between(q->column->metric, q->column->dim, q->vector.x, x + i * q->column->dim);
		rc = hits_offer(ranked, d, ids[i], -1) ? SQLITE_OK : SQLITE_NOMEM;
	}
	return rc;
}

/* Rank ids by their decoded vectors in the index, and leave the best ones in `ids`, in order. *n becomes 0
 * if the index cannot decode vectors. */
static int rank_ids(struct search *s, int64_t *ids, int64_t *n, int64_t best)
{
	struct hits ranked = {.k = best};
	int told = 1;
	float *x = sqlite3_malloc64(AT_ONCE * (sqlite3_uint64)s->query->column->dim * sizeof *x);
	int rc = x == NULL ? SQLITE_NOMEM : SQLITE_OK;
	for (int64_t i = 0; i < *n && rc == SQLITE_OK && told; i += AT_ONCE) {
		rc = offer_coded(s, ids + i, *n - i < AT_ONCE ? *n - i : AT_ONCE, x, &ranked, &told);
	}
	sqlite3_free(x);
	hits_sort(&ranked);
	*n = told ? ranked.n : 0;
	for (int64_t i = 0; i < *n; i++) {
		ids[i] = ranked.items[i].rowid;
	}
	hits_free(&ranked);
	return rc;
}

/* Search some thousand marked ids, for which reading all vectors from the table would take too long: only
 * those that are the nearest according to the index's codes are compared. */
static int search_ranked(struct search *s, int64_t marked, int *done)
{
	struct hits near = {.k = s->hits->k};
	int64_t best = live_candidates(s->live, s->hits->k) + EXTRA;
	int tied = 0;
	int64_t *ids = sqlite3_malloc64((sqlite3_uint64)(marked + 1) * sizeof *ids);
	if (ids == NULL) {
		return SQLITE_NOMEM;
	}
	int64_t n = list_marked(s, ids);
	int rc = rank_ids(s, ids, &n, best);
	if (rc == SQLITE_OK) {
		rc = compare_candidates(s, ids, n, n, &near, &tied);
	}
	*done = rc == SQLITE_OK && near.n == near.k && !tied;
	for (int64_t i = 0; *done && i < near.n && rc == SQLITE_OK; i++) {
		rc = hits_offer(s->hits, near.items[i].distance, near.items[i].rowid, -1) ? SQLITE_OK
		                                                                          : SQLITE_NOMEM;
	}
	hits_free(&near);
	sqlite3_free(ids);
	return rc;
}

/* Mark the ids that pass the sieve and search among them. */
static int search_marks(struct search *s, double sieved, int *done)
{
	s->bits = sqlite3_malloc64((sqlite3_uint64)(s->live->n + 7) / 8 + 1);
	if (s->bits == NULL) {
		return SQLITE_NOMEM;
	}
	int64_t marked = sieve_bits(&s->sieve, s->live, s->bits);
	s->share = sieved > 0 ? fmax(s->share / sieved, 0.01) : 1;
	int64_t want = candidates_for(s, s->hits->k);
	double each = s->live->exact ? compare_kept : compare_stored;
	int rc = SQLITE_OK;
	int unbounded = s->query->bounds.min == -INFINITY && s->query->bounds.similar_max == INFINITY;
	if (s->sieve.complete && unbounded && marked > MIN_RANKED && marked <= MAX_RANKED) {
		s->table->stats.strategy = "passing";
		rc = search_ranked(s, marked, done);
	} else if (want < marked / 4 &&
	           search_marked + search_row * (double)s->live->n + each * (double)want <
	               each * (double)marked) {
		kith_filter *filter = NULL;
		rc = table_status(s->table, kith_filter_bitmap(&filter, s->live->n, s->bits));
		if (rc == SQLITE_OK) {
			s->table->stats.strategy = "index";
			rc = search_index(s, filter, marked, done);
		}
		kith_filter_free(filter);
	}
	if (rc == SQLITE_OK && !*done) {
		s->table->stats.strategy = "passing";
		rc = compare_marked(s);
		*done = 1;
	}
	return rc;
}

/* ---- a part ---- */

/* Whether marking the ids that pass is less work than searching for so many candidates that enough of them
 * pass. */
static int marking_is_cheaper(const struct search *s, int64_t n)
{
	double each = s->sieve.complete ? try_kept : try_sql;
	return s->sieve.n > 0 && mark_one * (double)n * s->sieve.n + search_marked <
	                             each * (double)candidates_for(s, s->hits->k);
}

/* Search the index of a part. *done 0: the caller must compare all rows instead. */
static int search_live(struct search *s, int64_t n, int *done)
{
	double sieved = 1;
	int rc = SQLITE_OK;
	*done = 0;
	s->share = 1;
	s->table->stats.passing = -1;
	if (s->conditions) {
		rc = sieve_make(&s->sieve, s->table, s->live, s->plan, s->query);
		if (rc == SQLITE_OK) {
			rc = estimate(s, &sieved);
		}
		s->table->stats.passing = s->share;
		s->table->stats.strategy = "passing";
		if (rc != SQLITE_OK || list_is_cheaper(s, n)) {
			return rc;
		}
	}
	if (s->conditions && marking_is_cheaper(s, n)) {
		rc = search_marks(s, sieved, done);
	} else {
		rc = search_index(s, s->live->alive, n, done);
		s->table->stats.strategy = *done ? "index" : s->table->stats.strategy;
	}
	return rc == SQLITE_OK && *done ? compare_pending(s) : rc;
}

/* Allocate memory, and search the acquired index. */
static int search_with(struct search *s, int64_t n, int *done)
{
	const struct column *c = s->query->column;
	s->bytes = sqlite3_malloc64((sqlite3_uint64)column_width(c));
	s->x = sqlite3_malloc64((sqlite3_uint64)c->dim * sizeof *s->x);
	int rc = s->bytes != NULL && s->x != NULL ? search_live(s, n, done) : SQLITE_NOMEM;
	chunk_close(&s->blob);
	conditions_finish(s->table, SELECT_TEST, s->test);
	sieve_free(&s->sieve);
	sqlite3_free(s->bits);
	sqlite3_free(s->bytes);
	sqlite3_free(s->x);
	return rc;
}

int search_part(
    struct table *t, const struct plan *p, struct query *q, int64_t part, int64_t n, struct hits *h)
{
	struct shared *shared = NULL;
	struct delta delta = {0};
	int columns[MAX_TERMS];
	int done = 0;
	int rc = SQLITE_OK;
	if (h->k < n / 4) {
		rc =
		    index_acquire(t, q->column, part, columns, sieve_columns(t, p, columns), &shared, &delta);
	}
	if (rc == SQLITE_OK && shared != NULL) {
		struct search s = {.table = t,
		    .plan = p,
		    .query = q,
		    .hits = h,
		    .part = part,
		    .live = shared->live,
		    .delta = &delta,
		    .conditions = !conditions_on_parts(t, p, q)};
		if (q->filter != NULL) { /* so that an invalid filter is an error under every strategy */
			rc = conditions_prepare(t, p, q, SELECT_TEST, -1, 0, &s.test);
		}
		if (rc == SQLITE_OK && delta.n < n / 10 + 1) {
			rc = search_with(&s, n, &done);
		} else {
			conditions_finish(t, SELECT_TEST, s.test);
		}
		index_release(shared, &delta);
	}
	if (rc != SQLITE_OK || done) {
		return rc;
	}
	t->stats.exact_searches++;
	return scan_search(t, p, q, part, n, h);
}
