/* Random rotations, uniform in the sense of Haar: a gaussian matrix made orthonormal (Mezzadri 2007). Only the
 * side that is kept is computed. */
#include "lib/learn/rotation.h"

#include "lib/base/alloc.h"
#include "lib/base/random.h"
#include "lib/base/status.h"
#include "lib/learn/matrix.h"

#include <math.h>
#include <string.h>

/* A normal deviate by Marsaglia's polar method; the second one it offers is not used. */
static double gaussian(struct random *random)
{
	for (;;) {
		double x = 2 * random_uniform(random) - 1, y = 2 * random_uniform(random) - 1;
		double sq = x * x + y * y;
		if (sq < 1 && sq > 0)
			return x * sqrt(-2 * log(sq) / sq);
	}
}

kith_status rotation_matrix(int64_t in, int64_t out, uint64_t seed, double *a)
{
	int64_t wide = in > out ? in : out, low = in < out ? in : out;
	double *rows = mem_alloc((size_t)low * (size_t)wide, sizeof *rows);
	if (!rows)
		return fail_nomem("a rotation", (size_t)low * (size_t)wide * sizeof *rows);
	for (int64_t i = 0; i < low; i++) {
		struct random random = random_begin(seed, (uint64_t)i);
		for (int64_t j = 0; j < wide; j++)
			rows[i * wide + j] = gaussian(&random);
	}
	kith_status status = matrix_orthonormalize(low, wide, rows);
	if (status == KITH_OK && out <= in)
		memcpy(a, rows, (size_t)low * (size_t)wide * sizeof *a);
	else if (status == KITH_OK)
		matrix_transpose(low, wide, rows, a);
	mem_free(rows);
	return status;
}

kith_status rotation_learn(
    int64_t in, int64_t out, uint64_t seed, struct linear *there, struct linear *back)
{
	size_t cells = (size_t)in * (size_t)out;
	double *a = mem_alloc(cells, sizeof *a);
	if (!a)
		return fail_nomem("a rotation", cells * sizeof *a);
	kith_status status = rotation_matrix(in, out, seed, a);
	if (status == KITH_OK)
		status = linear_init_both(there, back, in, out, a, NULL, NULL);
	mem_free(a);
	return status;
}
