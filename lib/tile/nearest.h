/* The nearest of a set of rows, for very many points: k-means, inverted lists, product quantizers. */
#ifndef KITH_TILE_NEAREST_H
#define KITH_TILE_NEAREST_H

#include <stdbool.h>
#include <stdint.h>

#include <kith/status.h>

#include "lib/base/progress.h"
#include "lib/metric/metric.h"
#include "lib/tile/rows.h"

/* What points are compared with. */
struct nearest {
	const float *rows; /* [k × dim] finite; 1 <= k <= INT32_MAX */
	int64_t k, dim;
	const struct metric *metric; /* of product form */
	int threads;                 /* threads_resolve has seen it */
	struct progress *progress;   /* NULL: none */
	int64_t step;                /* of progress, per point */
};

/* Row nearest to each point: labels [points->n], the lower number on a tie, and its key into keys
 * [points->n] unless that is NULL. Points are finite.
 * hints [points->n]: a guess at each label, which saves work the better it is; NULL: none. May be `labels`
 * itself. The answer is that of the exact distances (*_exact in kernels.h), whatever the CPU, the threads
 * and the hints.
 * Errors: NOMEM, CANCELLED; labels and keys are then good for nothing. */
kith_status nearest_find(const struct nearest *nearest, const struct rows *points, const int32_t *hints,
    int32_t *labels, double *keys);

#endif
