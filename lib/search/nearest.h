/* The nearest of a set of rows, for very many points: k-means, inverted lists, product quantizers. */
#ifndef KITH_SEARCH_NEAREST_H
#define KITH_SEARCH_NEAREST_H

#include <stdbool.h>
#include <stdint.h>

#include <kith/status.h>

#include "lib/base/progress.h"
#include "lib/search/rows.h"

struct nearest {
	/* What to compare with: k rows of finite floats [k × dim], 1 <= k <= INT32_MAX. */
	const float *rows;
	int64_t k, dim;
	bool ip;       /* nearest is the largest inner product, else the least squared L2 distance */
	int threads;   /* resolved: threads_resolve */
	bool unpacked; /* compare exactly one by one, with no preparation: for a handful of points */
	struct progress *progress; /* NULL: none; advances by k per point */
};

/* Row nearest to each point: labels [points->n], the lower number on a tie, and its key (squared distance,
 * minus the inner product), keys [points->n] or NULL. Points are finite and have the rows' dim.
 * hints [points->n]: a guess at each label, better than none; NULL: none. May be `labels` itself.
 * The answer is that of exact distances (kernels.h: *_exact), whatever the CPU, threads and hints.
 * Errors: NOMEM, CANCELLED (labels and keys are then half done). */
kith_status nearest_find(
    const struct nearest *nearest, const struct rows *points, const int32_t *hints, int32_t *labels, double *keys);

#endif
