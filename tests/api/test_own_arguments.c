/* Arguments that lie in what the library itself handed out: a tag of the same index, its description, the
 * codebooks of the quantizer that is to have others, the message of the last failure. What a call replaces or
 * overwrites on its way must not be what it still reads. Most of this is for AddressSanitizer to find. */
#include <kith/kith.h>

#include "tests/support/scratch.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIM = 8, N = 400, K = 3 };

/* ---- tags ---- */

static char *long_text(size_t n)
{
	char *text = make((int64_t)n + 1, 1);
	memset(text, 'a', n);
	for (size_t i = 0; i < n; i += 7)
		text[i] = (char)('b' + i % 20);
	return text;
}

/* Lengths around those at which the text of all tags moves. */
START_TEST(tags)
{
	kith_index *index;
	for (size_t n = 1; n < 20000; n = n * 3 / 2 + 1) {
		char *text = long_text(n), key[8];
		OK(kith_index_new(&index, DIM, KITH_L2, "Flat"));
		OK(kith_index_tag_set(index, "m", text));
		/* Before it, behind it, in its own place. */
		OK(kith_index_tag_set(index, "a", kith_index_tag(index, "m")));
		OK(kith_index_tag_set(index, "z", kith_index_tag(index, "m")));
		OK(kith_index_tag_set(index, "m", kith_index_tag(index, "m")));
		for (int i = 0; i < 3; i++)
			ck_assert_str_eq(kith_index_tag(index, kith_index_tag_at(index, i)), text);
		/* A part of itself; more and more of the first. */
		OK(kith_index_tag_set(index, "z", kith_index_tag(index, "z") + n / 2));
		ck_assert_str_eq(kith_index_tag(index, "z"), text + n / 2);
		for (int i = 0; i < 20; i++) {
			snprintf(key, sizeof key, "c%d", i);
			OK(kith_index_tag_set(index, key, kith_index_tag(index, "m")));
			ck_assert_str_eq(kith_index_tag(index, key), text);
		}
		kith_index_free(index);
		free(text);
	}
}
END_TEST

/* Keys that the index handed out, to be set and forgotten; a value as a key. */
START_TEST(keys)
{
	kith_index *index;
	OK(kith_index_new(&index, DIM, KITH_L2, "Flat"));
	OK(kith_index_tag_set(index, "first", "second"));
	OK(kith_index_tag_set(index, kith_index_tag(index, "first"), kith_index_tag_at(index, 0)));
	ck_assert_str_eq(kith_index_tag(index, "second"), "first");
	OK(kith_index_tag_set(index, kith_index_tag_at(index, 0), "a value that is longer than before"));
	ck_assert_str_eq(kith_index_tag(index, "first"), "a value that is longer than before");
	while (kith_index_tag_at(index, 0))
		OK(kith_index_tag_set(index, kith_index_tag_at(index, 0), NULL));
	ck_assert(!kith_index_tag(index, "first") && !kith_index_tag(index, "second"));
	kith_index_free(index);
}
END_TEST

/* They are also what the journal records. */
START_TEST(recorded)
{
	char folder[SCRATCH_FOLDER], path[SCRATCH_PATH], *text = long_text(3000);
	kith_index *index, *again;
	scratch_make(folder);
	scratch_path(path, folder, "index");
	OK(kith_index_new(&index, DIM, KITH_L2, "Flat"));
	OK(kith_index_tag_set(index, "path", path));
	OK(kith_index_save(index, kith_index_tag(index, "path")));
	kith_index_free(index);
	OK(kith_index_open(&index, path, KITH_UPDATE));
	OK(kith_index_tag_set(index, "a", text));
	OK(kith_index_tag_set(index, "b", kith_index_tag(index, "a")));
	OK(kith_index_tag_set(index, "note", kith_index_note(index)));
	OK(kith_index_tag_set(index, "spec", kith_index_describe(index)));
	OK(kith_index_append(index, kith_index_tag(index, "path")));
	OK(kith_index_open(&again, kith_index_tag(index, "path"), 0));
	ck_assert_str_eq(kith_index_tag(again, "b"), text);
	ck_assert_str_eq(kith_index_tag(again, "note"), "");
	ck_assert_str_eq(kith_index_tag(again, "spec"), "Flat");
	kith_index_free(again);
	kith_index_free(index);
	scratch_remove(folder);
	free(text);
}
END_TEST

/* ---- descriptions ---- */

START_TEST(descriptions)
{
	kith_index *index, *other, *shards[2];
	kith_search_options options = KITH_SEARCH_OPTIONS;
	OK(kith_index_new(&index, DIM, KITH_L2, "SQ8"));
	OK(kith_index_new(&other, DIM, KITH_L2, kith_index_describe(index)));
	ck_assert_str_eq(kith_index_describe(other), "SQ8");
	/* The child that is taken describes the codec; out is where it was. */
	OK(kith_index_wrap_refine(&other, other, kith_index_describe(other)));
	ck_assert_str_eq(kith_index_describe(other), "SQ8,Refine(SQ8)");
	OK(kith_index_tag_set(index, "map", "RR"));
	OK(kith_index_wrap_transform(&index, index, DIM, KITH_L2, kith_index_tag(index, "map")));
	ck_assert_str_eq(kith_index_describe(index), "RR8,SQ8");
	/* Out may not be one of the places that are read; nothing is lost. */
	shards[0] = index;
	shards[1] = other;
	FAILS(kith_index_wrap_shards(&shards[0], 2, shards), KITH_INVALID, "out");
	FAILS(kith_index_wrap_shards(&shards[1], 2, shards), KITH_INVALID, "out");
	ck_assert(shards[0] == index && shards[1] == other && options.size);
	ck_assert_int_eq(kith_index_uses(index, kith_index_describe(index)), 0);
	kith_index_free(index);
	kith_index_free(other);
}
END_TEST

START_TEST(stats)
{
	char text[20000];
	size_t length;
	kith_index *index;
	OK(kith_index_new(&index, DIM, KITH_L2, "Flat"));
	OK(kith_index_stats_text(index, kith_index_describe(index), text, sizeof text, &length));
	ck_assert(strstr(text, "{index=\"Flat\"}"));
	OK(kith_index_tag_set(index, "metrics", text));
	OK(kith_index_stats_text(index, kith_index_tag(index, "metrics"), NULL, 0, &length));
	ck_assert(length > strlen(text));
	kith_index_free(index);
}
END_TEST

/* ---- the last message ---- */

/* A message passed on as an argument of a call that fails, many times on its way even, is in the new one. */
START_TEST(messages)
{
	kith_index *index;
	kith_vecs *vecs;
	kith_vecs_writer *writer;
	FAILS(kith_index_open(&index, "/nowhere/at-all", 0), KITH_NOTFOUND, "/nowhere/at-all");
	for (int i = 0; i < 4; i++)
		FAILS(kith_index_open(&index, kith_last_error(), 0), KITH_NOTFOUND, "/nowhere/at-all");
	FAILS(kith_index_import_faiss(&index, kith_last_error(), NULL), KITH_NOTFOUND, "/nowhere/at-all");
	FAILS(kith_set_isa(kith_last_error()), KITH_INVALID, "/nowhere/at-all");
	FAILS(kith_vecs_open(&vecs, "/nowhere/x.fvecs"), KITH_NOTFOUND, "/nowhere/x.fvecs");
	FAILS(kith_vecs_open(&vecs, kith_last_error()), KITH_UNSUPPORTED, "/nowhere/x.fvecs");
	FAILS(
	    kith_vecs_create(&writer, kith_last_error(), KITH_F32, 2), KITH_UNSUPPORTED, "/nowhere/x.fvecs");
	FAILS(kith_index_new(&index, DIM, KITH_L2, "Flat,Nonsense7"), KITH_INVALID, "Nonsense7");
	FAILS(kith_index_new(&index, DIM, KITH_L2, kith_last_error()), KITH_INVALID, "");
	OK(kith_index_new(&index, DIM, KITH_L2, "Flat"));
	FAILS(kith_index_save(index, "/nowhere/at-all"), KITH_IO, "/nowhere/at-all");
	FAILS(kith_index_save(index, kith_last_error()), KITH_IO, "/nowhere/at-all");
	FAILS(kith_index_export_faiss(index, kith_last_error()), KITH_IO, "");
	OK(kith_index_tag_set(index, kith_last_error(), kith_last_error()));
	ck_assert_str_eq(kith_index_tag_at(index, 0), kith_last_error());
	ck_assert(!kith_index_tag(index, "a") && kith_index_tag(index, kith_last_error()));
	kith_index_free(index);
}
END_TEST

/* It stays as it was until the next call that fails has returned. */
START_TEST(message_lasts)
{
	kith_index *index;
	char before[600];
	FAILS(kith_index_open(&index, "/nowhere/first", 0), KITH_NOTFOUND, "first");
	const char *kept = kith_last_error();
	snprintf(before, sizeof before, "%s", kept);
	for (int i = 0; i < 3; i++) {
		ck_assert(kith_index_open(&index, kept, 0) == KITH_NOTFOUND);
		ck_assert_str_eq(kept, before);
	}
	ck_assert(strstr(kith_last_error(), before));
}
END_TEST

/* ---- vectors, ids and codebooks ---- */

START_TEST(codebooks)
{
	float *x = make_gauss(7, N, DIM);
	kith_pq *pq;
	uint8_t before[4], after[4];
	OK(kith_pq_new(&pq, DIM, 4, 4));
	OK(kith_pq_train(pq, N, x, NULL));
	OK(kith_pq_encode(pq, 1, x, before, 1));
	OK(kith_pq_set_centroids(pq, kith_pq_centroids(pq)));
	OK(kith_pq_encode(pq, 1, x, after, 1));
	ck_assert(memcmp(before, after, kith_pq_code_size(pq)) == 0);
	/* 16 centroids of 4 × 2 numbers are as many as 16 vectors of 8. */
	OK(kith_pq_train(pq, 16, kith_pq_centroids(pq), NULL));
	OK(kith_pq_encode(pq, 1, kith_pq_centroids(pq), after, 1));
	kith_pq_free(pq);
	free(x);
}
END_TEST

/* What a range search found, back into the index it was found in. */
START_TEST(found)
{
	float *x = make_gauss(8, N, DIM);
	kith_index *index = make_index(DIM, KITH_L2, "HNSW4", N, x);
	kith_ranges *ranges;
	kith_filter *filter;
	const int64_t *ids;
	int64_t n, removed;
	OK(kith_index_range(index, 1, x, 6, &ranges, NULL));
	OK(kith_ranges_get(ranges, 0, &n, NULL, &ids));
	ck_assert(n > 1);
	OK(kith_index_update(index, n, x, ids));
	OK(kith_filter_ids(&filter, n, ids));
	OK(kith_filter_not(&filter, filter));
	OK(kith_index_remove(index, filter, &removed));
	ck_assert_int_eq(kith_index_size(index), n);
	kith_filter_free(filter);
	OK(kith_filter_ids(&filter, n, ids));
	OK(kith_index_remove(index, filter, &removed));
	OK(kith_index_add(index, n, x, ids, NULL));
	ck_assert_int_eq(kith_index_size(index), n);
	kith_filter_free(filter);
	kith_ranges_free(ranges);
	kith_index_free(index);
	free(x);
}
END_TEST

/* A file written from the vectors that are mapped from it. */
START_TEST(mapped_rows)
{
	char folder[SCRATCH_FOLDER], path[SCRATCH_PATH];
	float *x = make_gauss(9, N, DIM), *back = make(N * DIM, sizeof *back);
	kith_vecs *vecs;
	const void *rows;
	size_t stride;
	scratch_make(folder);
	scratch_path(path, folder, "x.fbin");
	OK(kith_vecs_write(path, KITH_F32, N, DIM, x));
	OK(kith_vecs_open(&vecs, path));
	OK(kith_vecs_map(vecs, 0, N, &rows, &stride));
	ck_assert(stride == DIM * sizeof *x);
	OK(kith_vecs_write(path, KITH_F32, N / 2, DIM, rows));
	kith_vecs_close(vecs);
	OK(kith_vecs_open(&vecs, path));
	OK(kith_vecs_read(vecs, 0, N / 2, KITH_F32, back));
	ck_assert(memcmp(x, back, sizeof *x * DIM * N / 2) == 0);
	kith_vecs_close(vecs);
	scratch_remove(folder);
	free(back);
	free(x);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("own_arguments");
	TCase *tcase = tcase_create("own_arguments");
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, tags);
	tcase_add_test(tcase, keys);
	tcase_add_test(tcase, recorded);
	tcase_add_test(tcase, descriptions);
	tcase_add_test(tcase, stats);
	tcase_add_test(tcase, messages);
	tcase_add_test(tcase, message_lasts);
	tcase_add_test(tcase, codebooks);
	tcase_add_test(tcase, found);
	tcase_add_test(tcase, mapped_rows);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
