/* Shards: several indexes answer as one. */
#include "tests/structure/common.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N = 1203, DIM = 16, NQ = 50, MAX = 7 };

static const kith_metric metrics[] = {KITH_L2, KITH_IP, KITH_COSINE};

static kith_index *wrap(int64_t shards, int64_t dim, kith_metric metric, const char *spec)
{
	kith_index *child[MAX], *index;
	for (int64_t s = 0; s < shards; s++)
		OK(kith_index_new(&child[s], dim, metric, spec));
	OK(kith_index_wrap_shards(&index, shards, child));
	return index;
}

/* The bits of one index, whatever the number of shards and of pieces in which they were filled. */
START_TEST(as_one)
{
	static const char *const specs[] = {"Flat", "PCA8,Flat", "RR,Flat,RFlat", "SQ8"};
	static const int64_t counts[] = {1, 2, 7};
	float *x = make_cloud(1, N, DIM, 16), *q = make_cloud(2, NQ, DIM, 16);
	for (size_t s = 0; s < sizeof specs / sizeof *specs; s++)
		for (size_t m = 0; m < 3; m++) {
			kith_index *one;
			if (kith_index_new(&one, DIM, metrics[m], specs[s]) == KITH_UNSUPPORTED)
				continue;
			kith_index_free(one);
			one = make_filled(DIM, metrics[m], specs[s], N, x);
			for (size_t c = 0; c < 3; c++) {
				kith_index *index = wrap(counts[c], DIM, metrics[m], specs[s]);
				OK(kith_index_train(index, N, x, NULL));
				for (int64_t from = 0, step = 1; from < N; from += step, step *= 3)
					OK(kith_index_add(index, N - from < step ? N - from : step,
					    x + from * DIM, NULL, NULL));
				REQUIRE(kith_index_size(index) == N);
				/* Refined, every shard brings its own candidates. */
				if (s != 2)
					check_same(one, index, NQ, q, NULL);
				for (int64_t id = 0; id < N; id += 17) {
					float a[DIM], b[DIM];
					OK(kith_index_get(one, 1, &id, a));
					OK(kith_index_get(index, 1, &id, b));
					REQUIRE(memcmp(a, b, sizeof a) == 0);
				}
				kith_index_free(index);
			}
			kith_index_free(one);
		}
	free(x);
	free(q);
}
END_TEST

static void search_ids(const kith_index *index, const float *q, int64_t k, int64_t *ids)
{
	float dist[64];
	OK(kith_index_search(index, 1, q, k, dist, ids, NULL));
}

/* Shards fill up evenly, in order. */
START_TEST(dealing)
{
	kith_index *child[3], *index;
	float *x = make_cloud(1, 100, DIM, 16);
	int64_t ids[100];
	for (int64_t s = 0; s < 3; s++)
		OK(kith_index_new(&child[s], DIM, KITH_L2, "Flat"));
	for (int64_t i = 0; i < 100; i++)
		ids[i] = 500 + i;
	OK(kith_index_add(child[1], 10, x, ids, NULL));
	OK(kith_index_add(child[2], 4, x + 10 * DIM, ids + 10, NULL));
	OK(kith_index_wrap_shards(&index, 3, child));
	REQUIRE(strcmp(kith_index_describe(index), "Shards3(Flat)") == 0);
	static const struct {
		int64_t n, size[3];
	} steps[] = {{3, {3, 10, 4}}, {4, {6, 10, 5}}, {11, {11, 11, 10}}, {1, {11, 11, 11}},
	    {1, {12, 11, 11}}, {50, {28, 28, 28}}};
	int64_t next = 514;
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		OK(kith_index_add(index, steps[i].n, x, NULL, NULL));
		next += steps[i].n;
		REQUIRE(kith_index_has(index, next - 1) && !kith_index_has(index, next));
		for (int s = 0; s < 3; s++)
			REQUIRE(kith_index_size(child[s]) == steps[i].size[s]);
	}
	OK(kith_index_ids(index, ids));
	REQUIRE(ids[0] == 514 && ids[28] == 500 && ids[56] == 510);
	kith_index_free(index);
	free(x);
}
END_TEST

START_TEST(changes)
{
	static const char *const specs[] = {
	    "Flat", "PCA16,Flat", "Flat,RFlat", "IVF4,Flat", "IVF4_HNSW2,Flat"};
	float *x = make_cloud(1, N, DIM, 16);
	for (size_t s = 0; s < sizeof specs / sizeof *specs; s++)
		for (size_t m = 0; m < 3; m++) {
			kith_index *index = wrap(4, DIM, metrics[m], specs[s]);
			OK(kith_index_train(index, N, x, NULL));
			OK(kith_index_add(index, N, x, NULL, NULL));
			check_changes(index, specs[s], N, x, s == 1 ? 1e-6 : 0);
			kith_index_free(index);
		}
	free(x);
}
END_TEST

START_TEST(given_ids)
{
	kith_index *index = wrap(3, DIM, KITH_L2, "Flat");
	float *x = make_cloud(1, 10, DIM, 16);
	int64_t given[10] = {7, 3, 5, 9, 1, 2, 100, 8, 0, 4}, got[10];
	OK(kith_index_add(index, 10, x, given, NULL));
	for (int64_t i = 0; i < 10; i++) {
		search_ids(index, x + i * DIM, 1, got);
		REQUIRE(got[0] == given[i]);
	}
	int64_t again[] = {200, 9}, twice[] = {200, 201, 200}, negative[] = {200, -1}, max[] = {INT64_MAX};
	FAILS(kith_index_add(index, 2, x, again, NULL), KITH_INVALID, "9");
	FAILS(kith_index_add(index, 3, x, twice, NULL), KITH_INVALID, "200");
	FAILS(kith_index_add(index, 2, x, negative, NULL), KITH_INVALID, "-1");
	FAILS(kith_index_add(index, 1, x, max, NULL), KITH_INVALID, "ids[0]");
	REQUIRE(kith_index_size(index) == 10 && !kith_index_has(index, 200));
	OK(kith_index_add(index, 1, x, NULL, NULL));
	REQUIRE(kith_index_has(index, 101));
	int64_t high = INT64_MAX - 1;
	OK(kith_index_add(index, 1, x, &high, NULL));
	FAILS(kith_index_add(index, 1, x, NULL, NULL), KITH_INVALID, "no free ids");
	kith_index_free(index);
	free(x);
}
END_TEST

START_TEST(refused)
{
	kith_index *child[3] = {0}, *index;
	float *x = make_cloud(1, 10, DIM, 16);
	OK(kith_index_new(&child[0], DIM, KITH_L2, "Flat"));
	FAILS(kith_index_wrap_shards(&index, 0, child), KITH_INVALID, "n is 0");
	FAILS(kith_index_wrap_shards(&index, 2, child), KITH_INVALID, "take_children[1]");
	FAILS(kith_index_wrap_shards(&index, 1, NULL), KITH_INVALID, "NULL");
	FAILS(kith_index_wrap_shards(NULL, 1, child), KITH_INVALID, "NULL");
	child[1] = child[0];
	FAILS(kith_index_wrap_shards(&index, 2, child), KITH_INVALID, "one index");
	OK(kith_index_new(&child[1], DIM, KITH_IP, "Flat"));
	FAILS(kith_index_wrap_shards(&index, 2, child), KITH_INVALID, "ip");
	kith_index_free(child[1]);
	OK(kith_index_new(&child[1], DIM + 1, KITH_L2, "Flat"));
	FAILS(kith_index_wrap_shards(&index, 2, child), KITH_INVALID, "17");
	kith_index_free(child[1]);
	OK(kith_index_new(&child[1], DIM, KITH_L2, "U8"));
	FAILS(kith_index_wrap_shards(&index, 2, child), KITH_INVALID, "u8");
	kith_index_free(child[1]);
	OK(kith_index_new(&child[1], DIM, KITH_L2, "Flat"));
	OK(kith_index_add(child[0], 5, x, NULL, NULL));
	OK(kith_index_add(child[1], 1, x, &(int64_t){4}, NULL));
	FAILS(kith_index_wrap_shards(&index, 2, child), KITH_INVALID, "id 4");
	OK(kith_index_new(&child[2], DIM, KITH_L2, "Flat"));
	child[1] = (kith_index_free(child[1]), child[2]);
	OK(kith_index_wrap_shards(&index, 2, child));
	OK(kith_index_add(index, 1, x, NULL, NULL));
	REQUIRE(kith_index_has(index, 5) && kith_index_size(child[1]) == 1);
	FAILS(kith_index_train(index, 10, x, NULL), KITH_INVALID, "holds");
	kith_index_free(index);
	free(x);
}
END_TEST

/* A shard that cannot be filled: what the others got is taken back. */
static int cancel_soon(void *data, const char *stage, int64_t done, int64_t total)
{
	REQUIRE(stage && done >= 0 && done <= total);
	return --*(int *)data < 0;
}

START_TEST(taken_back)
{
	float *x = make_cloud(1, N, DIM, 16);
	kith_index *index = wrap(3, DIM, KITH_L2, "IVF4,Flat"), *before;
	OK(kith_index_train(index, N, x, NULL));
	OK(kith_index_add(index, N / 2, x, NULL, NULL));
	OK(kith_index_clone(&before, index));
	kith_add_options options = KITH_ADD_OPTIONS;
	options.progress = cancel_soon;
	bool done = false;
	for (int after = 0; !done; after++) {
		int left = after;
		options.progress_data = &left;
		kith_status status = kith_index_add(index, N / 2, x, NULL, &options);
		done = status == KITH_OK;
		REQUIRE(done || status == KITH_CANCELLED);
		if (!done) {
			REQUIRE(kith_index_size(index) == N / 2);
			check_same(before, index, NQ, x, NULL);
		}
	}
	REQUIRE(kith_index_size(index) == N / 2 * 2 && kith_index_has(index, N / 2 * 2 - 1));
	kith_index_free(index);
	kith_index_free(before);
	free(x);
}
END_TEST

/* Filters and ranges go to every shard. */
START_TEST(filters_and_ranges)
{
	float *x = make_cloud(1, N, DIM, 16);
	kith_index *one = make_filled(DIM, KITH_L2, "Flat", N, x), *index = wrap(5, DIM, KITH_L2, "Flat");
	OK(kith_index_add(index, N, x, NULL, NULL));
	kith_search_options options = KITH_SEARCH_OPTIONS;
	kith_filter *filter;
	OK(kith_filter_range(&filter, 100, 900));
	options.filter = filter;
	check_same(one, index, NQ, x, &options);
	kith_ranges *a, *b;
	OK(kith_index_range(one, NQ, x, 80, &a, &options));
	OK(kith_index_range(index, NQ, x, 80, &b, &options));
	REQUIRE(kith_ranges_total(a) == kith_ranges_total(b) && kith_ranges_total(a) > NQ);
	for (int64_t q = 0; q < NQ; q++) {
		int64_t n[2];
		const float *dist[2];
		const int64_t *ids[2];
		OK(kith_ranges_get(a, q, &n[0], &dist[0], &ids[0]));
		OK(kith_ranges_get(b, q, &n[1], &dist[1], &ids[1]));
		REQUIRE(n[0] == n[1] && memcmp(ids[0], ids[1], (size_t)n[0] * sizeof *ids[0]) == 0);
	}
	kith_ranges_free(a);
	kith_ranges_free(b);
	kith_filter_free(filter);
	kith_index_free(one);
	kith_index_free(index);
	free(x);
}
END_TEST

static void save_to(char path[64])
{
	strcpy(path, "shards-XXXXXX");
	int file = mkstemp(path);
	REQUIRE(file >= 0 && close(file) == 0);
}

/* In a factory string, and in a file. */
START_TEST(words_and_files)
{
	static const char *const specs[] = {"Shards3(Flat)", "Shards2(PCA8,Flat,RFlat)", "PCA8,Shards3(Flat)",
	    "Shards2(RR16,Flat),RFlat", "RR16,(Flat,RFlat)", "Shards1(PCA8,(RR8,Flat,RFlat))"};
	char path[64];
	float *x = make_cloud(1, N, DIM, 16);
	kith_index *index, *opened;
	save_to(path);
	for (size_t s = 0; s < sizeof specs / sizeof *specs; s++)
		for (size_t m = 0; m < 3; m++) {
			index = make_filled(DIM, metrics[m], specs[s], N, x);
			REQUIRE(strcmp(kith_index_describe(index), specs[s]) == 0);
			OK(kith_index_save(index, path));
			OK(kith_index_open(&opened, path, 0));
			check_same(index, opened, NQ, x, NULL);
			check_changes(opened, specs[s], N, x, 0);
			kith_index_free(index);
			kith_index_free(opened);
		}
	FAILS(kith_index_new(&index, DIM, KITH_L2, "Shards0(Flat)"), KITH_INVALID, "Shards0");
	FAILS(kith_index_new(&index, DIM, KITH_L2, "Shards2(Flat"), KITH_INVALID, "Shards2");
	FAILS(kith_index_new(&index, DIM, KITH_L2, "Shards2"), KITH_INVALID, "Shards2");
	FAILS(kith_index_new(&index, DIM, KITH_L2, "Shards2()"), KITH_INVALID, "empty");
	FAILS(
	    kith_index_new(&index, DIM, KITH_L2, "Shards9(Shards9(Flat))"), KITH_INVALID, "shards of shards");
	FAILS(kith_index_new(&index, DIM, KITH_L2, "IVF4,(Flat)"), KITH_INVALID, "(Flat)");
	FAILS(kith_index_new(&index, DIM, KITH_L2, "(Flat)),Flat"), KITH_INVALID, "Flat");
	kith_index *mixed[2];
	OK(kith_index_new(&mixed[0], DIM, KITH_L2, "Flat"));
	OK(kith_index_new(&mixed[1], DIM, KITH_L2, "RR,Flat"));
	OK(kith_index_wrap_shards(&index, 2, mixed));
	FAILS(kith_index_save(index, path), KITH_UNSUPPORTED, "one kind");
	kith_index_free(index);
	REQUIRE(unlink(path) == 0);
	free(x);
}
END_TEST

START_TEST(faults)
{
	enum { SOME = 200 };
	float *x = make_cloud(1, SOME, 8, 8);
	kith_index *index = wrap(3, 8, KITH_L2, "Flat");
	OK(kith_index_add(index, SOME, x, NULL, NULL));
	check_faults_of(index, x, 1);
	kith_index_free(index);
	free(x);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("shards");
	TCase *tests = tcase_create("shards");
	tcase_set_timeout(tests, 300);
	tcase_add_test(tests, as_one);
	tcase_add_test(tests, dealing);
	tcase_add_test(tests, changes);
	tcase_add_test(tests, given_ids);
	tcase_add_test(tests, refused);
	tcase_add_test(tests, taken_back);
	tcase_add_test(tests, filters_and_ranges);
	tcase_add_test(tests, words_and_files);
	tcase_add_test(tests, faults);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
