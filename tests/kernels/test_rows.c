/* Kernels over rows: floats, halves and split floats within the bound of kernels.h, bytes equal to the
 * definition up to the greatest sums that fit; *_exact to the bit. */
#include "tests/kernels/test_kernels.h"

#include <math.h>
#include <string.h>

/* KITH_MAX_DIM: the longest row, whose sums of bytes must still be exact. */
enum { LONGEST = 32768 };

static struct {
	float q[MAX_LENGTH], f32[MAX_ROWS][MAX_LENGTH];
	/* The halves of f32 are as split makes them. */
	uint16_t bf16[MAX_ROWS][MAX_LENGTH], f16[MAX_ROWS][MAX_LENGTH];
	uint16_t upper[MAX_ROWS][MAX_LENGTH], lower[MAX_ROWS][MAX_LENGTH];
	unsigned char byte_q[MAX_LENGTH], bytes[MAX_ROWS][MAX_LENGTH];
} data;

static void fill(void)
{
	for (int i = 0; i < MAX_LENGTH; i++)
		data.q[i] = random_float();
	for (int r = 0; r < MAX_ROWS; r++)
		for (int i = 0; i < MAX_LENGTH; i++) {
			data.f32[r][i] = random_float();
			uint32_t u;
			memcpy(&u, &data.f32[r][i], sizeof u);
			data.bf16[r][i] = (uint16_t)(u >> 16);
			data.upper[r][i] = (uint16_t)((u + 0x8000) >> 16);
			data.lower[r][i] = (uint16_t)u;
			/* Exponents up to 2^0, the least normal and denormals among them. */
			data.f16[r][i] = (uint16_t)random_bits() & 0xbfff;
		}
	random_bytes(data.byte_q, sizeof data.byte_q);
	random_bytes(data.bytes, sizeof data.bytes);
}

static bool is_byte(enum elem elem)
{
	return elem == U8 || elem == I8;
}

static size_t size_of(const struct row_kernel *k)
{
	return is_byte(k->elem) ? 1 : k->elem == F32 && !k->split ? 4 : 2;
}

static double widen_bf16(uint16_t half)
{
	uint32_t u = (uint32_t)half << 16;
	float x;
	memcpy(&x, &u, sizeof x);
	return x;
}

static double widen_f16(uint16_t half)
{
	int exponent = half >> 10 & 31, fraction = half & 1023;
	double x = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
	return half & 0x8000 ? -x : x;
}

static double byte_value(enum elem elem, unsigned char byte)
{
	return elem == I8 ? (signed char)byte : byte;
}

static double value_at(enum elem elem, int r, int i)
{
	return elem == F32    ? (double)data.f32[r][i]
	       : elem == BF16 ? widen_bf16(data.bf16[r][i])
	       : elem == F16  ? widen_f16(data.f16[r][i])
	                      : byte_value(elem, data.bytes[r][i]);
}

static double term(enum op op, double x, double y)
{
	if (op == L1 || op == LINF)
		return fabs(x - y);
	return op == L2SQ ? (x - y) * (x - y) : op == IP ? x * y : y * y;
}

/* The true results for the first d elements of every row, and how far off a kernel may be. */
struct truth {
	double value[MAX_ROWS], bound[MAX_ROWS];
};

static void find_truth(const struct row_kernel *k, int d, struct truth *truth)
{
	for (int r = 0; r < MAX_ROWS; r++) {
		double sum = 0, magnitude = 0;
		for (int i = 0; i < d; i++) {
			double x = is_byte(k->elem) ? byte_value(k->elem, data.byte_q[i]) : data.q[i];
			double t = term(k->op, x, value_at(k->elem, r, i));
			sum = k->op == LINF ? fmax(sum, t) : sum + t;
			magnitude = k->op == LINF ? sum : magnitude + fabs(t);
		}
		truth->value[r] = sum;
		int roundings = k->op == LINF ? 1 : d + 8;
		truth->bound[r] = is_byte(k->elem) ? 0 : roundings * 0x1p-24 * magnitude;
	}
}

/* The arrays of one call, all but the result in guarded memory already. */
struct row_call {
	const void *q, *rows, *lower;
	size_t stride;
	const uint32_t *pos;
	int n, d;
};

/* Call the one that k has, and look at what it gives. */
static void try_call(const struct row_kernel *k, const struct row_call *c, const struct truth *truth)
{
	int n = c->n, d = c->d;
	void *out = guard_room(OUT, (size_t)n * sizeof(float));
	if (k->f32)
		k->f32(c->q, c->rows, c->stride, n, d, out);
	if (k->f32_gather)
		k->f32_gather(c->q, c->rows, c->stride, c->pos, n, d, out);
	if (k->split)
		k->split(c->q, c->rows, c->lower, c->stride, c->pos, n, d, out);
	if (k->norms)
		k->norms(c->rows, c->stride, n, d, out);
	if (k->i32)
		k->i32(c->q, c->rows, c->stride, n, d, out);
	if (k->i32_gather)
		k->i32_gather(c->q, c->rows, c->stride, c->pos, n, d, out);
	if (k->byte_norms)
		k->byte_norms(c->rows, c->stride, n, d, out);
	if (!guard_intact(OUT))
		kernel_fail("d = %d, n = %d: wrote before out", d, n);
	bool gathers = k->f32_gather || k->split || k->i32_gather;
	for (int i = 0; i < n; i++) {
		int r = gathers ? (int)c->pos[i] : i;
		double got = is_byte(k->elem) ? (double)((int32_t *)out)[i] : (double)((float *)out)[i];
		if (!(fabs(got - truth->value[r]) <= truth->bound[r]))
			kernel_fail("d = %d, n = %d, stride %zu, row %d: %.9g, not %.17g", d, n, c->stride, i,
			    got, truth->value[r]);
	}
}

static void try_rows(const struct row_kernel *k, size_t pad, int d, size_t shift, const struct truth *truth)
{
	const void *from = k->split          ? (const void *)data.upper
	                   : k->elem == F32  ? (const void *)data.f32
	                   : k->elem == BF16 ? (const void *)data.bf16
	                   : k->elem == F16  ? (const void *)data.f16
	                                     : (const void *)data.bytes;
	size_t size = size_of(k), step = MAX_LENGTH * size, width = (size_t)d * size;
	struct row_call c = {.stride = width + pad, .d = d};
	c.q = is_byte(k->elem) ? guard_put(Q, data.byte_q, (size_t)d, shift)
	                       : guard_put(Q, data.q, (size_t)d * sizeof *data.q, shift / 4 * 4);
	for (int count = 0; count < ROW_COUNT_COUNT; count++) {
		c.n = row_counts[count];
		c.rows = put_rows(ROWS, from, step, width, c.stride, c.n, shift);
		if (k->split)
			c.lower = put_rows(LOW, data.lower, step, width, c.stride, c.n, shift);
		c.pos = put_positions(c.n);
		try_call(k, &c, truth);
	}
}

/* All bytes of a row alike, at both ends of their range, in the longest row. */
static void try_extremes(const struct row_kernel *k)
{
	static const unsigned char ends[] = {0, 127, 128, 255};
	static unsigned char query[LONGEST], row[LONGEST];
	for (int i = 0; i < 16; i++) {
		memset(query, ends[i / 4], sizeof query);
		memset(row, ends[i % 4], sizeof row);
		struct row_call c = {.stride = LONGEST, .n = 1, .d = LONGEST};
		c.q = guard_put(Q, query, LONGEST, 0);
		c.rows = guard_put(ROWS, row, LONGEST, 0);
		c.pos = put_positions(1);
		double x = byte_value(k->elem, *query), y = byte_value(k->elem, *row);
		try_call(k, &c, &(struct truth){{LONGEST * term(k->op, x, y)}, {0}});
	}
}

void check_rows(const struct row_kernel *k)
{
	static const size_t shifts[] = {0, 1, 2, 3, 4, 10, 12}, pads[] = {7, 5, 13};
	fill();
	for (int l = 0; l < LENGTH_COUNT; l++) {
		struct truth truth;
		find_truth(k, lengths[l], &truth);
		for (int s = 0; s < 7; s++) {
			try_rows(k, 0, lengths[l], shifts[s], &truth);
			try_rows(k, pads[(l + s) % 3], lengths[l], shifts[s], &truth);
		}
		try_rows(k, FAR_APART, lengths[l], 0, &truth);
	}
	if (is_byte(k->elem))
		try_extremes(k);
}

/* The definition of kernels.h once more, lane by lane. */
static double define_exact(enum op op, const float *x, const float *y, int d)
{
	double lane[32] = {0};
	for (int i = 0; i < d; i++) {
		double t = (double)x[i] - (double)y[i];
		double *sum = &lane[i % 32];
		*sum = op == L2SQ   ? fma(t, t, *sum)
		       : op == IP   ? fma(x[i], y[i], *sum)
		       : op == LINF ? fmax(*sum, fabs(t))
		                    : *sum + fabs(t);
	}
	for (int w = 16; w > 0; w /= 2)
		for (int j = 0; j < w; j++)
			lane[j] = op == LINF ? fmax(lane[j], lane[j + w]) : lane[j] + lane[j + w];
	return lane[0];
}

void check_exact(kernel_exact_fn *kernel, enum op op)
{
	for (int round = 0; round < 8; round++) {
		fill();
		/* Magnitudes so far apart that the squares of differences need rounding. */
		for (int i = 0; i < MAX_LENGTH; i++)
			data.q[i] = ldexpf(data.q[i], (int)(random_bits() % 24) - 12);
		for (int l = 0; l < LENGTH_COUNT; l++) {
			int d = lengths[l];
			size_t bytes = (size_t)d * sizeof(float), shift = (size_t)round % 4 * 4;
			const float *x = guard_put(Q, data.q, bytes, shift);
			const float *y = guard_put(ROWS, data.f32[round], bytes, (12 - shift) % 8);
			double got = kernel(x, y, d), want = define_exact(op, x, y, d);
			if (memcmp(&got, &want, sizeof got))
				kernel_fail("d = %d: %a, not %a", d, got, want);
		}
	}
}
