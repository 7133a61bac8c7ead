/* The beginning of the projected pass: the z of the queries, their distances from all centroids, and their
 * first thresholds.
 *
 * For a first threshold, the rows of a query's nearest clusters with the least bounds ("seeds") are compared
 * with it. The k-th of them is usually within some percent of the k-th neighbour.
 */
#include "lib/search/projected.h"

#include "lib/base/arena.h"
#include "lib/base/rounding.h"
#include "lib/base/sort.h"

#include <math.h>
#include <string.h>

enum {
	SEED_SHARE = 32,   /* seeds are taken from one in so many rows, */
	SEED_CLUSTERS = 8, /* but at most from so many clusters; */
	SPARE_SEEDS = 22,  /* k of them and so many more are compared */
};

static int64_t seed_count(const struct search *s)
{
	return s->sink->k + SPARE_SEEDS;
}

static int64_t seed_capacity(const struct search *s)
{
	return 6 * seed_count(s) + TILE_ROWS;
}

static void carve(const struct search *s, struct projected *w, struct arena *c)
{
	const struct projection *p = s->projection;
	struct slots *slots = &w->slots;
	slots->v = tile_vectors_take(&p->form, s->block, true, true, c);
	slots->query = arena_take(c, s->block, sizeof *slots->query);
	slots->from = arena_take(c, s->block, sizeof *slots->from);
	slots->unit = arena_take(c, s->block, sizeof *slots->unit);
	slots->thr = arena_take(c, s->block, sizeof *slots->thr);
	slots->radius = arena_take(c, s->block, sizeof *slots->radius);
	slots->add = arena_take(c, s->block, sizeof *slots->add);
	slots->add_err = arena_take(c, s->block, sizeof *slots->add_err);
	w->z = arena_take(c, s->block * (p->axes.p + 1), sizeof *w->z);
	w->zerr = arena_take(c, s->block, sizeof *w->zerr);
	w->znorm = arena_take(c, s->block, sizeof *w->znorm);
	w->near = arena_take(c, s->block * (p->clusters + 1), sizeof *w->near);
	w->active = arena_take(c, s->block, sizeof *w->active);
	w->from = arena_take(c, s->block, sizeof *w->from);
	w->bucket = arena_take(c, s->block, sizeof *w->bucket);
	w->scans = arena_take(c, s->block, sizeof *w->scans);
	w->states = arena_take(c, s->block, scan_query_bytes(s));
	w->keys = arena_take(c, TILE_QUERIES * TILE_ROWS, sizeof *w->keys);
	w->hits = arena_take(c, s->block * PROJECTED_HITS, sizeof *w->hits);
	w->count = arena_take(c, s->block, sizeof *w->count);
	w->own = arena_take(c, p->clusters + 1, sizeof *w->own);
	w->seed_key = arena_take(c, seed_capacity(s), sizeof *w->seed_key);
	w->seed_select = arena_take(c, seed_capacity(s), sizeof *w->seed_select);
	w->seed_row = arena_take(c, seed_capacity(s), sizeof *w->seed_row);
}

size_t projected_scratch_bytes(const struct search *s)
{
	struct projected w;
	struct arena c = {NULL, align64(sizeof w)};
	carve(s, &w, &c);
	return c.used;
}

void projected_scratch_init(const struct search *s, struct scratch *scratch)
{
	struct arena c = {(char *)scratch->projected, align64(sizeof *scratch->projected)};
	carve(s, scratch->projected, &c);
}

/* Set w->near and w->znorm of query q. */
static void find_near(const struct task *t, int64_t q)
{
	const struct search *s = t->s;
	const struct projection *p = s->projection;
	struct projected *w = t->scratch->projected;
	int64_t wide = p->axes.p + 1;
	const float *z = w->z + q * wide;
	(p->product ? s->kern->ip_f32 : s->kern->l2sq_f32)(
	    z, p->centroids, (size_t)wide * sizeof *z, p->clusters + 1, wide, w->own);
	for (int64_t c = 0; c <= p->clusters; c++)
		w->near[c * s->block + q] = p->product ? w->own[c] : sqrtf(w->own[c]);
	w->znorm[q] = float_up(sqrt(s->kern->ip_exact(z, z, wide)) * (1 + 1e-12));
}

/* ---- first thresholds ---- */

/* Keep only the `keep` seeds with the least keys, and return the greatest of these. */
static float keep_least(struct projected *w, int64_t *count, int64_t keep)
{
	memcpy(w->seed_select, w->seed_key, (size_t)*count * sizeof *w->seed_select);
	float max = select_kth(w->seed_select, *count, keep - 1);
	int64_t kept = 0;
	for (int64_t i = 0; i < *count && kept < keep; i++)
		if (w->seed_key[i] <= max) {
			w->seed_key[kept] = w->seed_key[i];
			w->seed_row[kept++] = w->seed_row[i];
		}
	*count = kept;
	return max;
}

/* Add rows of cluster c with keys up to the limit to the seeds of query q. Returns the new limit. */
static float add_seeds(struct task *t, int64_t q, int64_t c, int64_t *count, float limit)
{
	const struct search *s = t->s;
	const struct projection *p = s->projection;
	struct projected *w = t->scratch->projected;
	projected_fill_slot(t, c, 0, q);
	/* Added to the keys of this cluster, so that they compare with those of others. */
	float add = p->product ? -(float)w->slots.add[0] / w->slots.unit[0] : w->slots.v.normsq[0];
	for (int64_t block = p->first[c]; block < p->first[c + 1]; block++) {
		static const float zeros[TILE_ROWS];
		const uint32_t *row = p->row + block * TILE_ROWS;
		uint64_t mask = 0;
		float thr = limit - add;
		for (int i = 0; i < TILE_ROWS; i++)
			w->scale[i] = p->block[block].scale;
		tile_multiply(&p->form, p->panels + block * p->form.depth * TILE_ROWS,
		    p->product ? zeros : p->normsq + block * TILE_ROWS, w->scale, &w->slots.v, 0, 1, &thr,
		    &mask, w->keys);
		if (mask)
			mask &= projected_valid(t, block);
		for (; mask; mask &= mask - 1) {
			int i = __builtin_ctzll(mask);
			w->seed_key[*count] = w->keys[i] + add;
			w->seed_row[(*count)++] = row[i];
		}
		if (*count > seed_capacity(s) - TILE_ROWS)
			limit = keep_least(w, count, seed_count(s));
	}
	return limit;
}

/* The cluster with the least key in w->own, which is then set to ∞. */
static int64_t take_nearest(const struct projection *p, struct projected *w)
{
	int64_t nearest = 0;
	for (int64_t c = 1; c < p->clusters; c++)
		if (w->own[c] < w->own[nearest])
			nearest = c;
	w->own[nearest] = INFINITY;
	return nearest;
}

/* Put n <= 64 seeds into the pool, with the upper bounds of their keys. */
static void look_at_seeds(struct task *t, int64_t q, const uint32_t *row, int64_t n)
{
	const struct search *s = t->s;
	struct projected *w = t->scratch->projected;
	struct scan *scan = &w->scans[q];
	projected_compare(t, q, row, n);
	for (int64_t i = 0; i < n; i++) {
		scan_limit(scan, s->compare->bound(&s->base, scan->state, row[i], 1));
		pool_add(scan->pool, -INFINITY, scan_highest(scan, w->look[i]), row[i]);
	}
}

static void seed_query(struct task *t, int64_t q)
{
	const struct search *s = t->s;
	struct projected *w = t->scratch->projected;
	struct pool *pool = task_pool(t, q);
	const struct projection *p = s->projection;
	int64_t count = 0, rows = 0, enough = p->n / SEED_SHARE;
	float limit = INFINITY;
	for (int64_t c = 0; c < p->clusters; c++)
		w->own[c] = w->near[c * s->block + q] * (p->product ? -1 : 1);
	for (int i = 0; i < SEED_CLUSTERS && i < p->clusters && rows < enough; i++) {
		int64_t c = take_nearest(p, w);
		limit = add_seeds(t, q, c, &count, limit);
		rows += (p->first[c + 1] - p->first[c]) * TILE_ROWS;
	}
	if (count > seed_count(s))
		keep_least(w, &count, seed_count(s));
	for (int64_t i = 0; i < count; i += ROWS_BLOCK)
		look_at_seeds(t, q, w->seed_row + i, count - i < ROWS_BLOCK ? count - i : ROWS_BLOCK);
	pool_tighten(pool, s->sink->k, t->scratch->select);
	pool->count = 0; /* the pass finds them again */
}

bool projected_begin(struct task *t)
{
	struct search *s = t->s;
	struct projected *w = t->scratch->projected;
	kith_status status = axes_apply(&s->projection->axes, &s->query, t->q0, NULL, t->nq, w->z, w->zerr);
	if (status) {
		search_fail(s, status);
		return false;
	}
	for (int64_t q = 0; q < t->nq; q++) {
		find_near(t, q);
		scan_open(t, &w->scans[q], q, w->states + (size_t)q * scan_query_bytes(s));
		if (s->sink->k && isinf(pool_bound(task_pool(t, q))))
			seed_query(t, q);
	}
	return true;
}
