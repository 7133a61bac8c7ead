/* Pools and sinks: bounds that only drop what cannot win, merging against sorting. */
#include "tests/support/support.h"

#include "lib/base/alloc.h"
#include "lib/search/pool.h"
#include "lib/search/ranges.h"
#include "lib/search/sink.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX = 3000 };

static int compare_floats(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;
	return (x > y) - (x < y);
}

/* The k rows with the smallest true keys survive every tightening. */
START_TEST(tightening)
{
	static const int64_t ks[] = {1, 2, 10, 100};
	struct rng rng = {3};
	for (int round = 0; round < 200; round++) {
		int64_t k = ks[round % 4], capacity = pool_capacity(k), n = rng_below(&rng, capacity + 1);
		float *scratch = make(capacity, sizeof *scratch), *key = make(capacity, sizeof *key),
		      *sorted = make(capacity, sizeof *sorted);
		void *memory = make(1, pool_bytes(capacity));
		struct pool pool;
		REQUIRE(capacity >= k + 64);
		pool_init(&pool, capacity, memory);
		for (int64_t i = 0; i < n; i++) {
			key[i] = sorted[i] = (float)rng_below(&rng, 1 + round * 5);
			float off = (float)rng_below(&rng, 4);
			pool_add(&pool, key[i] - off, key[i] + (float)rng_below(&rng, 4), (uint32_t)i);
		}
		qsort(sorted, (size_t)n, sizeof *sorted, compare_floats);
		pool_tighten(&pool, k, scratch);
		uint8_t *kept = make(capacity, 1);
		for (int32_t i = 0; i < pool.count; i++)
			kept[pool.row[i]] = 1;
		for (int64_t i = 0; i < n; i++)
			REQUIRE(kept[i] || (n >= k && key[i] > sorted[k - 1]));
		REQUIRE(n < k ? isinf(pool.bound) : pool.bound >= sorted[k - 1]);
		free(kept);
		free(memory);
		free(sorted);
		free(key);
		free(scratch);
	}
}
END_TEST

/* ---- sinks ---- */

static int compare_found(const void *a, const void *b)
{
	const struct found *x = a, *y = b;
	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

/* Findings in any order and any pieces: the list is their sorted beginning. */
START_TEST(merging)
{
	static const int64_t ks[] = {1, 2, 7, 50};
	struct found *all = make(MAX, sizeof *all);
	struct rng rng = {8};
	for (int round = 0; round < 400; round++) {
		int64_t k = ks[round % 4], n = rng_below(&rng, 300), kinds = 1 + rng_below(&rng, 100),
		        query = round % 3;
		struct sink sink;
		OK(sink_init_topk(&sink, 3, k));
		for (int64_t i = 0; i < n; i++)
			all[i] = (struct found){(double)rng_below(&rng, kinds), i};
		for (int64_t i = n - 1; i > 0; i--) {
			int64_t j = rng_below(&rng, i + 1);
			struct found f = all[i];
			all[i] = all[j];
			all[j] = f;
		}
		for (int64_t at = 0, m; at < n; at += m) {
			struct found piece[300];
			m = 1 + rng_below(&rng, n - at);
			memcpy(piece, all + at, (size_t)m * sizeof *piece);
			REQUIRE(sink_merge(&sink, query, piece, m));
			REQUIRE(sink.count[query] == (at + m < k ? at + m : k));
		}
		REQUIRE(sink_merge(&sink, query, all, 0));
		qsort(all, (size_t)n, sizeof *all, compare_found);
		int64_t have = n < k ? n : k;
		REQUIRE(sink.count[query] == have && sink.count[(query + 1) % 3] == 0);
		for (int64_t i = 0; i < have; i++)
			REQUIRE(compare_found(&sink.best[query * k + i], &all[i]) == 0);
		REQUIRE(sink_bound(&sink, query) == (n < k ? INFINITY : all[k - 1].key));
		sink_free(&sink);
	}
	free(all);
}
END_TEST

START_TEST(writing)
{
	struct found items[] = {{-0.0, 4}, {2.5, 1}, {1e300, 7}};
	float dist[8];
	int64_t ids[8];
	struct sink sink;
	OK(sink_init_topk(&sink, 2, 3));
	REQUIRE(sink_merge(&sink, 0, items, 3));
	sink_write_topk(&sink, 4, &metric_l2, dist, ids);
	REQUIRE(ids[0] == 4 && ids[1] == 1 && ids[2] == 7 && ids[3] == -1 && ids[4] == -1);
	REQUIRE(dist[0] == 0 && !signbit(dist[0]) && dist[1] == 2.5f && dist[2] == INFINITY);
	REQUIRE(dist[3] == INFINITY && dist[4] == INFINITY);
	sink_write_topk(&sink, 4, &metric_ip, dist, ids);
	REQUIRE(dist[0] == 0 && !signbit(dist[0]) && dist[1] == -2.5f && dist[3] == -INFINITY);
	sink_free(&sink);
}
END_TEST

START_TEST(ranging)
{
	struct rng rng = {4};
	struct sink sink;
	kith_ranges *ranges;
	int64_t live = alloc_live(), n;
	const int64_t *ids;
	const float *dist;
	OK(sink_init_range(&sink, 4, 10));
	/* What rounds to the radius is within it. */
	struct found edge[] = {{10 + 1e-9, 1}, {10 + 1e-6, 2}};
	REQUIRE(sink_bound(&sink, 0) >= edge[0].key && sink_bound(&sink, 0) < 10.001);
	REQUIRE(sink_merge(&sink, 0, edge, 2) && sink.lists[0].n == 1);
	int64_t within = 1;
	for (int round = 0; round < 50; round++) {
		struct found piece[40];
		for (int i = 0; i < 40; i++) {
			piece[i] = (struct found){(double)rng_below(&rng, 21), round * 40 + i};
			within += piece[i].key <= 10;
		}
		REQUIRE(sink_merge(&sink, 2, piece, 40));
	}
	OK(sink_take_ranges(&sink, &metric_l2, 0, &ranges));
	REQUIRE(kith_ranges_total(ranges) == within && kith_ranges_queries(ranges) == 4);
	OK(kith_ranges_get(ranges, 2, &n, &dist, &ids));
	REQUIRE(n == within - 1);
	for (int64_t i = 1; i < n; i++)
		REQUIRE(dist[i - 1] < dist[i] || (dist[i - 1] == dist[i] && ids[i - 1] < ids[i]));
	kith_ranges_free(ranges);
	sink_free(&sink);
	REQUIRE(alloc_live() == live);
}
END_TEST

START_TEST(too_big)
{
	struct sink sink;
	FAILS(sink_init_topk(&sink, INT64_MAX, 2), KITH_NOMEM, "memory");
	FAILS(sink_init_topk(&sink, INT64_MAX / 64, 1), KITH_NOMEM, "memory");
	REQUIRE(alloc_live() == 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pool");
	TCase *t = tcase_create("pool");
	tcase_set_timeout(t, 60);
	tcase_add_test(t, tightening);
	tcase_add_test(t, merging);
	tcase_add_test(t, writing);
	tcase_add_test(t, ranging);
	tcase_add_test(t, too_big);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
