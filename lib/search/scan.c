/* A few queries over many rows, at the speed of memory.
 *
 * Blocks of 64 rows are scored while they stream by, for one query after another while they are in the
 * nearest cache; of split rows only the upper halves are read, which is half the bytes. How far keys may be
 * off, where ‖x − x̂‖ <= δ (x̂ the upper half, δ the block's largest), is the metric's affair.
 *
 * Codes are scored by their codec, which states the error itself: scan_codes.c.
 *
 * Under a filter a block of which no row passes is not looked at, and where few do only these are scored,
 * unless the codec keeps the bytes of 64 codes together.
 */
#include "lib/base/arena.h"
#include "lib/base/rounding.h"
#include "lib/codec/codec.h"
#include "lib/search/scan.h"

#include <math.h>
#include <string.h>

/* Bytes of a query's own state: the floats, or what a codec makes of them. */
size_t scan_query_bytes(const struct search *s)
{
	size_t bytes = ((size_t)s->base.dim + 16) * sizeof(float);
	if (s->base.kind == ROWS_CODE && codec_compares(s->base.codec))
		bytes = s->base.codec->ops->query_bytes(s->base.codec);
	return align64(bytes);
}

/* Whether kernels score the rows as they lie there. Those of other kinds are loaded one by one: where a
 * metric has no product form, which is what tiles would be made of. */
static bool scores_rows(const struct search *s)
{
	return s->bytes || (!s->base.normalize && (s->base.kind == ROWS_F32 || s->base.kind == ROWS_SPLIT));
}

bool scan_can(const struct search *s)
{
	if (s->metric->product == PRODUCT_NONE || scores_rows(s))
		return true;
	if (s->base.kind == ROWS_CODE)
		return codec_compares(s->base.codec) && !s->base.normalize &&
		       s->base.blocked == s->base.codec->ops->blocked; /* not those of a graph */
	return false;
}

static void byte_keys(const struct search *s, const int32_t *score, int64_t n, float *key)
{
	for (int64_t i = 0; i < n; i++)
		key[i] = (float)(s->score.negate ? -score[i] : score[i]);
}

static void score_bytes(const struct search *s, const void *q, const char *rows, int64_t n, float *key)
{
	int32_t score[ROWS_BLOCK];
	(s->base.kind == ROWS_U8 ? s->score.u8 : s->score.i8)(q, rows, s->base.stride, n, s->base.dim, score);
	byte_keys(s, score, n, key);
}

static void score_floats(const struct search *s, const float *q, const char *rows, int64_t n, float *key)
{
	(s->base.kind == ROWS_SPLIT ? s->score.bf16 : s->score.f32)(
	    q, rows, s->base.stride, n, s->base.dim, key);
	metric_keys(&s->score, key, n);
}

/* Largest norm of n float rows, rounded up. */
static double largest_norm(const struct search *s, const char *rows, int64_t n)
{
	float sq[ROWS_BLOCK], max = 0;
	s->kern->normsq_f32(rows, s->base.stride, n, s->base.dim, sq);
	for (int64_t i = 0; i < n; i++)
		max = sq[i] > max ? sq[i] : max;
	return sqrt((double)max + search_underflow(s->base.dim)) * (1 + 1e-2);
}

static struct error_bound block_error_bound(const struct scan *scan, const char *rows, int64_t row, int64_t n)
{
	const struct search *s = scan->t->s;
	if (s->bytes)
		return (struct error_bound){.rel = 0x1p-23};
	struct rows_bound b = {0, 0};
	double norm = 0;
	if (s->base.kind == ROWS_SPLIT) {
		b = scan->t->base->bounds[row / ROWS_BLOCK];
		norm = (double)b.norm;
	} else if (s->metric->similarity) {
		norm = largest_norm(s, rows, n);
	}
	return s->metric->error_bound(s->base.dim, scan->qnorm, (double)b.err, norm);
}

/* Keys of n rows of one block that no kernel reads, for all queries: each is loaded. */
static void score_loaded(struct task *t, struct scan *scans, int64_t row, int64_t n)
{
	const struct search *s = t->s;
	for (int64_t i = 0; i < n; i++) {
		const float *x = rows_load(t->base, row + i, t->scratch->x);
		for (int64_t q = 0; q < t->nq; q++)
			s->score.f32(scans[q].q, x, 0, 1, s->base.dim, &scans[q].key[i]);
	}
	for (int64_t q = 0; q < t->nq; q++)
		scan_limit(&scans[q], s->metric->error_bound(s->base.dim, scans[q].qnorm, 0, 0));
}

/* Keys of n rows of one block for all queries, and what they may be off by. A few rows at a time, so that the
 * hardware goes on fetching what follows while several queries pass over them. */
static void score_rows(struct task *t, struct scan *scans, int64_t row, int64_t n)
{
	enum { TOGETHER = 8 };
	const struct search *s = t->s;
	int64_t step = t->nq > 1 ? TOGETHER * (t->nq < 6 ? 1 : 2) : n;
	for (int64_t first = 0; first < n; first += step) {
		const char *rows = rows_at(t->base, row + first);
		int64_t count = n - first < step ? n - first : step;
		for (int64_t q = 0; q < t->nq; q++) {
			if (s->bytes)
				score_bytes(s, scans[q].q, rows, count, scans[q].key + first);
			else
				score_floats(s, scans[q].q, rows, count, scans[q].key + first);
		}
	}
	for (int64_t q = 0; q < t->nq; q++)
		scan_limit(&scans[q], block_error_bound(&scans[q], rows_at(t->base, row), row, n));
}

static const double TINY = 1e-30;

/* Largest sum of a key and what comes to it that can still belong to a row within the bound. */
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

/* What a row's exact key may be, by its key. */
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

/* Candidates among rows [row, row + n) of one block; `mask` says which may be returned. */
static void take_rows(struct scan *scan, int64_t row, int64_t n, uint64_t mask)
{
	uint32_t hit[ROWS_BLOCK];
	int64_t hits = n;
	/* Overflowed sums are NaN or infinite and compare with nothing: then all rows are candidates. */
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

/* Up to so many are better scored by themselves than with all others: about where measuring (SIFT) has both
 * take the same time. */
static int few_rows(const struct rows *base)
{
	enum { FEW_ROWS = 20, FEW_CODES = 10 };
	if (base->kind != ROWS_CODE)
		return FEW_ROWS;
	return base->blocked ? 0 : FEW_CODES;
}

static void pick_bytes(
    const struct search *s, const void *q, const char *rows, const uint32_t *pos, int64_t n, float *key)
{
	int32_t score[ROWS_BLOCK];
	(s->base.kind == ROWS_U8 ? s->score.u8_gather : s->score.i8_gather)(
	    q, rows, s->base.stride, pos, n, s->base.dim, score);
	byte_keys(s, score, n, key);
}

static void pick_floats(
    const struct search *s, const float *q, const char *rows, const uint32_t *pos, int64_t n, float *key)
{
	(s->base.kind == ROWS_SPLIT ? s->score.bf16_gather : s->score.f32_gather)(
	    q, rows, s->base.stride, pos, n, s->base.dim, key);
	metric_keys(&s->score, key, n);
}

/* Candidates among the rows at `pos`, whose keys are in scan->key. */
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

/* Runs of rows that follow each other are scored together. */
static void pick_codes(struct scan *scan, int64_t row, const uint32_t *pos, int64_t n)
{
	for (int64_t i = 0, run; i < n; i += run) {
		for (run = 1; i + run < n && pos[i + run] == pos[i] + run;)
			run++;
		scan_score_codes(scan, row + pos[i], run);
		take_picked(scan, row, pos + i, run);
	}
}

/* Rows of one block whose bits are set, for all queries. */
static void pick_rows(struct task *t, struct scan *scans, int64_t row, uint64_t mask)
{
	const struct search *s = t->s;
	const char *rows = rows_at(t->base, row);
	uint32_t pos[ROWS_BLOCK];
	int64_t n = 0;
	for (; mask; mask &= mask - 1)
		pos[n++] = (uint32_t)__builtin_ctzll(mask);
	for (int64_t i = 0; i < n; i++)
		rows_prefetch_scored(t->base, row + pos[i]);
	for (int64_t q = 0; q < t->nq; q++) {
		struct scan *scan = &scans[q];
		if (t->base->kind == ROWS_CODE) {
			pick_codes(scan, row, pos, n);
			continue;
		}
		if (s->bytes)
			pick_bytes(s, scan->q, rows, pos, n, scan->key);
		else
			pick_floats(s, scan->q, rows, pos, n, scan->key);
		scan_limit(scan, block_error_bound(scan, rows, row, pos[n - 1] + 1));
		take_picked(scan, row, pos, n);
	}
}

/* ---- passes ---- */

void scan_begin(struct task *t, struct scan *scans)
{
	struct search *s = t->s;
	for (int64_t q = 0; q < t->nq; q++) {
		struct scan *scan = &scans[q];
		*scan = (struct scan){.t = t,
		    .number = q,
		    .q = rows_at(&s->query, t->q0 + q),
		    .pool = task_pool(t, q),
		    .bound = NAN,
		    .factor = 1};
		if (s->bytes)
			continue;
		void *own = t->scratch->queries + (size_t)q * scan_query_bytes(s);
		bool code = s->base.kind == ROWS_CODE;
		const float *x = rows_load(&s->query, t->q0 + q, code ? t->scratch->y : own);
		scan->q = x;
		scan->qnorm = sqrt(s->kern->ip_exact(x, x, s->base.dim)) * (1 + 1e-12);
		if (code)
			scan_begin_code(scan, x, own);
	}
}

/* Whether the codec finds rows of which no filter says which may be returned. */
static bool finds(const struct task *t)
{
	const struct search *s = t->s;
	return t->base->kind == ROWS_CODE && t->base->codec->ops->find && !s->pass && !s->filter;
}

/* Rows from `row` on that are looked at together: one block where each query's keys are kept or a filter has
 * a word to say, else many. */
static int64_t rows_together(const struct task *t, const struct scan *scans, int64_t row)
{
	int64_t n = finds(t) ? scan_find_rows(t, scans, row) : ROWS_BLOCK;
	int64_t end = row / ROWS_BLOCK * ROWS_BLOCK + n;
	return (end < t->r1 ? end : t->r1) - row;
}

static void pass_rows(struct task *t, struct scan *scans, int64_t row, int64_t n, uint64_t mask)
{
	bool code = t->base->kind == ROWS_CODE;
	if (code && t->base->codec->ops->find) {
		for (int64_t q = 0; q < t->nq; q++)
			scan_find(&scans[q], row, n, mask);
		return;
	}
	bool loads = !code && !scores_rows(t->s);
	if (!loads && __builtin_popcountll(mask) <= few_rows(t->base)) {
		pick_rows(t, scans, row, mask);
		return;
	}
	for (int64_t q = 0; code && q < t->nq; q++)
		scan_score_codes(&scans[q], row, n);
	if (!code)
		(loads ? score_loaded : score_rows)(t, scans, row, n);
	for (int64_t q = 0; q < t->nq; q++)
		take_rows(&scans[q], row, n, mask);
}

bool scan_pass(struct task *t, struct scan *scans)
{
	enum { LOOK_EVERY = 256 * ROWS_BLOCK };
	struct search *s = t->s;
	int64_t since = 0;
	if (finds(t))
		scan_find_bounds(t, scans);
	for (int64_t row = t->r0, n; row < t->r1; row += n) {
		n = rows_together(t, scans, row);
		uint64_t mask = ~UINT64_C(0);
		if (n <= ROWS_BLOCK)
			mask = task_mask(t, row, n) & mask >> (ROWS_BLOCK - n);
		if (!mask)
			continue;
		if (s->check && rows_find_nonfinite(t->base, row, row + n, t->scratch->x) >= 0) {
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
