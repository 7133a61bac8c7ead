/* k-means from the inside: what kmeans.c, lloyd.c, update.c, seed.c and levels.c share. */
#ifndef KITH_LEARN_LLOYD_H
#define KITH_LEARN_LLOYD_H

#include <stdbool.h>
#include <stdint.h>

#include <kith/kmeans.h>

#include "lib/base/progress.h"
#include "lib/base/random.h"

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

/* One k-means problem: k centroids of the points. */
struct lloyd {
	struct points points;
	int64_t k;
	bool spherical;
	int threads; /* resolved */
	struct progress *progress;
	float *centroids; /* [k × dim] */

	/* lloyd_init allocates */
	int32_t *labels;          /* [n] of the last assignment; −1: none yet */
	double *keys;             /* [n] of the last assignment */
	int64_t *order;           /* [n] points, cluster by cluster, ascending in each */
	int64_t *begin;           /* [k + 1] where a cluster begins in order */
	struct cluster *clusters; /* [k] */
	double *sums;             /* [threads × 2 × dim] */
	bool repaired;            /* the last update filled an empty cluster */
};

/* What an update knows of a cluster. */
struct cluster {
	int64_t begin, end; /* in order */
	double mass;        /* Σ weight */
	double spread;      /* how much there is to gain by splitting it */
};

/* lloyd.c. Fields up to centroids are the caller's; lloyd_free also after a failure. */
kith_status lloyd_init(struct lloyd *l);
void lloyd_free(struct lloyd *l);

/* Assign every point to its nearest centroid; *objective = Σ weight · key. */
kith_status lloyd_assign(struct lloyd *l, double *objective);

/* Up to `iterations` times: assign, note the objective, update. objectives [iterations], NaN after the last. */
kith_status lloyd_run(struct lloyd *l, int iterations, double tolerance, double *objectives);

/* update.c. Move every centroid to the mean of its points; an empty cluster takes half of a big one. */
void lloyd_update(struct lloyd *l);

/* Fill begin and order from labels. */
void lloyd_sort(struct lloyd *l);

/* Unit length; the first axis for a vector that has no direction. */
void unit_length(float *x, int64_t dim);

/* seed.c. Starting centroids. NOMEM, CANCELLED. */
kith_status seed_random(struct lloyd *l, struct random *random);
kith_status seed_plusplus(struct lloyd *l, struct random *random);

/* levels.c. Centroids by two-level training. */
kith_status levels_run(struct lloyd *l, const kith_kmeans_options *options, uint64_t seed);

#endif
