/* Random rotations, uniform in the sense of Haar, as a product of reflections (Stewart 1980). Reflection k
 * turns a gaussian vector of the components from k on into the k-th axis, with a random sign. A QR
 * decomposition of a gaussian matrix would give the same with more work and less exactly orthonormal.
 */
#include "lib/learn/rotation.h"

#include "lib/base/alloc.h"
#include "lib/base/progress.h"
#include "lib/base/random.h"
#include "lib/base/status.h"
#include "lib/learn/matrix.h"
#include "lib/learn/vector.h"

#include <math.h>
#include <string.h>

/* A normally distributed number by Marsaglia's polar method, whose second number is not used. */
static double gaussian(struct random *random)
{
	for (;;) {
		double x = 2 * random_uniform(random) - 1, y = 2 * random_uniform(random) - 1;
		double sq = x * x + y * y;
		if (sq < 1 && sq > 0)
			return x * sqrt(-2 * log(sq) / sq);
	}
}

/* Draw the v, ‖v‖² = 2, of a reflection that turns a gaussian vector of n components into the first axis. */
static void draw_reflection(struct random *random, int64_t n, double *v)
{
	for (int64_t i = 0; i < n; i++)
		v[i] = gaussian(random);
	v[0] += copysign(sqrt(vector_dot(n, v, v)), v[0]);
	vector_scale(n, sqrt(2 / vector_dot(n, v, v)), v);
}

kith_status rotation_matrix(int64_t in, int64_t out, uint64_t seed, int threads, double *a)
{
	int64_t n = in > out ? in : out;
	size_t cells = (size_t)n * (size_t)n;
	double *v = mem_zalloc(cells, sizeof *v), *rows = mem_alloc((size_t)out * (size_t)n, sizeof *rows);
	kith_status status = v && rows ? KITH_OK : fail_nomem("a rotation", 2 * cells * sizeof *v);
	if (status == KITH_OK) {
		for (int64_t k = 0; k < n - 1 && !progress_stopped(); k++) {
			struct random random = random_begin(seed, (uint64_t)k);
			draw_reflection(&random, n - k, v + k * n + k);
		}
		matrix_reflections(n, n - 2, 0, v, out, threads, rows);
		struct random signs = random_begin(seed, (uint64_t)n);
		for (int64_t i = 0; i < out && !progress_stopped(); i++) {
			double sign = random_next(&signs) >> 63 ? -1 : 1;
			for (int64_t j = 0; j < in; j++)
				a[i * in + j] = sign * rows[i * n + j];
		}
	}
	mem_free(v);
	mem_free(rows);
	return status == KITH_OK ? progress_status() : status;
}

kith_status rotation_learn(
    int64_t in, int64_t out, uint64_t seed, int threads, struct linear *forward, struct linear *inverse)
{
	size_t cells = (size_t)in * (size_t)out;
	double *a = mem_alloc(cells, sizeof *a);
	if (!a)
		return fail_nomem("a rotation", cells * sizeof *a);
	kith_status status = rotation_matrix(in, out, seed, threads, a);
	if (status == KITH_OK)
		status = linear_init_both(forward, inverse, in, out, a, NULL, NULL);
	mem_free(a);
	return status;
}
