/* k-means for the rest of the library. */
#ifndef KITH_LEARN_KMEANS_H
#define KITH_LEARN_KMEANS_H

#include <kith/kmeans.h>

/* kith_kmeans without the checks of its arguments; all members of options must be set. */
kith_status kmeans_run(int64_t dim, int64_t n, const float *x, int64_t k, float *centroids, int32_t *labels,
    int64_t *found, double *objective, const kith_kmeans_options *options);

#endif
