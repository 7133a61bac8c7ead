/* The graph inside a graph index: what holds of its lists whatever was done to it, that it depends on no
 * number of threads, and what a file must not talk a reader into. */
#include "tests/structure/graphs.h"

#include "lib/index/hnsw.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DIM = 16, NQ = 60, K = 10 };

static const char *const specs[] = {"HNSW4", "HNSW16", "HNSW16,SQ8", "HNSW8,PQ8", "HNSW2,SQ8_direct"};

START_TEST(test_invariants)
{
	const char *spec = specs[_i];
	float *x = make_integers(1, 6000, DIM, false);
	kith_add_options options = KITH_ADD_OPTIONS;
	options.efConstruction = 40;
	kith_index *index = make_graph(DIM, KITH_L2, spec, 1500, x, &options);
	check_graph(index, true);
	/* In pieces of many sizes. */
	for (int64_t n = 1500, more = 1; n < 6000; n += more, more = 2 * more + 7) {
		more = more < 6000 - n ? more : 6000 - n;
		OK(kith_index_add(index, more, x + n * DIM, NULL, &options));
		check_graph(index, false);
	}
	OK(kith_index_compact(index, &options));
	check_graph(index, true);
	remove_ids(index, 1000, 3500);
	check_graph(index, false);
	OK(kith_index_add(index, 500, x, NULL, &options));
	check_graph(index, true);
	OK(kith_index_compact(index, NULL));
	check_graph(index, true);
	REQUIRE(hnsw_of(index)->graph.n == 4000);
	remove_ids(index, 0, INT64_MAX);
	check_graph(index, true);
	kith_index_free(index);
	free(x);
}
END_TEST

START_TEST(test_duplicates)
{
	enum { EQUAL = 10000, OTHERS = 600 };
	float *x = make_gauss(3, EQUAL + OTHERS, DIM);
	for (int64_t i = 100; i < 100 + EQUAL; i++)
		memcpy(x + i * DIM, x, DIM * sizeof *x);
	kith_add_options options = KITH_ADD_OPTIONS;
	options.efConstruction = 60;
	kith_index *index = make_graph(DIM, KITH_L2, _i ? "HNSW8,SQ8" : "HNSW8", EQUAL + OTHERS, x, &options);
	check_graph(index, true);
	/* Neither do they hide each other nor the others. */
	float dist[K];
	int64_t ids[K];
	kith_search_stats stats = {.size = sizeof stats};
	kith_search_options search = KITH_SEARCH_OPTIONS;
	search.stats = &stats;
	OK(kith_index_search(index, 1, x, K, dist, ids, &search));
	for (int i = 0; i < K; i++)
		REQUIRE(ids[i] >= 0 && dist[i] <= dist[0] && dist[0] < 0.1f);
	REQUIRE(stats.pairs < EQUAL / 2);
	int found = 0;
	for (int64_t i = 0; i < OTHERS; i++) {
		int64_t id = i < 100 ? i : i + EQUAL;
		OK(kith_index_search(index, 1, x + id * DIM, 1, dist, ids, NULL));
		found += ids[0] == id || dist[0] < 0.1f;
	}
	REQUIRE(found >= OTHERS * 98 / 100);
	kith_index_free(index);
	free(x);
}
END_TEST

/* ---- the same for any number of threads ---- */

START_TEST(test_threads)
{
	enum { N = 3000 };
	static const int threads[] = {1, 2, 8};
	float *x = make_integers(4, N + 700, DIM, false);
	kith_index *index[3];
	for (int t = 0; t < 3; t++) {
		kith_add_options options = KITH_ADD_OPTIONS;
		options.threads = threads[t];
		options.seed = 77;
		options.efConstruction = 50;
		index[t] = make_graph(DIM, KITH_L2, specs[_i], N, x, &options);
		OK(kith_index_add(index[t], 300, x + N * DIM, NULL, &options));
		remove_ids(index[t], 50, 1200);
		OK(kith_index_add(index[t], 400, x + (N + 300) * DIM, NULL, &options));
	}
	for (int compact = 0; compact < 2; compact++)
		for (int t = 0; t < 3; t++) {
			kith_add_options options = KITH_ADD_OPTIONS;
			options.threads = threads[t];
			if (compact)
				OK(kith_index_compact(index[t], &options));
			REQUIRE(same_bytes(index[0], index[t]));
		}
	/* Another seed gives another graph. */
	kith_add_options options = KITH_ADD_OPTIONS;
	options.seed = 78;
	kith_index *other = make_graph(DIM, KITH_L2, specs[_i], N, x, &options);
	REQUIRE(!same_bytes(index[0], other));
	kith_index_free(other);
	for (int t = 0; t < 3; t++)
		kith_index_free(index[t]);
	free(x);
}
END_TEST

static int stop_at(void *data, const char *stage, int64_t done, int64_t total)
{
	(void)stage, (void)total;
	return done >= *(int64_t *)data;
}

START_TEST(test_cancel)
{
	enum { N = 1200 };
	float *x = make_integers(5, 3 * N, DIM, false);
	kith_add_options options = KITH_ADD_OPTIONS;
	options.efConstruction = 30;
	kith_index *index = make_graph(DIM, KITH_IP, "HNSW6", N, x, &options), *before;
	if (_i)
		remove_ids(index, 100, 600); /* so that freed nodes are used */
	if (_i)
		OK(kith_index_add(index, 1, x, NULL, NULL));
	OK(kith_index_clone(&before, index));
	REQUIRE(same_bytes(before, index));
	int64_t stop = 1;
	options.progress = stop_at;
	options.progress_data = &stop;
	FAILS(kith_index_add(index, 2 * N, x + N * DIM, NULL, &options), KITH_CANCELLED, "cancelled");
	check_graph(index, false);
	REQUIRE(kith_index_size(index) == kith_index_size(before));
	float dist[2][NQ * K];
	int64_t ids[2][NQ * K];
	kith_search_options search = KITH_SEARCH_OPTIONS;
	search.efSearch = 20;
	OK(kith_index_search(index, NQ, x, K, dist[0], ids[0], &search));
	OK(kith_index_search(before, NQ, x, K, dist[1], ids[1], &search));
	REQUIRE(!memcmp(dist[0], dist[1], sizeof dist[0]) && !memcmp(ids[0], ids[1], sizeof ids[0]));
	/* And goes on as if nothing had been. */
	stop = INT64_MAX;
	OK(kith_index_add(index, 2 * N, x + N * DIM, NULL, &options));
	check_graph(index, true);
	kith_index_free(before);
	kith_index_free(index);
	free(x);
}
END_TEST

/* ---- files ---- */

/* Every byte of a small file in turn is another one, with checksums that fit: the reader refuses, or what it
 * opens can be used. */
START_TEST(test_made_up)
{
	float *x = make_integers(6, 60, 4, false);
	kith_index *index = make_graph(4, _i ? KITH_IP : KITH_L2, "HNSW2,SQ8_direct", 60, x, NULL), *opened;
	remove_ids(index, 10, 14);
	OK(kith_index_add(index, 3, x, NULL, NULL));
	struct bytes b = saved_bytes(index);
	kith_search_options search = KITH_SEARCH_OPTIONS;
	search.efSearch = 2;
	float dist[K];
	int64_t ids[K], opens = 0;
	for (size_t at = 64; at < b.n; at++) {
		static const uint8_t flips[] = {1, 0x80, 0xff};
		for (int f = 0; f < 3; f++) {
			b.data[at] = (char)(b.data[at] ^ flips[f]);
			if (index_of_bytes(&opened, &b, false) == KITH_OK) {
				opens++;
				OK(kith_index_search(opened, 1, x, 2, dist, ids, &search));
				OK(kith_index_add(opened, 5, x, NULL, NULL));
				remove_ids(opened, 0, 5);
				OK(kith_index_compact(opened, NULL));
				check_graph(opened, false);
				kith_index_free(opened);
			}
			b.data[at] = (char)(b.data[at] ^ flips[f]);
		}
	}
	REQUIRE(opens > 0);
	free(b.data);
	kith_index_free(index);
	free(x);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("graph");
	TCase *tcase = tcase_create("graph");
	tcase_set_timeout(tcase, 300);
	tcase_add_loop_test(tcase, test_invariants, 0, sizeof specs / sizeof *specs);
	tcase_add_loop_test(tcase, test_threads, 0, sizeof specs / sizeof *specs);
	tcase_add_loop_test(tcase, test_duplicates, 0, 2);
	tcase_add_loop_test(tcase, test_cancel, 0, 2);
	tcase_add_loop_test(tcase, test_made_up, 0, 2);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
