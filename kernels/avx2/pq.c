/* Product quantizers, AVX2.
 *
 * A component of half a panel, 8 centroids, is one register. The search for the nearest centroid takes eight
 * vectors at a time, enough sums to hide the latency of the multiply-adds, and keeps the smallest keys of
 * each lane until the end of the codebook.
 *
 * Scans look up the bytes of 32 vectors at once and add them as 16-bit words: `words` sums the bytes of two
 * vectors as one word, and `odd` the upper byte of each word alone, so that the sum of the lower one is words
 * − 256 · odd modulo 2^16. The sum of CHUNK bytes cannot overflow. A look-up in a table of 256 bytes is 16
 * shuffles by the code's lower half and a tree of 15 blends by the bits of its upper half: 36 instructions
 * for 32 look-ups, for which single loads would take about 90.
 */
#include "kernels/avx2/avx2.h"
#include "kernels/pq_find.h"

#include <math.h>

enum op { L2SQ, IP };

enum { LANES = 8 };

/* The number of bytes whose sum cannot overflow 16 bits. */
enum { CHUNK = 256 };

/* The distances or products of x and the centroids of one panel. */
ALWAYS_INLINE void table_panel(enum op op, const float *x, int64_t d, const float *panel, float *out)
{
	__m256 low = _mm256_setzero_ps(), high = _mm256_setzero_ps();
	for (int64_t i = 0; i < d; i++) {
		__m256 y = _mm256_broadcast_ss(x + i);
		__m256 a = _mm256_loadu_ps(panel + i * PQ_LANES);
		__m256 b = _mm256_loadu_ps(panel + i * PQ_LANES + LANES);
		__m256 s = _mm256_sub_ps(a, y), t = _mm256_sub_ps(b, y);
		low = op == IP ? _mm256_fmadd_ps(a, y, low) : _mm256_fmadd_ps(s, s, low);
		high = op == IP ? _mm256_fmadd_ps(b, y, high) : _mm256_fmadd_ps(t, t, high);
	}
	_mm256_storeu_ps(out, low);
	_mm256_storeu_ps(out + LANES, high);
}

void pq_l2sq_avx2(const float *x, int64_t d, const float *panels, int64_t k, float *out)
{
	for (int64_t c = 0; c < k; c += PQ_LANES)
		table_panel(L2SQ, x, d, panels + c * d, out + c);
}

void pq_ip_avx2(const float *x, int64_t d, const float *panels, int64_t k, float *out)
{
	for (int64_t c = 0; c < k; c += PQ_LANES)
		table_panel(IP, x, d, panels + c * d, out + c);
}

/* The smallest of all lanes, in all lanes. */
ALWAYS_INLINE __m256 min_lane(__m256 x)
{
	x = _mm256_min_ps(x, _mm256_permute2f128_ps(x, x, 1));
	x = _mm256_min_ps(x, _mm256_shuffle_ps(x, x, 0x4e));
	return _mm256_min_ps(x, _mm256_shuffle_ps(x, x, 0xb1));
}

void pq_range_avx2(const float *t, int64_t k, float *low, float *high)
{
	const __m256 sign = _mm256_set1_ps(-0.0f);
	__m256 smallest = _mm256_loadu_ps(t), max = smallest;
	for (int64_t c = LANES; c < k; c += LANES) {
		smallest = _mm256_min_ps(smallest, _mm256_loadu_ps(t + c));
		max = _mm256_max_ps(max, _mm256_loadu_ps(t + c));
	}
	*low = _mm256_cvtss_f32(min_lane(smallest));
	*high = -_mm256_cvtss_f32(min_lane(_mm256_xor_ps(max, sign)));
}

ALWAYS_INLINE __m256i steps_of(const float *t, float start, float steps)
{
	__m256 above = _mm256_sub_ps(_mm256_loadu_ps(t), _mm256_set1_ps(start));
	return _mm256_cvttps_epi32(_mm256_mul_ps(above, _mm256_set1_ps(steps)));
}

void pq_bytes_avx2(const float *t, int64_t k, float start, float steps, uint8_t *out)
{
	for (int64_t c = 0; c < k; c += PQ_LANES) {
		__m256i a = steps_of(t + c, start, steps), b = steps_of(t + c + LANES, start, steps);
		/* Packing works within halves of a register: put the quarters in order. */
		__m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8);
		__m128i bytes =
		    _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
		_mm_storeu_si128((__m128i *)(void *)(out + c), bytes);
	}
}

/* The smallest and second smallest key of a vector in each lane. The last bits of a key, those of `mask`, are
 * replaced by the number of its half panel, which therefore need not be kept elsewhere. */
struct best {
	__m256 smallest, second;
};

/* The number of vectors that share the loads of a panel. */
enum { VECS = 8 };

/* Compare the vectors with half a panel, 8 centroids, whose components are PQ_LANES floats apart. */
ALWAYS_INLINE void nearest_step(const float *const x[VECS], int64_t d, const float *panel, const float *half,
    __m256 mask, __m256 number, struct best best[VECS])
{
	__m256 key[VECS];
	UNROLL
	for (int v = 0; v < VECS; v++)
		key[v] = _mm256_loadu_ps(half);
	for (int64_t i = 0; i < d; i++) {
		__m256 c = _mm256_loadu_ps(panel + i * PQ_LANES);
		UNROLL
		for (int v = 0; v < VECS; v++)
			key[v] = _mm256_fnmadd_ps(c, _mm256_broadcast_ss(x[v] + i), key[v]);
	}
	UNROLL
	for (int v = 0; v < VECS; v++) {
		__m256 k = _mm256_or_ps(_mm256_andnot_ps(mask, key[v]), number);
		best[v].second = _mm256_min_ps(best[v].second, _mm256_max_ps(best[v].smallest, k));
		best[v].smallest = _mm256_min_ps(best[v].smallest, k);
	}
}

ALWAYS_INLINE void finish(struct best b, __m256 mask, uint16_t *pos, float *smallest, float *second)
{
	__m256 min = min_lane(b.smallest);
	int all = _mm256_movemask_ps(_mm256_cmp_ps(b.smallest, min, _CMP_EQ_OQ));
	int lane = (int)_tzcnt_u32((uint32_t)all);
	__m128 number = _mm256_castps256_ps128(_mm256_and_ps(min, mask));
	*pos = (uint16_t)(LANES * _mm_cvtsi128_si32(_mm_castps_si128(number)) + lane);
	*smallest = _mm256_cvtss_f32(min);
	/* The second smallest key is in the second keys of the lane with the smallest, or in the smallest
	 * keys of the other lanes. */
	__m256i one = _mm256_cmpeq_epi32(_mm256_set1_epi32(lane), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
	__m256 rest = _mm256_blendv_ps(b.smallest, b.second, _mm256_castsi256_ps(one));
	*second = _mm256_cvtss_f32(min_lane(rest));
}

void pq_nearest_avx2(const float *x, size_t stride, int64_t n, int64_t d, const float *panels,
    const float *half, int64_t k, uint16_t *pos, float *smallest, float *second)
{
	const __m256 inf = _mm256_set1_ps(INFINITY);
	const __m256 mask = _mm256_castsi256_ps(_mm256_set1_epi32((int)(k / LANES) - 1));
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
		__m256i number = _mm256_setzero_si256(); /* the number of the half panel, in every lane */
		for (int64_t c = 0; c < k; c += LANES) {
			const float *panel = panels + c / PQ_LANES * PQ_LANES * d + c % PQ_LANES;
			nearest_step(vec, d, panel, half + c, mask, _mm256_castsi256_ps(number), best);
			number = _mm256_add_epi32(number, _mm256_set1_epi32(1));
		}
		UNROLL
		for (int v = 0; v < VECS; v++)
			if (v < count)
				finish(best[v], mask, &pos[j + v], &smallest[j + v], &second[j + v]);
	}
}

struct sums {
	__m256i words, odd;
};

ALWAYS_INLINE struct sums add_bytes(struct sums s, __m256i bytes)
{
	s.words = _mm256_add_epi16(s.words, bytes);
	s.odd = _mm256_add_epi16(s.odd, _mm256_srli_epi16(bytes, 8));
	return s;
}

ALWAYS_INLINE __m256 add_words(__m256 total, __m128i words)
{
	return _mm256_add_ps(total, _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(words)));
}

/* Add the sums, in the order of the vectors, to total [4] of 8 floats each, which hold these integers
 * exactly. */
ALWAYS_INLINE void add_sums(struct sums s, __m256 *total)
{
	__m256i even = _mm256_sub_epi16(s.words, _mm256_slli_epi16(s.odd, 8));
	/* Vectors 0 … 7 and 16 … 23, 8 … 15 and 24 … 31. */
	__m256i a = _mm256_unpacklo_epi16(even, s.odd), b = _mm256_unpackhi_epi16(even, s.odd);
	total[0] = add_words(total[0], _mm256_castsi256_si128(a));
	total[1] = add_words(total[1], _mm256_castsi256_si128(b));
	total[2] = add_words(total[2], _mm256_extracti128_si256(a, 1));
	total[3] = add_words(total[3], _mm256_extracti128_si256(b, 1));
}

ALWAYS_INLINE void emit(const __m256 *total, float scale, float offset, float *key)
{
	for (int v = 0; v < 4; v++)
		_mm256_storeu_ps(key + LANES * v,
		    _mm256_fmadd_ps(_mm256_set1_ps(scale), total[v], _mm256_set1_ps(offset)));
}

/* Look up the lower halves of codes in a table of 16. */
ALWAYS_INLINE __m256i look16(const uint8_t *t, __m256i low)
{
	__m256i table = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)t));
	return _mm256_shuffle_epi8(table, low);
}

/* Look up codes in a table of 64: bits 4 and 5 choose among four tables of 16. The blends use the top bit of
 * each byte, to which a shift of the 16-bit words brings the right bit. */
ALWAYS_INLINE __m256i look64(const uint8_t *t, __m256i code, __m256i low)
{
	__m256i bit4 = _mm256_slli_epi16(code, 3), bit5 = _mm256_slli_epi16(code, 2);
	__m256i a = _mm256_blendv_epi8(look16(t, low), look16(t + 16, low), bit4);
	__m256i b = _mm256_blendv_epi8(look16(t + 32, low), look16(t + 48, low), bit4);
	return _mm256_blendv_epi8(a, b, bit5);
}

ALWAYS_INLINE __m256i look256(const uint8_t *t, __m256i code, __m256i low)
{
	__m256i bit6 = _mm256_slli_epi16(code, 1);
	__m256i a = _mm256_blendv_epi8(look64(t, code, low), look64(t + 64, code, low), bit6);
	__m256i b = _mm256_blendv_epi8(look64(t + 128, code, low), look64(t + 192, code, low), bit6);
	return _mm256_blendv_epi8(a, b, code);
}

/* The keys of 32 vectors; bits: of a code, 8 or 4. */
ALWAYS_INLINE void sum_codes(const int bits, const struct pq_find *find, const uint8_t *codes, float *key)
{
	const int64_t bytes = find->bytes;
	const uint8_t *tables = find->tables;
	const __m256i half = _mm256_set1_epi8(15);
	const int64_t chunk = bits == 8 ? CHUNK : CHUNK / 2;
	__m256 total[4];
	for (int v = 0; v < 4; v++)
		total[v] = _mm256_setzero_ps();
	for (int64_t from = 0; from < bytes; from += chunk) {
		struct sums s = {_mm256_setzero_si256(), _mm256_setzero_si256()};
		int64_t end = from + chunk < bytes ? from + chunk : bytes;
		for (int64_t b = from; b < end; b++) {
			__m256i code =
			    _mm256_loadu_si256((const __m256i *)(const void *)(codes + b * PQ_BLOCK));
			__m256i low = _mm256_and_si256(code, half);
			__m256i high = _mm256_and_si256(_mm256_srli_epi16(code, 4), half);
			if (bits == 8) {
				s = add_bytes(s, look256(tables + b * 256, code, low));
			} else {
				s = add_bytes(s, look16(tables + b * 32, low));
				s = add_bytes(s, look16(tables + b * 32 + 16, high));
			}
		}
		add_sums(s, total);
	}
	emit(total, find->scale, find->offset, key);
}

static void sum_block8(const struct pq_find *find, const uint8_t *codes, float *key)
{
	for (int h = 0; h < PQ_BLOCK; h += 32)
		sum_codes(8, find, codes + h, key + h);
}

static void sum_block4(const struct pq_find *find, const uint8_t *codes, float *key)
{
	for (int h = 0; h < PQ_BLOCK; h += 32)
		sum_codes(4, find, codes + h, key + h);
}

int64_t pq_find8_avx2(const struct pq_find *find, uint32_t *hit)
{
	return pq_find_blocks(find, sum_block8, select_le_avx2, hit);
}

int64_t pq_find4_avx2(const struct pq_find *find, uint32_t *hit)
{
	return pq_find_blocks(find, sum_block4, select_le_avx2, hit);
}

/* Sums of plane b of half a block, times 2^b, into sum [32]. */
ALWAYS_INLINE void add_plane(const struct rabitq_find *find, const uint8_t *codes, int b, int32_t *sum)
{
	const __m256i half = _mm256_set1_epi8(15);
	const int64_t step = find->bits * PQ_BLOCK;
	codes += b * PQ_BLOCK;
	for (int64_t from = 0; from < find->groups; from += CHUNK / 2) {
		int64_t end = from + CHUNK / 2 < find->groups ? from + CHUNK / 2 : find->groups;
		struct sums s = {_mm256_setzero_si256(), _mm256_setzero_si256()};
		for (int64_t g = from; g < end; g++, codes += step) {
			__m256i code = _mm256_loadu_si256((const __m256i *)(const void *)codes);
			__m256i high = _mm256_and_si256(_mm256_srli_epi16(code, 4), half);
			s = add_bytes(s, look16(find->tables + g * 32, _mm256_and_si256(code, half)));
			s = add_bytes(s, look16(find->tables + g * 32 + 16, high));
		}
		__m256 total[4];
		float part[4 * LANES]; /* exact: below 2^16 */
		for (int v = 0; v < 4; v++)
			total[v] = _mm256_setzero_ps();
		add_sums(s, total);
		for (int v = 0; v < 4; v++)
			_mm256_storeu_ps(part + LANES * v, total[v]);
		for (int i = 0; i < 4 * LANES; i++)
			sum[i] += (int32_t)part[i] << b;
	}
}

static void rabitq_keys(const struct rabitq_find *find, int64_t first, int64_t n, float *key)
{
	const uint8_t *codes = find->codes + first * find->bytes;
	const uint8_t *factors = codes + find->groups * find->bits * PQ_BLOCK;
	int32_t sum[PQ_BLOCK] = {0};
	for (int h = 0; h < PQ_BLOCK; h += 32)
		for (int b = 0; b < find->bits; b++)
			add_plane(find, codes + h, b, sum + h);
	for (int64_t v = 0; v < n; v++) {
		uint32_t bits = 0;
		float factor;
		for (int i = 0; i < 4; i++)
			bits |= (uint32_t)factors[i * PQ_BLOCK + v] << 8 * i;
		memcpy(&factor, &bits, sizeof factor);
		key[v] = -factor * (find->offset + find->scale * (float)sum[v]);
		if (find->terms)
			key[v] += 0.5f * find->terms[first + v];
	}
}

int64_t rabitq_find_avx2(const struct rabitq_find *find, uint32_t *hit, float *key)
{
	int64_t found = 0;
	for (int64_t first = 0; first < find->n; first += PQ_BLOCK) {
		int64_t n = find->n - first < PQ_BLOCK ? find->n - first : PQ_BLOCK;
		float all[PQ_BLOCK];
		rabitq_keys(find, first, n, all);
		for (int64_t v = 0; v < n; v++) {
			hit[found] = (uint32_t)(first + v);
			key[found] = all[v];
			found += !(all[v] > find->limit);
		}
	}
	return found;
}
