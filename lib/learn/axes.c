/* Projecting vectors: from x to z and an upper bound of its error, as derived in axes.h. */
#include "lib/learn/axes.h"

#include "kernels/kernels.h"
#include "lib/base/alloc.h"
#include "lib/base/rounding.h"
#include "lib/base/status.h"
#include "lib/learn/sample.h"
#include "lib/learn/subspace.h"
#include "lib/tile/form.h"

#include <math.h>
#include <string.h>

enum { SEED = 12 };

void axes_free(struct axes *axes)
{
	linear_free(&axes->map);
	mem_free(axes->mean);
}

size_t axes_memory(const struct axes *axes)
{
	return linear_memory(&axes->map) + (size_t)axes->dim * sizeof *axes->mean;
}

/* ‖VᵀV − I‖ of v [p × dim], at least. */
static double departure(const struct axes *axes, const float *v)
{
	double sum = 0;
	for (int64_t i = 0; i < axes->p; i++)
		for (int64_t j = 0; j <= i; j++) {
			double product = kernels()->ip_exact(v + i * axes->dim, v + j * axes->dim, axes->dim);
			double off = product - (i == j);
			sum += (i == j ? 1 : 2) * off * off;
		}
	return sqrt(sum) + 1e-12 * (double)axes->p;
}

kith_status axes_set(struct axes *axes, const double *w, int64_t count)
{
	size_t floats = (size_t)(count * axes->dim);
	float *rounded = mem_alloc(floats, sizeof *rounded);
	if (!rounded)
		return fail_nomem("a projection", floats * sizeof *rounded);
	for (size_t i = 0; i < floats; i++)
		rounded[i] = (float)w[i];
	linear_free(&axes->map);
	axes->p = count;
	double omega = departure(axes, rounded);
	double gamma = (double)(axes->dim + 8) * 0x1p-24 * sqrt((double)count) + 0x1p-23;
	axes->error = (omega + gamma) * (1 + omega);
	mem_free(rounded);
	return linear_init(&axes->map, axes->dim, count, w, NULL);
}

kith_status axes_learn(struct axes *axes, const struct rows *rows, int64_t sample_size, bool centred,
    int64_t count, int threads, double **w)
{
	struct sample sample;
	size_t doubles = (size_t)(count * axes->dim);
	axes->mean = mem_zalloc((size_t)axes->dim, sizeof *axes->mean);
	*w = mem_alloc(doubles, sizeof **w);
	if (!axes->mean || !*w)
		return fail_nomem("a projection", doubles * sizeof **w);
	kith_status status = sample_init(&sample, rows, sample_size, SEED, centred);
	if (status)
		return status;
	status = leading_axes(&sample, count, threads, *w);
	for (int64_t j = 0; j < axes->dim; j++)
		axes->mean[j] = isfinite((float)sample.mean[j]) ? (float)sample.mean[j] : 0;
	sample_free(&sample);
	return status ? status : axes_set(axes, *w, count);
}

/* c = x − mean. */
static void center(const struct axes *axes, const float *x, float *c)
{
	for (int64_t j = 0; j < axes->dim; j++)
		c[j] = x[j] - axes->mean[j];
}

/* Make z [p + 1] of c [dim] and y [p], which the map made of c. Returns an upper bound of the error of z; ∞:
 * there is none, and z is 0. */
static float complete(const struct axes *axes, const float *c, const float *y, float *z)
{
	int64_t p = axes->p;
	double normsq = kernels()->ip_exact(c, c, axes->dim), kept = 0, a = axes->error;
	if (!(normsq < (double)TILE_HUGE * (double)TILE_HUGE)) {
		memset(z, 0, (size_t)(p + 1) * sizeof *z);
		return INFINITY;
	}
	for (int64_t i = 0; i < p; i++)
		kept += (double)y[i] * (double)y[i];
	memcpy(z, y, (size_t)p * sizeof *z);
	double norm = sqrt(normsq) * (1 + 1e-12), off = (2 * a + a * a + 0x1p-22) * normsq;
	double rest = normsq > kept ? sqrt(normsq - kept) : 0, rest_off = sqrt(off);
	if (rest > 0 && off / rest < rest_off)
		rest_off = off / rest;
	z[p] = (float)rest;
	rest_off += norm * 0x1p-23;
	return float_up((sqrt(a * a * normsq + rest_off * rest_off) + TILE_TINY) * (1 + 1e-6));
}

kith_status axes_apply(const struct axes *axes, const struct rows *rows, int64_t first, const uint32_t *which,
    int64_t n, float *z, float *err)
{
	enum { CHUNK = 64 };
	int64_t dim = axes->dim, p = axes->p, wide = p + 1;
	float *c = mem_alloc((size_t)(CHUNK * dim + dim + CHUNK * p), sizeof *c);
	if (!c)
		return fail_nomem("a projection", (size_t)(CHUNK * dim) * sizeof *c);
	float *scratch = c + CHUNK * dim, *y = scratch + dim;
	kith_status status = KITH_OK;
	for (int64_t i = 0; i < n && status == KITH_OK; i += CHUNK) {
		int64_t count = n - i < CHUNK ? n - i : CHUNK;
		for (int64_t j = 0; j < count; j++) {
			int64_t row = which ? which[i + j] : first + i + j;
			center(axes, rows_load(rows, row, scratch), c + j * dim);
		}
		struct rows chunk = rows_of_array(KITH_F32, count, dim, c, 0);
		status = linear_apply(&axes->map, &chunk, 1, y);
		for (int64_t j = 0; j < count && status == KITH_OK; j++)
			err[i + j] = complete(axes, c + j * dim, y + j * p, z + (i + j) * wide);
	}
	mem_free(c);
	return status;
}
