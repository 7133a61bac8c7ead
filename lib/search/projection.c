/* Projecting vectors: from x to z and an upper bound of its error, as derived in projection.h. */
#include "lib/search/projection.h"

#include "kernels/kernels.h"
#include "lib/base/alloc.h"
#include "lib/base/rounding.h"
#include "lib/base/status.h"

#include <math.h>
#include <string.h>

void projection_free(struct projection *projection)
{
	if (!projection)
		return;
	linear_free(&projection->map);
	mem_free(projection->memory);
	mem_free(projection->heads);
	mem_free(projection->mean);
	mem_free(projection);
}

size_t projection_memory(const struct projection *p)
{
	if (!p)
		return 0;
	return sizeof *p + p->bytes + linear_memory(&p->map) + (size_t)p->dim * sizeof *p->mean;
}

/* c = x − mean. */
static void center(const struct projection *projection, const float *x, float *c)
{
	for (int64_t j = 0; j < projection->dim; j++)
		c[j] = x[j] - projection->mean[j];
}

/* Make z [p + 1] of c [dim] and y [p], which the map made of c. Returns an upper bound of the error of z; ∞:
 * there is none, and z is 0. */
static float complete(const struct projection *projection, const float *c, const float *y, float *z)
{
	int64_t p = projection->p;
	double normsq = kernels()->ip_exact(c, c, projection->dim), kept = 0, a = projection->map_error;
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

kith_status projection_apply(const struct projection *projection, const struct rows *rows, int64_t first,
    const uint32_t *which, int64_t n, float *z, float *err)
{
	enum { CHUNK = 64 };
	int64_t dim = projection->dim, p = projection->p, wide = p + 1;
	float *c = mem_alloc((size_t)(CHUNK * dim + dim + CHUNK * p), sizeof *c);
	if (!c)
		return fail_nomem("a projection", (size_t)(CHUNK * dim) * sizeof *c);
	float *scratch = c + CHUNK * dim, *y = scratch + dim;
	kith_status status = KITH_OK;
	for (int64_t i = 0; i < n && status == KITH_OK; i += CHUNK) {
		int64_t count = n - i < CHUNK ? n - i : CHUNK;
		for (int64_t j = 0; j < count; j++) {
			int64_t row = which ? which[i + j] : first + i + j;
			center(projection, rows_load(rows, row, scratch), c + j * dim);
		}
		struct rows chunk = rows_of_array(KITH_F32, count, dim, c, 0);
		status = linear_apply(&projection->map, &chunk, 1, y);
		for (int64_t j = 0; j < count && status == KITH_OK; j++)
			err[i + j] = complete(projection, c + j * dim, y + j * p, z + (i + j) * wide);
	}
	mem_free(c);
	return status;
}
