/* Rows: turning stored vectors into floats. Code that reads vectors one at a time (exact distances, packing a
 * panel) uses rows_load; whole blocks are read by kernels directly. */
#include "lib/tile/rows.h"

#include "kernels/kernels.h"
#include "lib/base/alloc.h"

#include <math.h>
#include <string.h>

static const float *load_f32(const struct rows *rows, int64_t i, float *scratch)
{
	const char *row = rows_at(rows, i);
	if ((uintptr_t)row % sizeof(float) == 0)
		return (const float *)(const void *)row;
	return memcpy(scratch, row, (size_t)rows->dim * sizeof(float));
}

static const float *load_u8(const struct rows *rows, int64_t i, float *scratch)
{
	kernels()->widen_u8((const uint8_t *)rows_at(rows, i), rows->dim, scratch);
	return scratch;
}

static const float *load_i8(const struct rows *rows, int64_t i, float *scratch)
{
	kernels()->widen_i8((const int8_t *)rows_at(rows, i), rows->dim, scratch);
	return scratch;
}

const struct rows_form rows_form_f32 = {.type = KITH_F32, .load = load_f32};
const struct rows_form rows_form_u8 = {.type = KITH_U8, .load = load_u8};
const struct rows_form rows_form_i8 = {.type = KITH_I8, .load = load_i8};

struct rows rows_of_array(kith_type type, int64_t n, int64_t dim, const void *x, size_t stride)
{
	struct rows rows = {.a = x, .n = n, .dim = dim};
	rows.form = type == KITH_U8 ? &rows_form_u8 : type == KITH_I8 ? &rows_form_i8 : &rows_form_f32;
	rows.stride = stride ? stride : (size_t)dim * kith_type_size(type);
	return rows;
}

struct rows rows_part(const struct rows *rows, int64_t first, int64_t n)
{
	struct rows part = *rows;
	part.a += (size_t)first * rows->stride;
	if (part.b)
		part.b += (size_t)first * rows->stride;
	if (part.inverse)
		part.inverse += first;
	if (part.bounds)
		part.bounds += first / ROWS_BLOCK;
	if (part.slots)
		part.slots += first;
	else if (part.ids)
		part.ids += first;
	else
		part.first_id += first;
	part.n = n;
	return part;
}

void rows_ids(const struct rows *rows, int64_t row, int64_t n, int64_t *ids)
{
	for (int64_t i = 0; i < n; i++)
		ids[i] = rows->slots ? rows->slots[row + i] : row + i;
	for (int64_t i = 0; i < n; i++)
		ids[i] = rows->ids ? rows->ids[ids[i]] : rows->first_id + ids[i];
}

void vector_normalize(float *x, int64_t dim)
{
	double sq = kernels()->ip_exact(x, x, dim);
	if (sq == 0)
		return;
	double inverse = 1 / sqrt(sq);
	for (int64_t i = 0; i < dim; i++)
		x[i] = (float)((double)x[i] * inverse);
}

const float *rows_load(const struct rows *rows, int64_t i, float *scratch)
{
	const float *x = rows->form->load(rows, i, scratch);
	if (!rows->normalize)
		return x;
	if (rows->inverse && !(rows->inverse[i] > 0))
		return memset(scratch, 0, (size_t)rows->dim * sizeof *x);
	if (x != scratch)
		memcpy(scratch, x, (size_t)rows->dim * sizeof *x);
	vector_normalize(scratch, rows->dim);
	return scratch;
}

void *rows_as_bytes(struct rows *rows, kith_type wanted)
{
	if ((wanted != KITH_U8 && wanted != KITH_I8) || !rows_are_floats(rows) || rows->normalize)
		return NULL;
	float min = wanted == KITH_U8 ? 0 : -128, max = min + 255;
	char *bytes = mem_alloc((size_t)rows->n, (size_t)rows->dim);
	for (int64_t i = 0; bytes && i < rows->n; i++) {
		for (int64_t j = 0; j < rows->dim; j++) {
			float x;
			memcpy(&x, rows_at(rows, i) + (size_t)j * sizeof x, sizeof x);
			if (!(x >= min && x <= max) || x != (float)(int)x) {
				mem_free(bytes);
				return NULL;
			}
			bytes[i * rows->dim + j] = (char)(int)x;
		}
	}
	if (bytes)
		*rows = rows_of_array(wanted, rows->n, rows->dim, bytes, 0);
	return bytes;
}

int64_t rows_find_bad(
    const struct rows *rows, const struct metric *metric, int64_t from, int64_t to, float *scratch)
{
	bool can_be = rows_are_floats(rows) || metric->domain == DOMAIN_NOT_NEGATIVE;
	if (rows->codec || !can_be)
		return -1;
	struct rows raw = *rows;
	raw.normalize = false;
	for (int64_t i = from; i < to; i++)
		if (metric_find_bad(metric->domain, rows_load(&raw, i, scratch), rows->dim) >= 0)
			return i;
	return -1;
}

void rows_prefetch(const struct rows *rows, int64_t i)
{
	enum { MAX = 16 }; /* each byte of a code in a block is in a different cache line */
	if (!rows->form->blocked) {
		rows_prefetch_plane(rows, rows->a, i);
		if (rows->b)
			rows_prefetch_plane(rows, rows->b, i);
		return;
	}
	for (size_t b = 0; b < rows->stride && b < MAX; b++)
		__builtin_prefetch(rows->a + rows_code_offset(rows, i, b));
}
