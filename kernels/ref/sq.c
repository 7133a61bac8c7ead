/* Scalar quantisers, plain C. A code is read and written as a piece of a string of bits, one function for
 * every width. */
#include "kernels/ref/ref.h"

#include <math.h>

static inline int code_at(const uint8_t *row, int64_t i, int bits)
{
	int64_t first = i * bits, shift = first % 8;
	const uint8_t *p = row + first / 8;
	int word = *p;
	if (shift + bits > 8)
		word |= p[1] << 8;
	return word >> shift & ((1 << bits) - 1);
}

static inline void put_code(uint8_t *row, int64_t i, int bits, int code)
{
	int64_t first = i * bits, shift = first % 8;
	uint8_t *p = row + first / 8;
	p[0] = (uint8_t)(p[0] | code << shift);
	if (shift + bits > 8)
		p[1] = (uint8_t)(p[1] | code >> (8 - shift));
}

static inline void encode(
    int bits, const float *x, const float *low, const float *step, int64_t d, uint8_t *code)
{
	const float most = (float)((1 << bits) - 1);
	memset(code, 0, (size_t)(d * bits + 7) / 8);
	for (int64_t i = 0; i < d; i++) {
		float t = (x[i] - low[i]) / step[i];
		t = t > 0 ? t : 0;
		t = t < most ? t : most;
		put_code(code, i, bits, (int)t);
	}
}

static inline void decode(
    int bits, const uint8_t *code, const float *low, const float *step, int64_t d, float *x)
{
	for (int64_t i = 0; i < d; i++)
		x[i] = fmaf(step[i], (float)code_at(code, i, bits) + 0.5f, low[i]);
}

/* In double, where the product of a float and a code is exact. */
static inline float l2sq(int bits, const float *a, const float *step, const uint8_t *row, int64_t d)
{
	float sum = 0;
	for (int64_t i = 0; i < d; i++) {
		float t = (float)((double)a[i] - (double)step[i] * code_at(row, i, bits));
		sum += t * t;
	}
	return sum;
}

static inline float ip(int bits, const float *w, const uint8_t *row, int64_t d)
{
	float sum = 0;
	for (int64_t i = 0; i < d; i++)
		sum += w[i] * (float)code_at(row, i, bits);
	return sum;
}

#define SQ(bits)                                                                                             \
	void encode_sq##bits##_ref(                                                                          \
	    const float *x, const float *low, const float *step, int64_t d, uint8_t *code)                   \
	{                                                                                                    \
		encode(bits, x, low, step, d, code);                                                         \
	}                                                                                                    \
	void decode_sq##bits##_ref(                                                                          \
	    const uint8_t *code, const float *low, const float *step, int64_t d, float *x)                   \
	{                                                                                                    \
		decode(bits, code, low, step, d, x);                                                         \
	}                                                                                                    \
	void l2sq_sq##bits##_ref(const float *a, const float *step, const void *rows, size_t stride,         \
	    int64_t n, int64_t d, float *out)                                                                \
	{                                                                                                    \
		for (int64_t i = 0; i < n; i++)                                                              \
			out[i] = l2sq(bits, a, step, (const uint8_t *)rows + (size_t)i * stride, d);         \
	}                                                                                                    \
	void ip_sq##bits##_ref(                                                                              \
	    const float *w, const void *rows, size_t stride, int64_t n, int64_t d, float *out)               \
	{                                                                                                    \
		for (int64_t i = 0; i < n; i++)                                                              \
			out[i] = ip(bits, w, (const uint8_t *)rows + (size_t)i * stride, d);                 \
	}

SQ(8)
SQ(6)
SQ(4)
