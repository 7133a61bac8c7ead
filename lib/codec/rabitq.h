/* RaBitQ: the signs of a vector's components once it has been turned at random, and bits behind
 * them. rabitq.c is the codec, rabitq_scan.c compares its codes with a query.
 *
 * A code is the bits of eight components after those of the eight before, plane by plane from the
 * lowest (component 8 g + j is bit j of the bytes g · bits … g · bits + bits − 1), then a float,
 * the factor; codes of more than one bit end with a second float, the length of what the code
 * stands for without the mean. Beyond the last component bits are 0. Number c of a component stands
 * for c − (2^bits − 1) / 2.
 */
#ifndef KITH_CODEC_RABITQ_H
#define KITH_CODEC_RABITQ_H

#include "lib/codec/codec.h"
#include "lib/learn/hadamard.h"

enum { RABITQ_MAX_BITS = 8 };

/* No vector within the limit becomes longer. */
#define RABITQ_MAX_LENGTH 1e34

struct codec_rabitq {
	struct codec codec;
	int bits;
	int64_t groups; /* of eight components */
	bool unbiased;
	struct hadamard turn; /* zero: vectors are not turned */
	double mean_norm;
	float learnt[]; /* the number of the rotation, 0: none; then the mean [dim] */
};

static inline const struct codec_rabitq *rabitq_of_const(const struct codec *codec)
{
	return (const struct codec_rabitq *)(const void *)codec;
}

/* Where a code has its factor. */
static inline size_t rabitq_factor_at(const struct codec_rabitq *r)
{
	return (size_t)r->groups * (size_t)r->bits;
}

/* Half the width of all numbers. */
static inline double rabitq_middle(const struct codec_rabitq *r)
{
	return ((1 << r->bits) - 1) / 2.0;
}

/* Eight numbers, a byte each, of the bytes of their group. */
static inline uint64_t rabitq_unpack(uint64_t planes, int bits)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t number = 0;
	for (int b = 0; b < bits; b++) {
		/* Bit j of the plane into byte j, and from wherever it is there to the lowest place. */
		uint64_t spread = (planes >> 8 * b & 0xff) * ones & UINT64_C(0x8040201008040201);
		number |= ((spread + 0x7f * ones) >> 7 & ones) << b;
	}
	return number;
}

/* rabitq_scan.c */
extern const struct comparison rabitq_in_scan;

/* The codec, if it is one; else NULL. */
const struct codec_rabitq *codec_rabitq(const struct codec *codec);

/* Take this for trained: no rotation, a mean [dim]. INVALID unless it is finite. */
kith_status codec_rabitq_set(struct codec *codec, const float *mean);

/* Eight numbers to the bytes of their group, and what follows the last one: the factor, and the length where
 * there is one; square: that of u. */
void rabitq_pack(const uint8_t number[8], int bits, uint8_t *code);
void rabitq_finish(const struct codec_rabitq *r, float factor, double square, uint8_t *code);

#endif
