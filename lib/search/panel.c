/* Panels: stored rows in the form of the tile kernels, and bounds of their errors. */
#include "lib/search/tile.h"

#include "lib/base/rounding.h"

#include <math.h>
#include <string.h>

static const float *load_checked(struct task *t, int64_t row)
{
	const float *x = rows_load(t->base, row, t->scratch->x);
	if (t->s->check && t->s->kern->find_nonfinite(x, t->s->base.dim) >= 0) {
		search_fail(t->s, KITH_INVALID);
		return NULL;
	}
	return x;
}

/* Load a row as floats, in its rough form if that is good enough, as it is less to read. *err bounds what the
 * rough form leaves out. */
static const float *load_row(struct task *t, int64_t row, float *err)
{
	const struct rows *base = t->base;
	enum tile_kind kind = t->scratch->tile->kind;
	*err = 0;
	if (!base->form->load_rough || base->normalize || (kind != TILE_ROUGH && kind != TILE_I8))
		return load_checked(t, row);
	*err = base->form->load_rough(base, row, t->scratch->x);
	return t->scratch->x;
}

/* Put up to 64 rows one after another into temp, in the tile's form. */
static bool group_vectors(struct task *t, int64_t first, int64_t n)
{
	struct tile *tile = t->scratch->tile;
	struct panel *p = &tile->panel;
	float off[TILE_ROWS];
	for (int64_t i = first; i < first + n; i++) {
		float rough;
		const float *x = load_row(t, p->row[i], &rough);
		if (!x)
			return false;
		void *row = p->temp + (size_t)(i - first) * tile->form.bytes;
		tile_put(&tile->form, x, 1, row, &p->v, i);
		off[i - first] = rough;
	}
	tile_finish(&tile->form, p->temp, n, 1, &p->v, first);
	for (int64_t i = first; i < first + n; i++) {
		if (off[i - first] > 0)
			p->v.err[i] = float_up((double)p->v.err[i] + (double)off[i - first]);
		if (!(p->v.err[i] < TILE_HUGE))
			tile_blank(&tile->form, p->temp + (size_t)(i - first) * tile->form.bytes, &p->v, i);
	}
	return true;
}

/* Pack rows of bytes; they are copied together first if they are not adjacent. */
static void group_bytes(struct task *t, int64_t first, int64_t n, uint32_t *to)
{
	struct tile *tile = t->scratch->tile;
	struct panel *p = &tile->panel;
	const struct rows *base = t->base;
	const char *rows = rows_at(base, p->row[first]);
	size_t stride = base->stride, dim = (size_t)base->dim;
	if (p->row[first + n - 1] - p->row[first] != n - 1) {
		for (int64_t i = 0; i < n; i++)
			memcpy(p->temp + (size_t)i * dim, rows_at(base, p->row[first + i]), dim);
		rows = p->temp;
		stride = dim;
	}
	tile_pack_bytes(&tile->form, rows, stride, n, tile->shift != 0, t->scratch->x, to, &p->v, first);
}

static bool group_fill(struct task *t, int64_t first, int64_t n)
{
	struct tile *tile = t->scratch->tile;
	struct panel *p = &tile->panel;
	uint32_t *to = p->data + first * tile->form.depth;
	if (tile->kind == TILE_BYTES) {
		group_bytes(t, first, n, to);
	} else if (!group_vectors(t, first, n)) {
		return false;
	} else if (tile->kind == TILE_BLAS) {
		memcpy(to, p->temp, (size_t)n * tile->form.bytes);
	} else {
		tile_pack_rows(&tile->form, p->temp, n, to);
	}
	for (int64_t i = first + n; i < first + TILE_ROWS; i++) {
		p->v.normsq[i] = p->v.norm[i] = p->v.err[i] = p->v.scale[i] = 0;
		p->v.bias[i] = 0;
	}
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
		float err = p->v.err[i];
		p->low[i] = err < TILE_HUGE ? p->v.normsq[i] * keep - err * (twice + err) * grow : -INFINITY;
	}
}

static void lows_ip(struct tile *tile, double per_err, double per_norm)
{
	struct panel *p = &tile->panel;
	float a = float_up(per_err * (1 + TILE_EPS)), b = float_up(per_norm * (1 + TILE_EPS));
	for (int64_t i = 0; i < (p->n + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS; i++) {
		float err = p->v.err[i], sum = tile->shift * panel_sum(p, i);
		float low = -(err * a + p->v.norm[i] * b) - sum - (float)TILE_EPS * fabsf(sum);
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
		double err = (double)q->v.err[j], bound = (double)pool_bound(task_pool(t, j));
		if (!(err < (double)TILE_HUGE) || !(bound < TILE_UNBOUNDED))
			continue;
		if (!search_by_product(t->s)) {
			radius = fmax(radius, sqrt(bound > 0 ? bound : 0) + err);
			continue;
		}
		double unit = (double)q->unit[j], norm = (double)q->v.norm[j];
		double root = (double)tile->shift * sqrt((double)t->s->base.dim);
		per_err = fmax(per_err, (norm + err + root) / unit);
		per_norm = fmax(per_norm, (err + (tile->gamma + TILE_EPS) * norm) / unit);
	}
	if (search_by_product(t->s))
		lows_ip(tile, per_err, per_norm);
	else
		lows_l2(tile, radius);
}
