/* The inner product ⟨q, x⟩, and the cosine, which is the inner product of vectors at unit length. By the
 * Cauchy-Schwarz inequality  |⟨q, x⟩ − ⟨q, x̂⟩| <= ‖q‖ ‖x − x̂‖,  and the absolute terms of the sum add up to
 * at most ‖q‖ ‖x̂‖. */
#include "lib/metric/metric.h"

#include <math.h>

static void ip_kernels(const struct kernels *kern, struct metric_kernels *m)
{
	METRIC_PRODUCT_KERNELS(m, kern, ip);
}

static struct error_bound ip_error_bound(int64_t dim, double qnorm, double err, double norm)
{
	return (struct error_bound){.abs = qnorm * (err + metric_rounding(dim) * norm)};
}

static double ip_radius(double key, int64_t dim)
{
	(void)key, (void)dim;
	return INFINITY;
}

const struct metric metric_ip = {
    .id = KITH_IP,
    .name = "ip",
    .faiss = 0,
    .similarity = true,
    .product = PRODUCT_IP,
    .kernels = ip_kernels,
    .error_bound = ip_error_bound,
    .radius = ip_radius,
};

const struct metric metric_cosine = {
    .id = KITH_COSINE,
    .name = "cosine",
    .faiss = 0,
    .similarity = true,
    .unit = true,
    .product = PRODUCT_IP,
    .kernels = ip_kernels,
    .error_bound = ip_error_bound,
    .radius = ip_radius,
};
