/* Linf, the largest of the absolute differences: Chebyshev distance.
 *
 * It is at most the Euclidean distance, so that it changes by at most ‖x − x̂‖, and at least 1 / √d of it. It
 * has no product form, so that rows are scanned. */
#include "lib/metric/metric.h"

#include <math.h>

static void linf_kernels(const struct kernels *kern, struct metric_kernels *m)
{
	METRIC_FLOAT_KERNELS(m, kern, linf);
}

static struct error_bound linf_error_bound(int64_t dim, double qnorm, double err, double norm)
{
	(void)dim, (void)qnorm, (void)norm;
	return (struct error_bound){.abs = err, .rel = metric_rounding(1)};
}

static double linf_radius(double key, int64_t dim)
{
	return key * sqrt((double)dim);
}

const struct metric metric_linf = {
    .id = KITH_LINF,
    .name = "linf",
    .faiss = 3,
    .kernels = linf_kernels,
    .error_bound = linf_error_bound,
    .radius = linf_radius,
};
