/* What kmeans.c, lloyd.c, update.c, seed.c and levels.c share. */
#ifndef KITH_LEARN_LLOYD_H
#define KITH_LEARN_LLOYD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <kith/kmeans.h>

#include "lib/base/progress.h"
#include "lib/base/random.h"
#include "lib/learn/lower.h"
#include "lib/metric/metric.h"

/* Training points. */
struct points {
	int64_t n, dim;
	const float *x;       /* [n × dim] */
	const float *weights; /* [n]; NULL: all are 1 */
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
	double spread;      /* the most that splitting it can gain */
};

/* One k-means problem. The caller sets the members up to `step`, lloyd_begin the others. */
struct lloyd {
	struct points points;
	int64_t k; /* 1 … points.n */
	bool spherical;
	int threads;      /* a result of threads_resolve */
	float *centroids; /* [k × dim] */
	struct progress *progress;
	int64_t step; /* steps of progress for each point of an assignment */

	struct lower lower;       /* helps with all assignments but the first of a start */
	int32_t *labels;          /* [n] of the last assignment; −1: there was none */
	double *keys;             /* [n] of the last assignment: squared distances, or minus inner products */
	int64_t *order;           /* [n] numbers of points, cluster by cluster */
	struct cluster *clusters; /* [k] */
	int32_t *heap;            /* [k] a heap of clusters by spread */
	double *sums;             /* [threads × 2 × dim] */
	_Atomic bool moved;       /* whether the last update changed a centroid */
	int64_t repaired;         /* number of empty clusters that the last update filled */
	double assigning;         /* seconds that assignments have taken */
};

/* The metric of its labels and keys. */
static inline const struct metric *lloyd_metric(const struct lloyd *l)
{
	return l->spherical ? &metric_ip : &metric_l2;
}

/* lloyd.c: allocate memory; call lloyd_end also after a failure. */
kith_status lloyd_begin(struct lloyd *l);
void lloyd_end(struct lloyd *l);

/* Assign every point to its nearest centroid; *objective = Σ weight · key. */
kith_status lloyd_assign(struct lloyd *l, double *objective);

/* Choose the first centroids as options->init says and iterate. objectives [options->iterations] gets the
 * objective of each iteration and NaN after the last; stats [options->iterations] is filled in for those that
 * were done. Both may be NULL. */
kith_status lloyd_run(struct lloyd *l, const kith_kmeans_options *options, struct random random,
    double *objectives, kith_kmeans_stats *stats);

/* update.c: fill in `order` and the begin and end of clusters from labels. */
void lloyd_sort(struct lloyd *l);

/* Move every centroid to the mean of its points. An empty cluster takes half of a large one. */
void lloyd_update(struct lloyd *l);

/* Scale a vector to unit length; one without direction becomes the first axis. */
void unit_length(float *x, int64_t dim);

/* seed.c: choose the first centroids, k random points or by k-means++. */
kith_status seed_random(struct lloyd *l, struct random *random);
kith_status seed_plusplus(struct lloyd *l, struct random *random);

/* levels.c: as lloyd_run, in two levels. */
kith_status levels_run(struct lloyd *l, const kith_kmeans_options *options, struct random random,
    double *objectives, kith_kmeans_stats *stats);

/* The number of steps of progress that levels_run takes. */
double levels_steps(const struct lloyd *l, const kith_kmeans_options *options);

#endif
