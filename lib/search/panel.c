/* Panels: stored rows in the form that the tile kernels read, with what is known of their errors. */
#include "lib/search/tile.h"

#include "lib/base/rounding.h"

#include <math.h>
#include <string.h>

/* Row i of the panel cannot be represented: let it always be a candidate. */
static void blank_row(struct panel *p, int64_t i)
{
	p->nsq[i] = p->norm[i] = p->scale[i] = p->sum[i] = 0;
	p->err[i] = INFINITY;
}

static const float *load_checked(struct task *t, int64_t row)
{
	const float *x = rows_load(t->base, row, t->scratch->x);
	if (t->s->check && t->s->kern->find_nonfinite(x, t->s->base.dim) >= 0) {
		search_fail(t->s, KITH_INVALID);
		return NULL;
	}
	return x;
}

static void finish_floats(struct task *t, int64_t first, int64_t n, float *temp, double relative)
{
	struct panel *p = &t->scratch->tile->panel;
	int64_t dim = t->s->base.dim;
	t->s->kern->normsq_f32(temp, (size_t)dim * sizeof *temp, n, dim, p->nsq + first);
	for (int64_t i = first; i < first + n; i++) {
		double nsq = (double)p->nsq[i] + search_underflow(dim);
		p->norm[i] = float_up(sqrt(nsq) * (1 + t->scratch->tile->gamma));
		p->err[i] += float_up((double)p->norm[i] * relative);
		p->scale[i] = 1;
		p->sum[i] = 0;
		if (!(p->norm[i] < TILE_HUGE)) {
			memset(temp + (i - first) * dim, 0, (size_t)dim * sizeof *temp);
			blank_row(p, i);
		}
	}
}

/* 64 rows as floats, less the mean. */
static bool group_f32(struct task *t, int64_t first, int64_t n)
{
	struct panel *p = &t->scratch->tile->panel;
	const float *mean = t->scratch->tile->mean;
	int64_t dim = t->s->base.dim;
	for (int64_t i = 0; i < n; i++) {
		const float *x = load_checked(t, p->row[first + i]);
		if (!x)
			return false;
		float *out = p->temp + i * dim;
		for (int64_t j = 0; j < dim; j++)
			out[j] = mean ? x[j] - mean[j] : x[j];
		p->err[first + i] = 0;
	}
	finish_floats(t, first, n, p->temp, mean ? 0x1p-23 : 0);
	return true;
}

/* 64 rough forms. */
static bool group_rough(struct task *t, int64_t first, int64_t n)
{
	struct panel *p = &t->scratch->tile->panel;
	const struct rows *base = t->base;
	for (int64_t i = 0; i < n; i++) {
		int64_t row = p->row[first + i];
		base->form->load_rough(base, row, p->temp + i * base->dim);
		p->err[first + i] = base->bounds[row / ROWS_BLOCK].err;
	}
	finish_floats(t, first, n, p->temp, 0);
	return true;
}

/* A row as quantising wants it. Its rough form is enough, which is less memory traffic: *err is what it
 * leaves out. */
static const float *load_for_i8(struct task *t, int64_t row, float *err)
{
	const struct rows *base = t->base;
	*err = 0;
	if (!base->form->load_rough || base->normalize)
		return load_checked(t, row);
	*err = base->bounds[row / ROWS_BLOCK].err;
	base->form->load_rough(base, row, t->scratch->x);
	return t->scratch->x;
}

/* 64 rows quantised. */
static bool group_i8(struct task *t, int64_t first, int64_t n)
{
	struct tile *tile = t->scratch->tile;
	struct panel *p = &tile->panel;
	int8_t *temp = (int8_t *)p->temp;
	int64_t dim = t->s->base.dim, stride = tile->k * 4;
	for (int64_t i = 0; i < n; i++) {
		float err;
		const float *x = load_for_i8(t, p->row[first + i], &err);
		if (!x)
			return false;
		struct quantized info;
		memset(temp + i * stride + (stride - 4), 0, 4);
		t->s->kern->quantize(x, tile->mean, dim, temp + i * stride, &info);
		p->nsq[first + i] = info.normsq;
		p->norm[first + i] = info.norm;
		p->err[first + i] = float_up((double)info.err + (double)err);
		p->scale[first + i] = info.scale;
		p->sum[first + i] = info.scale * (float)info.sum;
		if (!(info.norm < TILE_HUGE) || !(p->err[first + i] < TILE_HUGE))
			blank_row(p, first + i);
	}
	return true;
}

/* Byte rows; *rows and *stride tell where they are when they lie together. */
static void group_bytes(struct task *t, int64_t first, int64_t n, const void **rows, size_t *stride)
{
	struct panel *p = &t->scratch->tile->panel;
	const struct rows *base = t->base;
	const struct kernels *kern = t->s->kern;
	int32_t nsq[TILE_ROWS], sum[TILE_ROWS];
	bool u8 = base->form->type == KITH_U8;
	int64_t dim = base->dim;
	if (p->row[first + n - 1] - p->row[first] == n - 1) {
		*rows = rows_at(base, p->row[first]);
		*stride = base->stride;
	} else {
		char *temp = (char *)p->temp;
		for (int64_t i = 0; i < n; i++)
			memcpy(temp + i * dim, rows_at(base, p->row[first + i]), (size_t)dim);
		*rows = temp;
		*stride = (size_t)dim;
	}
	(u8 ? kern->normsq_u8 : kern->normsq_i8)(*rows, *stride, n, dim, nsq);
	memset(t->scratch->x, 1, (size_t)dim);
	(u8 ? kern->ip_u8 : kern->ip_i8)(t->scratch->x, *rows, *stride, n, dim, sum);
	for (int64_t i = 0; i < n; i++) {
		/* Of x − 128: Σ(x − 128)² = Σx² − 256 Σx + 128² d. */
		int64_t sq = u8 ? nsq[i] - 256 * (int64_t)sum[i] + 16384 * dim : nsq[i];
		p->nsq[first + i] = (float)sq;
		p->norm[first + i] = float_up(sqrt((double)sq));
		p->sum[first + i] = (float)(u8 ? sum[i] - 128 * dim : sum[i]);
		p->scale[first + i] = 1;
		p->err[first + i] = 0;
	}
}

static bool group_fill(struct task *t, int64_t first, int64_t n)
{
	struct tile *tile = t->scratch->tile;
	int64_t dim = t->s->base.dim;
	const void *rows = tile->panel.temp;
	size_t stride = (size_t)dim * sizeof(float);
	int64_t bytes = dim * (int64_t)sizeof(float);
	uint32_t flip = 0;
	bool ok = true;
	switch (tile->kind) {
	case TILE_F32:
	case TILE_BLAS:
		ok = group_f32(t, first, n);
		break;
	case TILE_ROUGH:
		ok = group_rough(t, first, n);
		break;
	case TILE_I8:
		ok = group_i8(t, first, n);
		stride = (size_t)tile->k * 4;
		bytes = tile->k * 4;
		flip = 0x80808080;
		break;
	case TILE_BYTES:
		group_bytes(t, first, n, &rows, &stride);
		bytes = dim;
		flip = t->s->base.form->type == KITH_I8 ? 0x80808080 : 0;
		break;
	}
	if (!ok)
		return false;
	if (tile->kind == TILE_BLAS)
		memcpy(tile->panel.data + first * dim, rows, (size_t)n * stride);
	else
		t->s->kern->pack(rows, stride, n, bytes, flip, tile->panel.data + first * tile->k);
	for (int64_t i = first + n; i < first + TILE_ROWS; i++)
		tile->panel.nsq[i] = tile->panel.norm[i] = tile->panel.err[i] = tile->panel.scale[i] =
		    tile->panel.sum[i] = 0;
	return true;
}

bool panel_fill(struct task *t, int64_t *row, int64_t end)
{
	struct tile *tile = t->scratch->tile;
	struct panel *p = &tile->panel;
	p->n = 0;
	while (*row < end && p->n + TILE_ROWS <= tile->rows) {
		int64_t block_end = (*row / ROWS_BLOCK + 1) * ROWS_BLOCK;
		int64_t n = (block_end < end ? block_end : end) - *row;
		uint64_t mask = task_mask(t, *row, n);
		for (int64_t i = 0; i < n; i++)
			if (mask >> i & 1)
				p->row[p->n++] = (uint32_t)(*row + i);
		*row += n;
	}
	for (int64_t first = 0; first < p->n; first += TILE_ROWS) {
		int64_t n = p->n - first < TILE_ROWS ? p->n - first : TILE_ROWS;
		if (!group_fill(t, first, n))
			return false;
	}
	return true;
}

static void lows_l2(struct tile *tile, double radius)
{
	struct panel *p = &tile->panel;
	float keep = (float)(1 - 2 * tile->gamma - TILE_EPS), grow = 1 + (float)TILE_EPS;
	float twice = float_up(2 * radius);
	for (int64_t i = 0; i < (p->n + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS; i++) {
		float err = p->err[i];
		p->low[i] = err < TILE_HUGE ? p->nsq[i] * keep - err * (twice + err) * grow : -INFINITY;
	}
}

static void lows_ip(struct tile *tile, double per_err, double per_norm)
{
	struct panel *p = &tile->panel;
	float a = float_up(per_err * (1 + TILE_EPS)), b = float_up(per_norm * (1 + TILE_EPS));
	for (int64_t i = 0; i < (p->n + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS; i++) {
		float err = p->err[i], sum = tile->shift * p->sum[i];
		float low = -(err * a + p->norm[i] * b) - sum - (float)TILE_EPS * fabsf(sum);
		p->low[i] = err < TILE_HUGE ? low : -INFINITY;
	}
}

void panel_lows(struct task *t, int64_t from, int64_t to)
{
	struct tile *tile = t->scratch->tile;
	const struct query_block *q = &tile->q;
	double radius = 0, per_err = 0, per_norm = 0;
	tile->stale = false;
	for (int64_t j = from; j < to; j++) {
		double err = (double)q->err[j], bound = (double)pool_bound(task_pool(t, j));
		if (!(err < (double)TILE_HUGE) || !(bound < TILE_UNBOUNDED))
			continue;
		if (!search_by_product(t->s)) {
			radius = fmax(radius, sqrt(bound > 0 ? bound : 0) + err);
			continue;
		}
		double unit = (double)q->unit[j], norm = (double)q->norm[j];
		double root = (double)tile->shift * sqrt((double)t->s->base.dim);
		per_err = fmax(per_err, (norm + err + root) / unit);
		per_norm = fmax(per_norm, (err + (tile->gamma + TILE_EPS) * norm) / unit);
	}
	if (search_by_product(t->s))
		lows_ip(tile, per_err, per_norm);
	else
		lows_l2(tile, radius);
}
