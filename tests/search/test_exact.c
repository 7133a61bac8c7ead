/* Exact search is exact: every way through the engine against brute force, on data that tries to break its
 * error bounds; and the same bits from every instruction set, number of threads and batch.
 *
 * One test per kind of data. The sizes, metric, types and filter of its problems come from shuffled decks
 * (problem.c); the seed is fixed, so a failure comes again.
 */
#include "tests/search/problem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* dist and ids of one way to search. */
struct answer {
	float *dist;
	int64_t *ids;
};

static struct answer answer_new(const struct problem *p)
{
	struct answer a = {make(p->nq * p->k, sizeof(float)), make(p->nq * p->k, sizeof(int64_t))};
	/* What is not written shows. */
	memset(a.dist, 0x7e, (size_t)(p->nq * p->k) * sizeof *a.dist);
	memset(a.ids, 0x7e, (size_t)(p->nq * p->k) * sizeof *a.ids);
	return a;
}

static void answer_free(struct answer *a)
{
	free(a->dist);
	free(a->ids);
}

static const char *query_at(const struct problem *p, int64_t i)
{
	return (const char *)p->q + (size_t)(i * p->dim) * kith_type_size(p->query_type);
}

static kith_search_options options_of(const struct problem *p, int threads)
{
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.threads = threads;
	options.filter = p->filter;
	return options;
}

static void same(const struct problem *p, const struct answer *want, struct answer *got, const char *how)
{
	size_t cells = (size_t)(p->nq * p->k);
	for (size_t i = 0; i < cells; i++)
		if (got->ids[i] != want->ids[i] || memcmp(&got->dist[i], &want->dist[i], sizeof(float)))
			ck_abort_msg("%s: %s: query %zu, rank %zu: (%.9g, %lld), not (%.9g, %lld)", p->text,
			    how, i / (size_t)p->k, i % (size_t)p->k, (double)got->dist[i],
			    (long long)got->ids[i], (double)want->dist[i], (long long)want->ids[i]);
	answer_free(got);
}

/* Queries from … from + n − 1 in one call. */
static void search_part(const struct problem *p, const kith_index *index, int64_t from, int64_t n,
    const kith_search_options *options, struct answer *a)
{
	OK(kith_index_search_as(index, p->query_type, n, query_at(p, from), p->k, a->dist + from * p->k,
	    a->ids + from * p->k, options));
}

static void try_isas(
    const struct problem *p, const kith_index *index, const struct answer *want, struct rng *rng)
{
	static const int threads[] = {1, 2, 5};
	struct isa_list isas = isa_list();
	for (int i = 0; i < isas.n; i++) {
		char how[64];
		kith_search_options options = options_of(p, threads[rng_below(rng, 3)]);
		struct answer a = answer_new(p);
		OK(kith_set_isa(isas.name[i]));
		search_part(p, index, 0, p->nq, &options, &a);
		snprintf(how, sizeof how, "%s, %d threads", isas.name[i], options.threads);
		same(p, want, &a, how);
	}
	OK(kith_set_isa(NULL));
}

static void try_batches(
    const struct problem *p, const kith_index *index, const struct answer *want, struct rng *rng)
{
	static const int64_t sizes[] = {1, 2, 5, 6, 7, 13, 47, 48, 49};
	struct answer a = answer_new(p);
	for (int64_t at = 0, n; at < p->nq; at += n) {
		kith_search_options options = options_of(p, 1 + (int)rng_below(rng, 2));
		n = sizes[rng_below(rng, 9)];
		n = n < p->nq - at ? n : p->nq - at;
		search_part(p, index, at, n, &options, &a);
	}
	same(p, want, &a, "in batches");
}

static void try_knn(const struct problem *p, const struct answer *want, struct rng *rng)
{
	kith_search_options options = options_of(p, 1 + (int)rng_below(rng, 3));
	struct answer a = answer_new(p);
	OK(kith_knn(p->dim, p->metric, p->base_type, p->n, p->x, p->nq, p->q, p->k, a.dist, a.ids, &options));
	same(p, want, &a, "kith_knn");
}

/* In pieces of any size, rows apart by any number of bytes, beginning at any address. */
static void try_stream(const struct problem *p, const struct answer *want, struct rng *rng)
{
	kith_search_options options = options_of(p, 1 + (int)rng_below(rng, 2));
	struct answer a = answer_new(p);
	kith_knn_stream *stream;
	OK(kith_knn_stream_new(&stream, p->dim, p->metric, p->base_type, p->nq, p->q, p->k, &options));
	size_t row = (size_t)p->dim * kith_type_size(p->base_type);
	for (int64_t at = 0, n; at < p->n; at += n) {
		size_t pad = (size_t)rng_below(rng, 8), offset = (size_t)rng_below(rng, 4);
		const char *from = (const char *)p->x + (size_t)at * row;
		n = 1 + rng_below(rng, p->n - at < 20 ? p->n - at : (p->n - at + 1) / 2);
		size_t bytes = offset + (size_t)n * (row + pad) - pad;
		char *copy = make((int64_t)bytes, 1);
		for (int64_t i = 0; i < n; i++)
			memcpy(copy + offset + (size_t)i * (row + pad), from + (size_t)i * row, row);
		OK(kith_knn_stream_feed(stream, n, copy + offset, pad ? row + pad : 0));
		free(copy);
	}
	OK(kith_knn_stream_get(stream, a.dist, a.ids));
	kith_knn_stream_free(stream);
	same(p, want, &a, "kith_knn_stream");
}

static void try_problem(struct problem *p, struct rng *rng)
{
	kith_index *index = problem_index(p);
	kith_search_options options = options_of(p, 1);
	struct answer want = answer_new(p);
	search_part(p, index, 0, p->nq, &options, &want);
	problem_check_topk(p, want.dist, want.ids);
	try_isas(p, index, &want, rng);
	try_batches(p, index, &want, rng);
	if (p->query_type == p->base_type && !p->ids) {
		try_knn(p, &want, rng);
		try_stream(p, &want, rng);
	}
	answer_free(&want);
	kith_index_free(index);
	problem_free(p);
}

START_TEST(exact)
{
	/* KITH_TEST_SEED and KITH_TEST_PROBLEMS look further. */
	uint64_t seed = (uint64_t)test_setting("KITH_TEST_SEED", 1) * 1000 + (uint64_t)_i;
	struct decks *decks = decks_new(seed);
	struct rng rng = {~seed};
	int64_t problems = test_setting("KITH_TEST_PROBLEMS", sanitized ? 18 : 36);
	for (int64_t i = 0; i < problems; i++) {
		struct problem p;
		/* Mostly small; now and then enough for several threads and many blocks. */
		problem_make(&p, decks, (enum data_kind)_i, i % 9 == 8 ? 40000000 : 4000000);
		try_problem(&p, &rng);
	}
	decks_free(decks);
}
END_TEST

/* Two tight clusters, opposite each other so that no centre makes them short: within a cluster, keys differ
 * by little more than floats can tell, and the error bounds decide what is kept. */
START_TEST(near_ties)
{
	static const struct {
		float x, q, noise;
	} scales[] = {{1, 1, 1e-6f}, {1e-25f, 1e8f, 1e-6f}, {1e-12f, 1e3f, 1e-6f}, {1e10f, 1e-10f, 1e-6f},
	    {1e-25f, 1e8f, 1e-3f}, {1e4f, 1e4f, 1e-2f}};
	static const int64_t nqs[] = {8, 14, 40};
	enum { N = 6000, DIM = 96, K = 10 };
	int scale = _i / 3;
	struct rng rng = {(uint64_t)_i};
	for (int i = 0; i < 3; i++) {
		struct problem p = {
		    .metric = (kith_metric)(_i % 3), .n = N, .dim = DIM, .nq = nqs[i], .k = K};
		float *x = make_gauss(8, N, DIM), *q = make_gauss(9, nqs[i], DIM);
		for (int64_t j = DIM; j < N * DIM; j++) {
			float around = j / DIM % 2 ? -x[j % DIM] : x[j % DIM];
			x[j] = scales[scale].x * (around + scales[scale].noise * x[j]);
		}
		for (int64_t j = 0; j < DIM; j++)
			x[j] *= scales[scale].x;
		for (int64_t j = 0; j < nqs[i] * DIM; j++)
			q[j] *= scales[scale].q;
		problem_take(&p, KITH_F32, x, q);
		try_problem(&p, &rng);
	}
}
END_TEST

/* Dimensions beyond what fits a block of the codec, up to the largest. */
START_TEST(long_vectors)
{
	static const int64_t dims[] = {1023, 1025, 3001, KITH_MAX_DIM};
	struct rng rng = {(uint64_t)_i};
	struct problem p = {.metric = (kith_metric)(_i % 3), .n = 70, .dim = dims[_i / 3], .nq = 20, .k = 70};
	problem_take(&p, KITH_F32, make_gauss(1, p.n, p.dim), make_gauss(2, p.nq, p.dim));
	try_problem(&p, &rng);
}
END_TEST

/* Equal vectors by the thousand: the order of ids decides, with ids in storage order and against it. */
START_TEST(ten_thousand_equal)
{
	enum { N = 10000, DIM = 24, NQ = 60, K = 100 };
	struct problem p = {.metric = (kith_metric)_i, .n = N, .dim = DIM, .nq = NQ, .k = K};
	float *x = make(N * DIM, sizeof *x), *q = make_gauss(4, NQ, DIM), *one = make_gauss(5, 1, DIM);
	int64_t *ids = make(N, sizeof *ids);
	for (int64_t i = 0; i < N; i++) {
		memcpy(x + i * DIM, one, DIM * sizeof *x);
		ids[i] = 3 * (N - i);
	}
	kith_index *index;
	OK(kith_index_new(&index, DIM, p.metric, "Flat"));
	OK(kith_index_add(index, N, x, ids, NULL));
	static const int64_t nqs[] = {1, 6, 60};
	for (int i = 0; i < 3; i++) {
		struct answer a = answer_new(&p);
		OK(kith_index_search(index, nqs[i], q, K, a.dist, a.ids, NULL));
		for (int64_t j = 0; j < nqs[i] * K; j++)
			REQUIRE(a.ids[j] == 3 * (j % K + 1) && a.dist[j] == a.dist[j / K * K]);
		OK(kith_knn(DIM, p.metric, KITH_F32, N, x, nqs[i], q, K, a.dist, a.ids, NULL));
		for (int64_t j = 0; j < nqs[i] * K; j++)
			REQUIRE(a.ids[j] == j % K && a.dist[j] == a.dist[j / K * K]);
		answer_free(&a);
	}
	kith_index_free(index);
	free(ids);
	free(one);
	free(q);
	free(x);
}
END_TEST

/* The low-precision pass earns its keep: few pairs need the exact distance. */
START_TEST(few_exact_distances)
{
	enum { N = 20000, DIM = 64, NQ = 100, K = 10 };
	float *x = make_gauss(6, N, DIM), *q = make_gauss(7, NQ, DIM), *dist = make(NQ * K, sizeof *dist);
	int64_t *ids = make(NQ * K, sizeof *ids);
	kith_index *index = make_index(DIM, (kith_metric)_i, "Flat", N, x);
	static const int64_t nqs[] = {1, 20, 100};
	for (int i = 0; i < 3; i++) {
		kith_search_stats stats = {.size = sizeof stats};
		kith_search_options options = KITH_SEARCH_OPTIONS;
		options.stats = &stats;
		OK(kith_index_search(index, nqs[i], q, K, dist, ids, &options));
		REQUIRE(stats.pairs == nqs[i] * N);
		REQUIRE(stats.exact >= nqs[i] * K);
		if (stats.exact > stats.pairs / 20)
			ck_abort_msg("%s, %lld queries: %lld exact distances of %lld",
			    kith_metric_name((kith_metric)_i), (long long)nqs[i], (long long)stats.exact,
			    (long long)stats.pairs);
	}
	kith_index_free(index);
	free(ids);
	free(dist);
	free(q);
	free(x);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("exact");
	TCase *t = tcase_create("exact");
	tcase_set_timeout(t, 600);
	tcase_add_loop_test(t, exact, 0, DATA_KINDS);
	tcase_add_loop_test(t, near_ties, 0, 18);
	tcase_add_loop_test(t, long_vectors, 0, 12);
	tcase_add_loop_test(t, ten_thousand_equal, 0, 3);
	tcase_add_loop_test(t, few_exact_distances, 0, 3);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
