/* Graph indexes as their users see them, with every codec and metric. */
#include "tests/structure/common.h"
#include "tests/structure/graphs.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIM = 24, N = 4000, NQ = 100, K = 10 };

static const char *const codecs[] = {"Flat", "SQ8", "SQ6", "SQ4", "SQfp16", "SQbf16", "PQ6", "PQ8x4", "PQ4x6",
    "SQ8_direct", "SQ8_direct_signed"};
static const kith_metric metrics[] = {KITH_L2, KITH_IP, KITH_COSINE};

enum { CODECS = sizeof codecs / sizeof *codecs };

static bool is_signed(const char *codec)
{
	return strcmp(codec, "SQ8_direct_signed") == 0;
}

static kith_index *make_hnsw(const char *codec, kith_metric metric, int64_t n, const float *x)
{
	char spec[64];
	kith_add_options options = KITH_ADD_OPTIONS;
	options.efConstruction = 80;
	snprintf(spec, sizeof spec, "HNSW12,%s", codec);
	return make_graph(DIM, metric, spec, n, x, &options);
}

/* ---- searching ---- */

START_TEST(test_recall)
{
	const char *codec = codecs[_i % CODECS];
	kith_metric metric = metrics[sanitized ? _i % 3 : _i / CODECS];
	float *x = make_integers(1, N, DIM, is_signed(codec)),
	      *q = make_integers(2, NQ, DIM, is_signed(codec));
	kith_index *index = make_hnsw(codec, metric, N, x);
	kith_search_options options = KITH_SEARCH_OPTIONS;
	kith_search_stats stats = {.size = sizeof stats};
	options.stats = &stats;
	options.efSearch = 60;
	double recall = check_recall(index, NQ, q, K, &options, 1, 0);
	if (recall < (strstr(codec, "PQ") ? 0.9 : 0.95))
		ck_abort_msg(
		    "%s, %s: recall %.3f", kith_index_describe(index), kith_metric_name(metric), recall);
	REQUIRE(stats.pairs > 0 && stats.pairs < NQ * N / 3 && stats.exact >= NQ * K);
	/* Queries that no bytes come near to. */
	for (int64_t i = 0; i < NQ * DIM; i++)
		q[i] = q[i] * 0.93f - 2.3f;
	recall = check_recall(index, NQ, q, K, &options, 1, 0);
	if (recall < 0.9)
		ck_abort_msg("%s, %s: recall %.3f of other queries", kith_index_describe(index),
		    kith_metric_name(metric), recall);
	kith_index_free(index);
	free(x);
	free(q);
}
END_TEST

/* Lengths that differ widely: what inner product is hardest with. */
START_TEST(test_inner_product)
{
	float *x = make_gauss(7, N, DIM), *q = make_gauss(8, NQ, DIM);
	struct rng rng = {9};
	for (int64_t i = 0; i < N; i++) {
		float length = expf(0.5f * rng_gauss(&rng));
		for (int64_t j = 0; j < DIM; j++)
			x[i * DIM + j] *= length;
	}
	kith_index *index = make_hnsw("Flat", KITH_IP, N, x);
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.efSearch = 64;
	double recall = check_recall(index, NQ, q, K, &options, 1, 0);
	if (recall < 0.95)
		ck_abort_msg("recall %.3f", recall);
	/* Longer ones come later. */
	for (int64_t i = 0; i < N / 4 * DIM; i++)
		x[i] *= 3;
	OK(kith_index_add(index, N / 4, x, NULL, NULL));
	recall = check_recall(index, NQ, q, K, &options, 1, 0);
	if (recall < 0.95)
		ck_abort_msg("recall %.3f after longer vectors", recall);
	kith_index_free(index);
	free(x);
	free(q);
}
END_TEST

START_TEST(test_threads_and_batches)
{
	float *x = make_integers(1, N, DIM, false), *q = make_integers(2, NQ, DIM, false);
	kith_index *index = make_hnsw(codecs[_i], KITH_L2, N, x);
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.efSearch = 20;
	check_same(index, index, NQ, q, &options);
	kith_index_free(index);
	free(x);
	free(q);
}
END_TEST

struct asking {
	const kith_index *index;
	const float *q;
	const int64_t *want;
	bool good;
};

static void *ask(void *arg)
{
	struct asking *a = arg;
	kith_search_options options = KITH_SEARCH_OPTIONS;
	float dist[NQ * K];
	int64_t ids[NQ * K];
	options.threads = 1;
	options.efSearch = 30;
	a->good = true;
	for (int i = 0; i < 5; i++)
		a->good = a->good &&
		          kith_index_search(a->index, NQ, a->q, K, dist, ids, &options) == KITH_OK &&
		          memcmp(ids, a->want, sizeof ids) == 0;
	return NULL;
}

START_TEST(test_concurrent)
{
	enum { ASKERS = 6 };
	float *x = make_integers(1, N, DIM, false), *q = make_integers(2, NQ, DIM, false), dist[NQ * K];
	int64_t want[NQ * K];
	kith_index *index = make_hnsw("Flat", KITH_L2, N, x);
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.efSearch = 30;
	OK(kith_index_search(index, NQ, q, K, dist, want, &options));
	struct asking asking[ASKERS];
	pthread_t thread[ASKERS];
	for (int i = 0; i < ASKERS; i++) {
		asking[i] = (struct asking){index, q, want, false};
		REQUIRE(pthread_create(&thread[i], NULL, ask, &asking[i]) == 0);
	}
	for (int i = 0; i < ASKERS; i++)
		REQUIRE(pthread_join(thread[i], NULL) == 0 && asking[i].good);
	kith_index_free(index);
	free(x);
	free(q);
}
END_TEST

/* ---- filters ---- */

struct share {
	int64_t modulus, rest;
};

static int passes_share(void *data, int64_t id)
{
	const struct share *share = data;
	return id % share->modulus == share->rest;
}

static void check_filtered(const kith_index *index, const float *q, int64_t modulus)
{
	struct share share = {modulus, modulus / 3};
	kith_search_options options = KITH_SEARCH_OPTIONS;
	kith_filter *filter;
	OK(kith_filter_callback(&filter, passes_share, &share));
	options.filter = filter;
	options.efSearch = 32; /* more than 512 have to pass, or all that do are compared */
	double recall = check_recall(index, NQ, q, K, &options, share.modulus, share.rest);
	if (recall < 0.9)
		ck_abort_msg("1 in %lld: recall %.3f", (long long)modulus, recall);
	kith_filter_free(filter);
}

START_TEST(test_filters)
{
	static const int64_t moduli[] = {2, 4, 6, 10, 30, 90, 400, 4000, 10000};
	int64_t n = 5 * N;
	float *x = make_integers(1, n, DIM, false), *q = make_integers(2, NQ, DIM, false);
	kith_index *index = make_hnsw(_i == 0 ? "Flat" : "SQ8", KITH_L2, n, x);
	if (_i > 0) {
		/* Beside removed vectors. */
		remove_ids(index, 1000, 4000);
		OK(kith_index_add(index, 2000, x, NULL, NULL));
	}
	for (size_t i = 0; i < sizeof moduli / sizeof *moduli; i++)
		check_filtered(index, q, moduli[i]);
	kith_index_free(index);
	free(x);
	free(q);
}
END_TEST

/* What passes lies all in one corner, away from the queries. */
START_TEST(test_filter_far_away)
{
	float *x = make_gauss(3, N, DIM), *q = make_gauss(4, NQ, DIM);
	for (int64_t i = 0; i < N / 4; i++)
		x[i * DIM] += 30;
	kith_index *index = make_hnsw("Flat", KITH_L2, N, x);
	kith_search_options options = KITH_SEARCH_OPTIONS;
	kith_filter *filter;
	OK(kith_filter_range(&filter, 0, N / 4));
	options.filter = filter;
	options.efSearch = 16;
	float dist[NQ * K];
	int64_t ids[NQ * K];
	OK(kith_index_search(index, NQ, q, K, dist, ids, &options));
	for (int i = 0; i < NQ * K; i++)
		REQUIRE(ids[i] >= 0 && ids[i] < N / 4);
	kith_filter_free(filter);
	kith_index_free(index);
	free(x);
	free(q);
}
END_TEST

/* ---- ranges ---- */

START_TEST(test_range)
{
	float *x = make_integers(1, N, DIM, false), *q = make_integers(2, NQ, DIM, false), dist[100];
	int64_t ids[100], all = 0, found = 0;
	kith_metric metric = metrics[_i % 3];
	kith_index *index = make_hnsw(_i < 3 ? "Flat" : "SQ8_direct", metric, N, x), *flat;
	flat = make_filled(DIM, metric, _i < 3 ? "Flat" : "SQ8_direct", N, x);
	if (_i % 2) {
		remove_ids(index, 500, 900);
		remove_ids(flat, 500, 900);
	}
	for (int64_t i = 0; i < NQ; i++) {
		kith_ranges *got, *want;
		int64_t n, m;
		const int64_t *got_ids, *want_ids;
		const float *got_dist, *want_dist;
		OK(kith_index_search(flat, 1, q + i * DIM, 100, dist, ids, NULL));
		OK(kith_index_range(flat, 1, q + i * DIM, dist[i % 100], &want, NULL));
		OK(kith_index_range(index, 1, q + i * DIM, dist[i % 100], &got, NULL));
		OK(kith_ranges_get(got, 0, &n, &got_dist, &got_ids));
		OK(kith_ranges_get(want, 0, &m, &want_dist, &want_ids));
		/* What was found is there, in the same order. */
		for (int64_t a = 0, b = 0; a < n; a++, b++) {
			while (b < m && want_ids[b] != got_ids[a])
				b++;
			REQUIRE(b < m && memcmp(&got_dist[a], &want_dist[b], sizeof *got_dist) == 0);
		}
		all += m;
		found += n;
		kith_ranges_free(got);
		kith_ranges_free(want);
	}
	if (found < all * 97 / 100)
		ck_abort_msg("%lld of %lld within the radius", (long long)found, (long long)all);
	kith_index_free(index);
	kith_index_free(flat);
	free(x);
	free(q);
}
END_TEST

/* ---- few vectors, odd vectors ---- */

START_TEST(test_few)
{
	float *x = make_integers(1, 40, DIM, false), dist[50];
	int64_t ids[50];
	for (int64_t n = 0; n < 5; n++) {
		kith_index *index;
		kith_search_options options = KITH_SEARCH_OPTIONS;
		options.efSearch = 1;
		OK(kith_index_new(&index, DIM, metrics[_i], "HNSW3"));
		OK(kith_index_add(index, n, x, NULL, NULL));
		OK(kith_index_search(index, 1, x, 50, dist, ids, &options));
		for (int64_t i = 0; i < 50; i++)
			REQUIRE((ids[i] >= 0) == (i < n));
		REQUIRE(check_recall(index, 3, x, 4, &options, 1, 0) == 1);
		OK(kith_index_compact(index, NULL));
		remove_ids(index, 0, 2);
		REQUIRE(check_recall(index, 3, x, 4, &options, 1, 0) == 1);
		OK(kith_index_compact(index, NULL));
		OK(kith_index_add(index, 30, x, NULL, NULL));
		REQUIRE(check_recall(index, 3, x, 50, &options, 1, 0) == 1);
		kith_index_free(index);
	}
	free(x);
}
END_TEST

START_TEST(test_many_results)
{
	float *x = make_integers(1, N, DIM, false);
	kith_index *index = make_hnsw("Flat", KITH_L2, N, x);
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.efSearch = 5; /* fewer than k */
	static const int64_t counts[] = {10, 100, 230, N, N + 10};
	for (int i = 0; i < 5; i++)
		REQUIRE(check_recall(index, 5, x, counts[i], &options, 1, 0) > (i ? 0.97 : 0.5));
	kith_index_free(index);
	free(x);
}
END_TEST

START_TEST(test_odd_vectors)
{
	enum { SOME = 2000 };
	float *x = make_gauss(5, SOME, DIM), dist[K], bad[DIM] = {0};
	int64_t ids[K];
	for (int64_t i = 0; i < SOME; i++)
		for (int64_t j = 0; j < DIM; j++)
			x[i * DIM + j] *= i % 5 == 0 ? 0 : i % 5 == 1 ? 1e30f : i % 5 == 2 ? 1e-30f : 1;
	kith_index *index = make_hnsw("Flat", metrics[_i], SOME, x);
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.efSearch = 16;
	for (int i = 0; i < 10; i++) {
		OK(kith_index_search(index, 1, x + i * DIM, K, dist, ids, &options));
		for (int j = 0; j < K; j++)
			REQUIRE(ids[j] >= 0 && !isnan(dist[j]));
	}
	bad[3] = NAN;
	FAILS(kith_index_add(index, 1, bad, NULL, NULL), KITH_INVALID, "nan");
	FAILS(kith_index_search(index, 1, bad, K, dist, ids, NULL), KITH_INVALID, "nan");
	REQUIRE(kith_index_size(index) == SOME);
	kith_index_free(index);
	free(x);
}
END_TEST

/* ---- changes ---- */

/* Half of the vectors leave, in turns with others that come: as good as a new index. */
START_TEST(test_churn)
{
	enum { TURNS = 10, STEP = N / (2 * TURNS) };
	const char *codec = _i % 2 ? "SQ8" : "Flat";
	float *x = make_integers(1, N + N / 2, DIM, false), *q = make_integers(2, NQ, DIM, false);
	kith_index *index = make_hnsw(codec, metrics[_i / 2], N, x), *fresh;
	kith_search_options options = KITH_SEARCH_OPTIONS;
	kith_add_options adding = KITH_ADD_OPTIONS;
	adding.efConstruction = 80;
	options.efSearch = 24;
	for (int64_t turn = 0; turn < TURNS; turn++) {
		remove_ids(index, turn * STEP, (turn + 1) * STEP);
		OK(kith_index_add(index, STEP, x + (N + turn * STEP) * DIM, NULL, &adding));
	}
	REQUIRE(kith_index_size(index) == N);
	fresh = make_hnsw(codec, metrics[_i / 2], N, x + N / 2 * DIM);
	double before = check_recall(index, NQ, q, K, &options, 1, 0);
	size_t memory = kith_index_memory(index);
	OK(kith_index_compact(index, NULL));
	REQUIRE(kith_index_memory(index) <= memory);
	double after = check_recall(index, NQ, q, K, &options, 1, 0);
	double want = check_recall(fresh, NQ, q, K, &options, 1, 0);
	if (before < want - 0.02 || after < want - 0.02)
		ck_abort_msg("%s: recall %.3f, compact %.3f, of a new index %.3f", kith_index_describe(index),
		    before, after, want);
	kith_index_free(index);
	kith_index_free(fresh);
	free(x);
	free(q);
}
END_TEST

START_TEST(test_update)
{
	enum { MOVED = 900 };
	float *x = make_integers(1, N + MOVED, DIM, false), dist[1], got[DIM];
	int64_t ids[MOVED + 1], one;
	kith_index *index = make_hnsw("Flat", KITH_L2, N, x);
	for (int round = 0; round < 3; round++) {
		for (int64_t i = 0; i < MOVED; i++)
			ids[i] = (i * 3 + round) % N;
		ids[MOVED] = ids[0]; /* once more: this one counts */
		OK(kith_index_update(index, MOVED + 1, x + (N - 1) * DIM, ids));
		REQUIRE(kith_index_size(index) == N);
		for (int64_t i = 1; i < MOVED; i += 50) {
			OK(kith_index_get(index, 1, &ids[i], got));
			REQUIRE(memcmp(got, x + (N - 1 + i) * DIM, sizeof got) == 0);
			OK(kith_index_search(index, 1, x + (N - 1 + i) * DIM, 1, dist, &one, NULL));
			REQUIRE(dist[0] == 0);
		}
		OK(kith_index_get(index, 1, &ids[0], got));
		REQUIRE(memcmp(got, x + (N - 1 + MOVED) * DIM, sizeof got) == 0);
	}
	/* Ids stay in the order of adding. */
	int64_t *all = make(N, sizeof *all);
	OK(kith_index_ids(index, all));
	for (int64_t i = 0; i < N; i++)
		REQUIRE(all[i] == i);
	free(all);
	REQUIRE(check_recall(index, NQ, x, K, NULL, 1, 0) > 0.97);
	kith_index_free(index);
	free(x);
}
END_TEST

/* Clone, file, and the index itself go on alike. */
START_TEST(test_copies)
{
	float *x = make_integers(1, N, DIM, false);
	char spec[64];
	snprintf(spec, sizeof spec, "HNSW6,%s", codecs[_i]);
	if (is_signed(codecs[_i])) {
		free(x);
		x = make_integers(1, N, DIM, true);
	}
	kith_index *index = make_graph(DIM, metrics[_i % 3], spec, 1500, x, NULL), *three[3] = {index};
	remove_ids(index, 10, 300);
	OK(kith_index_add(index, 100, x + 1500 * DIM, NULL, NULL));
	OK(kith_index_clone(&three[1], index));
	struct bytes b = saved_bytes(index);
	OK(index_of_bytes(&three[2], &b, true));
	for (int i = 0; i < 3; i++) {
		OK(kith_index_add(three[i], 300, x + 1700 * DIM, NULL, NULL));
		remove_ids(three[i], 700, 900);
		OK(kith_index_reserve(three[i], 5000));
		OK(kith_index_add(three[i], 300, x + 2000 * DIM, NULL, NULL));
		REQUIRE(same_bytes(three[0], three[i]));
	}
	for (int i = 0; i < 3; i++)
		kith_index_free(three[i]);
	free(b.data);
	free(x);
}
END_TEST

START_TEST(test_faults)
{
	static const char *const some[] = {"HNSW4", "HNSW4,SQ8", "HNSW4,PQ4", "HNSW4,SQ4,RFlat"};
	int64_t dim = 8;
	float *x = make_integers(3, 900, dim, false);
	kith_add_options options = KITH_ADD_OPTIONS;
	options.efConstruction = 16;
	options.threads = 2;
	kith_index *index = make_graph(dim, _i % 2 ? KITH_L2 : KITH_IP, some[_i], 900, x, &options);
	check_faults_of(index, x, 7);
	remove_ids(index, 200, 500);
	OK(kith_index_add(index, 40, x, NULL, &options));
	check_faults_of(index, x, 7);
	kith_index_free(index);
	check_faults(8, KITH_L2, some[_i], 7);
	free(x);
}
END_TEST

/* ---- words and options ---- */

START_TEST(test_words)
{
	static const char *const good[][2] = {{"HNSW", "HNSW32,Flat"}, {"HNSW16", "HNSW16,Flat"},
	    {"HNSW16,Flat", "HNSW16,Flat"}, {"HNSW8_SQ8", "HNSW8,SQ8"}, {"HNSW8,SQ8", "HNSW8,SQ8"},
	    {"HNSW32,PQ6", "HNSW32,PQ6"}, {"HNSW32_PQ6", "HNSW32,PQ6"}, {"IDMap,HNSW5", "HNSW5,Flat"},
	    {"HNSW12,SQ8,RFlat", "HNSW12,SQ8,RFlat"}, {"HNSW12_SQ4,Refine(SQ8)", "HNSW12,SQ4,Refine(SQ8)"},
	    {"HNSW12,RFlat", "HNSW12,Flat,RFlat"}, {"PCA8,HNSW12", "PCA8,HNSW12,Flat"},
	    {"L2norm,HNSW12,SQfp16", "L2norm,HNSW12,SQfp16"}, {"Shards2(HNSW4)", "Shards2(HNSW4,Flat)"}};
	float *x = make_gauss(1, 300, DIM);
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		kith_index *index;
		OK(kith_index_new(&index, DIM, KITH_L2, good[i][0]));
		ck_assert_str_eq(kith_index_describe(index), good[i][1]);
		OK(kith_index_train(index, 300, x, NULL));
		OK(kith_index_add(index, 300, x, NULL, NULL));
		REQUIRE(recall(index, 300, x, 20, x, 5, NULL) > 0.2);
		OK(kith_index_compact(index, NULL));
		kith_index_free(index);
	}
	kith_index *index;
	FAILS(kith_index_new(&index, DIM, KITH_L2, "HNSW1"), KITH_INVALID, "HNSW1");
	FAILS(kith_index_new(&index, DIM, KITH_L2, "HNSW99999999999"), KITH_INVALID, "M must");
	FAILS(kith_index_new(&index, DIM, KITH_L2, "HNSW16,PQ7"), KITH_INVALID, "PQ7");
	FAILS(kith_index_new(&index, DIM, KITH_L2, "HNSW16_"), KITH_INVALID, "HNSW16_");
	FAILS(kith_index_new(&index, DIM, KITH_L2, "HNSW16,SQ8,Flat"), KITH_INVALID, "Flat");
	FAILS(kith_index_new(&index, DIM, KITH_L2, "HNSW16,(SQ8,RFlat)"), KITH_INVALID, "(SQ8");
	free(x);
}
END_TEST

START_TEST(test_options)
{
	float *x = make_gauss(1, 3000, DIM), dist[K];
	int64_t ids[K];
	kith_index *index;
	kith_add_options adding = KITH_ADD_OPTIONS;
	kith_search_options options = KITH_SEARCH_OPTIONS;
	OK(kith_index_new(&index, DIM, KITH_L2, "HNSW8"));
	adding.efConstruction = -1;
	FAILS(kith_index_add(index, 10, x, NULL, &adding), KITH_INVALID, "efConstruction");
	adding.efConstruction = 1;
	OK(kith_index_add(index, 3000, x, NULL, &adding));
	options.efSearch = -5;
	FAILS(kith_index_search(index, 1, x, K, dist, ids, &options), KITH_INVALID, "efSearch");
	FAILS(kith_index_compact(NULL, NULL), KITH_INVALID, "index");
	adding.threads = -1;
	FAILS(kith_index_compact(index, &adding), KITH_INVALID, "threads");
	/* More candidates cost more. */
	kith_search_stats stats = {.size = sizeof stats};
	options.stats = &stats;
	int64_t last = 0;
	for (options.efSearch = 10; options.efSearch <= 160; options.efSearch *= 2) {
		OK(kith_index_search(index, 1, x, K, dist, ids, &options));
		REQUIRE(stats.pairs > last);
		last = stats.pairs;
	}
	kith_index_free(index);
	free(x);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hnsw");
	TCase *tcase = tcase_create("hnsw");
	tcase_set_timeout(tcase, 300);
	tcase_add_loop_test(tcase, test_recall, 0, sanitized ? CODECS : 3 * CODECS);
	tcase_add_test(tcase, test_inner_product);
	tcase_add_loop_test(tcase, test_threads_and_batches, 0, CODECS - 1);
	tcase_add_test(tcase, test_concurrent);
	tcase_add_loop_test(tcase, test_filters, 0, 2);
	tcase_add_test(tcase, test_filter_far_away);
	tcase_add_loop_test(tcase, test_range, 0, 6);
	tcase_add_loop_test(tcase, test_few, 0, 3);
	tcase_add_test(tcase, test_many_results);
	tcase_add_loop_test(tcase, test_odd_vectors, 0, 3);
	tcase_add_loop_test(tcase, test_churn, 0, 6);
	tcase_add_test(tcase, test_update);
	tcase_add_loop_test(tcase, test_copies, 0, CODECS);
	tcase_add_loop_test(tcase, test_faults, 0, 4);
	tcase_add_test(tcase, test_words);
	tcase_add_test(tcase, test_options);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
