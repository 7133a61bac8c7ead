/* Random numbers, in integer arithmetic alone: no compiler, CPU or libm can change them. */
#include "lib/base/random.h"

static uint64_t splitmix(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

struct random random_begin(uint64_t seed, uint64_t stream)
{
	/* Both numbers are scrambled, so that neighbours in either begin far apart. */
	uint64_t state = splitmix(&stream) ^ seed;
	struct random random;
	for (int i = 0; i < 4; i++)
		random.state[i] = splitmix(&state);
	return random;
}

static uint64_t rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

uint64_t random_next(struct random *random)
{
	uint64_t *s = random->state;
	uint64_t result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return result;
}

int64_t random_below(struct random *random, int64_t n)
{
	/* The last, incomplete round of n is thrown away. */
	uint64_t limit = UINT64_MAX - UINT64_MAX % (uint64_t)n, x;
	do {
		x = random_next(random);
	} while (x >= limit);
	return (int64_t)(x % (uint64_t)n);
}

double random_uniform(struct random *random)
{
	return (double)(random_next(random) >> 11) * 0x1p-53;
}

void random_sample(struct random *random, int64_t n, int64_t count, int64_t *out)
{
	/* Knuth's algorithm S: number i is taken with probability (still wanted) / (still to come). */
	int64_t taken = 0;
	for (int64_t i = 0; taken < count; i++)
		if (random_below(random, n - i) < count - taken)
			out[taken++] = i;
}

void random_shuffle(struct random *random, int64_t n, uint32_t *numbers)
{
	for (int64_t i = n - 1; i > 0; i--) {
		int64_t j = random_below(random, i + 1);
		uint32_t swap = numbers[i];
		numbers[i] = numbers[j];
		numbers[j] = swap;
	}
}
