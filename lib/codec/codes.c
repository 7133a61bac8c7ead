/* Codes: growing arrays of encoded vectors, the same for every codec that stores whole rows. */
#include "lib/codec/codec.h"

#include "lib/base/status.h"

#include <string.h>

void codes_init(struct codes *codes, const struct codec_ops *ops, int64_t dim, bool cosine)
{
	*codes = (struct codes){.ops = ops, .dim = dim, .cosine = cosine};
}

void codes_free(struct codes *codes)
{
	buffer_free(&codes->plane[0]);
	buffer_free(&codes->plane[1]);
	buffer_free(&codes->bounds);
	codes->n = 0;
}

static size_t bounds_bytes(int64_t n)
{
	return (size_t)((n + ROWS_BLOCK - 1) / ROWS_BLOCK) * sizeof(struct rows_bound);
}

kith_status codes_reserve(struct codes *codes, int64_t n, bool exact)
{
	size_t row = codes->ops->row_bytes(codes->dim), bytes;
	if (!size_mul((size_t)n, row, &bytes))
		return fail(KITH_NOMEM, "no memory for %lld vectors of %zu bytes", (long long)n, row);
	for (int p = 0; p < codes->ops->planes; p++)
		if (!buffer_reserve(&codes->plane[p], bytes, exact))
			return fail_nomem("vectors", bytes);
	if (codes->ops->kind == ROWS_SPLIT && !buffer_reserve(&codes->bounds, bounds_bytes(n), exact))
		return fail_nomem("error bounds", bounds_bytes(n));
	return KITH_OK;
}

kith_status codes_copy(struct codes *to, const struct codes *from)
{
	codes_init(to, from->ops, from->dim, from->cosine);
	kith_status status = codes_reserve(to, from->n, true);
	if (status) {
		codes_free(to);
		return status;
	}
	size_t bytes = (size_t)from->n * from->ops->row_bytes(from->dim);
	for (int p = 0; p < from->ops->planes && bytes; p++)
		memcpy(to->plane[p].data, from->plane[p].data, bytes);
	if (from->ops->kind == ROWS_SPLIT && from->n)
		memcpy(to->bounds.data, from->bounds.data, bounds_bytes(from->n));
	to->n = from->n;
	return KITH_OK;
}

static void renew(struct codes *codes, int64_t from, int64_t to)
{
	if (codes->ops->renew && from < to)
		codes->ops->renew(codes, from, to);
}

void codes_append(struct codes *codes, kith_type type, int64_t n, const void *x)
{
	codes->ops->write(codes, codes->n, type, n, x);
	codes->n += n;
	renew(codes, codes->n - n, codes->n);
}

void codes_replace(struct codes *codes, int64_t at, kith_type type, const void *x)
{
	codes->ops->write(codes, at, type, 1, x);
	renew(codes, at, at + 1);
}

void codes_keep(struct codes *codes, const uint64_t *keep)
{
	size_t row = codes->ops->row_bytes(codes->dim);
	int64_t kept = 0, first_moved = codes->n; /* first position that another vector has moved to */
	for (int64_t i = 0; i < codes->n; i++) {
		if (!(keep[i / 64] >> (i % 64) & 1)) {
			first_moved = first_moved < kept ? first_moved : kept;
			continue;
		}
		if (i != kept)
			for (int p = 0; p < codes->ops->planes; p++)
				memcpy(codes->plane[p].data + (size_t)kept * row,
				    codes->plane[p].data + (size_t)i * row, row);
		kept++;
	}
	codes->n = kept;
	renew(codes, first_moved, kept);
}

struct rows codes_rows(const struct codes *codes)
{
	struct rows rows = {.kind = codes->ops->kind,
	    .normalize = codes->cosine && !codes->ops->normalizes,
	    .a = codes->plane[0].data,
	    .b = codes->plane[1].data,
	    .stride = codes->ops->row_bytes(codes->dim),
	    .n = codes->n,
	    .dim = codes->dim};
	rows.bounds = (const struct rows_bound *)(const void *)codes->bounds.data;
	return rows;
}

void codes_read(const struct codes *codes, int64_t at, float *x)
{
	struct rows rows = codes_rows(codes);
	rows.normalize = false;
	const float *row = rows_load(&rows, at, x);
	if (row != x)
		memcpy(x, row, (size_t)codes->dim * sizeof *x);
}

size_t codes_memory(const struct codes *codes)
{
	return codes->plane[0].capacity + codes->plane[1].capacity + codes->bounds.capacity;
}
