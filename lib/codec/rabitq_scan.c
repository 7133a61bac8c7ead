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
 * q̂‖ L: about 0.7 % of ‖q‖ L at any number of components. What tables do not exclude is therefore
 * summed again, by floats and the query as it was turned, whose error is some 2^-24. Rotations
 * round (hadamard_rounding), once for q and once for what is decoded. The sum in floats rounds four
 * terms of at most f Δ (2^bits − 1) Σ |q̂|, and f is at most 2 L / √d.
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
	double error;        /* of ⟨q, f u⟩ by floats, for ‖f u‖ = 1; ∞: it is good for nothing */
	double rough;        /* by tables */
	_Alignas(64) uint8_t tables[];
};

/* Behind the tables: the query as it was turned, whole groups. */
static size_t turned_at(const struct codec_rabitq *r)
{
	return align64(sizeof(struct rabitq_query) + (size_t)r->groups * TABLES);
}

static size_t query_bytes(const struct rows *rows)
{
	const struct codec_rabitq *r = rabitq_of_const(rows->codec);
	return align64(turned_at(r) + (size_t)r->groups * 8 * sizeof(float));
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
		query->error = query->rough = INFINITY;
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
	query->rough = step * sqrt(off) + 0x1p-20 * step * top * size / root;
	query->error = query->norm * (2 * (r->turn.dim ? hadamard_rounding(&r->turn) : 0) + 0x1p-20);
	query->error += query->norm * (double)(r->groups + 16) * 0x1p-24;
	query->error *= 1 + 1e-6;
	query->rough = query->rough * (1 + 1e-6) + query->error;
}

static void bind(const struct rows *rows, const float *q, const struct metric *metric, void *state)
{
	const struct codec_rabitq *r = rabitq_of_const(rows->codec);
	const float *mean = r->learnt + 1;
	struct rabitq_query *query = state;
	int64_t dim = rows->dim;
	float *x = (float *)(void *)((char *)state + turned_at(r));
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

/* The greatest length in blocks of rows first … first + n − 1. */
static double greatest_length(const struct rows *rows, int64_t first, int64_t n)
{
	double length = 0;
	for (int64_t b = first / ROWS_BLOCK; b * ROWS_BLOCK < first + n; b++)
		length = greater(length, (double)rows->bounds[b].norm);
	return length;
}

static struct error_bound bound(const struct rows *rows, const void *state, int64_t first, int64_t n)
{
	const struct codec_rabitq *r = rabitq_of_const(rows->codec);
	const struct rabitq_query *query = state;
	double length = greatest_length(rows, first, n);
	/* What is decoded is rounded: by the rotation, and when the mean comes to it. */
	double decoded = 0x1p-23 * (length + r->mean_norm);
	decoded += r->turn.dim ? length * hadamard_rounding(&r->turn) : 0;
	double abs = query->error * length + 0x1p-21 * fabs(query->constant);
	if (!query->square)
		return (struct error_bound){.abs = abs + query->norm * decoded, .rel = 0x1p-22};
	return (struct error_bound){
	    .abs = 2 * abs + 0x1p-20 * length * length, .rel = 0x1p-22, .root = decoded};
}

/* The limit of the kernel's keys, which are −⟨q, f u⟩ + ‖f u‖² / 2 for L2 and off by `rough`: no row within
 * the other one is beyond it. */
static float inner_limit(const struct rabitq_query *query, float limit, double rough)
{
	double l = (double)limit, c = query->constant, slack = 0x1p-21 * (fabs(l) + fabs(c));
	if (!(rough < HUGE_SUM) || !(l + slack < HUGE_SUM))
		return INFINITY;
	return float_up((query->square ? (l - c + slack) / 2 : l + c + slack) + rough);
}

/* ⟨q, f u⟩ of vector v of some blocks, by floats: eight sums side by side. */
static float float_product(
    const struct codec_rabitq *r, const struct rabitq_query *query, const uint8_t *codes, int64_t v)
{
	const float *x = (const float *)(const void *)((const char *)query + turned_at(r));
	const float middle = (float)rabitq_middle(r);
	const uint8_t *byte =
	    codes + v / ROWS_BLOCK * ROWS_BLOCK * (int64_t)r->codec.row_bytes + v % ROWS_BLOCK;
	float sum[8] = {0}, factor;
	for (int64_t g = 0; g < r->groups; g++, x += 8) {
		uint64_t planes = 0;
		for (int b = 0; b < r->bits; b++, byte += ROWS_BLOCK)
			planes |= (uint64_t)*byte << 8 * b;
		uint64_t number = rabitq_unpack(planes, r->bits);
		for (int j = 0; j < 8; j++)
			sum[j] += x[j] * ((float)(uint8_t)(number >> 8 * j) - middle);
	}
	uint32_t bits = 0;
	for (int i = 0; i < 4; i++)
		bits |= (uint32_t)byte[i * ROWS_BLOCK] << 8 * i;
	memcpy(&factor, &bits, sizeof factor);
	return factor * (((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7])));
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

/* At most PART rows, whose codes begin with a block: those that tables do not exclude, with the keys that
 * these give. square: room for what comes to the keys of L2. */
static int64_t look_up(const struct codec_rabitq *r, const struct rabitq_query *query,
    const struct scan_part *part, double rough, float *square, uint32_t *hit, float *key)
{
	struct rabitq_find find = {.codes = part->codes,
	    .n = part->n,
	    .groups = r->groups,
	    .bits = r->bits,
	    .bytes = (int64_t)r->codec.row_bytes,
	    .tables = query->tables,
	    .scale = query->scale,
	    .offset = query->offset,
	    .terms = query->square ? square : part->code_norms,
	    .limit = inner_limit(query, part->limit, rough)};
	for (int64_t i = 0; query->square && i < part->n; i += ROWS_BLOCK)
		lengths_of(r, find.codes + (size_t)i * r->codec.row_bytes,
		    part->n - i < ROWS_BLOCK ? part->n - i : ROWS_BLOCK, square + i);
	for (int64_t i = 0; query->square && i < part->n; i++)
		square[i] *= square[i];
	return kernels()->rabitq_find(&find, hit, key);
}

/* The metric's key. */
static float outer_key(const struct rabitq_query *query, double key)
{
	return (float)(query->square ? query->constant + 2 * key : key - query->constant);
}

/* What tables may be off by for these rows. */
static double rough_error(
    const struct rows *rows, const struct rabitq_query *query, const struct scan_part *part)
{
	int64_t first = ((const char *)part->codes - rows->a) / (int64_t)rows->stride;
	return query->rough * greatest_length(rows, first, part->n);
}

static int64_t scan_some(const struct rows *rows, const struct rabitq_query *query,
    const struct scan_part *part, uint32_t *hit, float *key)
{
	const struct codec_rabitq *r = rabitq_of_const(rows->codec);
	float square[PART];
	int64_t seen = look_up(r, query, part, rough_error(rows, query, part), square, hit, key), found = 0;
	for (int64_t i = 0; i < seen; i++) {
		uint32_t v = hit[i];
		float term = query->square ? square[v] : part->code_norms ? part->code_norms[v] : 0;
		hit[found] = v;
		key[found] =
		    outer_key(query, 0.5 * (double)term - (double)float_product(r, query, part->codes, v));
		found += part->limit == INFINITY || key[found] <= part->limit;
	}
	return found;
}

/* Rows of a part from `first` on, at most PART. */
static struct scan_part some_of(const struct rows *rows, const struct scan_part *part, int64_t first)
{
	struct scan_part some = *part;
	some.codes += (size_t)first * rows->stride;
	some.n = part->n - first < PART ? part->n - first : PART;
	some.code_norms = part->code_norms ? part->code_norms + first : NULL;
	return some;
}

static int64_t scan(
    const struct rows *rows, const void *state, const struct scan_part *part, uint32_t *hit, float *key)
{
	int64_t found = 0;
	for (int64_t first = 0; first < part->n; first += PART) {
		struct scan_part some = some_of(rows, part, first);
		int64_t hits = scan_some(rows, state, &some, hit + found, key + found);
		for (int64_t i = found; i < found + hits; i++)
			hit[i] += (uint32_t)first;
		found += hits;
	}
	return found;
}

/* The k-th least key of the first rows, by tables, and what these may be off by. */
static float first_limit(const struct rows *rows, const void *state, const struct scan_part *part, int64_t k)
{
	const struct rabitq_query *query = state;
	uint32_t hit[PART];
	float key[PART], square[PART];
	struct scan_part some = some_of(rows, part, 0);
	some.limit = INFINITY;
	double rough = rough_error(rows, query, &some);
	if (k > some.n || !(rough < HUGE_SUM))
		return INFINITY;
	int64_t found = look_up(rabitq_of_const(rows->codec), query, &some, rough, square, hit, key);
	for (int64_t i = 0; i < found; i++)
		key[i] = key[i] == key[i] ? key[i] : INFINITY;
	if (k > found)
		return INFINITY;
	double kth = (double)select_kth(key, found, k - 1) + rough, slack = 0x1p-20 * fabs(query->constant);
	return float_up((double)outer_key(query, kth) + slack);
}

const struct comparison rabitq_in_scan = {.bytes = query_bytes,
    .bind = bind,
    .bound = bound,
    .scan = scan,
    .kept_bytes = query_bytes,
    .scan_always = true,
    .first_limit = first_limit};
