/* Scalar quantizers, plain C. Codes of every width are read and written by the same functions, as a part of a
 * string of bits. */
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
	const float max = (float)((1 << bits) - 1);
	memset(code, 0, (size_t)(d * bits + 7) / 8);
	for (int64_t i = 0; i < d; i++) {
		float t = (x[i] - low[i]) / step[i];
		t = t > 0 ? t : 0;
		t = t < max ? t : max;
		put_code(code, i, bits, (int)t);
	}
}

static inline void decode(
    int bits, const uint8_t *code, const float *low, const float *step, int64_t d, float *x)
{
	for (int64_t i = 0; i < d; i++)
		x[i] = fmaf(step[i], (float)code_at(code, i, bits) + 0.5f, low[i]);
}

static inline int32_t l2sq(int bits, const int16_t *a, const uint16_t *b, const uint8_t *row, int64_t d)
{
	int32_t sum = 0;
	for (int64_t i = 0; i < d; i++) {
		int64_t lane = sq_lane(bits, i);
		int32_t t = a[lane] - (int32_t)((uint32_t)code_at(row, i, bits) * b[lane] >> bits);
		sum += t * t;
	}
	return sum;
}

static inline int32_t ip(int bits, const int16_t *a, const uint8_t *row, int64_t d)
{
	int32_t sum = 0;
	for (int64_t i = 0; i < d; i++)
		sum += a[sq_lane(bits, i)] * code_at(row, i, bits);
	return sum;
}

enum op { L2SQ, IP };

static inline void scan(enum op op, int bits, const int16_t *a, const uint16_t *b, const void *rows,
    size_t stride, const uint32_t *pos, int64_t n, int64_t d, int32_t *out)
{
	for (int64_t i = 0; i < n; i++) {
		const uint8_t *row = (const uint8_t *)rows + (pos ? (size_t)pos[i] : (size_t)i) * stride;
		out[i] = op == L2SQ ? l2sq(bits, a, b, row, d) : ip(bits, a, row, d);
	}
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
	void l2sq_sq##bits##_ref(const int16_t *a, const uint16_t *b, const void *rows, size_t stride,       \
	    int64_t n, int64_t d, int32_t *out)                                                              \
	{                                                                                                    \
		scan(L2SQ, bits, a, b, rows, stride, NULL, n, d, out);                                       \
	}                                                                                                    \
	void ip_sq##bits##_ref(                                                                              \
	    const int16_t *a, const void *rows, size_t stride, int64_t n, int64_t d, int32_t *out)           \
	{                                                                                                    \
		scan(IP, bits, a, NULL, rows, stride, NULL, n, d, out);                                      \
	}                                                                                                    \
	void l2sq_sq##bits##_gather_ref(const int16_t *a, const uint16_t *b, const void *rows,               \
	    size_t stride, const uint32_t *pos, int64_t n, int64_t d, int32_t *out)                          \
	{                                                                                                    \
		scan(L2SQ, bits, a, b, rows, stride, pos, n, d, out);                                        \
	}                                                                                                    \
	void ip_sq##bits##_gather_ref(const int16_t *a, const void *rows, size_t stride,                     \
	    const uint32_t *pos, int64_t n, int64_t d, int32_t *out)                                         \
	{                                                                                                    \
		scan(IP, bits, a, NULL, rows, stride, pos, n, d, out);                                       \
	}

SQ(8)
SQ(6)
SQ(4)
