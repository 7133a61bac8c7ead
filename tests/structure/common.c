/* See common.h. */
#include "tests/structure/common.h"

#include "lib/base/alloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { K = 10 };

float *make_cloud(uint64_t seed, int64_t n, int64_t dim, int64_t rank)
{
	struct rng rng = {7};
	float *directions = make(rank * dim, sizeof *directions), *x = make(n * dim, sizeof *x);
	for (int64_t i = 0; i < rank * dim; i++)
		directions[i] = rng_gauss(&rng) / sqrtf((float)dim);
	rng = (struct rng){seed};
	for (int64_t i = 0; i < n; i++) {
		for (int64_t j = 0; j < dim; j++)
			x[i * dim + j] = 1 + (float)(j % 3);
		for (int64_t r = 0; r < rank; r++) {
			float amount = rng_gauss(&rng) * 10 / (float)(1 + r);
			for (int64_t j = 0; j < dim; j++)
				x[i * dim + j] += amount * directions[r * dim + j];
		}
	}
	free(directions);
	return x;
}

kith_index *make_trained(int64_t dim, kith_metric metric, const char *spec, int64_t n, const float *x)
{
	kith_index *index;
	OK(kith_index_new(&index, dim, metric, spec));
	if (!kith_index_trained(index))
		OK(kith_index_train(index, n, x, NULL));
	REQUIRE(kith_index_trained(index));
	return index;
}

kith_index *make_filled(int64_t dim, kith_metric metric, const char *spec, int64_t n, const float *x)
{
	kith_index *index = make_trained(dim, metric, spec, n, x);
	OK(kith_index_add(index, n, x, NULL, NULL));
	REQUIRE(kith_index_size(index) == n);
	return index;
}

struct answer {
	float *dist;
	int64_t *ids;
};

static struct answer ask(
    const kith_index *index, int64_t nq, const float *q, const kith_search_options *options)
{
	struct answer a = {make(nq * K, sizeof *a.dist), make(nq * K, sizeof *a.ids)};
	OK(kith_index_search(index, nq, q, K, a.dist, a.ids, options));
	return a;
}

static void forget(struct answer *a)
{
	free(a->dist);
	free(a->ids);
}

void check_alike(const kith_index *a, const kith_index *b, int64_t nq, const float *q, double tolerance)
{
	struct answer x = ask(a, nq, q, NULL), y = ask(b, nq, q, NULL);
	double max = 0;
	for (int64_t i = 0; i < nq * K; i++)
		max = isfinite(y.dist[i]) ? fmax(max, fabs((double)y.dist[i])) : max;
	for (int64_t i = 0; i < nq * K; i++) {
		REQUIRE((x.ids[i] < 0) == (y.ids[i] < 0));
		double off = x.ids[i] < 0 ? 0 : fabs((double)x.dist[i] - (double)y.dist[i]);
		if (off > tolerance * max)
			ck_abort_msg("%s: query %lld, result %lld is %.9g, not %.9g", kith_index_describe(a),
			    (long long)(i / K), (long long)(i % K), (double)x.dist[i], (double)y.dist[i]);
	}
	forget(&x);
	forget(&y);
}

void check_same(
    const kith_index *a, const kith_index *b, int64_t nq, const float *q, const kith_search_options *options)
{
	static const int threads[] = {1, 2, 5};
	kith_search_options full = KITH_SEARCH_OPTIONS;
	if (options)
		full = *options;
	struct answer x = ask(a, nq, q, &full);
	for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
		full.threads = threads[i];
		struct answer y = ask(b, nq, q, &full);
		REQUIRE(memcmp(x.dist, y.dist, (size_t)(nq * K) * sizeof *x.dist) == 0);
		REQUIRE(memcmp(x.ids, y.ids, (size_t)(nq * K) * sizeof *x.ids) == 0);
		forget(&y);
	}
	/* One query at a time. */
	full.threads = 2;
	for (int64_t i = 0; i < nq; i += 7) {
		struct answer y = ask(b, 1, q + i * kith_index_dim(b), &full);
		REQUIRE(memcmp(x.dist + i * K, y.dist, K * sizeof *x.dist) == 0);
		REQUIRE(memcmp(x.ids + i * K, y.ids, K * sizeof *x.ids) == 0);
		forget(&y);
	}
	forget(&x);
}

static void remove_range(kith_index *index, int64_t from, int64_t to, int64_t want)
{
	kith_filter *filter;
	int64_t removed;
	OK(kith_filter_range(&filter, from, to));
	OK(kith_index_remove(index, filter, &removed));
	REQUIRE(removed == want);
	kith_filter_free(filter);
}

/* Check that both indexes have the same ids. */
static void check_ids(const kith_index *a, const kith_index *b)
{
	int64_t n = kith_index_size(a), *ids = make(n, sizeof *ids);
	REQUIRE(n == kith_index_size(b));
	OK(kith_index_ids(a, ids));
	for (int64_t i = 0; i < n; i++) {
		REQUIRE(kith_index_has(b, ids[i]));
		REQUIRE(kith_index_has(a, ids[i]));
	}
	REQUIRE(!kith_index_has(a, 123456789));
	free(ids);
}

void check_changes(kith_index *index, const char *spec, int64_t n, const float *x, double tolerance)
{
	enum { SOME = 50 };
	int64_t dim = kith_index_dim(index), ids[SOME];
	kith_index *twin = make_filled(dim, kith_index_metric(index), spec, n, x), *both[] = {index, twin},
	           *copy;
	for (int64_t i = 0; i < SOME; i++)
		ids[i] = 5 + 3 * i;
	for (int i = 0; i < 2; i++) {
		OK(kith_index_update(both[i], SOME, x + (n - SOME) * dim, ids));
		remove_range(both[i], 20, 60, 40);
		OK(kith_index_reserve(both[i], 2 * n));
		for (int64_t j = 0; j < SOME; j++)
			ids[j] = 1000000 - 7 * j;
		OK(kith_index_add(both[i], SOME, x, ids, NULL));
		OK(kith_index_add(both[i], SOME, x + SOME * dim, NULL, NULL));
		REQUIRE(kith_index_has(both[i], 1000001));
		for (int64_t j = 0; j < SOME; j++)
			ids[j] = 5 + 3 * j;
	}
	check_ids(index, twin);
	check_alike(index, twin, 40, x, tolerance);
	OK(kith_index_clone(&copy, index));
	REQUIRE(strcmp(kith_index_describe(copy), kith_index_describe(index)) == 0);
	REQUIRE(kith_index_memory(copy) > 0 && kith_index_memory(index) > 0);
	remove_range(index, 0, INT64_MAX, kith_index_size(index));
	REQUIRE(kith_index_size(index) == 0 && !kith_index_has(index, 0));
	check_ids(copy, twin);
	check_alike(copy, twin, 40, x, tolerance);
	int64_t again = 12, absent = 30;
	FAILS(kith_index_add(copy, 1, x, &again, NULL), KITH_INVALID, "12");
	FAILS(kith_index_update(copy, 1, x, &absent), KITH_NOTFOUND, "30");
	FAILS(kith_index_get(copy, 1, &absent, NULL), KITH_INVALID, "NULL");
	check_ids(copy, twin);
	kith_index_free(copy);
	kith_index_free(twin);
}

double recall(const kith_index *index, int64_t n, const float *x, int64_t nq, const float *q, int64_t k,
    const kith_search_options *options)
{
	float *dist = make(nq * k, sizeof *dist);
	int64_t *got = make(nq * k, sizeof *got), *want = make(nq * k, sizeof *want), hits = 0;
	kith_index *flat = make_filled(kith_index_dim(index), kith_index_metric(index), "Flat", n, x);
	OK(kith_index_search(flat, nq, q, k, dist, want, NULL));
	OK(kith_index_search(index, nq, q, k, dist, got, options));
	for (int64_t i = 0; i < nq; i++)
		for (int64_t a = 0; a < k; a++)
			for (int64_t b = 0; b < k; b++)
				hits += want[i * k + a] == got[i * k + b];
	kith_index_free(flat);
	free(dist);
	free(got);
	free(want);
	return (double)hits / (double)(nq * k);
}

/* ---- faults ---- */

enum { FAULT_N = 300, FAULT_NQ = 20 };

struct world {
	kith_index *index;
	const float *x;
	kith_index *made;
	kith_ranges *ranges;
	float *out;
};

static kith_status fault_clone(struct world *w)
{
	return kith_index_clone(&w->made, w->index);
}

static kith_status fault_add(struct world *w)
{
	return kith_index_add(w->index, 30, w->x, NULL, NULL);
}

static kith_status fault_add_ids(struct world *w)
{
	int64_t ids[30];
	for (int64_t i = 0; i < 30; i++)
		ids[i] = 1000 + i * i;
	return kith_index_add(w->index, 30, w->x, ids, NULL);
}

static kith_status fault_update(struct world *w)
{
	int64_t ids[] = {3, 7, 100};
	float same[3 * 64];
	/* To the same vectors, so that an update of some of them does not matter. */
	for (int64_t i = 0; i < 3; i++)
		memcpy(same + i * kith_index_dim(w->index), w->x + ids[i] * kith_index_dim(w->index),
		    (size_t)kith_index_dim(w->index) * sizeof *same);
	return kith_index_update(w->index, 3, same, ids);
}

static kith_status fault_search(struct world *w)
{
	int64_t ids[FAULT_NQ * K];
	return kith_index_search(w->index, FAULT_NQ, w->x, K, w->out, ids, NULL);
}

static kith_status fault_range(struct world *w)
{
	return kith_index_range(w->index, FAULT_NQ, w->x, 20, &w->ranges, NULL);
}

static kith_status fault_get(struct world *w)
{
	int64_t ids[] = {0, 5, 199};
	return kith_index_get(w->index, 3, ids, w->out);
}

static kith_status fault_reserve(struct world *w)
{
	return kith_index_reserve(w->index, 5000);
}

static kith_status fault_remove(struct world *w)
{
	/* If the filter cannot be created, nothing is removed; otherwise all or nothing is. */
	kith_filter *filter;
	int64_t removed;
	kith_status status = kith_filter_range(&filter, 190, 195);
	if (status)
		return status;
	status = kith_index_remove(w->index, filter, &removed);
	kith_filter_free(filter);
	return status;
}

static kith_status (*const fault_calls[])(struct world *w) = {fault_clone, fault_add, fault_add_ids,
    fault_update, fault_search, fault_range, fault_get, fault_reserve, fault_remove};

/* Make a call in which allocation `at` fails. Returns false if it made fewer allocations. */
static bool fault_once(
    const kith_index *whole, kith_status (*call)(struct world *w), const float *x, int64_t at, bool sticky)
{
	struct world w = {.x = x, .out = make(FAULT_NQ * 64, sizeof(float))};
	int64_t live = alloc_live();
	OK(kith_index_clone(&w.index, whole));
	alloc_fail_at(at, sticky);
	kith_status status = call(&w);
	bool reached = alloc_count() >= at;
	alloc_fail_at(0, false);
	if (status) {
		REQUIRE(status == KITH_NOMEM && reached);
		REQUIRE(!w.made && !w.ranges);
		/* Removals from shards may be incomplete, and additions cannot be undone without memory. */
		bool shards = strstr(kith_index_describe(whole), "Shards") != NULL;
		if (!shards || (call != fault_remove && !sticky))
			check_same(whole, w.index, FAULT_NQ, x, NULL);
		check_ids(w.index, w.index);
	}
	kith_index_free(w.made);
	kith_ranges_free(w.ranges);
	kith_index_free(w.index);
	REQUIRE(alloc_live() == live);
	free(w.out);
	return reached;
}

/* Create and train an index. */
static bool fault_train(
    int64_t dim, kith_metric metric, const char *spec, const float *x, int64_t at, bool sticky)
{
	int64_t live = alloc_live();
	kith_index *index = NULL;
	alloc_fail_at(at, sticky);
	kith_status status = kith_index_new(&index, dim, metric, spec);
	if (status == KITH_OK)
		status = kith_index_train(index, FAULT_N, x, NULL);
	bool reached = alloc_count() >= at;
	alloc_fail_at(0, false);
	REQUIRE(status == KITH_OK || (status == KITH_NOMEM && reached));
	if (status && index) {
		OK(kith_index_train(index, FAULT_N, x, NULL));
		OK(kith_index_add(index, FAULT_N, x, NULL, NULL));
	}
	kith_index_free(index);
	REQUIRE(alloc_live() == live);
	return reached;
}

/* The first hundred allocations fail one after the other, later ones in steps. */
static int64_t after(int64_t at, int64_t step)
{
	return at < 100 ? at + 1 : at + (sanitized ? 7 * step : step);
}

void check_faults_of(const kith_index *whole, const float *x, int64_t step)
{
	/* Searches have allocated what an index keeps for them from here on. */
	check_same(whole, whole, FAULT_NQ, x, NULL);
	for (int sticky = 0; sticky < 2; sticky++)
		for (size_t c = 0; c < sizeof fault_calls / sizeof *fault_calls; c++)
			for (int64_t at = 1; fault_once(whole, fault_calls[c], x, at, sticky);)
				at = after(at, step);
}

void check_faults(int64_t dim, kith_metric metric, const char *spec, int64_t step)
{
	float *x = make_cloud(5, FAULT_N, dim, dim);
	bool signs = metric != KITH_JENSEN_SHANNON && metric != KITH_JACCARD;
	for (int64_t i = 0; !signs && i < FAULT_N * dim; i++)
		x[i] = fabsf(x[i]);
	kith_index *whole = make_filled(dim, metric, spec, FAULT_N, x);
	check_faults_of(whole, x, step);
	kith_index_free(whole);
	for (int sticky = 0; sticky < 2; sticky++)
		for (int64_t at = 1; fault_train(dim, metric, spec, x, at, sticky);)
			at = after(at, step);
	free(x);
}
