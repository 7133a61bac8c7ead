/* A few queries over many rows, at the speed of memory.
 *
 * Blocks of 64 rows are scored while they stream by, for one query after another while they are in the
 * nearest cache; of split rows only the upper halves are read, which is half the bytes. Bounds (u = 2^-24, e
 * = (d + 8) · u the kernel's relative error, δ the block's largest ‖x − x̂‖, x̂ the upper half):
 *
 *   L2:  | ‖q − x‖ − ‖q − x̂‖ | <= δ, and the sum of squared differences has relative error e;
 *   IP:  | ⟨q,x⟩ − ⟨q,x̂⟩ | <= ‖q‖ δ, and the sum is off by at most e ‖q‖ ‖x̂‖.
 *
 * TINY covers sums so small that they underflow.
 */
#include "lib/search/search.h"

#include <math.h>

static const float TINY = 1e-30f;

bool scan_can(const struct search *s)
{
	if (s->bytes)
		return true;
	return !s->base.normalize && (s->base.kind == ROWS_F32 || s->base.kind == ROWS_SPLIT);
}

/* What the keys of one block may be off by: |true root − root| <= err for L2, |true key − key| <= err
 * for inner products; rel is the relative error of an L2 key. */
struct slack {
	double err, rel;
};

/* One query on its way. */
struct scan {
	struct task *t;
	const void *q; /* floats or bytes */
	double qnorm;
	struct pool *pool;
};

static void score_bytes(const struct search *s, const void *q, const char *rows, int64_t n, float *key)
{
	int32_t out[ROWS_BLOCK];
	bool u8 = s->base.kind == ROWS_U8;
	if (s->ip)
		(u8 ? s->kern->ip_u8 : s->kern->ip_i8)(q, rows, s->base.stride, n, s->base.dim, out);
	else
		(u8 ? s->kern->l2sq_u8 : s->kern->l2sq_i8)(q, rows, s->base.stride, n, s->base.dim, out);
	for (int64_t i = 0; i < n; i++)
		key[i] = (float)(s->ip ? -out[i] : out[i]);
}

static void score_floats(const struct search *s, const float *q, const char *rows, int64_t n, float *key)
{
	bool split = s->base.kind == ROWS_SPLIT;
	if (!s->ip) {
		(split ? s->kern->l2sq_bf16 : s->kern->l2sq_f32)(
		    q, rows, s->base.stride, n, s->base.dim, key);
		return;
	}
	(split ? s->kern->ip_bf16 : s->kern->ip_f32)(q, rows, s->base.stride, n, s->base.dim, key);
	for (int64_t i = 0; i < n; i++)
		key[i] = -key[i];
}

/* Largest norm of n float rows, rounded up. */
static double largest_norm(const struct search *s, const char *rows, int64_t n)
{
	float sq[ROWS_BLOCK], most = 0;
	s->kern->normsq_f32(rows, s->base.stride, n, s->base.dim, sq);
	for (int64_t i = 0; i < n; i++)
		most = sq[i] > most ? sq[i] : most;
	return sqrt((double)most) * (1 + 1e-2);
}

static struct slack block_slack(const struct scan *scan, const char *rows, int64_t row, int64_t n)
{
	const struct search *s = scan->t->s;
	double e = (double)(s->base.dim + 8) * 0x1p-24;
	if (s->bytes)
		return (struct slack){.err = s->ip ? 0x1p-24 * 0x1p31 : 0, .rel = 0x1p-23};
	struct rows_bound b = {0, 0};
	if (s->base.kind == ROWS_SPLIT)
		b = s->base.bounds[row / ROWS_BLOCK];
	if (!s->ip)
		return (struct slack){.err = (double)b.err, .rel = e};
	double norm = s->base.kind == ROWS_SPLIT ? (double)b.norm : largest_norm(s, rows, n);
	return (struct slack){.err = scan->qnorm * ((double)b.err + e * norm) + (double)TINY};
}

/* Largest key of the block that can still belong to a row within the bound. */
static float block_limit(const struct search *s, struct slack slack, float bound)
{
	if (!(fabs(slack.err) < 1e18))
		return INFINITY;
	if (s->ip)
		return float_up((double)bound + slack.err);
	if (bound < 0)
		return bound;
	double root = sqrt((double)bound) + slack.err;
	return float_up(root * root * (1 + 2 * slack.rel) + (double)TINY);
}

static void add_candidate(
    const struct search *s, struct pool *pool, float key, struct slack slack, int64_t row)
{
	double low, high;
	if (!(fabsf(key) < 1e37f) || !(slack.err < 1e18)) {
		low = -INFINITY;
		high = INFINITY;
	} else if (s->ip) {
		low = (double)key - slack.err;
		high = (double)key + slack.err;
	} else {
		double root = sqrt((double)key * (1 - slack.rel)) - slack.err;
		low = root > 0 ? root * root * (1 - 1e-12) - (double)TINY : 0;
		root = sqrt((double)key * (1 + 2 * slack.rel)) + slack.err;
		high = root * root * (1 + 1e-12) + (double)TINY;
	}
	pool_add(pool, float_down(low), float_up(high), (uint32_t)row);
}

/* Rows [row, row + n) of one block; `mask` says which may be returned. */
static void scan_block(struct scan *scan, int64_t row, int64_t n, uint64_t mask)
{
	struct task *t = scan->t;
	const struct search *s = t->s;
	const char *rows = rows_at(&s->base, row);
	float key[ROWS_BLOCK];
	uint32_t hit[ROWS_BLOCK];
	if (s->bytes)
		score_bytes(s, scan->q, rows, n, key);
	else
		score_floats(s, scan->q, rows, n, key);
	struct slack slack = block_slack(scan, rows, row, n);
	float limit = block_limit(s, slack, scan->pool->bound);
	int64_t hits = n;
	/* Overflowed sums are NaN or infinite and compare with nothing: then all rows are candidates. */
	if (limit < 1e37f)
		hits = s->kern->select_le(key, n, limit, hit);
	else
		for (int64_t i = 0; i < n; i++)
			hit[i] = (uint32_t)i;
	for (int64_t i = 0; i < hits; i++)
		if (mask >> hit[i] & 1)
			add_candidate(s, scan->pool, key[hit[i]], slack, row + hit[i]);
	if (scan->pool->count + ROWS_BLOCK > scan->pool->capacity ||
	    (isinf(scan->pool->bound) && s->sink->k && scan->pool->count >= s->sink->k))
		task_settle(t, scan->pool - t->scratch->pools);
}

/* The queries of the task; floats are loaded into scratch->vectors. */
static void scan_begin(struct task *t, struct scan *scans)
{
	struct search *s = t->s;
	task_begin_pools(t);
	for (int64_t q = 0; q < t->nq; q++) {
		struct scan *scan = &scans[q];
		*scan =
		    (struct scan){.t = t, .q = rows_at(&s->query, t->q0 + q), .pool = &t->scratch->pools[q]};
		if (s->bytes)
			continue;
		const float *x = rows_load(&s->query, t->q0 + q, t->scratch->queries + q * s->base.dim);
		scan->q = x;
		scan->qnorm = sqrt(s->kern->ip_exact(x, x, s->base.dim)) * (1 + 1e-12);
	}
}

void scan_task(struct task *t)
{
	enum { LOOK_EVERY = 256 };
	struct search *s = t->s;
	struct scan scans[SCAN_QUERIES];
	int64_t since = 0;
	scan_begin(t, scans);
	for (int64_t row = t->r0, n; row < t->r1; row += n) {
		int64_t end = (row / ROWS_BLOCK + 1) * ROWS_BLOCK;
		n = (end < t->r1 ? end : t->r1) - row;
		uint64_t mask = s->pass ? s->pass[row / 64] >> (row % 64) : ~UINT64_C(0);
		if (!mask)
			continue;
		if (s->check && rows_find_nonfinite(&s->base, row, row + n, t->scratch->x) >= 0) {
			search_fail(s, KITH_INVALID);
			return;
		}
		for (int64_t q = 0; q < t->nq; q++)
			scan_block(&scans[q], row, n, mask);
		since += n;
		if (since >= LOOK_EVERY * ROWS_BLOCK) {
			if (!search_advance(s, since * t->nq))
				return;
			since = 0;
		}
	}
	search_advance(s, since * t->nq);
	for (int64_t q = 0; q < t->nq && !search_stopped(s); q++) {
		pool_tighten(scans[q].pool, s->sink->k, t->scratch->select);
		task_verify(t, q);
	}
}
