/* Float rows, plain C.
 *
 * One function per pair of operation and element type scores a single row; ROWS wraps it into the
 * contiguous and the gather kernel. Rows may begin at any address, hence memcpy.
 */
#include "kernels/ref/ref.h"

#include <string.h>

static inline float f32_at(const char *row, int64_t i)
{
	float v;
	memcpy(&v, row + 4 * i, sizeof v);
	return v;
}

static float l2sq_f32(const float *q, const char *row, int64_t d)
{
	float sum = 0;
	for (int64_t i = 0; i < d; i++) {
		float t = q[i] - f32_at(row, i);
		sum += t * t;
	}
	return sum;
}

static float ip_f32(const float *q, const char *row, int64_t d)
{
	float sum = 0;
	for (int64_t i = 0; i < d; i++)
		sum += q[i] * f32_at(row, i);
	return sum;
}

static float l2sq_bf16(const float *q, const char *row, int64_t d)
{
	float sum = 0;
	for (int64_t i = 0; i < d; i++) {
		float t = q[i] - bf16_at(row, i);
		sum += t * t;
	}
	return sum;
}

static float ip_bf16(const float *q, const char *row, int64_t d)
{
	float sum = 0;
	for (int64_t i = 0; i < d; i++)
		sum += q[i] * bf16_at(row, i);
	return sum;
}

static float l2sq_f16(const float *q, const char *row, int64_t d)
{
	float sum = 0;
	for (int64_t i = 0; i < d; i++) {
		float t = q[i] - f16_at(row, i);
		sum += t * t;
	}
	return sum;
}

static float ip_f16(const float *q, const char *row, int64_t d)
{
	float sum = 0;
	for (int64_t i = 0; i < d; i++)
		sum += q[i] * f16_at(row, i);
	return sum;
}

#define ROWS(op)                                                                                             \
	void op##_ref(const float *q, const void *rows, size_t stride, int64_t n, int64_t d, float *out)     \
	{                                                                                                    \
		for (int64_t i = 0; i < n; i++)                                                              \
			out[i] = op(q, (const char *)rows + (size_t)i * stride, d);                          \
	}                                                                                                    \
	void op##_gather_ref(const float *q, const void *rows, size_t stride, const uint32_t *pos,           \
	    int64_t n, int64_t d, float *out)                                                                \
	{                                                                                                    \
		for (int64_t i = 0; i < n; i++)                                                              \
			out[i] = op(q, (const char *)rows + pos[i] * stride, d);                             \
	}

ROWS(l2sq_f32)
ROWS(ip_f32)
ROWS(l2sq_bf16)
ROWS(ip_bf16)
ROWS(l2sq_f16)
ROWS(ip_f16)

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

void l2sq_split_gather_ref(const float *q, const void *hi, const void *lo, size_t stride, const uint32_t *pos,
    int64_t n, int64_t d, float *out)
{
	for (int64_t i = 0; i < n; i++) {
		const char *upper = (const char *)hi + pos[i] * stride,
		           *lower = (const char *)lo + pos[i] * stride;
		float sum = 0;
		for (int64_t j = 0; j < d; j++) {
			float t = q[j] - split_at(upper, lower, j);
			sum += t * t;
		}
		out[i] = sum;
	}
}

void ip_split_gather_ref(const float *q, const void *hi, const void *lo, size_t stride, const uint32_t *pos,
    int64_t n, int64_t d, float *out)
{
	for (int64_t i = 0; i < n; i++) {
		const char *upper = (const char *)hi + pos[i] * stride,
		           *lower = (const char *)lo + pos[i] * stride;
		float sum = 0;
		for (int64_t j = 0; j < d; j++)
			sum += q[j] * split_at(upper, lower, j);
		out[i] = sum;
	}
}

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
