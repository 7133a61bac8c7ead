/* See distance.h. */
#include "distance.h"

#include <math.h>

/* By the library itself. NaN: it does not compare such vectors. */
static double library_distance(kith_metric metric, const float *q, const float *x, int64_t dim)
{
	float dist;
	int64_t id;
	kith_status status = kith_knn(dim, metric, KITH_F32, 1, x, 1, q, 1, &dist, &id, NULL);
	return status == KITH_OK ? (double)dist : (double)NAN;
}

double distance(kith_metric metric, const float *q, const float *x, int64_t dim)
{
	if (metric < KITH_L2 || metric > KITH_LINF)
		return library_distance(metric, q, x, dim);
	double sum = 0, l1 = 0, max = 0, l2sq = 0, qq = 0, xx = 0;
	for (int64_t i = 0; i < dim; i++) {
		double a = (double)q[i], b = (double)x[i];
		sum += a * b;
		l1 += fabs(a - b);
		max = fmax(max, fabs(a - b));
		l2sq += (a - b) * (a - b);
		qq += a * a;
		xx += b * b;
	}
	if (metric != KITH_COSINE)
		return metric == KITH_IP ? sum : metric == KITH_L1 ? l1 : metric == KITH_LINF ? max : l2sq;
	return qq > 0 && xx > 0 ? sum / sqrt(qq * xx) : 0;
}
