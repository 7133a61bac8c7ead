/* Random rotations by Hadamard transforms (Ailon & Chazelle 2009), for any number of components.
 *
 * A round changes signs at random and transforms the first 2^k components, where 2^k is the largest power of
 * two <= d. If d is not a power of two, the last 2^k components are also given random signs and transformed,
 * and then the halves of the vector are mixed, component i with i + ⌈d / 2⌉ (Kac's walk), because the two
 * ranges may have few components in common. Each step is orthogonal and, except for signs, its own inverse.
 * After three rounds the image of a single axis has components of the same average size as a random vector.
 *
 * All steps are additions and products with constants in a fixed order, so the result does not depend on the
 * instruction set.
 */
#include "lib/learn/hadamard.h"

#include "kernels/kernels.h"
#include "lib/base/alloc.h"
#include "lib/base/random.h"

#include <math.h>

/* The number of factors of a round: [dim] for all components, then [part] for the second range, if there is
 * one. */
static int64_t round_size(const struct hadamard *map)
{
	return map->part == map->dim ? map->dim : map->dim + map->part;
}

bool hadamard_init(struct hadamard *map, int64_t dim, uint64_t seed)
{
	map->dim = dim;
	for (map->part = 1; 2 * map->part <= dim;)
		map->part *= 2;
	int64_t size = round_size(map);
	map->factor = mem_alloc((size_t)size * HADAMARD_ROUNDS, sizeof *map->factor);
	if (!map->factor)
		return false;
	float scale = (float)(1 / sqrt((double)map->part));
	for (int64_t r = 0; r < HADAMARD_ROUNDS; r++) {
		struct random random = random_begin(seed, (uint64_t)r);
		for (int64_t i = 0; i < size; i++) {
			float factor = i < map->part || i >= dim ? scale : 1;
			map->factor[r * size + i] = random_next(&random) >> 63 ? -factor : factor;
		}
	}
	return true;
}

void hadamard_free(struct hadamard *map)
{
	mem_free(map->factor);
	*map = (struct hadamard){0};
}

size_t hadamard_memory(const struct hadamard *map)
{
	return map->factor ? (size_t)round_size(map) * HADAMARD_ROUNDS * sizeof *map->factor : 0;
}

static void scale(float *restrict x, int64_t n, const float *restrict factor)
{
	for (int64_t i = 0; i < n; i++)
		x[i] *= factor[i];
}

/* Mix each component of the first half with one of the second half. */
static void mix_halves(float *x, int64_t dim)
{
	const float root = (float)sqrt(0.5);
	float *restrict a = x, *restrict b = x + (dim - dim / 2);
	for (int64_t i = 0; i < dim / 2; i++) {
		float sum = (a[i] + b[i]) * root, difference = (a[i] - b[i]) * root;
		a[i] = sum;
		b[i] = difference;
	}
}

void hadamard_forward(const struct hadamard *map, float *x)
{
	const struct kernels *kern = kernels();
	int64_t dim = map->dim, part = map->part;
	for (int64_t r = 0; r < HADAMARD_ROUNDS; r++) {
		const float *factor = map->factor + r * round_size(map);
		scale(x, dim, factor);
		kern->hadamard(x, part);
		if (part == dim)
			continue;
		scale(x + dim - part, part, factor + dim);
		kern->hadamard(x + dim - part, part);
		mix_halves(x, dim);
	}
}

void hadamard_inverse(const struct hadamard *map, float *x)
{
	const struct kernels *kern = kernels();
	int64_t dim = map->dim, part = map->part;
	for (int64_t r = HADAMARD_ROUNDS - 1; r >= 0; r--) {
		const float *factor = map->factor + r * round_size(map);
		if (part != dim) {
			mix_halves(x, dim);
			kern->hadamard(x + dim - part, part);
			scale(x + dim - part, part, factor + dim);
		}
		kern->hadamard(x, part);
		scale(x, dim, factor);
	}
}

/* Each sum adds one rounding, each product two, because its constant is also rounded. */
double hadamard_rounding(const struct hadamard *map)
{
	double steps = log2((double)map->part);
	return HADAMARD_ROUNDS * (map->part == map->dim ? steps + 2 : 2 * steps + 8) * 0x1p-24 * 1.01;
}
