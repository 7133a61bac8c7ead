/* Squared Euclidean distance of vectors in which NaN stands for a missing value. The sum over the elements
 * that both have is scaled up to all: d / m · Σ (x − y)², where both have m of d elements, and is infinite
 * for m = 0. */
#include "lib/metric/metric.h"

#include <math.h>

static void nan_euclidean_kernels(const struct kernels *kern, struct metric_kernels *m)
{
	METRIC_WHOLE_KERNELS(m, kern, nan_euclidean);
}

static struct error_bound nan_euclidean_bound(const struct metric *metric, int64_t dim)
{
	(void)metric;
	return (struct error_bound){.rel = metric_rounding(dim) + 0x1p-21};
}

static double nan_euclidean_radius(double key, int64_t dim)
{
	(void)key, (void)dim;
	return INFINITY;
}

const struct metric metric_nan_euclidean = {
    .id = KITH_NAN_EUCLIDEAN,
    .name = "naneuclidean",
    .faiss = 24,
    .whole = true,
    .domain = DOMAIN_MISSING,
    .kernels = nan_euclidean_kernels,
    .whole_bound = nan_euclidean_bound,
    .radius = nan_euclidean_radius,
};
