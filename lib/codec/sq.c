/* sq: each element on its own as a number of 8, 6 or 4 bits, from a range that is learnt.
 *
 * Code c stands for the middle of its cell, low + (c + 1/2) · step, with step = (high − low) / (2^bits − 1):
 * the rule of FAISS (whose last cell begins at high). Codes lie in rows as FAISS packs them, see
 * kernels/sq.h. Vectors are off by half a step in each element that lies inside the range; others are
 * clipped.
 *
 * Ranges come from the least and the greatest value. Where a few outliers would widen the cells for all
 * others, SQ_QUANTILE ignores the 4^-bits extreme values on either side: about what is best for a normal
 * distribution, where an error of clipping them equals the error of wider cells. A uniform quantiser has one
 * range for all elements.
 *
 * A query q is scored without decoding: with a_i = q_i − low_i − step_i / 2 and w_i = step_i q_i
 *
 *   L2:  ‖q − x‖² = Σ (a_i − step_i c_i)²         IP:  ⟨q,x⟩ = ⟨q, low + step / 2⟩ + Σ w_i c_i
 *
 * Bounds, with u = 2^-24, R >= ‖x‖ for every x that can be decoded, and e = (d + 8) · u:
 *
 *   decode  x is rounded once: off by a vector of norm <= u R;
 *   L2      a is off by u ‖a‖, the sum of squares has relative error e;
 *   IP      w is off by u |w_i|, the sum by e Σ |w_i| 2^bits, the rest is done in double and rounded once.
 */
#include "lib/codec/sq.h"

#include "kernels/kernels.h"
#include "lib/base/status.h"
#include "lib/search/pool.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Ranges stay within ±LIMIT, so that neither their width nor a decoded value overflows. */
static const float LIMIT = FLT_MAX / 2;

/* Most values that one quantile is taken of. */
enum { SAMPLE = 1 << 22 };

struct codec_sq {
	struct codec codec;
	int bits;
	enum sq_range range;
	bool uniform;
	float *low, *diff, *step; /* [dim] each, in one piece */
	double reach;             /* >= norm of anything that decode gives */
};

static const struct codec_ops sq_ops;

static struct codec_sq *sq_of(struct codec *codec)
{
	return (struct codec_sq *)(void *)codec;
}

static const struct codec_sq *sq_of_const(const struct codec *codec)
{
	return (const struct codec_sq *)(const void *)codec;
}

static int top_code(const struct codec_sq *sq)
{
	return (1 << sq->bits) - 1;
}

static const struct sq_kernels *sq_kern(const struct codec_sq *sq)
{
	const struct kernels *kern = kernels();
	return sq->bits == 8 ? &kern->sq8 : sq->bits == 6 ? &kern->sq6 : &kern->sq4;
}

/* ---- making ---- */

static void sq_word(const struct codec *codec, char *word)
{
	const struct codec_sq *sq = sq_of_const(codec);
	sprintf(word, "SQ%d%s%s", sq->bits, sq->uniform ? "_uniform" : "",
	    sq->range == SQ_QUANTILE ? "_quantile" : "");
}

static size_t sq_row_bytes(const struct codec *codec)
{
	return ((size_t)codec->dim * (size_t)sq_of_const(codec)->bits + 7) / 8;
}

static void sq_free(struct codec *codec)
{
	mem_free(sq_of(codec)->low);
	mem_free(codec);
}

static size_t sq_memory(const struct codec *codec)
{
	return sizeof(struct codec_sq) + 3 * (size_t)codec->dim * sizeof(float);
}

kith_status codec_new_sq(
    struct codec **out, int64_t dim, bool cosine, int bits, enum sq_range range, bool uniform)
{
	if (bits != 8 && bits != 6 && bits != 4)
		return fail(KITH_INVALID, "a scalar quantizer has 8, 6 or 4 bits, not %d", bits);
	struct codec_sq *sq = mem_zalloc(1, sizeof *sq);
	if (!sq)
		return fail_nomem("a codec", sizeof *sq);
	sq->low = mem_zalloc(3 * (size_t)dim, sizeof *sq->low);
	if (!sq->low) {
		mem_free(sq);
		return fail_nomem("a codec", 3 * (size_t)dim * sizeof *sq->low);
	}
	sq->codec = (struct codec){.ops = &sq_ops, .dim = dim, .cosine = cosine};
	sq->diff = sq->low + dim;
	sq->step = sq->diff + dim;
	sq->bits = bits;
	sq->range = range;
	sq->uniform = uniform;
	*out = &sq->codec;
	return KITH_OK;
}

static kith_status sq_clone(struct codec **out, const struct codec *codec)
{
	const struct codec_sq *from = sq_of_const(codec);
	kith_status status =
	    codec_new_sq(out, codec->dim, codec->cosine, from->bits, from->range, from->uniform);
	if (status)
		return status;
	struct codec_sq *sq = sq_of(*out);
	memcpy(sq->low, from->low, 3 * (size_t)codec->dim * sizeof *sq->low);
	sq->reach = from->reach;
	sq->codec.trained = codec->trained;
	return KITH_OK;
}

/* ---- ranges ---- */

/* Greatest magnitude that decodes from a range. */
static double farthest(const struct codec_sq *sq, double low, double diff)
{
	double step = diff / top_code(sq);
	return fmax(fabs(low + 0.5 * step), fabs(low + diff + 0.5 * step));
}

/* low and diff are there: what follows from them. */
static void settle(struct codec_sq *sq)
{
	double sq_norm = 0;
	for (int64_t i = 0; i < sq->codec.dim; i++) {
		double most = farthest(sq, (double)sq->low[i], (double)sq->diff[i]);
		sq->step[i] = sq->diff[i] / (float)top_code(sq);
		sq_norm += most * most;
	}
	sq->reach = sqrt(sq_norm) * (1 + 1e-6);
	sq->codec.trained = true;
}

bool codec_sq_ranges(const struct codec *codec, struct sq_ranges *ranges)
{
	if (codec->ops != &sq_ops)
		return false;
	const struct codec_sq *sq = sq_of_const(codec);
	if (ranges)
		*ranges = (struct sq_ranges){sq->bits, sq->uniform, sq->low, sq->diff};
	return true;
}

kith_status codec_sq_set_ranges(struct codec *codec, const float *low, const float *diff)
{
	struct codec_sq *sq = sq_of(codec);
	for (int64_t i = 0; i < codec->dim; i++) {
		bool finite = isfinite(low[i]) && isfinite(diff[i]);
		if (!finite || diff[i] < 0 || farthest(sq, (double)low[i], (double)diff[i]) > 0.99 * FLT_MAX)
			return fail(KITH_INVALID,
			    "scalar quantizer: element %lld has the range %g + %g; both must be finite, the "
			    "second not negative",
			    (long long)i, (double)low[i], (double)diff[i]);
	}
	memcpy(sq->low, low, (size_t)codec->dim * sizeof *low);
	memcpy(sq->diff, diff, (size_t)codec->dim * sizeof *diff);
	settle(sq);
	return KITH_OK;
}

/* ---- training ---- */

static void set_range(struct codec_sq *sq, int64_t i, float low, float high)
{
	low = fmaxf(fminf(low, LIMIT), -LIMIT);
	high = fmaxf(fminf(high, LIMIT), -LIMIT);
	sq->low[i] = low;
	sq->diff[i] = high - low;
}

/* One range of count values, for elements from … to − 1; reorders the values. */
static void set_quantiles(struct codec_sq *sq, int64_t from, int64_t to, float *values, int64_t count)
{
	int64_t ignored = count >> (2 * sq->bits);
	float low = select_kth(values, count, ignored);
	float high = select_kth(values, count, count - 1 - ignored);
	for (int64_t i = from; i < to; i++)
		set_range(sq, i, low, high);
}

/* Quantiles of every `every`-th vector. */
static kith_status train_quantile(struct codec_sq *sq, int64_t n, const float *x)
{
	int64_t dim = sq->codec.dim, width = sq->uniform ? dim : 1;
	int64_t every = 1 + (n - 1) / (SAMPLE / width), used = 1 + (n - 1) / every;
	float *values = mem_alloc((size_t)(used * width), sizeof *values);
	if (!values)
		return fail_nomem("training", (size_t)(used * width) * sizeof *values);
	for (int64_t from = 0; from < dim; from += width) {
		for (int64_t i = 0; i < used; i++)
			memcpy(values + i * width, x + (size_t)(i * every) * (size_t)dim + from,
			    (size_t)width * sizeof *values);
		set_quantiles(sq, from, from + width, values, used * width);
	}
	mem_free(values);
	return KITH_OK;
}

/* Until set_range, diff holds the greatest values. */
static void train_minmax(struct codec_sq *sq, int64_t n, const float *x)
{
	int64_t dim = sq->codec.dim;
	float *restrict low = sq->low, *restrict high = sq->diff;
	memcpy(low, x, (size_t)dim * sizeof *low);
	memcpy(high, x, (size_t)dim * sizeof *high);
	for (int64_t i = 1; i < n; i++) {
		const float *row = x + (size_t)i * (size_t)dim;
		for (int64_t j = 0; j < dim; j++) {
			low[j] = row[j] < low[j] ? row[j] : low[j];
			high[j] = row[j] > high[j] ? row[j] : high[j];
		}
	}
	float least = low[0], most = high[0];
	for (int64_t j = 1; j < dim; j++) {
		least = fminf(least, low[j]);
		most = fmaxf(most, high[j]);
	}
	for (int64_t j = 0; j < dim; j++)
		set_range(sq, j, sq->uniform ? least : low[j], sq->uniform ? most : high[j]);
}

static kith_status sq_train(struct codec *codec, int64_t n, const float *x, const kith_add_options *options)
{
	(void)options;
	struct codec_sq *sq = sq_of(codec);
	if (n < 1)
		return fail(KITH_INVALID, "n is %lld; training takes at least one vector", (long long)n);
	if (sq->range == SQ_MINMAX) {
		train_minmax(sq, n, x);
	} else {
		kith_status status = train_quantile(sq, n, x);
		if (status)
			return status;
	}
	settle(sq);
	return KITH_OK;
}

/* ---- coding and scanning ---- */

static void sq_encode(const struct codec *codec, int64_t n, const float *x, uint8_t *code)
{
	const struct codec_sq *sq = sq_of_const(codec);
	size_t size = sq_row_bytes(codec);
	for (int64_t i = 0; i < n; i++)
		sq_kern(sq)->encode(
		    x + i * codec->dim, sq->low, sq->step, codec->dim, code + (size_t)i * size);
}

static void sq_decode(const struct codec *codec, const uint8_t *code, float *x)
{
	const struct codec_sq *sq = sq_of_const(codec);
	sq_kern(sq)->decode(code, sq->low, sq->step, codec->dim, x);
}

/* A query: this, and a or w. */
struct sq_query {
	double constant; /* IP: ⟨q, low + step / 2⟩ */
	struct slack slack;
	bool ip;
	_Alignas(64) float a[];
};

static size_t sq_query_bytes(const struct codec *codec)
{
	return sizeof(struct sq_query) + (size_t)codec->dim * sizeof(float);
}

static void begin_l2(const struct codec_sq *sq, const float *q, struct sq_query *query)
{
	double norm = 0;
	for (int64_t i = 0; i < sq->codec.dim; i++) {
		query->a[i] = (float)((double)q[i] - ((double)sq->low[i] + 0.5 * (double)sq->step[i]));
		norm += (double)query->a[i] * (double)query->a[i];
	}
	query->slack.root = 0x1p-24 * (1 + 1e-6) * (sqrt(norm) + sq->reach);
	query->slack.rel = (double)(sq->codec.dim + 8) * 0x1p-24;
}

static void begin_ip(const struct codec_sq *sq, const float *q, struct sq_query *query)
{
	double norm = 0, sum = 0;
	query->constant = 0;
	for (int64_t i = 0; i < sq->codec.dim; i++) {
		double x = (double)q[i];
		query->a[i] = (float)(x * (double)sq->step[i]);
		query->constant += x * ((double)sq->low[i] + 0.5 * (double)sq->step[i]);
		norm += x * x;
		sum += fabs((double)query->a[i]);
	}
	query->slack.abs = (double)(sq->codec.dim + 10) * 0x1p-24 * sum * (top_code(sq) + 1) +
	                   0x1p-23 * sqrt(norm) * sq->reach;
	query->slack.rel = 0x1p-23;
}

static void sq_query_begin(const struct codec *codec, const float *q, bool ip, void *state)
{
	struct sq_query *query = state;
	query->ip = ip;
	query->slack = (struct slack){0, 0, 0};
	(ip ? begin_ip : begin_l2)(sq_of_const(codec), q, query);
}

static struct slack sq_scan(
    const struct codec *codec, const void *state, const uint8_t *codes, int64_t first, int64_t n, float *key)
{
	const struct codec_sq *sq = sq_of_const(codec);
	const struct sq_query *query = state;
	size_t stride = sq_row_bytes(codec);
	const uint8_t *rows = codes + (size_t)first * stride;
	if (!query->ip) {
		sq_kern(sq)->l2sq(query->a, sq->step, rows, stride, n, codec->dim, key);
		return query->slack;
	}
	sq_kern(sq)->ip(query->a, rows, stride, n, codec->dim, key);
	for (int64_t i = 0; i < n; i++)
		key[i] = (float)-(query->constant + (double)key[i]);
	return query->slack;
}

static const struct codec_ops sq_ops = {
    .type = KITH_F32,
    .kind = ROWS_CODE,
    .normalizes = true,
    .planes = 1,
    .word = sq_word,
    .row_bytes = sq_row_bytes,
    .train = sq_train,
    .clone = sq_clone,
    .free = sq_free,
    .memory = sq_memory,
    .check = coded_check,
    .write = coded_write,
    .encode = sq_encode,
    .decode = sq_decode,
    .query_bytes = sq_query_bytes,
    .query_begin = sq_query_begin,
    .scan = sq_scan,
};
