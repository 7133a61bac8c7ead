/* Eigenvectors of symmetric matrices: Householder's reduction to a tridiagonal matrix, then QL with implicit
 * shifts (Bowdler, Martin, Reinsch & Wilkinson 1968), each in an order that suits caches.
 *
 * Reduction. Step k reflects by H = I − v vᵀ, ‖v‖² = 2: with p = A v and w = p − ½⟨v,p⟩ v, H A H = A − v wᵀ −
 * w vᵀ. The update of one step and the product p of the next are one pass over the rows, since the next v
 * needs only the first of them. v_k replaces row k, which is no longer needed.
 *
 * QL. The rotations depend only on the tridiagonal matrix. They are collected over several sweeps and then
 * applied to the eigenvectors, a block of columns at a time, which stays in the cache. Columns are
 * independent, so that threads can take different blocks.
 *
 * Why not LAPACK: the same seed must give the same index, and LAPACK's bits depend on settings of the host
 * program that a library may not change. With OpenBLAS 0.3.21, eigenvectors by dsyevd and dsyevr differ
 * between one thread of the BLAS and two from n = 32 on, singular vectors by dgesvd from n = 128 on, and all
 * of them between the kernels that it chooses for a CPU (Haswell, SkylakeX). There is no portable way to set
 * the number of threads for one caller alone. Rounding to float hides most of these differences but not all,
 * and one bit that differs changes codes. For a dimension of 768 this takes about a second.
 */
#include "lib/learn/matrix.h"

#include "lib/base/alloc.h"
#include "lib/base/progress.h"
#include "lib/base/status.h"
#include "lib/base/threads.h"
#include "lib/learn/vector.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum {
	ROWS = 32,      /* rows in a task of the reduction */
	MIN_ROWS = 512, /* with fewer rows, a step of the reduction is too little work for threads */
	COLUMNS = 64,   /* columns in a task that rotates */
	SWEEPS = 24,    /* number of sweeps that are collected before they are applied */
	TRIES = 80,     /* the most sweeps for one eigenvalue, for which two are usual */
};

struct sweep {
	int64_t first, last; /* rotations last − 1 … first, in this order; number i turns rows i and i + 1 */
	const double (*rotation)[2];
};

struct eigen {
	int64_t n;
	double *a, *vectors;
	double *diagonal, *beside; /* [n] each; beside[i] is the element that joins rows i and i + 1 */
	double *w, *p;             /* [n] of the step before, and of this step */
	double negligible;         /* an element beside the diagonal that is not greater counts as zero */
	int64_t step;
	int threads;
	double (*rotations)[2]; /* [SWEEPS × n]: cosine, sine */
	struct sweep sweeps[SWEEPS];
	int count;
};

/* ---- reduction to a tridiagonal matrix ---- */
/* Apply the update of the step before to row i, from column `from` on. */
static void update_row(const struct eigen *e, int64_t i, int64_t from)
{
	if (e->step == 0)
		return;
	const double *v = e->a + (e->step - 1) * e->n;
	double vi = v[i], wi = e->w[i], *row = e->a + i * e->n;
	for (int64_t j = from; j < e->n; j++)
		row[j] -= vi * e->w[j] + wi * v[j];
}

static void reduce_rows(void *arg, int64_t number, int worker)
{
	(void)worker;
	const struct eigen *e = arg;
	int64_t first = e->step + 1, from = first + number * ROWS;
	int64_t to = from + ROWS < e->n ? from + ROWS : e->n;
	const double *v = e->a + e->step * e->n;
	for (int64_t i = from; i < to; i++) {
		update_row(e, i, first);
		e->p[i] = vector_dot(e->n - first, e->a + i * e->n + first, v + first);
	}
}

/* Make row `step` the v of its reflection. Returns the element beside the diagonal that the reflection
 * leaves. */
static double make_reflection(const struct eigen *e)
{
	int64_t first = e->step + 1, n = e->n - first;
	double *row = e->a + e->step * e->n, *v = row + first;
	memset(row, 0, (size_t)first * sizeof *row);
	double norm = sqrt(vector_dot(n, v, v));
	if (n == 1 || norm == 0) {
		double rest = v[0];
		memset(v, 0, (size_t)n * sizeof *v);
		return rest;
	}
	double beside = v[0] > 0 ? -norm : norm;
	v[0] -= beside;
	/* Dividing first keeps the squares of tiny numbers from becoming zero. */
	vector_scale(n, 1 / norm, v);
	vector_scale(n, sqrt(2 / vector_dot(n, v, v)), v);
	return beside;
}

static void reduce(struct eigen *e)
{
	for (e->step = 0; e->step < e->n && !progress_stopped(); e->step++) {
		int64_t first = e->step + 1, n = e->n - first;
		update_row(e, e->step, e->step);
		e->diagonal[e->step] = e->a[e->step * e->n + e->step];
		if (n == 0)
			break;
		e->beside[e->step] = make_reflection(e);
		threads_run(n < MIN_ROWS ? 1 : e->threads, (n + ROWS - 1) / ROWS, reduce_rows, e);
		const double *v = e->a + e->step * e->n + first;
		memcpy(e->w + first, e->p + first, (size_t)n * sizeof *e->w);
		vector_add(n, -vector_dot(n, v, e->p + first) / 2, v, e->w + first);
	}
}

/* ---- QL ---- */

static void rotate_columns(void *arg, int64_t number, int worker)
{
	(void)worker;
	const struct eigen *e = arg;
	int64_t from = number * COLUMNS, n = e->n - from < COLUMNS ? e->n - from : COLUMNS;
	if (progress_stopped())
		return;
	for (int s = 0; s < e->count; s++) {
		const struct sweep *sweep = &e->sweeps[s];
		for (int64_t i = sweep->last - 1; i >= sweep->first; i--) {
			double *restrict x = e->vectors + i * e->n + from, *restrict y = x + e->n;
			double cosine = sweep->rotation[i - sweep->first][0];
			double sine = sweep->rotation[i - sweep->first][1];
			for (int64_t j = 0; j < n; j++) {
				double xj = x[j], yj = y[j];
				y[j] = sine * xj + cosine * yj;
				x[j] = cosine * xj - sine * yj;
			}
		}
	}
}

static void rotate_vectors(struct eigen *e)
{
	threads_run(e->n < 2 * COLUMNS ? 1 : e->threads, (e->n + COLUMNS - 1) / COLUMNS, rotate_columns, e);
	e->count = 0;
}

/* The first m >= l after which the matrix can be split: the element there is no greater than the rounding of
 * the reduction. */
static int64_t find_split(const struct eigen *e, int64_t l)
{
	for (int64_t m = l; m < e->n - 1; m++)
		if (fabs(e->beside[m]) <= e->negligible)
			return m;
	return e->n - 1;
}

/* One sweep of QL over rows l … m. */
static void sweep_once(struct eigen *e, int64_t l, int64_t m)
{
	double *d = e->diagonal, *b = e->beside, (*rotation)[2] = e->rotations + e->count * e->n;
	double g = (d[l + 1] - d[l]) / (2 * b[l]);
	g = d[m] - d[l] + b[l] / (g + copysign(sqrt(g * g + 1), g));
	double s = 1, c = 1, p = 0;
	int64_t i = m - 1;
	for (; i >= l; i--) {
		double f = s * b[i], h = c * b[i], r = sqrt(f * f + g * g);
		b[i + 1] = r;
		if (r == 0)
			break;
		s = f / r;
		c = g / r;
		g = d[i + 1] - p;
		r = (d[i] - g) * s + 2 * c * h;
		p = s * r;
		d[i + 1] = g + p;
		g = c * r - h;
		rotation[i - l][0] = c;
		rotation[i - l][1] = s;
	}
	if (i >= l) {
		/* Squares underflowed; the rotations so far remain valid. */
		d[i + 1] -= p;
	} else {
		d[l] -= p;
		b[l] = g;
	}
	b[m] = 0;
	e->sweeps[e->count++] = (struct sweep){i + 1, m, (const double(*)[2])rotation + (i + 1 - l)};
	if (e->count == SWEEPS)
		rotate_vectors(e);
}

static kith_status diagonalize(struct eigen *e)
{
	e->beside[e->n - 1] = 0;
	double norm = 0;
	for (int64_t i = 0; i < e->n; i++)
		norm = fmax(norm, fabs(e->diagonal[i]) + fabs(e->beside[i]));
	e->negligible = DBL_EPSILON / 4 * norm;
	for (int64_t l = 0; l < e->n; l++) {
		int64_t m;
		for (int tries = 0; (m = find_split(e, l)) != l; tries++) {
			if (progress_stopped())
				return fail_cancelled();
			if (tries == TRIES)
				return fail(KITH_INTERNAL, "eigenvalue %lld of %lld did not converge",
				    (long long)l, (long long)e->n);
			sweep_once(e, l, m);
		}
	}
	rotate_vectors(e);
	return progress_status();
}

/* ---- the whole ---- */

static void swap_rows(struct eigen *e, int64_t a, int64_t b)
{
	double *x = e->vectors + a * e->n, *y = e->vectors + b * e->n;
	for (int64_t j = 0; j < e->n; j++) {
		double t = x[j];
		x[j] = y[j];
		y[j] = t;
	}
}

/* Sort eigenvalues in descending order, and make the largest component of each vector positive. */
static void sort(struct eigen *e)
{
	for (int64_t i = 0; i < e->n; i++) {
		int64_t max = i;
		for (int64_t j = i + 1; j < e->n; j++)
			max = e->diagonal[j] > e->diagonal[max] ? j : max;
		if (max != i) {
			double t = e->diagonal[i];
			e->diagonal[i] = e->diagonal[max];
			e->diagonal[max] = t;
			swap_rows(e, i, max);
		}
		double *row = e->vectors + i * e->n, peak = 0;
		for (int64_t j = 0; j < e->n; j++)
			peak = fabs(row[j]) > fabs(peak) ? row[j] : peak;
		if (peak < 0)
			vector_scale(e->n, -1, row);
	}
}

/* A power of two near the largest element; 0: an element is not finite. */
static double scale_of(int64_t n, const double *a)
{
	double max = 0;
	int exponent;
	for (int64_t i = 0; i < n * n; i++) {
		if (!isfinite(a[i]))
			return 0;
		max = fmax(max, fabs(a[i]));
	}
	frexp(max, &exponent);
	return max > 0 ? ldexp(1, exponent) : 1;
}

kith_status matrix_eigen(int64_t n, double *a, double *values, double *vectors, int threads)
{
	double scale = scale_of(n, a);
	if (scale == 0)
		return fail(KITH_INTERNAL, "eigenvalues of a matrix that is not finite");
	struct eigen e = {.n = n, .a = a, .vectors = vectors, .diagonal = values};
	e.threads = threads_resolve(threads);
	e.beside = mem_alloc((size_t)n, sizeof *e.beside);
	e.w = mem_alloc((size_t)n, sizeof *e.w);
	e.p = mem_alloc((size_t)n, sizeof *e.p);
	e.rotations = mem_alloc((size_t)n * SWEEPS, sizeof *e.rotations);
	kith_status status = KITH_OK;
	if (!e.beside || !e.w || !e.p || !e.rotations)
		status = fail_nomem("eigenvalues", (size_t)n * SWEEPS * sizeof *e.rotations);
	if (status == KITH_OK) {
		vector_scale(n * n, 1 / scale, a);
		reduce(&e);
		matrix_reflections(n, n - 2, 1, a, n, threads, vectors);
		status = progress_stopped() ? fail_cancelled() : diagonalize(&e);
	}
	if (status == KITH_OK) {
		sort(&e);
		vector_scale(n, scale, values);
	}
	mem_free(e.beside);
	mem_free(e.w);
	mem_free(e.p);
	mem_free(e.rotations);
	return status;
}
