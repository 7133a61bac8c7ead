/* k-means clustering (Lloyd 1982), the training of inverted files and product quantizers, for its own use. */
#ifndef KITH_KMEANS_H
#define KITH_KMEANS_H

#include <stddef.h>
#include <stdint.h>

#include <kith/library.h>
#include <kith/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum kith_kmeans_init {
	KITH_KMEANS_RANDOM = 0,   /* k distinct points */
	KITH_KMEANS_PLUSPLUS = 1, /* k-means++ (Arthur & Vassilvitskii 2007), on 16 · k points at most */
	KITH_KMEANS_GIVEN = 2     /* what `centroids` holds at the call */
} kith_kmeans_init;

/* What one iteration did. */
typedef struct kith_kmeans_stats {
	double seconds;        /* since the run began, at its end */
	double assign_seconds; /* of which finding nearest centroids took */
	double imbalance;      /* k · Σ points² / (Σ points)² over clusters: 1 at best */
	int64_t splits;        /* empty clusters that took half of a big one */
} kith_kmeans_stats;

/* Start from KITH_KMEANS_OPTIONS. */
typedef struct kith_kmeans_options {
	size_t size; /* sizeof(kith_kmeans_options) */
	int threads; /* 0: OpenMP's default */
	kith_kmeans_init init;
	int iterations;     /* Lloyd iterations at most, 0: none; default 25 */
	int restarts;       /* runs from different starts, the best is kept; default 1 */
	double tolerance;   /* stop when the objective falls by less than this fraction; default 0.001,
	                       0: never early */
	int64_t max_points; /* per centroid: more points than k · max_points are sub-sampled; default 256,
	                       0: all */
	int spherical;      /* non-zero: unit-length centroids, nearest by inner product */
	int hierarchical; /* two-level training: 0 never, 1 always, −1 (default) for k of 16,384 and more; not
	                     from given centroids. objectives are those of its last, common iterations */
	int fewer;        /* non-zero: with n < k points give n centroids instead of an error */
	uint64_t seed;    /* default 1234; the same seed gives the same bits whatever the threads */
	const float *weights;   /* [n] >= 0, not all 0; NULL: all 1 */
	kith_progress progress; /* stage "k-means", done of total steps */
	void *progress_data;
	double *objectives; /* out: [iterations] objective (Σ weight · squared distance; spherical: −Σ weight
	                       · inner product) of each iteration of the best run over the sampled points, NaN
	                       after the last; NULL: none. While a run goes on, what it has done so far is
	                       there for the progress callback to read, and after a failure still is */
	kith_kmeans_stats *stats; /* out: [iterations] of the same run, filled where objectives is not NaN;
	                             NULL: none */
} kith_kmeans_options;
#define KITH_KMEANS_OPTIONS                                                                                  \
	{                                                                                                    \
		sizeof(kith_kmeans_options), 0, KITH_KMEANS_RANDOM, 25, 1, 0.001, 256, 0, -1, 0, 1234, NULL, \
		    NULL, NULL, NULL, NULL                                                                   \
	}

/* Find k centroids of x.
 *
 *   x          [n × dim] row-major, finite; n >= k unless options->fewer
 *   centroids  [k × dim] out (in, for KITH_KMEANS_GIVEN)
 *   labels     [n] out: nearest centroid of each point (of all n, sampled or not); NULL: not wanted
 *   found      out: number of centroids (k, or n with options->fewer); NULL: not wanted
 *   objective  out: final objective over all n points if labels are wanted, else over the sample;
 *              NULL: not wanted
 *
 * A cluster that runs empty takes over half of a big one. On failure the outputs are untouched,
 * but for options->objectives.
 * Errors: INVALID (fewer points than k, non-finite x, bad options), NOMEM, CANCELLED.
 * Cost: O(iterations · n · k · dim), on the tile engine. Threads: safe. */
KITH_API kith_status kith_kmeans(int64_t dim, int64_t n, const float *x, int64_t k, float *centroids,
    int32_t *labels, int64_t *found, double *objective, const kith_kmeans_options *options);

#ifdef __cplusplus
}
#endif
#endif
