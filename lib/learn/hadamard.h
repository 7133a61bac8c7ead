/* A random rotation that takes d log d additions instead of d² products. */
#ifndef KITH_LEARN_HADAMARD_H
#define KITH_LEARN_HADAMARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero: no rotation. */
struct hadamard {
	int64_t dim;
	int64_t part;  /* the largest power of two <= dim: how many components a transform takes */
	float *factor; /* for each round the signs, with the transforms' scale of 1 / √part */
};

enum { HADAMARD_ROUNDS = 3 };

/* Create the rotation of a seed. Returns false if out of memory. */
bool hadamard_init(struct hadamard *map, int64_t dim, uint64_t seed);
void hadamard_free(struct hadamard *map);
size_t hadamard_memory(const struct hadamard *map);

/* Rotate x [dim] in place, and rotate it back. Results have the same bits on every CPU. Threads: safe. */
void hadamard_forward(const struct hadamard *map, float *x);
void hadamard_inverse(const struct hadamard *map, float *x);

/* An upper bound of the rounding error of a rotation, forward or inverse, of a vector of length 1. */
double hadamard_rounding(const struct hadamard *map);

#endif
