/* Query blocks: the queries of a task in the form that the tile kernels read, and their thresholds. */
#include "lib/search/tile.h"

#include "lib/base/rounding.h"

#include <math.h>
#include <string.h>

/* Query j cannot be represented: all rows are its candidates. */
static void blank_query(struct query_block *b, int64_t j, size_t element)
{
	memset((char *)b->data + (size_t)j * b->stride * element, 0, b->stride * element);
	b->nsq[j] = b->norm[j] = 0;
	b->scale[j] = 1;
	b->bias[j] = 0;
	b->unit[j] = 1;
	b->offset[j] = 0;
	b->err[j] = INFINITY;
}

static void fill_f32(struct task *t, int64_t j, const float *q)
{
	struct tile *tile = t->scratch->tile;
	struct query_block *b = &tile->q;
	int64_t dim = t->s->base.dim;
	const float *mean = tile->mean;
	float *out = (float *)b->data + (size_t)j * b->stride;
	bool centred = mean && !search_by_product(t->s);
	for (int64_t i = 0; i < dim; i++)
		out[i] = centred ? q[i] - mean[i] : q[i];
	double nsq = t->s->kern->ip_exact(out, out, dim);
	b->nsq[j] = (float)nsq;
	b->norm[j] = float_up(sqrt(nsq) * (1 + 1e-12));
	b->err[j] = centred ? float_up((double)b->norm[j] * 0x1p-23) : 0;
	b->scale[j] = 1;
	b->bias[j] = 0;
	b->unit[j] = 1;
	b->offset[j] = search_by_product(t->s) && mean ? t->s->kern->ip_exact(mean, q, dim) : 0;
	float factor = search_by_product(t->s) ? -1.0f : -2.0f;
	for (int64_t i = 0; i < dim; i++)
		out[i] *= factor;
	if (!(b->norm[j] < TILE_HUGE))
		blank_query(b, j, sizeof *out);
}

static void fill_i8(struct task *t, int64_t j, const float *q)
{
	struct search *s = t->s;
	struct tile *tile = t->scratch->tile;
	struct query_block *b = &tile->q;
	int64_t dim = s->base.dim;
	int8_t *out = (int8_t *)b->data + (size_t)j * b->stride;
	struct quantized info;
	const float *center = tile->mean;
	if (search_by_product(s)) {
		for (int64_t i = 0; i < dim; i++)
			t->scratch->x[i] = tile->shift;
		center = tile->shift != 0 ? t->scratch->x : NULL;
	}
	memset(out, 0, b->stride);
	s->kern->quantize(q, center, dim, out, &info);
	b->nsq[j] = info.normsq;
	b->norm[j] = info.norm;
	b->err[j] = info.err;
	b->bias[j] = -128 * info.sum;
	b->unit[j] = 1;
	b->offset[j] = search_by_product(s) && tile->mean ? s->kern->ip_exact(tile->mean, q, dim) : 0;
	if (search_by_product(s) && tile->shift == 0 && info.norm > 0)
		b->unit[j] = info.norm;
	b->scale[j] = search_by_product(s) ? -info.scale / b->unit[j] : -2 * info.scale;
	if (!(info.norm < TILE_HUGE) || !(info.err < TILE_HUGE) || !(fabs(b->offset[j]) < 1e36))
		blank_query(b, j, 1);
}

static void fill_bytes(struct task *t, int64_t j)
{
	struct search *s = t->s;
	struct query_block *b = &t->scratch->tile->q;
	int64_t dim = s->base.dim, sum = 0, nsq = 0;
	int8_t *out = (int8_t *)b->data + (size_t)j * b->stride;
	const uint8_t *q = (const uint8_t *)rows_at(&s->query, task_query(t, j));
	uint8_t flip = s->base.form->type == KITH_U8 ? 0x80 : 0;
	memset(out, 0, b->stride);
	for (int64_t i = 0; i < dim; i++) {
		out[i] = (int8_t)(q[i] ^ flip);
		sum += out[i];
		nsq += out[i] * out[i];
	}
	b->nsq[j] = (float)nsq;
	b->norm[j] = float_up(sqrt((double)nsq));
	b->err[j] = 0;
	b->scale[j] = search_by_product(s) ? -1.0f : -2.0f;
	b->bias[j] = (int32_t)(-128 * sum);
	b->unit[j] = 1;
	b->offset[j] = flip ? 128.0 * (double)(sum + 128 * dim) : 0; /* ⟨128, q⟩ */
}

void block_fill(struct task *t)
{
	struct tile *tile = t->scratch->tile;
	for (int64_t j = 0; j < t->nq; j++) {
		if (tile->kind == TILE_BYTES) {
			fill_bytes(t, j);
		} else {
			const float *q = rows_load(&t->s->query, task_query(t, j), t->scratch->y);
			if (tile->kind == TILE_I8)
				fill_i8(t, j, q);
			else
				fill_f32(t, j, q);
		}
		tile->q.thr[j] = INFINITY;
		block_threshold(t, j);
	}
}

void block_threshold(struct task *t, int64_t q)
{
	const struct tile *tile = t->scratch->tile;
	struct query_block *b = &t->scratch->tile->q;
	double bound = (double)pool_bound(task_pool(t, q)), err = (double)b->err[q];
	if (!(err < (double)TILE_HUGE) || !(bound < TILE_UNBOUNDED)) {
		b->thr[q] = INFINITY;
		return;
	}
	t->scratch->tile->stale = t->scratch->tile->stale || isinf(b->thr[q]);
	double nsq = (double)b->nsq[q];
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
	double error_bound = (tile->gamma + TILE_EPS) * nsq + TILE_EPS * radius * radius + TILE_TINY;
	b->thr[q] = float_up(radius * radius - nsq + error_bound);
}
