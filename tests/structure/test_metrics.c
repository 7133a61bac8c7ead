/* Metrics without product form: every structure that keeps floats serves them, and codecs say so where they
 * do not. */
#include "tests/structure/common.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_N = 1500, DIM = 12, NQ = 40, K = 10 };
#define N (sanitized ? (int64_t)500 : (int64_t)MAX_N)

enum { METRICS = 9, LP_AT = 7 };

/* The metrics without product form, two exponents of Lp among them. */
static kith_metric metric_at(int i)
{
	static const kith_metric named[] = {KITH_L1, KITH_LINF, KITH_CANBERRA, KITH_BRAY_CURTIS,
	    KITH_JENSEN_SHANNON, KITH_JACCARD, KITH_NAN_EUCLIDEAN};
	static const float exponents[] = {3, 1.75F};
	return i < LP_AT ? named[i] : kith_metric_lp(exponents[i - LP_AT]);
}

/* Every metric with every spec of a list. */
#define SPECS(list) (sizeof(list) / sizeof *(list))
#define METRIC      metric_at(_i % METRICS)
#define SPEC(list)  (list)[_i / METRICS]
#define CASE(list)  METRIC, SPEC(list)
#define CASES(list) (METRICS * (int)SPECS(list))

/* Vectors that the metric compares: without negative elements, with missing ones. */
static float *make_vectors(kith_metric metric, uint64_t seed, int64_t n)
{
	float *x = make_cloud(seed, n, DIM, 8);
	for (int64_t i = 0; i < n * DIM; i++) {
		if (metric == KITH_JENSEN_SHANNON || metric == KITH_JACCARD)
			x[i] = fabsf(x[i]);
		if (metric == KITH_NAN_EUCLIDEAN && i % 29 == 0)
			x[i] = NAN;
	}
	return x;
}

struct made {
	float *x, *q;
	kith_index *flat, *index;
};

static struct made make_both(kith_metric metric, const char *spec)
{
	struct made m = {.x = make_vectors(metric, 1, N), .q = make_vectors(metric, 2, NQ)};
	m.flat = make_filled(DIM, metric, "Flat", N, m.x);
	m.index = make_filled(DIM, metric, spec, N, m.x);
	return m;
}

static void free_both(struct made *m)
{
	free(m->x);
	free(m->q);
	kith_index_free(m->flat);
	kith_index_free(m->index);
}

/* What looks at all vectors gives what a flat index does, to the bit. */
static const char *const whole[] = {"IVF16,Flat", "IVF16_HNSW8,Flat", "Flat,RFlat", "HNSW8,Flat,RFlat",
    "Shards3(Flat)", "Pad20,Flat", "IDMap,Flat"};

START_TEST(answers_like_flat)
{
	/* A transform would have to know what is missing. */
	if (METRIC == KITH_NAN_EUCLIDEAN && strncmp(SPEC(whole), "Pad", 3) == 0)
		return;
	struct made m = make_both(CASE(whole));
	kith_search_options options = KITH_SEARCH_OPTIONS;
	bool filter = _i % 3 == 0;
	int64_t some[MAX_N / 2];
	for (int64_t i = 0; i < N / 2; i++)
		some[i] = 2 * i;
	kith_filter *half;
	OK(kith_filter_ids(&half, N / 2, some));
	options.filter = filter ? half : NULL;
	options.nprobe = 16;
	options.efSearch = N;
	options.k_factor = 100;
	check_same(m.flat, m.index, NQ, m.q, &options);
	kith_filter_free(half);
	free_both(&m);
}
END_TEST

START_TEST(graphs_find_nearly_all)
{
	static const char *const specs[] = {"HNSW16", "HNSW16,Flat,RFlat"};
	struct made m = make_both(CASE(specs));
	double found = recall(m.index, N, m.x, NQ, m.q, K, NULL);
	if (found < (METRIC == KITH_NAN_EUCLIDEAN ? 0.9 : 0.97))
		ck_abort_msg("%s %s: recall %.3f", kith_metric_name(METRIC), SPEC(specs), found);
	free_both(&m);
}
END_TEST

static const char *const changing[] = {"Flat", "IVF8,Flat", "HNSW12", "Flat,RFlat"};

START_TEST(changes)
{
	/* Vectors are compared by their bytes, so that none has a NaN. */
	float *x = make_vectors(METRIC == KITH_NAN_EUCLIDEAN ? KITH_L1 : METRIC, 3, N);
	kith_index *index = make_filled(DIM, CASE(changing), N, x);
	check_changes(index, SPEC(changing), N, x, _i / METRICS == 2 ? 1 : 0);
	kith_index_free(index);
	free(x);
}
END_TEST

/* Range searches: all that is within the radius, and nothing else. */
START_TEST(ranges)
{
	struct made m = make_both(CASE(changing));
	kith_search_options options = KITH_SEARCH_OPTIONS;
	float dist[K];
	int64_t ids[K], n[2];
	const float *found[2];
	const int64_t *which[2];
	options.exact_range = 1;
	for (int64_t q = 0; q < NQ; q++) {
		kith_ranges *a, *b;
		OK(kith_index_search(m.flat, 1, m.q + q * DIM, K, dist, ids, NULL));
		OK(kith_index_range(m.flat, 1, m.q + q * DIM, dist[K / 2], &a, NULL));
		OK(kith_index_range(m.index, 1, m.q + q * DIM, dist[K / 2], &b, &options));
		OK(kith_ranges_get(a, 0, &n[0], &found[0], &which[0]));
		OK(kith_ranges_get(b, 0, &n[1], &found[1], &which[1]));
		REQUIRE(n[0] == n[1] && n[0] >= K / 2 + 1);
		REQUIRE(memcmp(found[0], found[1], (size_t)n[0] * sizeof **found) == 0);
		REQUIRE(memcmp(which[0], which[1], (size_t)n[0] * sizeof **which) == 0);
		kith_ranges_free(a);
		kith_ranges_free(b);
	}
	free_both(&m);
}
END_TEST

/* Saved and opened, read and mapped, appended to; and in FAISS's files. */
START_TEST(files)
{
	struct made m = make_both(CASE(changing));
	kith_metric metric = METRIC;
	char path[64], theirs[64];
	snprintf(path, sizeof path, "metrics-%d-%d.kith", (int)getpid(), _i);
	snprintf(theirs, sizeof theirs, "metrics-%d-%d.faiss", (int)getpid(), _i);
	OK(kith_index_save(m.index, path));
	OK(kith_index_export_faiss(m.index, theirs));
	for (int way = 0; way < 3; way++) {
		kith_index *again;
		if (way == 2)
			OK(kith_index_import_faiss(&again, theirs, NULL));
		else
			OK(kith_index_open(&again, path, way ? KITH_MMAP : KITH_UPDATE));
		REQUIRE(kith_index_metric(again) == metric);
		check_same(m.index, again, NQ, m.q, NULL);
		OK(kith_index_add(again, NQ, m.q, NULL, NULL));
		int64_t id;
		float dist;
		OK(kith_index_search(again, 1, m.q, 1, &dist, &id, NULL));
		REQUIRE(id == N && dist == (metric == KITH_JACCARD ? 1 : 0));
		if (way == 0) {
			kith_index *appended;
			OK(kith_index_append(again, path));
			OK(kith_index_open(&appended, path, 0));
			check_same(again, appended, NQ, m.q, NULL);
			kith_index_free(appended);
			OK(kith_index_save(m.index, path));
		}
		kith_index_free(again);
	}
	unlink(path);
	unlink(theirs);
	free_both(&m);
}
END_TEST

/* Codes are compared by inner products, which these metrics are not made of. */
START_TEST(codecs_refuse)
{
	static const char *const specs[] = {
	    "SQ8", "PQ4", "SQfp16", "SQ8_direct", "IVF8,SQ8", "HNSW8,PQ4", "Flat,Refine(SQ8)"};
	kith_index *index = NULL;
	for (size_t i = 0; i < SPECS(specs); i++)
		for (int m = 0; m < METRICS; m++)
			FAILS(
			    kith_index_new(&index, DIM, metric_at(m), specs[i]), KITH_UNSUPPORTED, "'Flat'");
	FAILS(kith_index_new(&index, DIM, KITH_NAN_EUCLIDEAN, "Pad20,Flat"), KITH_UNSUPPORTED, "missing");
	FAILS(kith_index_new(&index, DIM, (kith_metric)99, "Flat"), KITH_INVALID, "naneuclidean, lp");
	REQUIRE(index == NULL);
}
END_TEST

/* The number of Lp says its exponent, and each has a name. */
START_TEST(exponents)
{
	kith_index *index = NULL;
	static const float bad[] = {0, -0.0F, -1, NAN, INFINITY};
	REQUIRE(kith_metric_p(kith_metric_lp(1.75F)) == 1.75F && kith_metric_p(KITH_L1) == 0);
	REQUIRE(strcmp(kith_metric_name(kith_metric_lp(1.75F)), "lp1.75") == 0);
	for (size_t i = 0; i < SPECS(bad); i++) {
		REQUIRE(kith_metric_p(kith_metric_lp(bad[i])) == 0);
		FAILS(kith_index_new(&index, DIM, kith_metric_lp(bad[i]), "Flat"), KITH_INVALID, "metric is");
	}
	/* There is room for 256 of them. */
	for (int i = 0; i < 300; i++) {
		kith_status status = kith_index_new(&index, DIM, kith_metric_lp(10 + (float)i), "Flat");
		REQUIRE(i > 250 || status == KITH_OK);
		REQUIRE(i < 256 || status == KITH_INVALID);
		kith_index_free(index);
		index = NULL;
	}
}
END_TEST

/* Negative elements where they make no sense, and NaN where it does; infinities nowhere. */
START_TEST(domains)
{
	float x[DIM] = {0}, dist;
	int8_t bytes[DIM] = {0};
	int64_t id;
	bool signs = METRIC != KITH_JENSEN_SHANNON && METRIC != KITH_JACCARD;
	static const char *const specs[] = {"Flat", "HNSW8", "IVF1,Flat"};
	const char *says = signs ? "must be finite" : "finite and not negative";
	kith_index *index;
	OK(kith_index_new(&index, DIM, CASE(specs)));
	OK(kith_index_train(index, 1, x, NULL));
	OK(kith_index_add(index, 1, x, NULL, NULL));
	static const float odd[] = {-1, NAN, INFINITY, -INFINITY};
	for (size_t i = 0; i < SPECS(odd); i++) {
		x[3] = odd[i];
		bool good = (i == 0 && signs) || (i == 1 && METRIC == KITH_NAN_EUCLIDEAN);
		if (good) {
			OK(kith_index_add(index, 1, x, NULL, NULL));
			OK(kith_index_search(index, 1, x, 1, &dist, &id, NULL));
			OK(kith_knn(DIM, METRIC, KITH_F32, 1, x, 1, x, 1, &dist, &id, NULL));
			continue;
		}
		FAILS(kith_index_add(index, 1, x, NULL, NULL), KITH_INVALID, "must be finite");
		FAILS(kith_index_search(index, 1, x, 1, &dist, &id, NULL), KITH_INVALID, "must be finite");
		float zero[DIM] = {0};
		kith_status status = kith_knn(DIM, METRIC, KITH_F32, 1, x, 1, zero, 1, &dist, &id, NULL);
		REQUIRE(status == KITH_INVALID);
	}
	bytes[2] = -1;
	if (signs) {
		OK(kith_index_add_as(index, KITH_I8, 1, bytes, NULL, NULL));
	} else {
		FAILS(kith_index_add_as(index, KITH_I8, 1, bytes, NULL, NULL), KITH_INVALID, says);
		FAILS(
		    kith_index_search_as(index, KITH_I8, 1, bytes, 1, &dist, &id, NULL), KITH_INVALID, says);
	}
	kith_index_free(index);
}
END_TEST

/* Vectors whose L2 distances are no floats, and far ones among normal ones. */
START_TEST(far_apart)
{
	kith_metric metric = METRIC;
	float *x = make_vectors(metric, 4, N), *q = make_vectors(metric, 5, NQ);
	for (int64_t i = 0; i < N * DIM; i++)
		x[i] *= _i / METRICS == 0 ? 1e25f : i / DIM % 100 == 0 ? 1e30f : 1;
	for (int64_t i = 0; i < NQ * DIM; i++)
		q[i] *= _i / METRICS == 0 ? 1e25f : i / DIM % 8 == 0 ? 1e30f : 1;
	kith_index *index = make_filled(DIM, metric, "HNSW16", N, x);
	double found = recall(index, N, x, NQ, q, K, NULL);
	/* A vector with missing elements does not say how long it is. */
	if (found < (metric == KITH_NAN_EUCLIDEAN ? 0.75 : 0.95))
		ck_abort_msg("%s, kind %d: recall %.3f", kith_metric_name(metric), _i / METRICS, found);
	kith_index_free(index);
	free(x);
	free(q);
}
END_TEST

/* Memory may run out anywhere. */
START_TEST(faults)
{
	static const char *const specs[] = {"Flat", "IVF4,Flat", "HNSW8"};
	if (!sanitized || _i % 3 == _i / METRICS) /* else a third of the metrics with each */
		check_faults(DIM, CASE(specs), 7);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("metrics");
	TCase *t = tcase_create("metrics");
	tcase_set_timeout(t, 600);
	tcase_add_loop_test(t, answers_like_flat, 0, CASES(whole));
	tcase_add_loop_test(t, graphs_find_nearly_all, 0, 2 * METRICS);
	tcase_add_loop_test(t, changes, 0, CASES(changing));
	tcase_add_loop_test(t, ranges, 0, CASES(changing));
	tcase_add_loop_test(t, files, 0, CASES(changing));
	tcase_add_test(t, codecs_refuse);
	tcase_add_test(t, exponents);
	tcase_add_loop_test(t, domains, 0, 3 * METRICS);
	tcase_add_loop_test(t, far_apart, 0, 2 * METRICS);
	tcase_add_loop_test(t, faults, 0, 3 * METRICS);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
