/* A random rotation that takes d log d additions, not d² products. */
#ifndef KITH_LEARN_HADAMARD_H
#define KITH_LEARN_HADAMARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero-initialise. */
struct hadamard {
	int64_t dim, part; /* components; the largest power of two that is not above */
	float *factor;     /* signs and 1 / √part, round after round */
};

enum { HADAMARD_ROUNDS = 3 };

/* The rotation of a seed. False: no memory. */
bool hadamard_init(struct hadamard *map, int64_t dim, uint64_t seed);
void hadamard_free(struct hadamard *map);
size_t hadamard_memory(const struct hadamard *map);

/* x [dim] to its image and back, in place: the same bits on every CPU. Threads: safe. */
void hadamard_forward(const struct hadamard *map, float *x);
void hadamard_inverse(const struct hadamard *map, float *x);

/* How long what rounding adds to a vector of length 1 may be, either way. */
double hadamard_rounding(const struct hadamard *map);

#endif
