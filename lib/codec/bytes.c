/* u8 and i8: vectors of bytes, one byte for each dimension. Distances between them are integers, so that
 * every search over them is exact. Floats are accepted only if they are such integers. */
#include "lib/codec/codec.h"

#include "lib/base/arena.h"

#include <math.h>
#include <string.h>

/* Both types store the low byte of the integer. */
static void byte_write(
    struct codes *codes, int64_t at, kith_type type, int64_t n, const void *x, float *scratch)
{
	(void)scratch;
	char *out = codes->plane[0].data + (size_t)at * (size_t)codes->codec->dim;
	size_t count = (size_t)n * (size_t)codes->codec->dim;
	if (type != KITH_F32 && count) {
		memcpy(out, x, count);
		return;
	}
	for (size_t i = 0; i < count; i++)
		out[i] = (char)(int)((const float *)x)[i];
}

/* ---- graphs ----
 *
 * Queries are rounded to bytes: to the nearest integer for L2, and to fractions of the largest component for
 * inner products. Queries that are out of the range of bytes are compared in float. */

struct byte_origin {
	struct metric_kernels score;
	bool decode;
	float factor; /* by which inner products are multiplied */
	_Alignas(64) uint8_t x[];
};

static size_t byte_origin_bytes(const struct rows *rows)
{
	size_t own = align64((size_t)rows->dim), decoding = compare_decoding.bytes(rows);
	return sizeof(struct byte_origin) + (own > decoding ? own : decoding);
}

static void byte_bind(const struct rows *rows, const float *q, const struct metric *metric, void *state)
{
	struct byte_origin *origin = state;
	float low = rows->form->type == KITH_U8 ? 0 : -128, high = low + 255, min = q[0], max = q[0];
	for (int64_t i = 1; i < rows->dim; i++) {
		min = fminf(min, q[i]);
		max = fmaxf(max, q[i]);
	}
	float largest = fmaxf(max, -min);
	*origin = (struct byte_origin){.score = metric_kernels(metric), .factor = 1};
	if (metric->similarity && largest > 0)
		origin->factor = largest / (low < 0 ? 127 : 255);
	origin->decode = min / origin->factor < low - 0.5f || max / origin->factor > high + 0.5f ||
	                 !(1 / origin->factor < INFINITY);
	if (origin->decode) {
		compare_decoding.bind(rows, q, metric, origin->x);
		return;
	}
	float inverse = 1 / origin->factor;
	for (int64_t i = 0; i < rows->dim; i++)
		origin->x[i] = (uint8_t)(int)fmaxf(fminf(rintf(q[i] * inverse), high), low);
}

static void byte_bind_row(const struct rows *rows, int64_t row, const struct metric *metric, void *state)
{
	struct byte_origin *origin = state;
	*origin = (struct byte_origin){.score = metric_kernels(metric), .factor = 1};
	memcpy(origin->x, rows_at(rows, row), (size_t)rows->dim);
}

static void byte_gather(const struct rows *rows, void *state, const uint32_t *pos, int64_t n, float *key)
{
	enum { PART = 64 };
	struct byte_origin *origin = state;
	bool u8 = rows->form->type == KITH_U8;
	int32_t sum[PART];
	if (origin->decode) {
		compare_decoding.gather(rows, origin->x, pos, n, key);
		return;
	}
	for (int64_t from = 0, count; from < n; from += count) {
		count = n - from < PART ? n - from : PART;
		(u8 ? origin->score.u8_gather : origin->score.i8_gather)(
		    origin->x, rows->a, rows->stride, pos + from, count, rows->dim, sum);
		for (int64_t i = 0; i < count; i++)
			key[from + i] =
			    origin->score.negate ? -origin->factor * (float)sum[i] : (float)sum[i];
	}
}

static const struct comparison byte_in_graph = {
    .bytes = byte_origin_bytes, .bind = byte_bind, .bind_row = byte_bind_row, .gather = byte_gather};

static const struct codec_ops u8_ops = {
    .type = KITH_U8,
    .planes = 1,
    .form = &rows_form_u8,
    .word = "SQ8_direct",
    .element = 1,
    .write = byte_write,
    .in_graph = &byte_in_graph,
};

static const struct codec_ops i8_ops = {
    .type = KITH_I8,
    .planes = 1,
    .form = &rows_form_i8,
    .word = "SQ8_direct_signed",
    .element = 1,
    .write = byte_write,
    .in_graph = &byte_in_graph,
};

kith_status codec_new_u8(struct codec **out, int64_t dim, bool cosine)
{
	return codec_new_plain(out, &u8_ops, dim, cosine);
}

kith_status codec_new_i8(struct codec **out, int64_t dim, bool cosine)
{
	return codec_new_plain(out, &i8_ops, dim, cosine);
}
