/* Quantizing, packing and tiles, AVX-512 with VNNI.
 *
 * Tiles: one step in depth loads the 64 rows of the panel into four registers, broadcasts an element of each
 * of up to six queries, and multiplies it into four sums: 10 loads for 24 multiply-adds, with 24 + 4 + 1
 * registers. The core is inlined once for each number of queries, so that all loops over queries and
 * registers are unrolled and the sums stay in registers.
 *
 * pack transposes 16 × 16 dwords in registers. quantize.h derives the error bound.
 */
#include "kernels/avx512/avx512.h"

#include "kernels/quantize.h"
#include "kernels/tile_blocks.h"

enum { AT_ONCE = 6, REGS = TILE_ROWS / 16 };

/* Otherwise gcc 12 does not unroll loops over six queries and keeps the sums in memory. clang 14 does better
 * without it. */
#if defined(__clang__)
#define UNROLL
#else
#define UNROLL _Pragma("GCC unroll 6")
#endif

struct sums {
	__m512i sum, sumsq;
};

/* x − mean; lanes outside of m are 0. */
ALWAYS_INLINE __m512 centred(const float *x, const float *mean, int64_t i, __mmask16 m)
{
	__m512 v = _mm512_maskz_loadu_ps(m, x + i);
	return mean ? _mm512_sub_ps(v, _mm512_maskz_loadu_ps(m, mean + i)) : v;
}

ALWAYS_INLINE void emit_bytes(int8_t *out, __m512i v, __mmask16 m, struct sums *s)
{
	_mm_mask_storeu_epi8(out, m, _mm512_cvtepi32_epi8(v));
	s->sum = _mm512_add_epi32(s->sum, v);
	s->sumsq = _mm512_add_epi32(s->sumsq, _mm512_mullo_epi32(v, v));
}

static void quantize_as_is(const float *x, const float *mean, int64_t d, int8_t *out, struct quantized *info)
{
	struct sums s = {_mm512_setzero_si512(), _mm512_setzero_si512()};
	__mmask16 inexact = 0;
	for (int64_t i = 0; i < d; i += 16) {
		__mmask16 m = first16(d - i);
		__m512 c = centred(x, mean, i, m);
		if (mean) {
			__m512 a = _mm512_maskz_loadu_ps(m, x + i), b = _mm512_maskz_loadu_ps(m, mean + i);
			inexact |= _mm512_cmp_ps_mask(_mm512_add_ps(c, b), a, _CMP_NEQ_UQ);
			inexact |= _mm512_cmp_ps_mask(_mm512_sub_ps(a, c), b, _CMP_NEQ_UQ);
		}
		emit_bytes(out + i, _mm512_cvtps_epi32(c), m, &s);
	}
	quantize_integral(!inexact, _mm512_reduce_add_epi32(s.sum), _mm512_reduce_add_epi32(s.sumsq), info);
}

static void quantize_to_scale(
    const float *x, const float *mean, int64_t d, float scale, int8_t *out, struct quantized *info)
{
	const __m512 unit = _mm512_set1_ps(scale), inv = _mm512_set1_ps(1 / scale);
	struct sums s = {_mm512_setzero_si512(), _mm512_setzero_si512()};
	__m512 residual = _mm512_setzero_ps();
	for (int64_t i = 0; i < d; i += 16) {
		__mmask16 m = first16(d - i);
		__m512 c = centred(x, mean, i, m);
		__m512i v = _mm512_cvtps_epi32(_mm512_mul_ps(c, inv));
		emit_bytes(out + i, v, m, &s);
		__m512 w = _mm512_mul_ps(_mm512_fnmadd_ps(unit, _mm512_cvtepi32_ps(v), c), inv);
		residual = _mm512_fmadd_ps(w, w, residual);
	}
	quantize_scaled(scale, d, mean != NULL, _mm512_reduce_add_epi32(s.sum),
	    _mm512_reduce_add_epi32(s.sumsq), _mm512_reduce_add_ps(residual), info);
}

void quantize_avx512(const float *x, const float *mean, int64_t d, int8_t *out, struct quantized *info)
{
	__m512 top = _mm512_setzero_ps();
	__mmask16 other = 0; /* set for elements that are not an integer in −128 … 127 */
	for (int64_t i = 0; i < d; i += 16) {
		__m512 c = centred(x, mean, i, first16(d - i));
		__m512 whole = _mm512_roundscale_ps(c, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
		other |= _mm512_cmp_ps_mask(whole, c, _CMP_NEQ_UQ);
		other |= _mm512_cmp_ps_mask(c, _mm512_set1_ps(-128), _CMP_LT_OQ);
		other |= _mm512_cmp_ps_mask(c, _mm512_set1_ps(127), _CMP_GT_OQ);
		top = _mm512_max_ps(top, _mm512_abs_ps(c));
	}
	float max = _mm512_reduce_max_ps(top);
	if (!other)
		quantize_as_is(x, mean, d, out, info);
	else if (!quantize_extreme(max, d, out, info))
		quantize_to_scale(x, mean, d, max / 127, out, info);
}

/* Transpose 16 × 16 dwords: lane j of v[i] becomes lane i of v[j]. */
ALWAYS_INLINE void transpose16(__m512i v[16])
{
	__m512i a[16], b[16];
	for (int i = 0; i < 16; i += 2) {
		a[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
		a[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
	}
	/* b[4g + c], 128-bit lane l: dword 4l + c of the rows 4g … 4g + 3 */
	for (int i = 0; i < 16; i += 4) {
		b[i] = _mm512_unpacklo_epi64(a[i], a[i + 2]);
		b[i + 1] = _mm512_unpackhi_epi64(a[i], a[i + 2]);
		b[i + 2] = _mm512_unpacklo_epi64(a[i + 1], a[i + 3]);
		b[i + 3] = _mm512_unpackhi_epi64(a[i + 1], a[i + 3]);
	}
	for (int c = 0; c < 4; c++) {
		__m512i even01 = _mm512_shuffle_i32x4(b[c], b[c + 4], 0x88);
		__m512i odd01 = _mm512_shuffle_i32x4(b[c], b[c + 4], 0xdd);
		__m512i even23 = _mm512_shuffle_i32x4(b[c + 8], b[c + 12], 0x88);
		__m512i odd23 = _mm512_shuffle_i32x4(b[c + 8], b[c + 12], 0xdd);
		v[c] = _mm512_shuffle_i32x4(even01, even23, 0x88);
		v[c + 4] = _mm512_shuffle_i32x4(odd01, odd23, 0x88);
		v[c + 8] = _mm512_shuffle_i32x4(even01, even23, 0xdd);
		v[c + 12] = _mm512_shuffle_i32x4(odd01, odd23, 0xdd);
	}
}

void pack_avx512(const void *rows, size_t stride, int64_t n, int64_t bytes, uint32_t flip, uint32_t *out)
{
	const __m512i flips = _mm512_set1_epi32((int)flip);
	for (int64_t first = 0; first < TILE_ROWS; first += 16) {
		for (int64_t at = 0; at < bytes; at += 64) {
			__mmask64 m = first64(bytes - at);
			__m512i v[16];
			for (int64_t r = 0; r < 16; r++) {
				__mmask64 present = first + r < n ? m : 0;
				size_t row = first + r < n ? (size_t)(first + r) * stride : 0;
				v[r] = _mm512_maskz_loadu_epi8(present, (const char *)rows + row + at);
			}
			transpose16(v);
			int64_t dwords = (bytes - at + 3) / 4;
			uint32_t *to = out + at / 4 * TILE_ROWS + first;
			for (int64_t k = 0; k < 16; k++)
				if (k < dwords)
					_mm512_storeu_si512(
					    to + k * TILE_ROWS, _mm512_xor_si512(v[k], flips));
		}
	}
}

/* Finish a tile: compare the keys with thr, and store those of queries that have one within it. Most tiles
 * have none, which is seen from the smallest key of each lane with a quarter of the comparisons. */
ALWAYS_INLINE uint64_t emit_keys(
    const int nq, __m512 key[][REGS], const float *thr, uint64_t *mask, float *keys)
{
	__mmask16 some = 0;
	UNROLL
	for (int j = 0; j < nq; j++) {
		__m512 low01 = _mm512_min_ps(key[j][0], key[j][1]);
		__m512 low23 = _mm512_min_ps(key[j][2], key[j][3]);
		some |= _mm512_cmp_ps_mask(_mm512_min_ps(low01, low23), _mm512_set1_ps(thr[j]), _CMP_LE_OQ);
	}
	uint64_t any = 0;
	UNROLL
	for (int j = 0; j < nq; j++) {
		uint64_t m = 0;
		if (some)
			for (int v = 0; v < REGS; v++)
				m |= (uint64_t)_mm512_cmp_ps_mask(
				         key[j][v], _mm512_set1_ps(thr[j]), _CMP_LE_OQ)
				     << (16 * v);
		if (m)
			for (int v = 0; v < REGS; v++)
				_mm512_storeu_ps(keys + j * TILE_ROWS + 16 * v, key[j][v]);
		mask[j] = m;
		any |= m;
	}
	return any;
}

ALWAYS_INLINE uint64_t tile_f32(const int nq, const float *panel, int64_t k, const float *q, size_t qstride,
    const float *low, const float *thr, uint64_t *mask, float *keys)
{
	__m512 acc[AT_ONCE][REGS];
	UNROLL
	for (int j = 0; j < nq; j++)
		for (int v = 0; v < REGS; v++)
			acc[j][v] = _mm512_loadu_ps(low + 16 * v);
	for (int64_t i = 0; i < k; i++) {
		__m512 row[REGS];
		for (int v = 0; v < REGS; v++)
			row[v] = _mm512_loadu_ps(panel + i * TILE_ROWS + 16 * v);
		UNROLL
		for (int j = 0; j < nq; j++) {
			__m512 x = _mm512_set1_ps(q[(size_t)j * qstride + (size_t)i]);
			for (int v = 0; v < REGS; v++)
				acc[j][v] = _mm512_fmadd_ps(row[v], x, acc[j][v]);
		}
	}
	return emit_keys(nq, acc, thr, mask, keys);
}

ALWAYS_INLINE uint64_t tile_i8(const int nq, const uint32_t *panel, int64_t k, const int8_t *q,
    size_t qstride, const float *low, const float *scale, const float *qscale, const int32_t *qbias,
    const float *thr, uint64_t *mask, float *keys)
{
	v16si acc[AT_ONCE][REGS];
	UNROLL
	for (int j = 0; j < nq; j++)
		for (int v = 0; v < REGS; v++)
			acc[j][v] = (v16si)_mm512_set1_epi32(qbias[j]);
	for (int64_t i = 0; i < k; i++) {
		v16si row[REGS];
		for (int v = 0; v < REGS; v++)
			row[v] = (v16si)_mm512_loadu_si512(panel + i * TILE_ROWS + 16 * v);
		UNROLL
		for (int j = 0; j < nq; j++) {
			int32_t four;
			memcpy(&four, q + (size_t)j * qstride + 4 * i, sizeof four);
			v16si x = (v16si)_mm512_set1_epi32(four);
			for (int v = 0; v < REGS; v++)
				acc[j][v] = dot4(acc[j][v], row[v], x);
		}
	}
	__m512 key[AT_ONCE][REGS];
	UNROLL
	for (int j = 0; j < nq; j++)
		for (int v = 0; v < REGS; v++) {
			__m512 unit =
			    _mm512_mul_ps(_mm512_set1_ps(qscale[j]), _mm512_loadu_ps(scale + 16 * v));
			__m512 sum = _mm512_cvtepi32_ps((__m512i)acc[j][v]);
			key[j][v] = _mm512_fmadd_ps(unit, sum, _mm512_loadu_ps(low + 16 * v));
		}
	return emit_keys(nq, key, thr, mask, keys);
}

/* Call the core that is unrolled for nq queries. */
#define BY_QUERIES(tile, ...)                                                                                \
	switch (nq) {                                                                                        \
	case 1:                                                                                              \
		return tile(1, __VA_ARGS__);                                                                 \
	case 2:                                                                                              \
		return tile(2, __VA_ARGS__);                                                                 \
	case 3:                                                                                              \
		return tile(3, __VA_ARGS__);                                                                 \
	case 4:                                                                                              \
		return tile(4, __VA_ARGS__);                                                                 \
	case 5:                                                                                              \
		return tile(5, __VA_ARGS__);                                                                 \
	default:                                                                                             \
		return tile(AT_ONCE, __VA_ARGS__);                                                           \
	}

static uint64_t block_f32(const float *panel, int64_t k, const float *q, size_t qstride, int nq,
    const float *low, const float *thr, uint64_t *mask, float *keys)
{
	BY_QUERIES(tile_f32, panel, k, q, qstride, low, thr, mask, keys)
}

static uint64_t block_i8(const uint32_t *panel, int64_t k, const int8_t *q, size_t qstride, int nq,
    const float *low, const float *scale, const float *qscale, const int32_t *qbias, const float *thr,
    uint64_t *mask,
    float *keys){BY_QUERIES(tile_i8, panel, k, q, qstride, low, scale, qscale, qbias, thr, mask, keys)}

TILE_F32_IN_BLOCKS(tile_f32_avx512, block_f32, AT_ONCE)

    TILE_I8_IN_BLOCKS(tile_i8_avx512, block_i8, AT_ONCE)
