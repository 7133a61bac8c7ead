/* Canberra: Σ |x − y| / (|x| + |y|), in which a term of two zeros is 0. Each term is 0 … 1, whatever the size
 * of the elements, so that rounding them to upper halves would cost as much as it saves. */
#include "lib/metric/metric.h"

#include <math.h>

static void canberra_kernels(const struct kernels *kern, struct metric_kernels *m)
{
	METRIC_WHOLE_KERNELS(m, kern, canberra);
}

static struct error_bound canberra_bound(const struct metric *metric, int64_t dim)
{
	(void)metric;
	return (struct error_bound){.rel = metric_rounding(dim) + 0x1p-21};
}

static double canberra_radius(double key, int64_t dim)
{
	(void)key, (void)dim;
	return INFINITY;
}

const struct metric metric_canberra = {
    .id = KITH_CANBERRA,
    .name = "canberra",
    .faiss = 20,
    .whole = true,
    .kernels = canberra_kernels,
    .whole_bound = canberra_bound,
    .radius = canberra_radius,
};
