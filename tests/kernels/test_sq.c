/* Codes of scalar quantizers: the same bits as the definition, here in other words. */
#include "tests/kernels/test_kernels.h"

#include <math.h>
#include <string.h>

static const int widths[] = {8, 6, 4};
enum { WIDTHS = 3 };

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

static size_t row_bytes(int bits, int d)
{
	return ((size_t)d * (size_t)bits + 7) / 8;
}

static void try_encode(kernel_sq_encode_fn *kernel, int bits, int d, size_t shift)
{
	size_t floats = (size_t)d * sizeof(float), bytes = row_bytes(bits, d);
	const float *x = guard_put(Q, data.x, floats, shift), *low = guard_put(LOW, data.low, floats, 0);
	const float *step = guard_put(SCALE, data.step, floats, shift);
	uint8_t *code = guard_room(OUT, bytes);
	kernel(x, low, step, d, code);
	for (int i = 0; i < d; i++)
		if (code_at(code, i, bits) != define_code(i, bits))
			kernel_fail("d = %d: element %d is %d, not %d", d, i, code_at(code, i, bits),
			    define_code(i, bits));
	if (d * bits % 8 && code[bytes - 1] >> d * bits % 8)
		kernel_fail("d = %d: the last bits are not 0", d);
	ck_assert(guard_intact(OUT));
}

void check_sq_encode(kernel_sq_encode_fn *kernel, int bits)
{
	for (int l = 0; l < LENGTH_COUNT; l++)
		for (size_t shift = 0; shift <= 4; shift += 4) {
			fill(bits);
			try_encode(kernel, bits, lengths[l], shift);
		}
}

static void try_decode(kernel_sq_decode_fn *kernel, int bits, int d, size_t shift)
{
	size_t floats = (size_t)d * sizeof(float);
	const float *low = guard_put(LOW, data.low, floats, 0);
	const float *step = guard_put(SCALE, data.step, floats, shift / 4 * 4);
	const uint8_t *code = guard_put(ROWS, data.rows[0], row_bytes(bits, d), shift);
	float *x = guard_room(OUT, floats);
	kernel(code, low, step, d, x);
	for (int i = 0; i < d; i++) {
		float want = fmaf(step[i], (float)code_at(code, i, bits) + 0.5f, low[i]);
		if (memcmp(&x[i], &want, sizeof want))
			kernel_fail("d = %d: element %d is %a, not %a", d, i, (double)x[i], (double)want);
	}
	ck_assert(guard_intact(OUT));
}

void check_sq_decode(kernel_sq_decode_fn *kernel, int bits)
{
	for (int l = 0; l < LENGTH_COUNT; l++)
		for (size_t shift = 0; shift <= 5; shift++) {
			fill(bits);
			try_decode(kernel, bits, lengths[l], shift);
		}
}

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
	int max = (int)fmin(30000, sqrt(2147483647.0 / (d > 0 ? d : 1)));
	int max_ip = (int)fmin(32767, 2147483647.0 / ((d > 0 ? d : 1) * (double)top));
	for (int i = 0; i < d; i++) {
		int64_t lane = sq_lane(bits, i);
		int sign = random_bits() & 1 ? 1 : -1;
		int a = extreme ? sign * max : (int)(random_bits() % (unsigned)(2 * max + 1)) - max;
		/* a − ⌊top · b / 2^bits⌋ >= −most */
		int b = (int)((int64_t)(a + max) * (top + 1) / top);
		operands.l2[lane] = (int16_t)a;
		operands.b[lane] = (uint16_t)(extreme ? b : b > 0 ? (int)(random_bits() % (unsigned)b) : 0);
		operands.ip[lane] =
		    (int16_t)(extreme ? sign * max_ip
		                      : (int)(random_bits() % (unsigned)(2 * max_ip + 1)) - max_ip);
	}
}

static void try_scan(const struct sq_scan *k, int d, int n, size_t pad, size_t shift)
{
	size_t lanes = (size_t)sq_lanes(k->bits, d) * 2, width = row_bytes(k->bits, d), stride = width + pad;
	const uint8_t *rows = put_rows(ROWS, data.rows, MAX_LENGTH, width, stride, n, shift);
	bool l2 = k->l2sq || k->l2sq_gather, gathers = k->l2sq_gather || k->ip_gather;
	const int16_t *a = guard_put(Q, l2 ? operands.l2 : operands.ip, lanes, shift / 2 * 2);
	const uint16_t *b = guard_put(SCALE, operands.b, lanes, 0);
	const uint32_t *pos = put_positions(n);
	int32_t *out = guard_room(OUT, (size_t)n * sizeof *out);
	if (k->l2sq)
		k->l2sq(a, b, rows, stride, n, d, out);
	if (k->ip)
		k->ip(a, rows, stride, n, d, out);
	if (k->l2sq_gather)
		k->l2sq_gather(a, b, rows, stride, pos, n, d, out);
	if (k->ip_gather)
		k->ip_gather(a, rows, stride, pos, n, d, out);
	ck_assert(guard_intact(OUT));
	for (int r = 0; r < n; r++) {
		const uint8_t *row = data.rows[gathers ? pos[r] : (uint32_t)r];
		int64_t sum = 0;
		for (int i = 0; i < d; i++) {
			int64_t lane = sq_lane(k->bits, i), c = code_at(row, i, k->bits);
			int64_t t = operands.l2[lane] - (c * operands.b[lane] >> k->bits);
			sum += l2 ? t * t : operands.ip[lane] * c;
		}
		if (out[r] != sum)
			kernel_fail("d = %d, n = %d, stride %zu, row %d: %d, not %lld", d, n, stride, r,
			    (int)out[r], (long long)sum);
	}
}

void check_sq_scan(const struct sq_scan *k)
{
	for (int l = 0; l < LENGTH_COUNT; l++)
		for (int c = 0; c < ROW_COUNT_COUNT; c++) {
			int d = lengths[l], n = row_counts[c];
			/* The check of long rows takes longest. */
			if (d > 300 && n > 5)
				continue;
			random_bytes(data.rows, sizeof data.rows);
			if (c % 2)
				memset(data.rows, c % 4 == 1 ? 0xff : 0, MAX_LENGTH);
			fill_operands(k->bits, d, c % 3 == 0);
			try_scan(k, d, n, 0, 0);
			try_scan(k, d, n, 7, (size_t)(l + c) % 14);
			if (c == ROW_COUNT_COUNT - 1)
				try_scan(k, d, n, FAR_APART, 0);
		}
}

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

TCase *sq_lane_tests(void)
{
	TCase *t = tcase_create("sq_lane");
	tcase_add_test(t, test_lanes);
	return t;
}
