/* The scan: a few queries over many rows, at the speed of memory.
 *
 * Blocks of 64 rows are scored for one query after another while they are in the nearest cache. Of split
 * floats only the upper halves are read, which are half of the bytes. With ‖x − x̂‖ <= δ (x̂ is the upper
 * half, δ the largest error of the block), the metric says how large the errors of keys are.
 *
 * Rows that no kernel reads in their form, and all for metrics that are compared in whole floats only, are
 * loaded a few at a time and then scored for all queries.
 *
 * Codes are scored by their codec, which states the error itself: scan_codes.c.
 *
 * With a filter, a block of which no row passes is skipped. If few rows pass, only these are scored, unless
 * the codec stores codes in blocks of 64.
 */
#include "lib/base/arena.h"
#include "lib/base/rounding.h"
#include "lib/codec/codec.h"
#include "lib/search/scan.h"

#include <math.h>
#include <string.h>

size_t scan_query_bytes(const struct search *s)
{
	return align64(s->compare ? s->compare->bytes(&s->base) : ((size_t)s->base.dim + 16) * sizeof(float));
}

bool scan_can(const struct search *s)
{
	return s->compare || s->metric->product == PRODUCT_NONE;
}

/* Load some rows of the task's base as floats, one behind the other. */
static const float *load_rows(struct task *t, int64_t row, const uint32_t *pos, int64_t n)
{
	int64_t dim = t->base->dim;
	float *room = t->scratch->loaded;
	for (int64_t i = 0; i < n; i++) {
		const float *x = rows_load(t->base, row + pos[i], room + i * dim);
		if (x != room + i * dim)
			memcpy(room + i * dim, x, (size_t)dim * sizeof *x);
	}
	return room;
}

/* A key of a whole metric that has overflowed says nothing: its row is a candidate. */
static void mark_overflow(float *key, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		key[i] = key[i] < 1e37f ? key[i] : -INFINITY;
}

/* Score those rows of a block whose bits are set for all queries by loading them. This is for metrics without
 * product form, for which there are no tiles. */
static void score_loaded(struct task *t, struct scan *scans, int64_t row, uint64_t mask)
{
	const struct search *s = t->s;
	int64_t dim = s->base.dim;
	do {
		uint32_t pos[SCAN_LOADED];
		float key[SCAN_LOADED];
		int64_t n = 0;
		for (; mask && n < SCAN_LOADED; mask &= mask - 1)
			pos[n++] = (uint32_t)__builtin_ctzll(mask);
		const float *x = load_rows(t, row, pos, n);
		for (int64_t q = 0; q < t->nq; q++) {
			metric_f32(&s->score, scans[q].state, x, (size_t)dim * sizeof *x, n, dim, key);
			if (s->metric->whole)
				mark_overflow(key, n);
			for (int64_t i = 0; i < n; i++)
				scans[q].key[pos[i]] = key[i];
		}
	} while (mask);
	for (int64_t q = 0; q < t->nq; q++)
		scan_limit(&scans[q], s->metric->whole ? s->metric->whole_bound(s->metric, dim)
		                                       : s->metric->error_bound(dim, scans[q].qnorm, 0, 0));
}

/* Score n rows of a block for all queries, and find the limits. With several queries, a few rows are taken at
 * a time, so that the hardware prefetches the next ones meanwhile; codes are short enough without that. */
static void score_rows(struct task *t, struct scan *scans, int64_t row, int64_t n)
{
	enum { TOGETHER = 8 };
	const struct search *s = t->s;
	int64_t step = t->nq > 1 && !rows_are_codes(t->base) ? TOGETHER * (t->nq < 6 ? 1 : 2) : n;
	for (int64_t first = 0; first < n; first += step)
		for (int64_t q = 0; q < t->nq; q++)
			s->compare->keys(t->base, scans[q].state, row + first,
			    n - first < step ? n - first : step, scans[q].key + first);
	for (int64_t q = 0; q < t->nq; q++)
		scan_finish_keys(&scans[q], row, n, NULL, n);
}

static const double TINY = 1e-30;

/* The largest compared value that a row within the bound can have. */
static double largest_sum(struct error_bound error_bound, double bound)
{
	if (!(error_bound.abs < 1e18) || !(error_bound.root < 1e18) || !(bound < 1e36))
		return INFINITY;
	if (error_bound.root > 0 && bound >= 0) {
		double root = sqrt(bound) + error_bound.root;
		bound = root * root;
	}
	return bound + fabs(bound) * 2 * error_bound.rel + error_bound.abs + TINY;
}

void scan_limit(struct scan *scan, struct error_bound error_bound)
{
	float bound = pool_bound(scan->pool);
	if (bound == scan->bound && memcmp(&error_bound, &scan->error_bound, sizeof error_bound) == 0)
		return;
	scan->bound = bound;
	scan->error_bound = error_bound;
	double sum = largest_sum(error_bound, (double)bound);
	scan->limit = float_up((sum - scan->constant) / scan->factor);
}

/* The range in which a row's exact key is. */
struct range {
	double low, high;
};

static struct range exact_range(const struct scan *scan, float key)
{
	struct error_bound error_bound = scan->error_bound;
	if (!(fabsf(key) < 1e37f && error_bound.abs < 1e18 && error_bound.root < 1e18))
		return (struct range){-INFINITY, INFINITY};
	double sum = scan->factor * (double)key + scan->constant;
	double off = error_bound.abs + 2 * error_bound.rel * fabs(sum) + TINY, low = sum - off,
	       high = sum + off;
	if (error_bound.root > 0) {
		double root = (low > 0 ? sqrt(low) : 0) - error_bound.root;
		low = root > 0 ? root * root * (1 - 1e-12) : 0;
		root = (high > 0 ? sqrt(high) : 0) + error_bound.root;
		high = root * root * (1 + 1e-12);
	}
	return (struct range){low, high};
}

float scan_highest(const struct scan *scan, float key)
{
	return float_up(exact_range(scan, key).high);
}

void scan_add(struct scan *scan, float key, int64_t row)
{
	struct pool *pool = scan->pool;
	struct range range = exact_range(scan, key);
	pool_add(pool, float_down(range.low), float_up(range.high), (uint32_t)(scan->t->offset + row));
	if (pool->count + ROWS_BLOCK > pool->capacity ||
	    (isinf(pool->bound) && pool->count == scan->t->s->sink->k)) {
		task_make_room(scan->t, scan->number);
		scan_limit(scan, scan->error_bound);
	}
}

/* Add the candidates among rows [row, row + n) of one block; mask: the rows that may be returned. */
static void take_rows(struct scan *scan, int64_t row, int64_t n, uint64_t mask)
{
	uint32_t hit[ROWS_BLOCK];
	int64_t hits = n;
	/* If keys may have overflowed, they cannot be compared, and all rows are candidates. */
	if (scan->limit < 1e37f)
		hits = scan->t->s->kern->select_le(scan->key, n, scan->limit, hit);
	else
		for (int64_t i = 0; i < n; i++)
			hit[i] = (uint32_t)i;
	if (hits > 0 && scan->t->map)
		pool_lock(scan->pool);
	for (int64_t i = 0; i < hits; i++)
		if (mask >> hit[i] & 1)
			scan_add(scan, scan->key[hit[i]], row + hit[i]);
	if (hits > 0 && scan->t->map)
		pool_unlock(scan->pool);
}

/* ---- a few rows of a block ---- */

/* The number of rows up to which scoring only these is faster than scoring the whole block, as measured on
 * SIFT. */
static int few_rows(const struct rows *base)
{
	enum { FEW_ROWS = 20, FEW_CODES = 10 };
	return rows_are_codes(base) ? FEW_CODES : FEW_ROWS;
}

/* Add the candidates among the rows at `pos`, whose keys are in scan->key. */
static void take_picked(struct scan *scan, int64_t row, const uint32_t *pos, int64_t n)
{
	if (scan->t->map)
		pool_lock(scan->pool);
	for (int64_t i = 0; i < n; i++)
		if (!(scan->limit < 1e37f) || scan->key[i] <= scan->limit)
			scan_add(scan, scan->key[i], row + pos[i]);
	if (scan->t->map)
		pool_unlock(scan->pool);
}

/* Score the rows of a block whose bits are set, for all queries. */
static void pick_rows(struct task *t, struct scan *scans, int64_t row, uint64_t mask)
{
	uint32_t pos[ROWS_BLOCK], at[ROWS_BLOCK];
	int64_t n = 0;
	for (; mask; mask &= mask - 1)
		pos[n++] = (uint32_t)__builtin_ctzll(mask);
	int64_t count = n > 0 ? (int64_t)pos[n - 1] + 1 : 0;
	for (int64_t i = 0; i < n; i++) {
		at[i] = (uint32_t)(row + pos[i]);
		rows_prefetch_plane(t->base, t->base->a, at[i]);
	}
	for (int64_t q = 0; q < t->nq; q++) {
		t->s->compare->gather(t->base, scans[q].state, at, n, scans[q].key);
		scan_finish_keys(&scans[q], row, count, pos, n);
		take_picked(&scans[q], row, pos, n);
	}
}

/* ---- passes ---- */

void scan_open(struct task *t, struct scan *scan, int64_t q, void *state)
{
	struct search *s = t->s;
	*scan = (struct scan){.t = t, .number = q, .pool = task_pool(t, q), .bound = NAN, .factor = 1};
	scan->state = state;
	scan->residual = s->compare && s->base.center;
	float *own = s->compare ? t->scratch->y : scan->state;
	const float *x = rows_load(&s->query, task_query(t, q), own);
	scan->qnorm = sqrt(s->kern->ip_exact(x, x, s->base.dim)) * (1 + 1e-12);
	if (s->compare)
		s->compare->bind(&s->base, x, scan->residual ? &metric_ip : s->metric, scan->state);
	else if (x != own)
		memcpy(own, x, (size_t)s->base.dim * sizeof *x);
}

void scan_begin(struct task *t, struct scan *scans)
{
	for (int64_t q = 0; q < t->nq; q++)
		scan_open(t, &scans[q], q, t->scratch->queries + (size_t)q * scan_query_bytes(t->s));
}

/* Whether codes are scanned many at a time, which needs a codec that can do so, and no filter. */
static bool scans_parts(const struct task *t)
{
	const struct search *s = t->s;
	return s->compare && s->compare->scan && !s->pass && !s->filter;
}

/* The number of rows from `row` on that are scanned together: one block, or many if codes are scanned many at
 * a time. */
static int64_t rows_together(const struct task *t, const struct scan *scans, int64_t row)
{
	int64_t n = scans_parts(t) ? scan_part_rows(t, scans, row) : ROWS_BLOCK;
	int64_t end = row / ROWS_BLOCK * ROWS_BLOCK + n;
	return (end < t->r1 ? end : t->r1) - row;
}

static void pass_rows(struct task *t, struct scan *scans, int64_t row, int64_t n, uint64_t mask)
{
	const struct comparison *compare = t->s->compare;
	if (compare && compare->scan) {
		for (int64_t q = 0; q < t->nq; q++)
			scan_part(&scans[q], row, n, mask);
		return;
	}
	if (compare && __builtin_popcountll(mask) <= few_rows(t->base)) {
		pick_rows(t, scans, row, mask);
		return;
	}
	if (compare)
		score_rows(t, scans, row, n);
	else
		score_loaded(t, scans, row, mask);
	for (int64_t q = 0; q < t->nq; q++)
		take_rows(&scans[q], row, n, mask);
}

bool scan_pass(struct task *t, struct scan *scans)
{
	enum { LOOK_EVERY = 256 * ROWS_BLOCK };
	struct search *s = t->s;
	int64_t since = 0;
	if (scans_parts(t))
		scan_first_limits(t, scans);
	for (int64_t row = t->r0, n; row < t->r1; row += n) {
		n = rows_together(t, scans, row);
		uint64_t mask = ~UINT64_C(0);
		if (n <= ROWS_BLOCK)
			mask = task_mask(t, row, n) & mask >> (ROWS_BLOCK - n);
		if (!mask)
			continue;
		if (s->check && rows_find_bad(t->base, s->metric, row, row + n, t->scratch->x) >= 0) {
			search_fail(s, KITH_INVALID);
			return false;
		}
		pass_rows(t, scans, row, n, mask);
		since += n;
		if (since >= LOOK_EVERY) {
			if (!search_advance(s, since * t->nq))
				return false;
			since = 0;
		}
	}
	return search_advance(s, since * t->nq);
}

void scan_task(struct task *t)
{
	struct search *s = t->s;
	struct scan scans[SCAN_QUERIES];
	task_begin_pools(t);
	scan_begin(t, scans);
	if (!scan_pass(t, scans))
		return;
	for (int64_t q = 0; q < t->nq && !search_stopped(s); q++) {
		pool_tighten(scans[q].pool, s->sink->k, t->scratch->select);
		task_rerank(t, q);
	}
}
