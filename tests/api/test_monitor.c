/* Counters of an index: what is counted, by whom, what a reset leaves, and the text for Prometheus. */
#include "tests/support/support.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { DIM = 8, N = 500, NQ = 20, K = 3 };

static kith_index_counters stats_of(const kith_index *index)
{
	kith_index_counters c = {.size = sizeof c};
	OK(kith_index_stats(index, &c));
	return c;
}

static kith_index *make_filled(const char *spec)
{
	float *x = make_gauss(1, N, DIM);
	kith_index *index;
	OK(kith_index_new(&index, DIM, KITH_L2, spec));
	OK(kith_index_train(index, N, x, NULL));
	OK(kith_index_add(index, N, x, NULL, NULL));
	free(x);
	return index;
}

static int64_t calls_in(const kith_index_counters *c)
{
	int64_t sum = 0;
	for (int i = 0; i < KITH_LATENCY_BUCKETS; i++)
		sum += c->latency[i];
	return sum;
}

START_TEST(counts)
{
	float *q = make_gauss(2, NQ, DIM), dist[NQ * K];
	int64_t ids[NQ * K];
	kith_index *index = make_filled("Flat");
	kith_ranges *ranges;
	kith_index_counters c = stats_of(index);
	REQUIRE(c.searches == 0 && c.queries == 0 && c.failures == 0 && calls_in(&c) == 0);
	REQUIRE(c.vectors == N && c.memory == (int64_t)kith_index_memory(index));
	OK(kith_index_search(index, NQ, q, K, dist, ids, NULL));
	OK(kith_index_search(index, 1, q, K, dist, ids, NULL));
	OK(kith_index_range(index, 2, q, 1, &ranges, NULL));
	kith_ranges_free(ranges);
	FAILS(kith_index_search(index, 1, q, 0, dist, ids, NULL), KITH_INVALID, "k is 0");
	FAILS(kith_index_range(index, 1, q, NAN, &ranges, NULL), KITH_INVALID, "NaN");
	c = stats_of(index);
	REQUIRE(c.searches == 3 && c.queries == NQ + 3 && c.failures == 2 && calls_in(&c) == 3);
	REQUIRE(c.codes == (NQ + 3) * N && c.exact > 0 && c.seconds > 0);
	REQUIRE(c.filter_tests == 0 && c.filter_hits == 0);
	OK(kith_index_stats_reset(index));
	c = stats_of(index);
	REQUIRE(c.searches == 0 && c.queries == 0 && c.failures == 0 && c.codes == 0 && c.seconds == 0);
	REQUIRE(calls_in(&c) == 0 && c.vectors == N);
	kith_index_free(index);
	free(q);
}
END_TEST

/* The user's own statistics and the index's are the same numbers; every structure passes them on. */
START_TEST(same_as_search_stats)
{
	static const char *const specs[] = {
	    "Flat", "IVF8,Flat", "IVF8,SQ4,RFlat", "PCA4,IVF8,Flat", "Shards2(Flat)", "SQ8", "PQ4"};
	float *q = make_gauss(2, NQ, DIM), dist[NQ * K];
	int64_t ids[NQ * K];
	kith_index *index = make_filled(specs[_i]);
	kith_search_stats s = {.size = sizeof s};
	kith_search_options options = KITH_SEARCH_OPTIONS;
	kith_filter *half;
	options.stats = &s;
	OK(kith_filter_range(&half, 0, N / 2));
	options.filter = half;
	OK(kith_index_search(index, NQ, q, K, dist, ids, &options));
	kith_index_counters c = stats_of(index);
	REQUIRE(c.codes == s.pairs && c.exact == s.exact);
	REQUIRE(c.filter_tests == s.tested && c.filter_hits == s.passed);
	REQUIRE(s.tested > 0 && s.passed > 0 && s.passed < s.tested);
	if (_i == 0 || _i == 4)
		REQUIRE(s.tested == N && s.passed == N / 2);
	/* A copy starts from nothing. */
	kith_index *copy;
	OK(kith_index_clone(&copy, index));
	REQUIRE(stats_of(copy).searches == 0 && stats_of(index).searches == 1);
	kith_index_free(copy);
	kith_index_free(index);
	kith_filter_free(half);
	free(q);
}
END_TEST

enum { THREADS = 4, CALLS = 200 };

static void *search_often(void *index)
{
	float q[DIM] = {0}, dist[K];
	int64_t ids[K];
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.threads = 1;
	for (int i = 0; i < CALLS; i++)
		if (kith_index_search(index, 1, q, K, dist, ids, &options) != KITH_OK)
			return index;
	return NULL;
}

START_TEST(threads_lose_nothing)
{
	pthread_t threads[THREADS];
	kith_index *index = make_filled("Flat");
	for (int i = 0; i < THREADS; i++)
		REQUIRE(pthread_create(&threads[i], NULL, search_often, index) == 0);
	for (int i = 0; i < THREADS; i++) {
		void *failed;
		REQUIRE(pthread_join(threads[i], &failed) == 0 && !failed);
	}
	kith_index_counters c = stats_of(index);
	REQUIRE(c.searches == THREADS * CALLS && calls_in(&c) == THREADS * CALLS);
	REQUIRE(c.codes == (int64_t)THREADS * CALLS * N);
	kith_index_free(index);
}
END_TEST

START_TEST(quantiles)
{
	kith_index_counters c = {.size = sizeof c};
	REQUIRE(isnan(kith_latency_quantile(&c, 0.5)) && isnan(kith_latency_quantile(NULL, 0.5)));
	c.latency[3] = 90;  /* up to 8 µs */
	c.latency[10] = 10; /* up to 1024 µs */
	REQUIRE(isnan(kith_latency_quantile(&c, 1.5)) && isnan(kith_latency_quantile(&c, NAN)));
	REQUIRE(fabs(kith_latency_quantile(&c, 0.45) - 6e-6) < 1e-12);
	REQUIRE(fabs(kith_latency_quantile(&c, 0.90) - 8e-6) < 1e-12);
	REQUIRE(fabs(kith_latency_quantile(&c, 0.95) - 768e-6) < 1e-12);
	REQUIRE(fabs(kith_latency_quantile(&c, 1) - 1024e-6) < 1e-12);
}
END_TEST

START_TEST(text)
{
	float q[DIM] = {0}, dist[K];
	int64_t ids[K];
	kith_index *index = make_filled("Flat");
	size_t length, again;
	OK(kith_index_search(index, 1, q, K, dist, ids, NULL));
	OK(kith_index_stats_text(index, "a", NULL, 0, &length));
	char *all = make((int64_t)length + 1, 1), small[100];
	OK(kith_index_stats_text(index, "a", all, length + 1, &again));
	REQUIRE(again == length && strlen(all) == length && all[length - 1] == '\n');
	REQUIRE(strstr(all, "# TYPE kith_queries_total counter\nkith_queries_total{index=\"a\"} 1\n"));
	REQUIRE(strstr(all, "kith_vectors{index=\"a\"} 500\n"));
	REQUIRE(strstr(all, "kith_search_seconds_bucket{index=\"a\",le=\"1e-06\"} "));
	REQUIRE(strstr(all, "kith_search_seconds_bucket{index=\"a\",le=\"+Inf\"} 1\n"));
	REQUIRE(strstr(all, "kith_search_seconds_count{index=\"a\"} 1\n"));
	FAILS(kith_index_stats_text(index, "a", small, sizeof small, &again), KITH_INVALID, "needs");
	REQUIRE(again == length && !*small);
	OK(kith_index_stats_text(index, "q\"\\\n", NULL, 0, &again));
	free(all);
	all = make((int64_t)again + 1, 1);
	OK(kith_index_stats_text(index, "q\"\\\n", all, again + 1, NULL));
	REQUIRE(strstr(all, "kith_vectors{index=\"q\\\"\\\\\\n\"} 500\n"));
	free(all);
	kith_index_free(index);
}
END_TEST

START_TEST(errors)
{
	kith_index *index = make_filled("Flat");
	kith_index_counters c = {.size = 3};
	FAILS(kith_index_stats(index, &c), KITH_INVALID, "size is 3");
	FAILS(kith_index_stats(NULL, &c), KITH_INVALID, "index is NULL");
	FAILS(kith_index_stats(index, NULL), KITH_INVALID, "counters is NULL");
	FAILS(kith_index_stats_reset(NULL), KITH_INVALID, "index is NULL");
	FAILS(kith_index_stats_text(index, NULL, NULL, 0, NULL), KITH_INVALID, "name is NULL");
	FAILS(kith_index_stats_text(index, "a", NULL, 5, NULL), KITH_INVALID, "text is NULL");
	FAILS(kith_index_stats_text(NULL, "a", NULL, 0, NULL), KITH_INVALID, "index is NULL");
	kith_index_free(index);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("monitor");
	TCase *t = tcase_create("monitor");
	tcase_add_test(t, counts);
	tcase_add_loop_test(t, same_as_search_stats, 0, 7);
	tcase_add_test(t, threads_lose_nothing);
	tcase_add_test(t, quantiles);
	tcase_add_test(t, text);
	tcase_add_test(t, errors);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
