/* RaBitQ: the signs of a vector's components after a random rotation, and optionally further bits of each
 * component. rabitq.c is the codec, rabitq_scan.c compares its codes with a query.
 *
 * A code consists of groups of eight components. A group has a byte for each bit of its components, lowest
 * bits first: component 8 g + j is bit j of the bytes g · bits … g · bits + bits − 1. Then follows a float,
 * the factor. Codes of more than one bit end with a second float, the length of the decoded vector before the
 * mean is added. Bits after the last component are 0. The number c of a component stands for the value
 * c − (2^bits − 1) / 2.
 */
#ifndef KITH_CODEC_RABITQ_H
#define KITH_CODEC_RABITQ_H

#include "lib/codec/codec.h"
#include "lib/learn/hadamard.h"

enum { RABITQ_MAX_BITS = 8 };

/* An upper bound of the length of decoded vectors. */
#define RABITQ_MAX_LENGTH 1e34

struct codec_rabitq {
	struct codec codec;
	int bits;
	int64_t groups; /* of eight components */
	bool unbiased;
	struct hadamard rotation; /* zero: vectors are not rotated */
	double mean_norm;
	float learnt[]; /* the seed of the rotation, 0: no rotation; then the mean [dim] */
};

static inline const struct codec_rabitq *rabitq_of_const(const struct codec *codec)
{
	return (const struct codec_rabitq *)(const void *)codec;
}

/* The offset of the factor in a code. */
static inline size_t rabitq_factor_at(const struct codec_rabitq *r)
{
	return (size_t)r->groups * (size_t)r->bits;
}

/* The middle of the range of numbers, which stands for the value 0. */
static inline double rabitq_middle(const struct codec_rabitq *r)
{
	return ((1 << r->bits) - 1) / 2.0;
}

/* Unpack the bytes of a group to eight numbers, a byte each. */
static inline uint64_t rabitq_unpack(uint64_t planes, int bits)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t number = 0;
	for (int b = 0; b < bits; b++) {
		/* Move bit j of the plane to byte j, and there to the lowest bit. */
		uint64_t spread = (planes >> 8 * b & 0xff) * ones & UINT64_C(0x8040201008040201);
		number |= ((spread + 0x7f * ones) >> 7 & ones) << b;
	}
	return number;
}

/* rabitq_scan.c */
extern const struct comparison rabitq_in_scan;

/* The codec as a codec_rabitq; NULL if it is another one. */
const struct codec_rabitq *codec_rabitq(const struct codec *codec);

/* Set the training: no rotation, and a mean [dim]. INVALID unless the mean is finite. */
kith_status codec_rabitq_set(struct codec *codec, const float *mean);

/* Pack eight numbers to the bytes of their group. Write the factor, and the length if the code has one, after
 * the groups; square: the sum of squares of the components' values. */
void rabitq_pack(const uint8_t number[8], int bits, uint8_t *code);
void rabitq_finish(const struct codec_rabitq *r, float factor, double square, uint8_t *code);

#endif
