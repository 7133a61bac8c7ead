/* Product quantizers, AVX-512.
 *
 * A component of a panel of 16 centroids is one register. The search for the nearest centroid takes eight
 * vectors at a time, enough sums to hide the latency of the multiply-adds, and keeps the smallest keys of
 * each lane until the end of the codebook.
 *
 * Scans look up the bytes of 64 vectors at once and add them as 16-bit words: `words` sums the bytes of two
 * vectors as one word, and `odd` the upper byte of each word alone, so that the sum of the lower one is words
 * − 256 · odd modulo 2^16. The sum of CHUNK bytes cannot overflow. A look-up in a table of 256 bytes is two
 * vpermi2b and a blend by the code's top bit (André et al., Quicker ADC, 2019). This needs VBMI; without it
 * pq_find8 is that of avx2. Loading the table is half of the work, so that GROUPS blocks share it.
 */
#include "kernels/avx512/avx512.h"

#include <math.h>
#include <string.h>

#if defined(__clang__)
#define UNROLL
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

enum op { L2SQ, IP };

/* The number of bytes whose sum cannot overflow 16 bits; the number of blocks that share the loads of
 * tables. */
enum { CHUNK = 256, GROUPS = 4 };

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

void pq_range_avx512(const float *t, int64_t k, float *low, float *high)
{
	__m512 min = _mm512_loadu_ps(t), max = min;
	for (int64_t c = PQ_LANES; c < k; c += PQ_LANES) {
		min = _mm512_min_ps(min, _mm512_loadu_ps(t + c));
		max = _mm512_max_ps(max, _mm512_loadu_ps(t + c));
	}
	*low = _mm512_reduce_min_ps(min);
	*high = _mm512_reduce_max_ps(max);
}

void pq_bytes_avx512(const float *t, int64_t k, float start, float steps, uint8_t *out)
{
	for (int64_t c = 0; c < k; c += PQ_LANES) {
		__m512 above = _mm512_sub_ps(_mm512_loadu_ps(t + c), _mm512_set1_ps(start));
		__m512i step = _mm512_cvttps_epi32(_mm512_mul_ps(above, _mm512_set1_ps(steps)));
		_mm_storeu_si128((__m128i *)(void *)(out + c), _mm512_cvtepi32_epi8(step));
	}
}

/* The smallest and second smallest key of a vector in each lane. The last bits of a key, those of `mask`, are
 * replaced by the number of its panel, which therefore need not be kept elsewhere. */
struct best {
	__m512 min, second;
};

/* The number of vectors that share the loads of a panel. */
enum { VECS = 8 };

ALWAYS_INLINE void nearest_step(const float *const x[VECS], int64_t d, const float *panel, const float *half,
    __m512i mask, __m512i number, struct best best[VECS])
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
	for (int v = 0; v < VECS; v++) {
		/* mask ? number : key */
		__m512i bits = _mm512_ternarylogic_epi32(_mm512_castps_si512(key[v]), number, mask, 0xd8);
		__m512 k = _mm512_castsi512_ps(bits);
		best[v].second = _mm512_min_ps(best[v].second, _mm512_max_ps(best[v].min, k));
		best[v].min = _mm512_min_ps(best[v].min, k);
	}
}

/* The smallest lane of each of eight registers, which are merged in pairs. */
ALWAYS_INLINE __m256 min_lanes(const __m512 v[VECS])
{
	const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 2, 6, 10, 14, 0, 0, 0, 0, 0, 0, 0, 0);
	__m512 a[4], b[2]; /* the quarters of a come from v0 v0 v1 v1, …; those of b from v0 v1 v2 v3, … */
	UNROLL
	for (int i = 0; i < 4; i++)
		a[i] = _mm512_min_ps(_mm512_shuffle_f32x4(v[2 * i], v[2 * i + 1], 0x44),
		    _mm512_shuffle_f32x4(v[2 * i], v[2 * i + 1], 0xee));
	UNROLL
	for (int i = 0; i < 2; i++)
		b[i] = _mm512_min_ps(_mm512_shuffle_f32x4(a[2 * i], a[2 * i + 1], 0x88),
		    _mm512_shuffle_f32x4(a[2 * i], a[2 * i + 1], 0xdd));
	__m512 c = _mm512_min_ps(_mm512_shuffle_ps(b[0], b[1], 0x44), _mm512_shuffle_ps(b[0], b[1], 0xee));
	c = _mm512_min_ps(c, _mm512_permute_ps(c, 0xb1));
	return _mm512_castps512_ps256(_mm512_permutexvar_ps(order, c));
}

/* Find the smallest and second smallest key of each vector in its lanes. */
ALWAYS_INLINE void finish(
    const struct best best[VECS], unsigned mask, uint16_t pos[VECS], float min[VECS], float second[VECS])
{
	__m512 rest[VECS];
	UNROLL
	for (int v = 0; v < VECS; v++)
		rest[v] = best[v].min;
	_mm256_storeu_ps(min, min_lanes(rest));
	UNROLL
	for (int v = 0; v < VECS; v++) {
		uint32_t bits;
		memcpy(&bits, &min[v], sizeof bits);
		__mmask16 all = _mm512_cmp_ps_mask(best[v].min, _mm512_set1_ps(min[v]), _CMP_EQ_OQ);
		unsigned lane = _tzcnt_u32(all | 1u << 15); /* a valid lane even if keys are NaN */
		pos[v] = (uint16_t)(PQ_LANES * (bits & mask) + lane);
		/* The second smallest key is in the second keys of the lane with the smallest, or in the
		 * smallest keys of the other lanes. */
		rest[v] = _mm512_mask_mov_ps(rest[v], (__mmask16)(1u << lane), best[v].second);
	}
	_mm256_storeu_ps(second, min_lanes(rest));
}

void pq_nearest_avx512(const float *x, size_t stride, int64_t n, int64_t d, const float *panels,
    const float *half, int64_t k, uint16_t *pos, float *min, float *second)
{
	const __m512 inf = _mm512_set1_ps(INFINITY);
	const unsigned mask = (unsigned)(k / PQ_LANES) - 1;
	const __m512i masks = _mm512_set1_epi32((int)mask);
	for (int64_t j = 0; j < n; j += VECS) {
		/* If the last group has fewer vectors, its last one is repeated. */
		int count = n - j < VECS ? (int)(n - j) : VECS;
		const float *vec[VECS];
		struct best best[VECS];
		UNROLL
		for (int v = 0; v < VECS; v++) {
			vec[v] = x + (size_t)(j + (v < count ? v : count - 1)) * stride;
			best[v] = (struct best){inf, inf};
		}
		__m512i number = _mm512_setzero_si512(); /* the number of the panel, in every lane */
		for (int64_t c = 0; c < k; c += PQ_LANES) {
			nearest_step(vec, d, panels + c * d, half + c, masks, number, best);
			number = _mm512_add_epi32(number, _mm512_set1_epi32(1));
		}
		uint16_t at[VECS];
		float first[VECS], next[VECS];
		finish(best, mask, at, first, next);
		memcpy(pos + j, at, (size_t)count * sizeof *at);
		memcpy(min + j, first, (size_t)count * sizeof *first);
		memcpy(second + j, next, (size_t)count * sizeof *next);
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

/* The sums of vectors 0 … 31 (h 0) or 32 … 63 (h 1), in order. */
ALWAYS_INLINE __m512i half_of_sums(struct sums s, int h)
{
	static const uint16_t order[64] = {0, 32, 1, 33, 2, 34, 3, 35, 4, 36, 5, 37, 6, 38, 7, 39, 8, 40, 9,
	    41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47, 16, 48, 17, 49, 18, 50, 19, 51, 20, 52, 21,
	    53, 22, 54, 23, 55, 24, 56, 25, 57, 26, 58, 27, 59, 28, 60, 29, 61, 30, 62, 31, 63};
	__m512i even = _mm512_sub_epi16(s.words, _mm512_slli_epi16(s.odd, 8));
	return _mm512_permutex2var_epi16(even, _mm512_loadu_si512(order + 32 * h), s.odd);
}

/* Add the sums, in the order of the vectors, to total [4] of 16 floats each, which hold these integers
 * exactly. */
ALWAYS_INLINE void add_sums(struct sums s, __m512 *total)
{
	UNROLL
	for (int h = 0; h < 2; h++) {
		__m512i words = half_of_sums(s, h);
		__m256i low = _mm512_castsi512_si256(words), high = _mm512_extracti64x4_epi64(words, 1);
		total[2 * h] = _mm512_add_ps(total[2 * h], _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(low)));
		total[2 * h + 1] =
		    _mm512_add_ps(total[2 * h + 1], _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(high)));
	}
}

/* Add the entries for byte b of `groups` blocks, whose table is loaded once. */
ALWAYS_INLINE __attribute__((target("avx512vbmi"))) void add_numbers8(
    const int groups, const struct pq_find *find, const uint8_t *codes, int64_t b, struct sums *s)
{
	const uint8_t *t = find->tables + b * 256;
	__m512i t0 = _mm512_loadu_si512(t), t1 = _mm512_loadu_si512(t + 64);
	__m512i t2 = _mm512_loadu_si512(t + 128), t3 = _mm512_loadu_si512(t + 192);
	UNROLL
	for (int g = 0; g < groups; g++) {
		const uint8_t *at = codes + (g * find->bytes + b) * PQ_BLOCK;
		__m512i code = _mm512_loadu_si512(at);
		_mm_prefetch(at + groups * find->bytes * PQ_BLOCK, _MM_HINT_T0);
		__m512i low = _mm512_permutex2var_epi8(t0, code, t1);
		__m512i high = _mm512_permutex2var_epi8(t2, code, t3);
		s[g] = add_bytes(s[g], _mm512_mask_blend_epi8(_mm512_movepi8_mask(code), low, high));
	}
}

ALWAYS_INLINE __m512i table16(const uint8_t *t)
{
	return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)t));
}

ALWAYS_INLINE void add_numbers4(
    const int groups, const struct pq_find *find, const uint8_t *codes, int64_t b, struct sums *s)
{
	const __m512i half = _mm512_set1_epi8(15);
	__m512i low = table16(find->tables + b * 32), high = table16(find->tables + b * 32 + 16);
	UNROLL
	for (int g = 0; g < groups; g++) {
		const uint8_t *at = codes + (g * find->bytes + b) * PQ_BLOCK;
		__m512i code = _mm512_loadu_si512(at);
		_mm_prefetch(at + groups * find->bytes * PQ_BLOCK, _MM_HINT_T0);
		__m512i upper = _mm512_and_si512(_mm512_srli_epi16(code, 4), half);
		s[g] = add_bytes(s[g], _mm512_shuffle_epi8(low, _mm512_and_si512(code, half)));
		s[g] = add_bytes(s[g], _mm512_shuffle_epi8(high, upper));
	}
}

/* Compute the keys of a block from its sums, and write the positions of those within the limit to hit from
 * `found` on, or lower find->min. Returns the new number of positions. */
ALWAYS_INLINE int64_t take_hits(
    const struct pq_find *find, int64_t first, const __m512 *total, uint32_t *hit, int64_t found)
{
	const __m512 limit = _mm512_set1_ps(find->limit);
	__mmask16 within[4];
	UNROLL
	for (int v = 0; v < 4; v++) {
		int64_t left = find->n - first - 16 * v;
		__mmask16 valid = first16(left > 0 ? left : 0);
		__m512 key =
		    _mm512_fmadd_ps(_mm512_set1_ps(find->scale), total[v], _mm512_set1_ps(find->offset));
		if (find->code_norms)
			key = _mm512_fmadd_ps(_mm512_set1_ps(0.5f),
			    _mm512_maskz_loadu_ps(valid, find->code_norms + first + 16 * v), key);
		within[v] = _mm512_mask_cmp_ps_mask(valid, key, limit, _CMP_LE_OQ);
		if (find->min) {
			__m512 min = _mm512_loadu_ps(find->min + 16 * v);
			_mm512_storeu_ps(find->min + 16 * v, _mm512_mask_min_ps(min, valid, key, min));
			within[v] = 0;
		}
	}
	if (!(within[0] | within[1] | within[2] | within[3]))
		return found;
	for (int v = 0; v < 4; v++) {
		__m512i at = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
		int hits = __builtin_popcount(within[v]);
		at = _mm512_add_epi32(at, _mm512_set1_epi32((int)first + 16 * v));
		_mm512_mask_storeu_epi32(
		    hit + found, first16(hits), _mm512_maskz_compress_epi32(within[v], at));
		found += hits;
	}
	return found;
}

ALWAYS_INLINE __attribute__((target("avx512vbmi"))) void sum_codes8(
    const int groups, const struct pq_find *find, int64_t first, __m512 *total)
{
	const uint8_t *codes = find->codes + first * find->bytes;
	UNROLL
	for (int v = 0; v < 4 * groups; v++)
		total[v] = _mm512_setzero_ps();
	for (int64_t from = 0; from < find->bytes; from += CHUNK) {
		struct sums s[GROUPS];
		int64_t end = from + CHUNK < find->bytes ? from + CHUNK : find->bytes;
		UNROLL
		for (int g = 0; g < groups; g++)
			s[g] = no_sums();
		for (int64_t b = from; b < end; b++)
			add_numbers8(groups, find, codes, b, s);
		UNROLL
		for (int g = 0; g < groups; g++)
			add_sums(s[g], total + 4 * g);
	}
}

ALWAYS_INLINE void sum_codes4(const int groups, const struct pq_find *find, int64_t first, __m512 *total)
{
	const uint8_t *codes = find->codes + first * find->bytes;
	UNROLL
	for (int v = 0; v < 4 * groups; v++)
		total[v] = _mm512_setzero_ps();
	for (int64_t from = 0; from < find->bytes; from += CHUNK / 2) {
		struct sums s[GROUPS];
		int64_t end = from + CHUNK / 2 < find->bytes ? from + CHUNK / 2 : find->bytes;
		UNROLL
		for (int g = 0; g < groups; g++)
			s[g] = no_sums();
		for (int64_t b = from; b < end; b++)
			add_numbers4(groups, find, codes, b, s);
		UNROLL
		for (int g = 0; g < groups; g++)
			add_sums(s[g], total + 4 * g);
	}
}

/* Define a scan of all blocks, in which `sum` adds up the tables for some groups of blocks. */
#define PQ_FIND(name, sum)                                                                                   \
	int64_t name(const struct pq_find *find, uint32_t *hit)                                              \
	{                                                                                                    \
		int64_t found = 0, first = 0;                                                                \
		__m512 total[4 * GROUPS];                                                                    \
		for (; first + GROUPS * PQ_BLOCK <= find->n; first += GROUPS * PQ_BLOCK) {                   \
			sum(GROUPS, find, first, total);                                                     \
			for (int64_t g = 0; g < GROUPS; g++)                                                 \
				found = take_hits(find, first + g * PQ_BLOCK, total + 4 * g, hit, found);    \
		}                                                                                            \
		if (first + PQ_BLOCK < find->n) {                                                            \
			sum(2, find, first, total);                                                          \
			found = take_hits(find, first, total, hit, found);                                   \
			found = take_hits(find, first + PQ_BLOCK, total + 4, hit, found);                    \
			first += 2 * PQ_BLOCK;                                                               \
		}                                                                                            \
		for (; first < find->n; first += PQ_BLOCK) {                                                 \
			sum(1, find, first, total);                                                          \
			found = take_hits(find, first, total, hit, found);                                   \
		}                                                                                            \
		return found;                                                                                \
	}

__attribute__((target("avx512vbmi"))) PQ_FIND(pq_find8_avx512, sum_codes8)
    PQ_FIND(pq_find4_avx512, sum_codes4)

    /* Sums of all planes of one block, total [4] of 16 integers each. A group's tables are loaded once. */
    ALWAYS_INLINE
    void sum_planes(const int bits, const struct rabitq_find *find, const uint8_t *codes, __m512i *total)
{
	const __m512i low4 = _mm512_set1_epi8(15);
	for (int v = 0; v < 4; v++)
		total[v] = _mm512_setzero_si512();
	for (int64_t from = 0; from < find->groups; from += CHUNK / 2) {
		int64_t end = from + CHUNK / 2 < find->groups ? from + CHUNK / 2 : find->groups;
		struct sums s[8];
		UNROLL
		for (int b = 0; b < bits; b++)
			s[b] = no_sums();
		for (int64_t g = from; g < end; g++) {
			__m512i low = table16(find->tables + g * 32),
			        high = table16(find->tables + g * 32 + 16);
			UNROLL
			for (int b = 0; b < bits; b++, codes += PQ_BLOCK) {
				__m512i code = _mm512_loadu_si512(codes);
				__m512i upper = _mm512_and_si512(_mm512_srli_epi16(code, 4), low4);
				s[b] =
				    add_bytes(s[b], _mm512_shuffle_epi8(low, _mm512_and_si512(code, low4)));
				s[b] = add_bytes(s[b], _mm512_shuffle_epi8(high, upper));
			}
		}
		UNROLL
		for (int b = 0; b < bits; b++)
			for (int h = 0; h < 2; h++) {
				__m512i words = half_of_sums(s[b], h);
				__m512i a = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(words));
				__m512i c = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(words, 1));
				total[2 * h] =
				    _mm512_add_epi32(total[2 * h], _mm512_slli_epi32(a, (unsigned)b));
				total[2 * h + 1] =
				    _mm512_add_epi32(total[2 * h + 1], _mm512_slli_epi32(c, (unsigned)b));
			}
	}
}

/* Floats of 16 vectors, whose bytes lie a block apart. */
ALWAYS_INLINE __m512 load_factors(const uint8_t *byte)
{
	__m512i bits = _mm512_setzero_si512();
	UNROLL
	for (int i = 0; i < 4; i++) {
		__m128i part = _mm_loadu_si128((const __m128i *)(const void *)(byte + i * PQ_BLOCK));
		bits =
		    _mm512_or_si512(bits, _mm512_slli_epi32(_mm512_cvtepu8_epi32(part), (unsigned)(8 * i)));
	}
	return _mm512_castsi512_ps(bits);
}

/* Keys of a block from `first` on; those within the limit to hit and key, from `found` on. */
ALWAYS_INLINE int64_t take_keys(const struct rabitq_find *find, int64_t first, const uint8_t *factors,
    const __m512i *total, uint32_t *hit, float *key, int64_t found)
{
	const __m512 scale = _mm512_set1_ps(find->scale), offset = _mm512_set1_ps(find->offset);
	for (int v = 0; v < 4; v++) {
		int64_t at = first + 16 * v, left = find->n - at;
		__mmask16 valid = first16(left > 0 ? left : 0);
		__m512 dot = _mm512_fmadd_ps(scale, _mm512_cvtepi32_ps(total[v]), offset);
		__m512 half = _mm512_setzero_ps();
		if (find->terms)
			half = _mm512_mul_ps(
			    _mm512_set1_ps(0.5f), _mm512_maskz_loadu_ps(valid, find->terms + at));
		__m512 k = _mm512_fnmadd_ps(load_factors(factors + 16 * v), dot, half);
		__mmask16 within =
		    _mm512_mask_cmp_ps_mask(valid, k, _mm512_set1_ps(find->limit), _CMP_NGT_UQ);
		int hits = __builtin_popcount(within);
		if (!hits)
			continue;
		__m512i number = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
		number = _mm512_add_epi32(number, _mm512_set1_epi32((int)at));
		_mm512_mask_storeu_epi32(
		    hit + found, first16(hits), _mm512_maskz_compress_epi32(within, number));
		_mm512_mask_storeu_ps(key + found, first16(hits), _mm512_maskz_compress_ps(within, k));
		found += hits;
	}
	return found;
}

ALWAYS_INLINE int64_t find_planes(const int bits, const struct rabitq_find *find, uint32_t *hit, float *key)
{
	int64_t found = 0;
	for (int64_t first = 0; first < find->n; first += PQ_BLOCK) {
		const uint8_t *codes = find->codes + first * find->bytes;
		__m512i total[4];
		sum_planes(bits, find, codes, total);
		found =
		    take_keys(find, first, codes + find->groups * bits * PQ_BLOCK, total, hit, key, found);
	}
	return found;
}

int64_t rabitq_find_avx512(const struct rabitq_find *find, uint32_t *hit, float *key)
{
	switch (find->bits) {
	case 1:
		return find_planes(1, find, hit, key);
	case 2:
		return find_planes(2, find, hit, key);
	case 3:
		return find_planes(3, find, hit, key);
	case 4:
		return find_planes(4, find, hit, key);
	case 5:
		return find_planes(5, find, hit, key);
	case 6:
		return find_planes(6, find, hit, key);
	case 7:
		return find_planes(7, find, hit, key);
	default:
		return find_planes(8, find, hit, key);
	}
}
