/* Placeholder until kmeans.c lands (weak symbol); to be deleted. */
#include "lib/learn/kmeans.h"
#include "lib/base/status.h"
__attribute__((weak)) kith_status kmeans_run(int64_t dim, int64_t n, const float *x, int64_t k, float *centroids, int32_t *labels, int64_t *found, double *objective, const kith_kmeans_options *options)
{
	(void)dim, (void)n, (void)x, (void)k, (void)centroids, (void)labels, (void)found, (void)objective, (void)options;
	return fail(KITH_UNSUPPORTED, "k-means is not built yet");
}
