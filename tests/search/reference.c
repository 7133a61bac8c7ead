/* The answer by brute force: double precision, no blocking, no pruning.
 *
 * What must be equal. A key is a sum of d products, formed in double by kith and here in another order; the
 * two may differ by d roundings of 2^-53, at most some 1e-13 of Σ |terms| (for squared distances that is the
 * key itself, for inner products at most ‖x‖ ‖q‖). So a key is known to lie within 1e-12 of that, an
 * interval, and the j-th smallest key lies between the j-th smallest lower end and the j-th smallest upper
 * end. The row of rank j must have a key that can. Nearly always that leaves one row; it leaves more where
 * keys lie closer together than doubles can tell. Equal rows have the same bits in any program, and where all
 * keys are integers nothing is rounded: there the ids themselves must be equal.
 */
#include "tests/search/problem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double add_term(kith_metric metric, double sum, double a, double b)
{
	switch (metric) {
	case KITH_L2:
		return sum + (a - b) * (a - b);
	case KITH_L1:
		return sum + fabs(a - b);
	case KITH_LINF:
		return fmax(sum, fabs(a - b));
	default:
		return sum + a * b;
	}
}

/* (1 + r) ln (1 + r) + (1 − r) ln (1 − r); by the beginning of its series where that would cancel. */
static double entropy(double r)
{
	double s = r * r;
	if (r < 1e-3)
		return s * (1 + s / 6 + s * s / 15);
	return (1 + r) * log1p(r) + (r < 1 ? (1 - r) * log1p(-r) : 0);
}

/* The metrics that are no plain sums. */
static double other_key(const struct problem *p, const float *q, const float *x)
{
	double num = 0, den = 0, exponent = (double)kith_metric_p(p->metric);
	for (int64_t j = 0; j < p->dim; j++) {
		double a = (double)q[j], b = (double)x[j], apart = fabs(a - b), size = fabs(a) + fabs(b);
		if (isnan(apart))
			continue;
		den += p->metric == KITH_BRAY_CURTIS ? fabs(a + b)
		       : p->metric == KITH_JACCARD   ? fmax(a, b)
		                                     : 1;
		if (p->metric == KITH_CANBERRA)
			num += size > 0 ? apart / size : 0;
		else if (p->metric == KITH_JENSEN_SHANNON)
			num += size > 0 ? size / 4 * entropy(apart / size) : 0;
		else if (p->metric == KITH_NAN_EUCLIDEAN)
			num += apart * apart;
		else
			num += exponent > 0 ? pow(apart, exponent) : apart;
	}
	if (p->metric == KITH_NAN_EUCLIDEAN)
		return den > 0 ? num * (double)p->dim / den : INFINITY;
	if (p->metric == KITH_BRAY_CURTIS || p->metric == KITH_JACCARD)
		return num > 0 ? num / den : 0;
	return num;
}

double problem_key(const struct problem *p, int64_t query, int64_t row)
{
	const float *q = p->qf + query * p->dim, *x = p->xf + row * p->dim;
	if (p->metric < 0 || p->metric > KITH_LINF)
		return other_key(p, q, x);
	double sum[4] = {0};
	int64_t j = 0;
	for (; j + 4 <= p->dim; j += 4)
		for (int i = 0; i < 4; i++)
			sum[i] = add_term(p->metric, sum[i], (double)q[j + i], (double)x[j + i]);
	for (; j < p->dim; j++)
		sum[0] = add_term(p->metric, sum[0], (double)q[j], (double)x[j]);
	if (p->metric == KITH_LINF)
		return fmax(fmax(sum[0], sum[1]), fmax(sum[2], sum[3]));
	double total = (sum[0] + sum[1]) + (sum[2] + sum[3]);
	return problem_similarity(p) ? -total : total;
}

double problem_tolerance(const struct problem *p, int64_t query, int64_t row, double key)
{
	if (p->integral)
		return 0;
	bool product = p->metric == KITH_IP || p->metric == KITH_COSINE;
	double off = 1e-12 * (product ? p->xnorm[row] * p->qnorm[query] : key);
	return isinf(key) ? 0 : off;
}

static int64_t row_of(const struct problem *p, int64_t id)
{
	int64_t low = 0, high = p->n;
	while (low < high) {
		int64_t mid = low + (high - low) / 2;
		if (p->by_id[mid][0] < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low < p->n && p->by_id[low][0] == id ? p->by_id[low][1] : -1;
}

struct hit {
	double key;
	int64_t id, row;
};

static int compare_hits(const void *a, const void *b)
{
	const struct hit *x = a, *y = b;
	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

/* The k first of what was put in, in order. */
struct ranking {
	struct hit *hits;
	int64_t n, k;
};

static void rank(struct ranking *r, double key, int64_t id, int64_t row)
{
	struct hit hit = {key, id, row};
	if (r->n == r->k && compare_hits(&r->hits[r->k - 1], &hit) < 0)
		return;
	int64_t at = r->n < r->k ? r->n++ : r->k - 1;
	/* Few ranks are kept in order, many are sorted at the end. */
	for (; r->k <= 128 && at > 0 && compare_hits(&r->hits[at - 1], &hit) > 0; at--)
		r->hits[at] = r->hits[at - 1];
	r->hits[at] = hit;
}

/* Rankings of all rows that pass: by key, and by the ends of what is known of it. */
struct rankings {
	struct ranking key, low, high;
};

static struct rankings rankings_new(const struct problem *p)
{
	/* All of them, or few: see rank. */
	int64_t k = p->k <= 128 ? p->k : p->n;
	struct rankings r = {{NULL, 0, k}, {NULL, 0, k}, {NULL, 0, k}};
	r.key.hits = make(k, sizeof *r.key.hits);
	r.low.hits = make(k, sizeof *r.low.hits);
	r.high.hits = make(k, sizeof *r.high.hits);
	return r;
}

static void rankings_free(struct rankings *r)
{
	free(r->key.hits);
	free(r->low.hits);
	free(r->high.hits);
}

static void rank_all(const struct problem *p, int64_t query, struct rankings *r)
{
	r->key.n = r->low.n = r->high.n = 0;
	for (int64_t row = 0; row < p->n; row++) {
		if (p->pass && !p->pass[row])
			continue;
		double key = problem_key(p, query, row), off = problem_tolerance(p, query, row, key);
		int64_t id = p->ids ? p->ids[row] : row;
		rank(&r->key, key, id, row);
		rank(&r->low, key - off, id, row);
		rank(&r->high, key + off, id, row);
	}
	if (r->key.k <= 128)
		return;
	qsort(r->key.hits, (size_t)r->key.n, sizeof(struct hit), compare_hits);
	qsort(r->low.hits, (size_t)r->low.n, sizeof(struct hit), compare_hits);
	qsort(r->high.hits, (size_t)r->high.n, sizeof(struct hit), compare_hits);
}

static float toward(double x, double by, float end)
{
	return nextafterf((float)(x + by), end);
}

/* The reported distance is the key, rounded once, give or take the tolerance and one unit. */
static void check_dist(const struct problem *p, int64_t query, int64_t row, float dist)
{
	double key = problem_key(p, query, row), off = problem_tolerance(p, query, row, key);
	double score = problem_convert(p, key);
	bool fits = p->integral
	                ? dist == (float)score
	                : dist >= toward(score, -off, -INFINITY) && dist <= toward(score, off, INFINITY);
	if (!fits)
		ck_abort_msg("%s: query %lld, row %lld: distance %.9g, not %.17g", p->text, (long long)query,
		    (long long)row, (double)dist, score);
}

static bool same_row(const struct problem *p, int64_t a, int64_t b)
{
	size_t bytes = (size_t)p->dim * sizeof(float);
	return memcmp(p->xf + a * p->dim, p->xf + b * p->dim, bytes) == 0;
}

static bool listed_before(const int64_t *ids, int64_t n, int64_t id)
{
	for (int64_t j = 0; j < n; j++)
		if (ids[j] == id)
			return true;
	return false;
}

static void check_hit(
    const struct problem *p, int64_t query, int64_t rank, const struct rankings *r, const int64_t *ids)
{
	const struct hit *want = &r->key.hits[rank];
	int64_t id = ids[rank], row = row_of(p, id);
	if (row < 0 || (p->pass && !p->pass[row]))
		ck_abort_msg("%s: query %lld, rank %lld: id %lld is %s", p->text, (long long)query,
		    (long long)rank, (long long)id, row < 0 ? "not in the index" : "filtered out");
	if (id == want->id)
		return;
	double key = problem_key(p, query, row), off = problem_tolerance(p, query, row, key);
	bool can = key + off >= r->low.hits[rank].key && key - off <= r->high.hits[rank].key;
	bool late = id > want->id && same_row(p, row, want->row) && !listed_before(ids, rank, want->id);
	if (!can || p->integral || late)
		ck_abort_msg("%s: query %lld, rank %lld: id %lld with key %.17g, not id %lld with key %.17g",
		    p->text, (long long)query, (long long)rank, (long long)id, key, (long long)want->id,
		    want->key);
}

static void check_distinct(
    const struct problem *p, int64_t query, const int64_t *ids, int64_t n, uint8_t *seen)
{
	for (int64_t j = 0; j < n; j++) {
		int64_t row = row_of(p, ids[j]);
		if (seen[row]++)
			ck_abort_msg(
			    "%s: query %lld: id %lld twice", p->text, (long long)query, (long long)ids[j]);
	}
	for (int64_t j = 0; j < n; j++)
		seen[row_of(p, ids[j])] = 0;
}

void problem_check_topk(const struct problem *p, const float *dist, const int64_t *ids)
{
	struct rankings r = rankings_new(p);
	uint8_t *seen = make(p->n, 1);
	float none = problem_similarity(p) ? -INFINITY : INFINITY;
	for (int64_t query = 0; query < p->nq; query++) {
		rank_all(p, query, &r);
		int64_t n = p->passing < p->k ? p->passing : p->k;
		for (int64_t j = 0; j < p->k; j++) {
			float d = dist[query * p->k + j];
			int64_t id = ids[query * p->k + j];
			if (j < n) {
				check_hit(p, query, j, &r, ids + query * p->k);
				check_dist(p, query, row_of(p, id), d);
			} else if (id != -1 || d != none) {
				ck_abort_msg("%s: query %lld, rank %lld of %lld: id %lld, distance %g",
				    p->text, (long long)query, (long long)j, (long long)n, (long long)id,
				    (double)d);
			}
		}
		check_distinct(p, query, ids + query * p->k, n, seen);
	}
	rankings_free(&r);
	free(seen);
}

/* Whether a key is beyond the limit, a score. */
static bool beyond(const struct problem *p, double key, double limit)
{
	double score = (double)(float)problem_convert(p, key);
	return problem_similarity(p) ? score < limit : score > limit;
}

/* One list: sorted, everything in it within the radius, nothing left out. */
static void check_list(const struct problem *p, int64_t query, double limit, int64_t n, const float *dist,
    const int64_t *ids, uint8_t *listed)
{
	double sign = problem_similarity(p) ? -1 : 1;
	memset(listed, 0, (size_t)p->n);
	for (int64_t j = 0; j < n; j++) {
		int64_t row = row_of(p, ids[j]);
		REQUIRE(row >= 0 && !listed[row] && (!p->pass || p->pass[row]));
		listed[row] = 1;
		check_dist(p, query, row, dist[j]);
		if (j && (sign * (double)dist[j - 1] > sign * (double)dist[j] ||
		             (p->integral && dist[j - 1] == dist[j] && ids[j - 1] > ids[j] &&
		                 problem_key(p, query, row) == problem_key(p, query, row_of(p, ids[j - 1])))))
			ck_abort_msg("%s: query %lld: result %lld is out of order", p->text, (long long)query,
			    (long long)j);
	}
	for (int64_t row = 0; row < p->n; row++) {
		double key = problem_key(p, query, row), off = problem_tolerance(p, query, row, key);
		bool passes = !p->pass || p->pass[row];
		/* Keys compare as the floats that are reported. */
		if ((listed[row] && beyond(p, key - off, limit)) ||
		    (!listed[row] && passes && !beyond(p, key + off, limit)))
			ck_abort_msg("%s: query %lld: row %lld with key %.17g is %s, the limit is %.17g",
			    p->text, (long long)query, (long long)row, key,
			    listed[row] ? "listed" : "missing", limit);
	}
}

void problem_check_range(const struct problem *p, float radius, const kith_ranges *ranges)
{
	uint8_t *listed = make(p->n, 1);
	int64_t total = 0;
	REQUIRE(kith_ranges_queries(ranges) == p->nq);
	for (int64_t query = 0; query < p->nq; query++) {
		int64_t n;
		const float *dist;
		const int64_t *ids;
		OK(kith_ranges_get(ranges, query, &n, &dist, &ids));
		check_list(p, query, (double)radius, n, dist, ids, listed);
		total += n;
	}
	REQUIRE(kith_ranges_total(ranges) == total);
	free(listed);
}
