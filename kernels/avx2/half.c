/* Half-precision numbers, AVX2 with F16C: 8 numbers in a step. */
#include "kernels/avx2/avx2.h"

enum { LANES = 8 };

ALWAYS_INLINE __m128i to_f16(__m256 x)
{
	const __m256 max = _mm256_set1_ps(65504), min = _mm256_set1_ps(-65504);
	x = _mm256_max_ps(_mm256_min_ps(x, max), min);
	return _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* See ref/half.c. */
ALWAYS_INLINE __m128i to_bf16(__m256 x)
{
	const __m256i sign = _mm256_set1_epi32(0x8000), max = _mm256_set1_epi32(0x7f7f);
	const __m256i below_half = _mm256_set1_epi32(0x7fff), one = _mm256_set1_epi32(1);
	__m256i u = _mm256_castps_si256(x), top = _mm256_srli_epi32(u, 16);
	__m256i v = _mm256_and_si256(u, _mm256_set1_epi32(0x7fffffff));
	v = _mm256_add_epi32(v, _mm256_add_epi32(below_half, _mm256_and_si256(top, one)));
	v = _mm256_min_epu32(_mm256_srli_epi32(v, 16), max);
	v = _mm256_or_si256(v, _mm256_and_si256(top, sign));
	return _mm_packus_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}

ALWAYS_INLINE __m256 from_bf16(__m128i x)
{
	return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
}

#define HALF(kind, to, from)                                                                                 \
	void narrow_##kind##_avx2(const float *x, int64_t n, void *half)                                     \
	{                                                                                                    \
		char *out = half;                                                                            \
		int64_t i = 0;                                                                               \
		for (; i + LANES <= n; i += LANES)                                                           \
			_mm_storeu_si128((__m128i *)(out + 2 * i), to(_mm256_loadu_ps(x + i)));              \
		if (i < n) {                                                                                 \
			__m128i h = to(_mm256_maskload_ps(x + i, first_lanes(n - i)));                       \
			memcpy(out + 2 * i, &h, (size_t)(2 * (n - i)));                                      \
		}                                                                                            \
	}                                                                                                    \
	void widen_##kind##_avx2(const void *half, int64_t n, float *x)                                      \
	{                                                                                                    \
		const char *in = half;                                                                       \
		int64_t i = 0;                                                                               \
		for (; i + LANES <= n; i += LANES)                                                           \
			_mm256_storeu_ps(x + i, from(_mm_loadu_si128((const __m128i *)(in + 2 * i))));       \
		if (i < n) {                                                                                 \
			__m256 v = from(load_part(in + 2 * i, 2 * (n - i)));                                 \
			_mm256_maskstore_ps(x + i, first_lanes(n - i), v);                                   \
		}                                                                                            \
	}

HALF(f16, to_f16, _mm256_cvtph_ps)
HALF(bf16, to_bf16, from_bf16)
