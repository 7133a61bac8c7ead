/* Refining: with enough candidates the answer is exact; with few it is better than the child's. */
#include "tests/structure/common.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 1500, DIM = 24, NQ = 70 };

static const kith_metric metrics[] = {KITH_L2, KITH_IP, KITH_COSINE};

/* Whether this build has all the words. */
static bool offered(const char *spec)
{
	kith_index *index;
	kith_status status = kith_index_new(&index, DIM, KITH_L2, spec);
	if (status == KITH_OK)
		kith_index_free(index);
	return status == KITH_OK;
}

static kith_search_options factor(float k_factor)
{
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.k_factor = k_factor;
	options.nprobe = 1 << 20;
	return options;
}

static const char *const children[] = {
    "Flat", "PCA4,Flat", "SQ4", "PQ4", "IVF16,Flat", "IVF16,PQ4", "RR,SQ8", "IVF16_HNSW4,SQ8"};

/* All vectors are candidates: the bits of a flat index, whatever the child. */
START_TEST(exact_with_all)
{
	float *x = make_cloud(1, N, DIM, 20), *q = make_cloud(2, NQ, DIM, 20);
	kith_search_options all = factor(N);
	for (size_t m = 0; m < 3; m++) {
		kith_index *flat = make_filled(DIM, metrics[m], "Flat", N, x);
		for (size_t c = 0; c < sizeof children / sizeof *children; c++) {
			char spec[64];
			snprintf(spec, sizeof spec, "%s,RFlat", children[c]);
			if (!offered(spec))
				continue;
			kith_index *index = make_filled(DIM, metrics[m], spec, N, x);
			REQUIRE(strcmp(kith_index_describe(index), c == 6 ? "RR24,SQ8,RFlat" : spec) == 0);
			check_same(flat, index, NQ, q, &all);
			kith_index_free(index);
		}
		kith_index_free(flat);
	}
	free(x);
	free(q);
}
END_TEST

/* A finer codec that approximates: the bits of a flat index with that codec. */
START_TEST(other_codecs)
{
	static const char *const codecs[] = {"Flat", "SQ8", "SQfp16", "SQ6", "PQ8"};
	float *x = make_cloud(1, N, DIM, 20), *q = make_cloud(2, NQ, DIM, 20);
	kith_search_options all = factor(N);
	for (size_t m = 0; m < 3; m++)
		for (size_t c = 0; c < sizeof codecs / sizeof *codecs; c++) {
			char spec[64];
			snprintf(spec, sizeof spec, "PCA4,Flat,Refine(%s)", codecs[c]);
			if (!offered(spec))
				continue;
			kith_index *index = make_filled(DIM, metrics[m], spec, N, x);
			kith_index *flat = make_filled(DIM, metrics[m], codecs[c], N, x);
			check_same(flat, index, NQ, q, &all);
			float a[DIM], b[DIM];
			for (int64_t id = 0; id < N; id += 100) {
				OK(kith_index_get(flat, 1, &id, a));
				OK(kith_index_get(index, 1, &id, b));
				REQUIRE(memcmp(a, b, sizeof a) == 0);
			}
			kith_index_free(index);
			kith_index_free(flat);
		}
	free(x);
	free(q);
}
END_TEST

/* Recall grows with k_factor, and is the child's at worst. */
START_TEST(better_than_child)
{
	float *x = make_cloud(1, N, DIM, DIM), *q = make_cloud(2, NQ, DIM, DIM);
	kith_index *child = make_filled(DIM, KITH_L2, "PCA4,Flat", N, x);
	kith_index *index = make_filled(DIM, KITH_L2, "PCA4,Flat,RFlat", N, x);
	double last = recall(child, N, x, NQ, q, 10, NULL), first = last;
	for (float k_factor = 1; k_factor < 200; k_factor *= 2.5f) {
		kith_search_options options = factor(k_factor);
		double found = recall(index, N, x, NQ, q, 10, &options);
		REQUIRE(found >= last);
		last = found;
	}
	REQUIRE(last == 1 && first < 0.7);
	kith_search_options four = factor(4), usual = factor(0);
	REQUIRE(recall(index, N, x, NQ, q, 10, &four) == recall(index, N, x, NQ, q, 10, &usual));
	check_same(index, index, NQ, q, &usual);
	kith_index_free(child);
	kith_index_free(index);
	free(x);
	free(q);
}
END_TEST

/* PCA distances are lower bounds, so a range search over them loses nothing. */
START_TEST(ranges)
{
	float *x = make_cloud(1, N, DIM, 20);
	kith_index *flat = make_filled(DIM, KITH_L2, "Flat", N, x);
	kith_index *index = make_filled(DIM, KITH_L2, "PCA12,Flat,RFlat", N, x);
	kith_ranges *a, *b;
	OK(kith_index_range(flat, NQ, x, 100, &a, NULL));
	OK(kith_index_range(index, NQ, x, 100, &b, NULL));
	REQUIRE(kith_ranges_total(a) == kith_ranges_total(b) && kith_ranges_total(a) > 2 * NQ);
	for (int64_t q = 0; q < NQ; q++) {
		int64_t n[2];
		const float *dist[2];
		const int64_t *ids[2];
		OK(kith_ranges_get(a, q, &n[0], &dist[0], &ids[0]));
		OK(kith_ranges_get(b, q, &n[1], &dist[1], &ids[1]));
		REQUIRE(n[0] == n[1]);
		REQUIRE(memcmp(dist[0], dist[1], (size_t)n[0] * sizeof *dist[0]) == 0);
		REQUIRE(memcmp(ids[0], ids[1], (size_t)n[0] * sizeof *ids[0]) == 0);
	}
	kith_ranges_free(a);
	kith_ranges_free(b);
	kith_index_free(flat);
	kith_index_free(index);
	free(x);
}
END_TEST

START_TEST(filters_and_stats)
{
	float *x = make_cloud(1, N, DIM, 20), dist[NQ * 4];
	int64_t ids[NQ * 4];
	kith_index *index = make_filled(DIM, KITH_IP, "PCA4,Flat,RFlat", N, x);
	kith_search_options options = factor(3);
	kith_search_stats stats = {.size = sizeof stats};
	kith_filter *filter;
	OK(kith_filter_range(&filter, 700, 710));
	options.filter = filter;
	options.stats = &stats;
	OK(kith_index_search(index, NQ, x, 4, dist, ids, &options));
	for (int64_t i = 0; i < NQ * 4; i++)
		REQUIRE(ids[i] >= 700 && ids[i] < 710);
	REQUIRE(stats.exact >= 2 * NQ * 10);
	/* Fewer than k pass. */
	kith_filter_free(filter);
	OK(kith_filter_range(&filter, 3, 5));
	options.filter = filter;
	OK(kith_index_search(index, NQ, x, 4, dist, ids, &options));
	for (int64_t i = 0; i < NQ * 4; i++)
		REQUIRE(i % 4 < 2 ? ids[i] == 3 || ids[i] == 4 : ids[i] == -1 && isinf(dist[i]));
	kith_filter_free(filter);
	kith_index_free(index);
	free(x);
}
END_TEST

START_TEST(bytes)
{
	struct rng rng = {9};
	uint8_t *x = make(N * DIM, 1);
	float dist[2][NQ * 5];
	int64_t ids[2][NQ * 5];
	for (int64_t i = 0; i < N * DIM; i++)
		x[i] = (uint8_t)rng_below(&rng, 256);
	static const char *const specs[] = {"U8", "U8,Refine(U8)"};
	for (int i = 0; i < 2; i++) {
		kith_index *index;
		OK(kith_index_new(&index, DIM, KITH_L2, specs[i]));
		OK(kith_index_add_as(index, KITH_U8, N, x, NULL, NULL));
		OK(kith_index_search_as(index, KITH_U8, NQ, x, 5, dist[i], ids[i], NULL));
		REQUIRE(kith_index_type(index) == KITH_U8);
		kith_index_free(index);
	}
	REQUIRE(memcmp(dist[0], dist[1], sizeof dist[0]) == 0);
	REQUIRE(memcmp(ids[0], ids[1], sizeof ids[0]) == 0);
	/* What either of the two cannot keep is refused, and neither has it then. */
	float half[DIM] = {0.5f};
	kith_index *index;
	OK(kith_index_new(&index, DIM, KITH_L2, "Flat,Refine(U8)"));
	FAILS(kith_index_add(index, 1, half, NULL, NULL), KITH_INVALID, "0.5");
	REQUIRE(kith_index_size(index) == 0);
	kith_index_free(index);
	free(x);
}
END_TEST

START_TEST(changes)
{
	static const char *const specs[] = {"Flat,RFlat", "PCA24,Flat,RFlat", "RR,Flat,Refine(SQfp16)",
	    "SQ8,RFlat", "Flat,Refine(SQ8)", "IVF4,Flat,RFlat"};
	float *x = make_cloud(1, N, DIM, 20);
	for (size_t s = 0; s < sizeof specs / sizeof *specs; s++)
		for (size_t m = 0; m < 3 && offered(specs[s]); m++) {
			kith_index *index = make_filled(DIM, metrics[m], specs[s], N, x);
			check_changes(index, specs[s], N, x, 0);
			kith_index_free(index);
		}
	free(x);
}
END_TEST

START_TEST(refused)
{
	kith_index *index, *child;
	float x[DIM] = {1};
	FAILS(kith_index_new(&index, DIM, KITH_L2, "Flat,Refine()"), KITH_INVALID, "Refine()");
	FAILS(kith_index_new(&index, DIM, KITH_L2, "Flat,Refine(Floot)"), KITH_INVALID, "Floot");
	FAILS(kith_index_new(&index, DIM, KITH_L2, "Flat,Refine(RQ4)"), KITH_UNSUPPORTED, "RQ4");
	FAILS(kith_index_new(&index, DIM, KITH_L2, "Flat,RFlat,Flat"), KITH_INVALID, "cannot follow");
	FAILS(kith_index_new(&index, DIM, KITH_L2, "RFlat"), KITH_INVALID, "RFlat");
	OK(kith_index_new(&child, DIM, KITH_L2, "Flat"));
	FAILS(kith_index_wrap_refine(&index, child, "Floot"), KITH_INVALID, "Floot");
	REQUIRE(!index);
	FAILS(kith_index_wrap_refine(&index, child, NULL), KITH_INVALID, "NULL");
	FAILS(kith_index_wrap_refine(&index, NULL, "Flat"), KITH_INVALID, "NULL");
	FAILS(kith_index_wrap_refine(NULL, child, "Flat"), KITH_INVALID, "NULL");
	OK(kith_index_add(child, 1, x, NULL, NULL));
	FAILS(kith_index_wrap_refine(&index, child, "Flat"), KITH_INVALID, "holds");
	kith_filter *all;
	OK(kith_filter_range(&all, 0, 10));
	OK(kith_index_remove(child, all, NULL));
	kith_filter_free(all);
	/* The child goes on counting at 1, the new index at 0; they must agree. */
	OK(kith_index_wrap_refine(&index, child, "Flat"));
	OK(kith_index_add(index, 1, x, NULL, NULL));
	float dist;
	int64_t id;
	OK(kith_index_search(index, 1, x, 1, &dist, &id, NULL));
	REQUIRE(id == 0 && dist == 0);

	kith_search_options options = KITH_SEARCH_OPTIONS;
	static const float bad[] = {0.5f, -1, NAN, INFINITY, 1e9f};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		options.k_factor = bad[i];
		FAILS(kith_index_search(index, 1, x, 1, &dist, &id, &options), KITH_INVALID, "k_factor");
	}
	kith_index_free(index);
}
END_TEST

static int cancel_late(void *data, const char *stage, int64_t done, int64_t total)
{
	REQUIRE(stage && done >= 0 && done <= total);
	return --*(int *)data < 0;
}

/* Many candidates of many queries go in chunks, whose progress is one. */
START_TEST(chunks)
{
	enum { MANY = 6000 };
	struct rng rng = {4};
	float *x = make(N * 2, sizeof *x), *q = make(MANY * 2, sizeof *q),
	      *dist = make(MANY * 100, sizeof *dist);
	int64_t *ids = make(MANY * 100, sizeof *ids);
	for (int64_t i = 0; i < MANY * 2; i++)
		q[i] = rng_gauss(&rng);
	memcpy(x, q, N * 2 * sizeof *x);
	kith_index *index = make_filled(2, KITH_L2, "Flat,RFlat", N, x);
	kith_search_options options = factor(14);
	int left = 1 << 20;
	options.progress = cancel_late;
	options.progress_data = &left;
	OK(kith_index_search(index, MANY, q, 100, dist, ids, &options));
	for (int64_t i = 0; i < N; i++)
		REQUIRE(ids[i * 100] == i);
	left = 1;
	FAILS(kith_index_search(index, MANY, q, 100, dist, ids, &options), KITH_CANCELLED, "search");
	kith_index_free(index);
	free(x);
	free(q);
	free(dist);
	free(ids);
}
END_TEST

START_TEST(faults)
{
	check_faults(12, KITH_L2, "PCA4,Flat,RFlat", 1);
	check_faults(12, KITH_COSINE, "Flat,RFlat", 1);
	if (offered("Flat,Refine(SQ8)"))
		check_faults(12, KITH_IP, "Flat,Refine(SQ8)", 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("refine");
	TCase *tests = tcase_create("refine");
	tcase_set_timeout(tests, 300);
	tcase_add_test(tests, exact_with_all);
	tcase_add_test(tests, other_codecs);
	tcase_add_test(tests, better_than_child);
	tcase_add_test(tests, ranges);
	tcase_add_test(tests, filters_and_stats);
	tcase_add_test(tests, bytes);
	tcase_add_test(tests, changes);
	tcase_add_test(tests, refused);
	tcase_add_test(tests, chunks);
	tcase_add_test(tests, faults);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
