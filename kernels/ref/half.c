/* Half-precision numbers, plain C.
 *
 * Both kinds are rounded by integer arithmetic on the bits of the float. Adding just under half a unit, and
 * one more if the last bit that stays is odd, carries into that bit exactly if rounding to the nearest, ties
 * to even, goes up. */
#include "kernels/ref/ref.h"

enum { F16_MAX = 0x7bff, BF16_MAX = 0x7f7f, SIGN = 0x8000 };

static inline uint32_t bits_of(float x)
{
	uint32_t u;
	memcpy(&u, &x, sizeof u);
	return u;
}

/* u / 2^shift, rounded to the nearest, ties to even. */
static inline uint32_t round_shift(uint32_t u, int shift)
{
	return (u + (1u << (shift - 1)) - 1 + (u >> shift & 1)) >> shift;
}

/* The magnitude, limited to `max`, with the sign of a float. */
static inline uint16_t finish(uint32_t magnitude, uint32_t max, uint32_t float_bits)
{
	magnitude = magnitude < max ? magnitude : max;
	return (uint16_t)(magnitude | (float_bits >> 16 & SIGN));
}

static inline uint16_t to_f16(float x)
{
	const uint32_t min_normal = 0x38800000; /* 2^-14 */
	const uint32_t bias = (127 - 15) << 23;
	uint32_t u = bits_of(x), magnitude = u & 0x7fffffff;
	if (magnitude >= min_normal)
		return finish(round_shift(magnitude - bias, 13), F16_MAX, u);
	/* Smaller halves are multiples of 2^-24, the last bit of 1/2: adding 1/2 rounds to such a
	 * multiple. */
	float y;
	memcpy(&y, &magnitude, sizeof y);
	return finish(bits_of(y + 0.5f) - bits_of(0.5f), F16_MAX, u);
}

void narrow_f16_ref(const float *x, int64_t n, void *half)
{
	for (int64_t i = 0; i < n; i++) {
		uint16_t h = to_f16(x[i]);
		memcpy((char *)half + 2 * i, &h, sizeof h);
	}
}

void narrow_bf16_ref(const float *x, int64_t n, void *half)
{
	for (int64_t i = 0; i < n; i++) {
		uint32_t u = bits_of(x[i]);
		uint16_t h = finish(round_shift(u & 0x7fffffff, 16), BF16_MAX, u);
		memcpy((char *)half + 2 * i, &h, sizeof h);
	}
}

void widen_f16_ref(const void *half, int64_t n, float *x)
{
	for (int64_t i = 0; i < n; i++)
		x[i] = f16_at(half, i);
}

void widen_bf16_ref(const void *half, int64_t n, float *x)
{
	for (int64_t i = 0; i < n; i++)
		x[i] = bf16_at(half, i);
}
