/* Converting eight codes of 8, 6 or 4 bits in a word between one byte each and a string without gaps, in
 * three steps, each of which halves the number of gaps. The first code is lowest in both forms. */
#ifndef KITH_KERNELS_SQ_PACK_H
#define KITH_KERNELS_SQ_PACK_H

#include <stdint.h>

/* A mask of the lowest n bits of every field of `wide` bits. */
static inline uint64_t sq_fields(int wide, int n)
{
	uint64_t field = (1ull << n) - 1;
	for (int w = wide; w < 64; w *= 2)
		field |= field << w;
	return field;
}

/* Convert codes in bytes, whose spare bits are 0, to a string of 8 · bits bits. */
static inline uint64_t sq_pack(uint64_t x, int bits)
{
	if (bits == 8)
		return x;
	for (int wide = 8, n = bits; wide < 64; wide *= 2, n *= 2) {
		uint64_t low = sq_fields(2 * wide, n);
		x = (x & low) | (x & low << wide) >> (wide - n);
	}
	return x;
}

/* Convert a string of 8 · bits bits to codes in bytes. Bits beyond the string do not matter. */
static inline uint64_t sq_unpack(uint64_t x, int bits)
{
	if (bits == 8)
		return x;
	for (int wide = 32, n = 4 * bits; wide >= 8; wide /= 2, n /= 2) {
		uint64_t low = sq_fields(2 * wide, n);
		x = (x & low) | (x << (wide - n) & low << wide);
	}
	return x;
}

#endif
