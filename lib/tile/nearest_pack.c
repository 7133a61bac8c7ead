/* Packing for the nearest pass: rows into panels, once per call, and points into blocks. What cannot be
 * represented gets an infinite error and so is a candidate of all, or takes all as its candidates.
 *
 * Memory: a quarter of the rows as int8, as much again as floats; a block of points stays in the L2 cache
 * beside one panel.
 */
#include "lib/tile/nearest_parts.h"

#include "lib/base/alloc.h"
#include "lib/base/arena.h"
#include "lib/base/rounding.h"
#include "lib/base/threads.h"

#include <math.h>
#include <string.h>

enum {
	MAX_BLOCK = 384, /* points */
	SAMPLE = 256,    /* rows and points looked at to choose the centre */
};

/* Row i cannot be represented. */
static void blank_row(struct near_rows *rows, int64_t i)
{
	rows->low[i] = rows->size[i] = 0;
	rows->scale[i] = 1;
	rows->err[i] = INFINITY;
}

static void pack_row_i8(struct near *s, int64_t i, int8_t *out)
{
	struct near_rows *rows = &s->rows;
	struct quantized info;
	memset(out + s->stride - 4, 0, 4);
	s->kern->quantize(s->what->rows + i * s->dim, s->mean, s->dim, out, &info);
	rows->low[i] = s->ip ? 0 : info.normsq;
	rows->size[i] = s->ip ? info.norm : info.normsq;
	rows->err[i] = info.err;
	rows->scale[i] = info.scale;
	if (!(info.norm < TILE_HUGE) || !(info.err < TILE_HUGE))
		blank_row(rows, i);
}

static void pack_row_f32(struct near *s, int64_t i, float *out)
{
	struct near_rows *rows = &s->rows;
	const float *c = s->what->rows + i * s->dim;
	for (int64_t j = 0; j < s->dim; j++)
		out[j] = c[j] - s->mean[j];
	double nsq = s->kern->ip_exact(out, out, s->dim);
	float norm = float_above(sqrt(nsq) * (1 + 1e-12));
	rows->low[i] = s->ip ? 0 : (float)nsq;
	rows->size[i] = s->ip ? norm : (float)nsq;
	rows->err[i] = float_above((double)norm * 0x1p-23);
	rows->scale[i] = 1;
	if (!(norm < TILE_HUGE)) {
		memset(out, 0, (size_t)s->dim * sizeof *out);
		blank_row(rows, i);
	}
}

static void pack_group(void *arg, int64_t group, int worker)
{
	struct near *s = arg;
	struct near_rows *rows = &s->rows;
	int8_t *temp = s->scratch[worker].temp;
	int64_t first = group * TILE_ROWS, n = s->k - first < TILE_ROWS ? s->k - first : TILE_ROWS;
	size_t bytes = s->stride * (s->i8 ? sizeof(int8_t) : sizeof(float));
	float err = 0, size = 0;
	for (int64_t i = first; i < first + TILE_ROWS; i++) {
		if (i >= first + n) {
			rows->low[i] = rows->size[i] = rows->err[i] = rows->scale[i] = 0;
			continue;
		}
		void *out = temp + (size_t)(i - first) * bytes;
		if (s->i8)
			pack_row_i8(s, i, out);
		else
			pack_row_f32(s, i, out);
		err = fmaxf(err, rows->err[i]);
		size = fmaxf(size, rows->size[i]);
	}
	rows->group_err[group] = err;
	rows->group_size[group] = size;
	s->kern->pack(temp, bytes, n, (int64_t)bytes, s->i8 ? 0x80808080 : 0,
	    rows->data + group * TILE_ROWS * s->depth);
}

static bool is_bytes(const float *x, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		if (!(x[i] >= 0 && x[i] <= 255) || x[i] != (float)(int)x[i])
			return false;
	return true;
}

/* Distances do not change when everything is moved, what int8 leaves out does: the centre is the rows' mean,
 * or 128 for points that are bytes and so fit int8 exactly. */
static void choose_mean(struct near *s)
{
	int64_t n = s->points->n < SAMPLE ? s->points->n : SAMPLE, k = s->k < SAMPLE ? s->k : SAMPLE;
	bool bytes = !s->ip;
	for (int64_t i = 0; i < n && bytes; i++)
		bytes = is_bytes(rows_load(s->points, i * (s->points->n / n), s->scratch->x), s->dim);
	memset(s->mean, 0, (size_t)s->dim * sizeof *s->mean);
	for (int64_t i = 0; i < k; i++)
		for (int64_t j = 0; j < s->dim; j++)
			s->mean[j] += s->what->rows[i * (s->k / k) * s->dim + j] / (float)k;
	for (int64_t j = 0; bytes && j < s->dim; j++)
		s->mean[j] = 128;
	double norm = sqrt(s->kern->ip_exact(s->mean, s->mean, s->dim));
	if (!(norm < (double)TILE_HUGE))
		memset(s->mean, 0, (size_t)s->dim * sizeof *s->mean);
}

/* At least the norm of any row and of the mean together; infinite if a row is blank. */
static double find_norms(const struct near *s)
{
	double max = 0;
	for (int64_t g = 0; g < s->rows.groups; g++) {
		/* Not fmax: gcc 12 for aarch64 fails on it here. */
		double norm = (double)s->rows.group_size[g] + (double)s->rows.group_err[g];
		max = norm > max ? norm : max;
	}
	return max + 2 * (1 + 1e-12) * sqrt(s->kern->ip_exact(s->mean, s->mean, s->dim));
}

static void carve_rows(struct near *s, struct arena *c)
{
	struct near_rows *rows = &s->rows;
	int64_t n = rows->groups * TILE_ROWS;
	rows->data = arena_take(c, n * s->depth, sizeof *rows->data);
	float **per_row[] = {&rows->low, &rows->size, &rows->err, &rows->scale};
	for (size_t i = 0; i < sizeof per_row / sizeof *per_row; i++)
		*per_row[i] = arena_take(c, n, sizeof(float));
	rows->group_err = arena_take(c, rows->groups, sizeof(float));
	rows->group_size = arena_take(c, rows->groups, sizeof(float));
	s->mean = arena_take(c, s->dim, sizeof *s->mean);
}

static void carve_scratch(const struct near *s, struct near_scratch *scratch, struct arena *c)
{
	struct near_points *p = &scratch->points;
	size_t element = s->i8 ? sizeof(int8_t) : sizeof(float);
	scratch->x = arena_take(c, s->dim + 16, sizeof *scratch->x);
	scratch->y = arena_take(c, s->dim + 16, sizeof *scratch->y);
	scratch->temp = arena_take(c, TILE_ROWS * (int64_t)s->stride, element);
	scratch->keys = arena_take(c, TILE_QUERIES * TILE_ROWS, sizeof *scratch->keys);
	p->data = arena_take(c, s->block * (int64_t)s->stride, element);
	float **per_point[] = {&p->scale, &p->err, &p->nsq, &p->norm, &p->base, &p->per_size, &p->radius};
	for (size_t i = 0; i < sizeof per_point / sizeof *per_point; i++)
		*per_point[i] = arena_take(c, s->block, sizeof(float));
	p->bias = arena_take(c, s->block, sizeof *p->bias);
	p->count = arena_take(c, s->block, sizeof *p->count);
	p->best = arena_take(c, s->block, sizeof *p->best);
	p->offset = arena_take(c, s->block, sizeof *p->offset);
	p->exact = arena_take(c, s->block, sizeof *p->exact);
	p->row = arena_take(c, s->block * CANDIDATES, sizeof *p->row);
	p->key = arena_take(c, s->block * CANDIDATES, sizeof *p->key);
}

static void choose_sizes(struct near *s, bool i8)
{
	s->i8 = i8;
	s->depth = i8 ? (s->dim + 3) / 4 : s->dim;
	s->stride = (size_t)(i8 ? s->depth * 4 : s->depth);
	int64_t point = s->depth * 4, group = point * TILE_ROWS;
	s->block = s->kern->block_bytes / point / TILE_QUERIES * TILE_QUERIES;
	s->block = s->block < TILE_QUERIES ? TILE_QUERIES : s->block > MAX_BLOCK ? MAX_BLOCK : s->block;
	s->panel = s->kern->panel_bytes / group > 0 ? s->kern->panel_bytes / group : 1;
	s->rows.groups = (s->k + TILE_ROWS - 1) / TILE_ROWS;
	s->error_bound = (i8 ? 0 : 4 * (double)(s->dim + 8) * 0x1p-24) + 4 * TILE_EPS;
}

bool near_pack(struct near *s, bool i8)
{
	choose_sizes(s, i8);
	struct arena rows = {NULL, 0}, each = {NULL, 0};
	struct near_scratch none;
	carve_rows(s, &rows);
	carve_scratch(s, &none, &each);
	s->memory = rows.memory = mem_alloc(rows.used, 1);
	s->scratch = mem_zalloc((size_t)s->workers, sizeof *s->scratch);
	bool ready = s->memory && s->scratch;
	for (int i = 0; ready && i < s->workers; i++) {
		struct arena c = {mem_alloc(each.used, 1), 0};
		s->scratch[i].memory = c.memory;
		ready = c.memory != NULL;
		if (ready)
			carve_scratch(s, &s->scratch[i], &c);
	}
	if (!ready)
		return false;
	rows.used = 0;
	carve_rows(s, &rows);
	choose_mean(s);
	threads_run(s->workers, s->rows.groups, pack_group, s);
	s->norms = s->ip ? find_norms(s) : 0;
	return true;
}

void near_pack_free(struct near *s)
{
	for (int i = 0; s->scratch && i < s->workers; i++)
		mem_free(s->scratch[i].memory);
	mem_free(s->scratch);
	mem_free(s->memory);
}

/* Point j cannot be represented: all rows are its candidates. */
static void blank_point(const struct near *s, struct near_points *p, int64_t j)
{
	size_t element = s->i8 ? sizeof(int8_t) : sizeof(float);
	memset((char *)p->data + (size_t)j * s->stride * element, 0, s->stride * element);
	p->nsq[j] = p->norm[j] = 0;
	p->scale[j] = 1;
	p->bias[j] = 0;
	p->err[j] = INFINITY;
}

static void fill_i8(const struct near *s, struct near_scratch *scratch, int64_t first, int64_t n)
{
	struct near_points *p = &scratch->points;
	for (int64_t j = 0; j < n; j++) {
		int8_t *out = (int8_t *)p->data + (size_t)j * s->stride;
		struct quantized info;
		memset(out + s->stride - 4, 0, 4);
		const float *x = rows_load(s->points, first + j, scratch->x);
		s->kern->quantize(x, s->ip ? NULL : s->mean, s->dim, out, &info);
		p->nsq[j] = info.normsq;
		p->err[j] = info.err;
		p->norm[j] = float_above((double)info.norm + (double)info.err);
		p->scale[j] = (s->ip ? -1.0f : -2.0f) * info.scale;
		p->bias[j] = -128 * info.sum;
	}
}

static void fill_f32(const struct near *s, struct near_scratch *scratch, int64_t first, int64_t n)
{
	struct near_points *p = &scratch->points;
	for (int64_t j = 0; j < n; j++) {
		float *out = (float *)p->data + (size_t)j * s->stride;
		const float *x = rows_load(s->points, first + j, scratch->x);
		for (int64_t i = 0; i < s->dim; i++)
			out[i] = s->ip ? -x[i] : -2 * (x[i] - s->mean[i]);
	}
	s->kern->normsq_f32(p->data, s->stride * sizeof(float), n, s->dim, p->nsq);
	/* Squares below FLT_MIN = (2^-63)² may be lost. */
	float grow = 1 + (float)(s->float_err + 0x1p-20), lost = float_above(0x1p-63 * sqrt((double)s->dim));
	for (int64_t j = 0; j < n; j++) {
		p->nsq[j] *= s->ip ? 1 : 0.25f;
		p->norm[j] = sqrtf(p->nsq[j]) * grow + lost;
		p->err[j] = s->ip ? 0 : p->norm[j] * 0x1p-23f;
	}
}

/* Inner products: what the limits need besides. */
static void fill_ip(const struct near *s, struct near_scratch *scratch, int64_t first, int64_t n)
{
	struct near_points *p = &scratch->points;
	for (int64_t j = 0; j < n; j++) {
		double norm = (double)p->norm[j], err = p->err[j] < TILE_HUGE ? (double)p->err[j] : 0;
		p->offset[j] =
		    s->kern->ip_exact(s->mean, rows_load(s->points, first + j, scratch->x), s->dim);
		/* Never zero: times an infinite error it must be infinite. */
		p->norm[j] = float_above(norm * (1 + TILE_EPS) + TILE_TINY);
		p->per_size[j] = float_above((err + s->error_bound * norm) * (1 + TILE_EPS));
	}
}

void near_fill(const struct near *s, struct near_scratch *scratch, int64_t first, int64_t n)
{
	struct near_points *p = &scratch->points;
	float error_bound = (float)s->error_bound;
	(s->i8 ? fill_i8 : fill_f32)(s, scratch, first, n);
	for (int64_t j = 0; j < n; j++)
		if (!(p->norm[j] < TILE_HUGE))
			blank_point(s, p, j);
	for (int64_t j = 0; j < n; j++) {
		p->count[j] = 0;
		p->best[j] = -1;
		p->radius[j] = INFINITY;
		p->base[j] = p->nsq[j] * error_bound - p->nsq[j] + (float)TILE_TINY;
		p->per_size[j] = error_bound;
	}
	if (s->ip)
		fill_ip(s, scratch, first, n);
}
