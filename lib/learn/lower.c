/* Lower bounds for k-means.
 *
 * In the second and all later assignments each point has a good hint, the centroid of the last one, and the
 * distance from that is a threshold that few other centroids pass in as few as 32 of 128 or 64 of 784
 * dimensions. The points' z do not change, and are packed once; those of the centroids are new each time.
 *
 * The number of axes. For some points and centroids it is counted how many pairs pass with 15, 23, … axes,
 * and the number with the least cost is taken.
 *
 * Memory: p + 25 bytes a point.
 */
#include "lib/learn/lower.h"

#include "kernels/kernels.h"
#include "lib/base/alloc.h"
#include "lib/base/arena.h"
#include "lib/base/random.h"
#include "lib/base/rounding.h"
#include "lib/base/status.h"
#include "lib/base/threads.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

enum {
	MIN_DIM = 48,
	MIN_K = 128,
	SAMPLE_PER_DIM = 4, /* points for each dimension, from which axes are learnt, */
	MIN_SAMPLE = 2048,  /* and at least */
	TRIAL_POINTS = 64,
	TRIAL_ROWS = 1024,
	TASK = 1024, /* points that a task projects */
	COUNTS = 6,
	SEED = 12,
};

static const int64_t AXES[COUNTS] = {15, 23, 31, 39, 47, 63};

static _Atomic int64_t forced_axes;

void lower_force_axes(int64_t count)
{
	forced_axes = count;
}

/* ---- what it costs, in nanoseconds on Zen 5; only the ratios matter ---- */

/* To multiply a pair in so many dimensions. */
static double product_cost(int64_t dim)
{
	return 0.03 + 0.0024 * (double)dim;
}

/* To compare a pair that passes. */
static double look_cost(int64_t dim)
{
	return 6 + 0.06 * (double)dim;
}

/* To learn and apply the axes. */
static double begin_cost(int64_t n, int64_t dim, int64_t axes)
{
	double d = (double)dim, sample = SAMPLE_PER_DIM * d > MIN_SAMPLE ? SAMPLE_PER_DIM * d : MIN_SAMPLE;
	return (0.04 * sample + 2 * (double)axes) * d * d + (double)n * (0.04 * d * (double)axes + 100);
}

/* The most axes that may pay: half of the dimensions. 0: none can. */
static int64_t max_axes(const struct nearest *what, int64_t n, int64_t rounds)
{
	int64_t dim = what->dim, most = 0;
	if (forced_axes)
		return dim < 2 ? 0 : forced_axes < dim ? forced_axes : dim - 1;
	if (!kernels()->i8_is_fast || dim < MIN_DIM || what->k < MIN_K || n < MIN_SAMPLE)
		return 0;
	for (int i = 0; i < COUNTS && AXES[i] < dim / 2; i++)
		most = AXES[i];
	double pairs = (double)n * (double)what->k * (double)rounds;
	return pairs * product_cost(dim) > 2 * begin_cost(n, dim, most) ? most : 0;
}

/* ---- how many axes ---- */

/* z of some vectors, with what follows from them for each number of axes. */
struct trial {
	int64_t n, wide;
	float *z, *err;         /* [n × wide], [n] */
	double (*rest)[COUNTS]; /* [n] the length of what the first axes leave out */
	double (*off)[COUNTS];  /* [n] about the error of their int8 */
};

static kith_status trial_init(struct trial *t, const struct axes *axes, const struct rows *rows, int64_t max)
{
	t->wide = axes->p + 1;
	t->n = rows->n < max ? rows->n : max;
	t->z = mem_alloc((size_t)(t->n * (t->wide + 1)), sizeof *t->z);
	t->rest = mem_alloc((size_t)t->n, 2 * sizeof *t->rest);
	if (!t->z || !t->rest)
		return fail_nomem("a trial of projections", (size_t)(t->n * t->wide) * sizeof *t->z);
	t->err = t->z + t->n * t->wide;
	t->off = t->rest + t->n;
	int64_t step = rows->n / t->n;
	for (int64_t i = 0; i < t->n; i++) {
		kith_status status =
		    axes_apply(axes, rows, i * step, NULL, 1, t->z + i * t->wide, t->err + i);
		if (status)
			return status;
	}
	for (int64_t i = 0; i < t->n; i++) {
		const float *z = t->z + i * t->wide;
		double squares = 0, max_z = 0, kept = 0;
		for (int64_t j = 0; j < t->wide; j++)
			squares += (double)z[j] * (double)z[j];
		for (int64_t a = 0, j = 0; a < COUNTS && AXES[a] < t->wide; a++) {
			for (; j < AXES[a]; j++) {
				kept += (double)z[j] * (double)z[j];
				max_z = greater(max_z, fabs((double)z[j]));
			}
			double rest = squares > kept ? sqrt(squares - kept) : 0;
			t->rest[i][a] = rest;
			t->off[i][a] = greater(max_z, rest) * 0.29 / 127 * sqrt((double)AXES[a] + 1);
		}
	}
	return KITH_OK;
}

static void trial_free(struct trial *t)
{
	mem_free(t->z);
	mem_free(t->rest);
}

/* Count in passed [COUNTS] for which numbers of axes row c can be within the key of point i. */
static void count_pair(const struct trial *points, int64_t i, const struct trial *rows, int64_t c,
    bool product, double key, int64_t *passed)
{
	const float *x = points->z + i * points->wide, *y = rows->z + c * rows->wide;
	double sum = 0;
	for (int64_t a = 0, j = 0; a < COUNTS && AXES[a] < points->wide; a++) {
		double rx = points->rest[i][a], ry = rows->rest[c][a];
		double ex = points->off[i][a], ey = rows->off[c][a];
		if (product) {
			for (; j < AXES[a]; j++)
				sum += (double)x[j] * (double)y[j];
			double off = ex * rows->rest[c][0] + ey * points->rest[i][0];
			passed[a] += -(sum + rx * ry) - off <= key;
		} else {
			for (; j < AXES[a]; j++)
				sum += ((double)x[j] - (double)y[j]) * ((double)x[j] - (double)y[j]);
			double radius = sqrt(key) + ex + ey;
			passed[a] += sum + (rx - ry) * (rx - ry) <= radius * radius;
		}
	}
}

/* The number of axes with the least cost; 0: none pays. */
static int64_t cheapest(const int64_t *passed, int64_t pairs, const struct nearest *what, int64_t p)
{
	double least = 0.8 * product_cost(what->dim);
	int64_t best = 0;
	for (int a = 0; a < COUNTS && AXES[a] <= p; a++) {
		double share = (double)passed[a] / (double)pairs;
		double cost = product_cost(AXES[a] + 1) + share * look_cost(what->dim);
		if (cost < least) {
			least = cost;
			best = AXES[a];
		}
	}
	return best;
}

static kith_status choose_axes(struct lower *lower, const struct nearest *what, const struct rows *points,
    const int32_t *hints, int64_t *best)
{
	struct trial x = {0}, c = {0};
	struct rows rows = rows_of_array(KITH_F32, what->k, what->dim, what->rows, 0);
	int64_t passed[COUNTS] = {0};
	struct metric_kernels score = metric_kernels(what->metric);
	float *scratch = mem_alloc((size_t)what->dim, sizeof *scratch);
	kith_status status = scratch ? trial_init(&x, &lower->axes, points, TRIAL_POINTS)
	                             : fail_nomem("a trial", (size_t)what->dim * sizeof *scratch);
	if (status == KITH_OK)
		status = trial_init(&c, &lower->axes, &rows, TRIAL_ROWS);
	for (int64_t i = 0; i < x.n && status == KITH_OK; i++) {
		int64_t point = i * (points->n / x.n);
		double key = metric_exact(&score, rows_load(points, point, scratch),
		    what->rows + hints[point] * what->dim, what->dim);
		for (int64_t r = 0; r < c.n; r++)
			count_pair(&x, i, &c, r, lower->product, key, passed);
	}
	*best = cheapest(passed, x.n * c.n, what, lower->axes.p);
	trial_free(&x);
	trial_free(&c);
	mem_free(scratch);
	return status;
}

/* ---- the points ---- */

struct packing {
	struct lower *lower;
	const struct rows *points;
	struct tile_form form;
	float *scratch; /* [workers × TASK × (p + 2)] */
	_Atomic int status;
};

static void pack_task(void *arg, int64_t task, int worker)
{
	struct packing *p = arg;
	const struct tile_vectors *v = &p->lower->nearest.points;
	int64_t wide = p->lower->nearest.dim, first = task * TASK, left = p->points->n - first;
	int64_t n = left < TASK ? left : TASK;
	float *z = p->scratch + worker * TASK * (wide + 1), *err = z + TASK * wide;
	if (atomic_load(&p->status))
		return;
	kith_status status = axes_apply(&p->lower->axes, p->points, first, NULL, n, z, err);
	if (status) {
		atomic_store(&p->status, (int)status);
		return;
	}
	for (int64_t i = 0; i < n; i++) {
		char *out = v->data + (size_t)(first + i) * p->form.bytes;
		tile_put(&p->form, z + i * wide, p->lower->product ? -1 : -2, out, v, first + i);
		v->err[first + i] = float_up((double)v->err[first + i] + (double)err[i]);
		if (!(v->err[first + i] < TILE_HUGE))
			tile_blank(&p->form, out, v, first + i);
	}
}

static kith_status pack_points(struct lower *lower, const struct rows *points, int threads)
{
	struct packing p = {.lower = lower, .points = points};
	struct arena arena = {NULL, 0};
	int64_t wide = lower->nearest.dim;
	p.form = tile_form_of(wide, NULL, true);
	tile_vectors_take(&p.form, points->n, true, true, &arena);
	size_t bytes = arena.used;
	arena = (struct arena){mem_alloc(bytes, 1), 0};
	lower->points = arena.memory;
	p.scratch = mem_alloc((size_t)(threads * TASK * (wide + 1)), sizeof *p.scratch);
	kith_status status = KITH_OK;
	if (lower->points && p.scratch) {
		lower->nearest.points = tile_vectors_take(&p.form, points->n, true, true, &arena);
		threads_run(threads, (points->n + TASK - 1) / TASK, pack_task, &p);
		status = (kith_status)atomic_load(&p.status);
	} else {
		status = fail_nomem("the projections of points", bytes);
	}
	mem_free(p.scratch);
	return status;
}

/* ---- begin and use ---- */

kith_status lower_begin(struct lower *lower, const struct nearest *what, const struct rows *points,
    const int32_t *hints, int64_t rounds)
{
	lower->tried = true;
	int64_t count = max_axes(what, points->n, rounds), best = count;
	int64_t sample = SAMPLE_PER_DIM * what->dim > MIN_SAMPLE ? SAMPLE_PER_DIM * what->dim : MIN_SAMPLE;
	if (count == 0)
		return KITH_OK;
	double *w = NULL;
	lower->axes.dim = what->dim;
	lower->product = what->metric->product == PRODUCT_IP;
	kith_status status =
	    axes_learn(&lower->axes, points, sample, !lower->product, count, what->threads, &w);
	if (status == KITH_OK && !forced_axes)
		status = choose_axes(lower, what, points, hints, &best);
	if (status == KITH_OK && best > 0)
		status = axes_set(&lower->axes, w, best);
	mem_free(w);
	lower->axes.p = best;
	if (status || best == 0)
		return status;
	lower->nearest.dim = best + 1;
	lower->nearest.always = forced_axes > 0;
	size_t floats = (size_t)what->k * (size_t)(best + 2);
	lower->rows = mem_alloc(floats, sizeof *lower->rows);
	if (!lower->rows)
		return fail_nomem("the projections of centroids", floats * sizeof *lower->rows);
	lower->row_err = lower->rows + what->k * (best + 1);
	return pack_points(lower, points, what->threads);
}

void lower_end(struct lower *lower)
{
	axes_free(&lower->axes);
	mem_free(lower->rows);
	mem_free(lower->points);
}

kith_status lower_use(struct lower *lower, struct nearest *what)
{
	if (lower->axes.p == 0)
		return KITH_OK;
	struct rows rows = rows_of_array(KITH_F32, what->k, what->dim, what->rows, 0);
	lower->nearest.rows = lower->rows;
	lower->nearest.row_err = lower->row_err;
	what->lower = &lower->nearest;
	return axes_apply(&lower->axes, &rows, 0, NULL, what->k, lower->rows, lower->row_err);
}
