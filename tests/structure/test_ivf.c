/* The inverted file, with every codec and metric.
 *
 * The main property needs no model of a codec: with nprobe = nlist a search looks at everything, so it must
 * equal brute force, in double precision, over the vectors as kith_index_get gives them back.
 */
#include "tests/support/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIM = 24, N = 1500, NQ = 40, K = 7, NLIST = 9 };

static const char *const codecs[] = {"Flat", "SQ8", "SQ4", "SQfp16", "SQbf16", "PQ6", "PQ8x4", "PQ4x6",
    "RaBitQ3", "SQ8_direct", "SQ8_direct_signed"};
static const kith_metric metrics[] = {KITH_L2, KITH_IP, KITH_COSINE};

enum { CODECS = sizeof codecs / sizeof *codecs };

/* Clustered integers that every codec takes, bytes included. */
static float *make_data(uint64_t seed, int64_t n, bool is_signed)
{
	struct rng rng = {seed};
	float *x = make(n * DIM, sizeof *x);
	for (int64_t i = 0; i < n; i++) {
		int64_t center = rng_below(&rng, 12);
		for (int64_t j = 0; j < DIM; j++) {
			double v = 60 + (double)((center * 37 + j * 11) % 90) + 14 * (double)rng_gauss(&rng);
			v = v < 0 ? 0 : v > 200 ? 200 : v;
			x[i * DIM + j] = (float)(int)(is_signed ? v / 2 - 50 : v);
		}
	}
	return x;
}

static kith_index *make_ivf(const char *codec, kith_metric metric, int64_t n, const float *x, int threads)
{
	char spec[64];
	kith_index *index;
	kith_add_options options = KITH_ADD_OPTIONS;
	options.threads = threads;
	snprintf(spec, sizeof spec, "IVF%d,%s", NLIST, codec);
	OK(kith_index_new(&index, DIM, metric, spec));
	REQUIRE(!kith_index_trained(index));
	OK(kith_index_train(index, n, x, &options));
	REQUIRE(kith_index_trained(index));
	OK(kith_index_add(index, n, x, NULL, &options));
	REQUIRE(kith_index_size(index) == n);
	return index;
}

/* divides: what is kept is divided by its length; else it stands for a unit vector, whatever that is. */
static double distance(kith_metric metric, bool divides, const float *q, const float *x)
{
	double sum = 0, norms[2] = {0, 0};
	for (int j = 0; j < DIM; j++) {
		double a = (double)q[j], b = (double)x[j];
		sum += metric == KITH_L2 ? (a - b) * (a - b) : a * b;
		norms[0] += a * a;
		norms[1] += b * b;
	}
	if (metric == KITH_COSINE)
		sum /= sqrt(norms[0]) * (divides ? sqrt(norms[1]) : 1);
	return sum;
}

/* Distances of the result are those of the vectors as kept, in order, and nothing better was left out. */
static void check_result(const kith_index *index, const float *q, int64_t k, const float *dist,
    const int64_t *ids, int64_t modulus, int64_t rest)
{
	kith_metric metric = kith_index_metric(index);
	bool divides = !strstr(kith_index_describe(index), "RaBitQ");
	int64_t n = kith_index_size(index), passing = 0;
	float *x = make(n * DIM, sizeof *x);
	int64_t *all = make(n, sizeof *all);
	OK(kith_index_ids(index, all));
	OK(kith_index_get(index, n, all, x));
	double sign = metric == KITH_L2 ? 1 : -1, worst = -INFINITY;
	for (int64_t j = 0; j < k; j++) {
		if (ids[j] < 0)
			break;
		float one[DIM];
		OK(kith_index_get(index, 1, &ids[j], one));
		double d = distance(metric, divides, q, one);
		REQUIRE(ids[j] % modulus == rest);
		REQUIRE(fabs(d - (double)dist[j]) <=
		        2e-5 * (fabs(d) + 1e-3 * fabs(distance(metric, divides, one, one))));
		REQUIRE(sign * (double)dist[j] >= worst);
		worst = sign * (double)dist[j];
		passing++;
	}
	int64_t better = 0, all_passing = 0;
	for (int64_t i = 0; i < n; i++) {
		if (all[i] % modulus != rest)
			continue;
		double d = sign * distance(metric, divides, q, x + i * DIM);
		all_passing++;
		better += d < worst - 2e-5 * (fabs(worst) + 1e-3 * fabs(distance(metric, divides, q, q)));
	}
	REQUIRE(passing == (k < all_passing ? k : all_passing));
	REQUIRE(better <= passing);
	free(x);
	free(all);
}

static int passes_third(void *data, int64_t id)
{
	(void)data;
	return id % 3 == 1;
}

START_TEST(test_all_lists_equal_exact)
{
	const char *codec = codecs[_i % CODECS];
	kith_metric metric = metrics[_i / CODECS];
	bool is_signed = strcmp(codec, "SQ8_direct_signed") == 0;
	float *x = make_data(1, N, is_signed), *q = make_data(2, NQ, is_signed);
	kith_index *index = make_ivf(codec, metric, N, x, 2);
	float dist[NQ * K], one_dist[K];
	int64_t ids[NQ * K], one_ids[K];
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.nprobe = 1000; /* all */
	OK(kith_index_search(index, NQ, q, K, dist, ids, &options));
	for (int64_t i = 0; i < NQ; i++) {
		check_result(index, q + i * DIM, K, dist + i * K, ids + i * K, 1, 0);
		/* Query by query, with other threads: the same bits. */
		options.threads = 1 + (int)(i % 3);
		OK(kith_index_search(index, 1, q + i * DIM, K, one_dist, one_ids, &options));
		REQUIRE(memcmp(one_dist, dist + i * K, sizeof one_dist) == 0);
		REQUIRE(memcmp(one_ids, ids + i * K, sizeof one_ids) == 0);
	}
	kith_filter *filter;
	OK(kith_filter_callback(&filter, passes_third, NULL));
	options.filter = filter;
	OK(kith_index_search(index, NQ, q, K, dist, ids, &options));
	for (int64_t i = 0; i < NQ; i++)
		check_result(index, q + i * DIM, K, dist + i * K, ids + i * K, 3, 1);
	kith_filter_free(filter);
	kith_index_free(index);
	free(x);
	free(q);
}
END_TEST

/* The K best of two lists of K, of both under the same metric. */
static void merge_best(const float *a, const float *b, bool similarity, float *out)
{
	for (int i = 0, j = 0; i + j < K;) {
		bool first = similarity ? a[i] >= b[j] : a[i] <= b[j];
		float value = first ? a[i] : b[j];
		out[i + j] = value;
		*(first ? &i : &j) += 1;
	}
}

/* What is in half of the lists and in the other half is what is in all, and repeated lists count once. */
START_TEST(test_given_lists)
{
	const char *codec = codecs[_i % CODECS];
	kith_metric metric = metrics[_i / CODECS];
	bool is_signed = strcmp(codec, "SQ8_direct_signed") == 0;
	float *x = make_data(1, N, is_signed), *q = make_data(2, NQ, is_signed);
	kith_index *index = make_ivf(codec, metric, N, x, 2);
	float all[NQ * K], half[2][NQ * K], merged[K];
	int64_t ids[NQ * K];
	int32_t probes[NQ][NLIST];
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.nprobe = NLIST;
	OK(kith_index_search(index, NQ, q, K, all, ids, &options));
	options.probes = &probes[0][0];
	for (int odd = 0; odd < 2; odd++) {
		for (int i = 0; i < NQ; i++)
			for (int j = 0; j < NLIST; j++) {
				int32_t list = 2 * (j / 2) + odd; /* each twice */
				probes[i][(j + i) % NLIST] = list < NLIST ? list : -1;
			}
		OK(kith_index_search(index, NQ, q, K, half[odd], ids, &options));
	}
	for (int i = 0; i < NQ; i++) {
		merge_best(half[0] + i * K, half[1] + i * K, metric != KITH_L2, merged);
		REQUIRE(memcmp(merged, all + i * K, sizeof merged) == 0);
	}
	probes[1][2] = NLIST;
	FAILS(kith_index_search(index, NQ, q, K, all, ids, &options), KITH_INVALID, "probes[1][2]");
	probes[1][2] = -2;
	kith_ranges *ranges;
	FAILS(kith_index_range(index, NQ, q, 1, &ranges, &options), KITH_INVALID, "probes[1][2]");
	options.nprobe = 0;
	FAILS(kith_index_search(index, 1, q, K, all, ids, &options), KITH_INVALID, "nprobe");
	options.nprobe = NLIST + 1;
	FAILS(kith_index_search(index, 1, q, K, all, ids, &options), KITH_INVALID, "nprobe");
	kith_index_free(index);
	free(x);
	free(q);
}
END_TEST

/* Through what is around an inverted file; other indexes refuse them. */
START_TEST(test_given_lists_inside)
{
	static const char *const specs[] = {"PCA8,IVF8,SQ8,RFlat", "Flat", "HNSW8", "Shards2(IVF8,Flat)"};
	float *x = make_data(1, N, false), dist[K];
	int64_t ids[K];
	kith_index *index;
	kith_search_options options = KITH_SEARCH_OPTIONS;
	int32_t probes[8] = {0, 1, 2, 3, 4, 5, 6, 7};
	options.nprobe = 8;
	options.probes = probes;
	OK(kith_index_new(&index, DIM, KITH_L2, specs[_i]));
	OK(kith_index_train(index, N, x, NULL));
	OK(kith_index_add(index, N, x, NULL, NULL));
	if (_i == 0) {
		OK(kith_index_search(index, 1, x, K, dist, ids, &options));
		REQUIRE(ids[0] == 0 && dist[0] == 0);
	} else {
		FAILS(kith_index_search(index, 1, x, K, dist, ids, &options), KITH_INVALID, "probes");
	}
	kith_index_free(index);
	free(x);
}
END_TEST

START_TEST(test_isa_and_threads_do_not_matter)
{
	const char *codec = codecs[_i];
	bool is_signed = strcmp(codec, "SQ8_direct_signed") == 0;
	float *x = make_data(3, N, is_signed), *q = make_data(4, NQ, is_signed);
	float want[NQ * K], dist[NQ * K];
	int64_t want_ids[NQ * K], ids[NQ * K];
	kith_index *index = make_ivf(codec, KITH_L2, N, x, 1);
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.nprobe = 3;
	OK(kith_index_search(index, NQ, q, K, want, want_ids, &options));
	struct isa_list isas = isa_list();
	for (int i = 0; i < isas.n; i++) {
		OK(kith_set_isa(isas.name[i]));
		kith_index *other = make_ivf(codec, KITH_L2, N, x, 2 + i);
		options.threads = 1 + i;
		OK(kith_index_search(other, NQ, q, K, dist, ids, &options));
		REQUIRE(memcmp(ids, want_ids, sizeof ids) == 0);
		REQUIRE(memcmp(dist, want, sizeof dist) == 0);
		kith_index_free(other);
	}
	OK(kith_set_isa(NULL));
	kith_index_free(index);
	free(x);
	free(q);
}
END_TEST

START_TEST(test_change)
{
	const char *codec = codecs[_i];
	bool is_signed = strcmp(codec, "SQ8_direct_signed") == 0;
	float *x = make_data(5, N, is_signed), *q = make_data(6, 4, is_signed);
	kith_index *index = make_ivf(codec, KITH_L2, N, x, 2), *copy;
	float dist[K], dist_copy[K];
	int64_t ids[K], ids_copy[K], removed, moved[3] = {2, 700, 1499}, missing = 9999999;
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.nprobe = NLIST;
	/* Updated vectors answer for themselves; a missing id changes nothing. */
	OK(kith_index_update(index, 3, q, moved));
	FAILS(kith_index_update(index, 1, q, &missing), KITH_NOTFOUND, "9999999");
	kith_filter *odd, *third;
	OK(kith_filter_callback(&third, passes_third, NULL));
	OK(kith_index_remove(index, third, &removed));
	REQUIRE(removed == N / 3);
	REQUIRE(kith_index_size(index) == N - removed);
	REQUIRE(!kith_index_has(index, 1) && kith_index_has(index, 2));
	OK(kith_index_remove(index, third, &removed));
	REQUIRE(removed == 0);
	int64_t more[2] = {1, 50000};
	OK(kith_index_add(index, 2, q, more, NULL));
	FAILS(kith_index_add(index, 1, q, more, NULL), KITH_INVALID, "ids[0]");
	OK(kith_index_clone(&copy, index));
	OK(kith_filter_range(&odd, 0, 700));
	OK(kith_index_remove(copy, odd, &removed));
	REQUIRE(kith_index_size(copy) == kith_index_size(index) - removed);
	kith_index_free(copy);
	OK(kith_index_clone(&copy, index));
	for (int i = 0; i < 4; i++) {
		OK(kith_index_search(index, 1, q + i * DIM, K, dist, ids, &options));
		OK(kith_index_search(copy, 1, q + i * DIM, K, dist_copy, ids_copy, &options));
		check_result(index, q + i * DIM, K, dist, ids, 1, 0);
		REQUIRE(memcmp(ids, ids_copy, sizeof ids) == 0 && memcmp(dist, dist_copy, sizeof dist) == 0);
	}
	kith_filter_free(odd);
	kith_filter_free(third);
	kith_index_free(copy);
	kith_index_free(index);
	free(x);
	free(q);
}
END_TEST

/* Every hundredth id or so: a set of few, then one that is a bit map inside. */
static kith_filter *make_set(uint64_t seed, int64_t one_in, int64_t scale)
{
	struct rng rng = {seed};
	int64_t ids[N], n = 0;
	kith_filter *set;
	for (int64_t i = 0; i < N; i++)
		if (rng_below(&rng, one_in) == 0)
			ids[n++] = i * scale;
	OK(kith_filter_ids(&set, n, ids));
	return set;
}

/* A filter that lets one in so many pass, made in different ways. */
static kith_filter *make_filter(int way, int64_t one_in)
{
	kith_filter *a, *b, *made;
	uint8_t bits[N / 8 + 1] = {0};
	struct rng rng = {99};
	switch (way) {
	case 0:
		return make_set(5, one_in, 1);
	case 1: /* most of its ids are none */
		OK(kith_filter_or(&made, make_set(6, one_in, 1), make_set(7, 2, 1000003)));
		return made;
	case 2:
		for (int64_t i = 0; i < N; i++)
			bits[i / 8] = (uint8_t)(bits[i / 8] | (rng_below(&rng, one_in) == 0) << i % 8);
		OK(kith_filter_bitmap(&made, N, bits));
		return made;
	case 3:
		OK(kith_filter_range(&made, 700, 700 + N / one_in));
		return made;
	default:
		OK(kith_filter_callback(&a, passes_third, NULL));
		OK(kith_filter_not(&b, make_set(8, 2, 1)));
		OK(kith_filter_and(&made, a, b));
		OK(kith_filter_and(&b, made, make_set(9, one_in, 1)));
		return b;
	}
}

/* A search under a filter gives what one without gives, less what does not pass; whatever the share, for a
 * few queries as for many, in lists as without. */
START_TEST(test_filtered_is_filtered_afterwards)
{
	enum { WAYS = 5, SOME = 12 };
	const char *codec = codecs[_i % CODECS];
	kith_metric metric = metrics[_i / CODECS];
	bool is_signed = strcmp(codec, "SQ8_direct_signed") == 0;
	float *x = make_data(61, N, is_signed), *q = make_data(62, NQ, is_signed);
	float *dist = make(SOME * N, sizeof *dist), got[NQ * K];
	int64_t *ids = make(SOME * N, sizeof *ids), got_ids[NQ * K];
	kith_index *both[2] = {make_ivf(codec, metric, N, x, 2), NULL};
	OK(kith_index_new(&both[1], DIM, metric, codec));
	OK(kith_index_train(both[1], N, x, NULL));
	OK(kith_index_add(both[1], N, x, NULL, NULL));
	for (int f = 0; f < 2 * WAYS * 5; f++) {
		static const int64_t one_in[] = {500, 100, 12, 4, 2};
		kith_index *index = both[f % 2];
		kith_filter *filter = make_filter(f / 2 % WAYS, one_in[f / 2 / WAYS]);
		kith_search_options options = KITH_SEARCH_OPTIONS;
		options.nprobe = 4;
		OK(kith_index_search(index, SOME, q, N, dist, ids, &options));
		options.filter = filter;
		OK(kith_index_search(index, NQ, q, K, got, got_ids, &options));
		for (int64_t i = 0; i < SOME; i++) {
			float one[K], want[K];
			int64_t one_ids[K], want_ids[K], found = 0;
			OK(kith_index_search(index, 1, q + i * DIM, K, one, one_ids, &options));
			for (int64_t j = i * N; j < (i + 1) * N && found < K; j++) {
				if (ids[j] >= 0 && !kith_filter_test(filter, ids[j]))
					continue;
				want[found] = dist[j];
				want_ids[found++] = ids[j];
			}
			size_t n = (size_t)found;
			REQUIRE(memcmp(one, want, n * sizeof *want) == 0);
			REQUIRE(memcmp(one_ids, want_ids, n * sizeof *want_ids) == 0);
			REQUIRE(found == K || one_ids[found] < 0);
			REQUIRE(memcmp(one, got + i * K, sizeof one) == 0);
			REQUIRE(memcmp(one_ids, got_ids + i * K, sizeof one_ids) == 0);
		}
		kith_filter_free(filter);
	}
	kith_index_free(both[0]);
	kith_index_free(both[1]);
	free(x);
	free(q);
	free(dist);
	free(ids);
}
END_TEST

START_TEST(test_range)
{
	float *x = make_data(7, N, false), *q = make_data(8, 5, false);
	kith_index *index = make_ivf(codecs[_i], KITH_L2, N, x, 2);
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.nprobe = NLIST;
	kith_ranges *ranges;
	float dist[20];
	int64_t ids[20];
	OK(kith_index_search(index, 1, q, 20, dist, ids, &options));
	OK(kith_index_range(index, 5, q, dist[19], &ranges, &options));
	int64_t n;
	const float *found;
	OK(kith_ranges_get(ranges, 0, &n, &found, NULL));
	REQUIRE(n >= 20 && memcmp(found, dist, sizeof dist) == 0);
	kith_ranges_free(ranges);
	kith_index_free(index);
	free(x);
	free(q);
}
END_TEST

START_TEST(test_parameters_and_errors)
{
	float *x = make_data(9, N, false), dist[K];
	int64_t ids[K];
	kith_index *index;
	OK(kith_index_new(&index, DIM, KITH_L2, "IVF64,Flat"));
	ck_assert_str_eq(kith_index_describe(index), "IVF64,Flat");
	FAILS(kith_index_add(index, 1, x, NULL, NULL), KITH_UNTRAINED, "train");
	FAILS(kith_index_search(index, 1, x, 1, dist, ids, NULL), KITH_UNTRAINED, "train");
	FAILS(kith_index_train(index, 63, x, NULL), KITH_INVALID, "63");
	int64_t removed;
	kith_filter *all;
	OK(kith_filter_range(&all, 0, INT64_MAX));
	OK(kith_index_remove(index, all, &removed));
	REQUIRE(removed == 0 && kith_index_size(index) == 0);
	OK(kith_index_train(index, N, x, NULL));
	OK(kith_index_search(index, 1, x, K, dist, ids, NULL)); /* empty */
	REQUIRE(ids[0] == -1 && isinf(dist[0]));
	OK(kith_index_add(index, N, x, NULL, NULL));
	FAILS(kith_index_train(index, N, x, NULL), KITH_INVALID, "empty");
	kith_search_options options = KITH_SEARCH_OPTIONS;
	kith_search_stats stats = {.size = sizeof stats};
	options.nprobe = 64;
	options.max_codes = 1; /* one list is the least */
	options.stats = &stats;
	OK(kith_index_search(index, 1, x, K, dist, ids, &options));
	REQUIRE(stats.pairs > 0 && stats.pairs < N / 2);
	options.nprobe = -1;
	FAILS(kith_index_search(index, 1, x, K, dist, ids, &options), KITH_INVALID, "nprobe");
	OK(kith_index_remove(index, all, &removed));
	REQUIRE(removed == N);
	OK(kith_index_search(index, 1, x, K, dist, ids, NULL));
	REQUIRE(ids[0] == -1);
	kith_filter_free(all);
	kith_index_free(index);
	FAILS(kith_index_new(&index, DIM, KITH_L2, "IVF8"), KITH_INVALID, "IVF8");
	FAILS(kith_index_new(&index, DIM, KITH_L2, "IVF8,PQ5"), KITH_INVALID, "PQ5");
	FAILS(kith_index_new(&index, DIM, KITH_L2, "IVF8,PQ6x13"), KITH_INVALID, "PQ6x13");
	free(x);
}
END_TEST

/* max_codes cuts the lists of each query, in a batch as one by one; stats count lists and codes. */
START_TEST(test_max_codes_and_stats)
{
	float *x = make_data(11, N, false), *q = make_data(12, NQ, false);
	kith_index *index = make_ivf(codecs[_i], KITH_L2, N, x, 2);
	kith_search_stats stats = {.size = sizeof stats}, sum = {.size = sizeof sum};
	kith_search_options options = KITH_SEARCH_OPTIONS;
	float dist[NQ * K], one[K];
	int64_t ids[NQ * K], one_ids[K];
	kith_lists_info lists = {.size = sizeof lists};
	OK(kith_index_lists(index, &lists));
	options.nprobe = NLIST;
	options.stats = &stats;
	OK(kith_index_search(index, NQ, q, K, dist, ids, &options));
	REQUIRE(stats.lists == NQ * NLIST && stats.pairs == NQ * N && stats.exact >= NQ * K);
	options.max_codes = N / 3;
	OK(kith_index_search(index, NQ, q, K, dist, ids, &options));
	REQUIRE(stats.lists >= NQ && stats.lists < NQ * NLIST);
	REQUIRE(stats.pairs >= NQ * (N / 3) && stats.pairs < NQ * (N / 3 + lists.longest));
	kith_search_stats batch = stats;
	for (int64_t i = 0; i < NQ; i++) {
		OK(kith_index_search(index, 1, q + i * DIM, K, one, one_ids, &options));
		REQUIRE(memcmp(one, dist + i * K, sizeof one) == 0);
		REQUIRE(memcmp(one_ids, ids + i * K, sizeof one_ids) == 0);
		sum.lists += stats.lists;
		sum.pairs += stats.pairs;
	}
	REQUIRE(sum.lists == batch.lists && sum.pairs == batch.pairs);
	/* An older caller's stats end before `lists`. */
	stats.size = offsetof(kith_search_stats, lists);
	stats.lists = -5;
	OK(kith_index_search(index, NQ, q, K, dist, ids, &options));
	REQUIRE(stats.lists == -5 && stats.pairs == batch.pairs);
	kith_index_free(index);
	free(x);
	free(q);
}
END_TEST

/* What was removed and added again is found as if nothing had happened. */
START_TEST(test_remove_and_add_again)
{
	bool is_signed = strcmp(codecs[_i], "SQ8_direct_signed") == 0;
	float *x = make_data(13, N, is_signed), *q = make_data(14, NQ, is_signed);
	kith_index *index = make_ivf(codecs[_i], KITH_L2, N, x, 2), *twin;
	float dist[2][NQ * K];
	int64_t ids[2][NQ * K], again[200], removed;
	kith_filter *some;
	OK(kith_index_clone(&twin, index));
	OK(kith_filter_range(&some, 100, 300));
	OK(kith_index_remove(index, some, &removed));
	REQUIRE(removed == 200);
	for (int64_t i = 0; i < 200; i++)
		again[i] = 100 + i;
	OK(kith_index_add(index, 200, x + 100 * DIM, again, NULL));
	for (int nprobe = 2; nprobe <= NLIST; nprobe += NLIST - 2) {
		kith_search_options options = KITH_SEARCH_OPTIONS;
		options.nprobe = nprobe;
		OK(kith_index_search(index, NQ, q, K, dist[0], ids[0], &options));
		OK(kith_index_search(twin, NQ, q, K, dist[1], ids[1], &options));
		REQUIRE(memcmp(dist[0], dist[1], sizeof dist[0]) == 0);
		REQUIRE(memcmp(ids[0], ids[1], sizeof ids[0]) == 0);
	}
	kith_filter_free(some);
	kith_index_free(twin);
	kith_index_free(index);
	free(x);
	free(q);
}
END_TEST

START_TEST(test_degenerate_data)
{
	/* All equal: every list but one is empty; nothing divides by zero. */
	float x[200 * DIM], dist[K];
	int64_t ids[K];
	for (int i = 0; i < 200 * DIM; i++)
		x[i] = 3;
	kith_index *index;
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.nprobe = NLIST;
	char spec[64];
	snprintf(spec, sizeof spec, "IVF%d,%s", NLIST, _i ? "SQ8" : "Flat");
	OK(kith_index_new(&index, DIM, KITH_L2, spec));
	OK(kith_index_train(index, 200, x, NULL));
	OK(kith_index_add(index, 200, x, NULL, NULL));
	OK(kith_index_search(index, 1, x, K, dist, ids, &options));
	for (int i = 0; i < K; i++)
		REQUIRE(ids[i] == i && dist[i] >= 0 && dist[i] < 1e-3f);
	kith_index_free(index);
}
END_TEST

/* Lists are so many that a batch is searched query by query: to the same bits as its queries alone. */
START_TEST(test_batches_do_not_matter)
{
	enum { LISTS = 500, BATCH = 1000 };
	char spec[64];
	bool is_signed = !strcmp(codecs[_i], "SQ8_direct_signed");
	float *x = make_data(51, N, is_signed), *q = make_data(52, BATCH, is_signed);
	float *dist = make(2 * BATCH * K, sizeof *dist);
	int64_t *ids = make(2 * BATCH * K, sizeof *ids);
	kith_index *index;
	kith_search_options options = KITH_SEARCH_OPTIONS;
	snprintf(spec, sizeof spec, "IVF%d,%s", LISTS, codecs[_i]);
	OK(kith_index_new(&index, DIM, KITH_L2, spec));
	OK(kith_index_train(index, N, x, NULL));
	OK(kith_index_add(index, N, x, NULL, NULL));
	for (options.nprobe = 1; options.nprobe <= 2; options.nprobe++) {
		OK(kith_index_search(index, BATCH, q, K, dist, ids, &options));
		for (int i = 0; i < BATCH; i++)
			OK(kith_index_search(index, 1, q + i * DIM, K, dist + (BATCH + i) * K,
			    ids + (BATCH + i) * K, &options));
		REQUIRE(!memcmp(dist, dist + BATCH * K, BATCH * K * sizeof *dist));
		REQUIRE(!memcmp(ids, ids + BATCH * K, BATCH * K * sizeof *ids));
	}
	kith_index_free(index);
	free(x);
	free(q);
	free(dist);
	free(ids);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ivf");
	TCase *tcase = tcase_create("ivf");
	tcase_set_timeout(tcase, 300);
	tcase_add_loop_test(tcase, test_all_lists_equal_exact, 0, 3 * CODECS);
	tcase_add_loop_test(tcase, test_given_lists, 0, 3 * CODECS);
	tcase_add_loop_test(tcase, test_given_lists_inside, 0, 4);
	tcase_add_loop_test(tcase, test_isa_and_threads_do_not_matter, 0, CODECS);
	tcase_add_loop_test(tcase, test_change, 0, CODECS);
	tcase_add_loop_test(tcase, test_filtered_is_filtered_afterwards, 0, 3 * CODECS);
	tcase_add_loop_test(tcase, test_range, 0, CODECS - 1);
	tcase_add_loop_test(tcase, test_max_codes_and_stats, 0, CODECS - 1);
	tcase_add_loop_test(tcase, test_remove_and_add_again, 0, CODECS);
	tcase_add_loop_test(tcase, test_degenerate_data, 0, 2);
	tcase_add_loop_test(tcase, test_batches_do_not_matter, 0, CODECS);
	tcase_add_test(tcase, test_parameters_and_errors);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
