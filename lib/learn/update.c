/* The update of k-means: centroids become means.
 *
 * Points are sorted by label with a counting sort, so that they are ascending within a cluster. Every cluster
 * adds up its points in that order, in double precision. So the bits depend neither on threads nor on the
 * CPU, and a worker needs only one vector of sums.
 *
 * Empty clusters. The cluster with the largest spread (Σ weight · squared distance; for spherical k-means its
 * mass) is split at its mean along the axis of its largest variance, and the empty cluster takes the upper
 * half. The means of the halves are at least as good as the common one, so that the objective does not
 * increase, as it could with a slightly moved copy of a centroid. Equal points cannot be split: if there are
 * only such, empty clusters stay empty. The work is limited to a few passes over the points; clusters that
 * are still empty are tried again after the next assignment.
 */
#include "lib/learn/lloyd.h"

#include "kernels/kernels.h"
#include "lib/base/threads.h"
#include "lib/tile/rows.h"

#include <math.h>
#include <string.h>

enum { REPAIR_PASSES = 4 };

void unit_length(float *x, int64_t dim)
{
	vector_normalize(x, dim);
	for (int64_t j = 0; j < dim; j++)
		if (x[j] != 0)
			return;
	x[0] = 1;
}

void lloyd_sort(struct lloyd *l)
{
	for (int64_t c = 0; c < l->k; c++)
		l->clusters[c].begin = l->clusters[c].end = 0;
	for (int64_t i = 0; i < l->points.n; i++)
		l->clusters[l->labels[i]].end++;
	int64_t at = 0;
	for (int64_t c = 0; c < l->k; c++) {
		int64_t count = l->clusters[c].end;
		l->clusters[c].begin = l->clusters[c].end = at;
		at += count;
	}
	for (int64_t i = 0; i < l->points.n; i++)
		l->order[l->clusters[l->labels[i]].end++] = i;
}

/* sum += Σ weight · x over four points, one after the other, so that sum is read and written once. */
static void add_four(const struct points *p, const int64_t *which, double *sum)
{
	const float *a = point_at(p, which[0]), *b = point_at(p, which[1]);
	const float *c = point_at(p, which[2]), *d = point_at(p, which[3]);
	if (!p->weights) {
		for (int64_t j = 0; j < p->dim; j++)
			sum[j] = sum[j] + (double)a[j] + (double)b[j] + (double)c[j] + (double)d[j];
		return;
	}
	double wa = weight_at(p, which[0]), wb = weight_at(p, which[1]);
	double wc = weight_at(p, which[2]), wd = weight_at(p, which[3]);
	for (int64_t j = 0; j < p->dim; j++)
		sum[j] =
		    sum[j] + wa * (double)a[j] + wb * (double)b[j] + wc * (double)c[j] + wd * (double)d[j];
}

static void prefetch_point(const struct points *p, int64_t i)
{
	enum { LINE = 64, MAX = 1024 };
	int64_t bytes = p->dim * (int64_t)sizeof(float);
	for (int64_t b = 0; b < bytes && b < MAX; b += LINE)
		__builtin_prefetch((const char *)point_at(p, i) + b);
}

/* sum = Σ weight · x over a cluster; returns Σ weight. */
static double sum_points(const struct lloyd *l, const struct cluster *c, double *sum)
{
	enum { AHEAD = 8 };
	const struct points *p = &l->points;
	double mass = 0;
	memset(sum, 0, (size_t)p->dim * sizeof *sum);
	int64_t i = c->begin;
	for (; i + 4 <= c->end; i += 4) {
		for (int64_t next = i + AHEAD; next < i + AHEAD + 4 && next < c->end; next++)
			prefetch_point(p, l->order[next]);
		add_four(p, l->order + i, sum);
	}
	for (; i < c->end; i++)
		for (int64_t j = 0; j < p->dim; j++)
			sum[j] += weight_at(p, l->order[i]) * (double)point_at(p, l->order[i])[j];
	for (i = c->begin; i < c->end; i++)
		mass += weight_at(p, l->order[i]);
	return mass;
}

/* The best centroid for a cluster with this sum. If all are equally good (without mass, or if the points of a
 * spherical cluster cancel each other out), it stays as it is. */
static void find_centroid(const struct lloyd *l, const double *sum, double mass, float *centroid)
{
	double divisor = mass;
	if (l->spherical && mass > 0) {
		double sq = 0;
		for (int64_t j = 0; j < l->points.dim; j++)
			sq += sum[j] * sum[j];
		divisor = sqrt(sq);
	}
	for (int64_t j = 0; j < l->points.dim && divisor > 0; j++)
		centroid[j] = (float)(sum[j] / divisor);
}

static void update_cluster(void *arg, int64_t number, int worker)
{
	struct lloyd *l = arg;
	struct cluster *c = &l->clusters[number];
	int64_t dim = l->points.dim;
	if (progress_stopped())
		return;
	double *sum = l->sums + worker * 2 * dim;
	float *centroid = l->centroids + number * dim;
	c->mass = sum_points(l, c, sum);
	c->spread = 0;
	for (int64_t i = c->begin; i < c->end; i++)
		c->spread += weight_at(&l->points, l->order[i]) * (l->spherical ? 1 : l->keys[l->order[i]]);
	float *moved = (float *)(void *)(sum + dim);
	memcpy(moved, centroid, (size_t)dim * sizeof *moved);
	find_centroid(l, sum, c->mass, moved);
	if (memcmp(moved, centroid, (size_t)dim * sizeof *moved) != 0)
		atomic_store_explicit(&l->moved, true, memory_order_relaxed);
	memcpy(centroid, moved, (size_t)dim * sizeof *moved);
}

/* Whether cluster a is to be split before b. */
static bool before(const struct lloyd *l, int32_t a, int32_t b)
{
	double x = l->clusters[a].spread, y = l->clusters[b].spread;
	return x > y || (x == y && a < b);
}

static void sift_down(struct lloyd *l, int64_t at, int64_t n)
{
	int32_t *heap = l->heap, moving = heap[at];
	for (int64_t child; (child = 2 * at + 1) < n; at = child) {
		if (child + 1 < n && before(l, heap[child + 1], heap[child]))
			child++;
		if (!before(l, heap[child], moving))
			break;
		heap[at] = heap[child];
	}
	heap[at] = moving;
}

static void sift_up(struct lloyd *l, int64_t at)
{
	int32_t *heap = l->heap, moving = heap[at];
	for (; at > 0 && before(l, moving, heap[(at - 1) / 2]); at = (at - 1) / 2)
		heap[at] = heap[(at - 1) / 2];
	heap[at] = moving;
}

/* The axis of the largest variance of a cluster; −1: all its points are equal. */
static int64_t widest_axis(
    const struct lloyd *l, const struct cluster *c, const double *mean, double *variance)
{
	int64_t dim = l->points.dim, widest = 0;
	memset(variance, 0, (size_t)dim * sizeof *variance);
	for (int64_t i = c->begin; i < c->end; i++) {
		const float *x = point_at(&l->points, l->order[i]);
		double weight = weight_at(&l->points, l->order[i]);
		for (int64_t j = 0; j < dim; j++)
			variance[j] += weight * ((double)x[j] - mean[j]) * ((double)x[j] - mean[j]);
	}
	for (int64_t j = 1; j < dim; j++)
		if (variance[j] > variance[widest])
			widest = j;
	return variance[widest] > 0 ? widest : -1;
}

/* Put the points of a cluster with x[axis] <= cut first. Returns where the others begin. */
static int64_t partition(struct lloyd *l, const struct cluster *c, int64_t axis, double cut)
{
	int64_t from = c->begin, to = c->end;
	while (from < to) {
		int64_t i = l->order[from];
		if ((double)point_at(&l->points, i)[axis] <= cut) {
			from++;
		} else {
			l->order[from] = l->order[--to];
			l->order[to] = i;
		}
	}
	return from;
}

/* Compute centroid, mass and spread of half a cluster. */
static void measure_half(struct lloyd *l, int32_t number)
{
	struct cluster *c = &l->clusters[number];
	float *centroid = l->centroids + number * l->points.dim;
	c->mass = sum_points(l, c, l->sums);
	find_centroid(l, l->sums, c->mass, centroid);
	c->spread = 0;
	for (int64_t i = c->begin; i < c->end; i++) {
		const float *x = point_at(&l->points, l->order[i]);
		double key = l->spherical ? 1 : kernels()->l2sq_exact(x, centroid, l->points.dim);
		c->spread += weight_at(&l->points, l->order[i]) * key;
	}
}

static bool split(struct lloyd *l, int32_t big, int32_t empty)
{
	struct cluster *from = &l->clusters[big], *to = &l->clusters[empty];
	int64_t dim = l->points.dim;
	double *mean = l->sums, mass = sum_points(l, from, mean);
	for (int64_t j = 0; j < dim; j++)
		mean[j] /= mass;
	int64_t axis = widest_axis(l, from, mean, l->sums + dim);
	if (axis < 0)
		return false;
	int64_t cut = partition(l, from, axis, mean[axis]);
	struct cluster lower = {.begin = from->begin, .end = cut}, upper = {.begin = cut, .end = from->end};
	/* With weights that differ by more than a double can represent, one half may have no mass. */
	lower.mass = sum_points(l, &lower, l->sums);
	upper.mass = sum_points(l, &upper, l->sums);
	if (!(lower.mass > 0) || !(upper.mass > 0))
		return false;
	float *copy = l->centroids + empty * dim;
	memcpy(copy, l->centroids + big * dim, (size_t)dim * sizeof *copy);
	*from = lower;
	*to = upper;
	measure_half(l, big);
	measure_half(l, empty);
	return true;
}

static void repair(struct lloyd *l)
{
	int64_t n = 0, budget = REPAIR_PASSES * l->points.n;
	for (int64_t c = 0; c < l->k; c++)
		if (l->clusters[c].spread > 0 && l->clusters[c].end - l->clusters[c].begin > 1)
			l->heap[n++] = (int32_t)c;
	for (int64_t i = n / 2 - 1; i >= 0; i--)
		sift_down(l, i, n);
	for (int32_t empty = 0; empty < l->k; empty++) {
		if (l->clusters[empty].mass > 0)
			continue;
		bool done = false;
		while (!done && n > 0 && budget > 0 && !progress_stopped()) {
			int32_t big = l->heap[0];
			budget -= l->clusters[big].end - l->clusters[big].begin;
			done = split(l, big, empty);
			if (!done)
				l->heap[0] = l->heap[--n];
			if (n > 0)
				sift_down(l, 0, n);
		}
		if (!done)
			return;
		l->heap[n++] = empty;
		sift_up(l, n - 1);
		l->repaired++;
		atomic_store(&l->moved, true);
	}
}

void lloyd_update(struct lloyd *l)
{
	lloyd_sort(l);
	atomic_store(&l->moved, false);
	l->repaired = 0;
	threads_run(l->threads, l->k, update_cluster, l);
	for (int64_t c = 0; c < l->k; c++)
		if (!(l->clusters[c].mass > 0)) {
			repair(l);
			return;
		}
}
