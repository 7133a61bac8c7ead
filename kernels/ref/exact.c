/* Double-precision distances whose bits are the same everywhere.
 *
 * Rounding depends on the order of the operations, so that kernels.h specifies it: 32 lanes, enough to fill
 * the widest registers, and then a tree. fma() is correctly rounded with or without hardware for it.
 */
#include "kernels/ref/ref.h"

#include "lib/base/rounding.h"

#include <math.h>

enum { LANES = 32 };

static double reduce(double lane[LANES])
{
	for (int w = LANES / 2; w > 0; w /= 2)
		for (int j = 0; j < w; j++)
			lane[j] += lane[j + w];
	return lane[0];
}

double l2sq_exact_ref(const float *x, const float *y, int64_t d)
{
	double lane[LANES] = {0};
	for (int64_t i = 0; i < d; i++) {
		double t = (double)x[i] - (double)y[i];
		lane[i % LANES] = fma(t, t, lane[i % LANES]);
	}
	return reduce(lane);
}

double ip_exact_ref(const float *x, const float *y, int64_t d)
{
	double lane[LANES] = {0};
	for (int64_t i = 0; i < d; i++)
		lane[i % LANES] = fma((double)x[i], (double)y[i], lane[i % LANES]);
	return reduce(lane);
}

double l1_exact_ref(const float *x, const float *y, int64_t d)
{
	double lane[LANES] = {0};
	for (int64_t i = 0; i < d; i++)
		lane[i % LANES] += fabs((double)x[i] - (double)y[i]);
	return reduce(lane);
}

double linf_exact_ref(const float *x, const float *y, int64_t d)
{
	double max = 0;
	for (int64_t i = 0; i < d; i++)
		max = greater(max, fabs((double)x[i] - (double)y[i]));
	return max;
}
