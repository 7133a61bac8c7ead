/* Comparing codes of RaBitQ with a query, which is turned as they are.
 *
 * Its components become integers q̂ = q / Δ, Δ such that those of four components never add up to
 * more than a byte holds. A table of sixteen for each four has the sum of those whose bits are set,
 * less the least such sum; all planes of bits are looked up in the same tables (kernels:
 * rabitq_find), so that
 *
 *   ⟨q, f u⟩ ≈ f (Δ S + offset),   S = Σ_b 2^b Σ (entries for plane b),
 *   offset = Δ (2^bits − 1) (Σ least − Σ q̂ / 2).
 *
 * S is exact. Keys of inner product and of residuals are −⟨q, f u⟩ and what comes to it; for L2,
 * with c the mean, ‖q − c − f u‖² = ‖q − c‖² + ‖f u‖² − 2 ⟨q − c, f u⟩.
 *
 * Bounds, all certain. With L the greatest ‖f u‖ of some blocks, ⟨q, f u⟩ is off by at most ‖q − Δ
 * q̂‖ L: about 0.7 % of ‖q‖ L at any number of components. Rotations round (hadamard_rounding),
 * once for q and once for what is decoded. The sum in floats rounds four terms of at most f Δ
 * (2^bits − 1) Σ |q̂|, and f is at most 2 L / √d.
 *
 * RaBitQ's own bound, of what the signs alone say, holds with a probability: what it excludes would
 * depend on the order of the work, and with it the answer. So all bits are scanned, and no
 * neighbour is lost.
 */
#include "lib/codec/rabitq.h"

#include "kernels/kernels.h"
#include "lib/base/arena.h"
#include "lib/base/rounding.h"
#include "lib/base/sort.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)PQ_BLOCK == (int)ROWS_BLOCK, "codes lie in blocks as kernels want them");

enum {
	TABLES = 32,     /* bytes of the two tables of a group */
	MAX_ENTRY = 253, /* of a byte, and four roundings by a half */
	PART = 16 * ROWS_BLOCK
};

/* Beyond this nothing is worth a bound. */
static const double HUGE_SUM = 1e30;

struct rabitq_query {
	float scale, offset; /* Δ */
	bool square;         /* L2 */
	double constant;     /* L2: ‖q − c‖²; else ⟨q, c⟩ */
	double norm;         /* of q, L2: of q − c */
	double error;        /* of ⟨q, f u⟩, for ‖f u‖ = 1; ∞: tables are good for nothing */
	_Alignas(64) uint8_t tables[];
};

static size_t kept_bytes(const struct rows *rows)
{
	return align64(sizeof(struct rabitq_query) + (size_t)rabitq_of_const(rows->codec)->groups * TABLES);
}

/* Behind what is kept: the query as it was turned, whole groups. */
static size_t query_bytes(const struct rows *rows)
{
	return kept_bytes(rows) + (size_t)rabitq_of_const(rows->codec)->groups * 8 * sizeof(float);
}

/* Two tables of four components each; returns the sum of their least entries. */
static int fill_tables(const int *q, uint8_t *table)
{
	int all = 0;
	for (int half = 0; half < 2; half++, q += 4, table += 16) {
		int least = 0;
		for (int j = 0; j < 4; j++)
			least += q[j] < 0 ? q[j] : 0;
		table[0] = (uint8_t)-least;
		for (int b = 1; b < 16; b++)
			table[b] = (uint8_t)(table[b & (b - 1)] + q[__builtin_ctz((unsigned)b)]);
		all += least;
	}
	return all;
}

/* The width of a step, so that four components fit; 0: all are zero. */
static double find_step(const float *x, int64_t groups)
{
	float max = 0;
	for (int64_t i = 0; i < 8 * groups; i += 4) {
		float sum = fabsf(x[i]) + fabsf(x[i + 1]) + fabsf(x[i + 2]) + fabsf(x[i + 3]);
		max = sum > max ? sum : max;
		max = sum != sum ? INFINITY : max;
	}
	return (double)max / MAX_ENTRY;
}

/* Integers, tables, and what is off by that; x [groups × 8]. */
static void fill_query(const struct codec_rabitq *r, const float *x, struct rabitq_query *query)
{
	double step = find_step(x, r->groups), off = 0, size = 0, least = 0, sum = 0;
	double top = (1 << r->bits) - 1, inverse = step > 0 ? 1 / step : 0;
	if (!(step < HUGE_SUM && inverse < HUGE_SUM && query->norm < HUGE_SUM)) {
		memset(query->tables, 0, (size_t)r->groups * TABLES);
		query->error = INFINITY;
		return;
	}
	for (int64_t g = 0; g < r->groups; g++) {
		int q[8];
		for (int j = 0; j < 8; j++) {
			double exact = (double)x[8 * g + j] * inverse;
			q[j] = (int)lrint(exact);
			off += (exact - q[j]) * (exact - q[j]);
			size += abs(q[j]);
			sum += q[j];
		}
		least += fill_tables(q, query->tables + g * TABLES);
	}
	double offset = step * top * (least - sum / 2), root = sqrt((double)r->codec.dim);
	query->scale = (float)step;
	query->offset = (float)offset;
	query->error = step * sqrt(off) + 0x1p-20 * step * top * size / root;
	query->error += query->norm * (2 * (r->turn.dim ? hadamard_rounding(&r->turn) : 0) + 0x1p-20);
	query->error *= 1 + 1e-6;
}

static void bind(const struct rows *rows, const float *q, const struct metric *metric, void *state)
{
	const struct codec_rabitq *r = rabitq_of_const(rows->codec);
	const float *mean = r->learnt + 1;
	struct rabitq_query *query = state;
	int64_t dim = rows->dim;
	float *x = (float *)(void *)((char *)state + kept_bytes(rows));
	*query = (struct rabitq_query){.square = !metric->similarity};
	for (int64_t i = 0; i < dim; i++)
		x[i] = query->square ? q[i] - mean[i] : q[i];
	memset(x + dim, 0, (size_t)(8 * r->groups - dim) * sizeof *x);
	double square = kernels()->ip_exact(x, x, dim);
	query->norm = sqrt(square) * (1 + 1e-12);
	query->constant = query->square ? square : kernels()->ip_exact(q, mean, dim);
	if (r->turn.dim)
		hadamard_forward(&r->turn, x);
	fill_query(r, x, query);
}

/* rows->bounds has the greatest length of each block. */
static struct error_bound bound(const struct rows *rows, const void *state, int64_t first, int64_t n)
{
	const struct codec_rabitq *r = rabitq_of_const(rows->codec);
	const struct rabitq_query *query = state;
	double length = 0;
	for (int64_t b = first / ROWS_BLOCK; b * ROWS_BLOCK < first + n; b++)
		length = greater(length, (double)rows->bounds[b].norm);
	/* What is decoded is rounded: by the rotation, and when the mean comes to it. */
	double decoded = 0x1p-23 * (length + r->mean_norm);
	decoded += r->turn.dim ? length * hadamard_rounding(&r->turn) : 0;
	double abs = query->error * length + 0x1p-21 * fabs(query->constant);
	if (!query->square)
		return (struct error_bound){.abs = abs + query->norm * decoded, .rel = 0x1p-22};
	return (struct error_bound){
	    .abs = 2 * abs + 0x1p-20 * length * length, .rel = 0x1p-22, .root = decoded};
}

/* The limit of the kernel's keys, which are −⟨q, f u⟩ + ‖f u‖² / 2 for L2, and no row within the other one is
 * beyond it. */
static float inner_limit(const struct rabitq_query *query, float limit)
{
	double l = (double)limit, c = query->constant, slack = 0x1p-22 * (fabs(l) + fabs(c));
	if (!(query->error < HUGE_SUM) || !(l + slack < HUGE_SUM))
		return INFINITY;
	return float_up(query->square ? (l - c + slack) / 2 : l + c + slack);
}

/* Floats at byte `at` of codes of a block. */
static void block_floats(const uint8_t *block, size_t at, int64_t n, float *out)
{
	const uint8_t *byte = block + at * ROWS_BLOCK;
	for (int64_t i = 0; i < n; i++) {
		uint32_t bits = (uint32_t)byte[i] | (uint32_t)byte[i + ROWS_BLOCK] << 8 |
		                (uint32_t)byte[i + 2 * ROWS_BLOCK] << 16 |
		                (uint32_t)byte[i + 3 * ROWS_BLOCK] << 24;
		memcpy(&out[i], &bits, sizeof bits);
	}
}

/* Lengths [n], within 2^-21 of themselves and without the mean, of codes from `block` on, a block's start,
 * n <= ROWS_BLOCK. */
static void lengths_of(const struct codec_rabitq *r, const uint8_t *block, int64_t n, float *length)
{
	size_t at = rabitq_factor_at(r);
	if (r->bits > 1) {
		block_floats(block, at + sizeof(float), n, length);
		return;
	}
	block_floats(block, at, n, length);
	float half = (float)(sqrt((double)r->codec.dim) / 2);
	for (int64_t i = 0; i < n; i++)
		length[i] = fabsf(length[i]) * half;
}

/* At most PART rows, whose codes begin with a block. */
static int64_t scan_some(const struct codec_rabitq *r, const struct rabitq_query *query,
    const struct scan_part *part, int64_t first, int64_t n, uint32_t *hit, float *key)
{
	float square[PART];
	struct rabitq_find find = {.codes = part->codes + (size_t)first * r->codec.row_bytes,
	    .n = n,
	    .groups = r->groups,
	    .bits = r->bits,
	    .bytes = (int64_t)r->codec.row_bytes,
	    .tables = query->tables,
	    .scale = query->scale,
	    .offset = query->offset,
	    .limit = inner_limit(query, part->limit)};
	if (part->code_norms)
		find.terms = part->code_norms + first;
	for (int64_t i = 0; query->square && i < n; i += ROWS_BLOCK)
		lengths_of(r, find.codes + (size_t)i * r->codec.row_bytes,
		    n - i < ROWS_BLOCK ? n - i : ROWS_BLOCK, square + i);
	for (int64_t i = 0; query->square && i < n; i++)
		square[i] *= square[i];
	if (query->square)
		find.terms = square;
	int64_t found = kernels()->rabitq_find(&find, hit, key);
	for (int64_t i = 0; i < found; i++) {
		hit[i] += (uint32_t)first;
		double k = (double)key[i];
		key[i] = (float)(query->square ? query->constant + 2 * k : k - query->constant);
	}
	return found;
}

static int64_t scan(
    const struct rows *rows, const void *state, const struct scan_part *part, uint32_t *hit, float *key)
{
	int64_t found = 0;
	for (int64_t first = 0; first < part->n; first += PART)
		found += scan_some(rabitq_of_const(rows->codec), state, part, first,
		    part->n - first < PART ? part->n - first : PART, hit + found, key + found);
	return found;
}

/* The k-th least key of the first rows. */
static float first_limit(const struct rows *rows, const void *state, const struct scan_part *part, int64_t k)
{
	uint32_t hit[PART];
	float key[PART];
	struct scan_part some = *part;
	some.n = part->n < PART ? part->n : PART;
	some.limit = INFINITY;
	int64_t found = k <= some.n ? scan(rows, state, &some, hit, key) : 0;
	for (int64_t i = 0; i < found; i++)
		key[i] = key[i] == key[i] ? key[i] : INFINITY;
	return k <= found ? select_kth(key, found, k - 1) : INFINITY;
}

const struct comparison rabitq_in_scan = {.bytes = query_bytes,
    .bind = bind,
    .bound = bound,
    .scan = scan,
    .kept_bytes = kept_bytes,
    .scan_always = true,
    .first_limit = first_limit};
