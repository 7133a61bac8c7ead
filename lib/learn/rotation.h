/* Random rotations. */
#ifndef KITH_LEARN_ROTATION_H
#define KITH_LEARN_ROTATION_H

#include "lib/learn/linear.h"

/* A uniformly random rotation of max(in, out) dimensions, cut to a [out × in]: its rows are orthonormal if
 * out <= in, and its columns if in <= out. Errors: NOMEM, CANCELLED. */
kith_status rotation_matrix(int64_t in, int64_t out, uint64_t seed, int threads, double *a);

/* The same as a map and its transpose, the inverse map. */
kith_status rotation_learn(
    int64_t in, int64_t out, uint64_t seed, int threads, struct linear *forward, struct linear *inverse);

#endif
