/* u8 and i8: byte vectors as they are, one byte a dimension. Distances between them are integers, so
 * every search over them is exact; floats are taken only where they are such integers. */
#include "lib/codec/codec.h"

#include "lib/base/arena.h"
#include "lib/base/status.h"

#include <math.h>
#include <string.h>

static size_t byte_row_bytes(const struct codec *codec)
{
	return (size_t)codec->dim;
}

static void byte_word(const struct codec *codec, char *word)
{
	strcpy(word, codec->ops->type == KITH_U8 ? "SQ8_direct" : "SQ8_direct_signed");
}

/* Value i of x; NaN stays NaN. */
static double value_at(kith_type type, const void *x, int64_t i)
{
	switch (type) {
	case KITH_U8:
		return ((const uint8_t *)x)[i];
	case KITH_I8:
		return ((const int8_t *)x)[i];
	default:
		return (double)((const float *)x)[i];
	}
}

static kith_status check_range(int64_t dim, kith_type type, int64_t n, const void *x, int min, int max)
{
	for (int64_t i = 0; i < n * dim; i++) {
		double v = value_at(type, x, i);
		if (!(v >= min && v <= max) || v != (double)(int)v)
			return fail(KITH_INVALID,
			    "x: vector %lld, component %lld is %g; this index keeps integers %d … %d",
			    (long long)(i / dim), (long long)(i % dim), v, min, max);
	}
	return KITH_OK;
}

static kith_status u8_check(const struct codec *codec, kith_type type, int64_t n, const void *x)
{
	return type == KITH_U8 ? KITH_OK : check_range(codec->dim, type, n, x, 0, 255);
}

static kith_status i8_check(const struct codec *codec, kith_type type, int64_t n, const void *x)
{
	return type == KITH_I8 ? KITH_OK : check_range(codec->dim, type, n, x, -128, 127);
}

/* Both kinds keep the low byte of the integer. */
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

/* ---- walks ----
 *
 * Queries are rounded to bytes: to the nearest integer for L2, to fractions of the largest component for
 * inner products. Those that no bytes come near to are compared in float. */

struct byte_origin {
	struct metric_kernels score;
	bool decode;
	bool row;      /* of rows that normalize */
	float factor;  /* of inner products */
	float inverse; /* of that row */
	_Alignas(64) uint8_t x[];
};

static size_t byte_origin_bytes(const struct codec *codec)
{
	size_t own = align64((size_t)codec->dim), decoding = walk_decoding.bytes(codec);
	return sizeof(struct byte_origin) + (own > decoding ? own : decoding);
}

static void byte_begin(const struct codec *codec, const float *q, const struct metric *metric, void *state)
{
	struct byte_origin *origin = state;
	float low = codec->ops->type == KITH_U8 ? 0 : -128, high = low + 255, min = q[0], max = q[0];
	for (int64_t i = 1; i < codec->dim; i++) {
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
		walk_decoding.begin(codec, q, metric, origin->x);
		return;
	}
	float inverse = 1 / origin->factor;
	for (int64_t i = 0; i < codec->dim; i++)
		origin->x[i] = (uint8_t)(int)fmaxf(fminf(rintf(q[i] * inverse), high), low);
}

static void byte_begin_row(
    const struct codec *codec, const struct rows *rows, int64_t row, const struct metric *metric, void *state)
{
	struct byte_origin *origin = state;
	*origin = (struct byte_origin){.row = rows->normalize, .factor = 1};
	origin->score = metric_kernels(rows->normalize ? &metric_ip : metric);
	origin->inverse = rows->normalize ? rows->inverse[row] : 0;
	memcpy(origin->x, rows_at(rows, row), (size_t)codec->dim);
}

/* Keys of rows at unit length from inner products with them. */
static void normalize_keys(
    const struct byte_origin *origin, const struct rows *rows, const uint32_t *pos, int64_t n, float *key)
{
	for (int64_t i = 0; i < n; i++) {
		key[i] *= rows->inverse[pos[i]];
		/* ‖x − y‖² of vectors that have length 1, or 0. */
		float lengths = (float)((origin->inverse > 0) + (rows->inverse[pos[i]] > 0));
		if (origin->row)
			key[i] = fmaxf(0, lengths + 2 * key[i] * origin->inverse);
	}
}

static void byte_keys(const struct codec *codec, void *state, const struct rows *rows, const uint32_t *pos,
    int64_t n, float *key)
{
	enum { PART = 64 };
	struct byte_origin *origin = state;
	bool u8 = codec->ops->type == KITH_U8;
	int32_t sum[PART];
	if (origin->decode) {
		walk_decoding.keys(codec, origin->x, rows, pos, n, key);
		return;
	}
	for (int64_t from = 0, count; from < n; from += count) {
		count = n - from < PART ? n - from : PART;
		(u8 ? origin->score.u8_gather : origin->score.i8_gather)(
		    origin->x, rows->a, rows->stride, pos + from, count, codec->dim, sum);
		for (int64_t i = 0; i < count; i++)
			key[from + i] =
			    origin->score.negate ? -origin->factor * (float)sum[i] : (float)sum[i];
	}
	if (rows->normalize)
		normalize_keys(origin, rows, pos, n, key);
}

static const struct codec_walk byte_walk = {byte_origin_bytes, byte_begin, byte_begin_row, byte_keys};

static const struct codec_ops u8_ops = {
    .type = KITH_U8,
    .kind = ROWS_U8,
    .planes = 1,
    .word = byte_word,
    .row_bytes = byte_row_bytes,
    .clone = codec_clone_plain,
    .free = codec_free_plain,
    .memory = codec_memory_plain,
    .check = u8_check,
    .write = byte_write,
    .walk = &byte_walk,
};

static const struct codec_ops i8_ops = {
    .type = KITH_I8,
    .kind = ROWS_I8,
    .planes = 1,
    .word = byte_word,
    .row_bytes = byte_row_bytes,
    .clone = codec_clone_plain,
    .free = codec_free_plain,
    .memory = codec_memory_plain,
    .check = i8_check,
    .write = byte_write,
    .walk = &byte_walk,
};

kith_status codec_new_u8(struct codec **out, int64_t dim, bool cosine)
{
	return codec_new_plain(out, &u8_ops, dim, cosine);
}

kith_status codec_new_i8(struct codec **out, int64_t dim, bool cosine)
{
	return codec_new_plain(out, &i8_ops, dim, cosine);
}
