/* Index files used where they are, whatever their bytes are: nothing crashes, what is damaged is found at
 * first use, and no change is built on it. KITH_TEST_EVERY_BIT=1 takes minutes. */
#include "tests/store/sample.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/blob_parts.h"

static char folder[SCRATCH_FOLDER], path[SCRATCH_PATH], other[SCRATCH_PATH];

static void setup(void)
{
	scratch_make(folder);
	scratch_path(path, folder, "a.kith");
	scratch_path(other, folder, "b.faiss");
}

static void teardown(void)
{
	scratch_remove(folder);
}

/* A copy of the bytes, used in place without a look: as a mapping would be. */
static kith_status open_unvalidated(kith_index **out, const struct bytes *b, char **base)
{
	struct blob_reader r;
	*out = NULL;
	*base = aligned_alloc(64, (b->n + 63) / 64 * 64);
	REQUIRE(*base);
	memcpy(*base, b->data, b->n);
	struct bytes copy = {*base, b->n};
	kith_status status = blob_reader_begin(
	    &r, (struct blob_source){bytes_fetch, &copy, b->n, "'memory'", *base, true, false}, false);
	if (status == KITH_OK)
		status = index_read(out, &r, NULL);
	blob_reader_free(&r);
	return status;
}

/* From bit to bit: KITH_TEST_EVERY_BIT=1 leaves none out. */
static size_t stride(void)
{
	return test_setting("KITH_TEST_EVERY_BIT", 0) ? 1 : sanitized ? 203 : 31;
}

/* Any bit, in a file that is mapped without validation and has good checksums: it opens or not, and then
 * works or says that it is damaged. */
START_TEST(flipped)
{
	const char *spec = specs[_i];
	kith_index *index = build(spec, KITH_L2, sanitized ? 10 : 20, true), *opened;
	char *base;
	if (!index)
		return;
	struct bytes b = bytes_of(index, NULL);
	for (size_t bit = 0; bit < 8 * b.n; bit += stride()) {
		b.data[bit / 8] ^= (char)(1 << bit % 8);
		if (open_unvalidated(&opened, &b, &base) == KITH_OK)
			use_unvalidated(opened);
		kith_index_free(opened);
		free(base);
		b.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	free(b.data);
	kith_index_free(index);
}
END_TEST

/* The same on disk: KITH_VERIFY finds any bit. */
START_TEST(verified)
{
	kith_index *index = build(specs[_i], KITH_L2, 10, true), *opened;
	if (!index)
		return;
	OK(kith_index_tag_set(index, "name", "value"));
	struct bytes b = bytes_of(index, NULL);
	write_file(path, b.data, b.n);
	int fd = open(path, O_RDWR);
	REQUIRE(fd >= 0);
	for (size_t bit = 0; bit < 8 * b.n; bit += stride()) {
		char bad = b.data[bit / 8] ^ (char)(1 << bit % 8);
		REQUIRE(pwrite(fd, &bad, 1, (off_t)(bit / 8)) == 1);
		kith_status status = kith_index_open(&opened, path, KITH_MMAP | KITH_VERIFY);
		if (status != KITH_FORMAT && status != KITH_UNSUPPORTED)
			ck_abort_msg("%s: bit %zu: %s", specs[_i], bit, kith_status_name(status));
		REQUIRE(!opened);
		REQUIRE(pwrite(fd, &b.data[bit / 8], 1, (off_t)(bit / 8)) == 1);
	}
	close(fd);
	free(b.data);
	kith_index_free(index);
}
END_TEST

/* Bytes at random, many at once. */
START_TEST(scrambled)
{
	const char *spec = specs[_i];
	kith_index *index = build(spec, KITH_IP, 100, true), *opened;
	struct rng rng = {(uint64_t)_i};
	char *base;
	if (!index)
		return;
	struct bytes b = bytes_of(index, NULL);
	for (int round = 0; round < (sanitized ? 20 : 100); round++) {
		struct bytes bad = {make((int64_t)b.n, 1), b.n};
		memcpy(bad.data, b.data, b.n);
		size_t from = (size_t)rng_below(&rng, (int64_t)b.n), n = (size_t)rng_below(&rng, 600);
		for (size_t i = from; i < from + n && i < b.n; i++)
			bad.data[i] = (char)(round % 3 ? rng_next(&rng) : round % 2 ? 0xff : 0x7f);
		if (open_unvalidated(&opened, &bad, &base) == KITH_OK)
			use_unvalidated(opened);
		kith_index_free(opened);
		free(base);
		free(bad.data);
	}
	free(b.data);
	kith_index_free(index);
}
END_TEST

START_TEST(truncated)
{
	kith_index *index = build(small_specs[_i], KITH_L2, 30, true), *opened;
	struct bytes b = bytes_of(index, NULL);
	write_file(path, b.data, b.n);
	for (size_t n = b.n; n-- > 0;) {
		REQUIRE(truncate(path, (off_t)n) == 0);
		REQUIRE(kith_index_open(&opened, path, KITH_MMAP) == KITH_FORMAT && !opened);
	}
	free(b.data);
	kith_index_free(index);
}
END_TEST

/* ---- graphs that cannot be ---- */

/* Where a section of the index itself lies. */
static struct blob_entry section(struct bytes *b, const char *tag)
{
	struct blob_reader r;
	struct blob_entry found = {0};
	OK(blob_reader_begin(
	    &r, (struct blob_source){bytes_fetch, b, b->n, "'memory'", NULL, false, false}, false));
	for (size_t i = 0; i < r.sections; i++)
		if (r.table[i].node == 0 && !memcmp(r.table[i].tag, tag, sizeof found.tag))
			found = r.table[i];
	REQUIRE(found.length > 0);
	blob_reader_free(&r);
	return found;
}

/* One section holds nonsense: nothing crashes, and no change is built on it. */
START_TEST(bad_graph)
{
	static const char *const parts[] = {"LEVL", "RANK", "LNK0", "LNK1", "SLTN", "INVR"};
	kith_index *index = build("HNSW4,SQ8_direct", KITH_COSINE, N, true), *opened, *copy;
	struct bytes b = bytes_of(index, NULL);
	struct blob_entry entry = section(&b, parts[_i]);
	float *x = make_data(5, 1), dist[K];
	int64_t ids[K];
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.efSearch = K;
	char *base;
	memset(b.data + entry.offset, 0x7f, (size_t)entry.length);
	kith_status status = open_unvalidated(&opened, &b, &base);
	if (_i == 0) { /* the level of the entry is looked at */
		REQUIRE(status == KITH_FORMAT && !opened);
		FAILS(status, KITH_FORMAT, parts[_i]);
	} else {
		OK(status);
		status = kith_index_search(opened, 1, x, K, dist, ids, &options);
		if (_i == 2) /* where a search goes over one list */
			FAILS(status, KITH_FORMAT, "LNK0");
		if (_i == 4)
			FAILS(status, KITH_FORMAT, "SLTN");
		REQUIRE(status == KITH_OK || status == KITH_FORMAT);
		FAILS(kith_index_clone(&copy, opened), KITH_FORMAT, parts[_i]);
		FAILS(kith_index_export_faiss(opened, other), KITH_FORMAT, parts[_i]);
		REQUIRE(access(other, F_OK) != 0);
		FAILS(kith_index_add(opened, 1, x, NULL, NULL), KITH_FORMAT, parts[_i]);
		use_unvalidated(opened);
	}
	kith_index_free(opened);
	free(base);
	/* Read, it is refused. */
	FAILS(open_bytes(&opened, &b, false), KITH_FORMAT, parts[_i]);
	free(b.data);
	free(x);
	kith_index_free(index);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("map_bad");
	TCase *t = tcase_create("map_bad");
	tcase_set_timeout(t, 300);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, flipped, 0, SPECS);
	tcase_add_loop_test(t, verified, 0, SPECS);
	tcase_add_loop_test(t, scrambled, 0, SPECS);
	tcase_add_loop_test(t, truncated, 0, SMALL);
	tcase_add_loop_test(t, bad_graph, 0, 6);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
