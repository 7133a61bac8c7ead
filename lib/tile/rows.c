/* Rows: how a stored vector becomes floats again. Everything that reads vectors one at a time (exact
 * distances, quantising a panel) comes through rows_load; whole blocks go to kernels directly. */
#include "lib/tile/rows.h"

#include "kernels/kernels.h"
#include "lib/base/alloc.h"

#include <math.h>
#include <string.h>

struct rows rows_of_array(kith_type type, int64_t n, int64_t dim, const void *x, size_t stride)
{
	struct rows rows = {.a = x, .n = n, .dim = dim};
	rows.kind = type == KITH_U8 ? ROWS_U8 : type == KITH_I8 ? ROWS_I8 : ROWS_F32;
	rows.stride = stride ? stride : (size_t)dim * kith_type_size(type);
	return rows;
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

/* Decode a row; one that lies in a block is gathered first, at the end of where its vector goes: the frame of
 * a search on a small stack has no room for the longest. */
static void load_code(const struct rows *rows, int64_t i, float *x)
{
	if (!rows->blocked) {
		rows->decode(rows->codec, (const uint8_t *)rows_at(rows, i), x);
	} else {
		uint8_t *code = (uint8_t *)(x + rows->dim) - rows->stride;
		for (size_t b = 0; b < rows->stride; b++)
			code[b] = (uint8_t)rows->a[rows_code_offset(rows, i, b)];
		rows->decode(rows->codec, code, x);
	}
	for (int64_t j = 0; rows->center && j < rows->dim; j++)
		x[j] += rows->center[j];
}

const float *rows_load(const struct rows *rows, int64_t i, float *scratch)
{
	const struct kernels *kern = kernels();
	const char *row = rows_at(rows, i);
	switch (rows->kind) {
	case ROWS_F32:
		if (!rows->normalize && (uintptr_t)row % sizeof(float) == 0)
			return (const float *)(const void *)row;
		memcpy(scratch, row, (size_t)rows->dim * sizeof(float));
		break;
	case ROWS_SPLIT:
		kern->join((const uint16_t *)(const void *)row,
		    (const uint16_t *)(const void *)(rows->b + (size_t)i * rows->stride), rows->dim, scratch);
		break;
	case ROWS_CODE:
		load_code(rows, i, scratch);
		break;
	case ROWS_U8:
		kern->widen_u8((const uint8_t *)row, rows->dim, scratch);
		break;
	case ROWS_I8:
		kern->widen_i8((const int8_t *)row, rows->dim, scratch);
		break;
	}
	if (rows->normalize)
		vector_normalize(scratch, rows->dim);
	return scratch;
}

void *rows_as_bytes(struct rows *rows, kith_type wanted)
{
	if ((wanted != KITH_U8 && wanted != KITH_I8) || rows->kind != ROWS_F32 || rows->normalize)
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

int64_t rows_find_nonfinite(const struct rows *rows, int64_t from, int64_t to, float *scratch)
{
	if (rows->kind != ROWS_F32)
		return -1;
	struct rows raw = *rows;
	raw.normalize = false;
	for (int64_t i = from; i < to; i++)
		if (kernels()->find_nonfinite(rows_load(&raw, i, scratch), rows->dim) >= 0)
			return i;
	return -1;
}

void rows_prefetch(const struct rows *rows, int64_t i)
{
	enum { MAX = 1024 }; /* the hardware follows on from there */
	static const size_t element[] = {[ROWS_F32] = 4, [ROWS_SPLIT] = 2, [ROWS_U8] = 1, [ROWS_I8] = 1};
	if (rows->kind == ROWS_CODE && rows->blocked) {
		for (size_t b = 0; b < rows->stride && b < MAX / 64; b++)
			__builtin_prefetch(rows->a + rows_code_offset(rows, i, b));
		return;
	}
	size_t offset = (size_t)i * rows->stride;
	size_t bytes = rows->kind == ROWS_CODE ? rows->stride : (size_t)rows->dim * element[rows->kind];
	bytes = bytes < MAX ? bytes : MAX;
	for (size_t j = 0; j < bytes; j += 64) {
		__builtin_prefetch(rows->a + offset + j);
		if (rows->kind == ROWS_SPLIT)
			__builtin_prefetch(rows->b + offset + j);
	}
}
