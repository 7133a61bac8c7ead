/* Codes: growing arrays of encoded vectors, with the same code for every codec. */
#include "lib/codec/codec.h"

#include "kernels/kernels.h"
#include "lib/base/permute.h"
#include "lib/base/status.h"

#include <string.h>

void codes_init(struct codes *codes, const struct codec *codec)
{
	*codes = (struct codes){.codec = codec};
}

void codes_free(struct codes *codes)
{
	buffer_free(&codes->plane[0]);
	buffer_free(&codes->plane[1]);
	buffer_free(&codes->bounds);
	buffer_free(&codes->inverse);
	codes->n = 0;
}

size_t codes_bounds_bytes(int64_t n)
{
	return (size_t)((n + ROWS_BLOCK - 1) / ROWS_BLOCK) * sizeof(struct rows_bound);
}

bool codes_plane_bytes(const struct codes *codes, int64_t n, size_t *bytes)
{
	size_t rows = (size_t)n;
	if (codes_blocked(codes))
		rows = (rows + ROWS_BLOCK - 1) / ROWS_BLOCK * ROWS_BLOCK;
	return size_mul(rows, codes->codec->row_bytes, bytes);
}

kith_status codes_reserve(struct codes *codes, int64_t n, int spare)
{
	size_t bytes;
	if (!codes_plane_bytes(codes, n, &bytes))
		return fail(KITH_NOMEM, "no memory for %lld vector%s", (long long)n, PLURAL(n));
	for (int p = 0; p < codes->codec->ops->planes; p++)
		if (!buffer_reserve(&codes->plane[p], bytes, spare))
			return fail_nomem("vectors", bytes);
	if (codes->codec->ops->renew && !buffer_reserve(&codes->bounds, codes_bounds_bytes(n), spare))
		return fail_nomem("error bounds", codes_bounds_bytes(n));
	bytes = (size_t)n * sizeof(float);
	if (codes_keep_lengths(codes) && !buffer_reserve(&codes->inverse, bytes, spare))
		return fail_nomem("lengths of codes", bytes);
	return KITH_OK;
}

void codes_trim(struct codes *codes)
{
	size_t bytes = 0;
	codes_plane_bytes(codes, codes->n, &bytes);
	buffer_trim(&codes->plane[0], bytes);
	buffer_trim(&codes->plane[1], bytes);
	buffer_trim(&codes->bounds, codes_bounds_bytes(codes->n));
	buffer_trim(&codes->inverse, (size_t)codes->n * sizeof(float));
}

kith_status codes_copy(struct codes *to, const struct codes *from, const struct codec *codec)
{
	codes_init(to, codec);
	to->gathered = from->gathered;
	kith_status status = codes_reserve(to, from->n, 0);
	if (status) {
		codes_free(to);
		return status;
	}
	size_t bytes = 0;
	codes_plane_bytes(from, from->n, &bytes);
	for (int p = 0; p < codec->ops->planes && bytes; p++)
		memcpy(to->plane[p].data, from->plane[p].data, bytes);
	if (codec->ops->renew && from->n)
		memcpy(to->bounds.data, from->bounds.data, codes_bounds_bytes(from->n));
	if (codes_keep_lengths(to) && from->n)
		memcpy(to->inverse.data, from->inverse.data, (size_t)from->n * sizeof(float));
	to->n = from->n;
	return KITH_OK;
}

static void renew(struct codes *codes, int64_t from, int64_t to)
{
	if (codes->codec->ops->renew && from < to)
		codes->codec->ops->renew(codes, from, to);
}

void codes_truncate(struct codes *codes, int64_t n)
{
	if (n == codes->n)
		return;
	codes->n = n;
	renew(codes, n / ROWS_BLOCK * ROWS_BLOCK, n);
}

static bool is_zero(const float *x, int64_t dim)
{
	int64_t i = 0;
	while (i < dim && x[i] == 0)
		i++;
	return i == dim;
}

/* By encode, CODES_BATCH vectors at a time. */
static void write_encoded(
    struct codes *codes, int64_t at, kith_type type, int64_t n, const void *x, float *scratch)
{
	const struct codec *codec = codes->codec;
	int64_t dim = codec->dim;
	size_t size = codec->row_bytes;
	struct rows source = rows_of_array(type, n, dim, x, 0), rows = codes_rows(codes);
	uint8_t *code = (uint8_t *)(scratch + CODES_BATCH * (size_t)dim);
	source.normalize = codec->cosine && codec->ops->normalizes;
	for (int64_t from = 0; from < n; from += CODES_BATCH) {
		int64_t count = n - from < CODES_BATCH ? n - from : CODES_BATCH;
		uint64_t zeros = 0;
		for (int64_t i = 0; i < count; i++) {
			float *out = scratch + i * dim;
			const float *row = rows_load(&source, from + i, out);
			zeros |= (uint64_t)(codec->cosine && is_zero(row, dim)) << i;
			for (int64_t j = 0; j < dim; j++)
				out[j] = codes->center ? row[j] - codes->center[j] : row[j];
		}
		codec->ops->encode(codec, count, scratch, code);
		for (int64_t i = 0; i < count; i++)
			for (size_t b = 0; b < size; b++)
				codes->plane[0].data[rows_code_offset(&rows, at + from + i, b)] =
				    (char)code[(size_t)i * size + b];
		codes_note_lengths(codes, at + from, count, code, zeros, scratch);
	}
}

static void write(struct codes *codes, int64_t at, kith_type type, int64_t n, const void *x, float *scratch)
{
	if (codec_encodes(codes->codec))
		write_encoded(codes, at, type, n, x, scratch);
	else
		codes->codec->ops->write(codes, at, type, n, x, scratch);
}

void codes_write(struct codes *codes, int64_t at, kith_type type, int64_t n, const void *x, float *scratch)
{
	write(codes, at, type, n, x, scratch);
	renew(codes, at, at + n);
}

void codes_append(struct codes *codes, kith_type type, int64_t n, const void *x, float *scratch)
{
	codes->n += n;
	codes_write(codes, codes->n - n, type, n, x, scratch);
}

void codes_replace(struct codes *codes, int64_t at, kith_type type, const void *x, float *scratch)
{
	write(codes, at, type, 1, x, scratch);
	renew(codes, at / ROWS_BLOCK * ROWS_BLOCK, at + 1);
}

size_t codes_plain_bytes(const struct codec *codec)
{
	if (codec_encodes(codec))
		return codec->row_bytes;
	return (size_t)codec->dim * kith_type_size(codec->ops->type);
}

void codes_append_plain(struct codes *codes, int64_t n, const void *plain, float *x)
{
	const struct codec_ops *ops = codes->codec->ops;
	size_t bytes = codes_plain_bytes(codes->codec);
	if (!codec_encodes(codes->codec)) {
		codes_append(codes, ops->type, n, plain, NULL);
		return;
	}
	struct rows rows = codes_rows(codes);
	for (int64_t i = 0; i < n; i++)
		for (size_t b = 0; b < bytes; b++)
			codes->plane[0].data[rows_code_offset(&rows, codes->n + i, b)] =
			    ((const char *)plain)[(size_t)i * bytes + b];
	codes_note_lengths(codes, codes->n, n, plain, 0, x);
	codes->n += n;
	renew(codes, codes->n - n, codes->n);
}

void codes_get_plain(const struct codes *codes, int64_t at, void *plain)
{
	size_t bytes = codes_plain_bytes(codes->codec);
	if (codec_is_fp32(codes->codec)) {
		codes_read(codes, at, plain);
		return;
	}
	struct rows rows = codes_rows(codes);
	for (size_t b = 0; b < bytes; b++)
		((char *)plain)[b] = codes->plane[0].data[rows_code_offset(&rows, at, b)];
}

static void copy_row(struct codes *codes, int64_t to, const struct codes *source, int64_t from)
{
	size_t row = codes->codec->row_bytes;
	if (codes_keep_lengths(codes))
		codes_inverse(codes)[to] = codes_inverse(source)[from];
	if (!codes_blocked(codes)) {
		for (int p = 0; p < codes->codec->ops->planes; p++)
			memcpy(codes->plane[p].data + (size_t)to * row,
			    source->plane[p].data + (size_t)from * row, row);
		return;
	}
	struct rows rows = codes_rows(codes);
	for (size_t b = 0; b < row; b++)
		codes->plane[0].data[rows_code_offset(&rows, to, b)] =
		    source->plane[0].data[rows_code_offset(&rows, from, b)];
}

void codes_extend(struct codes *codes, const struct codes *from)
{
	int64_t before = codes->n;
	codes->n += from->n;
	for (int64_t i = 0; i < from->n; i++)
		copy_row(codes, before + i, from, i);
	renew(codes, before, codes->n);
}

void codes_retain(struct codes *codes, const uint64_t *retain)
{
	int64_t kept = 0, first_moved = codes->n; /* the first position to which another vector moved */
	for (int64_t i = 0; i < codes->n; i++) {
		if (!(retain[i / 64] >> (i % 64) & 1)) {
			first_moved = first_moved < kept ? first_moved : kept;
			continue;
		}
		if (i != kept)
			copy_row(codes, kept, codes, i);
		kept++;
	}
	codes->n = kept;
	renew(codes, first_moved / ROWS_BLOCK * ROWS_BLOCK, kept);
}

void codes_permute(struct codes *codes, const struct permutation *p)
{
	for (int i = 0; i < codes->codec->ops->planes; i++)
		permute_rows(p, codes->plane[i].data, codes->codec->row_bytes);
	renew(codes, 0, codes->n);
}

/* ---- rows of codes ---- */

enum { FEW_BYTES = 32 };

static const float *add_center(const struct rows *rows, float *x)
{
	for (int64_t j = 0; rows->center && j < rows->dim; j++)
		x[j] += rows->center[j];
	return x;
}

static const float *load_coded(const struct rows *rows, int64_t i, float *scratch)
{
	rows->codec->ops->decode(rows->codec, (const uint8_t *)rows_at(rows, i), scratch);
	return add_center(rows, scratch);
}

/* The bytes of a code in a block are collected at the end of the memory for its vector, as the longest code
 * would be too large for a small stack. Codes of few components may be longer than their vector. */
static const float *load_blocked(const struct rows *rows, int64_t i, float *scratch)
{
	uint8_t few[FEW_BYTES], *code = few;
	if (rows->stride > sizeof few)
		code = (uint8_t *)(scratch + rows->dim) - rows->stride;
	for (size_t b = 0; b < rows->stride; b++)
		code[b] = (uint8_t)rows->a[rows_code_offset(rows, i, b)];
	rows->codec->ops->decode(rows->codec, code, scratch);
	return add_center(rows, scratch);
}

static const struct rows_form form_coded = {.type = KITH_F32, .load = load_coded},
                              form_blocked = {.type = KITH_F32, .blocked = true, .load = load_blocked};

struct rows codes_rows(const struct codes *codes)
{
	const struct codec *codec = codes->codec;
	struct rows rows = {.form = codec->ops->form,
	    .codec = codec,
	    .normalize = codec->cosine && (!codec->ops->normalizes || codes_keep_lengths(codes)),
	    .inverse = codes_inverse(codes),
	    .a = codes->plane[0].data,
	    .b = codes->plane[1].data,
	    .stride = codec->row_bytes,
	    .n = codes->n,
	    .dim = codec->dim};
	rows.bounds = (const struct rows_bound *)(const void *)codes->bounds.data;
	if (!rows.form)
		rows.form = codes_blocked(codes) ? &form_blocked : &form_coded;
	rows.center = codes->center;
	return rows;
}

void codes_read(const struct codes *codes, int64_t at, float *x)
{
	struct rows rows = codes_rows(codes);
	rows.normalize = false;
	const float *row = rows_load(&rows, at, x);
	if (row != x)
		memcpy(x, row, (size_t)codes->codec->dim * sizeof *x);
}

size_t codes_memory(const struct codes *codes)
{
	return buffer_memory(&codes->plane[0]) + buffer_memory(&codes->plane[1]) +
	       buffer_memory(&codes->bounds) + buffer_memory(&codes->inverse);
}
