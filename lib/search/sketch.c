/* Sketches: c = x − mean rounded to int8 with a scale of its own, or as floats.
 *
 * What builds a graph compares vectors by the hundred million, and an edge that is chosen by a distance one
 * percent off is as good an edge. So there are no error bounds here: these are the same tiles as those of
 * exact searches (tile.c), without the certificate. Panels of floats are packed times −2, so that a row can
 * be both a query and a part of a panel.
 *
 * Memory: a row is dim bytes (or floats) filled up to whole dwords, and 16 bytes besides.
 */
#include "lib/search/sketch.h"

#include "lib/base/arena.h"
#include "lib/codec/codec.h"

#include <math.h>
#include <string.h>

/* Norms above it would overflow when squared. */
static const float HUGE_NORM = 1e18f;

/* Below it floats cost no more than bytes and their scales. */
enum { MIN_I8_DIM = 8 };

struct sketch_form sketch_form(int64_t dim, const float *mean, bool coarse)
{
	struct sketch_form form = {.kern = kernels(), .dim = dim, .mean = mean};
	form.i8 = coarse && form.kern->i8_is_fast && dim >= MIN_I8_DIM;
	form.depth = form.i8 ? (dim + 3) / 4 : dim;
	form.bytes = (size_t)form.depth * sizeof(uint32_t);
	return form;
}

struct sketch_form sketch_form_direct(int64_t dim, bool wide)
{
	struct sketch_form form = sketch_form(dim, NULL, false);
	form.direct = true;
	form.wide = wide;
	return form;
}

static struct sketches take_sketches(const struct sketch_form *form, int64_t n, struct arena *arena)
{
	struct sketches s = {.data = arena_take(arena, n, form->bytes)};
	s.normsq = arena_take(arena, n, sizeof *s.normsq);
	s.scale = arena_take(arena, n, sizeof *s.scale);
	s.factor = arena_take(arena, n, sizeof *s.factor);
	s.bias = arena_take(arena, n, sizeof *s.bias);
	return s;
}

size_t sketches_bytes(const struct sketch_form *form, int64_t n)
{
	struct arena arena = {NULL, 0};
	take_sketches(form, n, &arena);
	return arena.used;
}

struct sketches sketches_at(const struct sketch_form *form, int64_t n, void *memory)
{
	struct arena arena = {memory, 0};
	return take_sketches(form, n, &arena);
}

static float set_i8(const struct sketch_form *form, const struct sketches *to, int64_t at, const float *x)
{
	char *row = to->data + (size_t)at * form->bytes;
	struct quantized info;
	memset(row + form->bytes - 4, 0, 4);
	form->kern->quantize(x, form->mean, form->dim, (int8_t *)row, &info);
	bool fits = info.norm < HUGE_NORM && info.err < HUGE_NORM;
	to->normsq[at] = fits ? info.normsq : INFINITY;
	to->scale[at] = fits ? info.scale : 0;
	to->factor[at] = -2 * to->scale[at];
	to->bias[at] = -128 * info.sum;
	return info.err;
}

static float set_f32(const struct sketch_form *form, const struct sketches *to, int64_t at, const float *x)
{
	float *row = (float *)(void *)(to->data + (size_t)at * form->bytes);
	for (int64_t j = 0; j < form->dim; j++)
		row[j] = form->mean ? x[j] - form->mean[j] : x[j];
	double nsq = form->kern->ip_exact(row, row, form->dim);
	bool fits = nsq < (double)HUGE_NORM * (double)HUGE_NORM;
	if (!fits)
		memset(row, 0, form->bytes);
	to->normsq[at] = fits ? (float)nsq : INFINITY;
	to->scale[at] = to->factor[at] = 1;
	to->bias[at] = 0;
	return 0;
}

static float set_direct(const struct sketch_form *form, const struct sketches *to, int64_t at, const float *x)
{
	memcpy(to->data + (size_t)at * form->bytes, x, form->bytes);
	to->normsq[at] = 0;
	to->scale[at] = to->factor[at] = 1;
	to->bias[at] = 0;
	return 0;
}

float sketch_set(const struct sketch_form *form, const struct sketches *to, int64_t at, const float *x)
{
	if (form->direct)
		return set_direct(form, to, at, x);
	return form->i8 ? set_i8(form, to, at, x) : set_f32(form, to, at, x);
}

void sketch_copy(const struct sketch_form *form, const struct sketches *to, int64_t at,
    const struct sketches *from, int64_t i)
{
	memcpy(to->data + (size_t)at * form->bytes, from->data + (size_t)i * form->bytes, form->bytes);
	to->normsq[at] = from->normsq[i];
	to->scale[at] = from->scale[i];
	to->factor[at] = from->factor[i];
	to->bias[at] = from->bias[i];
}

size_t sketch_panel_bytes(const struct sketch_form *form)
{
	return form->bytes * TILE_ROWS;
}

void sketch_pack(const struct sketch_form *form, const struct sketches *from, int64_t first, int64_t n,
    void *temp, struct sketch_panel *panel)
{
	const char *rows = from->data + (size_t)first * form->bytes;
	if (form->direct) {
		memcpy(panel->data, rows, (size_t)n * form->bytes);
		memset(
		    (char *)panel->data + (size_t)n * form->bytes, 0, (size_t)(TILE_ROWS - n) * form->bytes);
	} else if (!form->i8) {
		const float *x = (const float *)(const void *)rows;
		float *twice = temp;
		for (int64_t i = 0; i < n * form->depth; i++)
			twice[i] = -2 * x[i];
		rows = temp;
	}
	if (!form->direct)
		form->kern->pack(
		    rows, form->bytes, n, (int64_t)form->bytes, form->i8 ? 0x80808080 : 0, panel->data);
	memcpy(panel->normsq, from->normsq + first, (size_t)n * sizeof(float));
	memcpy(panel->scale, from->scale + first, (size_t)n * sizeof(float));
	for (int64_t i = n; i < TILE_ROWS; i++) {
		panel->normsq[i] = INFINITY;
		panel->scale[i] = 0;
	}
}

uint64_t sketch_tile_direct(const struct sketch_form *form, const struct sketch_panel *panel,
    const float *low, const float *queries, int nq, const float *thr, uint64_t *mask, float *keys)
{
	const float *rows = (const float *)(const void *)panel->data;
	uint64_t any = 0;
	for (int j = 0; j < nq; j++) {
		float *key = keys + j * TILE_ROWS;
		const float *q = queries + j * form->dim;
		if (!form->wide)
			form->kern->l2sq_f32(q, rows, form->bytes, TILE_ROWS, form->dim, key);
		mask[j] = 0;
		for (int r = 0; r < TILE_ROWS; r++) {
			if (form->wide)
				key[r] = wide_key(form->kern->l2sq_exact(q, rows + r * form->dim, form->dim));
			key[r] += low[r];
			mask[j] |= (uint64_t)(key[r] <= thr[j]) << r;
		}
		any |= mask[j];
	}
	return any;
}
