/* fp16, bf16: floats rounded to two bytes.
 *
 * fp16 is IEEE binary16: 11 significant bits, but nothing beyond ±65504: what is larger is refused. bf16 is
 * the upper half of a float: 8 significant bits over the whole range. Rounding is to nearest even. Rows are
 * scored as they are, widened on the way; with u = 2^-24 and e = (d + 8) · u the relative error of a sum of d
 * terms,
 *
 *   L2:  Σ (q_i − x_i)² has relative error e;
 *   IP:  Σ q_i x_i is off by at most e ‖q‖ ‖x‖, where ‖x‖ is measured block by block.
 */
#include "lib/codec/codec.h"

#include "kernels/kernels.h"

#include "lib/base/status.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct codec_ops fp16_ops, bf16_ops;

static bool is_fp16(const struct codec *codec)
{
	return codec->ops == &fp16_ops;
}

static void half_word(const struct codec *codec, char *word)
{
	strcpy(word, is_fp16(codec) ? "SQfp16" : "SQbf16");
}

static size_t half_row_bytes(const struct codec *codec)
{
	return (size_t)codec->dim * 2;
}

static void half_encode(const struct codec *codec, int64_t n, const float *x, uint8_t *code)
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
		const char *row = codes->plane[0].data + (size_t)i * half_row_bytes(codes->codec);
		for (int64_t j = 0; j < dim; j += CHUNK) {
			int64_t n = dim - j < CHUNK ? dim - j : CHUNK;
			(is_fp16(codes->codec) ? kern->widen_f16 : kern->widen_bf16)(row + 2 * j, n, x);
			if (kern->find_nonfinite(x, n) >= 0)
				return false;
		}
	}
	return true;
}

/* A query: this, and the floats of it. */
struct half_query {
	double norm;
	const struct metric *metric;
	struct metric_kernels score;
	_Alignas(64) float q[];
};

static size_t half_query_bytes(const struct codec *codec)
{
	return sizeof(struct half_query) + (size_t)codec->dim * sizeof(float);
}

static void begin(const struct metric *metric, struct half_query *query)
{
	query->metric = metric;
	query->score = metric_kernels(metric);
}

static void half_query_begin(
    const struct codec *codec, const float *q, const struct metric *metric, void *state)
{
	struct half_query *query = state;
	begin(metric, query);
	query->norm = sqrt(kernels()->ip_exact(q, q, codec->dim));
	memcpy(query->q, q, (size_t)codec->dim * sizeof *q);
}

/* Upper bound of the norms of n rows. A square may lose up to 2^-149, so what is added covers all of them. */
static double largest_norm(const struct codec *codec, const uint8_t *rows, int64_t n)
{
	const struct kernels *kern = kernels();
	float sq[ROWS_BLOCK], max = 0;
	(is_fp16(codec) ? kern->normsq_f16 : kern->normsq_bf16)(
	    rows, half_row_bytes(codec), n, codec->dim, sq);
	for (int64_t i = 0; i < n; i++)
		max = sq[i] > max ? sq[i] : max;
	return sqrt((double)max + (double)codec->dim * 0x1p-126) * (1 + 1e-2);
}

static struct error_bound half_scan(
    const struct codec *codec, const void *state, const uint8_t *codes, int64_t first, int64_t n, float *key)
{
	const struct half_query *query = state;
	size_t stride = half_row_bytes(codec);
	const uint8_t *rows = codes + (size_t)first * stride;
	double norm = query->metric->similarity ? largest_norm(codec, rows, n) : 0;
	(is_fp16(codec) ? query->score.f16 : query->score.bf16)(query->q, rows, stride, n, codec->dim, key);
	metric_keys(&query->score, key, n);
	return query->metric->error_bound(codec->dim, query->norm, 0, norm);
}

static void half_begin_row(
    const struct codec *codec, const struct rows *rows, int64_t row, const struct metric *metric, void *state)
{
	struct half_query *query = state;
	begin(metric, query);
	half_decode(codec, (const uint8_t *)rows_at(rows, row), query->q);
}

static void half_keys(const struct codec *codec, void *state, const struct rows *rows, const uint32_t *pos,
    int64_t n, float *key)
{
	const struct half_query *query = state;
	(is_fp16(codec) ? query->score.f16_gather : query->score.bf16_gather)(
	    query->q, rows->a, rows->stride, pos, n, codec->dim, key);
	metric_keys(&query->score, key, n);
}

static const struct codec_walk half_walk = {half_query_bytes, half_query_begin, half_begin_row, half_keys};

/* ---- the range of fp16 ---- */

static _Thread_local bool clamps;

void codec_clamps(bool allowed)
{
	clamps = allowed;
}

int64_t codec_find_beyond(const struct codec *codec, const float *x, int64_t n)
{
	enum { CHUNK = 1024 };
	float limit = codec->ops->limit;
	if (limit == 0 || clamps)
		return kernels()->find_nonfinite(x, n);
	for (int64_t from = 0; from < n; from += CHUNK) {
		int64_t to = from + CHUNK < n ? from + CHUNK : n;
		int beyond = 0; /* not finite or too large: for all of a chunk without a branch */
		for (int64_t i = from; i < to; i++)
			beyond |= !(fabsf(x[i]) <= limit);
		for (int64_t i = from; beyond && i < to; i++)
			if (!(fabsf(x[i]) <= limit))
				return i;
	}
	return -1;
}

kith_status codec_fail_beyond(const struct codec *codec, const char *what, double value)
{
	char word[32];
	if (!isfinite(value))
		return fail(KITH_INVALID, "%s is %g; vectors must be finite", what, value);
	codec->ops->word(codec, word);
	return fail(KITH_INVALID, "%s is %.9g; %s keeps values from %g to %g: use SQbf16, or scale the data",
	    what, value, word, -(double)codec->ops->limit, (double)codec->ops->limit);
}

/* Under cosine vectors are kept at unit length, whatever theirs is. */
static kith_status half_check(const struct codec *codec, kith_type type, int64_t n, const void *x)
{
	if (type != KITH_F32)
		return KITH_OK;
	if (codec->cosine)
		return coded_check(codec, type, n, x);
	for (int64_t i = 0; i < n; i++) {
		const float *row = (const float *)x + (size_t)i * (size_t)codec->dim;
		int64_t bad = codec_find_beyond(codec, row, codec->dim);
		char what[80];
		if (bad < 0)
			continue;
		snprintf(what, sizeof what, "x: vector %lld, component %lld", (long long)i, (long long)bad);
		return codec_fail_beyond(codec, what, (double)row[bad]);
	}
	return KITH_OK;
}

#define HALF_OPS(largest)                                                                                    \
	{                                                                                                    \
		.type = KITH_F32, .kind = ROWS_CODE, .normalizes = true, .planes = 1, .word = half_word,     \
		.row_bytes = half_row_bytes, .clone = codec_clone_plain, .free = codec_free_plain,           \
		.memory = codec_memory_plain, .check = half_check, .limit = largest, .write = coded_write,   \
		.finite = half_finite, .encode = half_encode, .decode = half_decode,                         \
		.query_bytes = half_query_bytes, .query_begin = half_query_begin, .scan = half_scan,         \
		.walk = &half_walk                                                                           \
	}

static const struct codec_ops fp16_ops = HALF_OPS(65504), bf16_ops = HALF_OPS(0);

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
