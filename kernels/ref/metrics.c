/* The metrics that are compared in whole floats only, plain C: in float with the functions of the C library,
 * and in double with the same bits on every CPU, for which powers and logarithms are computed here, by
 * additions, multiplications and divisions in a fixed order.
 */
#include "kernels/ref/ref.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- float ---- */

static float at(const void *row, int64_t i)
{
	float v;
	memcpy(&v, (const char *)row + 4 * i, sizeof v);
	return v;
}

/* num / den where 0 / 0 is 0; NaN if one of them has overflowed. */
static float ratio(float num, float den)
{
	if (!(num <= FLT_MAX && den <= FLT_MAX))
		return NAN;
	return num == 0 ? 0 : num / den;
}

static float canberra(const float *q, const void *row, int64_t d)
{
	float sum = 0;
	for (int64_t i = 0; i < d; i++) {
		float y = at(row, i), size = fabsf(q[i]) + fabsf(y);
		sum += size > FLT_MAX ? NAN : size > 0 ? fabsf(q[i] - y) / size : 0;
	}
	return sum;
}

static float bray_curtis(const float *q, const void *row, int64_t d)
{
	float num = 0, den = 0;
	for (int64_t i = 0; i < d; i++) {
		num += fabsf(q[i] - at(row, i));
		den += fabsf(q[i] + at(row, i));
	}
	return ratio(num, den);
}

static float jaccard(const float *q, const void *row, int64_t d)
{
	float num = 0, den = 0;
	for (int64_t i = 0; i < d; i++) {
		num += fabsf(q[i] - at(row, i));
		den += fmaxf(q[i], at(row, i));
	}
	return ratio(num, den);
}

/* (1 + r) ln (1 + r) + (1 − r) ln (1 − r), 0 <= r <= 1, in which nothing may cancel: a series for small r. */
static float entropy(float r)
{
	float s = r * r;
	if (r > 0.5f)
		return (1 + r) * logf(1 + r) + (r < 1 ? (1 - r) * logf(1 - r) : 0);
	float h = 0;
	for (int k = 11; k > 0; k--)
		h = (h + 1 / (float)(k * (2 * k - 1))) * s;
	return h;
}

static float jensen_shannon(const float *q, const void *row, int64_t d)
{
	float sum = 0;
	for (int64_t i = 0; i < d; i++) {
		float y = at(row, i), size = q[i] + y;
		sum += size > FLT_MAX ? NAN : size > 0 ? size * entropy(fabsf(q[i] - y) / size) : 0;
	}
	return 0.25f * sum;
}

static float nan_euclidean(const float *q, const void *row, int64_t d)
{
	float sum = 0;
	int64_t both = 0;
	for (int64_t i = 0; i < d; i++) {
		float t = q[i] - at(row, i);
		sum += isnan(t) ? 0 : t * t;
		both += !isnan(t);
	}
	return both ? sum * ((float)d / (float)both) : INFINITY;
}

#define ROWS(op)                                                                                             \
	void op##_f32_ref(const float *q, const void *rows, size_t stride, int64_t n, int64_t d, float *out) \
	{                                                                                                    \
		for (int64_t i = 0; i < n; i++)                                                              \
			out[i] = op(q, (const char *)rows + (size_t)i * stride, d);                          \
	}

ROWS(canberra)
ROWS(bray_curtis)
ROWS(jensen_shannon)
ROWS(jaccard)
ROWS(nan_euclidean)

void lp_f32_ref(const float *q, const void *rows, size_t stride, int64_t n, int64_t d, float p, float *out)
{
	for (int64_t i = 0; i < n; i++) {
		float sum = 0;
		for (int64_t j = 0; j < d; j++)
			sum += powf(fabsf(q[j] - at((const char *)rows + (size_t)i * stride, j)), p);
		out[i] = sum;
	}
}

/* ---- double ---- */

enum { LANES = 32 };

/* Add the lanes as kernels.h says for exact sums. */
static double reduce(double lane[LANES])
{
	for (int w = LANES / 2; w > 0; w /= 2)
		for (int j = 0; j < w; j++)
			lane[j] += lane[j + w];
	return lane[0];
}

static double exact_ratio(double num, double den)
{
	return num == 0 ? 0 : num / den;
}

/* x > 0 and normal as m · 2^e with √½ <= m < √2. */
static double split_power(double x, double *e)
{
	uint64_t u;
	memcpy(&u, &x, sizeof u);
	const uint64_t root_half = 0x3fe6a09e667f3bcd, mask = 0xfff0000000000000;
	uint64_t power = (u - root_half) & mask;
	u -= power;
	double m;
	memcpy(&m, &u, sizeof m);
	int64_t exponent = (int64_t)power / ((int64_t)1 << 52);
	*e = (double)exponent;
	return m;
}

/* ln m for √½ <= m <= √2, and a little beyond: 2 artanh z with z = (m − 1) / (m + 1), |z| < 0.172. */
static double log_near_1(double m)
{
	double z = (m - 1) / (m + 1), s = z * z, sum = 0;
	for (int k = 11; k > 0; k--)
		sum = (sum + 1 / (double)(2 * k + 1)) * s;
	return 2 * z * (1 + sum);
}

static const double LN2 = 0x1.62e42fefa39efp-1;

static double log_exact(double x)
{
	double e, m = split_power(x, &e);
	return e * LN2 + log_near_1(m);
}

/* 2^y; 0 and ∞ beyond the range of normal numbers. */
static double exp2_exact(double y)
{
	if (!(y > -1022))
		return 0;
	if (y >= 1024)
		return INFINITY;
	double n = floor(y + 0.5), x = (y - n) * LN2, sum = 1;
	for (int k = 14; k > 0; k--)
		sum = 1 + sum * x / k;
	uint64_t u = (uint64_t)((int64_t)n + 1022) << 52; /* half of 2^n, which may be beyond the range */
	double half;
	memcpy(&half, &u, sizeof half);
	return n > -1022 ? sum * half * 2 : 0;
}

/* t^p for t >= 0: by multiplications and a root if 2p is a small integer. */
static double power_exact(double t, double p)
{
	enum { MOST = 16 };
	double twice = 2 * p;
	if (twice <= MOST && twice == floor(twice)) {
		double result = (int)twice % 2 ? sqrt(t) : 1;
		for (int i = 0; i < (int)twice / 2; i++)
			result *= t;
		return result;
	}
	if (!(t > 0))
		return 0;
	double e, m = split_power(t, &e);
	return exp2_exact(p * (e + log_near_1(m) / LN2));
}

static double exact_entropy(double r)
{
	double s = r * r, h = 0;
	if (r > 0.5)
		return (1 + r) * log_exact(1 + r) + (r < 1 ? (1 - r) * log_exact(1 - r) : 0);
	for (int k = 26; k > 0; k--)
		h = (h + 1 / (double)(k * (2 * k - 1))) * s;
	return h;
}

#define EACH_LANE for (int64_t i = 0, j = 0; i < d; i++, j = i % LANES)

double canberra_exact_ref(const float *x, const float *y, int64_t d)
{
	double lane[LANES] = {0};
	EACH_LANE
	{
		double a = (double)x[i], b = (double)y[i], size = fabs(a) + fabs(b);
		lane[j] += size > 0 ? fabs(a - b) / size : 0;
	}
	return reduce(lane);
}

double bray_curtis_exact_ref(const float *x, const float *y, int64_t d)
{
	double num[LANES] = {0}, den[LANES] = {0};
	EACH_LANE
	{
		num[j] += fabs((double)x[i] - (double)y[i]);
		den[j] += fabs((double)x[i] + (double)y[i]);
	}
	return exact_ratio(reduce(num), reduce(den));
}

double jaccard_exact_ref(const float *x, const float *y, int64_t d)
{
	double num[LANES] = {0}, den[LANES] = {0};
	EACH_LANE
	{
		num[j] += fabs((double)x[i] - (double)y[i]);
		den[j] += (double)(x[i] > y[i] ? x[i] : y[i]);
	}
	return exact_ratio(reduce(num), reduce(den));
}

double jensen_shannon_exact_ref(const float *x, const float *y, int64_t d)
{
	double lane[LANES] = {0};
	EACH_LANE
	{
		double a = (double)x[i], b = (double)y[i], size = a + b;
		lane[j] += size > 0 ? size * exact_entropy(fabs(a - b) / size) : 0;
	}
	return 0.25 * reduce(lane);
}

double nan_euclidean_exact_ref(const float *x, const float *y, int64_t d)
{
	double lane[LANES] = {0};
	int64_t both = 0;
	EACH_LANE
	{
		double t = (double)x[i] - (double)y[i];
		lane[j] += isnan(t) ? 0 : t * t;
		both += !isnan(t);
	}
	return both ? reduce(lane) * ((double)d / (double)both) : INFINITY;
}

double lp_exact_ref(const float *x, const float *y, int64_t d, float p)
{
	double lane[LANES] = {0};
	EACH_LANE
	lane[j] += power_exact(fabs((double)x[i] - (double)y[i]), (double)p);
	return reduce(lane);
}
