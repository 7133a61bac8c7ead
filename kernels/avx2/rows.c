/* One float query × rows of floats or bf16.
 *
 * Four rows at a time: each vector of the query is loaded once for the four, and one tree of horizontal
 * additions ends all of them. Two accumulators a row make eight chains of fused multiply-adds, which is what
 * latency 4 at two a cycle needs; a scan from memory is then bound by the memory alone. A bf16 is widened
 * by a shift, so it costs half the bytes of a float and two cheap instructions more. */
#include "kernels/avx2/avx2.h"

enum op { L2SQ, IP, NORMSQ };
enum type { F32, BF16 };

enum { LANES = 8 };

ALWAYS_INLINE __m256 widen_bf16(__m128i x)
{
	return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
}

ALWAYS_INLINE __m256 load(enum type type, const char *row, int64_t i)
{
	if (type == F32)
		return _mm256_loadu_ps((const float *)(row + 4 * i));
	return widen_bf16(_mm_loadu_si128((const __m128i *)(row + 2 * i)));
}

ALWAYS_INLINE __m256 load_tail(enum type type, const char *row, int64_t i, int64_t left)
{
	if (type == F32)
		return _mm256_maskload_ps((const float *)(row + 4 * i), first_lanes(left));
	return widen_bf16(load_part(row + 2 * i, 2 * left));
}

ALWAYS_INLINE __m256 accumulate(enum op op, __m256 sum, __m256 q, __m256 x)
{
	if (op == IP)
		return _mm256_fmadd_ps(q, x, sum);
	__m256 t = op == L2SQ ? _mm256_sub_ps(q, x) : x;
	return _mm256_fmadd_ps(t, t, sum);
}

ALWAYS_INLINE __m128 group_f32(
    enum op op, enum type type, const float *q, const char *const row[GROUP], int64_t d)
{
	const __m256 zero = _mm256_setzero_ps();
	__m256 even[GROUP] = {zero, zero, zero, zero}, odd[GROUP] = {zero, zero, zero, zero};
	int64_t i = 0;
	for (; i + 2 * LANES <= d; i += 2 * LANES) {
		__m256 q0 = op == NORMSQ ? zero : _mm256_loadu_ps(q + i);
		__m256 q1 = op == NORMSQ ? zero : _mm256_loadu_ps(q + i + LANES);
		for (int j = 0; j < GROUP; j++) {
			even[j] = accumulate(op, even[j], q0, load(type, row[j], i));
			odd[j] = accumulate(op, odd[j], q1, load(type, row[j], i + LANES));
		}
	}
	if (i + LANES <= d) {
		__m256 q0 = op == NORMSQ ? zero : _mm256_loadu_ps(q + i);
		for (int j = 0; j < GROUP; j++)
			even[j] = accumulate(op, even[j], q0, load(type, row[j], i));
		i += LANES;
	}
	if (i < d) {
		__m256 q1 = op == NORMSQ ? zero : _mm256_maskload_ps(q + i, first_lanes(d - i));
		for (int j = 0; j < GROUP; j++)
			odd[j] = accumulate(op, odd[j], q1, load_tail(type, row[j], i, d - i));
	}
	for (int j = 0; j < GROUP; j++)
		even[j] = _mm256_add_ps(even[j], odd[j]);
	return sum_4x8_f32(even[0], even[1], even[2], even[3]);
}

ALWAYS_INLINE void rows_f32(enum op op, enum type type, const float *q, const void *rows, size_t stride,
    const uint32_t *pos, int64_t n, int64_t d, float *out)
{
	for (int64_t i = 0; i < n; i += GROUP) {
		const char *row[GROUP];
		group_rows(rows, stride, pos, i, n, row);
		if (pos)
			group_prefetch(rows, stride, pos, i, n, d * (type == F32 ? 4 : 2));
		__m128 sum = group_f32(op, type, q, row, d);
		if (i + GROUP <= n)
			_mm_storeu_ps(out + i, sum);
		else
			_mm_maskstore_ps(out + i, _mm256_castsi256_si128(first_lanes(n - i)), sum);
	}
}

void l2sq_f32_avx2(const float *q, const void *rows, size_t stride, int64_t n, int64_t d, float *out)
{
	rows_f32(L2SQ, F32, q, rows, stride, NULL, n, d, out);
}

void ip_f32_avx2(const float *q, const void *rows, size_t stride, int64_t n, int64_t d, float *out)
{
	rows_f32(IP, F32, q, rows, stride, NULL, n, d, out);
}

void l2sq_bf16_avx2(const float *q, const void *rows, size_t stride, int64_t n, int64_t d, float *out)
{
	rows_f32(L2SQ, BF16, q, rows, stride, NULL, n, d, out);
}

void ip_bf16_avx2(const float *q, const void *rows, size_t stride, int64_t n, int64_t d, float *out)
{
	rows_f32(IP, BF16, q, rows, stride, NULL, n, d, out);
}

void l2sq_f32_gather_avx2(
    const float *q, const void *rows, size_t stride, const uint32_t *pos, int64_t n, int64_t d, float *out)
{
	rows_f32(L2SQ, F32, q, rows, stride, pos, n, d, out);
}

void ip_f32_gather_avx2(
    const float *q, const void *rows, size_t stride, const uint32_t *pos, int64_t n, int64_t d, float *out)
{
	rows_f32(IP, F32, q, rows, stride, pos, n, d, out);
}

void l2sq_bf16_gather_avx2(
    const float *q, const void *rows, size_t stride, const uint32_t *pos, int64_t n, int64_t d, float *out)
{
	rows_f32(L2SQ, BF16, q, rows, stride, pos, n, d, out);
}

void ip_bf16_gather_avx2(
    const float *q, const void *rows, size_t stride, const uint32_t *pos, int64_t n, int64_t d, float *out)
{
	rows_f32(IP, BF16, q, rows, stride, pos, n, d, out);
}

void normsq_f32_avx2(const void *rows, size_t stride, int64_t n, int64_t d, float *out)
{
	rows_f32(NORMSQ, F32, NULL, rows, stride, NULL, n, d, out);
}
