/* Float rows: l2sq, ip and normsq within the bound of kernels.h; *_exact to the bit. */
#include "tests/kernels/test_kernels.h"

#include <math.h>
#include <string.h>

enum op { L2SQ, IP, NORMSQ };
enum elem { F32, BF16, F16 };
enum { MAX_PAD = 16 };

struct data {
	float q[MAX_LENGTH];
	float rows[MAX_ROWS][MAX_LENGTH];
	uint16_t bf16[MAX_ROWS][MAX_LENGTH], f16[MAX_ROWS][MAX_LENGTH];
};
static struct data data;

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

static void fill(void)
{
	for (int i = 0; i < MAX_LENGTH; i++)
		data.q[i] = random_float();
	for (int r = 0; r < MAX_ROWS; r++)
		for (int i = 0; i < MAX_LENGTH; i++) {
			data.rows[r][i] = random_float();
			uint32_t u;
			memcpy(&u, &data.rows[r][i], sizeof u);
			data.bf16[r][i] = (uint16_t)(u >> 16);
			/* Exponents up to 2^0, the least normal and denormals among them. */
			data.f16[r][i] = (uint16_t)random_bits() & 0xbfff;
		}
}

/* The true results for the first d elements of every row, and how far off a kernel may be. */
struct truth {
	double value[MAX_ROWS], bound[MAX_ROWS];
};

static double value_at(enum elem elem, int r, int i)
{
	return elem == F32    ? (double)data.rows[r][i]
	       : elem == BF16 ? widen_bf16(data.bf16[r][i])
	                      : widen_f16(data.f16[r][i]);
}

static void find_truth(enum op op, enum elem elem, int d, struct truth *truth)
{
	for (int r = 0; r < MAX_ROWS; r++) {
		double sum = 0, magnitude = 0;
		for (int i = 0; i < d; i++) {
			double x = data.q[i], y = value_at(elem, r, i);
			double t = op == L2SQ ? (x - y) * (x - y) : op == IP ? x * y : y * y;
			sum += t;
			magnitude += fabs(t);
		}
		truth->value[r] = sum;
		truth->bound[r] = (d + 8) * 0x1p-24 * magnitude;
	}
}

/* rows [n × d] at that stride, ending `shift` bytes before the unmapped page; bytes between rows are ones. */
static const void *put_rows(enum elem elem, size_t stride, int n, int d, size_t shift)
{
	static char image[MAX_ROWS * (MAX_LENGTH * 4 + MAX_PAD)];
	size_t width = (size_t)d * (elem == F32 ? 4 : 2);
	if (n == 0)
		return guard_put(ROWS, image, 0, shift);
	size_t bytes = (size_t)(n - 1) * stride + width;
	memset(image, 0xff, bytes);
	for (int r = 0; r < n; r++)
		memcpy(image + (size_t)r * stride,
		    elem == F32    ? (const void *)data.rows[r]
		    : elem == BF16 ? (const void *)data.bf16[r]
		                   : (const void *)data.f16[r],
		    width);
	return guard_put(ROWS, image, bytes, shift);
}

static void check_rows(
    const char *name, const float *out, const uint32_t *pos, int n, int d, const struct truth *truth)
{
	if (!guard_intact(OUT))
		ck_abort_msg("%s %s, d = %d, n = %d: wrote before out", kernels()->isa, name, d, n);
	for (int i = 0; i < n; i++) {
		int r = pos ? (int)pos[i] : i;
		if (!(fabs(out[i] - truth->value[r]) <= truth->bound[r]))
			ck_abort_msg("%s %s, d = %d, n = %d, row %d: %.9g, not %.17g", kernels()->isa, name,
			    d, n, i, out[i], truth->value[r]);
	}
}

static const uint32_t *put_positions(int n)
{
	uint32_t pos[MAX_ROWS];
	for (int i = 0; i < n; i++)
		pos[i] = (uint32_t)((i * 37 + n / 2) % n);
	return guard_put(POS, pos, (size_t)n * sizeof *pos, 0);
}

struct pair {
	const char *name;
	enum op op;
	enum elem elem;
	kernel_f32_fn *scan;
	kernel_f32_gather_fn *gather;
};

static void try_pair(const struct pair *p, size_t pad, int d, size_t shift, const struct truth *truth)
{
	size_t stride = (size_t)d * (p->elem == F32 ? 4 : 2) + pad;
	const float *q = guard_put(Q, data.q, (size_t)d * sizeof *q, shift / 4 * 4);
	for (int c = 0; c < ROW_COUNT_COUNT; c++) {
		int n = row_counts[c];
		const void *rows = put_rows(p->elem, stride, n, d, shift);
		float *out = guard_room(OUT, (size_t)n * sizeof *out);
		p->scan(q, rows, stride, n, d, out);
		check_rows(p->name, out, NULL, n, d, truth);
		const uint32_t *pos = put_positions(n);
		out = guard_room(OUT, (size_t)n * sizeof *out);
		p->gather(q, rows, stride, pos, n, d, out);
		check_rows(p->name, out, pos, n, d, truth);
	}
}

START_TEST(test_rows)
{
	struct kernels ref;
	const struct kernels *k = isa_table(_i, &ref);
	if (!k)
		return;
	fill();
	const struct pair pairs[] = {
	    {"l2sq_f32", L2SQ, F32, k->l2sq_f32, k->l2sq_f32_gather},
	    {"ip_f32", IP, F32, k->ip_f32, k->ip_f32_gather},
	    {"l2sq_bf16", L2SQ, BF16, k->l2sq_bf16, k->l2sq_bf16_gather},
	    {"ip_bf16", IP, BF16, k->ip_bf16, k->ip_bf16_gather},
	    {"l2sq_f16", L2SQ, F16, k->l2sq_f16, k->l2sq_f16_gather},
	    {"ip_f16", IP, F16, k->ip_f16, k->ip_f16_gather},
	};
	enum { PAIRS = sizeof pairs / sizeof *pairs };
	static const size_t pads[] = {0, 7}, shifts[] = {0, 1, 4, 10, 12};
	for (int l = 0; l < LENGTH_COUNT; l++)
		for (int p = 0; p < PAIRS; p++) {
			struct truth truth;
			find_truth(pairs[p].op, pairs[p].elem, lengths[l], &truth);
			for (int s = 0; s < 5; s++)
				for (int pad = 0; pad < 2; pad++)
					try_pair(&pairs[p], pads[pad], lengths[l], shifts[s], &truth);
		}
}
END_TEST

/* The lower halves lie in a slot of their own, at the same stride. */
static void try_split(const char *name, kernel_split_gather_fn *gather, size_t pad, int d, size_t shift,
    const struct truth *truth)
{
	static char upper[MAX_ROWS * (MAX_LENGTH * 2 + MAX_PAD)], lower[sizeof upper];
	size_t stride = (size_t)d * 2 + pad;
	const float *q = guard_put(Q, data.q, (size_t)d * sizeof *q, shift / 4 * 4);
	for (int c = 0; c < ROW_COUNT_COUNT; c++) {
		int n = row_counts[c];
		size_t bytes = n ? (size_t)(n - 1) * stride + (size_t)d * 2 : 0;
		memset(upper, 0xff, sizeof upper);
		memset(lower, 0xff, sizeof lower);
		for (int r = 0; r < n; r++)
			for (int i = 0; i < d; i++) {
				uint32_t u;
				memcpy(&u, &data.rows[r][i], sizeof u);
				uint16_t hi = (uint16_t)((u + 0x8000) >> 16), lo = (uint16_t)u;
				memcpy(upper + (size_t)r * stride + 2 * (size_t)i, &hi, sizeof hi);
				memcpy(lower + (size_t)r * stride + 2 * (size_t)i, &lo, sizeof lo);
			}
		const void *hi = guard_put(ROWS, upper, bytes, shift),
		           *lo = guard_put(LOW, lower, bytes, shift);
		const uint32_t *pos = put_positions(n);
		float *out = guard_room(OUT, (size_t)n * sizeof *out);
		gather(q, hi, lo, stride, pos, n, d, out);
		check_rows(name, out, pos, n, d, truth);
	}
}

START_TEST(test_split_gather)
{
	struct kernels ref;
	const struct kernels *k = isa_table(_i, &ref);
	if (!k)
		return;
	fill();
	static const size_t pads[] = {0, 7}, shifts[] = {0, 1, 10};
	for (int l = 0; l < LENGTH_COUNT; l++) {
		struct truth l2sq, ip;
		find_truth(L2SQ, F32, lengths[l], &l2sq);
		find_truth(IP, F32, lengths[l], &ip);
		for (int s = 0; s < 3; s++)
			for (int pad = 0; pad < 2; pad++) {
				try_split("l2sq_split_gather", k->l2sq_split_gather, pads[pad], lengths[l],
				    shifts[s], &l2sq);
				try_split("ip_split_gather", k->ip_split_gather, pads[pad], lengths[l],
				    shifts[s], &ip);
			}
	}
}
END_TEST

START_TEST(test_normsq)
{
	struct kernels ref;
	const struct kernels *k = isa_table(_i, &ref);
	if (!k)
		return;
	fill();
	const struct {
		const char *name;
		enum elem elem;
		void (*norm)(const void *rows, size_t stride, int64_t n, int64_t d, float *out);
	} norms[] = {{"normsq_f32", F32, k->normsq_f32}, {"normsq_bf16", BF16, k->normsq_bf16},
	    {"normsq_f16", F16, k->normsq_f16}};
	for (int at = 0; at < LENGTH_COUNT * 3; at++) {
		int d = lengths[at / 3], e = at % 3;
		struct truth truth;
		find_truth(NORMSQ, norms[e].elem, d, &truth);
		for (size_t shift = 0; shift < MAX_PAD; shift += 3)
			for (int c = 0; c < ROW_COUNT_COUNT; c++) {
				int n = row_counts[c];
				size_t stride = (size_t)d * (norms[e].elem == F32 ? 4 : 2) + shift;
				const void *rows = put_rows(norms[e].elem, stride, n, d, shift);
				float *out = guard_room(OUT, (size_t)n * sizeof *out);
				norms[e].norm(rows, stride, n, d, out);
				check_rows(norms[e].name, out, NULL, n, d, &truth);
			}
	}
}
END_TEST

/* The definition of kernels.h once more, lane by lane. */
static double define_exact(enum op op, const float *x, const float *y, int d)
{
	double lane[32] = {0};
	for (int i = 0; i < d; i++) {
		double t = (double)x[i] - (double)y[i];
		lane[i % 32] = op == L2SQ ? fma(t, t, lane[i % 32]) : fma(x[i], y[i], lane[i % 32]);
	}
	for (int w = 16; w > 0; w /= 2)
		for (int j = 0; j < w; j++)
			lane[j] += lane[j + w];
	return lane[0];
}

START_TEST(test_exact)
{
	struct kernels ref;
	const struct kernels *k = isa_table(_i, &ref);
	if (!k)
		return;
	for (int round = 0; round < 8; round++) {
		fill();
		/* Magnitudes so far apart that the squares of differences need rounding. */
		for (int i = 0; i < MAX_LENGTH; i++)
			data.q[i] = ldexpf(data.q[i], (int)(random_bits() % 24) - 12);
		for (int l = 0; l < LENGTH_COUNT; l++) {
			int d = lengths[l];
			size_t bytes = (size_t)d * sizeof(float), shift = (size_t)round % 4 * 4;
			const float *x = guard_put(Q, data.q, bytes, shift);
			const float *y = guard_put(ROWS, data.rows[round], bytes, (12 - shift) % 8);
			double got[2] = {k->l2sq_exact(x, y, d), k->ip_exact(x, y, d)};
			double want[2] = {define_exact(L2SQ, x, y, d), define_exact(IP, x, y, d)};
			if (memcmp(got, want, sizeof got))
				ck_abort_msg("%s, d = %d: %a %a, not %a %a", k->isa, d, got[0], got[1],
				    want[0], want[1]);
		}
	}
}
END_TEST

TCase *rows_tests(void)
{
	TCase *t = tcase_create("rows");
	tcase_add_loop_test(t, test_rows, 0, ISA_COUNT);
	tcase_add_loop_test(t, test_split_gather, 0, ISA_COUNT);
	tcase_add_loop_test(t, test_normsq, 0, ISA_COUNT);
	tcase_add_loop_test(t, test_exact, 0, ISA_COUNT);
	return t;
}
