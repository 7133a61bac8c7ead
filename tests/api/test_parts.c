/* Indexes put together from parts that are filled already, and what is carried beside an index. */
#include "tests/support/scratch.h"
#include "tests/support/support.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIM = 16, N = 2000, NQ = 20, K = 5, NLIST = 8 };

static float *x, *q;
static char folder[SCRATCH_FOLDER], path[SCRATCH_PATH];

static void begin(void)
{
	x = make_gauss(11, N, DIM);
	q = make_gauss(12, NQ, DIM);
	scratch_make(folder);
	scratch_path(path, folder, "index");
}

static void end(void)
{
	free(x);
	free(q);
	scratch_remove(folder);
}

static kith_index *filled(const char *spec)
{
	kith_index *index;
	OK(kith_index_new(&index, DIM, KITH_L2, spec));
	if (!kith_index_trained(index))
		OK(kith_index_train(index, N, x, NULL));
	OK(kith_index_add(index, N, x, NULL, NULL));
	return index;
}

static bool same(const kith_preset *a, const kith_preset *b)
{
	return a->size == b->size && a->nprobe == b->nprobe && a->max_codes == b->max_codes &&
	       a->efSearch == b->efSearch && a->efConstruction == b->efConstruction &&
	       a->k_factor == b->k_factor && a->idmap == b->idmap && a->idmap_depth == b->idmap_depth &&
	       a->fastscan == b->fastscan && a->polysemous_ht == b->polysemous_ht &&
	       a->search_type == b->search_type;
}

static void find(const kith_index *index, const float *queries, float *dist, int64_t *ids)
{
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.nprobe = NLIST;
	options.k_factor = 50;
	OK(kith_index_search(index, NQ, queries, K, dist, ids, &options));
}

/* Both give the same. */
static void check_same(const kith_index *a, const kith_index *b)
{
	float da[NQ * K], db[NQ * K];
	int64_t ia[NQ * K], ib[NQ * K];
	find(a, q, da, ia);
	find(b, q, db, ib);
	REQUIRE(memcmp(da, db, sizeof da) == 0);
	REQUIRE(memcmp(ia, ib, sizeof ia) == 0);
}

static const char *const presets_of[] = {"Flat", "IVF8,PQ4", "HNSW8", "PCA8,IVF8,Flat", "IVF8,SQ8,RFlat"};

static kith_preset some_preset(void)
{
	kith_preset preset = KITH_PRESET;
	preset.nprobe = 7;
	preset.max_codes = 1000;
	preset.efSearch = 77;
	preset.efConstruction = 99;
	preset.k_factor = 3.5F;
	preset.idmap = 2;
	preset.idmap_depth = 1;
	preset.fastscan = 64;
	preset.polysemous_ht = 30;
	preset.search_type = 4;
	return preset;
}

START_TEST(preset_travels)
{
	kith_index *index = filled(presets_of[_i]), *again;
	kith_preset none = KITH_PRESET, preset = some_preset(), found = KITH_PRESET;
	size_t plain, with;
	OK(kith_index_preset(index, &found));
	REQUIRE(same(&found, &none));
	OK(kith_index_to_bytes(index, NULL, 0, &plain));
	OK(kith_index_set_preset(index, &preset));
	OK(kith_index_to_bytes(index, NULL, 0, &with));
	REQUIRE(with > plain);
	void *bytes = make((int64_t)with, 1);
	OK(kith_index_to_bytes(index, bytes, with, &with));
	OK(kith_index_from_bytes(&again, bytes, with, KITH_READONLY));
	OK(kith_index_preset(again, &found));
	REQUIRE(same(&found, &preset));
	check_same(index, again);                /* a call's 0 means what it always does */
	OK(kith_index_set_preset(again, &none)); /* of a read-only one, too */
	kith_index_free(again);
	OK(kith_index_clone(&again, index));
	OK(kith_index_preset(again, &found));
	REQUIRE(same(&found, &preset));
	OK(kith_index_set_preset(again, &none));
	OK(kith_index_to_bytes(again, NULL, 0, &with));
	ck_assert_uint_eq(with, plain);
	kith_index_free(again);
	kith_index_free(index);
	free(bytes);
}
END_TEST

/* A program that knows the members up to fastscan: the others are left alone, and set to 0. */
START_TEST(preset_of_older_callers)
{
	kith_index *index = filled("Flat");
	kith_preset preset = some_preset(), older = KITH_PRESET, found = KITH_PRESET;
	OK(kith_index_set_preset(index, &preset));
	older.size = offsetof(kith_preset, polysemous_ht);
	older.search_type = 99;
	OK(kith_index_preset(index, &older));
	REQUIRE(older.fastscan == 64 && older.polysemous_ht == 0 && older.search_type == 99);
	OK(kith_index_set_preset(index, &older));
	OK(kith_index_preset(index, &found));
	REQUIRE(found.fastscan == 64 && found.polysemous_ht == 0 && found.search_type == 0);
	kith_index_free(index);
}
END_TEST

START_TEST(preset_is_checked)
{
	kith_index *index = filled("Flat");
	kith_preset preset = KITH_PRESET;
	preset.nprobe = -1;
	FAILS(kith_index_set_preset(index, &preset), KITH_INVALID, "nprobe");
	preset = (kith_preset)KITH_PRESET;
	preset.k_factor = 0.5F;
	FAILS(kith_index_set_preset(index, &preset), KITH_INVALID, "k_factor");
	preset = (kith_preset)KITH_PRESET;
	preset.idmap = 3;
	FAILS(kith_index_set_preset(index, &preset), KITH_INVALID, "idmap");
	preset = (kith_preset)KITH_PRESET;
	preset.idmap_depth = -1;
	FAILS(kith_index_set_preset(index, &preset), KITH_INVALID, "idmap_depth");
	preset = (kith_preset)KITH_PRESET;
	preset.fastscan = 33;
	FAILS(kith_index_set_preset(index, &preset), KITH_INVALID, "fastscan");
	preset = (kith_preset)KITH_PRESET;
	preset.polysemous_ht = -1;
	FAILS(kith_index_set_preset(index, &preset), KITH_INVALID, "polysemous_ht");
	preset = (kith_preset)KITH_PRESET;
	preset.search_type = 6;
	FAILS(kith_index_set_preset(index, &preset), KITH_INVALID, "search_type");
	preset.size = 3;
	FAILS(kith_index_set_preset(index, &preset), KITH_INVALID, "size");
	FAILS(kith_index_preset(index, &preset), KITH_INVALID, "size");
	FAILS(kith_index_preset(NULL, &preset), KITH_INVALID, "index");
	FAILS(kith_index_set_labels(index, -1, NULL), KITH_INVALID, "-1");
	FAILS(kith_index_set_labels(index, 2, NULL), KITH_INVALID, "NULL");
	kith_index_free(index);
}
END_TEST

START_TEST(preset_of_an_updated_index)
{
	kith_index *index = filled("Flat");
	kith_preset preset = some_preset();
	OK(kith_index_save(index, path));
	kith_index_free(index);
	OK(kith_index_open(&index, path, KITH_UPDATE));
	OK(kith_index_set_preset(index, &preset));
	FAILS(kith_index_append(index, path), KITH_INVALID, "preset");
	OK(kith_index_save(index, path));
	OK(kith_index_set_preset(index, &preset)); /* nothing new */
	OK(kith_index_append(index, path));
	kith_index_free(index);
	OK(kith_index_open(&index, path, KITH_MMAP));
	preset = (kith_preset)KITH_PRESET;
	OK(kith_index_preset(index, &preset));
	ck_assert_int_eq(preset.nprobe, 7);
	kith_index_free(index);
}
END_TEST

START_TEST(labels_travel)
{
	kith_index *index = filled("IVF8,Flat"), *again;
	int64_t *labels = make(N, sizeof *labels), n;
	for (int64_t i = 0; i < N; i++)
		labels[i] = i % 3 - 5;
	REQUIRE(kith_index_labels(index, &n) == NULL && n == 0);
	OK(kith_index_set_labels(index, N, labels));
	OK(kith_index_save(index, path));
	for (int flags = 0; flags <= KITH_MMAP; flags += KITH_MMAP) {
		OK(kith_index_open(&again, path, flags));
		const int64_t *found = kith_index_labels(again, &n);
		ck_assert_int_eq(n, N);
		REQUIRE(memcmp(found, labels, N * sizeof *labels) == 0);
		check_same(index, again); /* ids stay the library's own */
		OK(kith_index_set_labels(again, 0, NULL));
		REQUIRE(kith_index_labels(again, NULL) == NULL);
		kith_index_free(again);
	}
	kith_index_free(index);
	free(labels);
}
END_TEST

static const char *const faiss_kinds[] = {"Flat", "IVF8,Flat", "HNSW8", "PCA8,IVF8,PQ4", "PQ4,RFlat"};

START_TEST(faiss_files_carry_both)
{
	for (int kind = 0; kind <= 2; kind++) {
		kith_index *index = filled(faiss_kinds[_i]), *again;
		kith_preset preset = KITH_PRESET, found = KITH_PRESET;
		int64_t *labels = make(N, sizeof *labels), n;
		for (int64_t i = 0; i < N; i++)
			labels[i] = -2 - i / 2;
		preset.nprobe = 3;
		preset.efSearch = 77;
		preset.efConstruction = 99;
		preset.k_factor = 2.5F;
		preset.idmap = kind;
		OK(kith_index_set_preset(index, &preset));
		OK(kith_index_set_labels(index, N, labels));
		OK(kith_index_export_faiss(index, path));
		FAILS(kith_index_import_faiss(&again, path, NULL), KITH_UNSUPPORTED, "does not fit");
		OK(kith_index_import_faiss_labels(&again, path));
		OK(kith_index_preset(again, &found));
		bool lists = strstr(faiss_kinds[_i], "IVF"), graph = strstr(faiss_kinds[_i], "HNSW");
		ck_assert_int_eq(found.nprobe, lists ? 3 : 0);
		ck_assert_int_eq(found.efSearch, graph ? 77 : 0);
		ck_assert_int_eq(found.efConstruction, graph ? 99 : 0);
		REQUIRE(found.k_factor == (strstr(faiss_kinds[_i], "RFlat") ? 2.5F : 0));
		ck_assert_int_eq(found.idmap, kind ? kind : lists ? 0 : 2);
		const int64_t *named = kith_index_labels(again, &n);
		ck_assert_int_eq(n, N);
		/* Every vector has the label that it had. */
		for (int64_t i = 0; i < N; i += 97) {
			float dist;
			int64_t id;
			kith_search_options options = KITH_SEARCH_OPTIONS;
			options.nprobe = NLIST;
			OK(kith_index_search(again, 1, x + i * DIM, 1, &dist, &id, &options));
			float other;
			int64_t before;
			OK(kith_index_search(index, 1, x + i * DIM, 1, &other, &before, &options));
			ck_assert_int_eq(named[id], labels[before]);
		}
		kith_index_free(index);
		kith_index_free(again);
		free(labels);
	}
}
END_TEST

struct stream {
	char *data;
	size_t size, max;
};

static int give(void *data, int64_t offset, void *bytes, size_t n)
{
	struct stream *stream = data;
	if ((size_t)offset + n > stream->size)
		return 1;
	stream->max = (size_t)offset + n > stream->max ? (size_t)offset + n : stream->max;
	memcpy(bytes, stream->data + offset, n);
	return 0;
}

START_TEST(faiss_length_of_a_stream)
{
	kith_index *index = filled(faiss_kinds[_i]);
	struct stream stream = {NULL, 0, 0};
	int64_t length = 0;
	OK(kith_index_export_faiss(index, path));
	FILE *file = fopen(path, "rb");
	REQUIRE(file != NULL);
	fseek(file, 0, SEEK_END);
	size_t size = (size_t)ftell(file);
	rewind(file);
	stream.data = make((int64_t)size + 1000, 1);
	stream.size = size + 1000;
	REQUIRE(fread(stream.data, 1, size, file) == size);
	fclose(file);
	OK(kith_faiss_length(give, &stream, &length));
	ck_assert_int_eq(length, (int64_t)size);
	REQUIRE(stream.max <= size);
	stream.size = 20;
	FAILS(kith_faiss_length(give, &stream, &length), KITH_IO, "read returned 1");
	stream.size = size;
	memcpy(stream.data, "nope", 4);
	FAILS(kith_faiss_length(give, &stream, &length), KITH_FORMAT, "nope");
	FAILS(kith_faiss_length(NULL, &stream, &length), KITH_INVALID, "read");
	kith_index_free(index);
	free(stream.data);
}
END_TEST

static const char *const wrapped[] = {"Flat", "SQ8", "IVF8,Flat", "IVF8,PQ4", "HNSW8"};

START_TEST(refining_what_is_filled)
{
	kith_index *child = filled(wrapped[_i]), *fine, *refined, *again;
	OK(kith_index_new(&fine, DIM, KITH_L2, "Flat"));
	FAILS(kith_index_wrap_fine(&refined, child, fine), KITH_INVALID, "other vectors");
	OK(kith_index_add(fine, N, x, NULL, NULL));
	OK(kith_index_wrap_fine(&refined, child, fine));
	char spec[64];
	snprintf(spec, sizeof spec, "%s,RFlat", wrapped[_i]);
	again = filled(spec);
	ck_assert_str_eq(kith_index_describe(refined), kith_index_describe(again));
	check_same(refined, again);
	/* The part is searched by itself. */
	const kith_index *part = kith_index_part(refined, 1);
	REQUIRE(part && kith_index_part(refined, 0) == refined && !kith_index_part(refined, 2) &&
	        !kith_index_part(refined, -1) && !kith_index_part(NULL, 0));
	child = filled(wrapped[_i]);
	check_same(part, child);
	OK(kith_index_add(refined, 1, q, NULL, NULL));
	ck_assert_int_eq(kith_index_size(kith_index_part(refined, 1)), N + 1);
	kith_index_free(child);
	/* So is what ranks again. */
	const kith_index *ranks = kith_index_fine(refined);
	REQUIRE(ranks && !kith_index_fine(ranks) && !kith_index_fine(part) && !kith_index_fine(NULL));
	ck_assert_str_eq(kith_index_describe(ranks), "Flat");
	REQUIRE(kith_index_trained(ranks) && kith_index_size(ranks) == N + 1);
	child = filled("Flat");
	OK(kith_index_add(child, 1, q, NULL, NULL));
	check_same(ranks, child);
	kith_index_free(child);
	kith_index_free(refined);
	kith_index_free(again);
}
END_TEST

START_TEST(what_refines_learns_and_is_read_with_the_whole)
{
	kith_index *refined, *copy, *read, *alone = filled("SQ8");
	OK(kith_index_new(&refined, DIM, KITH_L2, "SQ4,Refine(SQ8)"));
	REQUIRE(!kith_index_trained(kith_index_fine(refined)));
	OK(kith_index_train(refined, N, x, NULL));
	REQUIRE(
	    kith_index_trained(kith_index_fine(refined)) && kith_index_size(kith_index_fine(refined)) == 0);
	OK(kith_index_add(refined, N, x, NULL, NULL));
	check_same(kith_index_fine(refined), alone);
	OK(kith_index_clone(&copy, refined));
	kith_index_free(refined);
	check_same(kith_index_fine(copy), alone);
	size_t size;
	OK(kith_index_to_bytes(copy, NULL, 0, &size));
	char *bytes = malloc(size);
	REQUIRE(bytes);
	OK(kith_index_to_bytes(copy, bytes, size, &size));
	OK(kith_index_from_bytes(&read, bytes, size, 0));
	check_same(kith_index_fine(read), alone);
	REQUIRE(kith_index_trained(kith_index_fine(read)));
	free(bytes);
	kith_index_free(read);
	kith_index_free(copy);
	kith_index_free(alone);
}
END_TEST

START_TEST(refining_needs_what_fits)
{
	kith_index *flat = filled("Flat"), *other, *out;
	other = filled("IVF8,Flat");
	FAILS(kith_index_wrap_fine(&out, flat, other), KITH_INVALID, "no flat index");
	FAILS(kith_index_wrap_fine(&out, flat, flat), KITH_INVALID, "same index");
	FAILS(kith_index_wrap_fine(&out, NULL, flat), KITH_INVALID, "take_child");
	FAILS(kith_index_wrap_fine(&out, flat, NULL), KITH_INVALID, "take_fine");
	FAILS(kith_index_wrap_fine(NULL, flat, other), KITH_INVALID, "out");
	kith_index_free(other);
	OK(kith_index_new(&other, DIM, KITH_IP, "Flat"));
	FAILS(kith_index_wrap_fine(&out, flat, other), KITH_INVALID, "metric");
	kith_index_free(other);
	kith_index_free(flat);
}
END_TEST

static const char *const transforms[] = {"PCA8", "OPQ4_8", "RR8", "L2norm", "Pad20"};
static const int64_t inner_dims[] = {8, 8, 8, DIM, 20};

START_TEST(transforming_what_is_filled)
{
	char spec[64];
	snprintf(spec, sizeof spec, "%s,Flat", transforms[_i]);
	kith_index *whole = filled(spec), *like, *child, *joined;
	/* What the child of an index holds, under a copy of its transform. */
	OK(kith_index_clone(&child, kith_index_part(whole, 1)));
	ck_assert_int_eq(kith_index_dim(child), inner_dims[_i]);
	OK(kith_index_new(&like, DIM, KITH_L2, spec));
	if (!kith_index_trained(like)) {
		FAILS(kith_index_wrap_like(&joined, child, KITH_L2, like), KITH_UNTRAINED, "like");
		OK(kith_index_train(like, N, x, NULL));
	}
	FAILS(kith_index_wrap_like(&joined, child, KITH_L2, child), KITH_INVALID, "same index");
	FAILS(kith_index_wrap_like(&joined, child, KITH_L2, kith_index_part(whole, 1)), KITH_INVALID,
	    "no transform");
	FAILS(kith_index_wrap_like(&joined, child, KITH_IP, like), KITH_INVALID, "metric");
	OK(kith_index_wrap_like(&joined, child, KITH_L2, like));
	ck_assert_str_eq(kith_index_describe(joined), kith_index_describe(whole));
	check_same(joined, whole);
	/* It stays what it is when the rest is trained. */
	OK(kith_index_train(joined, N / 2, x, NULL));
	check_same(joined, whole);
	OK(kith_index_add(joined, 1, q, NULL, NULL));
	OK(kith_index_add(whole, 1, q, NULL, NULL));
	check_same(joined, whole);
	kith_index_free(joined);
	kith_index_free(whole);
	kith_index_free(like);
}
END_TEST

static const char *const given_to[] = {
    "IVF8,Flat", "IVF8,SQfp16", "IVF8,PQ4", "IVF8_HNSW4,SQ8", "PCA8,IVF8,PQ4", "IVF8,PQ4,RFlat"};

START_TEST(centroids_are_given)
{
	kith_index *index, *clone;
	OK(kith_index_new(&index, DIM, KITH_L2, given_to[_i]));
	bool below = strstr(given_to[_i], "PCA"), done = _i < 2;
	int64_t dim = below ? 8 : DIM;
	float *centroids = make_gauss(5, NLIST, dim);
	FAILS(kith_index_set_centroids(index, NLIST - 1, centroids), KITH_INVALID, "nlist");
	FAILS(kith_index_set_centroids(index, NLIST, NULL), KITH_INVALID, "centroids");
	centroids[3] = INFINITY;
	FAILS(kith_index_set_centroids(index, NLIST, centroids), KITH_INVALID, "element 3 of centroid 0");
	centroids[3] = 0.25F;
	OK(kith_index_set_centroids(index, NLIST, centroids));
	ck_assert_int_eq(kith_index_trained(index), done);
	OK(kith_index_clone(&clone, index));
	for (int round = 0; round < 2; round++) {
		kith_index *one = round ? clone : index;
		if (!done)
			OK(kith_index_train(one, N, x, NULL));
		OK(kith_index_add(one, N, x, NULL, NULL));
		FAILS(kith_index_set_centroids(one, NLIST, centroids), KITH_INVALID, "holds vectors");
	}
	check_same(index, clone);
	if (!below) { /* A vector at a centroid is found in the first list. */
		kith_search_options options = KITH_SEARCH_OPTIONS;
		float dist;
		int64_t id;
		options.nprobe = 1;
		options.k_factor = 1;
		OK(kith_index_add(index, NLIST, centroids, NULL, NULL));
		for (int64_t l = 0; l < NLIST; l++) {
			OK(kith_index_search(index, 1, centroids + l * DIM, 1, &dist, &id, &options));
			if (done)
				ck_assert_int_eq(id, N + l);
		}
	}
	kith_index_free(index);
	kith_index_free(clone);
	free(centroids);
}
END_TEST

static const char *const numbered[] = {
    "Flat", "SQ8", "PQ4", "IVF8,Flat", "HNSW8", "PCA8,Flat", "IVF8,PQ4,RFlat", "PCA8,(HNSW8,SQ8,RFlat)"};

START_TEST(numbering_anew)
{
	kith_index *index;
	kith_filter *odd;
	int64_t *ids = make(N, sizeof *ids), removed;
	for (int64_t i = 0; i < N; i++)
		ids[i] = 3 * (N - i) + 5;
	OK(kith_index_new(&index, DIM, KITH_L2, numbered[_i]));
	if (!kith_index_trained(index))
		OK(kith_index_train(index, N, x, NULL));
	OK(kith_index_add(index, N, x, ids, NULL));
	OK(kith_filter_range(&odd, 500, 1000));
	OK(kith_index_remove(index, odd, &removed));
	kith_filter_free(odd);
	int64_t n = N - removed;
	OK(kith_index_ids(index, ids));
	float *before = make(n * DIM, sizeof *before), *after = make(n * DIM, sizeof *after), da[NQ * K],
	      db[NQ * K];
	int64_t ia[NQ * K], ib[NQ * K], *now = make(n + 1, sizeof *now);
	OK(kith_index_get(index, n, ids, before));
	find(index, q, da, ia);
	OK(kith_index_renumber(index));
	OK(kith_index_ids(index, now));
	for (int64_t i = 0; i < n; i++)
		ck_assert_int_eq(now[i], i);
	OK(kith_index_get(index, n, now, after));
	REQUIRE(memcmp(before, after, (size_t)(n * DIM) * sizeof *before) == 0);
	find(index, q, db, ib);
	REQUIRE(memcmp(da, db, sizeof da) == 0);
	for (int64_t i = 0; i < NQ * K; i++)
		ck_assert_int_eq(ids[ib[i]], ia[i]);
	OK(kith_index_add(index, 1, q, NULL, NULL));
	OK(kith_index_ids(index, now));
	ck_assert_int_eq(now[n], n);
	kith_index_free(index);
	free(ids);
	free(now);
	free(before);
	free(after);
}
END_TEST

START_TEST(numbering_needs_what_fits)
{
	kith_index *index;
	OK(kith_index_new(&index, DIM, KITH_L2, "Shards2(Flat)"));
	FAILS(kith_index_renumber(index), KITH_UNSUPPORTED, "Shards");
	FAILS(kith_index_set_centroids(index, 1, x), KITH_INVALID, "no inverted file");
	FAILS(kith_index_renumber(NULL), KITH_INVALID, "index");
	kith_index_free(index);
}
END_TEST

#define COUNT(array) (int)(sizeof array / sizeof *array)

int main(void)
{
	Suite *suite = suite_create("parts");
	TCase *beside = tcase_create("beside"), *parts = tcase_create("parts");
	tcase_add_unchecked_fixture(beside, begin, end);
	tcase_add_unchecked_fixture(parts, begin, end);
	tcase_set_timeout(beside, 120);
	tcase_set_timeout(parts, 120);
	tcase_add_loop_test(beside, preset_travels, 0, COUNT(presets_of));
	tcase_add_test(beside, preset_of_older_callers);
	tcase_add_test(beside, preset_is_checked);
	tcase_add_test(beside, preset_of_an_updated_index);
	tcase_add_test(beside, labels_travel);
	tcase_add_loop_test(beside, faiss_files_carry_both, 0, COUNT(faiss_kinds));
	tcase_add_loop_test(beside, faiss_length_of_a_stream, 0, COUNT(faiss_kinds));
	tcase_add_loop_test(parts, refining_what_is_filled, 0, COUNT(wrapped));
	tcase_add_test(parts, refining_needs_what_fits);
	tcase_add_test(parts, what_refines_learns_and_is_read_with_the_whole);
	tcase_add_loop_test(parts, transforming_what_is_filled, 0, COUNT(transforms));
	tcase_add_loop_test(parts, centroids_are_given, 0, COUNT(given_to));
	tcase_add_loop_test(parts, numbering_anew, 0, COUNT(numbered));
	tcase_add_test(parts, numbering_needs_what_fits);
	suite_add_tcase(suite, beside);
	suite_add_tcase(suite, parts);
	return run_suite(suite);
}
