/* Tuning: the options found reach the recall, on the sample and beyond it, without being dearer than need be.
 */
#include "tests/support/support.h"

#include "lib/base/alloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DIM = 16, N = 6000, NQ = 300, HELD_OUT = 300, K = 10, NLIST = 64 };

static float *x, *q; /* q: NQ to tune on, HELD_OUT to test on */
static int64_t *truth;

static void begin(void)
{
	struct rng rng = {7};
	float *both = make((N + NQ + HELD_OUT) * DIM, sizeof *both), *centers = make_gauss(5, 40, DIM);
	for (int64_t i = 0; i < N + NQ + HELD_OUT; i++) {
		int64_t center = rng_below(&rng, 40);
		for (int64_t j = 0; j < DIM; j++)
			both[i * DIM + j] = centers[center * DIM + j] + 0.7f * rng_gauss(&rng);
	}
	x = both;
	q = both + (int64_t)N * DIM;
	float *dist = make((NQ + HELD_OUT) * K, sizeof *dist);
	truth = make((NQ + HELD_OUT) * K, sizeof *truth);
	OK(kith_knn(DIM, KITH_L2, KITH_F32, N, x, NQ + HELD_OUT, q, K, dist, truth, NULL));
	free(dist);
	free(centers);
}

static void end(void)
{
	free(x);
	free(truth);
}

static kith_index *make_filled(const char *spec)
{
	kith_index *index;
	OK(kith_index_new(&index, DIM, KITH_L2, spec));
	OK(kith_index_train(index, N, x, NULL));
	OK(kith_index_add(index, N, x, NULL, NULL));
	return index;
}

/* Mean recall of queries from … from + n − 1. */
static double recall_of(const kith_index *index, int64_t from, int64_t n, const kith_search_options *options)
{
	float *dist = make(n * K, sizeof *dist);
	int64_t *ids = make(n * K, sizeof *ids), hits = 0;
	OK(kith_index_search(index, n, q + from * DIM, K, dist, ids, options));
	for (int64_t i = 0; i < n * K; i++)
		for (int64_t j = i / K * K; j < (i / K + 1) * K; j++)
			hits += ids[i] == truth[from * K + j];
	free(dist);
	free(ids);
	return (double)hits / (double)(n * K);
}

START_TEST(reaches_recall)
{
	static const char *const specs[] = {"IVF64,Flat", "IVF64,SQ4,RFlat", "SQ4,RFlat", "IVF64,SQ8", "Flat",
	    "PCA8,IVF64,Flat,RFlat", "Shards2(IVF64,Flat)"};
	begin();
	kith_index *index = make_filled(specs[_i]);
	kith_tune_result result = {.size = sizeof result};
	kith_tune_options options = KITH_TUNE_OPTIONS;
	options.result = &result;

	for (double target = 0.5; target < 0.96; target += 0.2) {
		kith_search_options search = KITH_SEARCH_OPTIONS;
		OK(kith_index_tune(index, NQ, q, K, truth, target, &search, &options));
		REQUIRE(result.recall >= target && result.settings >= 1 && result.seconds > 0);
		REQUIRE(fabs(recall_of(index, 0, NQ, &search) - result.recall) < 1e-9);
		REQUIRE(recall_of(index, NQ, HELD_OUT, &search) >= target);
	}
	kith_index_free(index);
	end();
}
END_TEST

/* With one knob the answer is known: the least nprobe, up to a sixteenth. */
START_TEST(min_nprobe)
{
	begin();
	kith_index *index = make_filled("IVF64,Flat");
	kith_tune_options options = KITH_TUNE_OPTIONS;
	kith_search_options search = KITH_SEARCH_OPTIONS, other = KITH_SEARCH_OPTIONS;
	options.certainty = 0;
	OK(kith_index_tune(index, NQ, q, K, truth, 0.9, &search, &options));
	for (other.nprobe = 1; recall_of(index, 0, NQ, &other) < 0.9; other.nprobe++)
		;
	REQUIRE(search.nprobe >= other.nprobe && search.nprobe <= other.nprobe + 1 + other.nprobe / 16);
	REQUIRE(search.k_factor == 0);
	kith_index_free(index);
	end();
}
END_TEST

static int stop_at_third(void *data, const char *stage, int64_t done, int64_t total)
{
	(void)data;
	REQUIRE(!strcmp(stage, "tuning") && done <= total);
	return done == 3;
}

START_TEST(errors)
{
	begin();
	kith_index *index = make_filled("IVF64,SQ4"), *flat = make_filled("Flat"), *empty;
	kith_tune_result result = {.size = sizeof result};
	kith_tune_options options = KITH_TUNE_OPTIONS, bad;
	kith_search_options search = KITH_SEARCH_OPTIONS, before = search;
	options.result = &result;
	FAILS(kith_index_tune(index, NQ, q, K, truth, 0.999, &search, &options), KITH_NOTFOUND, "0.999");
	REQUIRE(result.recall > 0.3 && result.recall < 0.999 && !memcmp(&search, &before, sizeof search));
	FAILS(kith_index_tune(NULL, NQ, q, K, truth, 0.9, &search, NULL), KITH_INVALID, "index is NULL");
	FAILS(kith_index_tune(index, NQ, q, K, truth, 0.9, NULL, NULL), KITH_INVALID, "search is NULL");
	FAILS(kith_index_tune(index, 0, q, K, truth, 0.9, &search, NULL), KITH_INVALID, "nq is 0");
	FAILS(kith_index_tune(index, NQ, q, K, NULL, 0.9, &search, NULL), KITH_INVALID, "truth is NULL");
	FAILS(kith_index_tune(index, NQ, q, 0, truth, 0.9, &search, NULL), KITH_INVALID, "k is 0");
	FAILS(kith_index_tune(index, 1, q, N + 1, truth, 0.9, &search, NULL), KITH_INVALID, "more than the");
	FAILS(kith_index_tune(index, NQ, q, K, truth, 1.5, &search, NULL), KITH_INVALID, "recall is 1.5");
	bad = options;
	bad.runs = 0;
	FAILS(kith_index_tune(index, NQ, q, K, truth, 0.9, &search, &bad), KITH_INVALID, "runs 0");
	bad = options;
	bad.size = 1;
	FAILS(kith_index_tune(index, NQ, q, K, truth, 0.9, &search, &bad), KITH_INVALID, "size is 1");
	search.nprobe = -1;
	FAILS(kith_index_tune(index, NQ, q, K, truth, 0.9, &search, NULL), KITH_INVALID, "nprobe is -1");
	search.nprobe = 0;
	options.progress = stop_at_third;
	FAILS(kith_index_tune(index, NQ, q, K, truth, 0.9, &search, &options), KITH_CANCELLED, "cancelled");
	OK(kith_index_new(&empty, DIM, KITH_L2, "IVF64,Flat"));
	FAILS(kith_index_tune(empty, NQ, q, K, truth, 0.9, &search, NULL), KITH_INVALID, "more than the 0");
	kith_index_free(empty);
	/* Queries of which no neighbour is known ask for nothing. */
	for (int64_t i = 0; i < NQ * K; i++)
		truth[i] = -1;
	OK(kith_index_tune(flat, NQ, q, K, truth, 1, &search, NULL));
	kith_index_free(index);
	kith_index_free(flat);
	end();
}
END_TEST

START_TEST(no_memory)
{
	begin();
	kith_index *index = make_filled("IVF64,SQ8,RFlat");
	int64_t live = alloc_live();
	for (int64_t i = 1; i < 40; i++) {
		kith_search_options search = KITH_SEARCH_OPTIONS;
		alloc_fail_at(i, true);
		kith_status status = kith_index_tune(index, 20, q, K, truth, 0.5, &search, NULL);
		alloc_fail_at(0, false);
		REQUIRE(status == KITH_NOMEM && alloc_live() == live && search.nprobe == 0);
	}
	kith_index_free(index);
	end();
}
END_TEST

/* What the quantizer of an inverted file uses is not tuned. */
START_TEST(quantizers)
{
	static const char *const specs[] = {"IVF64_HNSW8,SQ8,RFlat", "IVF64(HNSW8,SQ8),SQ8,RFlat"};
	begin();
	for (int i = 0; i < 2; i++) {
		kith_index *index = make_filled(specs[i]);
		kith_search_options search = KITH_SEARCH_OPTIONS;
		OK(kith_index_tune(index, 20, q, K, truth, 0.5, &search, NULL));
		REQUIRE(search.nprobe > 0 && search.k_factor > 0 && search.efSearch == 0);
		kith_index_free(index);
	}
	end();
}
END_TEST

START_TEST(what_is_used)
{
	static const struct {
		const char *spec;
		int nprobe, k_factor, efSearch;
	} cases[] = {{"Flat", 0, 0, 0}, {"IVF8,Flat", 1, 0, 0}, {"PQ4,RFlat", 0, 1, 0},
	    {"PCA8,(IVF8,SQ8,Refine(SQ8))", 1, 1, 0}, {"Shards2(IVF8,Flat)", 1, 0, 0},
	    {"L2norm,IVF8,Flat", 1, 0, 0}, {"HNSW8,SQ8", 0, 0, 1}, {"IVF8_HNSW8,Flat", 1, 0, 1},
	    {"PCA8,(IVF8(HNSW8,SQ8),Flat,RFlat)", 1, 1, 1}, {"IVF8(SQ8),Flat", 1, 0, 0},
	    {"Shards2(HNSW8)", 0, 0, 1}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		kith_index *index;
		OK(kith_index_new(&index, DIM, KITH_L2, cases[i].spec));
		REQUIRE(kith_index_uses(index, "nprobe") == cases[i].nprobe);
		REQUIRE(kith_index_uses(index, "max_codes") == cases[i].nprobe);
		REQUIRE(kith_index_uses(index, "k_factor") == cases[i].k_factor);
		REQUIRE(kith_index_uses(index, "efSearch") == cases[i].efSearch);
		REQUIRE(!kith_index_uses(index, "threads") && !kith_index_uses(index, NULL));
		kith_index_free(index);
	}
	REQUIRE(!kith_index_uses(NULL, "nprobe"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tune");
	TCase *t = tcase_create("tune");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, reaches_recall, 0, 7);
	tcase_add_test(t, min_nprobe);
	tcase_add_test(t, errors);
	tcase_add_test(t, no_memory);
	tcase_add_test(t, quantizers);
	tcase_add_test(t, what_is_used);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
