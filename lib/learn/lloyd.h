/* k-means from the inside: what kmeans.c, lloyd.c, update.c, seed.c and levels.c share. */
#ifndef KITH_LEARN_LLOYD_H
#define KITH_LEARN_LLOYD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <kith/kmeans.h>

#include "lib/base/progress.h"
#include "lib/base/random.h"
#include "lib/metric/metric.h"

/* Points to learn from. */
struct points {
	int64_t n, dim;
	const float *x;       /* [n × dim] */
	const float *weights; /* [n], NULL: all 1 */
};

static inline const float *point_at(const struct points *points, int64_t i)
{
	return points->x + i * points->dim;
}

static inline double weight_at(const struct points *points, int64_t i)
{
	return points->weights ? (double)points->weights[i] : 1;
}

struct cluster {
	int64_t begin, end; /* its points, in lloyd.order */
	double mass;        /* Σ weight */
	double spread;      /* what may be gained by splitting it */
};

/* One k-means problem. The caller sets the first part, lloyd_begin the second. */
struct lloyd {
	struct points points;
	int64_t k; /* 1 … points.n */
	bool spherical;
	int threads;      /* threads_resolve has seen it */
	float *centroids; /* [k × dim] */
	struct progress *progress;
	int64_t step; /* of progress, per point and assignment */

	int32_t *labels;          /* [n] of the last assignment; −1: none yet */
	double *keys;             /* [n] of the last assignment: squared distances or −inner products */
	int64_t *order;           /* [n] points, cluster by cluster */
	struct cluster *clusters; /* [k] */
	int32_t *heap;            /* [k] clusters by spread */
	double *sums;             /* [threads × 2 × dim] */
	_Atomic bool moved;       /* the last update changed a centroid */
	int64_t repaired;         /* … and filled so many empty clusters */
	double assigning;         /* seconds of assignments */
};

/* What its labels and keys are by. */
static inline const struct metric *lloyd_metric(const struct lloyd *l)
{
	return l->spherical ? &metric_ip : &metric_l2;
}

/* lloyd.c. Allocate; lloyd_end also after a failure. */
kith_status lloyd_begin(struct lloyd *l);
void lloyd_end(struct lloyd *l);

/* Assign every point to its nearest centroid; *objective = Σ weight · key. */
kith_status lloyd_assign(struct lloyd *l, double *objective);

/* Choose centroids as options->init says (unless they are given) and iterate as it says. objectives
 * [options->iterations], NaN after the last, or NULL; stats likewise, as far as it came, or NULL. */
kith_status lloyd_run(struct lloyd *l, const kith_kmeans_options *options, struct random random,
    double *objectives, kith_kmeans_stats *stats);

/* update.c. Fill order and the clusters' begin and end from labels. */
void lloyd_sort(struct lloyd *l);

/* Move every centroid to the mean of its points; an empty cluster takes half of a big one. */
void lloyd_update(struct lloyd *l);

/* To unit length; the first axis for a vector that has no direction. */
void unit_length(float *x, int64_t dim);

/* seed.c. Starting centroids: k random points; k-means++. */
kith_status seed_random(struct lloyd *l, struct random *random);
kith_status seed_plusplus(struct lloyd *l, struct random *random);

/* levels.c. As lloyd_run, in two levels. */
kith_status levels_run(struct lloyd *l, const kith_kmeans_options *options, struct random random,
    double *objectives, kith_kmeans_stats *stats);

/* Steps of progress that levels_run takes. */
double levels_steps(const struct lloyd *l, const kith_kmeans_options *options);

#endif
