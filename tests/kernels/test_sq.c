/* Halves and codes of scalar quantisers: the same bits as the definition, here in other words. */
#include "tests/kernels/test_kernels.h"

#include <math.h>
#include <string.h>

static const int widths[] = {8, 6, 4};
enum { WIDTHS = 3 };

static const struct sq_kernels *sq_of(const struct kernels *k, int bits)
{
	return bits == 8 ? &k->sq8 : bits == 6 ? &k->sq6 : &k->sq4;
}

/* ---- halves ---- */

static double half_value(int bf16, unsigned half)
{
	int fraction_bits = bf16 ? 7 : 10, least = bf16 ? -133 : -24;
	int exponent = (int)(half & 0x7fff) >> fraction_bits,
	    fraction = (int)half & ((1 << fraction_bits) - 1);
	double x =
	    exponent ? ldexp((1 << fraction_bits) + fraction, exponent - 1 + least) : ldexp(fraction, least);
	return half & 0x8000 ? -x : x;
}

/* x is half h if no neighbour of h is nearer, nor as near and even. */
static int rounds_to(int bf16, double x, unsigned h)
{
	const unsigned most = bf16 ? 0x7f7f : 0x7bff;
	unsigned magnitude = h & 0x7fff;
	double m = fabs(x), off = fabs(m - half_value(bf16, magnitude));
	if (magnitude > most || (h >> 15) != (unsigned)(signbit(x) != 0))
		return 0;
	if (m >= half_value(bf16, most))
		return magnitude == most;
	if (magnitude < most) {
		double above = half_value(bf16, magnitude + 1) - m;
		if (above < off || (above == off && magnitude % 2))
			return 0;
	}
	if (magnitude > 0) {
		double below = m - half_value(bf16, magnitude - 1);
		if (below < off || (below == off && magnitude % 2))
			return 0;
	}
	return 1;
}

/* Floats at, between and just off the halves. */
static void fill_for_halves(int bf16, float *x, int n, int turn)
{
	const int most = bf16 ? 0x7f7f : 0x7bff;
	for (int i = 0; i < n; i++) {
		unsigned h = (unsigned)random_bits() % (unsigned)most;
		if (i % 7 == turn % 7)
			h = i % 2 ? 0 : (unsigned)most - 1;
		double v = (half_value(bf16, h) + half_value(bf16, h + 1)) / 2;
		float f = (float)v;
		int way = (int)(random_bits() % 6);
		f = way == 0   ? nextafterf(f, INFINITY)
		    : way == 1 ? nextafterf(f, 0)
		    : way == 2 ? (float)half_value(bf16, h)
		    : way == 3 ? random_float() * (bf16 ? 3.4e38f : 1e5f)
		    : way == 4 ? random_float() * 0x1p-14f
		               : f;
		x[i] = random_bits() & 1 ? -f : f;
	}
	static const float extremes[] = {
	    3.4028235e38f, -3.4028235e38f, 65504, 65519.996f, -65520, 0, -0.0f, 1e-45f};
	if (n > 0)
		x[turn % n] = extremes[turn % 8];
}

START_TEST(test_narrow)
{
	struct kernels ref;
	const struct kernels *k = isa_table(_i, &ref);
	if (!k)
		return;
	for (int l = 0; l < LENGTH_COUNT * 2; l++)
		for (int turn = 0; turn < 16; turn++) {
			int n = lengths[l / 2], bf16 = l % 2;
			static float values[MAX_LENGTH];
			fill_for_halves(bf16, values, n, turn);
			const float *x = guard_put(Q, values, (size_t)n * sizeof *x, 0);
			char *half = guard_room(OUT, (size_t)n * 2);
			(bf16 ? k->narrow_bf16 : k->narrow_f16)(x, n, half);
			for (int i = 0; i < n; i++) {
				uint16_t h;
				memcpy(&h, half + 2 * i, sizeof h);
				if (!rounds_to(bf16, (double)x[i], h))
					ck_abort_msg("%s narrow_%sf16, n = %d: %a becomes %04x", k->isa,
					    bf16 ? "b" : "", n, (double)x[i], h);
			}
			ck_assert(guard_intact(OUT));
		}
}
END_TEST

/* Infinities and NaN have the largest exponent. */
static int widens_to(int bf16, unsigned half, float x)
{
	unsigned infinity = bf16 ? 0x7f80 : 0x7c00, magnitude = half & 0x7fff;
	if (magnitude > infinity)
		return isnan(x);
	double value = magnitude == infinity ? (double)INFINITY : half_value(bf16, magnitude);
	return (double)fabsf(x) == value && !signbit(x) == !(half & 0x8000);
}

/* All halves, in pieces of all lengths at odd addresses. */
START_TEST(test_widen_halves)
{
	struct kernels ref;
	const struct kernels *k = isa_table(_i, &ref);
	if (!k)
		return;
	for (int bf16 = 0; bf16 < 2; bf16++)
		for (unsigned from = 0, l = 0, n; from < 0x10000; from += n, l = (l + 1) % LENGTH_COUNT) {
			static uint16_t halves[MAX_LENGTH];
			n = (unsigned)lengths[l];
			for (unsigned i = 0; i < n; i++)
				halves[i] = (uint16_t)(from + i);
			const void *half = guard_put(Q, halves, n * 2, l % 3);
			float *x = guard_room(OUT, n * sizeof *x);
			(bf16 ? k->widen_bf16 : k->widen_f16)(half, n, x);
			for (unsigned i = 0; i < n; i++)
				if (!widens_to(bf16, halves[i], x[i]))
					ck_abort_msg("%s widen_%sf16, n = %u: %04x becomes %a", k->isa,
					    bf16 ? "b" : "", n, halves[i], (double)x[i]);
			ck_assert(guard_intact(OUT));
		}
}
END_TEST

/* ---- codes ---- */

static struct {
	float x[MAX_LENGTH], low[MAX_LENGTH], step[MAX_LENGTH];
	uint8_t rows[MAX_ROWS][MAX_LENGTH];
} data;

/* Values inside of, at the ends of and outside of ranges; some ranges are points. */
static void fill(int bits)
{
	float top = (float)((1 << bits) - 1);
	for (int i = 0; i < MAX_LENGTH; i++) {
		data.low[i] = random_float();
		data.step[i] = i % 11 == 3 ? 0 : ldexpf(fabsf(random_float()), -(int)(random_bits() % 30));
		float c = (float)((double)(random_bits() >> 40) * 0x1p-24) * (top + 2) - 1;
		int way = (int)(random_bits() % 8);
		c = way == 0 ? truncf(c) : way == 1 ? top : way == 2 ? 0 : c;
		data.x[i] = data.low[i] + c * data.step[i];
		if (way == 3)
			data.x[i] = i % 2 ? 3e38f : -3e38f;
	}
	random_bytes(data.rows, sizeof data.rows);
}

static int code_at(const uint8_t *row, int i, int bits)
{
	int code = 0;
	for (int b = 0; b < bits; b++)
		code |= (row[(i * bits + b) / 8] >> (i * bits + b) % 8 & 1) << b;
	return code;
}

static int define_code(int i, int bits)
{
	volatile float off = data.x[i] - data.low[i]; /* rounded */
	double t = (double)(float)(off / data.step[i]);
	if (!(t > 0))
		return 0;
	return t > (1 << bits) - 1 ? (1 << bits) - 1 : (int)t;
}

static void try_encode(const struct kernels *k, int bits, int d, size_t shift)
{
	size_t floats = (size_t)d * sizeof(float), bytes = ((size_t)d * (size_t)bits + 7) / 8;
	const float *x = guard_put(Q, data.x, floats, shift), *low = guard_put(LOW, data.low, floats, 0);
	const float *step = guard_put(SCALE, data.step, floats, shift);
	uint8_t *code = guard_room(OUT, bytes);
	sq_of(k, bits)->encode(x, low, step, d, code);
	for (int i = 0; i < d; i++)
		if (code_at(code, i, bits) != define_code(i, bits))
			ck_abort_msg("%s encode, %d bits, d = %d: element %d is %d, not %d", k->isa, bits, d,
			    i, code_at(code, i, bits), define_code(i, bits));
	if (d * bits % 8 && code[bytes - 1] >> d * bits % 8)
		ck_abort_msg("%s encode, %d bits, d = %d: the last bits are not 0", k->isa, bits, d);
	ck_assert(guard_intact(OUT));
	uint8_t copy[MAX_LENGTH];
	memcpy(copy, data.rows[0], bytes);
	const uint8_t *from = guard_put(ROWS, copy, bytes, shift / 2);
	float *back = guard_room(OUT2, floats);
	sq_of(k, bits)->decode(from, low, step, d, back);
	for (int i = 0; i < d; i++) {
		float want = fmaf(step[i], (float)code_at(from, i, bits) + 0.5f, low[i]);
		if (memcmp(&back[i], &want, sizeof want))
			ck_abort_msg("%s decode, %d bits, d = %d: element %d is %a, not %a", k->isa, bits, d,
			    i, (double)back[i], (double)want);
	}
	ck_assert(guard_intact(OUT2));
}

START_TEST(test_encode_decode)
{
	struct kernels ref;
	const struct kernels *k = isa_table(_i, &ref);
	if (!k)
		return;
	for (int w = 0; w < WIDTHS; w++)
		for (int l = 0; l < LENGTH_COUNT; l++)
			for (size_t shift = 0; shift <= 4; shift += 4) {
				fill(widths[w]);
				try_encode(k, widths[w], lengths[l], shift);
			}
}
END_TEST

/* The operands of a scan: as large as its sums allow, or of any size below that; places without an element
 * are 0. */
static struct {
	int16_t l2[2 * MAX_LENGTH], ip[2 * MAX_LENGTH];
	uint16_t b[2 * MAX_LENGTH];
} operands;

static void fill_operands(int bits, int d, int extreme)
{
	memset(&operands, 0, sizeof operands);
	int top = (1 << bits) - 1;
	int most = (int)fmin(30000, sqrt(2147483647.0 / (d > 0 ? d : 1)));
	int most_ip = (int)fmin(32767, 2147483647.0 / ((d > 0 ? d : 1) * (double)top));
	for (int i = 0; i < d; i++) {
		int64_t lane = sq_lane(bits, i);
		int sign = random_bits() & 1 ? 1 : -1;
		int a = extreme ? sign * most : (int)(random_bits() % (unsigned)(2 * most + 1)) - most;
		/* a − ⌊top · b / 2^bits⌋ >= −most */
		int b = (int)((int64_t)(a + most) * (top + 1) / top);
		operands.l2[lane] = (int16_t)a;
		operands.b[lane] = (uint16_t)(extreme ? b : b > 0 ? (int)(random_bits() % (unsigned)b) : 0);
		operands.ip[lane] =
		    (int16_t)(extreme ? sign * most_ip
		                      : (int)(random_bits() % (unsigned)(2 * most_ip + 1)) - most_ip);
	}
}

static void check_sums(
    const char *name, const int32_t *out, int l2, const uint8_t *rows, size_t stride, int n, int d, int bits)
{
	for (int r = 0; r < n; r++) {
		int64_t sum = 0;
		for (int i = 0; i < d; i++) {
			int64_t lane = sq_lane(bits, i), c = code_at(rows + (size_t)r * stride, i, bits);
			int64_t t = operands.l2[lane] - (c * operands.b[lane] >> bits);
			sum += l2 ? t * t : operands.ip[lane] * c;
		}
		if (out[r] != sum)
			ck_abort_msg("%s %s, %d bits, d = %d, n = %d, row %d: %d, not %lld", kernels()->isa,
			    name, bits, d, n, r, (int)out[r], (long long)sum);
	}
}

static void reverse(int32_t *x, int n)
{
	for (int i = 0; i < n / 2; i++) {
		int32_t t = x[i];
		x[i] = x[n - 1 - i];
		x[n - 1 - i] = t;
	}
}

static void try_scan(const struct kernels *k, int bits, int d, int n, size_t pad, size_t shift)
{
	size_t lanes = (size_t)sq_lanes(bits, d) * 2, width = ((size_t)d * (size_t)bits + 7) / 8;
	size_t stride = width + pad;
	static uint8_t image[MAX_ROWS * (MAX_LENGTH + 16)];
	memset(image, 0xff, sizeof image);
	for (int r = 0; r < n; r++)
		memcpy(image + (size_t)r * stride, data.rows[r], width);
	size_t bytes = n ? (size_t)(n - 1) * stride + width : 0;
	const uint8_t *rows = guard_put(ROWS, image, bytes, shift);
	const int16_t *a = guard_put(Q, operands.l2, lanes, shift / 2 * 2);
	const uint16_t *b = guard_put(SCALE, operands.b, lanes, 0);
	int32_t *out = guard_room(OUT, (size_t)n * sizeof *out);
	sq_of(k, bits)->l2sq(a, b, rows, stride, n, d, out);
	check_sums("l2sq", out, 1, rows, stride, n, d, bits);
	ck_assert(guard_intact(OUT));
	/* Gathered backwards: row n − 1 comes first. */
	uint32_t pos[MAX_ROWS];
	for (int r = 0; r < n; r++)
		pos[r] = (uint32_t)(n - 1 - r);
	const uint32_t *order = guard_put(POS, pos, (size_t)n * sizeof *pos, 0);
	out = guard_room(OUT, (size_t)n * sizeof *out);
	sq_of(k, bits)->l2sq_gather(a, b, rows, stride, order, n, d, out);
	reverse(out, n);
	check_sums("l2sq_gather", out, 1, rows, stride, n, d, bits);
	ck_assert(guard_intact(OUT));
	a = guard_put(Q, operands.ip, lanes, shift / 2 * 2);
	out = guard_room(OUT, (size_t)n * sizeof *out);
	sq_of(k, bits)->ip(a, rows, stride, n, d, out);
	check_sums("ip", out, 0, rows, stride, n, d, bits);
	ck_assert(guard_intact(OUT));
	out = guard_room(OUT, (size_t)n * sizeof *out);
	sq_of(k, bits)->ip_gather(a, rows, stride, order, n, d, out);
	reverse(out, n);
	check_sums("ip_gather", out, 0, rows, stride, n, d, bits);
	ck_assert(guard_intact(OUT));
}

START_TEST(test_scan)
{
	struct kernels ref;
	const struct kernels *k = isa_table(_i, &ref);
	if (!k)
		return;
	for (int l = 0; l < LENGTH_COUNT * WIDTHS; l++)
		for (int c = 0; c < ROW_COUNT_COUNT; c++) {
			int d = lengths[l / WIDTHS], bits = widths[l % WIDTHS], n = row_counts[c];
			/* The check of long rows takes longest. */
			if (d > 300 && n > 5)
				continue;
			random_bytes(data.rows, sizeof data.rows);
			if (c % 2)
				memset(data.rows, c % 4 == 1 ? 0xff : 0, MAX_LENGTH);
			fill_operands(bits, d, c % 3 == 0);
			try_scan(k, bits, d, n, 0, 0);
			try_scan(k, bits, d, n, 7, (size_t)(l + c) % 14);
		}
}
END_TEST

/* Every element has a place of its own. */
START_TEST(test_lanes)
{
	for (int l = 0; l < LENGTH_COUNT * WIDTHS; l++) {
		int d = lengths[l / WIDTHS], bits = widths[l % WIDTHS];
		static char taken[2 * MAX_LENGTH];
		memset(taken, 0, sizeof taken);
		for (int i = 0; i < d; i++) {
			int64_t lane = sq_lane(bits, i);
			ck_assert(lane >= 0 && lane < sq_lanes(bits, d) && !taken[lane]++);
		}
	}
}
END_TEST

TCase *sq_tests(void)
{
	TCase *t = tcase_create("sq");
	tcase_add_loop_test(t, test_narrow, 0, ISA_COUNT);
	tcase_add_loop_test(t, test_widen_halves, 0, ISA_COUNT);
	tcase_add_loop_test(t, test_encode_decode, 0, ISA_COUNT);
	tcase_add_loop_test(t, test_scan, 0, ISA_COUNT);
	tcase_add_test(t, test_lanes);
	return t;
}
