/* L1, the sum of the absolute differences: Manhattan distance.
 *
 * It is at least the Euclidean distance and at most √d times as large, so that it changes by at most
 * √d ‖x − x̂‖. It has no product form, so that rows are scanned. */
#include "lib/metric/metric.h"

#include <math.h>

static void l1_kernels(const struct kernels *kern, struct metric_kernels *m)
{
	METRIC_FLOAT_KERNELS(m, kern, l1);
}

static struct error_bound l1_error_bound(int64_t dim, double qnorm, double err, double norm)
{
	(void)qnorm, (void)norm;
	return (struct error_bound){
	    .abs = err * sqrt((double)dim) * (1 + 1e-12), .rel = metric_rounding(dim)};
}

static double l1_radius(double key, int64_t dim)
{
	(void)dim;
	return key;
}

const struct metric metric_l1 = {
    .id = KITH_L1,
    .name = "l1",
    .faiss = 2,
    .kernels = l1_kernels,
    .error_bound = l1_error_bound,
    .radius = l1_radius,
};
