/* Lloyd's algorithm: assign every point to its nearest centroid, move the centroids, and repeat.
 *
 * Points are assigned by nearest_find, with the previous labels as hints and the lower bounds of lower.c
 * where these pay, and centroids are moved by update.c. Both give the same bits for every number of threads
 * and every CPU, and so does the whole. The objective of an iteration is that of its assignment, before its
 * centroids move; its sum is taken in the order of the points.
 */
#include "lib/learn/lloyd.h"

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/status.h"
#include "lib/tile/nearest.h"

#include <math.h>
#include <string.h>

kith_status lloyd_begin(struct lloyd *l)
{
	size_t n = (size_t)l->points.n, k = (size_t)l->k, dim = (size_t)l->points.dim, cells;
	l->labels = mem_alloc(n, sizeof *l->labels);
	l->keys = mem_alloc(n, sizeof *l->keys);
	l->order = mem_alloc(n, sizeof *l->order);
	l->clusters = mem_zalloc(k, sizeof *l->clusters);
	l->heap = mem_alloc(k, sizeof *l->heap);
	l->sums = size_mul((size_t)l->threads, 2 * dim, &cells) ? mem_alloc(cells, sizeof *l->sums) : NULL;
	if (!l->labels || !l->keys || !l->order || !l->clusters || !l->heap || !l->sums)
		return fail(KITH_NOMEM, "no memory for k-means of %lld point%s", (long long)l->points.n,
		    PLURAL(l->points.n));
	for (size_t i = 0; i < n; i++)
		l->labels[i] = -1;
	return KITH_OK;
}

void lloyd_end(struct lloyd *l)
{
	mem_free(l->labels);
	mem_free(l->keys);
	mem_free(l->order);
	mem_free(l->clusters);
	mem_free(l->heap);
	mem_free(l->sums);
	lower_end(&l->lower);
}

static double seconds_now(void)
{
	return 1e-9 * (double)clock_ns();
}

/* The search for the nearest of the present centroids. */
static struct nearest nearest_of(const struct lloyd *l)
{
	struct nearest what = {.rows = l->centroids, .k = l->k, .dim = l->points.dim};
	what.metric = lloyd_metric(l);
	what.threads = l->threads;
	what.progress = l->progress;
	what.step = l->step;
	return what;
}

static struct rows rows_of_points(const struct lloyd *l)
{
	return rows_of_array(KITH_F32, l->points.n, l->points.dim, l->points.x, 0);
}

kith_status lloyd_assign(struct lloyd *l, double *objective)
{
	double began = seconds_now();
	const struct points *p = &l->points;
	struct nearest what = nearest_of(l);
	struct rows rows = rows_of_points(l);
	kith_status status = l->labels[0] >= 0 ? lower_use(&l->lower, &what) : KITH_OK;
	if (status == KITH_OK)
		status = nearest_find(&what, &rows, l->labels, l->labels, l->keys);
	l->assigning += seconds_now() - began;
	*objective = 0;
	for (int64_t i = 0; status == KITH_OK && i < p->n; i++)
		*objective += weight_at(p, i) * l->keys[i];
	return status;
}

static kith_status begin_lower(struct lloyd *l, int64_t rounds)
{
	double began = seconds_now();
	struct nearest what = nearest_of(l);
	struct rows rows = rows_of_points(l);
	kith_status status = lower_begin(&l->lower, &what, &rows, l->labels, rounds);
	l->assigning += seconds_now() - began;
	return status;
}

static kith_status choose_seeds(struct lloyd *l, kith_kmeans_init init, struct random *random)
{
	kith_status status = KITH_OK;
	if (init == KITH_KMEANS_RANDOM)
		status = seed_random(l, random);
	else if (init == KITH_KMEANS_PLUSPLUS)
		status = seed_plusplus(l, random);
	for (int64_t c = 0; status == KITH_OK && l->spherical && c < l->k; c++)
		unit_length(l->centroids + c * l->points.dim, l->points.dim);
	return status;
}

/* Fill in the statistics of the iteration that has just ended. */
static void fill_stats(const struct lloyd *l, double seconds, kith_kmeans_stats *stats)
{
	double n = (double)l->points.n, squares = 0;
	for (int64_t c = 0; c < l->k; c++) {
		double points = (double)(l->clusters[c].end - l->clusters[c].begin);
		squares += points * points;
	}
	*stats = (kith_kmeans_stats){seconds, l->assigning, (double)l->k * squares / (n * n), l->repaired};
}

kith_status lloyd_run(struct lloyd *l, const kith_kmeans_options *options, struct random random,
    double *objectives, kith_kmeans_stats *stats)
{
	double began = seconds_now();
	l->assigning = 0;
	kith_status status = choose_seeds(l, options->init, &random);
	double before = INFINITY, objective = NAN;
	int done = 0;
	for (bool stop = false; status == KITH_OK && !stop && done < options->iterations;) {
		if (!l->lower.tried && l->labels[0] >= 0)
			status = begin_lower(l, options->iterations - done);
		if (status == KITH_OK)
			status = lloyd_assign(l, &objective);
		if (status)
			break;
		lloyd_update(l);
		if (objectives)
			objectives[done] = objective;
		if (stats)
			fill_stats(l, seconds_now() - began, &stats[done]);
		if (objectives && options->objectives) /* so that a progress callback can see it */
			options->objectives[done] = objective;
		done++;
		bool slow = before - objective < options->tolerance * fabs(before);
		stop = !atomic_load(&l->moved) || (options->tolerance > 0 && slow && !l->repaired);
		before = objective;
	}
	/* With tolerance 0 all iterations are reported, also those that would only repeat the last one. */
	for (; objectives && done < options->iterations; done++)
		objectives[done] = options->tolerance > 0 ? NAN : objective;
	return status;
}
