/* The projected pass: comparing the z of all rows with queries, as int8 and certified (projection.h).
 *
 * For one cluster after another, the queries to which some of its rows may be near enough are put into slots
 * (projected_slots.c), as int8 of z_q − μ, sorted by the distance from the centroid from which on rows matter
 * to them. Blocks of the cluster's rows are multiplied with 96 slots at a time; a panel of blocks is as large
 * as its rows fit the cache. The rows that a tile does not exclude are collected for each query and compared
 * with it together, by the codec's way of comparing scattered rows, whose keys have bounds (compare.h). Rows
 * that these do not exclude are put into the query's pool, and end like the candidates of any scan.
 *
 * The bound. Let ‖z_x − μ − x̂‖ <= δ, which is the block's, and ‖z_q − μ − ŷ‖ <= ε. For a row within r of the
 * query
 *
 *   L2:  ‖x̂ − ŷ‖ <= r + ε + δ,  that is  ‖x̂‖² − 2⟨x̂,ŷ⟩ − 2Rδ − δ² <= (r + ε)² − ‖ŷ‖²,  R >= r + ε;
 *   IP:  −⟨x̂,ŷ⟩ − δ (‖ŷ‖ + ε) − ‖x̂‖ ε <= key + ⟨μ,z_q⟩,  where ŷ is z_q in int8, without μ.
 *
 * On the left is what a tile computes, a part of the row and a product, which is exact for int8; on the right
 * is the threshold of the slot. TILE_EPS covers the rounding of everything else. Products are divided by the
 * unit ‖ŷ‖, as in tile.c.
 *
 * Whole blocks are excluded by ‖z_x − z_q‖ >= ‖z_q − μ‖ − ‖z_x − μ‖ and ⟨z_x,z_q⟩ <= ⟨μ,z_q⟩ + ‖z_x − μ‖
 * ‖z_q‖.
 */
#include "lib/search/projected.h"

#include "lib/base/rounding.h"
#include "lib/codec/codec.h"

#include <math.h>
#include <string.h>

enum {
	PANEL_BYTES = 512 << 10, /* of the rows in a panel */
	MAX_PANEL = 32,          /* blocks in a panel */
	TOGETHER = 8,    /* the least number of rows compared with a query at once, except at the end */
	FETCH_ALL = 512, /* with as many slots, all rows of a panel are prefetched at once */
};

/* ---- comparing the rows that are left ---- */

/* Compare query q with n <= 64 rows of cluster c, and put candidates into its pool. */
static void look_at(struct task *t, int64_t q, const uint32_t *row, int64_t n, int64_t c)
{
	const struct search *s = t->s;
	struct projected *w = t->scratch->projected;
	struct scan *scan = &w->scans[q];
	projected_compare(t, q, row, n);
	scan_limit(scan, rows_are_codes(&s->base)
	                     ? scan_bound_of_rows(scan, 0, row, n)
	                     : s->compare->bound(&w->view, scan->state, c * ROWS_BLOCK, ROWS_BLOCK));
	for (int64_t i = 0; i < n; i++)
		if (!(scan->limit < 1e37f) || w->look[i] <= scan->limit)
			scan_add(scan, w->look[i], row[i]);
}

/* Compare the collected rows of a slot. */
static void look_at_hits(struct task *t, int64_t slot, int64_t c)
{
	struct projected *w = t->scratch->projected;
	int64_t q = w->slots.query[slot];
	float before = pool_bound(task_pool(t, q));
	for (int32_t i = 0; i < w->count[slot]; i += ROWS_BLOCK) {
		int32_t n = w->count[slot] - i < ROWS_BLOCK ? w->count[slot] - i : ROWS_BLOCK;
		look_at(t, q, w->hits + slot * PROJECTED_HITS + i, n, c);
	}
	w->count[slot] = 0;
	if (pool_bound(task_pool(t, q)) < before)
		projected_set_threshold(t, slot);
}

/* ---- panels ---- */

/* Slots from … to − 1, which are multiplied together. */
struct group {
	int64_t from, to;
	float radius;            /* L2: R, the greatest r + ε */
	float per_err, per_norm; /* IP: the greatest factors of δ and ‖x̂‖, divided by the unit */
};

static struct group group_of(const struct task *t, int64_t from, int64_t to)
{
	const struct projection *p = t->s->projection;
	const struct slots *slots = &t->scratch->projected->slots;
	struct group g = {.from = from, .to = to};
	for (int64_t i = from; i < to; i++) {
		if (slots->radius[i] == 0)
			continue;
		g.radius = slots->radius[i] > g.radius ? slots->radius[i] : g.radius;
		if (p->product) {
			float unit = slots->unit[i], norm = slots->v.norm[i], err = slots->v.err[i];
			float per_err = (norm + err) / unit, per_norm = (err + (float)TILE_EPS * norm) / unit;
			g.per_err = per_err > g.per_err ? per_err : g.per_err;
			g.per_norm = per_norm > g.per_norm ? per_norm : g.per_norm;
		}
	}
	return g;
}

/* The part of the keys that depends on the rows of a block alone. */
static void find_lows(const struct projection *p, struct projected *w, const struct group *g, int64_t block)
{
	const struct projection_block *b = &p->block[block];
	const float *normsq = p->normsq + block * TILE_ROWS;
	float keep = p->product ? 0 : 1 - (float)TILE_EPS, grow = 1 + 2 * (float)TILE_EPS;
	float less =
	    p->product ? b->err * g->per_err + b->norm * g->per_norm : b->err * (2 * g->radius + b->err);
	less = b->err < TILE_HUGE ? less * grow : INFINITY;
	for (int i = 0; i < TILE_ROWS; i++) {
		w->low[i] = normsq[i] * keep - less;
		w->scale[i] = b->scale;
	}
}

static uint64_t multiply_block(
    const struct projection *p, struct projected *w, const struct group *g, int64_t block, uint64_t *mask)
{
	find_lows(p, w, g, block);
	return tile_multiply(&p->form, p->panels + block * p->form.depth * TILE_ROWS, w->low, w->scale,
	    &w->slots.v, g->from, (int)(g->to - g->from), w->slots.thr + g->from, mask, w->keys);
}

/* The number of slots, the first of n, to which rows of a block may be near enough. */
static int64_t useful_slots(const struct task *t, int64_t block, int64_t n)
{
	const float *from = t->scratch->projected->slots.from;
	int64_t low = 0, high = n;
	while (low < high) {
		int64_t mid = low + (high - low) / 2;
		if (from[mid] > t->s->projection->block[block].far)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

/* Collect the rows of a block that a tile did not exclude. */
static void take_hits(
    struct task *t, const struct group *g, int64_t c, int64_t block, const uint64_t *mask, uint64_t valid)
{
	struct projected *w = t->scratch->projected;
	const uint32_t *row = t->s->projection->row + block * TILE_ROWS;
	for (int64_t slot = g->from; slot < g->to; slot++) {
		uint64_t hits = mask[slot - g->from] & valid;
		if (!hits)
			continue;
		uint32_t *to = w->hits + slot * PROJECTED_HITS;
		int32_t count = w->count[slot];
		for (; hits; hits &= hits - 1)
			to[count++] = row[__builtin_ctzll(hits)];
		w->count[slot] = count;
		if (count > PROJECTED_HITS - TILE_ROWS)
			look_at_hits(t, slot, c);
	}
}

/* Pass a panel: blocks first … end − 1 of cluster c. */
static void pass_panel(struct task *t, int64_t c, int64_t first, int64_t end, int64_t slots)
{
	const struct projection *p = t->s->projection;
	struct projected *w = t->scratch->projected;
	uint64_t mask[TILE_QUERIES], valid[MAX_PANEL];
	int64_t useful[MAX_PANEL];
	for (int64_t b = first; b < end; b++) {
		valid[b - first] = projected_valid(t, b);
		useful[b - first] = valid[b - first] ? useful_slots(t, b, slots) : 0;
	}
	/* With many slots most rows are compared with some query. */
	w->fetched = slots >= FETCH_ALL;
	for (int64_t b = first; b < end && w->fetched; b++)
		for (int32_t i = 0; i < p->block[b].count; i++)
			rows_prefetch_plane(&t->s->base, t->s->base.a, p->row[b * TILE_ROWS + i]);
	for (int64_t from = 0; from < slots; from += TILE_QUERIES) {
		int64_t to = from + TILE_QUERIES < slots ? from + TILE_QUERIES : slots;
		struct group g = group_of(t, from, to);
		for (int64_t b = first; b < end; b++) {
			g.to = useful[b - first] < to ? useful[b - first] : to;
			if (g.to > from && multiply_block(p, w, &g, b, mask))
				take_hits(t, &g, c, b, mask, valid[b - first]);
		}
		for (int64_t slot = from; slot < to; slot++)
			if (w->count[slot] >= TOGETHER)
				look_at_hits(t, slot, c);
	}
}

/* ---- whether it pays ---- */

struct outlook {
	double product, look; /* the shares of pairs that are multiplied, and compared by all components */
};

/* Estimate the shares from one block each of some clusters. */
static struct outlook sample_outlook(struct task *t)
{
	enum { SAMPLE = 12 };
	const struct projection *p = t->s->projection;
	struct projected *w = t->scratch->projected;
	uint64_t mask[TILE_QUERIES];
	int64_t passed = 0, multiplied = 0, pairs = 0;
	for (int64_t i = 0; i < SAMPLE; i++) {
		int64_t c = i * p->clusters / SAMPLE, blocks = p->first[c + 1] - p->first[c];
		int64_t block = p->first[c] + blocks / 2;
		if (blocks == 0)
			continue;
		int64_t slots = useful_slots(t, block, projected_enter(t, c));
		pairs += t->nq;
		for (int64_t from = 0; from < slots; from += TILE_QUERIES) {
			int64_t to = from + TILE_QUERIES < slots ? from + TILE_QUERIES : slots;
			struct group g = group_of(t, from, to);
			multiplied += to - from;
			if (!multiply_block(p, w, &g, block, mask))
				continue;
			for (int64_t j = 0; j < to - from; j++)
				passed += __builtin_popcountll(mask[j] & tile_valid(p->block[block].count));
		}
	}
	if (pairs == 0)
		return (struct outlook){0, 0};
	return (struct outlook){
	    (double)multiplied / (double)pairs, (double)passed / (double)(pairs * TILE_ROWS)};
}

static bool pays(struct task *t)
{
	const struct search *s = t->s;
	if (projection_forced_axes())
		return true;
	struct outlook outlook = sample_outlook(t);
	if (s->query.n < PROJECTION_FEW)
		return outlook.look < 0.2;
	return projection_cost(s->projection->axes.p, s->base.dim, outlook.product, outlook.look) <
	       projection_plain_cost(s->base.dim);
}

/* ---- the task ---- */

/* The number of blocks that correspond to the rows before `row`: the same part of all. Tasks that divide the
 * rows so divide the blocks. */
static int64_t blocks_until(const struct task *t, int64_t row)
{
	const struct projection *p = t->s->projection;
	return (row / ROWS_BLOCK) * projection_blocks(p) / (p->n / ROWS_BLOCK);
}

/* Pass the blocks of cluster c that are among first … end − 1. */
static bool pass_cluster(struct task *t, int64_t c, int64_t first, int64_t end)
{
	const struct projection *p = t->s->projection;
	int64_t from = p->first[c] > first ? p->first[c] : first;
	int64_t to = p->first[c + 1] < end ? p->first[c + 1] : end, rows = 0;
	if (from >= to)
		return true;
	int64_t panel = PANEL_BYTES / TILE_ROWS / (int64_t)t->s->base.stride;
	panel = panel < 1 ? 1 : panel > MAX_PANEL ? MAX_PANEL : panel;
	int64_t slots = projected_enter(t, c);
	for (int64_t b = from; b < to; b += panel)
		pass_panel(t, c, b, b + panel < to ? b + panel : to, slots);
	for (int64_t slot = 0; slot < slots; slot++)
		if (t->scratch->projected->count[slot])
			look_at_hits(t, slot, c);
	for (int64_t b = from; b < to; b++)
		rows += p->block[b].count;
	return search_advance(t->s, t->nq * rows);
}

bool projected_task(struct task *t)
{
	struct search *s = t->s;
	const struct projection *p = s->projection;
	struct projected *w = t->scratch->projected;
	task_begin_pools(t);
	w->view = s->base;
	w->view.bounds = p->bounds;
	w->fetched = false;
	memset(w->count, 0, (size_t)t->nq * sizeof *w->count);
	if (!projected_begin(t))
		return true;
	if (!pays(t))
		return false;
	for (int64_t c = 0; c <= p->clusters; c++)
		if (!pass_cluster(t, c, blocks_until(t, t->r0), blocks_until(t, t->r1)))
			return true;
	for (int64_t q = 0; q < t->nq && !search_stopped(s); q++) {
		pool_tighten(task_pool(t, q), s->sink->k, t->scratch->select);
		task_rerank(t, q);
	}
	return true;
}
