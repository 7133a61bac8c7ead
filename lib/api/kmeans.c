/* kith_kmeans: argument checks; lib/learn does the work. */
#include <kith/kmeans.h>

#include "kernels/kernels.h"
#include "lib/api/check.h"
#include "lib/base/status.h"
#include "lib/learn/kmeans.h"

static kith_status check_finite(const char *name, int64_t n, int64_t dim, const float *x)
{
	int64_t bad = kernels()->find_nonfinite(x, n * dim);
	if (bad < 0)
		return KITH_OK;
	return fail(KITH_INVALID, "%s: row %lld, component %lld is %g; it must be finite", name,
	    (long long)(bad / dim), (long long)(bad % dim), (double)x[bad]);
}

static kith_status check_centroids(int64_t dim, int64_t k, const float *centroids)
{
	if (k < 1 || k > INT32_MAX)
		return fail(KITH_INVALID, "k is %lld; it must be 1 … %d", (long long)k, INT32_MAX);
	return check_vectors("centroids", k, dim, KITH_F32, centroids);
}

kith_status kith_kmeans(int64_t dim, int64_t n, const float *x, int64_t k, float *centroids, int32_t *labels,
    int64_t *found, double *objective, const kith_kmeans_options *options)
{
	kith_kmeans_options full;
	kith_status status = check_dim(dim);
	if (status == KITH_OK)
		status = check_vectors("x", n, dim, KITH_F32, x);
	if (status == KITH_OK)
		status = check_centroids(dim, k, centroids);
	if (status == KITH_OK)
		status = check_kmeans_options(options, n, &full);
	if (status)
		return status;
	if (n < k && !full.fewer)
		return fail(KITH_INVALID,
		    "x: %lld point%s for %lld centroid%s; there must be at least as many points",
		    (long long)n, PLURAL(n), (long long)k, PLURAL(k));
	status = check_finite("x", n, dim, x);
	if (status == KITH_OK && full.init == KITH_KMEANS_GIVEN)
		status = check_finite("centroids", k, dim, centroids);
	return status ? status : kmeans_run(dim, n, x, k, centroids, labels, found, objective, &full);
}
