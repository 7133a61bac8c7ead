/* Byte rows, plain C.
 *
 * All sums are exact: the greatest term is 255², and KITH_MAX_DIM of them stay below 2^31.
 */
#include "kernels/ref/ref.h"

#define ROWS(type, name, TERM)                                                                               \
	static int32_t name(const type *q, const type *row, int64_t d)                                       \
	{                                                                                                    \
		int32_t sum = 0;                                                                             \
		for (int64_t i = 0; i < d; i++)                                                              \
			sum += TERM(q[i], row[i]);                                                           \
		return sum;                                                                                  \
	}                                                                                                    \
	void name##_ref(const void *q, const void *rows, size_t stride, int64_t n, int64_t d, int32_t *out)  \
	{                                                                                                    \
		for (int64_t i = 0; i < n; i++)                                                              \
			out[i] = name(q, (const type *)rows + (size_t)i * stride, d);                        \
	}                                                                                                    \
	void name##_gather_ref(const void *q, const void *rows, size_t stride, const uint32_t *pos,          \
	    int64_t n, int64_t d, int32_t *out)                                                              \
	{                                                                                                    \
		for (int64_t i = 0; i < n; i++)                                                              \
			out[i] = name(q, (const type *)rows + pos[i] * stride, d);                           \
	}

#define DIFFSQ(x, y)  (((x) - (y)) * ((x) - (y)))
#define PRODUCT(x, y) ((x) * (y))

ROWS(uint8_t, l2sq_u8, DIFFSQ)
ROWS(uint8_t, ip_u8, PRODUCT)
ROWS(int8_t, l2sq_i8, DIFFSQ)
ROWS(int8_t, ip_i8, PRODUCT)

void normsq_u8_ref(const void *rows, size_t stride, int64_t n, int64_t d, int32_t *out)
{
	for (int64_t i = 0; i < n; i++) {
		const uint8_t *row = (const uint8_t *)rows + (size_t)i * stride;
		out[i] = ip_u8(row, row, d);
	}
}

void normsq_i8_ref(const void *rows, size_t stride, int64_t n, int64_t d, int32_t *out)
{
	for (int64_t i = 0; i < n; i++) {
		const int8_t *row = (const int8_t *)rows + (size_t)i * stride;
		out[i] = ip_i8(row, row, d);
	}
}
