/* Quantizing, packing and tiles: a panel of 64 rows × up to six queries, the core of every batch search.
 *
 * A panel holds dword k of its 64 rows side by side, so that rows lie along the vector lanes, an element of a
 * query is broadcast, and there are no horizontal sums. A pass takes as many rows as keep the sums in
 * registers (two vectors × six queries are twelve of the sixteen; with fewer queries it takes more rows) and
 * goes through the whole depth of the panel. It reads one cache line in four, which the hardware does not
 * foresee, so that it prefetches. Keys are written to a small buffer, and copied only for queries that have
 * some within the bound.
 *
 * Bytes: vpmaddubsw would saturate, so that the even and the odd bytes of a dword are multiplied as 16-bit
 * halves by vpmaddwd: two instructions for four products in each lane. The query is widened likewise into a
 * buffer, CHUNK dwords at a time, from which a load broadcasts its elements; meanwhile the sums are in
 * memory. This is at most 1.5 times as fast as floats.
 *
 * pack transposes 8 × 8 dwords in registers. quantize.h derives the error bound. */
#include "kernels/avx2/avx2.h"

#include "kernels/quantize.h"
#include "kernels/tile_blocks.h"

enum { AT_ONCE = 6, LANES = 8, VECS = 8, CHUNK = 64, AHEAD = 12 };

/* Load up to 8 floats; the rest is zero. */
ALWAYS_INLINE __m256 load_8(const float *x, int64_t left)
{
	return left >= LANES ? _mm256_loadu_ps(x) : _mm256_maskload_ps(x, first_lanes(left));
}

/* x − mean of up to 8 elements from i on; the rest is zero. */
ALWAYS_INLINE __m256 centred(const float *x, const float *mean, int64_t i, int64_t d)
{
	__m256 v = load_8(x + i, d - i);
	return mean ? _mm256_sub_ps(v, load_8(mean + i, d - i)) : v;
}

struct sums {
	__m128i sum, sumsq;
};

/* Write up to 8 values in −128 … 127 as bytes and add them to the sums; values beyond the end are zero. */
ALWAYS_INLINE void emit_bytes(int8_t *out, int64_t left, __m256i v, struct sums *s)
{
	__m128i half = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
	__m128i bytes = _mm_packs_epi16(half, half);
	if (left >= LANES) {
		_mm_storel_epi64((__m128i *)out, bytes);
	} else {
		int8_t last[16];
		_mm_storeu_si128((__m128i *)last, bytes);
		for (int64_t i = 0; i < left; i++)
			out[i] = last[i];
	}
	s->sum = _mm_add_epi32(s->sum, _mm_madd_epi16(half, _mm_set1_epi16(1)));
	s->sumsq = _mm_add_epi32(s->sumsq, _mm_madd_epi16(half, half));
}

ALWAYS_INLINE int32_t sum_4_i32(__m128i v)
{
	v = _mm_hadd_epi32(v, v);
	return _mm_cvtsi128_si32(_mm_hadd_epi32(v, v));
}

static void quantize_as_is(const float *x, const float *mean, int64_t d, int8_t *out, struct quantized *info)
{
	struct sums s = {_mm_setzero_si128(), _mm_setzero_si128()};
	__m256 inexact = _mm256_setzero_ps();
	for (int64_t i = 0; i < d; i += LANES) {
		__m256 c = centred(x, mean, i, d);
		if (mean) {
			__m256 a = load_8(x + i, d - i), b = load_8(mean + i, d - i);
			__m256 sum = _mm256_cmp_ps(_mm256_add_ps(c, b), a, _CMP_NEQ_UQ);
			__m256 difference = _mm256_cmp_ps(_mm256_sub_ps(a, c), b, _CMP_NEQ_UQ);
			inexact = _mm256_or_ps(inexact, _mm256_or_ps(sum, difference));
		}
		emit_bytes(out + i, d - i, _mm256_cvtps_epi32(c), &s);
	}
	quantize_integral(!_mm256_movemask_ps(inexact), sum_4_i32(s.sum), sum_4_i32(s.sumsq), info);
}

static void quantize_to_scale(
    const float *x, const float *mean, int64_t d, float scale, int8_t *out, struct quantized *info)
{
	const __m256 unit = _mm256_set1_ps(scale), inv = _mm256_set1_ps(1 / scale);
	struct sums s = {_mm_setzero_si128(), _mm_setzero_si128()};
	__m256 residual = _mm256_setzero_ps();
	for (int64_t i = 0; i < d; i += LANES) {
		__m256 c = centred(x, mean, i, d);
		__m256i v = _mm256_cvtps_epi32(_mm256_mul_ps(c, inv));
		emit_bytes(out + i, d - i, v, &s);
		__m256 w = _mm256_mul_ps(_mm256_fnmadd_ps(unit, _mm256_cvtepi32_ps(v), c), inv);
		residual = _mm256_fmadd_ps(w, w, residual);
	}
	__m128 sum = sum_4x8_f32(residual, residual, residual, residual);
	quantize_scaled(
	    scale, d, mean != NULL, sum_4_i32(s.sum), sum_4_i32(s.sumsq), _mm_cvtss_f32(sum), info);
}

void quantize_avx2(const float *x, const float *mean, int64_t d, int8_t *out, struct quantized *info)
{
	const __m256 sign = _mm256_set1_ps(-0.0f);
	__m256 top = _mm256_setzero_ps(), other = top; /* other: set if not an integer in −128 … 127 */
	for (int64_t i = 0; i < d; i += LANES) {
		__m256 c = centred(x, mean, i, d);
		__m256 whole = _mm256_round_ps(c, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
		other = _mm256_or_ps(other, _mm256_cmp_ps(whole, c, _CMP_NEQ_UQ));
		other = _mm256_or_ps(other, _mm256_cmp_ps(c, _mm256_set1_ps(-128), _CMP_LT_OQ));
		other = _mm256_or_ps(other, _mm256_cmp_ps(c, _mm256_set1_ps(127), _CMP_GT_OQ));
		top = _mm256_max_ps(top, _mm256_andnot_ps(sign, c));
	}
	float max = 0, lane[LANES];
	_mm256_storeu_ps(lane, top);
	for (int v = 0; v < LANES; v++)
		max = fmaxf(max, lane[v]);
	if (!_mm256_movemask_ps(other))
		quantize_as_is(x, mean, d, out, info);
	else if (!quantize_extreme(max, d, out, info))
		quantize_to_scale(x, mean, d, max / 127, out, info);
}

/* Transpose 8 × 8 dwords: lane j of v[i] becomes lane i of v[j]. */
ALWAYS_INLINE void transpose8(__m256i v[8])
{
	__m256i a[8], b[8];
	for (int i = 0; i < 8; i += 2) {
		a[i] = _mm256_unpacklo_epi32(v[i], v[i + 1]);
		a[i + 1] = _mm256_unpackhi_epi32(v[i], v[i + 1]);
	}
	/* b[4g + c], 128-bit half h: dword 4h + c of the rows 4g … 4g + 3 */
	for (int i = 0; i < 8; i += 4) {
		b[i] = _mm256_unpacklo_epi64(a[i], a[i + 2]);
		b[i + 1] = _mm256_unpackhi_epi64(a[i], a[i + 2]);
		b[i + 2] = _mm256_unpacklo_epi64(a[i + 1], a[i + 3]);
		b[i + 3] = _mm256_unpackhi_epi64(a[i + 1], a[i + 3]);
	}
	for (int c = 0; c < 4; c++) {
		v[c] = _mm256_permute2x128_si256(b[c], b[c + 4], 0x20);
		v[c + 4] = _mm256_permute2x128_si256(b[c], b[c + 4], 0x31);
	}
}

/* Load up to 32 bytes; the rest is zero. */
ALWAYS_INLINE __m256i load_32(const char *p, int64_t left)
{
	if (left >= 32)
		return _mm256_loadu_si256((const __m256i *)p);
	if (left % 4 == 0)
		return _mm256_maskload_epi32((const int *)(const void *)p, first_lanes(left / 4));
	char part[32] = {0};
	memcpy(part, p, (size_t)left);
	return _mm256_loadu_si256((const __m256i *)part);
}

/* Pack eight rows, of which n exist; out: the place of the first in the panel. */
ALWAYS_INLINE void pack_rows(
    const char *rows, size_t stride, int64_t n, int64_t bytes, uint32_t flip, uint32_t *out)
{
	const __m256i flips = _mm256_set1_epi32((int)flip);
	for (int64_t b = 0; b < bytes; b += 32) {
		__m256i v[8];
		for (int j = 0; j < 8; j++) {
			v[j] = j < n ? load_32(rows + (size_t)j * stride + b, bytes - b)
			             : _mm256_setzero_si256();
			v[j] = _mm256_xor_si256(v[j], flips);
		}
		transpose8(v);
		uint32_t *at = out + b / 4 * TILE_ROWS;
		for (int j = 0; j < 8 && b + 4 * j < bytes; j++)
			_mm256_storeu_si256((__m256i *)(at + j * TILE_ROWS), v[j]);
	}
}

void pack_avx2(const void *rows, size_t stride, int64_t n, int64_t bytes, uint32_t flip, uint32_t *out)
{
	for (int64_t r = 0; r < TILE_ROWS; r += 8) {
		const char *first = (const char *)rows + (r < n ? (size_t)r * stride : 0);
		if (r + 8 <= n)
			pack_rows(first, stride, 8, bytes, flip, out + r);
		else
			pack_rows(first, stride, n - r, bytes, flip, out + r);
	}
}

/* The number of vectors of rows in a pass for nq queries. */
ALWAYS_INLINE int vecs_of(int nq)
{
	return nq == 1 ? 8 : nq == 2 ? 4 : 2;
}

/* Compute the keys of the first vecs_of(nq) vectors of rows of a panel. */
typedef void pass_f32_fn(
    const float *panel, int64_t k, const float *q, size_t qstride, const float *low, float *key);

ALWAYS_INLINE void pass_f32(
    int nq, const float *panel, int64_t k, const float *q, size_t qstride, const float *low, float *key)
{
	const int vecs = vecs_of(nq);
	__m256 sum[AT_ONCE][VECS];
	UNROLL
	for (int j = 0; j < nq; j++) {
		UNROLL
		for (int v = 0; v < vecs; v++)
			sum[j][v] = _mm256_setzero_ps();
	}
	for (int64_t i = 0; i < k; i++) {
		const float *at = panel + i * TILE_ROWS;
		UNROLL
		for (int v = 0; nq > 1 && v < vecs; v += 2)
			_mm_prefetch((const char *)(at + AHEAD * TILE_ROWS + v * LANES), _MM_HINT_T0);
		__m256 x[VECS];
		UNROLL
		for (int v = 0; v < vecs; v++)
			x[v] = _mm256_loadu_ps(at + v * LANES);
		UNROLL
		for (int j = 0; j < nq; j++) {
			__m256 y = _mm256_broadcast_ss(q + (size_t)j * qstride + i);
			UNROLL
			for (int v = 0; v < vecs; v++)
				sum[j][v] = _mm256_fmadd_ps(x[v], y, sum[j][v]);
		}
	}
	UNROLL
	for (int j = 0; j < nq; j++) {
		UNROLL
		for (int v = 0; v < vecs; v++) {
			__m256 l = _mm256_loadu_ps(low + v * LANES);
			_mm256_storeu_ps(key + j * TILE_ROWS + v * LANES, _mm256_add_ps(l, sum[j][v]));
		}
	}
}

#define PASS_F32(nq)                                                                                         \
	static void pass_f32_##nq(                                                                           \
	    const float *panel, int64_t k, const float *q, size_t qstride, const float *low, float *key)     \
	{                                                                                                    \
		pass_f32(nq, panel, k, q, qstride, low, key);                                                \
	}

PASS_F32(1)
PASS_F32(2)
PASS_F32(3)
PASS_F32(4)
PASS_F32(5)
PASS_F32(6)

/* A mask of those of the 64 keys that are <= thr. */
ALWAYS_INLINE uint64_t survivors(const float *key, float thr)
{
	const __m256 limit = _mm256_set1_ps(thr);
	uint64_t bits = 0;
	for (int r = 0; r < TILE_ROWS; r += LANES) {
		__m256 below = _mm256_cmp_ps(_mm256_loadu_ps(key + r), limit, _CMP_LE_OQ);
		bits |= (uint64_t)(uint32_t)_mm256_movemask_ps(below) << r;
	}
	return bits;
}

/* Finish a query: copy its keys if one is <= thr. Returns its mask. */
ALWAYS_INLINE uint64_t emit(const float *key, float thr, float *out)
{
	uint64_t mask = survivors(key, thr);
	if (mask)
		memcpy(out, key, TILE_ROWS * sizeof *key);
	return mask;
}

static uint64_t block_f32(const float *panel, int64_t k, const float *q, size_t qstride, int nq,
    const float *low, const float *thr, uint64_t *mask, float *keys)
{
	/* Calls through pointers keep the compiler from merging passes, which would need too many
	 * registers. */
	static pass_f32_fn *const pass[] = {
	    NULL, pass_f32_1, pass_f32_2, pass_f32_3, pass_f32_4, pass_f32_5, pass_f32_6};
	float key[AT_ONCE * TILE_ROWS];
	for (int r = 0; r < TILE_ROWS; r += vecs_of(nq) * LANES)
		pass[nq](panel + r, k, q, qstride, low + r, key + r);
	uint64_t any = 0;
	for (int j = 0; j < nq; j++) {
		mask[j] = emit(key + j * TILE_ROWS, thr[j], keys + j * TILE_ROWS);
		any |= mask[j];
	}
	return any;
}

/* CHUNK dwords of a query with bytes as 16-bit halves: bytes 0 and 2 of each dword, and bytes 1 and 3. */
struct wide {
	int32_t even[CHUNK], odd[CHUNK];
};

/* Widen k <= CHUNK dwords of a query. Whole vectors are written, the last of which is filled up with
 * zeros. */
static void widen_query(const int8_t *q, int64_t k, struct wide *w)
{
	for (int64_t i = 0; i < k; i += LANES) {
		__m256i part = first_lanes(k - i < LANES ? k - i : LANES);
		__m256i bytes = _mm256_maskload_epi32((const int *)(const void *)(q + 4 * i), part);
		__m256i even = _mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8);
		_mm256_storeu_si256((__m256i *)(w->even + i), even);
		_mm256_storeu_si256((__m256i *)(w->odd + i), _mm256_srai_epi16(bytes, 8));
	}
}

/* Add the products of k <= CHUNK dwords to the sums of the first vecs_of(nq) vectors of rows. */
typedef void pass_i8_fn(const uint32_t *panel, int64_t k, const struct wide *q, int32_t *total);

/* Without this, compilers add the products of the two halves of a dword first, and run out of registers. */
#define KEEP_ORDER(v) __asm__("" : "+x"(v))

ALWAYS_INLINE void pass_i8(int nq, const uint32_t *panel, int64_t k, const struct wide *q, int32_t *total)
{
	const int vecs = vecs_of(nq);
	const __m256i low_bytes = _mm256_set1_epi16(0xff);
	__m256i sum[AT_ONCE][VECS];
	UNROLL
	for (int j = 0; j < nq; j++) {
		UNROLL
		for (int v = 0; v < vecs; v++)
			sum[j][v] = _mm256_loadu_si256((__m256i *)(total + j * TILE_ROWS + v * LANES));
	}
	for (int64_t i = 0; i < k; i++) {
		const __m256i *at = (const __m256i *)(panel + i * TILE_ROWS);
		__m256i x[VECS];
		UNROLL
		for (int v = 0; v < vecs; v++)
			x[v] = _mm256_and_si256(_mm256_loadu_si256(at + v), low_bytes);
		UNROLL
		for (int j = 0; j < nq; j++) {
			__m256i y = _mm256_set1_epi32(q[j].even[i]);
			UNROLL
			for (int v = 0; v < vecs; v++) {
				sum[j][v] = _mm256_add_epi32(sum[j][v], _mm256_madd_epi16(x[v], y));
				KEEP_ORDER(sum[j][v]);
			}
		}
		UNROLL
		for (int v = 0; v < vecs; v++)
			x[v] = _mm256_srli_epi16(_mm256_loadu_si256(at + v), 8);
		UNROLL
		for (int j = 0; j < nq; j++) {
			__m256i y = _mm256_set1_epi32(q[j].odd[i]);
			UNROLL
			for (int v = 0; v < vecs; v++)
				sum[j][v] = _mm256_add_epi32(sum[j][v], _mm256_madd_epi16(x[v], y));
		}
	}
	UNROLL
	for (int j = 0; j < nq; j++) {
		UNROLL
		for (int v = 0; v < vecs; v++)
			_mm256_storeu_si256((__m256i *)(total + j * TILE_ROWS + v * LANES), sum[j][v]);
	}
}

#define PASS_I8(nq)                                                                                          \
	static void pass_i8_##nq(const uint32_t *panel, int64_t k, const struct wide *q, int32_t *total)     \
	{                                                                                                    \
		pass_i8(nq, panel, k, q, total);                                                             \
	}

PASS_I8(1)
PASS_I8(2)
PASS_I8(3)
PASS_I8(4)
PASS_I8(5)
PASS_I8(6)

static void sums_i8(int nq, const uint32_t *panel, int64_t k, const int8_t *q, size_t qstride, int32_t *total)
{
	static pass_i8_fn *const pass[] = {
	    NULL, pass_i8_1, pass_i8_2, pass_i8_3, pass_i8_4, pass_i8_5, pass_i8_6};
	struct wide wide[AT_ONCE];
	for (int64_t i = 0; i < k; i += CHUNK) {
		int64_t part = k - i < CHUNK ? k - i : CHUNK;
		for (int j = 0; j < nq; j++)
			widen_query(q + (size_t)j * qstride + 4 * i, part, &wide[j]);
		for (int r = 0; r < TILE_ROWS; r += vecs_of(nq) * LANES)
			pass[nq](panel + i * TILE_ROWS + r, part, wide, total + r);
	}
}

static uint64_t block_i8(const uint32_t *panel, int64_t k, const int8_t *q, size_t qstride, int nq,
    const float *low, const float *scale, const float *qscale, const int32_t *qbias, const float *thr,
    uint64_t *mask, float *keys)
{
	int32_t total[AT_ONCE * TILE_ROWS];
	for (int j = 0; j < nq; j++) {
		for (int r = 0; r < TILE_ROWS; r++)
			total[j * TILE_ROWS + r] = qbias[j];
	}
	sums_i8(nq, panel, k, q, qstride, total);
	uint64_t any = 0;
	for (int j = 0; j < nq; j++) {
		float key[TILE_ROWS];
		const __m256 s = _mm256_set1_ps(qscale[j]);
		for (int r = 0; r < TILE_ROWS; r += LANES) {
			__m256i sum = _mm256_loadu_si256((__m256i *)(total + j * TILE_ROWS + r));
			__m256 both = _mm256_mul_ps(s, _mm256_loadu_ps(scale + r));
			__m256 l = _mm256_loadu_ps(low + r);
			_mm256_storeu_ps(key + r, _mm256_fmadd_ps(both, _mm256_cvtepi32_ps(sum), l));
		}
		mask[j] = emit(key, thr[j], keys + j * TILE_ROWS);
		any |= mask[j];
	}
	return any;
}

TILE_F32_IN_BLOCKS(tile_f32_avx2, block_f32, AT_ONCE)

TILE_I8_IN_BLOCKS(tile_i8_avx2, block_i8, AT_ONCE)
