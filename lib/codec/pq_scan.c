/* Finding codes of a product quantizer that are near a query, without decoding them. Tables say what each
 * centroid of each sub-space adds to the key, and the key of a vector is the sum of m look-ups.
 *
 * Numbers of 8 and 4 bits. The first step uses tables of bytes, which kernels look up for 64 vectors at once
 * (André, Kermarrec & Le Scouarnec, Quicker ADC, 2019). With low_i the smallest entry of table i and Δ the
 * widest range of a table / 255, a byte is S = ⌊(t − low_i) / Δ⌋, hence
 *
 *   Σ low_i + Δ Σ S <= Σ t < Σ low_i + Δ (Σ S + m),
 *
 * and the middle of the two, which differs from either by m Δ / 2, is compared with the limit. For the
 * vectors that may be within it, the entries themselves are added: these are few, and their codes are in the
 * nearest cache.
 *
 * The first limit. If there is no limit yet, bytes give one: for some pieces of the codes, the smallest key
 * is kept for each place in a block; the k-th smallest of these is not below the k-th smallest of all keys.
 * As there are 64 places for up to 16 of the nearest, few of these share a place, and the limit is little
 * more than that. So entries are added for little more than k vectors; with a limit that decreases during the
 * scan, it would be several times as many.
 *
 * Other widths. Numbers are unpacked for 64 vectors at a time, and entries are added.
 *
 * The error of a key, with u = 2^-24 and T = Σ max |t| over each table:
 *
 *   an entry   L2: e T in all, with the relative error e = (sub + 8) u; IP: e ‖q‖ N, N >= the norm of every
 *              decoded vector
 *   the sum    (m + 4) u T for m entries
 *   of bytes   m Δ (1/2 + 2^-13): (t − low) / Δ < 256 is rounded three times, which may move it across an
 *              integer, by 256 · 3 u < 2^-14; and 4 u (|offset| + 255 m Δ + |code_norm|) for Σ low and the
 *              sum
 */
#include "lib/codec/pq.h"

#include "kernels/kernels.h"
#include "lib/base/arena.h"
#include "lib/base/rounding.h"
#include "lib/base/sort.h"

#include <math.h>
#include <string.h>

_Static_assert((int)PQ_BLOCK == (int)ROWS_BLOCK, "codes lie in blocks as kernels want them");

/* A query, which its tables follow. */
struct pq_query {
	double error_bound;      /* of a sum of entries; ∞: entries cannot be used */
	float sign;              /* of that sum in the key */
	float scale, offset;     /* of bytes: Δ, and Σ low + m Δ / 2 */
	double byte_error_bound; /* of a sum of bytes, compared with that of entries */
};

/* A smaller Δ counts as 0, since 1 / Δ could overflow. */
static const double MIN_SCALE = 1e-30;

/* Sums of this size or more get no bound. */
static const double HUGE_SUM = 1e30;

static bool has_bytes(const struct pq *pq)
{
	return pq->bits == 8 || pq->bits == 4;
}

/* The offsets of the parts of a state. */
struct layout {
	size_t bytes; /* 8 bits: [m × 256]; 4 bits: [code_size × 2 × 16] */
	size_t entries;
	size_t starts; /* entries are floats [m × k], starts [m]; scans do not read starts */
	size_t end;
};

static struct layout layout_of(const struct pq *pq)
{
	size_t tables = has_bytes(pq) ? pq->code_size * (pq->bits == 8 ? 256 : 32) : 0;
	struct layout at = {.bytes = align64(sizeof(struct pq_query))};
	at.entries = at.bytes + align64(tables);
	at.starts = at.entries + (size_t)pq->m * (size_t)pq->k * sizeof(float);
	at.end = at.starts + (size_t)pq->m * sizeof(float);
	return at;
}

static size_t query_bytes(const struct rows *rows)
{
	return layout_of(pq_of_const(rows->codec)).end;
}

static size_t kept_bytes(const struct rows *rows)
{
	return layout_of(pq_of_const(rows->codec)).starts;
}

/* Sums and maxima over all tables. */
struct ranges {
	double widest; /* the widest range of a table */
	double low;    /* Σ smallest entry */
	double max;    /* Σ greatest |entry|; NaN or infinite if entries overflowed */
};

/* Find the ranges of the tables; starts [m]: the entry of each that gives the smallest key, of which inner
 * products are subtracted. */
static struct ranges find_ranges(const struct pq *pq, bool negate, const float *entries, float *starts)
{
	struct ranges r = {0, 0, 0};
	for (int64_t i = 0; i < pq->m; i++) {
		float low, high;
		kernels()->pq_range(entries + i * pq->k, pq->k, &low, &high);
		starts[i] = negate ? high : low;
		double range = (double)high - (double)low;
		r.widest = range > r.widest ? range : r.widest;
		r.low += negate ? -(double)high : (double)low;
		r.max += fmax(fabs((double)low), fabs((double)high));
	}
	return r;
}

static void fill_bytes(
    const struct pq *pq, const float *entries, const float *starts, float steps, uint8_t *bytes)
{
	for (int64_t i = 0; i < pq->m; i++)
		kernels()->pq_bytes(entries + i * pq->k, pq->k, starts[i], steps, bytes + i * pq->k);
	/* With an odd number of 4-bit tables, the upper half of the last byte must add nothing. */
	size_t filled = (size_t)pq->m * (size_t)pq->k, all = pq->code_size * (pq->bits == 8 ? 256 : 32);
	memset(bytes + filled, 0, all - filled);
}

/* Make the tables of bytes from the entries, and set their scale, offset and error bound. */
static void begin_bytes(const struct pq *pq, bool negate, struct ranges r, const float *entries,
    const float *starts, uint8_t *bytes, struct pq_query *query)
{
	double m = (double)pq->m;
	if (r.widest / 255 > MIN_SCALE)
		query->scale = float_up(r.widest / 255);
	double scale = (double)query->scale, offset = r.low + m * scale / 2;
	float steps = query->scale > 0 ? 1 / query->scale : 0;
	fill_bytes(pq, entries, starts, negate ? -steps : steps, bytes);
	query->offset = (float)offset;
	query->byte_error_bound = m * (scale > 0 ? scale * (0.5 + 0x1p-13) : r.widest);
	query->byte_error_bound += 0x1p-22 * (fabs(offset) + 255 * m * scale);
}

static void bind(const struct rows *rows, const float *q, const struct metric *metric, void *state)
{
	const struct pq *pq = pq_of_const(rows->codec);
	bool negate = metric->similarity;
	struct pq_query *query = state;
	struct layout at = layout_of(pq);
	float *entries = (float *)(void *)((char *)state + at.entries);
	float *starts = (float *)(void *)((char *)state + at.starts);
	uint8_t *bytes = (uint8_t *)state + at.bytes;
	pq_table(pq, q, metric, entries);
	struct ranges r = find_ranges(pq, negate, entries, starts);
	double e = 1.01 * (double)(pq->sub + 8) * 0x1p-24;
	*query = (struct pq_query){.sign = negate ? -1 : 1};
	query->error_bound = e * (negate ? sqrt(kernels()->ip_exact(q, q, pq->dim) * pq->norm_sq) : r.max);
	query->error_bound += 1.01 * (double)(pq->m + 4) * 0x1p-24 * r.max;
	if (!(r.max < HUGE_SUM) || !(query->error_bound < HUGE_SUM)) {
		/* Entries may be infinite or NaN, if products are beyond 1e36. */
		memset(entries, 0, at.starts - at.entries);
		query->error_bound = INFINITY;
	} else if (has_bytes(pq)) {
		begin_bytes(pq, negate, r, entries, starts, bytes, query);
	}
}

/* Unpack number i of all vectors of a block. */
static void unpack_numbers(const struct pq *pq, const uint8_t *block, int64_t i, uint32_t *number)
{
	size_t bit = (size_t)i * (size_t)pq->bits;
	const uint8_t *column = block + bit / 8 * PQ_BLOCK;
	uint32_t mask = (uint32_t)pq->k - 1;
	int shift = (int)(bit % 8);
	for (int v = 0; v < PQ_BLOCK; v++)
		number[v] = (uint32_t)column[v] >> shift;
	for (int have = 8 - shift; have < pq->bits; have += 8) {
		column += PQ_BLOCK;
		for (int v = 0; v < PQ_BLOCK; v++)
			number[v] |= (uint32_t)column[v] << have;
	}
	for (int v = 0; v < PQ_BLOCK; v++)
		number[v] &= mask;
}

/* Add the entries of vector v of some blocks, for numbers of 8 or 4 bits. Four sums hide the latency of
 * additions. */
static float sum_entries(const struct pq *pq, const float *entries, const uint8_t *codes, int64_t v)
{
	const uint8_t *at = codes + v / PQ_BLOCK * PQ_BLOCK * (int64_t)pq->code_size + v % PQ_BLOCK;
	float a = 0, b = 0, c = 0, d = 0;
	int64_t i = 0;
	for (; pq->bits == 8 && i + 4 <= pq->m; i += 4, entries += 4 * 256, at += 4 * PQ_BLOCK) {
		a += entries[at[0]];
		b += entries[256 + at[PQ_BLOCK]];
		c += entries[512 + at[2 * PQ_BLOCK]];
		d += entries[768 + at[3 * PQ_BLOCK]];
	}
	for (; pq->bits == 8 && i < pq->m; i++, entries += 256, at += PQ_BLOCK)
		a += entries[*at];
	for (; i + 4 <= pq->m; i += 4, entries += 4 * 16, at += 2 * PQ_BLOCK) {
		a += entries[at[0] % 16];
		b += entries[16 + at[0] / 16];
		c += entries[32 + at[PQ_BLOCK] % 16];
		d += entries[48 + at[PQ_BLOCK] / 16];
	}
	for (int shift = 0; i < pq->m; i++, entries += 16, at += shift / 4 * PQ_BLOCK, shift ^= 4)
		a += entries[*at >> shift & 15];
	return (a + b) + (c + d);
}

/* Add the entries of all vectors of a block, and find those within the limit. */
static int64_t scan_block(const struct pq *pq, const float *entries, const uint8_t *block,
    const struct scan_part *part, int64_t first, float sign, uint32_t *hit, float *key)
{
	uint32_t number[PQ_BLOCK];
	float sum[PQ_BLOCK] = {0};
	int64_t n = part->n - first < PQ_BLOCK ? part->n - first : PQ_BLOCK, found = 0;
	for (int v = 0; has_bytes(pq) && v < PQ_BLOCK; v++)
		sum[v] = sum_entries(pq, entries, block, v);
	for (int64_t i = 0; !has_bytes(pq) && i < pq->m; i++) {
		unpack_numbers(pq, block, i, number);
		for (int v = 0; v < PQ_BLOCK; v++)
			sum[v] += entries[i * pq->k + number[v]];
	}
	for (int64_t v = 0; v < n; v++) {
		float k = sign * sum[v] + (part->code_norms ? 0.5f * part->code_norms[first + v] : 0);
		if (part->limit < INFINITY && !(k <= part->limit))
			continue;
		hit[found] = (uint32_t)(first + v);
		key[found++] = k;
	}
	return found;
}

/* The arguments of kernels: the tables of bytes of a query, and the codes from `first` on, the begin of a
 * block. */
static struct pq_find find_of(const struct pq *pq, const struct pq_query *query, const struct scan_part *part,
    int64_t first, int64_t end)
{
	return (struct pq_find){.codes = part->codes + (size_t)first * pq->code_size,
	    .n = end - first,
	    .bytes = (int64_t)pq->code_size,
	    .tables = (const uint8_t *)query + layout_of(pq).bytes,
	    .scale = query->scale,
	    .offset = query->offset,
	    .code_norms = part->code_norms ? part->code_norms + first : NULL};
}

static int64_t look_up(const struct pq *pq, const struct pq_find *find, uint32_t *hit)
{
	return (pq->bits == 8 ? kernels()->pq_find8 : kernels()->pq_find4)(find, hit);
}

/* A bound of the exact key of a vector with this key by bytes, and the other way round. */
static float above_bytes(const struct pq_query *query, const struct scan_part *part, float key)
{
	double k = (double)key;
	return float_up(k + query->byte_error_bound + 0x1p-21 * (fabs(k) + part->max_code_norm));
}

/* Find the vectors that bytes do not exclude, and add their entries. */
static int64_t scan_bytes(const struct pq *pq, const struct pq_query *query, const float *entries,
    const struct scan_part *part, uint32_t *hit, float *key)
{
	struct pq_find find = find_of(pq, query, part, 0, part->n);
	find.limit = above_bytes(query, part, part->limit);
	int64_t seen = look_up(pq, &find, hit), found = 0;
	for (int64_t i = 0; i < seen; i++) {
		int64_t v = hit[i];
		float k = query->sign * sum_entries(pq, entries, part->codes, v);
		if (part->code_norms)
			k += 0.5f * part->code_norms[v];
		hit[found] = (uint32_t)v;
		key[found] = k;
		found += k <= part->limit;
	}
	return found;
}

static struct error_bound bound(const struct rows *rows, const void *state, int64_t first, int64_t n)
{
	(void)rows, (void)first, (void)n;
	return (struct error_bound){.abs = ((const struct pq_query *)state)->error_bound};
}

static int64_t scan(
    const struct rows *rows, const void *state, const struct scan_part *part, uint32_t *hit, float *key)
{
	const struct pq *pq = pq_of_const(rows->codec);
	const struct pq_query *query = state;
	struct layout at = layout_of(pq);
	const float *entries = (const float *)(const void *)((const char *)state + at.entries);
	if (has_bytes(pq) && query->error_bound < HUGE_SUM && part->limit < INFINITY)
		return scan_bytes(pq, query, entries, part, hit, key);
	int64_t found = 0;
	for (int64_t first = 0; first < part->n; first += PQ_BLOCK) {
		const uint8_t *block = part->codes + (size_t)first * pq->code_size;
		found += scan_block(pq, entries, block, part, first, query->sign, hit + found, key + found);
	}
	return found;
}

static float first_limit(const struct rows *rows, const void *state, const struct scan_part *part, int64_t k)
{
	enum { PIECES = 8, OF_PIECE = 16 };
	const struct pq *pq = pq_of_const(rows->codec);
	const struct pq_query *query = state;
	int64_t blocks = part->n / PQ_BLOCK, pieces = (k + OF_PIECE - 1) / OF_PIECE;
	float min[PIECES * PQ_BLOCK];
	if (!has_bytes(pq) || !(query->error_bound < HUGE_SUM) || pieces > PIECES || blocks < 2 * pieces)
		return INFINITY;
	for (int64_t i = 0; i < pieces * PQ_BLOCK; i++)
		min[i] = INFINITY;
	for (int64_t i = 0; i < pieces; i++) {
		int64_t first = blocks * i / pieces, end = blocks * (i + 1) / pieces;
		struct pq_find find = find_of(pq, query, part, first * PQ_BLOCK, end * PQ_BLOCK);
		find.min = min + i * PQ_BLOCK;
		look_up(pq, &find, NULL);
	}
	return above_bytes(query, part, select_kth(min, pieces * PQ_BLOCK, k - 1));
}

const struct comparison pq_in_scan = {.bytes = query_bytes,
    .bind = bind,
    .bound = bound,
    .scan = scan,
    .kept_bytes = kept_bytes,
    .first_limit = first_limit};
