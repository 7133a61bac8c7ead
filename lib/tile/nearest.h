/* The nearest of a set of rows for very many points, as k-means, inverted files and product quantizers need
 * it. */
#ifndef KITH_TILE_NEAREST_H
#define KITH_TILE_NEAREST_H

#include <stdbool.h>
#include <stdint.h>

#include <kith/status.h>

#include "lib/base/progress.h"
#include "lib/metric/metric.h"
#include "lib/tile/rows.h"

/* The rows that points are compared with, and how. */
struct nearest {
	const float *rows; /* [k × dim] finite; 1 <= k <= INT32_MAX */
	int64_t k, dim;
	const struct metric *metric; /* of product form */
	int threads;                 /* a result of threads_resolve */
	struct progress *progress;   /* NULL: none */
	int64_t step;                /* steps of progress for each point */
};

/* Find the row nearest to each point, labels [points->n], the one with the lower number if two are equally
 * near, and its key, keys [points->n], unless that is NULL. Points must be finite. hints [points->n]: a guess
 * of each label; a good one saves work. NULL: none. It may be the same as labels. The result is that of exact
 * distances (*_exact in kernels.h), whatever the CPU, the threads and the hints.
 * Errors: NOMEM, CANCELLED; labels and keys are undefined then. */
kith_status nearest_find(const struct nearest *nearest, const struct rows *points, const int32_t *hints,
    int32_t *labels, double *keys);

#endif
