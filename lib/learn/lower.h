/* Lower bounds for the assignments of k-means: the vectors z of axes.h for points and centroids. */
#ifndef KITH_LEARN_LOWER_H
#define KITH_LEARN_LOWER_H

#include "lib/learn/axes.h"
#include "lib/metric/metric.h"
#include "lib/tile/nearest.h"

/* All zero before lower_begin. */
struct lower {
	bool tried; /* lower_begin was called */
	bool product;
	struct axes axes;      /* p = 0: they would not pay */
	float *rows, *row_err; /* [k × (p + 1)], [k] */
	void *points;          /* the memory of nearest.points */
	struct nearest_lower nearest;
};

/* Learn axes from points, whose present rows have the numbers hints [points->n], if that pays for `rounds`
 * assignments, and project the points. Errors: NOMEM, CANCELLED. */
kith_status lower_begin(struct lower *lower, const struct nearest *what, const struct rows *points,
    const int32_t *hints, int64_t rounds);
void lower_end(struct lower *lower);

/* Project the rows of `what`, and have nearest_find use these bounds. Errors: NOMEM, CANCELLED. */
kith_status lower_use(struct lower *lower, struct nearest *what);

/* For tests: from now on lower bounds have `count` axes (fewer if dim is smaller) and are used, even if that
 * does not pay. 0: only if it pays, as usual. */
void lower_force_axes(int64_t count);

#endif
