/* What the two halves of the k-means suite share. */
#ifndef KITH_TESTS_KMEANS_H
#define KITH_TESTS_KMEANS_H

#include "tests/support/support.h"

#include <string.h>

/* Floats and doubles bit by bit: +0 and −0 differ, NaN is NaN. */
static inline bool same_bits(const void *a, const void *b, size_t bytes)
{
	return memcmp(a, b, bytes) == 0;
}

/* Options that run one iteration after the other to the end. */
kith_kmeans_options plain_options(int iterations);

/* n points around `clumps` centres in [−10, 10]; free() them. */
float *make_clumps(uint64_t seed, int64_t n, int64_t dim, int64_t clumps, float spread);

/* Σ of squared distances to the nearest centroid, in plain double arithmetic. */
double distortion(int64_t dim, int64_t n, const float *x, int64_t k, const float *centroids);

void add_edge_cases(Suite *suite);

#endif
