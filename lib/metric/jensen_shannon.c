/* Jensen–Shannon divergence, in nats: ½ Σ (x ln (x / m) + y ln (y / m)) with m = (x + y) / 2. Elements are
 * not negative. They need not add up to 1, but are compared as they are.
 *
 * With r = (x − y) / (x + y) a term is (x + y) / 2 · h(r), h(r) = (1 + r) ln (1 + r) + (1 − r) ln (1 − r), in
 * which nothing cancels. */
#include "lib/metric/metric.h"

#include <math.h>

static void jensen_shannon_kernels(const struct kernels *kern, struct metric_kernels *m)
{
	METRIC_WHOLE_KERNELS(m, kern, jensen_shannon);
}

static struct error_bound jensen_shannon_bound(const struct metric *metric, int64_t dim)
{
	(void)metric;
	return (struct error_bound){.rel = metric_rounding(dim) + 0x1p-18};
}

static double jensen_shannon_radius(double key, int64_t dim)
{
	(void)key, (void)dim;
	return INFINITY;
}

const struct metric metric_jensen_shannon = {
    .id = KITH_JENSEN_SHANNON,
    .name = "jensenshannon",
    .faiss = 22,
    .whole = true,
    .domain = DOMAIN_NOT_NEGATIVE,
    .kernels = jensen_shannon_kernels,
    .whole_bound = jensen_shannon_bound,
    .radius = jensen_shannon_radius,
};
