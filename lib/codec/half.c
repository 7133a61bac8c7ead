/* fp16, bf16: floats rounded to two bytes.
 *
 * fp16 is IEEE binary16, with 11 significant bits; values beyond ±65504 are refused. bf16 is the upper half
 * of a float, with 8 significant bits and its whole range. Numbers are rounded to the nearest, ties to even.
 * Kernels widen rows while they score them. With u = 2^-24 and e = (d + 8) · u, the relative error of a sum
 * of d terms,
 *
 *   L2:  Σ (q_i − x_i)² has the relative error e;
 *   IP:  the error of Σ q_i x_i is at most e ‖q‖ ‖x‖, where ‖x‖ is measured block by block.
 */
#include "lib/codec/codec.h"

#include "kernels/kernels.h"

#include <string.h>

static const struct codec_ops fp16_ops, bf16_ops;

static bool is_fp16(const struct codec *codec)
{
	return codec->ops == &fp16_ops;
}

static void half_encode(const struct codec *codec, int64_t n, float *x, uint8_t *code)
{
	const struct kernels *kern = kernels();
	(is_fp16(codec) ? kern->narrow_f16 : kern->narrow_bf16)(x, n * codec->dim, code);
}

static void half_decode(const struct codec *codec, const uint8_t *code, float *x)
{
	const struct kernels *kern = kernels();
	(is_fp16(codec) ? kern->widen_f16 : kern->widen_bf16)(code, codec->dim, x);
}

static bool half_finite(const struct codes *codes, int64_t from, int64_t to)
{
	enum { CHUNK = 1024 };
	const struct kernels *kern = kernels();
	float x[CHUNK];
	int64_t dim = codes->codec->dim;
	for (int64_t i = from; i < to; i++) {
		const char *row = codes->plane[0].data + (size_t)i * codes->codec->row_bytes;
		for (int64_t j = 0; j < dim; j += CHUNK) {
			int64_t n = dim - j < CHUNK ? dim - j : CHUNK;
			(is_fp16(codes->codec) ? kern->widen_f16 : kern->widen_bf16)(row + 2 * j, n, x);
			if (kern->find_nonfinite(x, n) >= 0)
				return false;
		}
	}
	return true;
}

/* ---- comparing ---- */

static void half_keys(const struct rows *rows, const void *state, int64_t first, int64_t n, float *key)
{
	const struct float_query *query = state;
	(is_fp16(rows->codec) ? query->score.f16 : query->score.bf16)(
	    query->q, rows_at(rows, first), rows->stride, n, rows->dim, key);
	metric_keys(&query->score, key, n);
}

static void half_gather(const struct rows *rows, void *state, const uint32_t *pos, int64_t n, float *key)
{
	const struct float_query *query = state;
	(is_fp16(rows->codec) ? query->score.f16_gather : query->score.bf16_gather)(
	    query->q, rows->a, rows->stride, pos, n, rows->dim, key);
	metric_keys(&query->score, key, n);
}

static struct error_bound half_bound(const struct rows *rows, const void *state, int64_t first, int64_t n)
{
	const struct float_query *query = state;
	float normsq[ROWS_BLOCK];
	double norm = 0;
	if (query->metric->similarity) {
		(is_fp16(rows->codec) ? kernels()->normsq_f16 : kernels()->normsq_bf16)(
		    rows_at(rows, first), rows->stride, n, rows->dim, normsq);
		norm = largest_norm(normsq, n, rows->dim);
	}
	return query->metric->error_bound(rows->dim, query->norm, 0, norm);
}

static const struct comparison half_in_scan = {.bytes = float_query_bytes,
    .bind = float_query_bind_scan,
    .gather = half_gather,
    .keys = half_keys,
    .bound = half_bound};

static const struct comparison half_in_graph = {.bytes = float_query_bytes,
    .bind = float_query_bind,
    .bind_row = float_query_bind_row,
    .gather = half_gather};

#define HALF_OPS(name, largest)                                                                              \
	{                                                                                                    \
		.type = KITH_F32, .normalizes = true, .planes = 1, .word = name, .element = 2,               \
		.limit = largest, .finite = half_finite, .encode = half_encode, .decode = half_decode,       \
		.in_scan = &half_in_scan, .in_graph = &half_in_graph                                         \
	}

static const struct codec_ops fp16_ops = HALF_OPS("SQfp16", 65504), bf16_ops = HALF_OPS("SQbf16", 0);

kith_status codec_new_fp16(struct codec **out, int64_t dim, bool cosine)
{
	return codec_new_plain(out, &fp16_ops, dim, cosine);
}

kith_status codec_new_bf16(struct codec **out, int64_t dim, bool cosine)
{
	return codec_new_plain(out, &bf16_ops, dim, cosine);
}

bool codec_is_half(const struct codec *codec)
{
	return codec->ops == &fp16_ops || codec->ops == &bf16_ops;
}
