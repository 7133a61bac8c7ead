/* Making an index and asking what it is: every argument, every error, NULL everywhere. */
#include "tests/support/support.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static kith_index *const somewhere = (kith_index *)(void *)&somewhere;

START_TEST(specs)
{
	static const struct {
		const char *spec, *canonical;
		kith_type type;
	} good[] = {
	    {"Flat", "Flat", KITH_F32},
	    {"IDMap,Flat", "Flat", KITH_F32},
	    {"IDMap2,Flat", "Flat", KITH_F32},
	    {"SQ8_direct", "SQ8_direct", KITH_U8},
	    {"U8", "SQ8_direct", KITH_U8},
	    {"IDMap,U8", "SQ8_direct", KITH_U8},
	    {"SQ8_direct_signed", "SQ8_direct_signed", KITH_I8},
	    {"I8", "SQ8_direct_signed", KITH_I8},
	};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		for (int metric = KITH_L2; metric <= KITH_COSINE; metric++) {
			kith_index *index;
			OK(kith_index_new(&index, 7, (kith_metric)metric, good[i].spec));
			ck_assert_str_eq(kith_index_describe(index), good[i].canonical);
			ck_assert_int_eq(kith_index_dim(index), 7);
			ck_assert_int_eq(kith_index_metric(index), metric);
			ck_assert_int_eq(kith_index_type(index), good[i].type);
			ck_assert_int_eq(kith_index_size(index), 0);
			ck_assert_int_eq(kith_index_trained(index), 1);
			ck_assert_uint_gt(kith_index_memory(index), 0);
			kith_index_free(index);
		}
}
END_TEST

static void refuses(const char *spec, kith_status status, const char *word)
{
	kith_index *index = somewhere;
	FAILS(kith_index_new(&index, 8, KITH_L2, spec), status, word);
	ck_assert_ptr_null(index);
}

START_TEST(specs_wished_for)
{
	refuses("LSH", KITH_UNSUPPORTED, "'LSH'");
	refuses("NSG32,Flat", KITH_UNSUPPORTED, "'NSG32'");
	refuses("ITQ64,LSH", KITH_UNSUPPORTED, "'ITQ64'");
	refuses("IDMap,RQ4x8", KITH_UNSUPPORTED, "'RQ4x8'");
}
END_TEST

/* A message names the word that was meant, with the numbers as they were. */
START_TEST(specs_misspelt)
{
	static const char *const words[][2] = {{"Flatt", "'Flat'"}, {"flat", "'Flat'"}, {"FLAT", "'Flat'"},
	    {"HSNW32", "'HNSW32'"}, {"hnsw32,Flat", "'HNSW32'"}, {"ivf64,Flat", "'IVF64'"},
	    {"IVFF8,SQ8", "'IVF8'"}, {"pq4", "'PQ4'"}, {"PG4x6", "'PQ4x6'"}, {"PCB4,Flat", "'PCA4'"},
	    {"IVF8,sqbf16", "'SQbf16'"}, {"HNSW16,sq8", "'SQ8'"}, {"HNSW16_sq8", "'SQ8'"},
	    {"Flat,rflat", "'RFlat'"}, {"Flat,Refin(SQ8)", "'Refine(SQ8)'"}, {"Flat,Refine(sq8)", "'SQ8'"},
	    {"Shard4(Flat)", "'Shards4(Flat)'"}, {"l2norm,Flat", "'L2norm'"}};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		refuses(words[i][0], KITH_INVALID, "did you mean");
		refuses(words[i][0], KITH_INVALID, words[i][1]);
	}
	refuses("Nonsense7", KITH_INVALID, "this version has the codecs");
}
END_TEST

START_TEST(specs_refused)
{
	static char many[] = "a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a";
	char longest[300];
	memset(longest, 'x', sizeof longest);
	longest[255] = '\0';
	refuses(longest, KITH_INVALID, "xxxx");
	longest[255] = 'x';
	longest[256] = '\0';
	refuses(longest, KITH_INVALID, "256 characters");
	refuses(many, KITH_INVALID, "words");
	refuses(NULL, KITH_INVALID, "spec is NULL");
	refuses("", KITH_INVALID, "spec is empty");
	refuses(" ", KITH_INVALID, "character 1");
	refuses("Fl at", KITH_INVALID, "character 3");
	refuses("Flat\n", KITH_INVALID, "character 5");
	refuses("Flat\xff", KITH_INVALID, "character 5");
	refuses(",", KITH_INVALID, "word 1 is empty");
	refuses("Flat,", KITH_INVALID, "word 2 is empty");
	refuses(",Flat", KITH_INVALID, "word 1 is empty");
	refuses("IDMap,", KITH_INVALID, "word 2 is empty");
	refuses("IDMap", KITH_INVALID, "IDMap");
	refuses("flat", KITH_INVALID, "'flat'");
	refuses("FLAT", KITH_INVALID, "'FLAT'");
	refuses("Flat16", KITH_INVALID, "'Flat16'");
	refuses("Banana", KITH_INVALID, "'Banana'");
	refuses("IDMap,Banana", KITH_INVALID, "'Banana'");
	refuses("Flat,Flat", KITH_INVALID, "cannot follow");
	refuses("Flat,Banana", KITH_INVALID, "'Banana'");
	refuses("IVFx,Flat", KITH_INVALID, "'IVFx'");
	refuses("IVF,Flat", KITH_INVALID, "'IVF' lacks the number of lists");
	refuses("IVF_HNSW32,Flat", KITH_INVALID, "'IVF_HNSW32' lacks the number");
	refuses("IVF0,Flat", KITH_INVALID, "'IVF0': the number of lists");
	refuses("IVF99999999999999999999,Flat", KITH_INVALID, "the number of lists");
	refuses("IVF64_HNSW1,Flat", KITH_INVALID, "'IVF64_HNSW1': M");
	refuses("IVF64_HNSW600,Flat", KITH_INVALID, "2 … 512");
	refuses("IVF64_HNSW32", KITH_INVALID, "'IVF64_HNSW32' needs a codec");
	refuses("IVF64_NSG32,Flat", KITH_UNSUPPORTED, "no '_NSG32'");
	refuses("IVF64(),Flat", KITH_INVALID, "'IVF64()' needs an index of the centroids");
	refuses("IVF64(IVF8,Flat,Flat", KITH_INVALID, "needs an index of the centroids");
	refuses("IVF64(IVF8),Flat", KITH_INVALID, "'IVF8' needs a codec");
	refuses("IVF64(U8),Flat", KITH_INVALID, "the quantizer 'SQ8_direct' must be empty, of floats");
	refuses("IVF64(SQ8)_HNSW8,Flat", KITH_UNSUPPORTED, "no '_HNSW8'");
	refuses("IVF64_HNSW32_HNSW32,Flat", KITH_UNSUPPORTED, "no '_HNSW32'");
	refuses("IVF64,HNSW32", KITH_INVALID, "'HNSW32' (word 2) cannot follow 'IVF64'");
	refuses("HNSW32,IVF4,Flat", KITH_INVALID, "'IVF4' (word 2) cannot follow 'HNSW32'");
	refuses("HNSW32_Banana", KITH_INVALID, "'Banana' in 'HNSW32_Banana'");
	refuses("%s%n", KITH_INVALID, "%s%n");
}
END_TEST

START_TEST(new_refuses)
{
	kith_index *index = somewhere;
	FAILS(kith_index_new(NULL, 8, KITH_L2, "Flat"), KITH_INVALID, "out");
	FAILS(kith_index_new(&index, 0, KITH_L2, "Flat"), KITH_INVALID, "dim is 0");
	ck_assert_ptr_null(index);
	index = somewhere;
	FAILS(kith_index_new(&index, -5, KITH_L2, "Flat"), KITH_INVALID, "dim is -5");
	FAILS(kith_index_new(&index, KITH_MAX_DIM + 1, KITH_L2, "Flat"), KITH_INVALID, "dim is 32769");
	FAILS(kith_index_new(&index, INT64_MAX, KITH_L2, "Flat"), KITH_INVALID, "dim");
	ck_assert_ptr_null(index);
	index = somewhere;
	FAILS(kith_index_new(&index, 8, (kith_metric)99, "Flat"), KITH_INVALID, "metric is 99");
	ck_assert_ptr_null(index);
	OK(kith_index_new(&index, KITH_MAX_DIM, KITH_L2, "Flat"));
	kith_index_free(index);
	OK(kith_index_new(&index, 1, KITH_L2, "Flat"));
	kith_index_free(index);
}
END_TEST

/* Reading an index that is not there gives the documented nothing. */
START_TEST(null_index)
{
	float x[4] = {0};
	int64_t ids[4] = {0}, removed = 9;
	kith_index *out = somewhere;
	kith_ranges *ranges = (kith_ranges *)(void *)x;
	kith_filter *all;
	OK(kith_filter_range(&all, 0, INT64_MAX));
	ck_assert_int_eq(kith_index_dim(NULL), 0);
	ck_assert_int_eq(kith_index_size(NULL), 0);
	ck_assert_int_eq(kith_index_metric(NULL), KITH_L2);
	ck_assert_int_eq(kith_index_type(NULL), KITH_F32);
	ck_assert_int_eq(kith_index_trained(NULL), 0);
	ck_assert_uint_eq(kith_index_memory(NULL), 0);
	ck_assert_str_eq(kith_index_describe(NULL), "");
	ck_assert_int_eq(kith_index_has(NULL, 0), 0);
	kith_index_free(NULL);
	FAILS(kith_index_clone(&out, NULL), KITH_INVALID, "index");
	ck_assert_ptr_null(out);
	FAILS(kith_index_clone(NULL, NULL), KITH_INVALID, "out");
	FAILS(kith_index_train(NULL, 1, x, NULL), KITH_INVALID, "index");
	FAILS(kith_index_add(NULL, 1, x, NULL, NULL), KITH_INVALID, "index");
	FAILS(kith_index_add_as(NULL, KITH_U8, 1, x, NULL, NULL), KITH_INVALID, "index");
	FAILS(kith_index_update(NULL, 1, x, ids), KITH_INVALID, "index");
	FAILS(kith_index_update_as(NULL, KITH_U8, 1, x, ids), KITH_INVALID, "index");
	FAILS(kith_index_remove(NULL, all, &removed), KITH_INVALID, "index");
	ck_assert_int_eq(removed, 0);
	FAILS(kith_index_reserve(NULL, 1), KITH_INVALID, "index");
	FAILS(kith_index_search(NULL, 1, x, 1, x, ids, NULL), KITH_INVALID, "index");
	FAILS(kith_index_search_as(NULL, KITH_U8, 1, x, 1, x, ids, NULL), KITH_INVALID, "index");
	FAILS(kith_index_range(NULL, 1, x, 1, &ranges, NULL), KITH_INVALID, "index");
	ck_assert_ptr_null(ranges);
	FAILS(kith_index_range_as(NULL, KITH_U8, 1, x, 1, &ranges, NULL), KITH_INVALID, "index");
	FAILS(kith_index_get(NULL, 1, ids, x), KITH_INVALID, "index");
	FAILS(kith_index_ids(NULL, ids), KITH_INVALID, "index");
	kith_filter_free(all);
}
END_TEST

/* What goes in comes out, bit for bit. */
START_TEST(reconstruct)
{
	static const float special[] = {0, -0.0f, 1, -1, FLT_MAX, -FLT_MAX, FLT_MIN, -FLT_MIN, 0x1p-149f,
	    -0x1p-149f, 0x1.fffffep-127f, 0x1p-133f, 1.0f / 3, 3.40282e38f, 0x1.010001p0f, 0x1.feffffp100f,
	    -0x1.018p-100f};
	enum { DIM = sizeof special / sizeof *special, N = 130 };
	float *x = make(N * DIM, sizeof *x), *got = make(N * DIM, sizeof *got);
	struct rng rng = {11};
	int64_t ids[N];
	memcpy(x, special, sizeof special);
	for (int64_t i = DIM; i < N * DIM; i++)
		do {
			uint32_t bits = (uint32_t)rng_next(&rng);
			memcpy(&x[i], &bits, sizeof bits);
		} while (!isfinite(x[i]));
	for (int64_t i = 0; i < N; i++)
		ids[i] = N - 1 - i;
	for (int metric = KITH_L2; metric <= KITH_IP; metric++) {
		kith_index *index = make_index(DIM, (kith_metric)metric, "Flat", N, x);
		OK(kith_index_get(index, N, ids, got));
		for (int64_t i = 0; i < N; i++)
			REQUIRE(!memcmp(got + i * DIM, x + (N - 1 - i) * DIM, sizeof special));
		kith_index_free(index);
	}
	free(got);
	free(x);
}
END_TEST

START_TEST(reconstruct_cosine_and_bytes)
{
	static const float x[] = {3, 4, 0, 0, -6, 8, 1e-30f, 0, 3e38f, 3e38f};
	static const float unit[] = {0.6f, 0.8f, 0, 0, -0.6f, 0.8f, 1, 0, 0x1.6a09e6p-1f, 0x1.6a09e6p-1f};
	static const uint8_t u8[] = {0, 255, 7, 128};
	static const int8_t i8[] = {-128, 127, -1, 0};
	static const int64_t ids[] = {0, 1, 2, 3, 4};
	float got[10];
	kith_index *index = make_index(2, KITH_COSINE, "Flat", 5, x);
	OK(kith_index_get(index, 5, ids, got));
	for (int i = 0; i < 10; i++)
		REQUIRE(fabsf(got[i] - unit[i]) <= 0x1p-24f);
	kith_index_free(index);
	/* Byte indexes keep the bytes, also under cosine. */
	OK(kith_index_new(&index, 2, KITH_COSINE, "U8"));
	OK(kith_index_add_as(index, KITH_U8, 2, u8, NULL, NULL));
	OK(kith_index_get(index, 2, ids, got));
	REQUIRE(got[0] == 0 && got[1] == 255 && got[2] == 7 && got[3] == 128);
	kith_index_free(index);
	OK(kith_index_new(&index, 2, KITH_L2, "I8"));
	OK(kith_index_add_as(index, KITH_I8, 2, i8, NULL, NULL));
	OK(kith_index_get(index, 2, ids, got));
	REQUIRE(got[0] == -128 && got[1] == 127 && got[2] == -1 && got[3] == 0);
	kith_index_free(index);
}
END_TEST

START_TEST(get_refuses)
{
	float x[4] = {1, 2, 3, 4}, got[4] = {9, 9, 9, 9};
	int64_t ids[2] = {1, 0};
	kith_index *index = make_index(2, KITH_L2, "Flat", 2, x);
	OK(kith_index_get(index, 0, NULL, NULL));
	OK(kith_index_get(index, 2, ids, got));
	REQUIRE(got[0] == 3 && got[3] == 2);
	ids[1] = 77;
	got[0] = 9;
	FAILS(kith_index_get(index, 2, ids, got), KITH_NOTFOUND, "77");
	REQUIRE(got[0] == 9);
	ids[1] = -1;
	FAILS(kith_index_get(index, 2, ids, got), KITH_NOTFOUND, "ids[1] is -1");
	FAILS(kith_index_get(index, -1, ids, got), KITH_INVALID, "n is -1");
	FAILS(kith_index_get(index, 1, NULL, got), KITH_INVALID, "ids NULL");
	FAILS(kith_index_get(index, 1, ids, NULL), KITH_INVALID, "x NULL");
	FAILS(kith_index_ids(index, NULL), KITH_INVALID, "ids");
	OK(kith_index_ids(index, ids));
	REQUIRE(ids[0] == 0 && ids[1] == 1);
	REQUIRE(kith_index_has(index, 1) && !kith_index_has(index, 2) && !kith_index_has(index, -1) &&
	        !kith_index_has(index, INT64_MIN) && !kith_index_has(index, INT64_MAX));
	kith_index_free(index);
	OK(kith_index_new(&index, 2, KITH_L2, "Flat"));
	OK(kith_index_ids(index, NULL));
	kith_index_free(index);
}
END_TEST

/* Of every structure: none, numbered, given, some gone. */
START_TEST(id_range)
{
	static const char *const kinds[] = {"Flat", "IVF2,Flat", "HNSW4", "PCA2,SQ8", "Flat,Refine(Flat)"};
	const float x[8] = {1, 2, 3, 4, 5, 6, 7, 9};
	const int64_t given[4] = {INT64_MAX - 1, 7, 1, 0};
	for (size_t s = 0; s < sizeof kinds / sizeof *kinds; s++) {
		kith_index *index;
		int64_t min = 5, max = 5;
		OK(kith_index_new(&index, 2, KITH_L2, kinds[s]));
		OK(kith_index_train(index, 4, x, NULL));
		OK(kith_index_id_range(index, &min, &max));
		ck_assert(min == 0 && max == -1);
		OK(kith_index_add(index, 2, x, NULL, NULL));
		OK(kith_index_id_range(index, &min, &max));
		ck_assert(min == 0 && max == 1);
		OK(kith_index_add(index, 2, x + 4, given, NULL));
		OK(kith_index_id_range(index, &min, &max));
		ck_assert(min == 0 && max == INT64_MAX - 1);
		kith_filter *first;
		OK(kith_filter_range(&first, 0, 7));
		OK(kith_index_remove(index, first, NULL));
		OK(kith_index_id_range(index, &min, &max));
		ck_assert(min == 7 && max == INT64_MAX - 1);
		FAILS(kith_index_id_range(NULL, &min, &max), KITH_INVALID, "index");
		FAILS(kith_index_id_range(index, NULL, &max), KITH_INVALID, "min");
		FAILS(kith_index_id_range(index, &min, NULL), KITH_INVALID, "max");
		kith_filter_free(first);
		kith_index_free(index);
	}
}
END_TEST

START_TEST(train)
{
	float x[4] = {1, 2, NAN, 4};
	kith_index *index;
	OK(kith_index_new(&index, 2, KITH_L2, "Flat"));
	OK(kith_index_train(index, 1, x, NULL));
	OK(kith_index_train(index, 0, NULL, NULL));
	FAILS(kith_index_train(index, 2, x, NULL), KITH_INVALID, "vector 1, component 0");
	FAILS(kith_index_train(index, -1, x, NULL), KITH_INVALID, "x");
	FAILS(kith_index_train(index, 1, NULL, NULL), KITH_INVALID, "x is NULL");
	ck_assert_int_eq(kith_index_size(index), 0);
	kith_index_free(index);
}
END_TEST

/* Sizes of the option structs: of an older library, of this one, of none. */
START_TEST(options)
{
	float x[2] = {1, 2}, dist;
	int64_t id;
	kith_index *index = make_index(2, KITH_L2, "Flat", 1, x);
	kith_add_options add = KITH_ADD_OPTIONS;
	OK(kith_index_add(index, 1, x, NULL, &add));
	add.size = offsetof(kith_add_options, threads) + sizeof add.threads;
	OK(kith_index_add(index, 1, x, NULL, &add));
	const size_t bad_add[] = {0, 1, sizeof add.size, sizeof add + 1, SIZE_MAX};
	for (size_t i = 0; i < sizeof bad_add / sizeof *bad_add; i++) {
		add.size = bad_add[i];
		FAILS(kith_index_add(index, 1, x, NULL, &add), KITH_INVALID, "size");
		FAILS(kith_index_train(index, 1, x, &add), KITH_INVALID, "size");
	}
	add = (kith_add_options)KITH_ADD_OPTIONS;
	add.threads = -1;
	FAILS(kith_index_add(index, 1, x, NULL, &add), KITH_INVALID, "threads is -1");
	ck_assert_int_eq(kith_index_size(index), 3);

	kith_search_options search = KITH_SEARCH_OPTIONS;
	OK(kith_index_search(index, 1, x, 1, &dist, &id, &search));
	search.size = offsetof(kith_search_options, threads) + sizeof search.threads;
	/* What an older caller does not know is not looked at. */
	memset(&search.filter, 0xee, sizeof search.filter);
	OK(kith_index_search(index, 1, x, 1, &dist, &id, &search));
	const size_t bad_search[] = {0, 1, sizeof search.size, sizeof search + 1, SIZE_MAX};
	for (size_t i = 0; i < sizeof bad_search / sizeof *bad_search; i++) {
		search.size = bad_search[i];
		FAILS(kith_index_search(index, 1, x, 1, &dist, &id, &search), KITH_INVALID, "size");
	}
	search = (kith_search_options)KITH_SEARCH_OPTIONS;
	search.threads = -3;
	FAILS(kith_index_search(index, 1, x, 1, &dist, &id, &search), KITH_INVALID, "threads is -3");
	search.threads = 65537;
	FAILS(kith_index_search(index, 1, x, 1, &dist, &id, &search), KITH_INVALID, "threads is 65537");
	kith_search_stats stats = {.size = 3};
	search.threads = 65536;
	search.stats = &stats;
	FAILS(kith_index_search(index, 1, x, 1, &dist, &id, &search), KITH_INVALID, "stats->size is 3");
	stats.size = sizeof stats;
	OK(kith_index_search(index, 1, x, 1, &dist, &id, &search));
	kith_index_free(index);
}
END_TEST

/* An older caller's struct ends before members that were added since: its size is the end of any member. */
START_TEST(options_of_older_callers)
{
	float x[2] = {1, 2}, dist;
	int64_t id;
	kith_index *index = make_index(2, KITH_L2, "Flat", 1, x);
	kith_search_options search = KITH_SEARCH_OPTIONS;
	static const size_t ends[] = {offsetof(kith_search_options, progress),
	    offsetof(kith_search_options, progress_data), offsetof(kith_search_options, stats),
	    offsetof(kith_search_options, stats) + sizeof(kith_search_stats *)};
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		search.size = ends[i];
		OK(kith_index_search(index, 1, x, 1, &dist, &id, &search));
	}
	kith_index_free(index);
}
END_TEST

START_TEST(clone)
{
	enum { N = 300, DIM = 5 };
	static const char *const kinds[] = {"Flat", "U8"};
	float *x = make(N * DIM, sizeof *x), dist[2][40];
	int64_t ids[2][40], some[N];
	struct rng rng = {3};
	for (int64_t i = 0; i < N * DIM; i++)
		x[i] = (float)rng_below(&rng, 256);
	for (int64_t i = 0; i < N; i++)
		some[i] = i * i;
	for (int way = 0; way < 4; way++) {
		kith_index *index, *copy;
		kith_filter *odd;
		int64_t removed;
		OK(kith_index_new(&index, DIM, KITH_L2, kinds[way % 2]));
		OK(kith_index_clone(&copy, index));
		REQUIRE(kith_index_size(copy) == 0);
		kith_index_free(copy);
		OK(kith_index_add(index, N, x, way / 2 ? some : NULL, NULL));
		OK(kith_index_clone(&copy, index));
		ck_assert_str_eq(kith_index_describe(copy), kith_index_describe(index));
		OK(kith_index_search(index, 4, x, 10, dist[0], ids[0], NULL));
		/* Change one: the other stays. */
		OK(kith_filter_range(&odd, 0, 1000));
		OK(kith_index_remove(index, odd, &removed));
		OK(kith_index_add(index, 2, x, NULL, NULL));
		REQUIRE(removed > 0 && kith_index_size(copy) == N);
		OK(kith_index_search(copy, 4, x, 10, dist[1], ids[1], NULL));
		REQUIRE(!memcmp(dist[0], dist[1], sizeof dist[0]) && !memcmp(ids[0], ids[1], sizeof ids[0]));
		kith_index_free(index);
		OK(kith_index_add(copy, 1, x, NULL, NULL));
		REQUIRE(kith_index_has(copy, way / 2 ? some[N - 1] + 1 : N));
		OK(kith_index_search(copy, 4, x + DIM, 10, dist[1], ids[1], NULL));
		kith_filter_free(odd);
		kith_index_free(copy);
	}
	free(x);
}
END_TEST

/* Flat keeps 4 bytes a dimension and next to nothing else; bytes one. */
START_TEST(memory)
{
	enum { N = 60000, DIM = 24 };
	static const struct {
		const char *spec;
		double max;
	} kinds[] = {{"Flat", 4 * DIM + 1}, {"U8", DIM + 1}};
	float *x = make(N * DIM, sizeof *x);
	for (int kind = 0; kind < 2; kind++) {
		kith_index *index;
		OK(kith_index_new(&index, DIM, KITH_L2, kinds[kind].spec));
		OK(kith_index_reserve(index, N));
		OK(kith_index_add(index, N, x, NULL, NULL));
		double each = (double)kith_index_memory(index) / N;
		ck_assert_double_le(each, kinds[kind].max);
		ck_assert_double_ge(each, kinds[kind].max - 1);
		kith_index_free(index);
		/* Growing piece by piece may hold a spare half. */
		OK(kith_index_new(&index, DIM, KITH_L2, kinds[kind].spec));
		for (int64_t i = 0; i < N; i += 1000)
			OK(kith_index_add(index, 1000, x + i * DIM, NULL, NULL));
		each = (double)kith_index_memory(index) / N;
		ck_assert_double_le(each, 1.6 * kinds[kind].max);
		kith_index_free(index);
	}
	free(x);
}
END_TEST

START_TEST(reserve)
{
	float x[3] = {1, 2, 3}, dist;
	int64_t id;
	kith_index *index = make_index(3, KITH_L2, "Flat", 1, x);
	OK(kith_index_reserve(index, 0));
	OK(kith_index_reserve(index, 100));
	size_t before = kith_index_memory(index);
	OK(kith_index_reserve(index, 50));
	ck_assert_uint_eq(kith_index_memory(index), before);
	FAILS(kith_index_reserve(index, -1), KITH_INVALID, "n is -1");
	FAILS(kith_index_reserve(index, INT64_MAX), KITH_NOMEM, "memory");
	FAILS(kith_index_reserve(index, INT64_MAX / 8), KITH_NOMEM, "memory");
	ck_assert_int_eq(kith_index_size(index), 1);
	OK(kith_index_search(index, 1, x, 1, &dist, &id, NULL));
	REQUIRE(dist == 0 && id == 0);
	kith_index_free(index);
}
END_TEST

static size_t resident(void)
{
	size_t total = 0, pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");
	if (file && fscanf(file, "%zu %zu", &total, &pages) != 2)
		pages = 0;
	if (file)
		fclose(file);
	return pages * 4096;
}

/* Room that nobody uses is room in the address space only: also for the table of listed ids, and after it was
 * built anew. */
START_TEST(reserve_touches_little)
{
	const int64_t ids[4] = {40, 30, 20, 10};
	kith_index *index;
	kith_filter *filter;
	int64_t removed;
	float x[12] = {0};
	OK(kith_index_new(&index, 3, KITH_L2, "SQfp16"));
	OK(kith_index_add(index, 4, x, ids, NULL));
	size_t before = resident();
	OK(kith_index_reserve(index, 1 << 28));
	OK(kith_filter_range(&filter, 15, 25));
	OK(kith_index_remove(index, filter, &removed));
	kith_filter_free(filter);
	ck_assert_int_eq(removed, 1);
	ck_assert_uint_le(resident(), before + ((size_t)64 << 20));
	REQUIRE(kith_index_has(index, 30) && !kith_index_has(index, 20));
	OK(kith_index_add(index, 1, x, ids + 2, NULL));
	REQUIRE(kith_index_has(index, 20));
	kith_index_free(index);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("index");
	TCase *t = tcase_create("index");
	tcase_set_timeout(t, 60);
	tcase_add_test(t, specs);
	tcase_add_test(t, specs_wished_for);
	tcase_add_test(t, specs_refused);
	tcase_add_test(t, specs_misspelt);
	tcase_add_test(t, new_refuses);
	tcase_add_test(t, null_index);
	tcase_add_test(t, reconstruct);
	tcase_add_test(t, reconstruct_cosine_and_bytes);
	tcase_add_test(t, get_refuses);
	tcase_add_test(t, id_range);
	tcase_add_test(t, train);
	tcase_add_test(t, options);
	tcase_add_test(t, options_of_older_callers);
	tcase_add_test(t, clone);
	tcase_add_test(t, memory);
	tcase_add_test(t, reserve);
	tcase_add_test(t, reserve_touches_little);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
