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
 */
#include "lib/search/scan.h"

#include "lib/base/rounding.h"
#include "lib/codec/codec.h"

#include <math.h>

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

/* Set the limit for rows first … first + n − 1, or for the picked ones of them if they are codes, whose
 * bounds are found row by row. */
static void find_limit(struct scan *scan, int64_t first, int64_t n, const uint32_t *pos, int64_t picked)
{
	const struct comparison *compare = scan->t->s->compare;
	const struct rows *base = scan->t->base;
	struct error_bound error_bound = {0, 0, 0};
	bool one_by_one = pos && rows_are_codes(base);
	if (!one_by_one)
		error_bound = compare->bound(base, scan->state, first, n);
	for (int64_t i = 0; one_by_one && i < picked; i++) {
		struct error_bound own = compare->bound(base, scan->state, first + pos[i], 1);
		error_bound.abs = greater(error_bound.abs, own.abs);
		error_bound.rel = greater(error_bound.rel, own.rel);
		error_bound.root = greater(error_bound.root, own.root);
	}
	scan_limit(scan, scan->residual ? residual_error_bound(scan, error_bound) : error_bound);
}

void scan_finish_keys(struct scan *scan, int64_t first, int64_t n, const uint32_t *pos, int64_t keys)
{
	const float *code_norms = scan->t->residuals.code_norms;
	for (int64_t i = 0; code_norms && i < keys; i++)
		scan->key[i] += 0.5f * code_norms[first + (pos ? pos[i] : i)];
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
		float bound = scan_highest(scan, t->s->compare->first_limit(t->base, scan->state, &part, k));
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

void scan_part(struct scan *scan, int64_t row, int64_t n, uint64_t mask)
{
	uint32_t hit[PART_ROWS];
	float key[PART_ROWS];
	struct scan_part part = part_of(scan, row, n);
	int64_t hits = scan->t->s->compare->scan(scan->t->base, scan->state, &part, hit, key);
	if (hits > 0 && scan->t->map)
		pool_lock(scan->pool);
	for (int64_t i = 0; i < hits; i++)
		if ((n > ROWS_BLOCK || mask >> hit[i] & 1) &&
		    (scan->limit == INFINITY || key[i] <= scan->limit))
			scan_add(scan, key[i], row + hit[i]);
	if (hits > 0 && scan->t->map)
		pool_unlock(scan->pool);
}
