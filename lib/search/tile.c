/* The tile pass: many queries × many rows in low precision, certified.
 *
 * Rows come in panels that stay in the L2 cache while all queries of the task pass over them; 64 rows ×
 * 96 queries are one call of a kernel that forms the products in registers and compares them with a
 * threshold per query before anything is stored. What passes goes to the query's pool.
 *
 * The bound. Let c = x − m and, for L2, y = q − m (m: a centre; distances do not change). The tile sees
 * ĉ and ŷ (rounded to int8 with a scale per vector, or to float), with known ‖c − ĉ‖ <= δ and
 * ‖y − ŷ‖ <= ε. By the triangle inequality
 *
 *   L2:  ‖x − q‖ <= r  implies  ‖ĉ − ŷ‖² <= (r + ε + δ)² = (r + ε)² + 2 (r + ε) δ + δ².
 *        With K = ‖ĉ‖² − 2⟨ĉ,ŷ⟩ that is  K − 2Rδ − δ² <= (r + ε)² − ‖ŷ‖²,  R >= r + ε:
 *        a part of the row alone (R is the largest of a block of queries), a product, a threshold.
 *
 *   IP:  ⟨x,q⟩ = ⟨m,q⟩ + ⟨c,q⟩ and |⟨c,q⟩ − ⟨ĉ,ŷ⟩| <= δ ‖q‖ + ‖ĉ‖ ε, all divided by a unit (‖q‖), so
 *        that the row's part is nearly the same for all queries. Where rows are integers centred on
 *        128, queries are too (y = q − 128): ⟨c,q⟩ = ⟨c,y⟩ + 128 Σc.
 *
 * The products themselves are exact for int8 and off by at most γ ‖ĉ‖ ‖ŷ‖ for floats (γ = (d + 8) u,
 * u = 2^-24; for L2 2 ‖ĉ‖ ‖ŷ‖ <= ‖ĉ‖² + ‖ŷ‖² splits it); TILE_EPS covers the rounding of the rest.
 * r is the k-th smallest upper bound so far (pool.h), so nothing that belongs to the answer is lost.
 * Integers up to 8 bits are seen exactly (δ = ε = 0).
 *
 * When int8 cannot tell the candidates apart (too many reach the exact pass), the task goes on with
 * floats; when those cannot either, all that is left is computed exactly: slower, never wrong.
 */
#include "lib/search/tile.h"

#include "lib/base/arena.h"
#include "lib/base/rounding.h"

#include <math.h>

static int64_t dwords(const struct search *s, enum tile_kind kind)
{
	return kind == TILE_I8 || kind == TILE_BYTES ? (s->base.dim + 3) / 4 : s->base.dim;
}

/* Rows of k dwords in a panel: at least one group. */
static int64_t panel_rows(const struct search *s, int64_t k)
{
	enum { MAX = 1024 };
	int64_t rows = s->kern->panel_bytes / (k * 4) / TILE_ROWS * TILE_ROWS;
	return rows < TILE_ROWS ? TILE_ROWS : rows > MAX ? MAX : rows;
}

static void carve_tile(const struct search *s, struct tile *tile, struct arena *c)
{
	int64_t dim = s->base.dim, block = s->block, padded = (dim + 3) / 4 * 4;
	int64_t k8 = dwords(s, TILE_I8), rows8 = panel_rows(s, k8), rows32 = panel_rows(s, dim);
	int64_t cells = rows8 * k8 > rows32 * dim ? rows8 * k8 : rows32 * dim;
	struct panel *p = &tile->panel;
	int64_t rows = rows8 > rows32 ? rows8 : rows32;
	p->data = arena_take(c, cells, sizeof *p->data);
	p->row = arena_take(c, rows, sizeof *p->row);
	float **row_floats[] = {&p->nsq, &p->norm, &p->err, &p->scale, &p->sum, &p->low};
	for (size_t i = 0; i < sizeof row_floats / sizeof *row_floats; i++)
		*row_floats[i] = arena_take(c, rows, sizeof(float));
	p->temp = arena_take(c, TILE_ROWS * padded, sizeof *p->temp);
	struct query_block *q = &tile->q;
	bool floats = s->kind != TILE_BYTES;
	if (s->kind == TILE_BLAS)
		p->products = arena_take(c, TILE_QUERIES * rows, sizeof(float));
	tile->keys = arena_take(c, TILE_QUERIES * TILE_ROWS, sizeof *tile->keys);
	q->data = arena_take(c, block * padded, floats ? sizeof(float) : 1);
	float **query_floats[] = {&q->nsq, &q->norm, &q->err, &q->scale, &q->unit, &q->thr};
	for (size_t i = 0; i < sizeof query_floats / sizeof *query_floats; i++)
		*query_floats[i] = arena_take(c, block, sizeof(float));
	q->bias = arena_take(c, block, sizeof *q->bias);
	q->offset = arena_take(c, block, sizeof *q->offset);
}

size_t tile_scratch_bytes(const struct search *s)
{
	struct tile tile;
	struct arena c = {NULL, align64(sizeof tile)};
	carve_tile(s, &tile, &c);
	return c.used;
}

void tile_scratch_init(const struct search *s, struct scratch *scratch)
{
	struct arena c = {(char *)scratch->tile, align64(sizeof *scratch->tile)};
	carve_tile(s, scratch->tile, &c);
}

void tile_prepare(struct task *t, enum tile_kind kind)
{
	struct search *s = t->s;
	struct tile *tile = t->scratch->tile;
	bool integers = kind == TILE_I8 || kind == TILE_BYTES;
	tile->kind = kind;
	tile->stale = false;
	tile->mean = kind == TILE_ROUGH || kind == TILE_BYTES ? NULL : s->mean;
	tile->shift = kind == TILE_I8 ? s->query_shift : 0;
	if (kind == TILE_BYTES && s->base.form->type == KITH_U8)
		tile->shift = 128;
	tile->k = dwords(s, kind);
	tile->rows = panel_rows(s, tile->k);
	tile->gamma = integers ? 0 : (double)(s->base.dim + 8) * 0x1p-24;
	tile->q.stride = (size_t)(integers ? tile->k * 4 : tile->k);
}

static void tile_begin(struct task *t, enum tile_kind kind)
{
	tile_prepare(t, kind);
	block_fill(t);
}

/* Bounds of the exact key from a tile key, and into the pool. */
static void add_candidate(struct task *t, int64_t q, int64_t r, float key)
{
	const struct tile *tile = t->scratch->tile;
	const struct panel *p = &tile->panel;
	const struct query_block *b = &tile->q;
	double low = -INFINITY, high = INFINITY, err = (double)p->err[r], qerr = (double)b->err[q];
	if (err < (double)TILE_HUGE && qerr < (double)TILE_HUGE && !search_by_product(t->s)) {
		double nsq = (double)p->nsq[r], qnsq = (double)b->nsq[q];
		double est = (double)key - (double)p->low[r] + nsq + qnsq;
		double off = (2 * tile->gamma + TILE_EPS) * (nsq + qnsq) +
		             TILE_EPS * fabs((double)p->low[r]) + TILE_TINY;
		double root = (est > off ? sqrt(est - off) : 0) - err - qerr;
		low = root > 0 ? root * root * (1 - 1e-12) : 0;
		root = sqrt(est > -off ? est + off : 0) + err + qerr;
		high = root * root * (1 + 1e-12);
	} else if (err < (double)TILE_HUGE && qerr < (double)TILE_HUGE) {
		double unit = (double)b->unit[q], norm = (double)p->norm[r], qnorm = (double)b->norm[q];
		double sum = (double)tile->shift * (double)p->sum[r];
		double product = ((double)key - (double)p->low[r]) * unit - sum;
		double est = product - b->offset[q];
		double off = err * (qnorm + qerr) + norm * qerr + (tile->gamma + TILE_EPS) * norm * qnorm;
		off += (double)tile->shift * err * sqrt((double)t->s->base.dim) + TILE_TINY;
		off += TILE_EPS * (fabs((double)p->low[r]) * unit + fabs(sum) + fabs(b->offset[q]));
		low = est - off;
		high = est + off;
	}
	pool_add(task_pool(t, q), float_down(low), float_up(high), (uint32_t)(t->offset + p->row[r]));
}

/* Candidates of one call: nq queries from q on, the group of rows that begins at `first`. */
static void take_hits(
    struct task *t, int64_t q, int nq, int64_t first, const uint64_t *mask, const float *keys)
{
	const struct panel *p = &t->scratch->tile->panel;
	int64_t left = p->n - first, k = t->s->sink->k;
	uint64_t valid = left >= TILE_ROWS ? ~UINT64_C(0) : (UINT64_C(1) << left) - 1;
	for (int j = 0; j < nq; j++) {
		uint64_t hits = mask[j] & valid;
		if (!hits)
			continue;
		struct pool *pool = task_pool(t, q + j);
		if (t->map)
			pool_lock(pool);
		for (; hits; hits &= hits - 1) {
			int64_t r = __builtin_ctzll(hits);
			add_candidate(t, q + j, first + r, keys[j * TILE_ROWS + r]);
		}
		bool first_bound = isinf(pool->bound) && k && pool->count >= k;
		bool shrink = pool->count + TILE_ROWS > pool->capacity || first_bound;
		if (shrink)
			task_make_room(t, q + j);
		if (t->map)
			pool_unlock(pool);
		if (shrink)
			block_threshold(t, q + j);
	}
}

static uint64_t multiply(const struct task *t, int64_t q, int nq, int64_t first, uint64_t *mask, float *keys)
{
	const struct tile *tile = t->scratch->tile;
	const struct panel *p = &tile->panel;
	const struct query_block *b = &tile->q;
	const uint32_t *data = p->data + first * tile->k;
	if (tile->kind == TILE_F32 || tile->kind == TILE_ROUGH)
		return t->s->kern->tile_f32((const float *)(const void *)data, tile->k,
		    (const float *)b->data + (size_t)q * b->stride, b->stride, nq, p->low + first, b->thr + q,
		    mask, keys);
	return t->s->kern->tile_i8(data, tile->k, (const int8_t *)b->data + (size_t)q * b->stride, b->stride,
	    nq, p->low + first, p->scale + first, b->scale + q, b->bias + q, b->thr + q, mask, keys);
}

/* Compares products with thresholds as the kernels do: bit per row of the group, keys [64]. */
static uint64_t compare(const float *products, const float *low, float thr, int64_t n, float *keys)
{
	uint64_t mask = 0;
	for (int64_t r = 0; r < n; r++) {
		keys[r] = low[r] + products[r];
		mask |= (uint64_t)(keys[r] <= thr) << r;
	}
	return mask;
}

static void multiply_blas(struct task *t)
{
	const struct panel *p = &t->scratch->tile->panel;
	float keys[TILE_ROWS];
	for (int64_t from = 0; from < t->nq; from += TILE_QUERIES) {
		int64_t to = from + TILE_QUERIES < t->nq ? from + TILE_QUERIES : t->nq;
		panel_lows(t, from, to);
		blas_multiply(t, from, to, p->products);
		for (int64_t q = from; q < to; q++) {
			for (int64_t first = 0; first < p->n; first += TILE_ROWS) {
				int64_t n = p->n - first < TILE_ROWS ? p->n - first : TILE_ROWS;
				const float *products = p->products + (q - from) * p->n + first;
				uint64_t mask =
				    compare(products, p->low + first, t->scratch->tile->q.thr[q], n, keys);
				if (!mask)
					continue;
				take_hits(t, q, 1, first, &mask, keys);
				if (t->scratch->tile->stale)
					panel_lows(t, from, to);
			}
		}
	}
}

static void multiply_panel(struct task *t)
{
	const struct panel *p = &t->scratch->tile->panel;
	uint64_t mask[TILE_QUERIES];
	float *keys = t->scratch->tile->keys;
	for (int64_t from = 0; from < t->nq; from += TILE_QUERIES) {
		int64_t to = from + TILE_QUERIES < t->nq ? from + TILE_QUERIES : t->nq;
		panel_lows(t, from, to);
		for (int64_t first = 0; first < p->n; first += TILE_ROWS) {
			if (!multiply(t, from, (int)(to - from), first, mask, keys))
				continue;
			take_hits(t, from, (int)(to - from), first, mask, keys);
			if (t->scratch->tile->stale)
				panel_lows(t, from, to);
		}
	}
}

bool tile_pass(struct task *t)
{
	struct search *s = t->s;
	struct tile *tile = t->scratch->tile;
	int64_t pairs = 0;
	for (int64_t row = t->r0; row < t->r1;) {
		if (!panel_fill(t, &row, t->r1))
			return false;
		if (tile->kind == TILE_BLAS)
			multiply_blas(t);
		else
			multiply_panel(t);
		pairs += t->nq * tile->panel.n;
		if (!search_advance(s, t->nq * tile->panel.n))
			return false;
		/* Exact distances cost some 30 times an int8 product and 8 times a float one. */
		if (tile->kind == TILE_I8 && !t->map && t->exact > pairs / 32 + 64 * t->nq)
			tile_begin(t, TILE_F32);
	}
	return true;
}

void tile_task(struct task *t)
{
	struct search *s = t->s;
	task_begin_pools(t);
	tile_begin(t, s->kind);
	if (!tile_pass(t))
		return;
	for (int64_t q = 0; q < t->nq && !search_stopped(s); q++) {
		pool_tighten(task_pool(t, q), s->sink->k, t->scratch->select);
		task_rerank(t, q);
	}
}
