/* Query blocks: the queries of a task in the form of the tile kernels, and their thresholds. */
#include "lib/search/tile.h"

#include "lib/base/rounding.h"

#include <math.h>
#include <string.h>

static void fill_vector(struct task *t, int64_t j)
{
	struct search *s = t->s;
	struct tile *tile = t->scratch->tile;
	struct query_block *b = &tile->q;
	bool product = search_by_product(s);
	const float *q = rows_load(&s->query, task_query(t, j), t->scratch->y);
	void *out = b->v.data + (size_t)j * tile->query_form.bytes;
	tile_set(&tile->query_form, q, product ? -1 : -2, out, &b->v, j);
	b->unit[j] = 1;
	b->offset[j] = product && tile->mean ? s->kern->ip_exact(tile->mean, q, s->base.dim) : 0;
	if (product && tile->kind == TILE_I8 && tile->shift == 0 && b->v.norm[j] > 0) {
		b->unit[j] = b->v.norm[j];
		b->v.factor[j] /= b->unit[j];
	}
	if (!(fabs(b->offset[j]) < 1e36)) {
		tile_blank(&tile->query_form, out, &b->v, j);
		b->unit[j] = 1;
		b->offset[j] = 0;
	}
}

static void fill_bytes(struct task *t, int64_t j)
{
	struct search *s = t->s;
	struct tile *tile = t->scratch->tile;
	struct query_block *b = &tile->q;
	const uint8_t *q = (const uint8_t *)rows_at(&s->query, task_query(t, j));
	bool u8 = tile->shift != 0;
	tile_put_bytes(&tile->form, q, u8, search_by_product(s) ? -1 : -2,
	    b->v.data + (size_t)j * tile->form.bytes, &b->v, j);
	b->unit[j] = 1;
	int64_t sum = b->v.bias[j] / -128 + 128 * s->base.dim;
	b->offset[j] = u8 ? 128.0 * (double)sum : 0; /* ⟨128, q⟩ */
}

void block_fill(struct task *t)
{
	struct tile *tile = t->scratch->tile;
	for (int64_t j = 0; j < t->nq; j++) {
		(tile->kind == TILE_BYTES ? fill_bytes : fill_vector)(t, j);
		tile->q.thr[j] = INFINITY;
		block_threshold(t, j);
	}
}

void block_threshold(struct task *t, int64_t q)
{
	const struct tile *tile = t->scratch->tile;
	struct query_block *b = &t->scratch->tile->q;
	double bound = (double)pool_bound(task_pool(t, q)), err = (double)b->v.err[q];
	if (!(err < (double)TILE_HUGE) || !(bound < TILE_UNBOUNDED)) {
		b->thr[q] = INFINITY;
		return;
	}
	t->scratch->tile->stale = t->scratch->tile->stale || isinf(b->thr[q]);
	double nsq = (double)b->v.normsq[q];
	if (search_by_product(t->s)) {
		double offset = b->offset[q],
		       error_bound = TILE_EPS * (fabs(bound) + fabs(offset)) + TILE_TINY;
		b->thr[q] = float_up((bound + offset + error_bound) / (double)b->unit[q]);
		return;
	}
	if (bound < 0) {
		b->thr[q] = -INFINITY;
		return;
	}
	double radius = sqrt(bound) + err;
	double error_bound = (2 * tile->gamma + TILE_EPS) * nsq + TILE_EPS * radius * radius + TILE_TINY;
	b->thr[q] = float_up(radius * radius - nsq + error_bound);
}
