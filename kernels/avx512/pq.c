/* Product quantizers, AVX-512.
 *
 * A panel of 16 centroids is one register a component. The search for the nearest takes eight vectors at a
 * time, enough sums to hide the latency of the multiply-adds, and knows the least keys lane by lane until the
 * codebook ends.
 *
 * Scans: bytes of the tables are looked up for 64 vectors at once and added as 16-bit words: `words` sums
 * pairs of vectors as they lie, `odd` the upper byte of each pair alone, so that the lower one's sum is
 * words − 256 · odd modulo 2^16. Three instructions for 64 look-ups; CHUNK of them cannot overflow.
 * A 256-byte table is 2 × vpermi2b and a blend by the number's top bit (André et al., Quicker ADC, 2019),
 * which takes VBMI: without it the table keeps avx2's scan8.
 */
#include "kernels/avx512/avx512.h"

#include <math.h>

#if defined(__clang__)
#define UNROLL
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

enum op { L2SQ, IP };

/* Numbers looked up before 16-bit sums could overflow. */
enum { CHUNK = 256 };

ALWAYS_INLINE void table_part(
    enum op op, const int panels_at_once, const float *x, int64_t d, const float *panels, float *out)
{
	__m512 sum[4];
	UNROLL
	for (int g = 0; g < panels_at_once; g++)
		sum[g] = _mm512_setzero_ps();
	for (int64_t i = 0; i < d; i++) {
		UNROLL
		for (int g = 0; g < panels_at_once; g++) {
			__m512 c = _mm512_loadu_ps(panels + (g * d + i) * PQ_LANES);
			__m512 t = _mm512_sub_ps(c, _mm512_set1_ps(x[i]));
			sum[g] = op == IP ? _mm512_fmadd_ps(c, _mm512_set1_ps(x[i]), sum[g])
			                  : _mm512_fmadd_ps(t, t, sum[g]);
		}
	}
	UNROLL
	for (int g = 0; g < panels_at_once; g++)
		_mm512_storeu_ps(out + g * PQ_LANES, sum[g]);
}

ALWAYS_INLINE void table(enum op op, const float *x, int64_t d, const float *panels, int64_t k, float *out)
{
	int64_t c = 0;
	for (; c + 4 * PQ_LANES <= k; c += 4 * PQ_LANES)
		table_part(op, 4, x, d, panels + c * d, out + c);
	for (; c < k; c += PQ_LANES)
		table_part(op, 1, x, d, panels + c * d, out + c);
}

void pq_l2sq_avx512(const float *x, int64_t d, const float *panels, int64_t k, float *out)
{
	table(L2SQ, x, d, panels, k, out);
}

void pq_ip_avx512(const float *x, int64_t d, const float *panels, int64_t k, float *out)
{
	table(IP, x, d, panels, k, out);
}

/* The least keys of a vector, lane by lane. */
struct best {
	__m512 least, second;
	__m512i at; /* which panel the least is from */
};

/* Vectors that share the loads of a panel. */
enum { VECS = 8 };

ALWAYS_INLINE struct best update(struct best b, __m512 key, __m512i panel)
{
	b.at = _mm512_mask_mov_epi32(b.at, _mm512_cmp_ps_mask(key, b.least, _CMP_LT_OQ), panel);
	b.second = _mm512_min_ps(b.second, _mm512_max_ps(b.least, key));
	b.least = _mm512_min_ps(b.least, key);
	return b;
}

ALWAYS_INLINE void nearest_step(const float *const x[VECS], int64_t d, const float *panel, const float *half,
    __m512i number, struct best best[VECS])
{
	__m512 key[VECS];
	UNROLL
	for (int v = 0; v < VECS; v++)
		key[v] = _mm512_loadu_ps(half);
	for (int64_t i = 0; i < d; i++) {
		__m512 c = _mm512_loadu_ps(panel + i * PQ_LANES);
		UNROLL
		for (int v = 0; v < VECS; v++)
			key[v] = _mm512_fnmadd_ps(c, _mm512_set1_ps(x[v][i]), key[v]);
	}
	UNROLL
	for (int v = 0; v < VECS; v++)
		best[v] = update(best[v], key[v], number);
}

ALWAYS_INLINE void finish(struct best b, uint16_t *pos, float *least, float *second)
{
	*least = _mm512_reduce_min_ps(b.least);
	__mmask16 all = _mm512_cmp_ps_mask(b.least, _mm512_set1_ps(*least), _CMP_EQ_OQ);
	unsigned lane = _tzcnt_u32(all);
	__mmask16 one = (__mmask16)(1u << lane);
	__m512i panel = _mm512_maskz_compress_epi32(one, b.at);
	*pos = (uint16_t)(PQ_LANES * (unsigned)_mm_cvtsi128_si32(_mm512_castsi512_si128(panel)) + lane);
	/* Of the winning lane the second counts, of the others the least. */
	*second = _mm512_reduce_min_ps(_mm512_mask_mov_ps(b.least, one, b.second));
}

void pq_nearest_avx512(const float *x, size_t stride, int64_t n, int64_t d, const float *panels,
    const float *half, int64_t k, uint16_t *pos, float *least, float *second)
{
	const __m512 inf = _mm512_set1_ps(INFINITY);
	for (int64_t j = 0; j < n; j += VECS) {
		/* A last group of fewer vectors repeats its last one. */
		int count = n - j < VECS ? (int)(n - j) : VECS;
		const float *vec[VECS];
		struct best best[VECS];
		for (int v = 0; v < VECS; v++) {
			vec[v] = x + (size_t)(j + (v < count ? v : count - 1)) * stride;
			best[v] = (struct best){inf, inf, _mm512_setzero_si512()};
		}
		__m512i number = _mm512_setzero_si512(); /* of the panel, in every lane */
		for (int64_t c = 0; c < k; c += PQ_LANES) {
			nearest_step(vec, d, panels + c * d, half + c, number, best);
			number = _mm512_add_epi32(number, _mm512_set1_epi32(1));
		}
		for (int v = 0; v < count; v++)
			finish(best[v], &pos[j + v], &least[j + v], &second[j + v]);
	}
}

struct sums {
	__m512i words, odd;
};

ALWAYS_INLINE struct sums no_sums(void)
{
	return (struct sums){_mm512_setzero_si512(), _mm512_setzero_si512()};
}

ALWAYS_INLINE struct sums add_bytes(struct sums s, __m512i bytes)
{
	s.words = _mm512_add_epi16(s.words, bytes);
	s.odd = _mm512_add_epi16(s.odd, _mm512_srli_epi16(bytes, 8));
	return s;
}

/* Adds the sums, in the vectors' order, to total [4] of 16 floats each: integers, exact in floats. */
ALWAYS_INLINE void add_sums(struct sums s, __m512 *total)
{
	static const uint16_t order[64] = {0, 32, 1, 33, 2, 34, 3, 35, 4, 36, 5, 37, 6, 38, 7, 39, 8, 40, 9, 41,
	    10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47, 16, 48, 17, 49, 18, 50, 19, 51, 20, 52, 21, 53, 22,
	    54, 23, 55, 24, 56, 25, 57, 26, 58, 27, 59, 28, 60, 29, 61, 30, 62, 31, 63};
	__m512i even = _mm512_sub_epi16(s.words, _mm512_slli_epi16(s.odd, 8));
	for (int h = 0; h < 2; h++) {
		__m512i words = _mm512_permutex2var_epi16(even, _mm512_loadu_si512(order + 32 * h), s.odd);
		__m256i low = _mm512_castsi512_si256(words), high = _mm512_extracti64x4_epi64(words, 1);
		total[2 * h] =
		    _mm512_add_ps(total[2 * h], _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(low)));
		total[2 * h + 1] =
		    _mm512_add_ps(total[2 * h + 1], _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(high)));
	}
}

ALWAYS_INLINE void emit(const __m512 *total, float scale, float offset, float *key)
{
	for (int v = 0; v < 4; v++)
		_mm512_storeu_ps(
		    key + 16 * v, _mm512_fmadd_ps(_mm512_set1_ps(scale), total[v], _mm512_set1_ps(offset)));
}

__attribute__((target("avx512vbmi"))) void pq_scan8_avx512(
    const uint8_t *codes, int64_t bytes, const uint8_t *tables, float scale, float offset, float *key)
{
	__m512 total[4] = {{0}};
	for (int64_t from = 0; from < bytes; from += CHUNK) {
		struct sums s = no_sums();
		int64_t end = from + CHUNK < bytes ? from + CHUNK : bytes;
		for (int64_t b = from; b < end; b++) {
			const uint8_t *t = tables + b * 256;
			__m512i code = _mm512_loadu_si512(codes + b * PQ_BLOCK);
			__m512i low = _mm512_permutex2var_epi8(
			    _mm512_loadu_si512(t), code, _mm512_loadu_si512(t + 64));
			__m512i high = _mm512_permutex2var_epi8(
			    _mm512_loadu_si512(t + 128), code, _mm512_loadu_si512(t + 192));
			s = add_bytes(s, _mm512_mask_blend_epi8(_mm512_movepi8_mask(code), low, high));
		}
		add_sums(s, total);
	}
	emit(total, scale, offset, key);
}

ALWAYS_INLINE __m512i table16(const uint8_t *t)
{
	return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)t));
}

void pq_scan4_avx512(
    const uint8_t *codes, int64_t bytes, const uint8_t *tables, float scale, float offset, float *key)
{
	const __m512i half = _mm512_set1_epi8(15);
	__m512 total[4] = {{0}};
	for (int64_t from = 0; from < bytes; from += CHUNK / 2) {
		struct sums s = no_sums();
		int64_t end = from + CHUNK / 2 < bytes ? from + CHUNK / 2 : bytes;
		for (int64_t b = from; b < end; b++) {
			const uint8_t *t = tables + b * 32;
			__m512i code = _mm512_loadu_si512(codes + b * PQ_BLOCK);
			__m512i upper = _mm512_and_si512(_mm512_srli_epi16(code, 4), half);
			s = add_bytes(s, _mm512_shuffle_epi8(table16(t), _mm512_and_si512(code, half)));
			s = add_bytes(s, _mm512_shuffle_epi8(table16(t + 16), upper));
		}
		add_sums(s, total);
	}
	emit(total, scale, offset, key);
}
