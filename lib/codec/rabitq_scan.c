/* Comparing RaBitQ codes with a query, to which the same rotation is applied.
 *
 * The query's components are quantised to integers q̂ = q / Δ, with Δ chosen so that sums of four components
 * fit into a byte. For each four components a table has 16 entries: the sum of the components whose bits are
 * set, minus the smallest of these sums (min). All planes of bits use the same tables (kernel rabitq_find):
 *
 *   ⟨q, f u⟩ ≈ f (Δ S + offset),   S = Σ_b 2^b Σ (entries for plane b),
 *   offset = Δ (2^bits − 1) (Σ min − Σ q̂ / 2).
 *
 * S is exact. The keys of inner products and of residuals are −⟨q, f u⟩ plus a term of the row or the query.
 * For L2, with c the mean, ‖q − c − f u‖² = ‖q − c‖² + ‖f u‖² − 2 ⟨q − c, f u⟩.
 *
 * Error bounds, all of them certain. If L is the greatest ‖f u‖ of some blocks, the error of ⟨q, f u⟩ by
 * tables is at most ‖q − Δ q̂‖ L, about 0.7 % of ‖q‖ L for any number of components. The products of rows
 * that the tables do not exclude are therefore computed again, from the rotated query in floats, with an
 * error of some 2^-24. Rotations round (hadamard_rounding) once for q, and once for decoded vectors. The sum
 * in floats rounds four terms of at most f Δ (2^bits − 1) Σ |q̂|, and f is at most 2 L / √d.
 *
 * RaBitQ's own bound for the signs alone holds only with a probability. What it excludes, and so the result,
 * would depend on the order of the work. So all bits are scanned, and no neighbour is lost.
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
	TABLES = 32, /* bytes of the two tables of a group */
	MAX_ENTRY =
	    253, /* the largest sum before rounding: four roundings by 1/2 must still fit into a byte */
	PART = 16 * ROWS_BLOCK
};

/* With larger values no error bound is of use. */
static const double HUGE_SUM = 1e30;

struct rabitq_query {
	float scale, offset; /* Δ */
	bool square;         /* L2 */
	double constant;     /* L2: ‖q − c‖²; else ⟨q, c⟩ */
	double norm;         /* ‖q‖; for L2 ‖q − c‖ */
	double error; /* the error bound of ⟨q, f u⟩ by floats, for ‖f u‖ = 1; ∞: there is none */
	double rough; /* the same by tables */
	_Alignas(64) uint8_t tables[];
};

/* The offset of the rotated query, which follows the tables and is padded to whole groups. */
static size_t rotated_at(const struct codec_rabitq *r)
{
	return align64(sizeof(struct rabitq_query) + (size_t)r->groups * TABLES);
}

static size_t query_bytes(const struct rows *rows)
{
	const struct codec_rabitq *r = rabitq_of_const(rows->codec);
	return align64(rotated_at(r) + (size_t)r->groups * 8 * sizeof(float));
}

/* Fill the two tables of a group, for four components each. Returns the sum of their minima. */
static int fill_tables(const int *q, uint8_t *table)
{
	int all = 0;
	for (int half = 0; half < 2; half++, q += 4, table += 16) {
		int min = 0;
		for (int j = 0; j < 4; j++)
			min += q[j] < 0 ? q[j] : 0;
		table[0] = (uint8_t)-min;
		for (int b = 1; b < 16; b++)
			table[b] = (uint8_t)(table[b & (b - 1)] + q[__builtin_ctz((unsigned)b)]);
		all += min;
	}
	return all;
}

/* The width Δ of a step, so that sums of four components fit into a byte; 0 if all components are zero. */
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

/* Quantise the rotated query x [groups × 8], fill its tables and compute their error bounds. */
static void fill_query(const struct codec_rabitq *r, const float *x, struct rabitq_query *query)
{
	double step = find_step(x, r->groups), off = 0, size = 0, min = 0, sum = 0;
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
		min += fill_tables(q, query->tables + g * TABLES);
	}
	double offset = step * top * (min - sum / 2), root = sqrt((double)r->codec.dim);
	query->scale = (float)step;
	query->offset = (float)offset;
	query->rough = step * sqrt(off) + 0x1p-20 * step * top * size / root;
	query->error = query->norm * (2 * (r->rotation.dim ? hadamard_rounding(&r->rotation) : 0) + 0x1p-20);
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
	float *x = (float *)(void *)((char *)state + rotated_at(r));
	*query = (struct rabitq_query){.square = !metric->similarity};
	for (int64_t i = 0; i < dim; i++)
		x[i] = query->square ? q[i] - mean[i] : q[i];
	memset(x + dim, 0, (size_t)(8 * r->groups - dim) * sizeof *x);
	double square = kernels()->ip_exact(x, x, dim);
	query->norm = sqrt(square) * (1 + 1e-12);
	query->constant = query->square ? square : kernels()->ip_exact(q, mean, dim);
	if (r->rotation.dim)
		hadamard_forward(&r->rotation, x);
	fill_query(r, x, query);
}

/* The greatest length in the blocks of rows first … first + n − 1. */
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
	/* Decoding rounds in the inverse rotation and when the mean is added. */
	double decoded = 0x1p-23 * (length + r->mean_norm);
	decoded += r->rotation.dim ? length * hadamard_rounding(&r->rotation) : 0;
	double abs = query->error * length + 0x1p-21 * fabs(query->constant);
	if (!query->square)
		return (struct error_bound){.abs = abs + query->norm * decoded, .rel = 0x1p-22};
	return (struct error_bound){
	    .abs = 2 * abs + 0x1p-20 * length * length, .rel = 0x1p-22, .root = decoded};
}

/* Convert the limit of keys to one for the kernel's keys, which for L2 are −⟨q, f u⟩ + ‖f u‖² / 2 and have an
 * error of at most `rough`. No row within the limit of keys exceeds it. */
static float inner_limit(const struct rabitq_query *query, float limit, double rough)
{
	double l = (double)limit, c = query->constant, error = 0x1p-21 * (fabs(l) + fabs(c));
	if (!(rough < HUGE_SUM) || !(l + error < HUGE_SUM))
		return INFINITY;
	return float_up((query->square ? (l - c + error) / 2 : l + c + error) + rough);
}

/* ⟨q, f u⟩ for vector v of some blocks, computed in floats as eight separate sums. */
static float float_product(
    const struct codec_rabitq *r, const struct rabitq_query *query, const uint8_t *codes, int64_t v)
{
	const float *x = (const float *)(const void *)((const char *)query + rotated_at(r));
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

/* Read the floats at byte `at` of n codes of a block. */
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

/* The lengths [n] of decoded vectors without the mean, with a relative error of 2^-21, for the first
 * n <= ROWS_BLOCK codes of a block. */
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

/* Find the rows that the tables do not exclude, with the tables' keys, among at most PART rows that start
 * at a block. square: for L2 it gets the squares of lengths, which are terms of the keys. */
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

/* The metric's key for a key of the kernel. */
static float outer_key(const struct rabitq_query *query, double key)
{
	return (float)(query->square ? query->constant + 2 * key : key - query->constant);
}

/* The error bound of the tables' keys for these rows. */
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

/* The rows of a part from `first` on, at most PART. */
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

/* An upper bound of the k-th smallest key of the first rows: the tables' key plus its error bound. */
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
	double kth = (double)select_kth(key, found, k - 1) + rough, error = 0x1p-20 * fabs(query->constant);
	return float_up((double)outer_key(query, kth) + error);
}

const struct comparison rabitq_in_scan = {.bytes = query_bytes,
    .bind = bind,
    .bound = bound,
    .scan = scan,
    .kept_bytes = query_bytes,
    .scan_always = true,
    .first_limit = first_limit};
