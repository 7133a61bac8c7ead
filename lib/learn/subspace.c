/* Leading axes by subspace iteration: a few more rows than are wanted, at random, are multiplied with the
 * matrix of second moments and made orthonormal again, some times over; the axes are then found in the space
 * that they span (Rayleigh and Ritz). That is dim² · count multiplications a step, where all axes cost
 * some 9 dim³: for 64 of 784 axes a tenth.
 */
#include "lib/learn/subspace.h"

#include "lib/base/alloc.h"
#include "lib/base/random.h"
#include "lib/base/status.h"
#include "lib/learn/linear.h"
#include "lib/learn/matrix.h"
#include "lib/learn/vector.h"

#include <math.h>
#include <string.h>

enum { SPARE = 8, STEPS = 5, SEED = 12 };

struct subspace {
	int64_t dim, count; /* rows in the iteration */
	int threads;
	double *moments;              /* [dim × dim] */
	double *rows, *next;          /* [count × dim] */
	double *transposed;           /* [dim × count] */
	double *small, *values, *mix; /* [count × count], [count], [count × count] */
};

static bool subspace_init(struct subspace *s, int64_t dim, int64_t count, int threads)
{
	size_t wide = (size_t)dim * (size_t)count, square = (size_t)count * (size_t)count;
	*s = (struct subspace){.dim = dim, .count = count, .threads = threads};
	s->moments = mem_alloc((size_t)dim * (size_t)dim, sizeof *s->moments);
	s->rows = mem_alloc(wide, sizeof *s->rows);
	s->next = mem_alloc(wide, sizeof *s->next);
	s->transposed = mem_alloc(wide, sizeof *s->transposed);
	s->small = mem_alloc(square, sizeof *s->small);
	s->values = mem_alloc((size_t)count, sizeof *s->values);
	s->mix = mem_alloc(square, sizeof *s->mix);
	return s->moments && s->rows && s->next && s->transposed && s->small && s->values && s->mix;
}

static void subspace_free(struct subspace *s)
{
	double *arrays[] = {s->moments, s->rows, s->next, s->transposed, s->small, s->values, s->mix};
	for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
		mem_free(arrays[i]);
}

static void fill_at_random(const struct subspace *s, double *row, struct random *random)
{
	for (int64_t j = 0; j < s->dim; j++)
		row[j] = random_uniform(random) - 0.5;
}

/* Gram and Schmidt, twice over for each row. A row that depends on those before becomes a random one. */
static void orthonormalize(const struct subspace *s, double *rows, struct random *random)
{
	for (int64_t i = 0; i < s->count; i++) {
		double *row = rows + i * s->dim;
		for (int tries = 0; tries < 8; tries++) {
			double before = sqrt(vector_dot(s->dim, row, row)), after = 0;
			for (int pass = 0; pass < 2; pass++)
				for (int64_t j = 0; j < i; j++) {
					const double *other = rows + j * s->dim;
					vector_add(s->dim, -vector_dot(s->dim, row, other), other, row);
				}
			after = sqrt(vector_dot(s->dim, row, row));
			if (after > 1e-10 * before && after > 0) {
				vector_scale(s->dim, 1 / after, row);
				break;
			}
			fill_at_random(s, row, random);
		}
	}
}

static kith_status iterate(struct subspace *s)
{
	struct random random = random_begin(SEED, 0);
	for (int64_t i = 0; i < s->count; i++)
		fill_at_random(s, s->rows + i * s->dim, &random);
	orthonormalize(s, s->rows, &random);
	for (int step = 0; step < STEPS; step++) {
		matrix_multiply(s->count, s->dim, s->dim, s->rows, s->moments, s->threads, s->next);
		if (step < STEPS - 1) {
			orthonormalize(s, s->next, &random);
			memcpy(s->rows, s->next, (size_t)(s->count * s->dim) * sizeof *s->rows);
		}
	}
	/* next is rows · moments: rows · moments · rowsᵀ has the axes of the space. */
	matrix_transpose(s->count, s->dim, s->rows, s->transposed);
	matrix_multiply(s->count, s->dim, s->count, s->next, s->transposed, s->threads, s->small);
	kith_status status = matrix_eigen(s->count, s->small, s->values, s->mix, s->threads);
	if (status == KITH_OK)
		matrix_multiply(s->count, s->count, s->dim, s->mix, s->rows, s->threads, s->next);
	return status;
}

kith_status leading_axes(const struct sample *sample, int64_t count, int threads, double *axes)
{
	struct subspace s;
	int64_t dim = sample->dim, rows = count + SPARE < dim ? count + SPARE : dim;
	kith_status status = subspace_init(&s, dim, rows, threads)
	                         ? KITH_OK
	                         : fail_nomem("principal axes", (size_t)dim * (size_t)dim * sizeof *axes);
	if (status == KITH_OK)
		status = linear_outer(sample->n, dim, sample->x, dim, sample->x, threads, s.moments);
	if (status == KITH_OK)
		status = iterate(&s);
	if (status == KITH_OK)
		memcpy(axes, s.next, (size_t)(count * dim) * sizeof *axes);
	subspace_free(&s);
	return status;
}
