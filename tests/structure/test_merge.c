/* Merging indexes; counting their lists.
 *
 * The property: two halves of the vectors, added to clones of one trained index and merged, are the index
 * that got all of them, to the bit.
 */
#include "tests/structure/common.h"

#include "lib/base/alloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 600, HALF = 333, DIM = 16, NQ = 20 };

static const char *const specs[] = {"Flat", "SQ8_direct", "SQfp16", "SQ8_uniform_quantile", "SQ4", "PQ4",
    "PQ4x5", "RaBitQ", "IVF5,RaBitQ4", "IVF5,Flat", "IVF5,SQ8_direct", "IVF5,SQ6_quantile", "IVF5,PQ4x4",
    "IVF5_HNSW2,SQ4", "PCA8,IVF5,PQ4", "L2norm,SQ4", "PQ4,RFlat", "OPQ4,IVF5,PQ4,Refine(SQ8)",
    "RR16,(IVF5,SQ4,RFlat)"};
enum { SPECS = sizeof specs / sizeof *specs };

/* Whole numbers of a byte, which every codec takes. */
static float *make_bytes(uint64_t seed, int64_t n)
{
	float *x = make_cloud(seed, n, DIM, 6);
	for (int64_t i = 0; i < n * DIM; i++)
		x[i] = fminf(255, fmaxf(0, roundf(100 + 20 * x[i])));
	return x;
}

/* Two clones of a trained index, with the first and the other vectors, both numbered from 0. */
static void make_halves(const char *spec, kith_metric metric, const float *x, kith_index *half[2])
{
	half[0] = make_trained(DIM, metric, spec, N, x);
	OK(kith_index_clone(&half[1], half[0]));
	OK(kith_index_add(half[0], HALF, x, NULL, NULL));
	OK(kith_index_add(half[1], N - HALF, x + HALF * DIM, NULL, NULL));
}

START_TEST(halves)
{
	float *x = make_bytes(1, N);
	for (int metric = KITH_L2; metric <= KITH_COSINE; metric++) {
		kith_index *half[2], *whole;
		make_halves(specs[_i], (kith_metric)metric, x, half);
		OK(kith_index_clone(&whole, half[0]));
		OK(kith_index_add(whole, N - HALF, x + HALF * DIM, NULL, NULL));
		OK(kith_index_merge(half[0], half[1], HALF));
		REQUIRE(kith_index_size(half[0]) == N && kith_index_size(half[1]) == 0);
		check_same(whole, half[0], NQ, x, NULL);
		float got[DIM], want[DIM];
		for (int64_t id = 0; id < N; id += 37) {
			OK(kith_index_get(half[0], 1, &id, got));
			OK(kith_index_get(whole, 1, &id, want));
			REQUIRE(memcmp(got, want, sizeof got) == 0);
		}
		/* Both go on. */
		REQUIRE(kith_index_trained(half[1]) && !kith_index_has(half[1], 0));
		OK(kith_index_merge(half[0], half[1], 0));
		OK(kith_index_add(half[1], 10, x, NULL, NULL));
		REQUIRE(kith_index_has(half[1], 9));
		OK(kith_index_merge(half[0], half[1], N));
		OK(kith_index_add(whole, 10, x, NULL, NULL));
		check_same(whole, half[0], NQ, x, NULL);
		kith_index_free(half[0]);
		kith_index_free(half[1]);
		kith_index_free(whole);
	}
	free(x);
}
END_TEST

/* Whatever is wrong, both stay as they were. */
START_TEST(unchanged)
{
	float *x = make_bytes(2, N);
	kith_index *half[2], *before[2];
	make_halves(specs[_i], KITH_L2, x, half);
	for (int i = 0; i < 2; i++)
		OK(kith_index_clone(&before[i], half[i]));
	FAILS(kith_index_merge(half[0], half[1], HALF - 1), KITH_INVALID, "is in the index");
	FAILS(kith_index_merge(half[0], half[1], -1), KITH_INVALID, "shift is -1");
	FAILS(kith_index_merge(half[0], half[1], INT64_MAX - 3), KITH_INVALID, "shift");
	for (int i = 0; i < 2; i++)
		check_same(before[i], half[i], 3, x, NULL);
	/* Memory runs out; what is left to allocate the next time may be less. */
	kith_status status = KITH_NOMEM;
	for (int64_t at = 1; status; at++) {
		alloc_fail_at(at, at % 2);
		status = kith_index_merge(half[0], half[1], HALF);
		alloc_fail_at(0, false);
		REQUIRE(status == KITH_OK || status == KITH_NOMEM);
		for (int i = 0; status && i < 2; i++)
			check_same(before[i], half[i], 3, x, NULL);
	}
	REQUIRE(kith_index_size(half[0]) == N);
	for (int i = 0; i < 2; i++) {
		kith_index_free(half[i]);
		kith_index_free(before[i]);
	}
	free(x);
}
END_TEST

START_TEST(refused)
{
	float *x = make_bytes(3, N);
	kith_index *a = make_filled(DIM, KITH_L2, "IVF5,Flat", N, x), *other;
	kith_add_options options = KITH_ADD_OPTIONS;
	FAILS(kith_index_merge(NULL, a, 0), KITH_INVALID, "into is NULL");
	FAILS(kith_index_merge(a, NULL, 0), KITH_INVALID, "from is NULL");
	FAILS(kith_index_merge(a, a, 0), KITH_INVALID, "same index");
	other = make_filled(DIM, KITH_L2, "Flat", N, x);
	FAILS(kith_index_merge(a, other, N), KITH_INVALID, "'Flat'");
	kith_index_free(other);
	other = make_filled(DIM, KITH_IP, "IVF5,Flat", N, x);
	FAILS(kith_index_merge(a, other, N), KITH_INVALID, "metric ip");
	kith_index_free(other);
	OK(kith_index_new(&other, DIM, KITH_L2, "IVF5,Flat"));
	FAILS(kith_index_merge(a, other, N), KITH_UNTRAINED, "trained");
	options.seed = 99;
	OK(kith_index_train(other, N, x, &options));
	FAILS(kith_index_merge(a, other, N), KITH_INVALID, "learnt something else");
	kith_index_free(other);
	kith_index_free(a);
	a = make_filled(DIM, KITH_L2, "Shards2(Flat)", N, x);
	OK(kith_index_clone(&other, a));
	FAILS(kith_index_merge(a, other, N), KITH_UNSUPPORTED, "Shards2(Flat)");
	kith_index_free(other);
	kith_index_free(a);
	free(x);
}
END_TEST

/* What was learnt is compared: other codebooks, ranges and rotations do not go together. */
START_TEST(learnt_otherwise)
{
	static const char *const learning[] = {
	    "PQ4", "SQ8", "OPQ4,PQ4", "RR16,Flat", "PQ4,RFlat", "IVF5,PQ4"};
	float *x = make_bytes(4, N);
	kith_add_options options = KITH_ADD_OPTIONS;
	for (size_t i = 0; i < sizeof learning / sizeof *learning; i++) {
		kith_index *a = make_filled(DIM, KITH_L2, learning[i], N, x), *b;
		options.seed = 7;
		OK(kith_index_new(&b, DIM, KITH_L2, learning[i]));
		OK(kith_index_train(b, N / 2, x, &options));
		OK(kith_index_add(b, 5, x, NULL, NULL));
		FAILS(kith_index_merge(a, b, N), KITH_INVALID, "learnt something else");
		REQUIRE(kith_index_size(a) == N && kith_index_size(b) == 5);
		kith_index_free(a);
		kith_index_free(b);
	}
	free(x);
}
END_TEST

START_TEST(lists)
{
	static const char *const with_lists[] = {"IVF5,Flat", "PCA8,IVF5,SQ8,RFlat", "Shards2(IVF5,Flat)"};
	float *x = make_bytes(5, N);
	kith_lists_info info = {.size = sizeof info};
	for (size_t i = 0; i < sizeof with_lists / sizeof *with_lists; i++) {
		kith_index *index;
		int64_t count = i == 2 ? 10 : 5;
		OK(kith_index_new(&index, DIM, KITH_L2, with_lists[i]));
		FAILS(kith_index_lists(index, &info), KITH_UNSUPPORTED, "before it is trained");
		OK(kith_index_train(index, N, x, NULL));
		OK(kith_index_lists(index, &info));
		REQUIRE(
		    info.lists == count && info.empty == count && info.longest == 0 && info.imbalance == 1);
		OK(kith_index_add(index, N, x, NULL, NULL));
		OK(kith_index_lists(index, &info));
		REQUIRE(info.lists == count && info.mean == (double)N / (double)count);
		REQUIRE((double)info.shortest <= info.mean && (double)info.longest >= info.mean);
		REQUIRE(info.imbalance >= 1 && info.imbalance <= (double)count);
		kith_index_free(index);
	}
	/* All in one list. */
	for (int64_t i = 0; i < N * DIM; i++)
		x[i] = 1;
	kith_index *index = make_filled(DIM, KITH_L2, "IVF5,Flat", N, x);
	OK(kith_index_lists(index, &info));
	REQUIRE(info.empty == 4 && info.longest == N && info.shortest == 0 && info.imbalance == 5);
	info.size = 3;
	FAILS(kith_index_lists(index, &info), KITH_INVALID, "size is 3");
	FAILS(kith_index_lists(NULL, &info), KITH_INVALID, "index is NULL");
	FAILS(kith_index_lists(index, NULL), KITH_INVALID, "info is NULL");
	kith_index_free(index);
	index = make_filled(DIM, KITH_L2, "Flat", N, x);
	info.size = sizeof info;
	FAILS(kith_index_lists(index, &info), KITH_UNSUPPORTED, "'Flat'");
	kith_index_free(index);
	free(x);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("merge");
	TCase *t = tcase_create("merge");
	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, halves, 0, SPECS);
	tcase_add_loop_test(t, unchanged, 0, SPECS);
	tcase_add_test(t, refused);
	tcase_add_test(t, learnt_otherwise);
	tcase_add_test(t, lists);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
