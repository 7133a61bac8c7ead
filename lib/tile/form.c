/* Bringing vectors into the form of tiles.
 *
 * For exact search and nearest centroids, norm and err bound the errors of the form. Low-precision copies
 * have no bounds: building a graph compares hundreds of millions of vectors, and an edge that is chosen by a
 * distance with an error of one percent is as good. A copy is in the form of a query, whose floats are
 * multiplied by −2; when it is packed as a row, it is multiplied by −1/2. Both are exact.
 *
 * Memory: a row is dim bytes or floats, filled up to whole dwords, and 16 or 24 bytes more. */
#include "lib/tile/form.h"

#include "lib/base/rounding.h"
#include "lib/metric/metric.h"

#include <math.h>
#include <string.h>

/* With a smaller dimension, floats take no more memory than bytes and their scales. */
enum { MIN_I8_DIM = 8 };

struct tile_form tile_form_of(int64_t dim, const float *center, bool i8)
{
	struct tile_form form = {.kern = kernels(), .dim = dim, .center = center, .i8 = i8};
	form.depth = i8 ? (dim + 3) / 4 : dim;
	form.bytes = (size_t)form.depth * sizeof(uint32_t);
	return form;
}

struct tile_form tile_form(int64_t dim, const float *center, bool coarse)
{
	return tile_form_of(dim, center, coarse && kernels()->i8_is_fast && dim >= MIN_I8_DIM);
}

struct tile_form tile_form_direct(int64_t dim, bool wide)
{
	struct tile_form form = tile_form_of(dim, NULL, false);
	form.direct = true;
	form.wide = wide;
	return form;
}

struct tile_vectors tile_vectors_take(
    const struct tile_form *form, int64_t n, bool data, bool bounds, struct arena *arena)
{
	struct tile_vectors v = {NULL};
	if (data)
		v.data = arena_take(arena, n, form->bytes);
	v.normsq = arena_take(arena, n, sizeof *v.normsq);
	v.scale = arena_take(arena, n, sizeof *v.scale);
	v.factor = arena_take(arena, n, sizeof *v.factor);
	v.bias = arena_take(arena, n, sizeof *v.bias);
	if (bounds) {
		v.norm = arena_take(arena, n, sizeof *v.norm);
		v.err = arena_take(arena, n, sizeof *v.err);
	}
	return v;
}

size_t tile_vectors_bytes(const struct tile_form *form, int64_t n)
{
	struct arena arena = {NULL, 0};
	tile_vectors_take(form, n, true, false, &arena);
	return arena.used;
}

struct tile_vectors tile_vectors_at(const struct tile_form *form, int64_t n, void *memory)
{
	struct arena arena = {memory, 0};
	return tile_vectors_take(form, n, true, false, &arena);
}

void tile_blank(const struct tile_form *form, void *row, const struct tile_vectors *to, int64_t at)
{
	memset(row, 0, form->bytes);
	to->normsq[at] = to->err ? 0 : INFINITY;
	to->scale[at] = to->factor[at] = 1;
	to->bias[at] = 0;
	if (to->err) {
		to->norm[at] = 0;
		to->err[at] = INFINITY;
	}
}

/* Write (x − center) · factor. */
static void put_floats(const struct tile_form *form, const float *x, float factor, float *row)
{
	const float *center = form->center;
	if (center)
		for (int64_t j = 0; j < form->dim; j++)
			row[j] = factor * (x[j] - center[j]);
	else
		for (int64_t j = 0; j < form->dim; j++)
			row[j] = factor * x[j];
}

float tile_put(const struct tile_form *form, const float *x, float factor, void *row,
    const struct tile_vectors *to, int64_t at)
{
	struct quantized info = {.scale = 1};
	if (form->direct) {
		memcpy(row, x, form->bytes);
	} else if (!form->i8) {
		put_floats(form, x, factor, row);
	} else {
		memset((char *)row + form->bytes - 4, 0, 4);
		form->kern->quantize(x, form->center, form->dim, row, &info);
	}
	to->normsq[at] = info.normsq;
	to->scale[at] = info.scale;
	to->factor[at] = factor * info.scale;
	to->bias[at] = -128 * info.sum;
	if (to->err) {
		to->norm[at] = info.norm;
		to->err[at] = info.err;
	}
	if (info.norm < TILE_HUGE && info.err < TILE_HUGE)
		return info.err;
	tile_blank(form, row, to, at);
	return INFINITY;
}

static void bound_floats(
    const struct tile_form *form, const float *normsq, int64_t n, float *norm, float *err)
{
	/* Squares below FLT_MIN = (2^-63)² may become zero. */
	float lost = float_above(0x1p-63 * sqrt((double)form->dim));
	float grow = 1 + (float)(tile_gamma(form) + 0x1p-20), off = form->center ? 0x1p-23f : 0;
	for (int64_t i = 0; i < n; i++) {
		norm[i] = sqrtf(normsq[i]) * grow + lost;
		err[i] = norm[i] * off;
	}
}

void tile_finish(const struct tile_form *form, void *rows, int64_t n, float factor,
    const struct tile_vectors *to, int64_t first)
{
	float *normsq = to->normsq + first, square = factor * factor;
	if (form->i8 || form->direct)
		return;
	if (form->rough_norms)
		form->kern->normsq_f32(rows, form->bytes, n, form->dim, normsq);
	for (int64_t i = 0; i < n; i++) {
		const float *row = (const float *)rows + i * form->dim;
		if (!form->rough_norms)
			normsq[i] = (float)form->kern->ip_exact(row, row, form->dim);
		normsq[i] /= square;
	}
	if (to->err)
		bound_floats(form, normsq, n, to->norm + first, to->err + first);
	for (int64_t i = 0; i < n; i++)
		if (!(normsq[i] < TILE_HUGE * TILE_HUGE))
			tile_blank(form, (char *)rows + (size_t)i * form->bytes, to, first + i);
}

float tile_set(const struct tile_form *form, const float *x, float factor, void *row,
    const struct tile_vectors *to, int64_t at)
{
	float err = tile_put(form, x, factor, row, to, at);
	tile_finish(form, row, 1, factor, to, at);
	return err;
}

/* ---- bytes ---- */

static void note_bytes(const struct tile_vectors *to, int64_t at, int64_t normsq, int64_t sum, float factor)
{
	to->normsq[at] = (float)normsq;
	to->norm[at] = float_up(sqrt((double)normsq));
	to->err[at] = 0;
	to->scale[at] = 1;
	to->factor[at] = factor;
	to->bias[at] = (int32_t)(-128 * sum);
}

void tile_put_bytes(const struct tile_form *form, const uint8_t *x, bool u8, float factor, void *row,
    const struct tile_vectors *to, int64_t at)
{
	int8_t *out = row;
	int64_t sum = 0, normsq = 0;
	uint8_t flip = u8 ? 0x80 : 0;
	memset(out, 0, form->bytes);
	for (int64_t i = 0; i < form->dim; i++) {
		out[i] = (int8_t)(x[i] ^ flip);
		sum += out[i];
		normsq += out[i] * out[i];
	}
	note_bytes(to, at, normsq, sum, factor);
}

void tile_pack_bytes(const struct tile_form *form, const void *rows, size_t stride, int64_t n, bool u8,
    void *ones, uint32_t *panel, const struct tile_vectors *to, int64_t first)
{
	const struct kernels *kern = form->kern;
	int32_t nsq[TILE_ROWS], sum[TILE_ROWS];
	int64_t dim = form->dim;
	memset(ones, 1, (size_t)dim);
	(u8 ? kern->normsq_u8 : kern->normsq_i8)(rows, stride, n, dim, nsq);
	(u8 ? kern->ip_u8 : kern->ip_i8)(ones, rows, stride, n, dim, sum);
	for (int64_t i = 0; i < n; i++) {
		/* The squared norm of x − 128 is Σ(x − 128)² = Σx² − 256 Σx + 128² d. */
		int64_t centred = u8 ? nsq[i] - 256 * (int64_t)sum[i] + 16384 * dim : nsq[i];
		note_bytes(to, first + i, centred, u8 ? sum[i] - 128 * dim : sum[i], 1);
	}
	kern->pack(rows, stride, n, dim, u8 ? 0 : 0x80808080, panel);
}

/* ---- low-precision copies ---- */

void tile_copy(const struct tile_form *form, const struct tile_vectors *to, int64_t at,
    const struct tile_vectors *from, int64_t i)
{
	memcpy(to->data + (size_t)at * form->bytes, from->data + (size_t)i * form->bytes, form->bytes);
	to->normsq[at] = from->normsq[i];
	to->scale[at] = from->scale[i];
	to->factor[at] = from->factor[i];
	to->bias[at] = from->bias[i];
}

size_t tile_panel_bytes(const struct tile_form *form)
{
	return form->bytes * TILE_ROWS;
}

void tile_pack(const struct tile_form *form, const struct tile_vectors *from, int64_t first, int64_t n,
    void *temp, struct tile_panel *panel)
{
	const char *rows = from->data + (size_t)first * form->bytes;
	if (form->direct) {
		memcpy(panel->data, rows, (size_t)n * form->bytes);
		memset(
		    (char *)panel->data + (size_t)n * form->bytes, 0, (size_t)(TILE_ROWS - n) * form->bytes);
	} else if (form->i8) {
		tile_pack_rows(form, rows, n, panel->data);
	} else {
		const float *x = (const float *)(const void *)rows;
		float *whole = temp;
		for (int64_t i = 0; i < n * form->depth; i++)
			whole[i] = -0.5f * x[i];
		tile_pack_rows(form, whole, n, panel->data);
	}
	memcpy(panel->normsq, from->normsq + first, (size_t)n * sizeof(float));
	memcpy(panel->scale, from->scale + first, (size_t)n * sizeof(float));
	for (int64_t i = n; i < TILE_ROWS; i++) {
		panel->normsq[i] = INFINITY;
		panel->scale[i] = 0;
	}
}

uint64_t tile_direct(const struct tile_form *form, const uint32_t *panel, const float *low,
    const float *queries, int nq, const float *thr, uint64_t *mask, float *keys)
{
	const float *rows = (const float *)(const void *)panel;
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

bool tile_are_bytes(const float *x, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		if (!(x[i] >= 0 && x[i] <= 255) || x[i] != (float)(int)x[i])
			return false;
	return true;
}
