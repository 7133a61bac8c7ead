/* Packing for nearest.c: rows into panels, once in a call, and points into blocks. A row that cannot be
 * represented gets an infinite error, so that it is a candidate of every point; such a point has all rows as
 * candidates.
 *
 * Memory: the panels take a quarter of the memory of the rows as int8, and as much as the rows as floats. A
 * block of points stays in the L2 cache together with one panel.
 */
#include "lib/tile/nearest_parts.h"

#include "lib/base/alloc.h"
#include "lib/base/arena.h"
#include "lib/base/rounding.h"
#include "lib/base/threads.h"

#include <math.h>
#include <string.h>

enum {
	MAX_BLOCK = 384, /* the most points in a block */
	SAMPLE = 256,    /* number of rows, and of points, from which the centre is chosen */
};

/* Bring row i into the form of tiles. */
static void set_row(struct near *s, int64_t i, char *out)
{
	const struct nearest_lower *lower = s->lower;
	const struct tile_vectors *v = &s->rows.v;
	const float *x = lower ? lower->rows + i * lower->dim : s->what->rows + i * s->dim;
	tile_set(&s->form, x, 1, out, v, i);
	if (!lower)
		return;
	v->err[i] = float_up((double)v->err[i] + (double)lower->row_err[i]);
	if (!(v->err[i] < TILE_HUGE))
		tile_blank(&s->form, out, v, i);
}

static void pack_group(void *arg, int64_t group, int worker)
{
	struct near *s = arg;
	struct near_rows *rows = &s->rows;
	char *temp = s->scratch[worker].temp;
	int64_t first = group * TILE_ROWS, n = s->k - first < TILE_ROWS ? s->k - first : TILE_ROWS;
	float err = 0, size = 0;
	for (int64_t i = first; i < first + TILE_ROWS; i++) {
		if (i >= first + n) {
			rows->v.normsq[i] = rows->v.norm[i] = rows->v.err[i] = rows->v.scale[i] = 0;
			continue;
		}
		set_row(s, i, temp + (size_t)(i - first) * s->form.bytes);
		err = fmaxf(err, rows->v.err[i]);
		size = fmaxf(size, rows->size[i]);
	}
	rows->group_err[group] = err;
	rows->group_size[group] = size;
	tile_pack_rows(&s->form, temp, n, rows->data + group * TILE_ROWS * s->form.depth);
}

/* Choose the centre: the mean of the rows, which makes the errors of int8 small, or 128 for points that are
 * bytes, so that they fit int8 exactly. */
static void choose_mean(struct near *s)
{
	int64_t n = s->points->n < SAMPLE ? s->points->n : SAMPLE, k = s->k < SAMPLE ? s->k : SAMPLE;
	bool bytes = !s->ip;
	for (int64_t i = 0; i < n && bytes; i++)
		bytes = tile_are_bytes(rows_load(s->points, i * (s->points->n / n), s->scratch->x), s->dim);
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

/* A bound of the norm of any row plus that of the mean; infinite if a row has no form. */
static double find_norms(const struct near *s)
{
	double max = 0;
	for (int64_t g = 0; g < s->rows.groups; g++) {
		/* Not fmax, on which gcc 12 for aarch64 fails here. */
		double norm = (double)s->rows.group_size[g] + (double)s->rows.group_err[g];
		max = norm > max ? norm : max;
	}
	return max + 2 * (1 + 1e-12) * sqrt(s->kern->ip_exact(s->mean, s->mean, s->dim));
}

static void carve_rows(struct near *s, struct arena *c)
{
	struct near_rows *rows = &s->rows;
	static const float zeros[TILE_ROWS];
	int64_t n = rows->groups * TILE_ROWS;
	rows->data = arena_take(c, n * s->form.depth, sizeof *rows->data);
	rows->v = tile_vectors_take(&s->form, n, false, true, c);
	rows->low = s->ip ? zeros : rows->v.normsq;
	rows->size = s->ip ? rows->v.norm : rows->v.normsq;
	rows->group_err = arena_take(c, rows->groups, sizeof(float));
	rows->group_size = arena_take(c, rows->groups, sizeof(float));
	s->mean = arena_take(c, s->dim, sizeof *s->mean);
}

static void carve_scratch(const struct near *s, struct near_scratch *scratch, struct arena *c)
{
	struct near_points *p = &scratch->points;
	scratch->x = arena_take(c, s->dim + 16, sizeof *scratch->x);
	scratch->temp = arena_take(c, TILE_ROWS, s->form.bytes);
	scratch->keys = arena_take(c, TILE_QUERIES * TILE_ROWS, sizeof *scratch->keys);
	if (s->lower)
		p->v.norm = arena_take(c, s->block, sizeof *p->v.norm);
	else
		p->v = tile_vectors_take(&s->point_form, s->block, true, true, c);
	float **per_point[] = {&p->base, &p->per_size, &p->radius};
	for (size_t i = 0; i < sizeof per_point / sizeof *per_point; i++)
		*per_point[i] = arena_take(c, s->block, sizeof(float));
	p->count = arena_take(c, s->block, sizeof *p->count);
	p->best = arena_take(c, s->block, sizeof *p->best);
	p->offset = arena_take(c, s->block, sizeof *p->offset);
	p->exact = arena_take(c, s->block, sizeof *p->exact);
	p->row = arena_take(c, s->block * CANDIDATES, sizeof *p->row);
	p->key = arena_take(c, s->block * CANDIDATES, sizeof *p->key);
}

static void choose_sizes(struct near *s, bool i8)
{
	s->form = s->point_form = tile_form_of(s->lower ? s->lower->dim : s->dim, NULL, i8);
	s->point_form.rough_norms = true;
	int64_t point = (int64_t)s->form.bytes, group = point * TILE_ROWS;
	s->block = s->kern->block_bytes / point / TILE_QUERIES * TILE_QUERIES;
	s->block = s->block < TILE_QUERIES ? TILE_QUERIES : s->block > MAX_BLOCK ? MAX_BLOCK : s->block;
	s->panel = s->kern->panel_bytes / group > 0 ? s->kern->panel_bytes / group : 1;
	s->rows.groups = (s->k + TILE_ROWS - 1) / TILE_ROWS;
	s->error_bound = 4 * tile_gamma(&s->form) + 4 * TILE_EPS;
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
	if (s->lower) {
		memset(s->mean, 0, (size_t)s->dim * sizeof *s->mean);
	} else {
		s->form.center = s->mean;
		s->point_form.center = s->ip ? NULL : s->mean;
		choose_mean(s);
	}
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

/* What the limits of inner products need in addition. */
static void fill_ip(const struct near *s, struct near_scratch *scratch, int64_t first, int64_t n)
{
	struct near_points *p = &scratch->points;
	for (int64_t j = 0; j < n; j++) {
		double norm = (double)p->v.norm[j], err = p->v.err[j] < TILE_HUGE ? (double)p->v.err[j] : 0;
		p->offset[j] = 0;
		if (!s->lower)
			p->offset[j] =
			    s->kern->ip_exact(s->mean, rows_load(s->points, first + j, scratch->x), s->dim);
		/* Never zero, so that its product with an infinite error is infinite. */
		p->v.norm[j] = float_above(norm * (1 + TILE_EPS) + TILE_TINY);
		p->per_size[j] = float_above((err + s->error_bound * norm) * (1 + TILE_EPS));
	}
}

static void put_points(const struct near *s, struct near_scratch *scratch, int64_t first, int64_t n)
{
	struct near_points *p = &scratch->points;
	float factor = s->ip ? -1 : -2;
	for (int64_t j = 0; j < n; j++) {
		void *out = p->v.data + (size_t)j * s->form.bytes;
		tile_put(&s->point_form, rows_load(s->points, first + j, scratch->x), factor, out, &p->v, j);
	}
	tile_finish(&s->point_form, p->v.data, n, factor, &p->v, 0);
}

/* Take the z of points where they are. Only their norms are copied, as those are changed. */
static void take_points(const struct near *s, struct near_scratch *scratch, int64_t first, int64_t n)
{
	const struct tile_vectors *from = &s->lower->points;
	float *norm = scratch->points.v.norm;
	memcpy(norm, from->norm + first, (size_t)n * sizeof *norm);
	scratch->points.v = (struct tile_vectors){.data = from->data + (size_t)first * s->form.bytes,
	    .normsq = from->normsq + first,
	    .scale = from->scale + first,
	    .factor = from->factor + first,
	    .bias = from->bias + first,
	    .norm = norm,
	    .err = from->err + first};
}

void near_fill(const struct near *s, struct near_scratch *scratch, int64_t first, int64_t n)
{
	struct near_points *p = &scratch->points;
	float error_bound = (float)s->error_bound;
	(s->lower ? take_points : put_points)(s, scratch, first, n);
	for (int64_t j = 0; j < n; j++)
		p->v.norm[j] = (p->v.norm[j] + (p->v.err[j] < TILE_HUGE ? p->v.err[j] : 0)) * (1 + 0x1p-22f);
	for (int64_t j = 0; j < n; j++) {
		p->count[j] = 0;
		p->best[j] = -1;
		p->radius[j] = INFINITY;
		p->base[j] = p->v.normsq[j] * error_bound - p->v.normsq[j] + (float)TILE_TINY;
		p->per_size[j] = error_bound;
	}
	if (s->ip)
		fill_ip(s, scratch, first, n);
}
