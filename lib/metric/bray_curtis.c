/* Bray–Curtis: Σ |x − y| / Σ |x + y|. It is 0 for two zero vectors, and infinite for x = −y. */
#include "lib/metric/metric.h"

#include <math.h>

static void bray_curtis_kernels(const struct kernels *kern, struct metric_kernels *m)
{
	METRIC_WHOLE_KERNELS(m, kern, bray_curtis);
}

static struct error_bound bray_curtis_bound(const struct metric *metric, int64_t dim)
{
	(void)metric;
	return (struct error_bound){.rel = 2 * metric_rounding(dim) + 0x1p-21};
}

static double bray_curtis_radius(double key, int64_t dim)
{
	(void)key, (void)dim;
	return INFINITY;
}

const struct metric metric_bray_curtis = {
    .id = KITH_BRAY_CURTIS,
    .name = "braycurtis",
    .faiss = 21,
    .whole = true,
    .kernels = bray_curtis_kernels,
    .whole_bound = bray_curtis_bound,
    .radius = bray_curtis_radius,
};
