/* Problems: sizes from decks, so that a few hundred of them meet every value of every parameter. */
#include "tests/search/problem.h"

#include "tests/search/data.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum deck_kind { DECK_DIM, DECK_N, DECK_NQ, DECK_K, DECK_METRIC, DECK_FILTER, DECK_IDS, DECK_TYPES, DECKS };

static const int64_t dims[] = {1, 2, 3, 5, 31, 64, 65, 100, 128, 257, 960};
static const int64_t ns[] = {0, 1, 2, 63, 64, 65, 1000, 5000, 5000};
static const int64_t nqs[] = {1, 2, 5, 6, 7, 15, 16, 47, 48, 49, 100, 300};
static const int64_t ks[] = {1, 3, 10, 100, 6000};
/* −4p for Lp. */
static const int64_t metrics[] = {KITH_L2, KITH_IP, KITH_COSINE, KITH_L1, KITH_LINF, KITH_CANBERRA,
    KITH_BRAY_CURTIS, KITH_JENSEN_SHANNON, KITH_JACCARD, KITH_NAN_EUCLIDEAN, -7, -12};
enum { ALL, NONE, ONE, PERCENT, HALF, ALL_BUT_ONE };
static const int64_t filters[] = {ALL, ALL, ALL, NONE, ONE, PERCENT, HALF, HALF, ALL_BUT_ONE};
static const int64_t ids[] = {0, 0, 1};
static const int64_t types[] = {0, 1, 2, 3, 4, 5, 6, 7};

static const struct {
	const int64_t *values;
	int64_t n;
} deck_values[DECKS] = {
    {dims, sizeof dims / sizeof *dims},
    {ns, sizeof ns / sizeof *ns},
    {nqs, sizeof nqs / sizeof *nqs},
    {ks, sizeof ks / sizeof *ks},
    {metrics, sizeof metrics / sizeof *metrics},
    {filters, sizeof filters / sizeof *filters},
    {ids, sizeof ids / sizeof *ids},
    {types, sizeof types / sizeof *types},
};

struct decks {
	struct rng rng;
	int64_t card[DECKS][16], left[DECKS];
};

struct decks *decks_new(uint64_t seed)
{
	struct decks *decks = make(1, sizeof *decks);
	decks->rng.state = seed;
	return decks;
}

void decks_free(struct decks *decks)
{
	free(decks);
}

static int64_t deal(struct decks *decks, enum deck_kind kind)
{
	int64_t n = deck_values[kind].n;
	if (decks->left[kind] == 0) {
		memcpy(decks->card[kind], deck_values[kind].values, (size_t)n * sizeof(int64_t));
		rng_shuffle(&decks->rng, decks->card[kind], n);
		decks->left[kind] = n;
	}
	return decks->card[kind][--decks->left[kind]];
}

/* Element types: byte bases meet queries of the same and of other types, and so do floats. */
static void choose_types(struct problem *p, int64_t card)
{
	static const kith_type byte_types[][2] = {{KITH_U8, KITH_U8}, {KITH_I8, KITH_I8}, {KITH_U8, KITH_U8},
	    {KITH_I8, KITH_I8}, {KITH_U8, KITH_F32}, {KITH_I8, KITH_F32}, {KITH_U8, KITH_I8},
	    {KITH_I8, KITH_U8}};
	p->base_type = p->query_type = KITH_F32;
	if (p->kind >= BYTES) {
		p->base_type = byte_types[card][0];
		p->query_type = byte_types[card][1];
	} else if (card >= 6) {
		p->query_type = card == 6 ? KITH_U8 : KITH_I8;
	}
}

static void choose_sizes(struct problem *p, struct decks *decks, int64_t work)
{
	p->dim = deal(decks, DECK_DIM);
	p->n = deal(decks, DECK_N);
	p->nq = deal(decks, DECK_NQ);
	p->k = deal(decks, DECK_K);
	int64_t metric = deal(decks, DECK_METRIC);
	p->metric = metric < 0 ? kith_metric_lp((float)-metric / 4) : (kith_metric)metric;
	/* Too much work: drop a quarter of one or the other, so that odd sizes come up as well. */
	while (p->n * p->nq * p->dim > work) {
		if (rng_below(&decks->rng, 2) && p->nq > 1)
			p->nq -= (p->nq + 3) / 4;
		else
			p->n -= (p->n + 3) / 4;
	}
	if (p->k > 100)
		p->k = p->n + 5;
}

/* Queries of a byte base that are floats: its own integers, or for every other problem others too. */
static void float_queries(struct problem *p, struct rng *rng)
{
	float *q = p->q;
	bool fractions = rng_below(rng, 2);
	for (int64_t i = 0; i < p->nq * p->dim; i++) {
		q[i] = (float)(rng_below(rng, 256) - (p->base_type == KITH_I8 ? 128 : 0));
		if (fractions && rng_below(rng, 100) == 0)
			q[i] = rng_below(rng, 2) ? q[i] + 0.5f : 1000 * rng_gauss(rng);
	}
	p->integral = p->integral && !fractions;
}

/* Make what the metric compares of vectors: without negative elements, or with missing ones. */
static void suit_metric(const struct problem *p, kith_type type, int64_t n, void *x)
{
	bool signs = p->metric != KITH_JENSEN_SHANNON && p->metric != KITH_JACCARD;
	float *floats = x;
	int8_t *bytes = x;
	for (int64_t i = 0; i < n * p->dim; i++) {
		if (type == KITH_F32 && !signs)
			floats[i] = fabsf(floats[i]);
		if (type == KITH_F32 && p->metric == KITH_NAN_EUCLIDEAN && (i * 7 + n) % 11 == 0)
			floats[i] = NAN;
		if (type == KITH_I8 && !signs)
			bytes[i] = bytes[i] == -128 ? 127 : (int8_t)abs(bytes[i]);
	}
}

static void make_vectors(struct problem *p, struct rng *rng)
{
	uint64_t seed = rng_next(rng);
	p->x = make(p->n * p->dim, kith_type_size(p->base_type));
	p->q = make(p->nq * p->dim, kith_type_size(p->query_type));
	bool sums = p->metric != KITH_COSINE && p->metric >= KITH_L2 && p->metric <= KITH_LINF;
	p->integral = data_integral(p->kind) && sums;
	if (p->base_type == KITH_F32)
		data_floats(p->kind, seed, false, p->n, p->n, p->dim, p->x);
	else
		data_bytes(p->kind, seed, p->base_type, p->n, p->dim, p->x);
	if (p->query_type != KITH_F32)
		data_bytes(p->kind, seed + 1, p->query_type, p->nq, p->dim, p->q);
	else if (p->base_type == KITH_F32)
		data_floats(p->kind, seed, true, p->n, p->nq, p->dim, p->q);
	else
		float_queries(p, rng);
	suit_metric(p, p->base_type, p->n, p->x);
	suit_metric(p, p->query_type, p->nq, p->q);
}

static int compare_pairs(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* Distinct ids in no order: far apart, up to the largest that is allowed. */
static void make_ids(struct problem *p, struct rng *rng, bool shuffled)
{
	p->by_id = make(p->n, sizeof *p->by_id);
	if (shuffled) {
		p->ids = make(p->n, sizeof *p->ids);
		for (int64_t i = 0; i < p->n; i++)
			p->ids[i] = i % 5 == 4 ? INT64_MAX - 1 - i : i * 3;
		rng_shuffle(rng, p->ids, p->n);
	}
	for (int64_t i = 0; i < p->n; i++) {
		p->by_id[i][0] = p->ids ? p->ids[i] : i;
		p->by_id[i][1] = i;
	}
	qsort(p->by_id, (size_t)p->n, sizeof *p->by_id, compare_pairs);
}

static void choose_pass(struct problem *p, struct rng *rng, int64_t card)
{
	p->passing = p->n;
	if (card == ALL)
		return;
	p->pass = make(p->n, 1);
	p->passing = 0;
	int64_t one = p->n ? rng_below(rng, p->n) : 0;
	for (int64_t i = 0; i < p->n; i++) {
		p->pass[i] = card == ONE           ? i == one
		             : card == ALL_BUT_ONE ? i != one
		             : card == PERCENT     ? rng_below(rng, 100) == 0
		             : card == HALF        ? rng_below(rng, 2) == 0
		                                   : 0;
		p->passing += p->pass[i];
	}
}

static int look_up(void *data, int64_t id)
{
	const struct problem *p = data;
	int64_t key[2] = {id, 0};
	const int64_t(*found)[2] = bsearch(key, p->by_id, (size_t)p->n, sizeof *p->by_id, compare_pairs);
	return found && p->pass[(*found)[1]];
}

/* The same set of ids in one of several ways. */
static void make_filter(struct problem *p, struct rng *rng)
{
	if (!p->pass)
		return;
	int64_t *list = make(p->n, sizeof *list), count = 0, way = rng_below(rng, 4);
	uint8_t *bits = make(p->n / 8 + 1, 1);
	for (int64_t i = 0; i < p->n; i++) {
		if (p->pass[i] == (way != 1))
			list[count++] = p->ids ? p->ids[i] : i;
		bits[i / 8] |= (uint8_t)(p->pass[i] << (i % 8));
	}
	kith_filter *a;
	if (way == 0 || (way == 3 && p->ids)) {
		OK(kith_filter_ids(&p->filter, count, list));
	} else if (way == 1) {
		OK(kith_filter_ids(&a, count, list));
		OK(kith_filter_not(&p->filter, a));
	} else if (way == 2) {
		OK(kith_filter_callback(&p->filter, look_up, p));
	} else {
		OK(kith_filter_bitmap(&p->filter, p->n, bits));
	}
	free(list);
	free(bits);
}

/* Floats of any rows; under cosine of unit length, rounded to floats as the index keeps them. */
static void widen(
    const struct problem *p, kith_type type, const void *from, int64_t n, float *to, double *norm)
{
	for (int64_t i = 0; i < n; i++) {
		float *row = to + i * p->dim;
		double sq = 0;
		for (int64_t j = 0; j < p->dim; j++) {
			size_t at = (size_t)(i * p->dim + j);
			row[j] = type == KITH_F32  ? ((const float *)from)[at]
			         : type == KITH_U8 ? (float)((const uint8_t *)from)[at]
			                           : (float)((const int8_t *)from)[at];
			sq += (double)row[j] * (double)row[j];
		}
		norm[i] = sqrt(sq);
		if (p->metric != KITH_COSINE || sq == 0)
			continue;
		for (int64_t j = 0; j < p->dim; j++)
			row[j] = (float)((double)row[j] * (1 / norm[i]));
		norm[i] = 1;
	}
}

static void prepare(struct problem *p)
{
	p->xf = make(p->n * p->dim, sizeof *p->xf);
	p->qf = make(p->nq * p->dim, sizeof *p->qf);
	p->xnorm = make(p->n, sizeof *p->xnorm);
	p->qnorm = make(p->nq, sizeof *p->qnorm);
	widen(p, p->base_type, p->x, p->n, p->xf, p->xnorm);
	widen(p, p->query_type, p->q, p->nq, p->qf, p->qnorm);
	snprintf(p->text, sizeof p->text, "%s %s: %s x [%lld × %lld], %s q [%lld], k %lld, %lld pass%s",
	    data_names[p->kind], kith_metric_name(p->metric), kith_type_name(p->base_type), (long long)p->n,
	    (long long)p->dim, kith_type_name(p->query_type), (long long)p->nq, (long long)p->k,
	    (long long)p->passing, p->ids ? ", ids" : "");
}

void problem_make(struct problem *p, struct decks *decks, enum data_kind kind, int64_t work)
{
	*p = (struct problem){.kind = kind};
	struct rng rng = {rng_next(&decks->rng)};
	choose_types(p, deal(decks, DECK_TYPES));
	choose_sizes(p, decks, work);
	make_vectors(p, &rng);
	make_ids(p, &rng, deal(decks, DECK_IDS));
	choose_pass(p, &rng, deal(decks, DECK_FILTER));
	make_filter(p, &rng);
	prepare(p);
}

void problem_take(struct problem *p, kith_type type, void *x, void *q)
{
	struct rng rng = {1};
	p->base_type = p->query_type = type;
	p->x = x;
	p->q = q;
	p->passing = p->n;
	make_ids(p, &rng, false);
	prepare(p);
}

void problem_free(struct problem *p)
{
	kith_filter_free(p->filter);
	free(p->x);
	free(p->q);
	free(p->ids);
	free(p->pass);
	free(p->by_id);
	free(p->xf);
	free(p->qf);
	free(p->xnorm);
	free(p->qnorm);
}

kith_index *problem_index(const struct problem *p)
{
	kith_index *index;
	bool floats = p->base_type == KITH_F32 || p->metric > KITH_COSINE || p->metric < 0;
	const char *spec = floats ? "Flat" : p->base_type == KITH_U8 ? "SQ8_direct" : "SQ8_direct_signed";
	OK(kith_index_new(&index, p->dim, p->metric, spec));
	int64_t first = p->n / 3;
	size_t row = (size_t)p->dim * kith_type_size(p->base_type);
	OK(kith_index_add_as(index, p->base_type, first, p->x, p->ids, NULL));
	OK(kith_index_add_as(index, p->base_type, p->n - first, (const char *)p->x + (size_t)first * row,
	    p->ids ? p->ids + first : NULL, NULL));
	REQUIRE(kith_index_size(index) == p->n);
	return index;
}
