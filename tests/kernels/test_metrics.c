/* Kernels of the metrics that are compared in whole floats only: within the bounds of lib/metric of their
 * definition, which is computed here in long double; and the exact ones within 1e-13. */
#include "tests/kernels/test_kernels.h"

#include <math.h>
#include <string.h>

enum { ROWS_TRIED = 9 };

static float q[MAX_LENGTH], x[ROWS_TRIED][MAX_LENGTH];

static const float exponents[] = {0.3F, 0.5F, 1, 1.5F, 1.75F, 2, 3, 8, 9.5F};
enum { EXPONENTS = sizeof exponents / sizeof *exponents };

static float value(enum op op)
{
	float v = random_float();
	uint64_t kind = random_bits() % 16;
	if (kind == 0)
		return 0;
	if (op == NAN_EUCLIDEAN && kind == 1)
		return NAN;
	return op == JENSEN_SHANNON || op == JACCARD ? fabsf(v) : v;
}

/* The query, rows like it and unlike it, and the query itself. */
static void fill(enum op op)
{
	for (int i = 0; i < MAX_LENGTH; i++) {
		q[i] = value(op);
		for (int r = 0; r < ROWS_TRIED; r++)
			x[r][i] = r == 0 ? q[i] : r < 3 ? q[i] * (1 + 0x1p-8f * random_float()) : value(op);
	}
}

/* With r = (a − b) / (a + b), by the beginning of its series where the logarithms would cancel. */
static long double divergence(long double a, long double b)
{
	long double size = a + b, r = size > 0 ? fabsl(a - b) / size : 0, s = r * r;
	if (r < 1e-3L)
		return size / 4 * s * (1 + s / 6 + s * s / 15);
	return size / 4 * ((1 + r) * logl(1 + r) + (r < 1 ? (1 - r) * logl(1 - r) : 0));
}

static double define(enum op op, float p, const float *y, int d)
{
	long double num = 0, den = 0;
	for (int i = 0; i < d; i++) {
		long double a = q[i], b = y[i], apart = fabsl(a - b), size = fabsl(a) + fabsl(b);
		if (op == NAN_EUCLIDEAN && isnan(apart))
			continue;
		den += op == BRAY_CURTIS ? fabsl(a + b) : op == JACCARD ? fmaxl(a, b) : 1;
		num += op == CANBERRA         ? (size > 0 ? apart / size : 0)
		       : op == JENSEN_SHANNON ? divergence(a, b)
		       : op == NAN_EUCLIDEAN  ? apart * apart
		       : op == LP             ? powl(apart, p)
		                              : apart;
	}
	if (op == NAN_EUCLIDEAN)
		return den > 0 ? (double)(num * d / den) : INFINITY;
	if (op == BRAY_CURTIS || op == JACCARD)
		return num > 0 ? (double)(num / den) : 0;
	return (double)num;
}

/* How far a kernel may be off: see lib/metric. */
static double allowed(enum op op, float p, int d, double truth)
{
	double rounding = (d + 8) * 0x1p-24;
	if (op == LP)
		return truth * (rounding + ((double)p + 1) * 0x1p-16) + d * exp2(-126 * (double)p);
	if (op == JENSEN_SHANNON)
		return truth * (rounding + 0x1p-18);
	return truth * (2 * rounding + 0x1p-21);
}

static void check_value(double got, double truth, double off, enum op op, float p, int d, int row)
{
	bool right = isinf(truth) ? got == truth : fabs(got - truth) <= off;
	if (!right)
		kernel_fail("operation %d, p = %g, d = %d, row %d: %.12g, not %.17g", (int)op, (double)p, d,
		    row, got, truth);
}

static void try_rows(kernel_f32_fn *kernel, kernel_lp_fn *lp, enum op op, float p, int d, size_t shift)
{
	size_t width = (size_t)d * sizeof(float);
	const float *query = guard_put(Q, q, width, shift % 4 * 4);
	const void *rows = put_rows(ROWS, x, sizeof *x, width, width + shift, ROWS_TRIED, shift);
	float *out = guard_room(OUT, ROWS_TRIED * sizeof *out);
	if (lp)
		lp(query, rows, width + shift, ROWS_TRIED, d, p, out);
	else
		kernel(query, rows, width + shift, ROWS_TRIED, d, out);
	if (!guard_intact(OUT))
		kernel_fail("d = %d: wrote before out", d);
	for (int r = 0; r < ROWS_TRIED; r++) {
		double truth = define(op, p, x[r], d);
		check_value((double)out[r], truth, allowed(op, p, d, truth), op, p, d, r);
	}
}

void check_metric(kernel_f32_fn *kernel, kernel_lp_fn *lp, enum op op)
{
	fill(op);
	for (int l = 0; l < LENGTH_COUNT; l++)
		for (int e = 0; e < (lp ? EXPONENTS : 1); e++)
			try_rows(kernel, lp, op, lp ? exponents[e] : 0, lengths[l], (size_t)l % 14);
	/* Nothing to compare. */
	for (int i = 0; i < MAX_LENGTH; i++)
		for (int r = 0; r < ROWS_TRIED; r++)
			q[i] = x[r][i] = op == NAN_EUCLIDEAN ? NAN : 0;
	try_rows(kernel, lp, op, 2.5F, 40, 0);
}

void check_metric_exact(kernel_exact_fn *kernel, kernel_lp_exact_fn *lp, enum op op)
{
	fill(op);
	for (int l = 0; l < LENGTH_COUNT; l++)
		for (int e = 0; e < (lp ? EXPONENTS : 1); e++)
			for (int r = 0; r < ROWS_TRIED; r++) {
				int d = lengths[l];
				float p = exponents[e];
				size_t bytes = (size_t)d * sizeof(float);
				const float *a = guard_put(Q, q, bytes, 0),
				            *b = guard_put(ROWS, x[r], bytes, 4);
				double truth = define(op, p, x[r], d);
				double got = lp ? lp(a, b, d, p) : kernel(a, b, d);
				check_value(got, truth, 1e-13 * truth, op, p, d, r);
			}
}
