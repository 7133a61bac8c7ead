/* Scanning codes, which their codec scores without decoding them.
 *
 * Residual codes. A row is c + r̂: c is the centroid of its list and r̂ what its code decodes to. With one
 * float kept for each row, its code norm t = ‖r̂‖² + 2⟨c,r̂⟩,
 *
 *   L2:  ‖q − c − r̂‖² = ‖q − c‖² + t − 2⟨q,r̂⟩;      IP:  −⟨q,c⟩ − ⟨q,r̂⟩,
 *
 * so that the codec scores ⟨q,r̂⟩, for which its table is made once for a query and not for each list
 * (Johnson, Douze & Jégou 2017 split the distance in this way, too, but add up tables). A key is −⟨q,r̂⟩ + t
 * / 2. What is the same for all rows of a list, and the factor 2, go into the limit that keys are compared
 * with.
 *
 * Bounds. The codec states the error of −⟨q,r̂⟩. As t = ‖c + r̂‖² − ‖c‖², |t| is at most the greater of the
 * two. The roundings of the sums are a few 2^-24 of their terms. In addition, c + r̂ is rounded to floats
 * when it is decoded for its exact distance.
 *
 * Cosine. Codes of unit vectors have other lengths, and 1 / ‖x̂‖ is kept for each (codec/lengths.c): keys are
 * (−⟨q,c⟩ − ⟨q,r̂⟩) / ‖x̂‖. Where the codec looks for keys within a limit itself, the limit L on what was
 * divided is one of each row, L ‖x̂‖: so −L ‖x̂‖ comes to its key like a norm, and is taken off again.
 */
#include "lib/search/scan.h"

#include "lib/base/rounding.h"
#include "lib/codec/codec.h"

#include <math.h>
#include <string.h>

void scan_enter_list(struct scan *scan, const float *query)
{
	const struct search *s = scan->t->s;
	const struct rows *list = scan->t->base;
	const struct residuals *residuals = &scan->t->residuals;
	scan->bound = NAN; /* the limit must be computed again */
	if (!scan->residual)
		return;
	scan->constant = metric_exact(&s->score, query, list->center, list->dim);
	scan->beside = fabs(scan->constant);
	scan->factor = 1;
	if (list->inverse) {
		scan->shift = scan->constant;
		scan->constant = 0;
		scan->beside =
		    scan->qnorm * sqrt(s->kern->ip_exact(list->center, list->center, list->dim)) * (1 + 1e-6);
	}
	if (residuals->code_norms) {
		double max_norm = (double)residuals->max_norm, center = scan->qnorm + sqrt(scan->constant);
		scan->factor = 2;
		scan->beside += (max_norm > center ? max_norm * max_norm : center * center) * (1 + 1e-6);
	}
}

/* The error bound of the compared value, from that of −⟨q,r̂⟩. */
static struct error_bound residual_error_bound(const struct scan *scan, struct error_bound error_bound)
{
	double rel = error_bound.rel + 0x1p-20, rounding = 0x1p-22 * (double)scan->t->residuals.max_norm;
	double abs = scan->factor * error_bound.abs + rel * scan->beside;
	if (search_by_product(scan->t->s))
		return (struct error_bound){.abs = abs + scan->qnorm * rounding, .rel = rel};
	return (struct error_bound){.abs = abs, .rel = rel, .root = rounding};
}

/* A row that stands for a zero vector has the key 0. */
static inline float factor_of(float inverse)
{
	return inverse > 0 ? inverse : 0;
}

/* The greatest of n >= 1 factors. As integers the floats that are not negative are in the same order, and all
 * others come before them. */
static float largest_factor(const float *inverse, int64_t n)
{
	int32_t max = 0;
	float factor;
	for (int64_t i = 0; i < n; i++) {
		int32_t bits;
		memcpy(&bits, &inverse[i], sizeof bits);
		max = bits > max ? bits : max;
	}
	memcpy(&factor, &max, sizeof factor);
	return factor;
}

/* The greatest length of n >= 1 codes. Those that have none are left out: 0 − 1 is the greatest number. */
static double largest_length(const float *inverse, int64_t n)
{
	uint32_t min = UINT32_MAX;
	float least;
	for (int64_t i = 0; i < n; i++) {
		uint32_t bits;
		memcpy(&bits, &inverse[i], sizeof bits);
		bits = (bits & INT32_MAX) - 1;
		min = bits < min ? bits : min;
	}
	min++;
	memcpy(&least, &min, sizeof least);
	return least > 0 ? (1 + 1e-6) / (double)least : 1;
}

/* Of keys to that of what comes of dividing them by lengths. */
static struct error_bound divided_error_bound(
    const struct scan *scan, struct error_bound error_bound, float largest)
{
	return (struct error_bound){
	    .abs = error_bound.abs * (double)largest * (1 + 1e-6) + 0x1p-20 * scan->qnorm,
	    .rel = error_bound.rel + 0x1p-20};
}

struct error_bound scan_bound_of_rows(const struct scan *scan, int64_t first, const uint32_t *pos, int64_t n)
{
	struct error_bound most = {0, 0, 0};
	for (int64_t i = 0; i < n; i++) {
		struct error_bound own =
		    scan->t->s->compare->bound(scan->t->base, scan->state, first + pos[i], 1);
		most.abs = greater(most.abs, own.abs);
		most.rel = greater(most.rel, own.rel);
		most.root = greater(most.root, own.root);
	}
	return most;
}

/* Rows first … first + n − 1; of codes that were picked only these, as a bound may be found row by row. */
static void find_limit(struct scan *scan, int64_t first, int64_t n, const uint32_t *pos, int64_t picked)
{
	const struct comparison *compare = scan->t->s->compare;
	const struct rows *base = scan->t->base;
	struct error_bound error_bound = pos && rows_are_codes(base)
	                                     ? scan_bound_of_rows(scan, first, pos, picked)
	                                     : compare->bound(base, scan->state, first, n);
	if (scan->residual)
		error_bound = residual_error_bound(scan, error_bound);
	if (base->inverse) {
		float largest = largest_factor(base->inverse + first, n);
		error_bound = divided_error_bound(scan, error_bound, largest);
	}
	scan_limit(scan, error_bound);
}

static inline float divided(float key, float shift, float inverse)
{
	return (key + shift) * factor_of(inverse);
}

void scan_finish_keys(struct scan *scan, int64_t first, int64_t n, const uint32_t *pos, int64_t keys)
{
	const float *code_norms = scan->t->residuals.code_norms;
	for (int64_t i = 0; code_norms && i < keys; i++)
		scan->key[i] += 0.5f * code_norms[first + (pos ? pos[i] : i)];
	const float *inverse = scan->t->base->inverse;
	float shift = (float)scan->shift;
	for (int64_t i = 0; inverse && i < keys; i++)
		scan->key[i] = divided(scan->key[i], shift, inverse[first + (pos ? pos[i] : i)]);
	find_limit(scan, first, n, pos, keys);
}

/* n rows of the task's base from `row` on, the begin of a block, and the limit for their keys. */
static struct scan_part part_of(struct scan *scan, int64_t row, int64_t n)
{
	const struct rows *base = scan->t->base;
	const float *code_norms = scan->t->residuals.code_norms;
	find_limit(scan, row, n, NULL, 0);
	return (struct scan_part){.codes = (const uint8_t *)base->a + (size_t)row * base->stride,
	    .n = n,
	    .code_norms = code_norms ? code_norms + row : NULL,
	    .max_code_norm = scan->beside,
	    .limit = scan->limit};
}

/* What a limit on the keys of n rows from `row` on is when they are divided. */
static float divided_limit(const struct scan *scan, float limit, int64_t row, int64_t n)
{
	const float *inverse = scan->t->base->inverse + row;
	double key = (double)limit + scan->shift, min = INFINITY;
	for (int64_t i = 0; i < n; i++)
		min = (double)factor_of(inverse[i]) < min ? (double)factor_of(inverse[i]) : min;
	return float_up(key * (key < 0 ? min : (double)largest_factor(inverse, n)));
}

void scan_first_limits(struct task *t, struct scan *scans)
{
	enum { MAX = 64 * ROWS_BLOCK };
	int64_t n = t->r1 - t->r0 < MAX ? t->r1 - t->r0 : MAX, k = t->s->sink->k;
	if (n <= 0 || k <= 0 || t->r0 % ROWS_BLOCK != 0)
		return;
	for (int64_t q = 0; q < t->nq; q++) {
		struct scan *scan = &scans[q];
		if (!isinf(pool_bound(scan->pool)))
			continue;
		struct scan_part part = part_of(scan, t->r0, n);
		float limit = t->s->compare->first_limit(t->base, scan->state, &part, k);
		if (t->base->inverse && limit < INFINITY)
			limit = divided_limit(scan, limit, t->r0, n);
		float bound = scan_highest(scan, limit);
		pool_lock(scan->pool);
		pool_lower(scan->pool, bound);
		pool_unlock(scan->pool);
		scan->primed |= bound < INFINITY;
	}
}

enum { PART_ROWS = 16 * ROWS_BLOCK };

/* While a pool has no bound, every row is a candidate, so that only one block is scanned. The first bound is
 * far too large, so that the number of rows that are compared with it doubles from one scan to the next. */
int64_t scan_part_rows(const struct task *t, const struct scan *scans, int64_t row)
{
	int64_t n = PART_ROWS, passed = row - t->r0;
	for (int64_t q = 0; q < t->nq; q++) {
		if (isinf(pool_bound(scans[q].pool)))
			return ROWS_BLOCK;
		if (!scans[q].primed && passed < PART_ROWS)
			n = passed < ROWS_BLOCK ? ROWS_BLOCK : passed / ROWS_BLOCK * ROWS_BLOCK;
	}
	return n;
}

/* Let the part's limit be that of each row: what comes to keys for it, into `own` [part->n]. A zero vector is
 * within the limit or beyond it, whatever its code stands for. */
static void limit_each(const struct scan *scan, struct scan_part *part, int64_t row, float *own)
{
	const float *inverse = scan->t->base->inverse + row;
	if (!(scan->limit < INFINITY))
		return;
	double max_norm = largest_length(inverse, part->n);
	double any = 2 * (scan->qnorm * max_norm + scan->beside), limit = (double)scan->limit;
	double max = fabs(limit) * max_norm > any ? fabs(limit) * max_norm : any;
	float twice = (float)(-2 * limit), zero = (float)(limit >= 0 ? -2 * any : 2 * any);
	for (int64_t i = 0; i < part->n; i++) {
		float quotient = twice / inverse[i];
		own[i] = inverse[i] > 0 ? quotient : zero;
	}
	part->code_norms = own;
	part->max_code_norm = 2 * max;
	part->limit = float_up(-scan->shift + 0x1p-20 * (scan->qnorm * max_norm + 2 * scan->beside + max));
}

/* Divide the keys that were found. */
static void divide_found(const struct scan *scan, const struct scan_part *part, int64_t row,
    const uint32_t *hit, int64_t hits, float *key)
{
	const float *inverse = scan->t->base->inverse + row;
	for (int64_t i = 0; i < hits; i++) {
		float own = part->code_norms ? 0.5f * part->code_norms[hit[i]] : 0;
		key[i] = divided(key[i] - own, (float)scan->shift, inverse[hit[i]]);
	}
}

void scan_part(struct scan *scan, int64_t row, int64_t n, uint64_t mask)
{
	uint32_t hit[PART_ROWS];
	float key[PART_ROWS], own[PART_ROWS];
	const struct rows *base = scan->t->base;
	struct scan_part part = part_of(scan, row, n);
	if (base->inverse)
		limit_each(scan, &part, row, own);
	int64_t hits = scan->t->s->compare->scan(base, scan->state, &part, hit, key);
	if (base->inverse)
		divide_found(scan, &part, row, hit, hits, key);
	if (hits > 0 && scan->t->map)
		pool_lock(scan->pool);
	for (int64_t i = 0; i < hits; i++)
		if ((n > ROWS_BLOCK || mask >> hit[i] & 1) &&
		    (scan->limit == INFINITY || key[i] <= scan->limit))
			scan_add(scan, key[i], row + hit[i]);
	if (hits > 0 && scan->t->map)
		pool_unlock(scan->pool);
}
