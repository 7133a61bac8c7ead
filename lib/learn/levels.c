/* Two-level training, for very many centroids: the work of an iteration grows with n · k, and n with k.
 *
 * About √k coarse clusters are found on a sample of the points. Each gets a share of the k centroids
 * according to its number of points, and these are trained on its own points alone: 2 n √k distances in an
 * iteration instead of n k. Centroids near the border of a coarse cluster are trained on the points of one
 * side only, which costs some percent of the objective; POLISH iterations over all points win most of that
 * back.
 *
 * The clusters are trained in parallel, each by one thread with random numbers of its own.
 */
#include "lib/learn/lloyd.h"

#include "lib/base/alloc.h"
#include "lib/base/status.h"
#include "lib/base/threads.h"
#include "lib/tile/nearest.h"

#include <math.h>
#include <string.h>

enum { POLISH = 2, COARSE_POINTS = 256 /* per coarse centroid */ };

struct share {
	int64_t k, first; /* number of centroids, and the first of them */
};

struct levels {
	struct lloyd *l;
	const kith_kmeans_options *options;
	struct lloyd coarse; /* the coarse clusters, over a sample */
	float *sample;
	float *sample_weights;
	float *centroids;     /* [coarse.k × dim] */
	struct share *shares; /* [coarse.k] */
	struct random random;
	int64_t step; /* steps of progress for each point in the second level */
	_Atomic int status;
};

static int64_t coarse_count(int64_t k)
{
	int64_t root = (int64_t)(sqrt((double)k) + 0.5);
	return root > 1 ? root : 1;
}

static int64_t coarse_points(const struct lloyd *l)
{
	int64_t max = coarse_count(l->k) * COARSE_POINTS;
	return l->points.n < max ? l->points.n : max;
}

static int polish_count(const kith_kmeans_options *options)
{
	return options->iterations < POLISH ? options->iterations : POLISH;
}

/* Steps of progress for each point in the second level. */
static int64_t fine_step(const struct lloyd *l, const kith_kmeans_options *options)
{
	return options->iterations * (l->k / coarse_count(l->k));
}

double levels_steps(const struct lloyd *l, const kith_kmeans_options *options)
{
	double n = (double)l->points.n, k = (double)l->k, coarse = (double)coarse_count(l->k);
	return options->iterations * (double)coarse_points(l) * coarse + n * coarse +
	       n * (double)fine_step(l, options) + polish_count(options) * n * k;
}

/* Copy the chosen points and their weights. */
static void gather(const struct points *from, const int64_t *chosen, int64_t n, float *x, float *weights)
{
	enum { LOOK = 1024 };
	for (int64_t i = 0; i < n && (i % LOOK || !progress_stopped()); i++) {
		memcpy(x + i * from->dim, point_at(from, chosen[i]), (size_t)from->dim * sizeof *x);
		if (weights)
			weights[i] = from->weights[chosen[i]];
	}
}

/* Divide k centroids among the clusters by their points: at least one for each that has any, at most one per
 * point. */
static void divide(struct levels *v)
{
	const struct lloyd *l = v->l;
	int64_t left = l->k;
	for (int64_t c = 0; c < v->coarse.k; c++) {
		int64_t count = l->clusters[c].end - l->clusters[c].begin;
		v->shares[c].k = (int64_t)((double)count / (double)l->points.n * (double)l->k);
		v->shares[c].k += v->shares[c].k == 0 && count > 0;
		left -= v->shares[c].k;
	}
	/* Centroids that rounding left over go to the clusters with the most points per centroid; if there
	 * are too many, they are taken from those with the fewest. */
	for (; left != 0; left += left > 0 ? -1 : 1) {
		int64_t best = -1;
		double max = 0;
		for (int64_t c = 0; c < v->coarse.k; c++) {
			double count = (double)(l->clusters[c].end - l->clusters[c].begin);
			double ratio = count / (double)v->shares[c].k;
			bool can = left > 0 ? (double)v->shares[c].k < count : v->shares[c].k > 1;
			if (can && (best < 0 || (left > 0 ? ratio > max : ratio < max))) {
				best = c;
				max = ratio;
			}
		}
		v->shares[best].k += left > 0 ? 1 : -1;
	}
	for (int64_t c = 0, first = 0; c < v->coarse.k; first += v->shares[c++].k)
		v->shares[c].first = first;
}

/* Give the points of a coarse cluster, from place `begin` on, the numbers of their centroids, which are hints
 * for the next assignment. */
static void pass_labels(const struct lloyd *share, int64_t first, struct lloyd *all, int64_t begin)
{
	for (int64_t i = 0; i < share->points.n; i++) {
		int32_t label = share->labels[i];
		all->labels[all->order[begin + i]] = label < 0 ? -1 : (int32_t)first + label;
	}
}

/* Train the centroids of one coarse cluster. */
static void train_share(void *arg, int64_t number, int worker)
{
	struct levels *v = arg;
	struct lloyd *all = v->l;
	struct share share = v->shares[number];
	int64_t dim = all->points.dim, begin = all->clusters[number].begin;
	int64_t n = all->clusters[number].end - begin;
	(void)worker;
	if (n == 0 || atomic_load(&v->status))
		return;
	float *x = mem_alloc((size_t)n, (size_t)dim * sizeof *x);
	float *weights = all->points.weights ? mem_alloc((size_t)n, sizeof *weights) : NULL;
	struct lloyd l = {.points = {.n = n, .dim = dim, .x = x, .weights = weights}, .k = share.k};
	l.spherical = all->spherical;
	l.threads = 1;
	l.centroids = all->centroids + share.first * dim;
	l.progress = all->progress;
	kith_status status = x && (weights || !all->points.weights) ? lloyd_begin(&l) : KITH_NOMEM;
	if (status == KITH_OK) {
		gather(&all->points, all->order + begin, n, x, weights);
		status = lloyd_run(
		    &l, v->options, random_begin(v->random.state[0], (uint64_t)number + 1), NULL, NULL);
		pass_labels(&l, share.first, all, begin);
	}
	lloyd_end(&l);
	mem_free(x);
	mem_free(weights);
	if (status == KITH_OK && all->progress && !progress_add(all->progress, n * v->step))
		status = KITH_CANCELLED;
	int ok = KITH_OK;
	if (status)
		atomic_compare_exchange_strong(&v->status, &ok, (int)status);
}

static bool levels_begin(struct levels *v)
{
	const struct points *p = &v->l->points;
	int64_t n = coarse_points(v->l), k = coarse_count(v->l->k);
	v->sample = mem_alloc((size_t)n, (size_t)p->dim * sizeof *v->sample);
	v->sample_weights = p->weights ? mem_alloc((size_t)n, sizeof *v->sample_weights) : NULL;
	v->centroids = mem_alloc((size_t)k, (size_t)p->dim * sizeof *v->centroids);
	v->shares = mem_alloc((size_t)k, sizeof *v->shares);
	int64_t *chosen = mem_alloc((size_t)n, sizeof *chosen);
	bool ready = v->sample && (v->sample_weights || !p->weights) && v->centroids && v->shares && chosen;
	if (ready) {
		random_sample(&v->random, p->n, n, chosen);
		gather(p, chosen, n, v->sample, v->sample_weights);
	}
	mem_free(chosen);
	v->coarse = *v->l;
	v->coarse.lower = (struct lower){0};
	v->coarse.points =
	    (struct points){.n = n, .dim = p->dim, .x = v->sample, .weights = v->sample_weights};
	v->coarse.k = v->coarse.step = k;
	v->coarse.centroids = v->centroids;
	return lloyd_begin(&v->coarse) == KITH_OK && ready;
}

static void levels_end(struct levels *v)
{
	lloyd_end(&v->coarse);
	mem_free(v->sample);
	mem_free(v->sample_weights);
	mem_free(v->centroids);
	mem_free(v->shares);
}

/* Find the coarse clusters and sort all points by them. */
static kith_status first_level(struct levels *v)
{
	struct lloyd *l = v->l;
	struct nearest what = {.rows = v->centroids, .k = v->coarse.k, .dim = l->points.dim};
	what.metric = lloyd_metric(l);
	what.threads = l->threads;
	what.progress = l->progress;
	what.step = what.k;
	struct rows rows = rows_of_array(KITH_F32, l->points.n, l->points.dim, l->points.x, 0);
	kith_status status =
	    lloyd_run(&v->coarse, v->options, random_begin(v->random.state[1], 0), NULL, NULL);
	if (status == KITH_OK)
		status = nearest_find(&what, &rows, NULL, l->labels, NULL);
	if (status == KITH_OK)
		lloyd_sort(l);
	return status;
}

kith_status levels_run(struct lloyd *l, const kith_kmeans_options *options, struct random random,
    double *objectives, kith_kmeans_stats *stats)
{
	struct levels v = {.l = l, .options = options, .random = random};
	v.step = fine_step(l, options);
	kith_status status = KITH_NOMEM;
	if (levels_begin(&v))
		status = first_level(&v);
	if (status == KITH_OK) {
		divide(&v);
		threads_run(l->threads, v.coarse.k, train_share, &v);
		status = (kith_status)atomic_load(&v.status);
	}
	levels_end(&v);
	kith_kmeans_options polish = *options;
	polish.init = KITH_KMEANS_GIVEN;
	polish.iterations = polish_count(options);
	if (status == KITH_OK)
		status = lloyd_run(l, &polish, random, objectives, stats);
	for (int t = polish.iterations; objectives && t < options->iterations; t++)
		objectives[t] = NAN;
	return status;
}
