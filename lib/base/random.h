/* Random numbers that are the same on every machine: xoshiro256** (Blackman & Vigna 2018), seeded through
 * splitmix64. Not for cryptography. */
#ifndef KITH_BASE_RANDOM_H
#define KITH_BASE_RANDOM_H

#include <stdint.h>

struct random {
	uint64_t state[4];
};

/* Stream number `stream` of a seed. Streams are independent of each other: work that is done in any order,
 * by any number of threads, draws from one stream per piece. */
struct random random_begin(uint64_t seed, uint64_t stream);

/* 64 random bits. */
uint64_t random_next(struct random *random);

/* Uniform in 0 … n − 1, without bias; n >= 1. */
int64_t random_below(struct random *random, int64_t n);

/* Uniform in [0, 1): a multiple of 2^-53. */
double random_uniform(struct random *random);

/* `count` different numbers of 0 … n − 1, ascending, into out; count <= n. Every set is equally likely.
 * Takes O(n). */
void random_sample(struct random *random, int64_t n, int64_t count, int64_t *out);

/* Put n numbers into random order: every one is equally likely. */
void random_shuffle(struct random *random, int64_t n, uint32_t *numbers);

#endif
