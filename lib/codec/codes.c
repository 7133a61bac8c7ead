/* Codes: growing arrays of encoded vectors, the same for every codec. */
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
	return size_mul(rows, codes->codec->ops->row_bytes(codes->codec), bytes);
}

kith_status codes_reserve(struct codes *codes, int64_t n, int spare)
{
	size_t bytes;
	if (!codes_plane_bytes(codes, n, &bytes))
		return fail(KITH_NOMEM, "no memory for %lld vector%s", (long long)n, PLURAL(n));
	for (int p = 0; p < codes->codec->ops->planes; p++)
		if (!buffer_reserve(&codes->plane[p], bytes, spare))
			return fail_nomem("vectors", bytes);
	if (codes->codec->ops->kind == ROWS_SPLIT &&
	    !buffer_reserve(&codes->bounds, codes_bounds_bytes(n), spare))
		return fail_nomem("error bounds", codes_bounds_bytes(n));
	return KITH_OK;
}

void codes_trim(struct codes *codes)
{
	size_t bytes = 0;
	codes_plane_bytes(codes, codes->n, &bytes);
	buffer_trim(&codes->plane[0], bytes);
	buffer_trim(&codes->plane[1], bytes);
	buffer_trim(&codes->bounds, codes_bounds_bytes(codes->n));
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
	if (codec->ops->kind == ROWS_SPLIT && from->n)
		memcpy(to->bounds.data, from->bounds.data, codes_bounds_bytes(from->n));
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

void codes_write(struct codes *codes, int64_t at, kith_type type, int64_t n, const void *x, float *scratch)
{
	codes->codec->ops->write(codes, at, type, n, x, scratch);
	renew(codes, at, at + n);
}

void codes_append(struct codes *codes, kith_type type, int64_t n, const void *x, float *scratch)
{
	codes->n += n;
	codes_write(codes, codes->n - n, type, n, x, scratch);
}

void codes_replace(struct codes *codes, int64_t at, kith_type type, const void *x, float *scratch)
{
	codes->codec->ops->write(codes, at, type, 1, x, scratch);
	renew(codes, at / ROWS_BLOCK * ROWS_BLOCK, at + 1);
}

size_t codes_plain_bytes(const struct codec *codec)
{
	if (codec->ops->kind == ROWS_CODE)
		return codec->ops->row_bytes(codec);
	return (size_t)codec->dim * kith_type_size(codec->ops->type);
}

void codes_append_plain(struct codes *codes, int64_t n, const void *plain)
{
	const struct codec_ops *ops = codes->codec->ops;
	size_t bytes = codes_plain_bytes(codes->codec);
	if (ops->kind != ROWS_CODE) {
		codes_append(codes, ops->type, n, plain, NULL);
		return;
	}
	struct rows rows = codes_rows(codes);
	for (int64_t i = 0; i < n; i++)
		for (size_t b = 0; b < bytes; b++)
			codes->plane[0].data[rows_code_offset(&rows, codes->n + i, b)] =
			    ((const char *)plain)[(size_t)i * bytes + b];
	codes->n += n;
	renew(codes, codes->n - n, codes->n);
}

void codes_get_plain(const struct codes *codes, int64_t at, void *plain)
{
	size_t bytes = codes_plain_bytes(codes->codec);
	if (codes->codec->ops->kind == ROWS_SPLIT) {
		codes_read(codes, at, plain);
		return;
	}
	struct rows rows = codes_rows(codes);
	for (size_t b = 0; b < bytes; b++)
		((char *)plain)[b] = codes->plane[0].data[rows_code_offset(&rows, at, b)];
}

static void copy_row(struct codes *codes, int64_t to, const struct codes *source, int64_t from)
{
	size_t row = codes->codec->ops->row_bytes(codes->codec);
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
	int64_t kept = 0, first_moved = codes->n; /* first position that another vector has moved to */
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
		permute_rows(p, codes->plane[i].data, codes->codec->ops->row_bytes(codes->codec));
	renew(codes, 0, codes->n);
}

struct rows codes_rows(const struct codes *codes)
{
	const struct codec *codec = codes->codec;
	struct rows rows = {.kind = codec->ops->kind,
	    .normalize = codec->cosine && !codec->ops->normalizes,
	    .a = codes->plane[0].data,
	    .b = codes->plane[1].data,
	    .stride = codec->ops->row_bytes(codec),
	    .n = codes->n,
	    .dim = codec->dim};
	rows.bounds = (const struct rows_bound *)(const void *)codes->bounds.data;
	rows.blocked = codes_blocked(codes);
	rows.codec = codec;
	rows.decode = codec->ops->decode;
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
	       buffer_memory(&codes->bounds);
}

/* ---- codecs of codes ---- */

kith_status coded_check(const struct codec *codec, kith_type type, int64_t n, const void *x)
{
	int64_t dim = codec->dim;
	if (type != KITH_F32)
		return KITH_OK;
	/* A row at a time, so that n · dim cannot overflow. */
	for (int64_t i = 0; i < n; i++) {
		const float *row = (const float *)x + (size_t)i * (size_t)dim;
		int64_t bad = kernels()->find_nonfinite(row, dim);
		if (bad >= 0)
			return fail(KITH_INVALID,
			    "x: vector %lld, component %lld is %g; vectors must be finite", (long long)i,
			    (long long)bad, (double)row[bad]);
	}
	return KITH_OK;
}

void coded_write(struct codes *codes, int64_t at, kith_type type, int64_t n, const void *x, float *scratch)
{
	const struct codec *codec = codes->codec;
	int64_t dim = codec->dim;
	size_t size = codec->ops->row_bytes(codec);
	struct rows source = rows_of_array(type, n, dim, x, 0), rows = codes_rows(codes);
	uint8_t *code = (uint8_t *)(scratch + CODES_BATCH * (size_t)dim);
	source.normalize = codec->cosine && codec->ops->normalizes;
	for (int64_t from = 0; from < n; from += CODES_BATCH) {
		int64_t count = n - from < CODES_BATCH ? n - from : CODES_BATCH;
		for (int64_t i = 0; i < count; i++) {
			float *out = scratch + i * dim;
			const float *row = rows_load(&source, from + i, out);
			for (int64_t j = 0; j < dim; j++)
				out[j] = codes->center ? row[j] - codes->center[j] : row[j];
		}
		codec->ops->encode(codec, count, scratch, code);
		for (int64_t i = 0; i < count; i++)
			for (size_t b = 0; b < size; b++)
				codes->plane[0].data[rows_code_offset(&rows, at + from + i, b)] =
				    (char)code[(size_t)i * size + b];
	}
}
