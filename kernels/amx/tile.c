/* Tiles, AMX: int8 queries × a panel of unsigned bytes.
 *
 * A tile register holds 16 rows of 64 bytes. tdpbsud multiplies 16 queries (rows of 64 int8) by 16 rows of
 * the panel in 16 cycles, 64 dimensions deep, and needs dword k of 16 rows side by side, as in a panel. So
 * nothing is packed or copied: the rows of a tile are 256 bytes apart in a panel, and those of queries at
 * their stride.
 *
 * A block is 32 queries × half a panel: four tiles of sums from two of queries and two of rows, which are all
 * eight registers. Their sums go to a buffer in L1. While the next block is multiplied, the vector units turn
 * the sums of the last one into keys and compare them, for a few queries after every step in depth, so that
 * the processor can do both at the same time. At d = 128 both should take about as long. Speeds are
 * estimates: the code ran only in an emulator.
 *
 * Edges. Configuring the shapes of tiles is slow compared with a step. So it is done once in a call, and all
 * steps have the same shapes:
 *   depth     If the depth is no multiple of 16 dwords, the last step uses the last 16 dwords of the panel,
 *             with a copy of the queries in which the dwords that were multiplied before are zero. A panel of
 *             fewer than 16 dwords is one step of its own depth.
 *   queries   The last block repeats queries, so that it has 16 or 32. Fewer than 16 in all make a tile of
 *             fewer rows.
 *
 * So nothing beyond the arguments is read. Small calls are left to AVX-512, which needs no configuration.
 */
#include "kernels/amx/amx.h"

#include <stdbool.h>

enum {
	GROUP = 16,       /* queries in a tile */
	PAIR = 2 * GROUP, /* queries in a block */
	STEP = 16,        /* dwords of depth in a tile */
	REGS = TILE_ROWS / 16,
	MIN_QUERIES = 4, /* fewer queries, or fewer dwords × queries than MIN_WORK, are left to AVX-512 */
	MIN_WORK = 192,
};

/* The tile registers: sums of the first and second 16 queries with the first and second 16 rows, the queries,
 * the rows. */
#define SUM00    0
#define SUM01    1
#define SUM10    2
#define SUM11    3
#define QUERIES0 4
#define QUERIES1 5
#define ROWS0    6
#define ROWS1    7

/* What ldtilecfg reads: the number of rows and of bytes per row of each register. */
struct shapes {
	uint8_t palette, start_row, reserved[14];
	uint16_t bytes[16];
	uint8_t rows[16];
};
_Static_assert(sizeof(struct shapes) == 64, "as the instruction wants it");

/* The sums of a block. */
typedef int32_t block_sums[PAIR][TILE_ROWS];

struct call {
	const uint32_t *panel;
	int64_t k, steps;
	const int8_t *q;
	size_t qstride;
	const int8_t (*ends)[4 * STEP]; /* [nq] copies of queries for the last step; NULL: none are needed */
	__m512 low[REGS], scale[REGS];
	const float *qscale, *thr;
	const int32_t *qbias;
	uint64_t *mask;
	float *keys;
};

/* The sums of queries next … end − 1, which are still to be compared. */
struct waiting {
	const int32_t *sums; /* those of query `next` */
	int next, end;
};

/* Make gcc 12 write memory first: it does not know which memory the tile instructions read. */
#define WRITTEN() __asm__ volatile("" ::: "memory")

static void configure(int queries, int depth)
{
	struct shapes shapes = {.palette = 1};
	for (int i = SUM00; i <= ROWS1; i++) {
		bool rows = i >= ROWS0, operand = i == QUERIES0 || i == QUERIES1;
		shapes.rows[i] = (uint8_t)(rows ? depth : queries);
		shapes.bytes[i] = (uint16_t)(operand ? 4 * depth : 4 * 16);
	}
	WRITTEN();
	_tile_loadconfig(&shapes);
}

/* Copy the last 16 dwords of the queries for the last step of a depth that is no multiple of 16. The dwords
 * that were multiplied before are zero. */
static void copy_ends(const int8_t *q, size_t qstride, int nq, int64_t k, int8_t (*ends)[4 * STEP])
{
	const __mmask16 fresh = (__mmask16)(0xffffu << (STEP - k % STEP));
	for (int j = 0; j < nq; j++) {
		const int8_t *from = q + (size_t)j * qstride + 4 * (k - STEP);
		_mm512_store_si512(ends[j], _mm512_maskz_loadu_epi32(fresh, from));
	}
	WRITTEN();
}

/* Compute the keys of query j from its sums. Returns its mask. */
ALWAYS_INLINE uint64_t compare(const struct call *c, int j, const int32_t *sums)
{
	const __m512 unit = _mm512_set1_ps(c->qscale[j]), thr = _mm512_set1_ps(c->thr[j]);
	const __m512i bias = _mm512_set1_epi32(c->qbias[j]);
	__m512 key[REGS];
	for (int v = 0; v < REGS; v++) {
		__m512i sum = _mm512_add_epi32(bias, _mm512_load_si512(sums + 16 * v));
		key[v] =
		    _mm512_fmadd_ps(_mm512_mul_ps(unit, c->scale[v]), _mm512_cvtepi32_ps(sum), c->low[v]);
	}
	__m512 min = _mm512_min_ps(_mm512_min_ps(key[0], key[1]), _mm512_min_ps(key[2], key[3]));
	uint64_t mask = 0;
	if (__builtin_expect(_mm512_cmp_ps_mask(min, thr, _CMP_LE_OQ) != 0, 0))
		for (int v = 0; v < REGS; v++) {
			mask |= (uint64_t)_mm512_cmp_ps_mask(key[v], thr, _CMP_LE_OQ) << (16 * v);
			_mm512_storeu_ps(c->keys + j * TILE_ROWS + 16 * v, key[v]);
		}
	c->mask[j] = mask;
	return mask;
}

/* Compare the sums of up to n queries. */
ALWAYS_INLINE uint64_t compare_some(const struct call *c, struct waiting *w, int n)
{
	uint64_t any = 0;
	for (int end = w->end - w->next < n ? w->end : w->next + n; w->next < end; w->next++) {
		any |= compare(c, w->next, w->sums);
		w->sums += TILE_ROWS;
	}
	return any;
}

/* One step: add the products of 16 dwords of queries and rows to the sums; pair: of 32 queries, else of
 * 16. */
ALWAYS_INLINE void multiply(const bool pair, const uint32_t *rows, const int8_t *q, size_t qstride)
{
	enum { ROW_STRIDE = TILE_ROWS * 4 };
	_tile_loadd(QUERIES0, q, qstride);
	_tile_loadd(ROWS0, rows, ROW_STRIDE);
	_tile_dpbsud(SUM00, QUERIES0, ROWS0);
	_tile_loadd(ROWS1, rows + 16, ROW_STRIDE);
	_tile_dpbsud(SUM01, QUERIES0, ROWS1);
	if (pair) {
		_tile_loadd(QUERIES1, q + GROUP * qstride, qstride);
		_tile_dpbsud(SUM10, QUERIES1, ROWS0);
		_tile_dpbsud(SUM11, QUERIES1, ROWS1);
	}
}

ALWAYS_INLINE void clear(const bool pair)
{
	_tile_zero(SUM00);
	_tile_zero(SUM01);
	if (pair) {
		_tile_zero(SUM10);
		_tile_zero(SUM11);
	}
}

ALWAYS_INLINE void store(const bool pair, int32_t *sums)
{
	enum { STRIDE = TILE_ROWS * 4 };
	_tile_stored(SUM00, sums, STRIDE);
	_tile_stored(SUM01, sums + 16, STRIDE);
	if (pair) {
		_tile_stored(SUM10, sums + GROUP * TILE_ROWS, STRIDE);
		_tile_stored(SUM11, sums + GROUP * TILE_ROWS + 16, STRIDE);
	}
}

/* Compute the sums of a block, whose queries begin at `first`, and compare the sums in w meanwhile. */
ALWAYS_INLINE uint64_t do_block(
    const bool pair, const struct call *c, int first, block_sums sums, struct waiting *w)
{
	const int share = (int)((w->end - w->next + 2 * c->steps - 1) / (2 * c->steps));
	uint64_t any = 0;
	for (int half = 0; half < TILE_ROWS; half += TILE_ROWS / 2) {
		clear(pair);
		for (int64_t i = 0; i < c->steps; i++) {
			if (i + 1 == c->steps && c->ends)
				multiply(pair, c->panel + (c->k - STEP) * TILE_ROWS + half, c->ends[first],
				    sizeof c->ends[first]);
			else
				multiply(pair, c->panel + i * STEP * TILE_ROWS + half,
				    c->q + (size_t)first * c->qstride + 4 * STEP * i, c->qstride);
			any |= compare_some(c, w, share);
		}
		store(pair, &sums[0][half]);
	}
	return any;
}

/* Compute all blocks of a call. Half of the sums are in the frame of this function, as a compiler may refuse
 * one frame that holds them all. */
__attribute__((noinline)) static uint64_t do_call(const struct call *c, int nq, block_sums *even)
{
	_Alignas(64) block_sums odd;
	block_sums *const sums[2] = {even, &odd};
	struct waiting w = {0};
	uint64_t any = 0;
	int size, turn = 0;
	for (int at = 0; at < nq; at += size, turn ^= 1) {
		bool pair = nq - at > GROUP && nq >= PAIR;
		size = pair ? PAIR : nq < GROUP ? nq : GROUP;
		int first = nq - at < size ? nq - size : at;
		if (pair)
			any |= do_block(true, c, first, *sums[turn], &w);
		else
			any |= do_block(false, c, first, *sums[turn], &w);
		w = (struct waiting){(*sums[turn])[at - first], at, first + size};
	}
	return any | compare_some(c, &w, PAIR);
}

uint64_t tile_i8_amx(const uint32_t *panel, int64_t k, const int8_t *q, size_t qstride, int nq,
    const float *low, const float *scale, const float *qscale, const int32_t *qbias, const float *thr,
    uint64_t *mask, float *keys)
{
	if (nq < MIN_QUERIES || nq * k < MIN_WORK)
		return tile_i8_avx512(panel, k, q, qstride, nq, low, scale, qscale, qbias, thr, mask, keys);
	_Alignas(64) int8_t ends[TILE_QUERIES][4 * STEP];
	struct call c = {.panel = panel, .k = k, .steps = (k + STEP - 1) / STEP, .q = q, .qstride = qstride};
	c.qscale = qscale;
	c.qbias = qbias;
	c.thr = thr;
	c.mask = mask;
	c.keys = keys;
	for (int v = 0; v < REGS; v++) {
		c.low[v] = _mm512_loadu_ps(low + 16 * v);
		c.scale[v] = _mm512_loadu_ps(scale + 16 * v);
	}
	if (k > STEP && k % STEP) {
		copy_ends(q, qstride, nq, k, ends);
		c.ends = (const int8_t(*)[4 * STEP]) ends;
	}
	configure(nq < GROUP ? nq : GROUP, k < STEP ? (int)k : STEP);
	_Alignas(64) block_sums even;
	uint64_t any = do_call(&c, nq, &even);
	_tile_release();
	return any;
}
