/* Samples for learning rotations. They are scaled by a power of two, which is exact, so that squares neither
 * overflow nor underflow, whatever the unit of the data. */
#include "lib/learn/sample.h"

#include "lib/base/alloc.h"
#include "lib/base/progress.h"
#include "lib/base/random.h"
#include "lib/base/rounding.h"
#include "lib/base/status.h"
#include "lib/learn/linear.h"
#include "lib/learn/matrix.h"
#include "lib/learn/vector.h"

#include <math.h>
#include <string.h>

enum { LOOK = 1024 }; /* number of vectors between two checks for a cancel */

static kith_status draw(struct sample *s, const struct rows *rows, uint64_t seed)
{
	int64_t *chosen = mem_alloc((size_t)s->n, sizeof *chosen);
	if (!chosen)
		return fail_nomem("a training sample", (size_t)s->n * sizeof *chosen);
	struct random random = random_begin(seed, 0);
	random_sample(&random, rows->n, s->n, chosen);
	for (int64_t i = 0; i < s->n; i++) {
		if (i % LOOK == LOOK - 1 && progress_stopped()) {
			mem_free(chosen);
			return fail_cancelled();
		}
		float *x = s->x + i * s->dim;
		const float *row = rows_load(rows, chosen[i], x);
		if (row != x)
			memcpy(x, row, (size_t)s->dim * sizeof *x);
	}
	mem_free(chosen);
	return KITH_OK;
}

static void center(struct sample *s)
{
	for (int64_t i = 0; i < s->n; i++)
		for (int64_t j = 0; j < s->dim; j++)
			s->mean[j] += (double)s->x[i * s->dim + j];
	for (int64_t j = 0; j < s->dim; j++)
		s->mean[j] /= s->n > 0 ? (double)s->n : 1;
}

static void scale(struct sample *s)
{
	double max = 0;
	for (int64_t i = 0; i < s->n; i++)
		for (int64_t j = 0; j < s->dim; j++)
			max = greater(max, fabs((double)s->x[i * s->dim + j] - s->mean[j]));
	int exponent;
	frexp(max, &exponent);
	s->unit = max > 0 ? ldexp(1, exponent) : 1;
	for (int64_t i = 0; i < s->n; i++)
		for (int64_t j = 0; j < s->dim; j++) {
			float *x = &s->x[i * s->dim + j];
			*x = (float)(((double)*x - s->mean[j]) / s->unit);
		}
}

kith_status sample_init(
    struct sample *sample, const struct rows *rows, int64_t max, uint64_t seed, bool centred)
{
	*sample = (struct sample){.n = rows->n < max ? rows->n : max, .dim = rows->dim};
	size_t cells = (size_t)sample->n * (size_t)sample->dim;
	sample->x = mem_alloc(cells, sizeof *sample->x);
	sample->mean = mem_zalloc((size_t)sample->dim, sizeof *sample->mean);
	kith_status status = sample->x && sample->mean
	                         ? draw(sample, rows, seed)
	                         : fail_nomem("a training sample", cells * sizeof *sample->x);
	if (status) {
		sample_free(sample);
		return status;
	}
	if (centred)
		center(sample);
	scale(sample);
	return KITH_OK;
}

void sample_free(struct sample *sample)
{
	mem_free(sample->x);
	mem_free(sample->mean);
	*sample = (struct sample){0};
}

kith_status sample_axes(const struct sample *sample, int threads, double *values, double *axes)
{
	int64_t dim = sample->dim;
	size_t cells = (size_t)dim * (size_t)dim;
	double *sums = mem_alloc(cells, sizeof *sums);
	if (!sums)
		return fail_nomem("a covariance matrix", cells * sizeof *sums);
	kith_status status = linear_outer(sample->n, dim, sample->x, dim, sample->x, threads, sums);
	if (status == KITH_OK) {
		vector_scale(dim * dim, 1 / (double)sample->n, sums);
		status = matrix_eigen(dim, sums, values, axes, threads);
	}
	mem_free(sums);
	return status;
}
