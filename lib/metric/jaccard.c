/* Weighted Jaccard: the similarity Σ min(x, y) / Σ max(x, y) of vectors without negative elements, of which
 * larger is nearer; 1 for two zero vectors. For vectors of 0 and 1 it is the Jaccard index of sets.
 *
 * The key is 1 minus that, Σ |x − y| / Σ max(x, y), which is a distance, and is what edges of graphs need. */
#include "lib/metric/metric.h"

#include <math.h>

static void jaccard_kernels(const struct kernels *kern, struct metric_kernels *m)
{
	METRIC_WHOLE_KERNELS(m, kern, jaccard);
}

static struct error_bound jaccard_bound(const struct metric *metric, int64_t dim)
{
	(void)metric;
	return (struct error_bound){.rel = 2 * metric_rounding(dim) + 0x1p-21};
}

static double jaccard_radius(double key, int64_t dim)
{
	(void)key, (void)dim;
	return INFINITY;
}

const struct metric metric_jaccard = {
    .id = KITH_JACCARD,
    .name = "jaccard",
    .faiss = 23,
    .one_minus = true,
    .whole = true,
    .domain = DOMAIN_NOT_NEGATIVE,
    .kernels = jaccard_kernels,
    .whole_bound = jaccard_bound,
    .radius = jaccard_radius,
};
