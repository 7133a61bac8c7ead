/* fp32: floats, lossless, as two planes of 16 bits.
 *
 * The upper plane is the vector rounded to bf16, and the lower plane what that leaves out (see split in
 * kernels.h). Together they have as many bytes as plain floats, and joining gives the same bits. A scan for
 * one query reads only the upper plane, half of the bytes. What that leaves out is bounded for each block of
 * 64 rows (struct rows_bound), so that exact distances are needed for a few rows only.
 *
 * Compared with plain rows (1M × 128, one thread), single queries read half of the bytes, and batches are as
 * fast, since a panel is packed once for hundreds of queries.
 */
#include "lib/codec/codec.h"

#include "kernels/kernels.h"
#include "lib/base/rounding.h"

#include <math.h>
#include <string.h>

/* The number of elements that are converted at once on the stack. */
enum { CHUNK = 1024 };

/* Load components from … from + n − 1 of a row of any type as floats. */
static void load_part(kith_type type, const void *row, int64_t from, int64_t n, float *part)
{
	if (type == KITH_U8)
		kernels()->widen_u8((const uint8_t *)row + from, n, part);
	else if (type == KITH_I8)
		kernels()->widen_i8((const int8_t *)row + from, n, part);
	else
		memcpy(part, (const float *)row + from, (size_t)n * sizeof *part);
}

static int64_t part_size(int64_t dim, int64_t from)
{
	return dim - from < CHUNK ? dim - from : CHUNK;
}

/* 1 / ‖row‖; 1 for a zero row. */
static double inverse_norm(kith_type type, const void *row, int64_t dim)
{
	float part[CHUNK];
	double sq = 0;
	/* Floats are added in one sum, so that the bits are those of vector_normalize; bytes are exact
	 * anyway. */
	if (type == KITH_F32)
		sq = kernels()->ip_exact(row, row, dim);
	for (int64_t from = 0; type != KITH_F32 && from < dim; from += CHUNK) {
		int64_t n = part_size(dim, from);
		load_part(type, row, from, n, part);
		sq += kernels()->ip_exact(part, part, n);
	}
	return sq > 0 ? 1 / sqrt(sq) : 1;
}

static void fp32_write(
    struct codes *codes, int64_t at, kith_type type, int64_t n, const void *x, float *scratch)
{
	(void)scratch;
	float part[CHUNK];
	int64_t dim = codes->codec->dim;
	for (int64_t i = 0; i < n; i++) {
		const char *row = (const char *)x + (size_t)(i * dim) * kith_type_size(type);
		double inverse = codes->codec->cosine ? inverse_norm(type, row, dim) : 1;
		size_t offset = (size_t)(at + i) * codes->codec->row_bytes;
		uint16_t *upper = (uint16_t *)(void *)(codes->plane[0].data + offset);
		uint16_t *lower = (uint16_t *)(void *)(codes->plane[1].data + offset);
		for (int64_t from = 0; from < dim; from += CHUNK) {
			int64_t count = part_size(dim, from);
			load_part(type, row, from, count, part);
			for (int64_t j = 0; codes->codec->cosine && j < count; j++)
				part[j] = (float)((double)part[j] * inverse);
			kernels()->split(part, count, upper + from, lower + from);
		}
	}
}

/* Compute the bounds of a block from its rows from `first` on and, for those before, from its old bounds. */
static void block_bound(struct codes *codes, int64_t block, int64_t first)
{
	static const uint16_t zeros[CHUNK];
	const struct kernels *kern = kernels();
	float x[CHUNK], rounded[CHUNK];
	double err = 0, norm = 0;
	int64_t dim = codes->codec->dim, end = (block + 1) * ROWS_BLOCK;
	end = end < codes->n ? end : codes->n;
	for (int64_t i = first; i < end; i++) {
		size_t offset = (size_t)i * codes->codec->row_bytes;
		const uint16_t *upper = (const uint16_t *)(const void *)(codes->plane[0].data + offset);
		const uint16_t *lower = (const uint16_t *)(const void *)(codes->plane[1].data + offset);
		double row_err = 0, row_norm = 0;
		for (int64_t from = 0; from < dim; from += CHUNK) {
			int64_t n = part_size(dim, from);
			kern->join(upper + from, lower + from, n, x);
			kern->join(upper + from, zeros, n, rounded);
			row_err += kern->l2sq_exact(x, rounded, n);
			row_norm += kern->ip_exact(rounded, rounded, n);
		}
		err = fmax(err, row_err);
		norm = fmax(norm, row_norm);
	}
	struct rows_bound *bounds = (struct rows_bound *)(void *)codes->bounds.data;
	struct rows_bound before = first > block * ROWS_BLOCK ? bounds[block] : (struct rows_bound){0, 0};
	bounds[block].err = fmaxf(before.err, float_up(sqrt(err) * (1 + 1e-12)));
	bounds[block].norm = fmaxf(before.norm, float_up(sqrt(norm) * (1 + 1e-12)));
}

static void fp32_renew(struct codes *codes, int64_t from, int64_t to)
{
	for (int64_t block = from / ROWS_BLOCK; block * ROWS_BLOCK < to; block++)
		block_bound(codes, block, from > block * ROWS_BLOCK ? from : block * ROWS_BLOCK);
}

/* Whether all vectors are of a domain that takes more than the upper halves to tell. */
static bool within_domain(const struct codes *codes, int64_t from, int64_t to)
{
	float part[CHUNK];
	int64_t dim = codes->codec->dim;
	for (int64_t i = from; i < to; i++) {
		size_t offset = (size_t)i * codes->codec->row_bytes;
		const uint16_t *upper = (const uint16_t *)(const void *)(codes->plane[0].data + offset);
		const uint16_t *lower = (const uint16_t *)(const void *)(codes->plane[1].data + offset);
		for (int64_t at = 0; at < dim; at += CHUNK) {
			int64_t n = part_size(dim, at);
			kernels()->join(upper + at, lower + at, n, part);
			if (metric_find_bad(codes->codec->domain, part, n) >= 0)
				return false;
		}
	}
	return true;
}

/* The upper 16 bits of a float decide whether it is finite; see join in kernels.h. */
static bool fp32_finite(const struct codes *codes, int64_t from, int64_t to)
{
	if (codes->codec->domain != DOMAIN_FINITE)
		return within_domain(codes, from, to);
	enum { EXPONENT = 0x7f80 };
	int64_t dim = codes->codec->dim;
	for (int64_t i = from; i < to; i++) {
		size_t offset = (size_t)i * codes->codec->row_bytes;
		const uint16_t *upper = (const uint16_t *)(const void *)(codes->plane[0].data + offset);
		const uint16_t *lower = (const uint16_t *)(const void *)(codes->plane[1].data + offset);
		int16_t max = 0;
		for (int64_t j = 0; j < dim; j++) {
			int16_t size = (int16_t)((upper[j] - (lower[j] >> 15)) & EXPONENT);
			max = size > max ? size : max;
		}
		if (max == EXPONENT)
			return false;
	}
	return true;
}

/* ---- rows ---- */

static const float *fp32_load(const struct rows *rows, int64_t i, float *scratch)
{
	kernels()->join((const uint16_t *)(const void *)rows_at(rows, i),
	    (const uint16_t *)(const void *)(rows->b + (size_t)i * rows->stride), rows->dim, scratch);
	return scratch;
}

static float fp32_load_rough(const struct rows *rows, int64_t i, float *x)
{
	kernels()->widen_bf16(rows_at(rows, i), rows->dim, x);
	return rows->bounds[i / ROWS_BLOCK].err;
}

static const struct rows_form fp32_form = {
    .type = KITH_F32, .load = fp32_load, .load_rough = fp32_load_rough};

/* ---- comparing by the upper halves ---- */

static void fp32_keys(const struct rows *rows, const void *state, int64_t first, int64_t n, float *key)
{
	const struct float_query *query = state;
	query->score.bf16(query->q, rows_at(rows, first), rows->stride, n, rows->dim, key);
	metric_keys(&query->score, key, n);
}

static void fp32_gather(const struct rows *rows, void *state, const uint32_t *pos, int64_t n, float *key)
{
	const struct float_query *query = state;
	query->score.bf16_gather(query->q, rows->a, rows->stride, pos, n, rows->dim, key);
	metric_keys(&query->score, key, n);
}

static struct error_bound fp32_bound(const struct rows *rows, const void *state, int64_t first, int64_t n)
{
	(void)n;
	const struct float_query *query = state;
	struct rows_bound b = rows->bounds[first / ROWS_BLOCK];
	return query->metric->error_bound(rows->dim, query->norm, (double)b.err, (double)b.norm);
}

static void fp32_bind_row(const struct rows *rows, int64_t row, const struct metric *metric, void *state)
{
	struct float_query *query = state;
	kernels()->widen_bf16(rows_at(rows, row), rows->dim, query->q);
	float_query_bind(rows, query->q, metric, state);
}

static const struct comparison fp32_in_scan = {.bytes = float_query_bytes,
    .bind = float_query_bind_scan,
    .gather = fp32_gather,
    .keys = fp32_keys,
    .bound = fp32_bound};

static const struct comparison fp32_in_graph = {
    .bytes = float_query_bytes, .bind = float_query_bind, .bind_row = fp32_bind_row, .gather = fp32_gather};

/* ---- comparing by whole floats, if the upper halves cannot separate rows ---- */

static void fp32_gather_whole(
    const struct rows *rows, void *state, const uint32_t *pos, int64_t n, float *key)
{
	const struct float_query *query = state;
	query->score.split_gather(query->q, rows->a, rows->b, rows->stride, pos, n, rows->dim, key);
	metric_keys(&query->score, key, n);
}

static const struct comparison fp32_in_graph_float = {.bytes = float_query_bytes,
    .bind = float_query_bind,
    .bind_row = float_query_bind_row,
    .gather = fp32_gather_whole};

static const struct codec_ops fp32_ops = {
    .type = KITH_F32,
    .normalizes = true,
    .planes = 2,
    .form = &fp32_form,
    .any_metric = true,
    .word = "Flat",
    .element = sizeof(uint16_t),
    .write = fp32_write,
    .renew = fp32_renew,
    .finite = fp32_finite,
    .in_scan = &fp32_in_scan,
    .in_graph = &fp32_in_graph,
    .in_graph_float = &fp32_in_graph_float,
};

kith_status codec_new_fp32(struct codec **out, int64_t dim, bool cosine)
{
	return codec_new_plain(out, &fp32_ops, dim, cosine);
}
