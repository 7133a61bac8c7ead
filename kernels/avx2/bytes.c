/* One byte query × rows of bytes, exact.
 *
 * Bytes are widened to 16 bits, where a difference of any two bytes fits, and vpmaddwd squares (multiplies)
 * and adds pairs into int32: at most 2 · 255² a step, so no lane can overflow before the sum itself would.
 * The tempting vpmaddubsw saturates and is not used. Four rows at a time share the widened query. */
#include "kernels/avx2/avx2.h"

enum op { L2SQ, IP, NORMSQ };
enum type { U8, I8 };

enum { STEP = 16 };

ALWAYS_INLINE __m256i widen(enum type type, __m128i x)
{
	return type == U8 ? _mm256_cvtepu8_epi16(x) : _mm256_cvtepi8_epi16(x);
}

ALWAYS_INLINE __m256i accumulate(enum op op, __m256i sum, __m256i q, __m256i x)
{
	__m256i t = op == L2SQ ? _mm256_sub_epi16(q, x) : x;
	return _mm256_add_epi32(sum, _mm256_madd_epi16(op == IP ? q : t, t));
}

ALWAYS_INLINE __m128i group_i32(
    enum op op, enum type type, const char *q, const char *const row[GROUP], int64_t d)
{
	const __m256i zero = _mm256_setzero_si256();
	__m256i sum[GROUP] = {zero, zero, zero, zero};
	int64_t i = 0;
	for (; i + STEP <= d; i += STEP) {
		__m256i w = op == NORMSQ ? zero : widen(type, _mm_loadu_si128((const __m128i *)(q + i)));
		for (int j = 0; j < GROUP; j++) {
			__m256i x = widen(type, _mm_loadu_si128((const __m128i *)(row[j] + i)));
			sum[j] = accumulate(op, sum[j], w, x);
		}
	}
	if (i < d) {
		__m256i w = op == NORMSQ ? zero : widen(type, load_part(q + i, d - i));
		for (int j = 0; j < GROUP; j++)
			sum[j] = accumulate(op, sum[j], w, widen(type, load_part(row[j] + i, d - i)));
	}
	return sum_4x8_i32(sum[0], sum[1], sum[2], sum[3]);
}

ALWAYS_INLINE void rows_i32(enum op op, enum type type, const void *q, const void *rows, size_t stride,
    const uint32_t *pos, int64_t n, int64_t d, int32_t *out)
{
	for (int64_t i = 0; i < n; i += GROUP) {
		const char *row[GROUP];
		group_rows(rows, stride, pos, i, n, row);
		if (pos)
			group_prefetch(rows, stride, pos, i, n, d);
		__m128i sum = group_i32(op, type, q, row, d);
		if (i + GROUP <= n)
			_mm_storeu_si128((__m128i *)(out + i), sum);
		else
			_mm_maskstore_epi32(out + i, _mm256_castsi256_si128(first_lanes(n - i)), sum);
	}
}

void l2sq_u8_avx2(const void *q, const void *rows, size_t stride, int64_t n, int64_t d, int32_t *out)
{
	rows_i32(L2SQ, U8, q, rows, stride, NULL, n, d, out);
}

void ip_u8_avx2(const void *q, const void *rows, size_t stride, int64_t n, int64_t d, int32_t *out)
{
	rows_i32(IP, U8, q, rows, stride, NULL, n, d, out);
}

void l2sq_i8_avx2(const void *q, const void *rows, size_t stride, int64_t n, int64_t d, int32_t *out)
{
	rows_i32(L2SQ, I8, q, rows, stride, NULL, n, d, out);
}

void ip_i8_avx2(const void *q, const void *rows, size_t stride, int64_t n, int64_t d, int32_t *out)
{
	rows_i32(IP, I8, q, rows, stride, NULL, n, d, out);
}

void l2sq_u8_gather_avx2(
    const void *q, const void *rows, size_t stride, const uint32_t *pos, int64_t n, int64_t d, int32_t *out)
{
	rows_i32(L2SQ, U8, q, rows, stride, pos, n, d, out);
}

void ip_u8_gather_avx2(
    const void *q, const void *rows, size_t stride, const uint32_t *pos, int64_t n, int64_t d, int32_t *out)
{
	rows_i32(IP, U8, q, rows, stride, pos, n, d, out);
}

void l2sq_i8_gather_avx2(
    const void *q, const void *rows, size_t stride, const uint32_t *pos, int64_t n, int64_t d, int32_t *out)
{
	rows_i32(L2SQ, I8, q, rows, stride, pos, n, d, out);
}

void ip_i8_gather_avx2(
    const void *q, const void *rows, size_t stride, const uint32_t *pos, int64_t n, int64_t d, int32_t *out)
{
	rows_i32(IP, I8, q, rows, stride, pos, n, d, out);
}

void normsq_u8_avx2(const void *rows, size_t stride, int64_t n, int64_t d, int32_t *out)
{
	rows_i32(NORMSQ, U8, NULL, rows, stride, NULL, n, d, out);
}

void normsq_i8_avx2(const void *rows, size_t stride, int64_t n, int64_t d, int32_t *out)
{
	rows_i32(NORMSQ, I8, NULL, rows, stride, NULL, n, d, out);
}
