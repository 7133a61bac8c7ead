/* What no index may trip over: every structure with every codec, and what wraps them, under every metric,
 * gets the same list of bad calls and of odd data. Each refusal names what is wrong and leaves the index as
 * it was.
 *
 * A vector of another dimension has no place here: in C a caller gives no dimension beside x; the tools and
 * the Python package, which see one, have tests of it. */
#include "tests/structure/common.h"
#include "tests/support/bytes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIM = 8, N = 600, LISTS = 4, K = 5 };

static const char *const codecs[] = {"Flat", "SQ8_direct", "SQ8_direct_signed", "SQfp16", "SQbf16", "SQ8",
    "SQ6", "SQ4", "SQ8_uniform", "SQ4_quantile", "PQ4", "PQ8x4", "PQ2x9"};
enum { CODECS = sizeof codecs / sizeof *codecs };

/* %s: a codec. Transforms make floats, so byte vectors have only the first WITH_BYTES; what wraps the first
 * PLAIN knows nothing of metrics. */
static const char *const structures[] = {"%s", "IVF4,%s", "HNSW8,%s", "Shards2(IVF4,%s)", "IVF4,%s,RFlat",
    "IVF4_whole,%s", "PCA8,IVF4,%s", "RR8,%s", "L2norm,%s"};
enum { STRUCTURES = sizeof structures / sizeof *structures, WITH_BYTES = 5, PLAIN = 3 };

static const kith_metric metrics[] = {KITH_L2, KITH_IP, KITH_COSINE};

static bool is_bytes(const char *codec)
{
	return strncmp(codec, "SQ8_direct", 10) == 0;
}

/* Integers from 1 to 100, so that bytes of either kind take them. */
static float *make_data(uint64_t seed)
{
	struct rng rng = {seed};
	float *x = make(N * DIM, sizeof *x);
	for (int i = 0; i < N * DIM; i++)
		x[i] = (float)(1 + rng_below(&rng, 100));
	return x;
}

static void search(const kith_index *index, const float *q, float *dist, int64_t *ids, int64_t nprobe)
{
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.nprobe = nprobe;
	OK(kith_index_search(index, 1, q, K, dist, ids, &options));
}

/* Distances of K results: finite, best first; ids that are there, each once. */
static void check_found(const kith_index *index, const float *q)
{
	float dist[K];
	int64_t ids[K];
	bool near = kith_index_metric(index) == KITH_L2;
	search(index, q, dist, ids, LISTS);
	for (int i = 0; i < K; i++) {
		REQUIRE(isfinite(dist[i]) && kith_index_has(index, ids[i]));
		REQUIRE(i == 0 || (near ? dist[i] >= dist[i - 1] : dist[i] <= dist[i - 1]));
		for (int j = 0; j < i; j++)
			REQUIRE(ids[j] != ids[i]);
	}
}

static void before_training(const char *spec, kith_metric metric, float *x)
{
	float dist[K], kept = x[DIM + 3];
	int64_t ids[K], removed;
	kith_index *index;
	kith_filter *all;
	OK(kith_index_new(&index, DIM, metric, spec));
	OK(kith_filter_range(&all, 0, INT64_MAX));
	OK(kith_index_remove(index, all, &removed));
	REQUIRE(removed == 0);
	if (!kith_index_trained(index)) {
		FAILS(kith_index_search(index, 1, x, K, dist, ids, NULL), KITH_UNTRAINED, "train");
		FAILS(kith_index_add(index, 1, x, NULL, NULL), KITH_UNTRAINED, "train");
	}
	if (strstr(spec, "IVF") || strstr(spec, "PQ")) {
		FAILS(kith_index_train(index, 0, x, NULL), KITH_INVALID, "training vectors");
		FAILS(kith_index_train(index, 3, x, NULL), KITH_INVALID, "training vectors");
		REQUIRE(!kith_index_trained(index));
	}
	x[DIM + 3] = NAN;
	FAILS(kith_index_train(index, N, x, NULL), KITH_INVALID, "1, component 3");
	x[DIM + 3] = kept;
	OK(kith_index_train(index, N, x, NULL));
	search(index, x, dist, ids, LISTS);
	for (int i = 0; i < K; i++)
		REQUIRE(ids[i] == -1 && isinf(dist[i]) && (dist[i] > 0) == (metric == KITH_L2));
	kith_filter_free(all);
	kith_index_free(index);
}

static void not_finite(kith_index *index, const float *x)
{
	static const float bad[] = {NAN, INFINITY, -INFINITY};
	float two[2 * DIM], dist[K];
	int64_t ids[K], zero = 0;
	memcpy(two, x, sizeof two);
	for (int i = 0; i < 3; i++) {
		two[DIM + 3] = bad[i];
		FAILS(kith_index_add(index, 2, two, NULL, NULL), KITH_INVALID, "vector 1, component 3");
		FAILS(kith_index_update(index, 1, two + DIM, &zero), KITH_INVALID, "vector 0, component 3");
		FAILS(kith_index_search(index, 2, two, 1, dist, ids, NULL), KITH_INVALID,
		    "query 1, component 3");
	}
}

static void odd_ids(kith_index *index, const float *x)
{
	int64_t twice[] = {900, 901, 900}, there[] = {900, 7}, negative = -1, absent = 5000, removed = 9;
	float one[DIM];
	kith_filter *none;
	FAILS(kith_index_add(index, 3, x, twice, NULL), KITH_INVALID, "900");
	FAILS(kith_index_add(index, 2, x, there, NULL), KITH_INVALID, " 7");
	FAILS(kith_index_add(index, 1, x, &negative, NULL), KITH_INVALID, "-1");
	FAILS(kith_index_update(index, 1, x, &absent), KITH_NOTFOUND, "5000");
	FAILS(kith_index_get(index, 1, &absent, one), KITH_NOTFOUND, "5000");
	OK(kith_filter_range(&none, 5000, INT64_MAX));
	OK(kith_index_remove(index, none, &removed));
	REQUIRE(removed == 0);
	kith_filter_free(none);
}

/* More lists than there are: all of them. */
static void many_lists(const kith_index *index, const float *q)
{
	float dist[2][K];
	int64_t ids[2][K];
	search(index, q, dist[0], ids[0], LISTS);
	search(index, q, dist[1], ids[1], INT64_MAX);
	REQUIRE(!memcmp(dist[0], dist[1], sizeof dist[0]) && !memcmp(ids[0], ids[1], sizeof ids[0]));
}

static void bad_calls(const char *spec, kith_metric metric, const float *x)
{
	kith_index *index = make_filled(DIM, metric, spec, N, x);
	struct bytes before = saved_bytes(index);
	not_finite(index, x);
	odd_ids(index, x);
	many_lists(index, x);
	struct bytes after = saved_bytes(index);
	if (after.n != before.n || memcmp(after.data, before.data, before.n) != 0)
		ck_abort_msg("%s, metric %d: a refused call changed the index", spec, (int)metric);
	free(before.data);
	free(after.data);
	check_found(index, x + DIM);
	kith_index_free(index);
}

/* All vectors equal, and all but one dimension constant (one of them zero): learnt from, kept and found. */
static void odd_data(const char *spec, kith_metric metric, const float *x)
{
	float *y = make(N * DIM, sizeof *y);
	for (int varied = 0; varied < 2; varied++) {
		for (int i = 0; i < N * DIM; i++)
			y[i] = i % DIM == 3 ? 0 : i % DIM == 5 && varied ? x[i] : 40;
		kith_index *index = make_filled(DIM, metric, spec, N, y);
		float kept[DIM];
		int64_t id = N - 1;
		check_found(index, y);
		check_found(index, x);
		OK(kith_index_get(index, 1, &id, kept));
		for (int j = 0; j < DIM; j++)
			REQUIRE(isfinite(kept[j]));
		OK(kith_index_update(index, 1, x, &id));
		check_found(index, x);
		kith_index_free(index);
	}
	free(y);
}

START_TEST(bad_input)
{
	const char *codec = codecs[_i];
	float *x = make_data(17);
	for (int s = 0; s < (is_bytes(codec) ? WITH_BYTES : STRUCTURES); s++)
		for (int m = 0; m < (s < PLAIN ? 3 : 1); m++) {
			char spec[64];
			snprintf(spec, sizeof spec, structures[s], codec);
			before_training(spec, metrics[m], x);
			bad_calls(spec, metrics[m], x);
			odd_data(spec, metrics[m], x);
		}
	free(x);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("bad_input");
	TCase *t = tcase_create("bad_input");
	tcase_set_timeout(t, 240);
	tcase_add_loop_test(t, bad_input, 0, CODECS);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
