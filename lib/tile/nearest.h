/* The nearest of a set of rows for very many points, as k-means, inverted files and product quantizers need
 * it. */
#ifndef KITH_TILE_NEAREST_H
#define KITH_TILE_NEAREST_H

#include <stdbool.h>
#include <stdint.h>

#include <kith/status.h>

#include "lib/base/progress.h"
#include "lib/metric/metric.h"
#include "lib/tile/form.h"
#include "lib/tile/rows.h"

/* Shorter vectors z that stand for rows and points: ‖z_x − z_r‖ is at most ‖x − r‖, or ⟨z_x, z_r⟩ at least
 * ⟨x, r⟩, up to the errors given. So they tell which rows are too far away for a point. */
struct nearest_lower {
	int64_t dim;
	const float *rows;          /* [k × dim] */
	const float *row_err;       /* [k] ∞: none is known */
	struct tile_vectors points; /* [n] as queries in int8 without a centre, with all errors in err */
	bool always;                /* for tests: use them however many rows they let through */
};

/* The rows that points are compared with, and how. */
struct nearest {
	const float *rows; /* [k × dim] finite; 1 <= k <= INT32_MAX */
	int64_t k, dim;
	const struct metric *metric;       /* of product form */
	int threads;                       /* a result of threads_resolve */
	struct progress *progress;         /* NULL: none */
	int64_t step;                      /* steps of progress for each point */
	const struct nearest_lower *lower; /* NULL: none. Helps where all points have good hints. */
};

/* Find the row nearest to each point, labels [points->n], the one with the lower number if two are equally
 * near, and its key, keys [points->n], unless that is NULL. Points must be finite. hints [points->n]: a guess
 * of each label; a good one saves work. NULL: none. It may be the same as labels. The result is that of exact
 * distances (*_exact in kernels.h), whatever the CPU, the threads and the hints.
 * Errors: NOMEM, CANCELLED; labels and keys are undefined then. */
kith_status nearest_find(const struct nearest *nearest, const struct rows *points, const int32_t *hints,
    int32_t *labels, double *keys);

#endif
