/* FAISS's files that are cut off, damaged or made up; what kith has nothing for; and memory that is short. */
#include "tests/store/test_faiss.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/alloc.h"

static const char *const small_specs[] = {"Flat", "SQ8_direct", "SQ4", "SQfp16", "PQ2x4", "IVF3,Flat",
    "IVF3,SQ8", "IVF3,PQ2x4", "PCA4,IVF3,SQ8,RFlat", "L2norm,Pad10,Flat", "HNSW2,Flat", "HNSW3,SQ8",
    "IVF5_HNSW2,SQ4"};
enum { SMALL = sizeof small_specs / sizeof *small_specs };

START_TEST(truncated)
{
	kith_index *index = build_index(small_specs[_i], KITH_L2, 40, true), *opened;
	struct bytes b = export_bytes(index);
	for (struct bytes cut = b; cut.n-- > 0;) {
		FAILS(import_bytes(&opened, &cut, NULL), KITH_FORMAT, "'memory'");
		REQUIRE(!opened);
	}
	bytes_append(&b, "x", 1);
	FAILS(import_bytes(&opened, &b, NULL), KITH_FORMAT, "after its end");
	free(b.data);
	kith_index_free(index);
}
END_TEST

/* FAISS's files have no checksums: a flipped bit may give another index, but one that works. */
START_TEST(flipped)
{
	kith_index *index = build_index(small_specs[_i], KITH_L2, 20, true), *opened;
	struct bytes b = export_bytes(index);
	for (size_t bit = 0; bit < 8 * b.n; bit += sanitized ? 5 : 1) {
		b.data[bit / 8] ^= (char)(1 << bit % 8);
		kith_status status = import_bytes(&opened, &b, NULL);
		if (status == KITH_OK)
			use_index(opened);
		else
			REQUIRE(!opened && (status == KITH_FORMAT || status == KITH_UNSUPPORTED));
		kith_index_free(opened);
		b.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	free(b.data);
	kith_index_free(index);
}
END_TEST

/* Numbers that are far too large, at every place where a number could be. */
START_TEST(hostile)
{
	static const uint64_t numbers[] = {UINT64_MAX, INT64_MAX, UINT64_C(1) << 61, UINT64_C(1) << 40,
	    UINT64_C(0x7fffffff), UINT64_C(0xffffffff), 0};
	kith_index *index = build_index(small_specs[_i], KITH_L2, 20, true), *opened;
	struct bytes b = export_bytes(index);
	for (size_t at = 0; at + 8 <= b.n; at++)
		for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
			char before[8];
			memcpy(before, b.data + at, sizeof before);
			memcpy(b.data + at, &numbers[i], sizeof before);
			kith_status status = import_bytes(&opened, &b, NULL);
			if (status == KITH_OK && i == 0)
				use_index(opened);
			REQUIRE(status == KITH_OK || status == KITH_FORMAT || status == KITH_UNSUPPORTED);
			kith_index_free(opened);
			memcpy(b.data + at, before, sizeof before);
		}
	free(b.data);
	kith_index_free(index);
}
END_TEST

/* ---- what kith has nothing for ---- */

enum { FOURCC = 0, D = 4, TRAINED = 32, METRIC = 33 };

static void check_letters(struct bytes *b, const char *fourcc, kith_status status, const char *word)
{
	kith_index *opened;
	memcpy(b->data + FOURCC, fourcc, 4);
	FAILS(import_bytes(&opened, b, NULL), status, word);
	REQUIRE(strstr(kith_last_error(), fourcc) || status == KITH_FORMAT);
	REQUIRE(!opened);
}

START_TEST(others)
{
	kith_index *index = build_index("Flat", KITH_L2, 3, false), *opened;
	struct bytes b = export_bytes(index);
	check_letters(&b, "IxHe", KITH_UNSUPPORTED, "LSH");
	check_letters(&b, "ILfs", KITH_UNSUPPORTED, "fast scans");
	check_letters(&b, "IPfs", KITH_FORMAT, "more than there are");
	check_letters(&b, "INSf", KITH_UNSUPPORTED, "NSG");
	check_letters(&b, "Imiq", KITH_UNSUPPORTED, "multi-index");
	check_letters(&b, "IBxF", KITH_UNSUPPORTED, "bits");
	check_letters(&b, "null", KITH_UNSUPPORTED, "without its vectors");
	check_letters(&b, "Ix\1\2", KITH_FORMAT, "'Ix\?\?'");
	check_letters(&b, "IxFI", KITH_FORMAT, "metric");
	memcpy(b.data + FOURCC, "IxF2", 4);
	b.data[METRIC] = 25;
	FAILS(import_bytes(&opened, &b, NULL), KITH_UNSUPPORTED, "Gower");
	b.data[METRIC] = 99;
	FAILS(import_bytes(&opened, &b, NULL), KITH_UNSUPPORTED, "99");
	b.data[METRIC] = 1;
	b.data[TRAINED] = 0;
	FAILS(import_bytes(&opened, &b, NULL), KITH_UNSUPPORTED, "not trained");
	b.data[TRAINED] = 2;
	FAILS(import_bytes(&opened, &b, NULL), KITH_FORMAT, "yes or no");
	b.data[TRAINED] = 1;
	int32_t large = KITH_MAX_DIM + 1;
	memcpy(b.data + D, &large, sizeof large);
	FAILS(import_bytes(&opened, &b, NULL), KITH_UNSUPPORTED, "dimension");
	free(b.data);
	kith_index_free(index);
}
END_TEST

/* Ids that FAISS allows and kith does not. */
START_TEST(ids)
{
	kith_index *index = build_index("Flat", KITH_L2, 20, true), *opened;
	struct bytes b = export_bytes(index);
	int64_t pair[2];
	memcpy(pair, b.data + b.n - sizeof pair, sizeof pair);
	int64_t twice[2] = {pair[1], pair[1]}, negative[2] = {pair[0], -1};
	memcpy(b.data + b.n - sizeof pair, twice, sizeof pair);
	FAILS(import_bytes(&opened, &b, NULL), KITH_UNSUPPORTED, "does not fit");
	memcpy(b.data + b.n - sizeof pair, negative, sizeof pair);
	FAILS(import_bytes(&opened, &b, NULL), KITH_UNSUPPORTED, "does not fit");
	free(b.data);
	kith_index_free(index);
}
END_TEST

START_TEST(shards)
{
	kith_index *index = build_index("Shards2(Flat)", KITH_L2, 20, false);
	struct bytes b = {0};
	FAILS(faiss_export(index, (struct blob_sink){bytes_append, &b}), KITH_UNSUPPORTED, "Shards2");
	free(b.data);
	kith_index_free(index);
}
END_TEST

/* ---- calls ---- */

START_TEST(arguments)
{
	char folder[SCRATCH_FOLDER], path[SCRATCH_PATH];
	scratch_make(folder);
	scratch_path(path, folder, "a.faiss");
	kith_index *index = build_index("Flat", KITH_L2, 20, false), *opened, *untrained;
	kith_search_options old = {.size = offsetof(kith_search_options, nprobe)}, wrong = {.size = 3};
	OK(kith_index_new(&untrained, DIM, KITH_L2, "IVF7,Flat"));
	FAILS(kith_index_export_faiss(NULL, path), KITH_INVALID, "index");
	FAILS(kith_index_export_faiss(index, NULL), KITH_INVALID, "path");
	FAILS(kith_index_export_faiss(untrained, path), KITH_UNTRAINED, "trained");
	FAILS(kith_index_export_faiss(index, folder), KITH_IO, "directory");
	FAILS(kith_index_export_faiss(index, "/dev/full"), KITH_IO, "space");
	FAILS(kith_index_import_faiss(NULL, path, NULL), KITH_INVALID, "out");
	FAILS(kith_index_import_faiss(&opened, NULL, NULL), KITH_INVALID, "path");
	FAILS(kith_index_import_faiss(&opened, path, NULL), KITH_NOTFOUND, path);
	FAILS(kith_index_import_faiss(&opened, folder, NULL), KITH_IO, "directory");
	OK(kith_index_export_faiss(index, path));
	FAILS(kith_index_import_faiss(&opened, path, &wrong), KITH_INVALID, "size");
	REQUIRE(!opened);
	OK(kith_index_import_faiss(&opened, path, &old));
	REQUIRE(old.nprobe == 0);
	kith_index_free(opened);
	FAILS(kith_index_open(&opened, path, KITH_MMAP), KITH_UNSUPPORTED, "");
	OK(kith_index_save(index, path));
	FAILS(kith_index_import_faiss(&opened, path, NULL), KITH_FORMAT, path);
	REQUIRE(scratch_count(folder) == 1);
	scratch_remove(folder);
	kith_index_free(untrained);
	kith_index_free(index);
}
END_TEST

/* Allocation i fails: NOMEM, nothing given out, no leak. Giving spare room back takes memory too, and goes
 * without it. */
static bool attempt(const kith_index *index, struct bytes *b, int64_t i, bool sticky, bool importing)
{
	kith_index *opened = NULL;
	struct bytes out = {0};
	int64_t live = alloc_live();
	alloc_fail_at(i, sticky);
	kith_status status = importing ? import_bytes(&opened, b, NULL)
	                               : faiss_export(index, (struct blob_sink){bytes_append, &out});
	bool reached = alloc_count() >= i;
	alloc_fail_at(0, false);
	if (status && (!reached || status != KITH_NOMEM || opened))
		ck_abort_msg("%s: allocation %lld fails%s: %s", kith_index_describe(index), (long long)i,
		    sticky ? " with all after it" : "", kith_status_name(status));
	kith_index_free(opened);
	free(out.data);
	REQUIRE(alloc_live() == live);
	return reached;
}

START_TEST(no_memory)
{
	kith_index *index = build_index(small_specs[_i], KITH_L2, 129, true);
	struct bytes b = export_bytes(index);
	for (int way = 0; way < 4; way++)
		for (int64_t i = 1; attempt(index, &b, i, way & 1, way & 2); i++)
			;
	free(b.data);
	kith_index_free(index);
	REQUIRE(alloc_live() == 0);
}
END_TEST

void add_bad(Suite *suite)
{
	TCase *t = tcase_create("bad");
	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, truncated, 0, SMALL);
	tcase_add_loop_test(t, flipped, 0, SMALL);
	tcase_add_loop_test(t, hostile, 0, SMALL);
	tcase_add_test(t, others);
	tcase_add_test(t, ids);
	tcase_add_test(t, shards);
	tcase_add_test(t, arguments);
	tcase_add_loop_test(t, no_memory, 0, SMALL);
	suite_add_tcase(suite, t);
}
