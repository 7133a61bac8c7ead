/* The tile pass: many queries × many rows in low precision, with bounds of the errors.
 *
 * Rows are packed into panels, which stay in the L2 cache while they are compared with all queries of the
 * task. 64 rows × 96 queries are one call of a kernel that forms the products in registers and compares them
 * with a threshold for each query before anything is stored. Rows within the threshold go to the query's
 * pool.
 *
 * The bound. Let c = x − m and, for L2, y = q − m with a centre m; distances do not change. The tile sees ĉ
 * and ŷ, which are rounded to int8 with a scale for each vector, or to float, with known ‖c − ĉ‖ <= δ and ‖y
 * − ŷ‖ <= ε. By the triangle inequality
 *
 *   L2:  ‖x − q‖ <= r  implies  ‖ĉ − ŷ‖² <= (r + ε + δ)² = (r + ε)² + 2 (r + ε) δ + δ².
 *        With K = ‖ĉ‖² − 2⟨ĉ,ŷ⟩ that is  K − 2Rδ − δ² <= (r + ε)² − ‖ŷ‖²,  R >= r + ε:
 *        a part of the row alone (R is the largest of a block of queries), a product, a threshold.
 *
 *   IP:  ⟨x,q⟩ = ⟨m,q⟩ + ⟨c,q⟩ and |⟨c,q⟩ − ⟨ĉ,ŷ⟩| <= δ ‖q‖ + ‖ĉ‖ ε, all divided by a unit (‖q‖), so
 *        that the row's part is nearly the same for all queries. If rows are integers centred on 128,
 *        queries are, too (y = q − 128): ⟨c,q⟩ = ⟨c,y⟩ + 128 Σc.
 *
 * Products are exact for int8, and for floats their error is at most γ ‖ĉ‖ ‖ŷ‖ with γ = (d + 8) u, u = 2^-24;
 * for L2, 2 ‖ĉ‖ ‖ŷ‖ <= ‖ĉ‖² + ‖ŷ‖² splits it into parts of row and query. TILE_EPS covers the rounding of the
 * rest. r is the k-th smallest upper bound so far (pool.h), so that no result is lost. For integers of up to
 * 8 bits, δ = ε = 0.
 *
 * If int8 cannot separate the candidates, so that too many reach the exact pass, the task goes on with
 * floats. If these cannot either, all that is left is computed exactly, which is slower but never wrong.
 */
#include "lib/search/tile.h"

#include "lib/base/arena.h"
#include "lib/base/rounding.h"
#include "lib/tile/blas.h"

#include <math.h>

/* The number of rows in a panel, at least one group of 64. */
static int64_t panel_rows(const struct tile_form *form)
{
	enum { MAX = 1024 };
	int64_t rows = form->kern->panel_bytes / (int64_t)form->bytes / TILE_ROWS * TILE_ROWS;
	return rows < TILE_ROWS ? TILE_ROWS : rows > MAX ? MAX : rows;
}

/* Lay out memory for both forms, as a task that begins with bytes may go on with floats. */
static void carve_tile(const struct search *s, struct tile *tile, struct arena *c)
{
	struct tile_form bytes = tile_form_of(s->base.dim, NULL, true);
	struct tile_form floats = tile_form_of(s->base.dim, NULL, s->kind == TILE_BYTES);
	int64_t rows8 = panel_rows(&bytes), rows32 = panel_rows(&floats),
	        rows = rows8 > rows32 ? rows8 : rows32;
	int64_t size8 = rows8 * bytes.depth, size32 = rows32 * floats.depth;
	struct panel *p = &tile->panel;
	struct query_block *q = &tile->q;
	p->data = arena_take(c, size8 > size32 ? size8 : size32, sizeof *p->data);
	p->row = arena_take(c, rows, sizeof *p->row);
	p->v = tile_vectors_take(&floats, rows, false, true, c);
	p->low = arena_take(c, rows, sizeof *p->low);
	p->temp = arena_take(c, TILE_ROWS, (size_t)bytes.depth * 4 * sizeof(float));
	if (s->kind == TILE_BLAS)
		p->products = arena_take(c, TILE_QUERIES * rows, sizeof(float));
	tile->keys = arena_take(c, TILE_QUERIES * TILE_ROWS, sizeof *tile->keys);
	tile->shifts = arena_take(c, s->base.dim, sizeof *tile->shifts);
	q->v = tile_vectors_take(&floats, s->block, true, true, c);
	q->unit = arena_take(c, s->block, sizeof *q->unit);
	q->thr = arena_take(c, s->block, sizeof *q->thr);
	q->offset = arena_take(c, s->block, sizeof *q->offset);
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
	bool u8 = kind == TILE_BYTES && s->base.form->type == KITH_U8;
	tile->kind = kind;
	tile->stale = false;
	tile->mean = kind == TILE_ROUGH || kind == TILE_BYTES ? NULL : s->mean;
	tile->shift = kind == TILE_I8 ? s->query_shift : u8 ? 128 : 0;
	for (int64_t i = 0; i < s->base.dim; i++)
		tile->shifts[i] = tile->shift;
	tile->form = tile_form_of(s->base.dim, tile->mean, kind == TILE_I8 || kind == TILE_BYTES);
	tile->form.rough_norms = true;
	tile->query_form = tile->form;
	if (search_by_product(s))
		tile->query_form.center = tile->shift != 0 ? tile->shifts : NULL;
	tile->rows = panel_rows(&tile->form);
	tile->gamma = tile_gamma(&tile->form);
}

static void tile_begin(struct task *t, enum tile_kind kind)
{
	tile_prepare(t, kind);
	block_fill(t);
}

/* Add a row to the pool with bounds of its exact key, which follow from the tile key. */
static void add_candidate(struct task *t, int64_t q, int64_t r, float key)
{
	const struct tile *tile = t->scratch->tile;
	const struct panel *p = &tile->panel;
	const struct query_block *b = &tile->q;
	double low = -INFINITY, high = INFINITY, err = (double)p->v.err[r], qerr = (double)b->v.err[q];
	if (err < (double)TILE_HUGE && qerr < (double)TILE_HUGE && !search_by_product(t->s)) {
		double nsq = (double)p->v.normsq[r], qnsq = (double)b->v.normsq[q];
		double est = (double)key - (double)p->low[r] + nsq + qnsq;
		double off = (2 * tile->gamma + TILE_EPS) * (nsq + qnsq) +
		             TILE_EPS * fabs((double)p->low[r]) + TILE_TINY;
		double root = (est > off ? sqrt(est - off) : 0) - err - qerr;
		low = root > 0 ? root * root * (1 - 1e-12) : 0;
		root = sqrt(est > -off ? est + off : 0) + err + qerr;
		high = root * root * (1 + 1e-12);
	} else if (err < (double)TILE_HUGE && qerr < (double)TILE_HUGE) {
		double unit = (double)b->unit[q], norm = (double)p->v.norm[r], qnorm = (double)b->v.norm[q];
		double sum = (double)tile->shift * (double)panel_sum(p, r);
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

/* Add the candidates of one kernel call: of nq queries from q on, and the group of rows that begins at
 * `first`. */
static void take_hits(
    struct task *t, int64_t q, int nq, int64_t first, const uint64_t *mask, const float *keys)
{
	const struct panel *p = &t->scratch->tile->panel;
	int64_t left = p->n - first, k = t->s->sink->k;
	uint64_t valid = tile_valid(left);
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

/* Compare the products of a query with its threshold, as the kernels do. Returns a bit for each row of the
 * group; keys [64]. */
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
	const struct search *s = t->s;
	const struct tile *tile = t->scratch->tile;
	const struct panel *p = &tile->panel;
	float keys[TILE_ROWS];
	for (int64_t from = 0; from < t->nq; from += TILE_QUERIES) {
		int64_t to = from + TILE_QUERIES < t->nq ? from + TILE_QUERIES : t->nq;
		panel_lows(t, from, to);
		blas_multiply(s->base.dim, (const float *)(const void *)tile->q.v.data + from * s->base.dim,
		    to - from, (const float *)(const void *)p->data, p->n, p->products);
		for (int64_t q = from; q < to; q++) {
			for (int64_t first = 0; first < p->n; first += TILE_ROWS) {
				int64_t n = p->n - first < TILE_ROWS ? p->n - first : TILE_ROWS;
				const float *products = p->products + (q - from) * p->n + first;
				uint64_t mask = compare(products, p->low + first, tile->q.thr[q], n, keys);
				if (!mask)
					continue;
				take_hits(t, q, 1, first, &mask, keys);
				if (tile->stale)
					panel_lows(t, from, to);
			}
		}
	}
}

static void multiply_panel(struct task *t)
{
	const struct tile *tile = t->scratch->tile;
	const struct panel *p = &tile->panel;
	uint64_t mask[TILE_QUERIES];
	float *keys = tile->keys;
	for (int64_t from = 0; from < t->nq; from += TILE_QUERIES) {
		int64_t to = from + TILE_QUERIES < t->nq ? from + TILE_QUERIES : t->nq;
		panel_lows(t, from, to);
		for (int64_t first = 0; first < p->n; first += TILE_ROWS) {
			if (!tile_multiply(&tile->form, p->data + first * tile->form.depth, p->low + first,
			        p->v.scale + first, &tile->q.v, from, (int)(to - from), tile->q.thr + from,
			        mask, keys))
				continue;
			take_hits(t, from, (int)(to - from), first, mask, keys);
			if (tile->stale)
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
		/* An exact distance takes about 30 times as long as an int8 product, and 8 times as a float
		 * one. */
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
