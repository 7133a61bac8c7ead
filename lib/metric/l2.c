/* The squared Euclidean distance ‖q − x‖². By the triangle inequality its root changes by at most ‖x −
 * x̂‖. */
#include "lib/metric/metric.h"

#include <math.h>

static void l2_kernels(const struct kernels *kern, struct metric_kernels *m)
{
	METRIC_PRODUCT_KERNELS(m, kern, l2sq);
}

static struct error_bound l2_error_bound(int64_t dim, double qnorm, double err, double norm)
{
	(void)qnorm, (void)norm;
	return (struct error_bound){.root = err, .rel = metric_rounding(dim)};
}

static double l2_radius(double key, int64_t dim)
{
	(void)dim;
	return sqrt(key);
}

const struct metric metric_l2 = {
    .id = KITH_L2,
    .name = "l2",
    .faiss = 1,
    .product = PRODUCT_L2,
    .kernels = l2_kernels,
    .error_bound = l2_error_bound,
    .radius = l2_radius,
};
