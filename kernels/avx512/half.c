/* Half-precision numbers, AVX-512: 16 numbers in a step, the last ones by a mask. */
#include "kernels/avx512/avx512.h"

void narrow_f16_avx512(const float *x, int64_t n, void *half)
{
	const __m512 max = _mm512_set1_ps(65504), min = _mm512_set1_ps(-65504);
	for (int64_t i = 0; i < n; i += 16) {
		__mmask16 m = first16(n - i);
		__m512 v = _mm512_maskz_loadu_ps(m, x + i);
		v = _mm512_max_ps(_mm512_min_ps(v, max), min);
		__m256i h = _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
		_mm256_mask_storeu_epi16((char *)half + 2 * i, m, h);
	}
}

/* See ref/half.c. */
void narrow_bf16_avx512(const float *x, int64_t n, void *half)
{
	const __m512i sign = _mm512_set1_epi32(0x8000), max = _mm512_set1_epi32(0x7f7f);
	const __m512i below_half = _mm512_set1_epi32(0x7fff), one = _mm512_set1_epi32(1);
	for (int64_t i = 0; i < n; i += 16) {
		__mmask16 m = first16(n - i);
		__m512i u = _mm512_maskz_loadu_epi32(m, x + i), top = _mm512_srli_epi32(u, 16);
		__m512i v = _mm512_and_si512(u, _mm512_set1_epi32(0x7fffffff));
		v = _mm512_add_epi32(v, _mm512_add_epi32(below_half, _mm512_and_si512(top, one)));
		v = _mm512_min_epu32(_mm512_srli_epi32(v, 16), max);
		v = _mm512_or_si512(v, _mm512_and_si512(top, sign));
		_mm256_mask_storeu_epi16((char *)half + 2 * i, m, _mm512_cvtepi32_epi16(v));
	}
}

void widen_f16_avx512(const void *half, int64_t n, float *x)
{
	for (int64_t i = 0; i < n; i += 16) {
		__mmask16 m = first16(n - i);
		__m256i h = _mm256_maskz_loadu_epi16(m, (const char *)half + 2 * i);
		_mm512_mask_storeu_ps(x + i, m, _mm512_cvtph_ps(h));
	}
}

void widen_bf16_avx512(const void *half, int64_t n, float *x)
{
	for (int64_t i = 0; i < n; i += 16) {
		__mmask16 m = first16(n - i);
		__m256i h = _mm256_maskz_loadu_epi16(m, (const char *)half + 2 * i);
		_mm512_mask_storeu_epi32(x + i, m, _mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
	}
}
