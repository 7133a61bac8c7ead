/* sq: each element as a number of 8, 6 or 4 bits, in a range that is learnt.
 *
 * Code c stands for the middle of its cell, low + (c + 1/2) · step, with step = (high − low) / (2^bits − 1),
 * as in FAISS; the last cell begins at high. Codes are in rows as FAISS packs them (kernels/sq.h). The error
 * of an element within the range is at most half a step; others are clipped.
 *
 * Ranges go from the smallest to the greatest value. If a few outliers would widen the cells of all others,
 * SQ_QUANTILE ignores the 4^-bits most extreme values on each side, which is about the best for a normal
 * distribution, where the error of clipping them equals that of wider cells. A uniform quantizer has one
 * range for all elements.
 *
 * A query is scored in integers without decoding. With a scale s, and a, b, w rounded to integers,
 *
 *   L2:  ‖q − x‖² ≈ s² Σ (a_i − ⌊c_i b_i / 2^bits⌋)²,  a_i = (q_i − low_i − step_i / 2) / s − 1/2,
 *                                                      b_i = 2^bits step_i / s;
 *   IP:  ⟨q,x⟩ ≈ ⟨q, low + step / 2⟩ + s Σ w_i c_i,    w_i = step_i q_i / s.
 *
 * s is as small as sums in 32 bits allow: for L2 the largest difference is 4092 s at d = 128, and 1492 s at d
 * = 960. The error of rounding is known for each element:
 *
 *   L2:  the error of a difference is at most s (|rounding of a_i| + |rounding of b_i| + 1/2); 1/2 is for ⌊⌋.
 *        The norm of these bounds the error of ‖q − x‖.
 *   IP:  if r_i is what w_i lacks, Σ r_i c_i is missing. Half the greatest code times Σ r_i is added to the
 *        constant, and half the greatest code times Σ |r_i| bounds the rest.
 *
 * In addition, x is rounded once when it is decoded, by a vector of norm <= u R, where u = 2^-24 and R >= ‖x‖
 * for every decoded x; and keys are computed in float, with four roundings.
 *
 * Measured with AVX-512, one thread, d = 128 and DRAM at 30 GB/s, a row of 8 bits took 4.2 ns for L2 and 3.9
 * ns for IP, the speed of memory, and a row of 4 bits 3.9 and 2.7 ns. In float it was 6.9 and 5.1, and 10.7
 * and 9.0 ns.
 */
#include "lib/codec/sq.h"

#include "kernels/kernels.h"
#include "lib/base/progress.h"
#include "lib/base/rounding.h"
#include "lib/base/sort.h"
#include "lib/base/status.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Ranges are limited to ±LIMIT, so that neither their width nor a decoded value overflows. */
static const float LIMIT = FLT_MAX / 2;

enum {
	SAMPLE = 1 << 22, /* the most values from which a quantile is taken */
	LOOK = 4096       /* number of vectors between two checks for a cancel */
};

struct codec_sq {
	struct codec codec;
	int bits;
	enum sq_range range;
	bool uniform;
	float *low, *diff, *step; /* [dim] each, in one array */
	double max_norm;          /* >= the norm of any decoded vector */
	float product_scale;      /* s² for distances between rows, see derive_products */
	uint16_t *product_b;      /* [sq_lanes] b for distances between rows, in the same memory */
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

/* Call the kernel op##_sq8##way, op##_sq6##way or op##_sq4##way. */
#define SQ_CALL(sq, op, way, ...)                                                                            \
	((sq)->bits == 8      ? kernels()->op##_sq8##way                                                     \
	    : (sq)->bits == 6 ? kernels()->op##_sq6##way                                                     \
	                      : kernels()->op##_sq4##way)(__VA_ARGS__)

/* ---- making ---- */

/* The bytes of low, diff, step and product_b. */
static size_t learnt_bytes(int64_t dim, int bits)
{
	return 3 * (size_t)dim * sizeof(float) + (size_t)sq_lanes(bits, dim) * sizeof(uint16_t);
}

static void sq_release(struct codec *codec)
{
	mem_free(sq_of(codec)->low);
}

kith_status codec_new_sq(
    struct codec **out, int64_t dim, bool cosine, int bits, enum sq_range range, bool uniform)
{
	if (bits != 8 && bits != 6 && bits != 4)
		return fail(KITH_INVALID, "a scalar quantizer has 8, 6 or 4 bits, not %d", bits);
	struct codec_sq *sq = mem_zalloc(1, sizeof *sq);
	if (!sq)
		return fail_nomem("a codec", sizeof *sq);
	sq->low = mem_zalloc(learnt_bytes(dim, bits), 1);
	if (!sq->low) {
		mem_free(sq);
		return fail_nomem("a codec", learnt_bytes(dim, bits));
	}
	sq->codec = (struct codec){.ops = &sq_ops,
	    .dim = dim,
	    .cosine = cosine,
	    .row_bytes = ((size_t)dim * (size_t)bits + 7) / 8,
	    .memory = sizeof *sq + learnt_bytes(dim, bits)};
	sprintf(sq->codec.word, "SQ%d%s%s", bits, uniform ? "_uniform" : "",
	    range == SQ_QUANTILE ? "_quantile" : "");
	sq->diff = sq->low + dim;
	sq->step = sq->diff + dim;
	sq->product_b = (uint16_t *)(void *)(sq->step + dim);
	sq->bits = bits;
	sq->range = range;
	sq->uniform = uniform;
	*out = &sq->codec;
	return KITH_OK;
}

static kith_status sq_fresh(struct codec **out, const struct codec *codec)
{
	const struct codec_sq *sq = sq_of_const(codec);
	return codec_new_sq(out, codec->dim, codec->cosine, sq->bits, sq->range, sq->uniform);
}

/* What is learnt is low and diff. */
static const float *sq_learnt(const struct codec *codec, size_t *bytes)
{
	*bytes = 2 * (size_t)codec->dim * sizeof(float);
	return sq_of_const(codec)->low;
}

/* ---- ranges ---- */

/* The greatest absolute value that is decoded from a range. */
static double farthest(const struct codec_sq *sq, double low, double diff)
{
	double step = diff / top_code(sq);
	return fmax(fabs(low + 0.5 * step), fabs(low + diff + 0.5 * step));
}

/* The greatest difference for which the sum of dim squares fits into 32 bits; rounding adds less than 3. */
static double difference_range(int64_t dim)
{
	return floor(fmin(30000, sqrt((double)INT32_MAX / (double)dim))) - 3;
}

/* Set the scale for distances between two rows, with which the widest range still fits, and b. */
static void derive_products(struct codec_sq *sq)
{
	double max = 0;
	for (int64_t i = 0; i < sq->codec.dim; i++)
		max = greater(max, (double)sq->step[i] * (top_code(sq) + 1));
	double s = max > 0 ? max / difference_range(sq->codec.dim) : 1;
	for (int64_t i = 0; i < sq->codec.dim; i++)
		sq->product_b[sq_lane(sq->bits, i)] =
		    (uint16_t)rint((double)sq->step[i] / s * (top_code(sq) + 1));
	sq->product_scale = (float)(s * s);
}

/* Set what follows from low and diff. */
static void derive(struct codec_sq *sq)
{
	double sq_norm = 0;
	for (int64_t i = 0; i < sq->codec.dim; i++) {
		double max = farthest(sq, (double)sq->low[i], (double)sq->diff[i]);
		sq->step[i] = sq->diff[i] / (float)top_code(sq);
		sq_norm += max * max;
	}
	sq->max_norm = sqrt(sq_norm) * (1 + 1e-6);
	derive_products(sq);
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
	derive(sq);
	return KITH_OK;
}

static kith_status sq_take(struct codec *codec, const float *learnt)
{
	return codec_sq_set_ranges(codec, learnt, learnt + codec->dim);
}

/* ---- training ---- */

static void set_range(struct codec_sq *sq, int64_t i, float low, float high)
{
	low = fmaxf(fminf(low, LIMIT), -LIMIT);
	high = fmaxf(fminf(high, LIMIT), -LIMIT);
	sq->low[i] = low;
	sq->diff[i] = high - low;
}

/* Set one range, from `count` values, for elements from … to − 1. The values are reordered. */
static void set_quantiles(struct codec_sq *sq, int64_t from, int64_t to, float *values, int64_t count)
{
	int64_t ignored = count >> (2 * sq->bits);
	float low = select_kth(values, count, ignored);
	float high = select_kth(values, count, count - 1 - ignored);
	for (int64_t i = from; i < to; i++)
		set_range(sq, i, low, high);
}

/* Set ranges from the quantiles of a sample, every `every`-th vector. */
static kith_status train_quantile(struct codec_sq *sq, int64_t n, const float *x)
{
	int64_t dim = sq->codec.dim, width = sq->uniform ? dim : 1;
	int64_t every = 1 + (n - 1) / (SAMPLE / width), used = 1 + (n - 1) / every;
	float *values = mem_alloc((size_t)(used * width), sizeof *values);
	if (!values)
		return fail_nomem("training", (size_t)(used * width) * sizeof *values);
	for (int64_t from = 0; from < dim && !progress_stopped(); from += width) {
		for (int64_t i = 0; i < used; i++)
			memcpy(values + i * width, x + (size_t)(i * every) * (size_t)dim + from,
			    (size_t)width * sizeof *values);
		set_quantiles(sq, from, from + width, values, used * width);
	}
	mem_free(values);
	return KITH_OK;
}

/* Set ranges from the smallest and greatest values. Until set_range, diff has the greatest values. */
static void train_minmax(struct codec_sq *sq, int64_t n, const float *x)
{
	int64_t dim = sq->codec.dim;
	float *restrict low = sq->low, *restrict high = sq->diff;
	memcpy(low, x, (size_t)dim * sizeof *low);
	memcpy(high, x, (size_t)dim * sizeof *high);
	for (int64_t i = 1; i < n; i++) {
		const float *row = x + (size_t)i * (size_t)dim;
		if (i % LOOK == 0 && progress_stopped())
			return;
		for (int64_t j = 0; j < dim; j++) {
			low[j] = row[j] < low[j] ? row[j] : low[j];
			high[j] = row[j] > high[j] ? row[j] : high[j];
		}
	}
	float min = low[0], max = high[0];
	for (int64_t j = 1; j < dim; j++) {
		min = fminf(min, low[j]);
		max = fmaxf(max, high[j]);
	}
	for (int64_t j = 0; j < dim; j++)
		set_range(sq, j, sq->uniform ? min : low[j], sq->uniform ? max : high[j]);
}

static kith_status sq_train(struct codec *codec, int64_t n, const float *x, const kith_add_options *options)
{
	struct codec_sq *sq = sq_of(codec);
	struct progress progress;
	kith_status status = KITH_OK;
	size_t bytes = learnt_bytes(codec->dim, sq->bits);
	if (n < 1)
		return fail(KITH_INVALID, "n is %lld; training takes at least one vector", (long long)n);
	void *before = mem_alloc(bytes, 1);
	if (!before)
		return fail_nomem("training", bytes);
	memcpy(before, sq->low, bytes);
	progress_begin(&progress, options ? options->progress : NULL, options ? options->progress_data : NULL,
	    "ranges", n);
	if (sq->range == SQ_MINMAX)
		train_minmax(sq, n, x);
	else
		status = train_quantile(sq, n, x);
	kith_status told = progress_end(&progress);
	status = status ? status : told;
	if (status)
		memcpy(sq->low, before, bytes);
	else
		derive(sq);
	mem_free(before);
	return status;
}

/* ---- coding and scanning ---- */

static void sq_encode(const struct codec *codec, int64_t n, float *x, uint8_t *code)
{
	const struct codec_sq *sq = sq_of_const(codec);
	size_t size = codec->row_bytes;
	for (int64_t i = 0; i < n; i++)
		SQ_CALL(
		    sq, encode, , x + i * codec->dim, sq->low, sq->step, codec->dim, code + (size_t)i * size);
}

static void sq_decode(const struct codec *codec, const uint8_t *code, float *x)
{
	const struct codec_sq *sq = sq_of_const(codec);
	SQ_CALL(sq, decode, , code, sq->low, sq->step, codec->dim, x);
}

/* A query; a (or w) and then b follow, [sq_lanes] each. */
struct sq_query {
	float scale, constant;
	struct error_bound error_bound;
	bool by_product; /* the key is minus the inner product; else it is a squared distance */
	_Alignas(64) int16_t a[];
};

static size_t sq_query_bytes(const struct rows *rows)
{
	size_t lanes = (size_t)sq_lanes(sq_of_const(rows->codec)->bits, rows->dim);
	return sizeof(struct sq_query) + 2 * lanes * sizeof(int16_t);
}

/* The difference between element i and what code 0 stands for. */
static double offset_of(const struct codec_sq *sq, const float *q, int64_t i)
{
	return (double)q[i] - ((double)sq->low[i] + 0.5 * (double)sq->step[i]);
}

/* The largest difference between any element and what any code stands for. */
static double largest_difference(const struct codec_sq *sq, const float *q)
{
	double max = 0;
	for (int64_t i = 0; i < sq->codec.dim; i++) {
		double t = offset_of(sq, q, i);
		max = greater(max, fmax(fabs(t), fabs(t - (double)sq->step[i] * top_code(sq))));
	}
	return max;
}

static void begin_l2(const struct codec_sq *sq, const float *q, struct sq_query *query)
{
	uint16_t *b = (uint16_t *)query->a + sq_lanes(sq->bits, sq->codec.dim);
	double max = largest_difference(sq, q), err = 0;
	/* With this s, b fits into 16 bits. */
	double s = max > 0 ? max / difference_range(sq->codec.dim) : 1;
	for (int64_t i = 0; i < sq->codec.dim; i++) {
		int64_t lane = sq_lane(sq->bits, i);
		double exact_a = offset_of(sq, q, i) / s - 0.5, a = rint(exact_a);
		double exact_b = (double)sq->step[i] / s * (top_code(sq) + 1), round_b = rint(exact_b);
		double off = fabs(a - exact_a) + fabs(round_b - exact_b) + 0.5;
		query->a[lane] = (int16_t)a;
		b[lane] = (uint16_t)round_b;
		err += off * off;
	}
	query->scale = (float)(s * s);
	query->error_bound.root = (s * sqrt(err) + 0x1p-24 * sq->max_norm) * (1 + 1e-6);
	query->error_bound.rel = 0x1p-22;
}

static void begin_ip(const struct codec_sq *sq, const float *q, struct sq_query *query)
{
	double max = 0, constant = 0, norm = 0, sum = 0, rest = 0, half_top = 0.5 * top_code(sq);
	for (int64_t i = 0; i < sq->codec.dim; i++)
		max = greater(max, fabs((double)q[i] * (double)sq->step[i]));
	double range = floor(fmin(INT16_MAX, INT32_MAX / ((double)sq->codec.dim * top_code(sq))));
	double s = max > 0 ? max / range : 1;
	for (int64_t i = 0; i < sq->codec.dim; i++) {
		double x = (double)q[i], exact = x * (double)sq->step[i], w = rint(exact / s);
		double r = exact - s * w;
		query->a[sq_lane(sq->bits, i)] = (int16_t)w;
		constant += x * ((double)sq->low[i] + 0.5 * (double)sq->step[i]);
		norm += x * x;
		sum += r;
		rest += fabs(r);
	}
	constant += half_top * sum;
	query->scale = (float)s;
	query->constant = (float)constant;
	query->error_bound.abs =
	    (half_top * rest + 0x1p-24 * sqrt(norm) * sq->max_norm) * (1 + 1e-6) + 0x1p-21 * fabs(constant);
	query->error_bound.rel = 0x1p-21;
}

static void sq_bind(const struct rows *rows, const float *q, const struct metric *metric, void *state)
{
	struct sq_query *query = state;
	memset(query, 0, sq_query_bytes(rows));
	query->by_product = metric->product == PRODUCT_IP;
	(query->by_product ? begin_ip : begin_l2)(sq_of_const(rows->codec), q, query);
}

static void sums_to_keys(const struct sq_query *query, const int32_t *sum, int64_t n, float *key)
{
	for (int64_t i = 0; i < n; i++)
		key[i] = query->by_product ? -(query->constant + query->scale * (float)sum[i])
		                           : query->scale * (float)sum[i];
}

static void sq_keys(const struct rows *rows, const void *state, int64_t first, int64_t n, float *key)
{
	const struct codec_sq *sq = sq_of_const(rows->codec);
	const struct sq_query *query = state;
	const uint16_t *b = (const uint16_t *)query->a + sq_lanes(sq->bits, rows->dim);
	const char *codes = rows_at(rows, first);
	int32_t sum[ROWS_BLOCK];
	if (query->by_product)
		SQ_CALL(sq, ip, , query->a, codes, rows->stride, n, rows->dim, sum);
	else
		SQ_CALL(sq, l2sq, , query->a, b, codes, rows->stride, n, rows->dim, sum);
	sums_to_keys(query, sum, n, key);
}

static struct error_bound sq_bound(const struct rows *rows, const void *state, int64_t first, int64_t n)
{
	(void)rows, (void)first, (void)n;
	return ((const struct sq_query *)state)->error_bound;
}

static void sq_gather(const struct rows *rows, void *state, const uint32_t *pos, int64_t n, float *key)
{
	enum { PART = 64 };
	const struct codec_sq *sq = sq_of_const(rows->codec);
	const struct sq_query *query = state;
	const uint16_t *b = (const uint16_t *)query->a + sq_lanes(sq->bits, rows->dim);
	int32_t sum[PART];
	for (int64_t from = 0, count; from < n; from += count) {
		count = n - from < PART ? n - from : PART;
		if (query->by_product)
			SQ_CALL(sq, ip, _gather, query->a, rows->a, rows->stride, pos + from, count,
			    rows->dim, sum);
		else
			SQ_CALL(sq, l2sq, _gather, query->a, b, rows->a, rows->stride, pos + from, count,
			    rows->dim, sum);
		sums_to_keys(query, sum, count, key + from);
	}
}

/* ---- distances between rows ---- */

/* The code of element i in a row. */
static int code_at(const struct codec_sq *sq, const uint8_t *row, int64_t i)
{
	if (sq->bits == 8)
		return row[i];
	int64_t first = i * sq->bits, shift = first % 8;
	int word = row[first / 8];
	if (shift + sq->bits > 8)
		word |= row[first / 8 + 1] << 8;
	return word >> shift & top_code(sq);
}

/* For a, take what the kernel computes from the codes of a row, so that the distance of equal rows is 0. */
static void sq_bind_row(const struct rows *rows, int64_t row, const struct metric *metric, void *state)
{
	(void)metric; /* L2 is the only distance of product form */
	const struct codec_sq *sq = sq_of_const(rows->codec);
	const uint8_t *code = (const uint8_t *)rows_at(rows, row);
	struct sq_query *query = state;
	uint16_t *b = (uint16_t *)query->a + sq_lanes(sq->bits, rows->dim);
	memset(query, 0, sizeof *query);
	memset(query->a, 0, (size_t)sq_lanes(sq->bits, rows->dim) * sizeof *query->a);
	query->scale = sq->product_scale;
	memcpy(b, sq->product_b, (size_t)sq_lanes(sq->bits, rows->dim) * sizeof *b);
	for (int64_t i = 0; i < rows->dim; i++) {
		int64_t lane = sq_lane(sq->bits, i);
		query->a[lane] = (int16_t)((uint32_t)code_at(sq, code, i) * sq->product_b[lane] >> sq->bits);
	}
}

static const struct comparison sq_comparison = {.bytes = sq_query_bytes,
    .bind = sq_bind,
    .bind_row = sq_bind_row,
    .gather = sq_gather,
    .keys = sq_keys,
    .bound = sq_bound};

static const struct codec_ops sq_ops = {
    .type = KITH_F32,
    .normalizes = true,
    .planes = 1,
    .train = sq_train,
    .tag = "SQRG",
    .learnt = sq_learnt,
    .take = sq_take,
    .fresh = sq_fresh,
    .release = sq_release,
    .encode = sq_encode,
    .decode = sq_decode,
    .in_scan = &sq_comparison,
    .in_graph = &sq_comparison,
};
