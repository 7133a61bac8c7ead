/* RaBitQ (Gao & Long 2024; more bits: Gao, Gou, Xu, Yang, Long & Wong 2025). After the mean is subtracted and
 * the vector is rotated at random, all components have about the same distribution, whatever the data are, so
 * one uniform grid serves for all of them. The highest bit of a component is its sign, and each further bit
 * halves the cells of the grid. Training computes only the mean; it is 0 if it is negligible, as for the
 * residuals of an inverted file.
 *
 * Numbers. The direction u of a code should have the smallest possible angle to the vector o. It depends on
 * the width of the grid's cells: WIDTHS of them are tried, around the best one for normally distributed
 * components. Then one component after another is changed by one if that makes the angle smaller (code
 * adjustment, from CAQ in SAQ, 2025). All sums are computed in sixteen lanes in a fixed order, so codes are
 * the same on every CPU.
 *
 * Factors. A code stands for the vector f u. There are two useful factors f. f = ⟨u,o⟩ / ‖u‖² gives the point
 * of this direction that is nearest to o; it is used for L2. With f = ‖o‖² / ⟨u,o⟩, ⟨q, f u⟩ is an unbiased
 * estimate of ⟨q,o⟩ over random rotations (RaBitQ's estimator); it is used for inner product and cosine. In a
 * model with a dense rotation (200,000 SIFT vectors, 256 lists, nprobe 64, 300 queries, L2), recall@10 with
 * the first and the second factor is .556 and .440 at 1 bit, .775 and .759 at 2 bits, and .927 for both at 4
 * bits. RaBitQ's estimate of a squared distance, which uses the second factor and ‖o‖² in place of ‖f u‖²,
 * gives .572 at 1 bit, .778 at 2 and .926 at 4; but it is not the distance from any point, so exact search
 * could not rank by it.
 *
 * Vectors are scaled by a power of two before encoding, so that no square overflows or underflows.
 */
#include "lib/codec/rabitq.h"

#include "kernels/kernels.h"
#include "lib/base/progress.h"
#include "lib/base/rounding.h"
#include "lib/base/status.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
	LANES = 16,
	WIDTHS = 12,
	MAX_SEED = 1 << 23, /* of rotations; represented exactly by a float */
	STOP_CHECK = 4096   /* vectors between two checks for cancellation */
};

/* Largest magnitude of an element that is encoded. */
static const float LIMIT = 1e30F;

/* A mean whose square is below this fraction of the vectors' mean square is negligible, as that of
 * residuals. */
static const double NEGLIGIBLE_MEAN = 0.01;

static const struct codec_ops rabitq_ops;

static struct codec_rabitq *rabitq_of(struct codec *codec)
{
	return (struct codec_rabitq *)(void *)codec;
}

/* ---- creation ---- */

kith_status codec_new_rabitq(struct codec **out, int64_t dim, bool cosine, int bits, bool unbiased)
{
	if (bits < 1 || bits > RABITQ_MAX_BITS)
		return fail(KITH_INVALID, "RaBitQ has 1 … %d bits, not %d", RABITQ_MAX_BITS, bits);
	size_t bytes = sizeof(struct codec_rabitq) + ((size_t)dim + 1) * sizeof(float);
	struct codec_rabitq *r = mem_zalloc(bytes, 1);
	if (!r)
		return fail_nomem("a codec", bytes);
	r->bits = bits;
	r->groups = (dim + 7) / 8;
	r->unbiased = unbiased;
	r->codec = (struct codec){.ops = &rabitq_ops, .dim = dim, .cosine = cosine, .memory = bytes};
	r->codec.row_bytes = rabitq_factor_at(r) + (bits > 1 ? 2 : 1) * sizeof(float);
	strcpy(r->codec.word, "RaBitQ");
	if (bits > 1)
		sprintf(r->codec.word, "RaBitQ%d", bits);
	*out = &r->codec;
	return KITH_OK;
}

const struct codec_rabitq *codec_rabitq(const struct codec *codec)
{
	return codec->ops == &rabitq_ops ? rabitq_of_const(codec) : NULL;
}

static kith_status rabitq_fresh(struct codec **out, const struct codec *codec)
{
	const struct codec_rabitq *r = rabitq_of_const(codec);
	return codec_new_rabitq(out, codec->dim, codec->cosine, r->bits, r->unbiased);
}

static void rabitq_release(struct codec *codec)
{
	hadamard_free(&rabitq_of(codec)->rotation);
}

static const float *rabitq_learnt(const struct codec *codec, size_t *bytes)
{
	*bytes = ((size_t)codec->dim + 1) * sizeof(float);
	return rabitq_of_const(codec)->learnt;
}

static kith_status rabitq_take(struct codec *codec, const float *learnt)
{
	struct codec_rabitq *r = rabitq_of(codec);
	int64_t dim = codec->dim;
	struct hadamard rotation = {0};
	float seed = learnt[0];
	if (!(seed >= 0 && seed <= MAX_SEED) || seed != floorf(seed))
		return fail(KITH_INVALID, "RaBitQ: %g is not the seed of a rotation", (double)seed);
	for (int64_t i = 1; i <= dim; i++)
		if (!(fabsf(learnt[i]) <= LIMIT))
			return fail(KITH_INVALID, "RaBitQ: component %lld of the mean is %g",
			    (long long)(i - 1), (double)learnt[i]);
	if (seed > 0 && !hadamard_init(&rotation, dim, (uint64_t)seed))
		return fail_nomem("a rotation", (size_t)dim * 2 * HADAMARD_ROUNDS * sizeof(float));
	hadamard_free(&r->rotation);
	r->rotation = rotation;
	memmove(r->learnt, learnt, ((size_t)dim + 1) * sizeof *learnt);
	r->mean_norm = sqrt(kernels()->ip_exact(learnt + 1, learnt + 1, dim)) * (1 + 1e-12);
	r->codec.trained = true;
	r->codec.memory = sizeof *r + ((size_t)dim + 1) * sizeof(float) + hadamard_memory(&r->rotation);
	return KITH_OK;
}

static kith_status take_mean(struct codec *codec, uint64_t seed, const double *mean)
{
	float *learnt = mem_alloc((size_t)codec->dim + 1, sizeof *learnt);
	if (!learnt)
		return fail_nomem("training", ((size_t)codec->dim + 1) * sizeof *learnt);
	learnt[0] = (float)seed;
	for (int64_t i = 0; i < codec->dim; i++)
		learnt[i + 1] = (float)mean[i];
	kith_status status = rabitq_take(codec, learnt);
	mem_free(learnt);
	return status;
}

kith_status codec_rabitq_set(struct codec *codec, const float *mean)
{
	double *wide = mem_alloc((size_t)codec->dim, sizeof *wide);
	if (!wide)
		return fail_nomem("a mean", (size_t)codec->dim * sizeof *wide);
	for (int64_t i = 0; i < codec->dim; i++)
		wide[i] = (double)mean[i];
	kith_status status = take_mean(codec, 0, wide);
	mem_free(wide);
	return status;
}

/* ---- training ---- */

/* Compute the mean of the vectors; zero if it is negligible. */
static void find_mean(int64_t n, int64_t dim, const float *x, double *mean)
{
	double squares = 0, mean_square = 0;
	memset(mean, 0, (size_t)dim * sizeof *mean);
	for (int64_t i = 0; i < n; i++) {
		if (i % STOP_CHECK == 0 && progress_stopped())
			return;
		for (int64_t j = 0; j < dim; j++) {
			double value = (double)fmaxf(-LIMIT, fminf(x[i * dim + j], LIMIT));
			mean[j] += value;
			squares += value * value;
		}
	}
	for (int64_t j = 0; j < dim; j++) {
		mean[j] /= (double)n;
		mean_square += mean[j] * mean[j];
	}
	if (mean_square < NEGLIGIBLE_MEAN * squares / (double)n)
		memset(mean, 0, (size_t)dim * sizeof *mean);
}

static kith_status rabitq_train(
    struct codec *codec, int64_t n, const float *x, const kith_add_options *options)
{
	struct progress progress;
	if (n < 1)
		return fail(KITH_INVALID, "n is %lld; training takes at least one vector", (long long)n);
	double *mean = mem_alloc((size_t)codec->dim, sizeof *mean);
	if (!mean)
		return fail_nomem("training", (size_t)codec->dim * sizeof *mean);
	progress_begin(&progress, options ? options->progress : NULL, options ? options->progress_data : NULL,
	    "mean", n);
	find_mean(n, codec->dim, x, mean);
	kith_status status = progress_end(&progress);
	if (status == KITH_OK)
		status = take_mean(codec, 1 + (options ? options->seed : 0) % MAX_SEED, mean);
	mem_free(mean);
	return status;
}

/* ---- encoding ---- */

/* The best code so far of a vector o [dim]. */
struct best {
	double dot, square; /* ⟨u,o⟩, ‖u‖² */
	float steps;        /* the reciprocal of a cell's width */
};

static double lanes_sum(const float *lane)
{
	double sum = 0;
	for (int l = 0; l < LANES; l++)
		sum += (double)lane[l];
	return sum;
}

/* The number of a component, as a float. */
static inline float number_of(float o, float steps, float middle, float top)
{
	float c = o * steps + middle + 0.5F;
	c = c > 0 ? c : 0;
	c = c < top ? c : top;
	return (float)(int)c;
}

/* Compute the angle for a width of cells, and update the best one. Sums are over whole groups of lanes
 * first. */
static void try_width(const float *o, int64_t dim, int bits, float steps, struct best *best)
{
	const float top = (float)((1 << bits) - 1), middle = top / 2;
	float dot[LANES] = {0}, square[LANES] = {0};
	int64_t i = 0;
	for (; i + LANES <= dim; i += LANES)
		for (int l = 0; l < LANES; l++) {
			float u = number_of(o[i + l], steps, middle, top) - middle;
			dot[l] += u * o[i + l];
			square[l] += u * u;
		}
	for (int l = 0; i < dim; i++, l++) {
		float u = number_of(o[i], steps, middle, top) - middle;
		dot[l] += u * o[i];
		square[l] += u * u;
	}
	double d = lanes_sum(dot), s = lanes_sum(square);
	if (best->square == 0 || d * d * best->square > best->dot * best->dot * s)
		*best = (struct best){d, s, steps};
}

/* The best range of the grid for normally distributed components of variance 1, by bits (Max 1960). */
static const float RANGE[RABITQ_MAX_BITS + 1] = {0, 1, 1.99F, 2.34F, 2.68F, 3.01F, 3.33F, 3.64F, 3.94F};

static struct best find_width(const float *o, int64_t dim, int bits, double rms)
{
	struct best best = {0, 0, 1};
	float half = (float)(1 << (bits - 1));
	for (int w = 0; w < WIDTHS && (bits > 1 || w == 0); w++) {
		float range = RANGE[bits] * (0.64F + 0.06F * (float)w) * (float)rms;
		try_width(o, dim, bits, half / range, &best);
	}
	return best;
}

/* Change n numbers by one, up or down, where that makes the angle smaller. */
static void improve(const float *o, int64_t n, int bits, uint8_t *number, struct best *best)
{
	const float top = (float)((1 << bits) - 1), middle = top / 2;
	float dot = (float)best->dot, square = (float)best->square;
	for (int64_t i = 0; i < n; i++) {
		/* The direction in which the component of o exceeds that of the nearest multiple of u. */
		float u = (float)number[i] - middle, to = o[i] * square > u * dot ? 1 : -1;
		float d = dot + to * o[i], s = square + 2 * to * u + 1, next = (float)number[i] + to;
		if (next >= 0 && next <= top && d * d * square > dot * dot * s) {
			number[i] = (uint8_t)next;
			dot = d;
			square = s;
		}
	}
	best->dot = (double)dot;
	best->square = (double)square;
}

void rabitq_pack(const uint8_t number[8], int bits, uint8_t *code)
{
	uint64_t eight = 0;
	for (int j = 0; j < 8; j++)
		eight |= (uint64_t)number[j] << 8 * j;
	/* The product gathers the lowest bits of eight bytes in its top byte. */
	for (int b = 0; b < bits; b++)
		code[b] =
		    (uint8_t)((eight >> b & UINT64_C(0x0101010101010101)) * UINT64_C(0x0102040810204080) >>
		              56);
}

void rabitq_finish(const struct codec_rabitq *r, float factor, double square, uint8_t *code)
{
	float length = (float)(fabs((double)factor) * sqrt(square));
	code += rabitq_factor_at(r);
	memcpy(code, &factor, sizeof factor);
	if (r->bits > 1)
		memcpy(code + sizeof factor, &length, sizeof length);
}

/* Subtract the mean, limit the components, scale x so that its largest component is about 1, and rotate it.
 * Returns the exponent of the scale: the original vector was 2^exponent times as long. */
static int prepare(const struct codec_rabitq *r, float *x)
{
	const float *mean = r->learnt + 1;
	int64_t dim = r->codec.dim;
	float max = 0;
	int exponent = 0;
	for (int64_t i = 0; i < dim; i++) {
		float half = 0.5F * x[i] - 0.5F * mean[i];
		x[i] = half > LIMIT ? LIMIT : half < -LIMIT ? -LIMIT : half;
		max = fabsf(x[i]) > max ? fabsf(x[i]) : max;
	}
	frexpf(max, &exponent);
	/* Scale in two steps, because 2^-exponent may be too large for a float. */
	float scale = ldexpf(1, -exponent / 2), rest = ldexpf(1, -exponent - -exponent / 2);
	for (int64_t i = 0; i < dim; i++)
		x[i] = x[i] * scale * rest;
	if (r->rotation.dim)
		hadamard_forward(&r->rotation, x);
	return exponent + 1;
}

static void encode_one(const struct codec_rabitq *r, float *x, uint8_t *code)
{
	int64_t dim = r->codec.dim;
	const float top = (float)((1 << r->bits) - 1), middle = top / 2;
	int exponent = prepare(r, x);
	double own = kernels()->ip_exact(x, x, dim), dot = 0, square = 0;
	struct best best = {0, 0, 1};
	if (own > 0)
		best = find_width(x, dim, r->bits, sqrt(own / (double)dim));
	for (int64_t g = 0; g < r->groups; g++) {
		uint8_t number[8] = {0};
		int64_t n = dim - 8 * g < 8 ? dim - 8 * g : 8;
		for (int64_t i = 0; i < n; i++)
			number[i] = (uint8_t)number_of(x[8 * g + i], best.steps, middle, top);
		if (own > 0 && r->bits > 1)
			improve(x + 8 * g, n, r->bits, number, &best);
		for (int64_t i = 0; i < n; i++) {
			double u = (double)number[i] - (double)middle;
			dot += u * (double)x[8 * g + i];
			square += u * u;
		}
		rabitq_pack(number, r->bits, code + g * r->bits);
	}
	float factor = dot > 0 ? (float)ldexp(r->unbiased ? own / dot : dot / square, exponent) : 0;
	rabitq_finish(r, factor, square, code);
}

static void rabitq_encode(const struct codec *codec, int64_t n, float *x, uint8_t *code)
{
	for (int64_t i = 0; i < n; i++)
		encode_one(rabitq_of_const(codec), x + i * codec->dim, code + (size_t)i * codec->row_bytes);
}

/* ---- decoding ---- */

/* The bits of a group. A group is read before the components of the previous one are written, as the code and
 * the vector may overlap (load_blocked). */
static uint64_t group_bits(const struct codec_rabitq *r, const uint8_t *code, int64_t g)
{
	uint64_t bits = 0;
	if (g < r->groups)
		memcpy(&bits, code + g * r->bits, (size_t)r->bits);
	return bits;
}

static void rabitq_decode(const struct codec *codec, const uint8_t *code, float *x)
{
	const struct codec_rabitq *r = rabitq_of_const(codec);
	const float *mean = r->learnt + 1, middle = (float)rabitq_middle(r);
	float factor;
	memcpy(&factor, code + rabitq_factor_at(r), sizeof factor);
	uint64_t next = group_bits(r, code, 0);
	for (int64_t g = 0; g < r->groups; g++) {
		uint64_t bits = next;
		next = group_bits(r, code, g + 1);
		uint64_t number = rabitq_unpack(bits, r->bits);
		int64_t left = codec->dim - 8 * g;
		for (int64_t j = 0; j < (left < 8 ? left : 8); j++)
			x[8 * g + j] = ((float)(uint8_t)(number >> 8 * j) - middle) * factor;
	}
	if (r->rotation.dim)
		hadamard_inverse(&r->rotation, x);
	for (int64_t i = 0; i < codec->dim; i++)
		x[i] += mean[i];
}

/* ---- lengths ---- */

/* The length of the decoded row i without the mean. */
static float length_of(const struct codec_rabitq *r, const struct codes *codes, int64_t i)
{
	struct rows rows = codes_rows(codes);
	size_t at = rabitq_factor_at(r) + (r->bits > 1 ? sizeof(float) : 0);
	uint8_t byte[sizeof(float)];
	float value;
	for (size_t b = 0; b < sizeof byte; b++)
		byte[b] = (uint8_t)rows.a[rows_code_offset(&rows, i, at + b)];
	memcpy(&value, byte, sizeof value);
	return r->bits > 1 ? value : (float)(fabs((double)value) * sqrt((double)r->codec.dim) / 2);
}

/* Update the greatest length of each block. */
static void rabitq_renew(struct codes *codes, int64_t from, int64_t to)
{
	const struct codec_rabitq *r = rabitq_of_const(codes->codec);
	struct rows_bound *bounds = (struct rows_bound *)(void *)codes->bounds.data;
	for (int64_t i = from; i < to; i++) {
		struct rows_bound *bound = &bounds[i / ROWS_BLOCK];
		if (i % ROWS_BLOCK == 0)
			*bound = (struct rows_bound){0, 0};
		bound->norm = fmaxf(bound->norm, float_up((double)length_of(r, codes, i) * (1 + 1e-6)));
	}
}

/* Whether the length of a row is possible, and agrees with its bits and its factor. */
static bool row_is_good(const struct codec_rabitq *r, const struct codes *codes, int64_t i)
{
	struct rows rows = codes_rows(codes);
	const uint8_t *byte = (const uint8_t *)rows.a;
	uint8_t end[sizeof(float)];
	float factor;
	double square = 0, length = (double)length_of(r, codes, i);
	for (size_t b = 0; b < sizeof end; b++)
		end[b] = byte[rows_code_offset(&rows, i, rabitq_factor_at(r) + b)];
	memcpy(&factor, end, sizeof factor);
	for (int64_t j = 0; j < r->codec.dim && r->bits > 1; j++) {
		unsigned number = 0;
		for (int b = 0; b < r->bits; b++) {
			size_t at = (size_t)(j / 8 * r->bits + b);
			number |= (unsigned)(byte[rows_code_offset(&rows, i, at)] >> j % 8 & 1) << b;
		}
		double u = number - rabitq_middle(r);
		square += u * u;
	}
	double want = r->bits > 1 ? fabs((double)factor) * sqrt(square) : length;
	return length <= RABITQ_MAX_LENGTH && length >= want * (1 - 1e-5) &&
	       length <= want * (1 + 1e-5) + 1e-37;
}

static bool rabitq_finite(const struct codes *codes, int64_t from, int64_t to)
{
	for (int64_t i = from; i < to; i++)
		if (!row_is_good(rabitq_of_const(codes->codec), codes, i))
			return false;
	return true;
}

static const struct codec_ops rabitq_ops = {
    .type = KITH_F32,
    .normalizes = true,
    .unbiased = true,
    .blocked = true,
    .planes = 1,
    .limit = 1e30F,
    .train = rabitq_train,
    .tag = "RBQM",
    .learnt = rabitq_learnt,
    .take = rabitq_take,
    .fresh = rabitq_fresh,
    .release = rabitq_release,
    .renew = rabitq_renew,
    .finite = rabitq_finite,
    .encode = rabitq_encode,
    .decode = rabitq_decode,
    .in_scan = &rabitq_in_scan,
};
