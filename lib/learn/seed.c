/* The first centroids.
 *
 * k-means++ (Arthur & Vassilvitskii, SODA 2007): each centroid is a point that is drawn with a probability in
 * proportion to its weight times its squared distance from the nearest centroid so far. This takes k passes
 * over the points at the speed of memory. So if there are many points, a random sample of PER_CENTROID for
 * each centroid is used, which takes as long as two or three iterations. Spherical k-means uses the
 * directions of the points.
 *
 * Distances in float find the few points to which a new centroid is nearer than those before. Their distances
 * are computed exactly, so that the draw is the same on every CPU. Sums are taken chunk by chunk, in order.
 */
#include "lib/learn/lloyd.h"

#include "kernels/kernels.h"
#include "lib/base/alloc.h"
#include "lib/base/status.h"
#include "lib/base/threads.h"

#include <math.h>
#include <string.h>

enum { PER_CENTROID = 16, CHUNK = 1024, LOOK = 1024 /* points copied between two checks for a cancel */ };

static kith_status no_memory(int64_t n)
{
	return fail(
	    KITH_NOMEM, "no memory for the starting centroids of %lld point%s", (long long)n, PLURAL(n));
}

kith_status seed_random(struct lloyd *l, struct random *random)
{
	int64_t dim = l->points.dim, *chosen = mem_alloc((size_t)l->k, sizeof *chosen);
	if (!chosen)
		return no_memory(l->points.n);
	random_sample(random, l->points.n, l->k, chosen);
	for (int64_t c = 0; c < l->k && (c % LOOK || !progress_stopped()); c++)
		memcpy(l->centroids + c * dim, point_at(&l->points, chosen[c]), (size_t)dim * sizeof(float));
	mem_free(chosen);
	return progress_status();
}

struct draw {
	const struct kernels *kern;
	int64_t n, dim, chunks;
	float *x;            /* [n × dim] */
	double *mass;        /* [n] weight · key */
	double *key;         /* [n] squared distance from the nearest centroid */
	double *weight;      /* [n] */
	double *chunk_mass;  /* [chunks] */
	const float *newest; /* the centroid that was chosen last */
	int64_t *chosen;     /* [n] the number of each point */
};

static void draw_free(struct draw *d)
{
	mem_free(d->x);
	mem_free(d->mass);
	mem_free(d->key);
	mem_free(d->weight);
	mem_free(d->chunk_mass);
	mem_free(d->chosen);
}

/* Allocate memory and copy the points. False: no memory. After a cancel, some points are missing. */
static bool draw_begin(struct draw *d, const struct lloyd *l, struct random *random)
{
	const struct points *p = &l->points;
	*d = (struct draw){.kern = kernels(), .dim = p->dim, .n = p->n};
	if (d->n / l->k > PER_CENTROID)
		d->n = l->k * PER_CENTROID;
	d->chunks = (d->n + CHUNK - 1) / CHUNK;
	d->x = mem_alloc((size_t)d->n, (size_t)p->dim * sizeof *d->x);
	d->mass = mem_alloc((size_t)d->n, sizeof *d->mass);
	d->key = mem_alloc((size_t)d->n, sizeof *d->key);
	d->weight = mem_alloc((size_t)d->n, sizeof *d->weight);
	d->chunk_mass = mem_alloc((size_t)d->chunks, sizeof *d->chunk_mass);
	d->chosen = mem_alloc((size_t)d->n, sizeof *d->chosen);
	if (!d->x || !d->mass || !d->key || !d->weight || !d->chunk_mass || !d->chosen)
		return false;
	random_sample(random, p->n, d->n, d->chosen);
	for (int64_t i = 0; i < d->n; i++) {
		if (i % LOOK == LOOK - 1 && progress_stopped())
			return true;
		float *x = d->x + i * p->dim;
		memcpy(x, point_at(p, d->chosen[i]), (size_t)p->dim * sizeof *x);
		if (l->spherical)
			unit_length(x, p->dim);
		d->mass[i] = d->weight[i] = weight_at(p, d->chosen[i]);
		d->key[i] = INFINITY;
	}
	return true;
}

static void sum_chunk(struct draw *d, int64_t chunk)
{
	int64_t end = (chunk + 1) * CHUNK < d->n ? (chunk + 1) * CHUNK : d->n;
	d->chunk_mass[chunk] = 0;
	for (int64_t i = chunk * CHUNK; i < end; i++)
		d->chunk_mass[chunk] += d->mass[i];
}

/* Take the distances from the newest centroid into account. */
static void measure_chunk(void *arg, int64_t chunk, int worker)
{
	enum { AT_ONCE = 64 };
	struct draw *d = arg;
	(void)worker;
	double err = 2 * (double)(d->dim + 8) * 0x1p-24;
	int64_t end = (chunk + 1) * CHUNK < d->n ? (chunk + 1) * CHUNK : d->n;
	for (int64_t first = chunk * CHUNK, n; first < end; first += n) {
		float out[AT_ONCE];
		n = end - first < AT_ONCE ? end - first : AT_ONCE;
		d->kern->l2sq_f32(
		    d->newest, d->x + first * d->dim, (size_t)d->dim * sizeof *d->x, n, d->dim, out);
		for (int64_t i = first; i < first + n; i++) {
			float about = out[i - first];
			if (about < 1e37f && (double)about * (1 - err) - 1e-30 > d->key[i])
				continue;
			double key = d->kern->l2sq_exact(d->newest, d->x + i * d->dim, d->dim);
			if (key < d->key[i])
				d->key[i] = key;
			d->mass[i] = d->weight[i] * d->key[i];
		}
	}
	sum_chunk(d, chunk);
}

/* Draw a point with a probability in proportion to its mass, or any point if none has mass. */
static int64_t pick(const struct draw *d, struct random *random)
{
	double total = 0, uniform = random_uniform(random);
	for (int64_t c = 0; c < d->chunks; c++)
		total += d->chunk_mass[c];
	int64_t last = random_below(random, d->n);
	if (!(total > 0))
		return last;
	double left = uniform * total;
	for (int64_t c = 0; c < d->chunks; c++) {
		int64_t end = (c + 1) * CHUNK < d->n ? (c + 1) * CHUNK : d->n;
		if (left >= d->chunk_mass[c] && c + 1 < d->chunks) {
			left -= d->chunk_mass[c];
			continue;
		}
		for (int64_t i = c * CHUNK; i < end; i++) {
			if (!(d->mass[i] > 0))
				continue;
			last = i;
			left -= d->mass[i];
			if (left < 0)
				return i;
		}
	}
	/* Because of rounding, something is left over: take the last point that has mass. */
	return last;
}

kith_status seed_plusplus(struct lloyd *l, struct random *random)
{
	struct draw d;
	bool ready = draw_begin(&d, l, random), going = !progress_stopped();
	for (int64_t c = 0; ready && going && c < d.chunks; c++)
		sum_chunk(&d, c);
	for (int64_t c = 0; ready && going && c < l->k; c++) {
		float *centroid = l->centroids + c * d.dim;
		memcpy(centroid, d.x + pick(&d, random) * d.dim, (size_t)d.dim * sizeof *centroid);
		d.newest = centroid;
		if (c + 1 < l->k)
			threads_run(d.chunks < 4 ? 1 : l->threads, d.chunks, measure_chunk, &d);
		going = !progress_stopped();
	}
	draw_free(&d);
	if (!ready)
		return no_memory(l->points.n);
	return going ? KITH_OK : fail_cancelled();
}
