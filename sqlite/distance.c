/* Distances in double precision. The order of operations is fixed: four partial sums are added at the end,
 * so compilers can use vector instructions without changing a bit of the result. */
#include "distance.h"

#include <math.h>

#include "sqlite.h"

static double dot(int64_t n, const float *a, const float *b)
{
	double s[4] = {0};
	int64_t i = 0;
	for (; i + 4 <= n; i += 4) {
		for (int j = 0; j < 4; j++) {
			s[j] += (double)a[i + j] * (double)b[i + j];
		}
	}
	for (; i < n; i++) {
		s[0] += (double)a[i] * (double)b[i];
	}
	return (s[0] + s[1]) + (s[2] + s[3]);
}

static double l2sq(int64_t n, const float *a, const float *b)
{
	double s[4] = {0};
	int64_t i = 0;
	for (; i + 4 <= n; i += 4) {
		for (int j = 0; j < 4; j++) {
			double d = (double)a[i + j] - (double)b[i + j];
			s[j] += d * d;
		}
	}
	for (; i < n; i++) {
		double d = (double)a[i] - (double)b[i];
		s[0] += d * d;
	}
	return (s[0] + s[1]) + (s[2] + s[3]);
}

static double cosine(int64_t n, const float *a, const float *b)
{
	double aa = dot(n, a, a);
	double bb = dot(n, b, b);
	double cos = aa > 0 && bb > 0 ? dot(n, a, b) / sqrt(aa) / sqrt(bb) : 0;
	return fmin(fmax(cos, -1), 1);
}

static double l1(int64_t n, const float *a, const float *b)
{
	double s = 0;
	for (int64_t i = 0; i < n; i++) {
		s += fabs((double)a[i] - (double)b[i]);
	}
	return s;
}

static double linf(int64_t n, const float *a, const float *b)
{
	double s = 0;
	for (int64_t i = 0; i < n; i++) {
		s = fmax(s, fabs((double)a[i] - (double)b[i]));
	}
	return s;
}

double distance_between(kith_metric metric, int64_t dim, const float *a, const float *b)
{
	switch (metric) {
	case KITH_IP:
		return -dot(dim, a, b);
	case KITH_COSINE:
		return 1 - cosine(dim, a, b);
	case KITH_L1:
		return l1(dim, a, b);
	case KITH_LINF:
		return linf(dim, a, b);
	default:
		return l2sq(dim, a, b);
	}
}

double distance_similarity(kith_metric metric, double distance)
{
	return metric == KITH_IP ? -distance : metric == KITH_COSINE ? 1 - distance : 1 / (1 + distance);
}

double distance_from_score(kith_metric metric, float score)
{
	return metric == KITH_IP ? -(double)score : metric == KITH_COSINE ? 1 - (double)score : (double)score;
}

int metric_by_name(const char *name, kith_metric *metric)
{
	for (int m = KITH_L2; m <= KITH_LINF; m++) {
		if (sqlite3_stricmp(name, kith_metric_name((kith_metric)m)) == 0) {
			*metric = (kith_metric)m;
			return 1;
		}
	}
	return 0;
}
