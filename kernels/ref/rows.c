/* Float rows, plain C.
 *
 * ROWS defines, for an operation and an element type, a function for a single row and the kernels that call
 * it for contiguous and for gathered rows. Elements are read by memcpy, as rows may begin at any address.
 */
#include "kernels/ref/ref.h"

#include <math.h>
#include <string.h>

static inline float f32_at(const char *row, int64_t i)
{
	float v;
	memcpy(&v, row + 4 * i, sizeof v);
	return v;
}

static inline float add_l2sq(float sum, float x, float y)
{
	return sum + (x - y) * (x - y);
}

static inline float add_ip(float sum, float x, float y)
{
	return sum + x * y;
}

static inline float add_l1(float sum, float x, float y)
{
	return sum + fabsf(x - y);
}

static inline float add_linf(float max, float x, float y)
{
	float t = fabsf(x - y);
	return t > max ? t : max;
}

#define ROWS(op, type)                                                                                       \
	static float op##_##type(const float *q, const char *row, int64_t d)                                 \
	{                                                                                                    \
		float sum = 0;                                                                               \
		for (int64_t i = 0; i < d; i++)                                                              \
			sum = add_##op(sum, q[i], type##_at(row, i));                                        \
		return sum;                                                                                  \
	}                                                                                                    \
	void op##_##type##_ref(                                                                              \
	    const float *q, const void *rows, size_t stride, int64_t n, int64_t d, float *out)               \
	{                                                                                                    \
		for (int64_t i = 0; i < n; i++)                                                              \
			out[i] = op##_##type(q, (const char *)rows + (size_t)i * stride, d);                 \
	}                                                                                                    \
	void op##_##type##_gather_ref(const float *q, const void *rows, size_t stride, const uint32_t *pos,  \
	    int64_t n, int64_t d, float *out)                                                                \
	{                                                                                                    \
		for (int64_t i = 0; i < n; i++)                                                              \
			out[i] = op##_##type(q, (const char *)rows + pos[i] * stride, d);                    \
	}

ROWS(l2sq, f32)
ROWS(ip, f32)
ROWS(l1, f32)
ROWS(linf, f32)
ROWS(l2sq, bf16)
ROWS(ip, bf16)
ROWS(l1, bf16)
ROWS(linf, bf16)
ROWS(l2sq, f16)
ROWS(ip, f16)

static inline float split_at(const char *hi, const char *lo, int64_t i)
{
	uint16_t h, l;
	memcpy(&h, hi + 2 * i, sizeof h);
	memcpy(&l, lo + 2 * i, sizeof l);
	uint32_t u = ((uint32_t)h - (l >> 15)) << 16 | l;
	float v;
	memcpy(&v, &u, sizeof v);
	return v;
}

#define SPLIT_GATHER(op)                                                                                     \
	void op##_split_gather_ref(const float *q, const void *hi, const void *lo, size_t stride,            \
	    const uint32_t *pos, int64_t n, int64_t d, float *out)                                           \
	{                                                                                                    \
		for (int64_t i = 0; i < n; i++) {                                                            \
			const char *upper = (const char *)hi + pos[i] * stride,                              \
			           *lower = (const char *)lo + pos[i] * stride;                              \
			float sum = 0;                                                                       \
			for (int64_t j = 0; j < d; j++)                                                      \
				sum = add_##op(sum, q[j], split_at(upper, lower, j));                        \
			out[i] = sum;                                                                        \
		}                                                                                            \
	}

SPLIT_GATHER(l2sq)
SPLIT_GATHER(ip)
SPLIT_GATHER(l1)
SPLIT_GATHER(linf)

#define NORMSQ(type)                                                                                         \
	void normsq_##type##_ref(const void *rows, size_t stride, int64_t n, int64_t d, float *out)          \
	{                                                                                                    \
		for (int64_t i = 0; i < n; i++) {                                                            \
			const char *row = (const char *)rows + (size_t)i * stride;                           \
			float sum = 0;                                                                       \
			for (int64_t j = 0; j < d; j++)                                                      \
				sum += type##_at(row, j) * type##_at(row, j);                                \
			out[i] = sum;                                                                        \
		}                                                                                            \
	}

NORMSQ(f32)
NORMSQ(bf16)
NORMSQ(f16)
