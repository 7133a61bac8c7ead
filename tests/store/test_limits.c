/* What a file says of sizes must not cost memory or time before the file has shown that it is so long: every
 * reader gets small files with huge numbers in every place. What is counted is all memory that a call asks
 * for, freed in between or not, and the processor's time. */
#include "lib/faiss/faiss.h"

#include "tests/store/sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/alloc.h"
#include "lib/base/blob_parts.h"

/* As 8 bytes they are big, as 4 bytes and 4 more, too. */
static const uint64_t huge[] = {UINT64_C(1) << 40, UINT64_C(0x7fffffff), UINT64_C(0x7fffffffffffffff),
    UINT64_MAX, UINT64_C(0x00ffffff00ffffff), 100000000};
enum { HUGE_NUMBERS = sizeof huge / sizeof *huge };

/* Bytes that a reader may ask for: its buffers, and of a file some times its size. */
static int64_t allowance(size_t size)
{
	return (1 << 20) + 24 * (int64_t)size;
}

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* One call of a reader: whatever comes out is freed. */
typedef void read_fn(struct bytes *b);

static void check_read(read_fn *read, struct bytes *b, const char *what, size_t at)
{
	double begin = seconds();
	alloc_fail_at(0, false);
	read(b);
	int64_t asked = alloc_bytes();
	if (asked > allowance(b->n))
		ck_abort_msg(
		    "%s, %zu bytes, changed at %zu: asked for %lld bytes", what, b->n, at, (long long)asked);
	if (seconds() - begin > 20)
		ck_abort_msg("%s, %zu bytes, changed at %zu: took %g s", what, b->n, at, seconds() - begin);
}

/* Huge numbers at every step-th byte. */
static void check_everywhere(read_fn *read, struct bytes *b, const char *what, size_t step)
{
	char old[sizeof *huge];
	check_read(read, b, what, b->n);
	for (size_t at = 0; at + sizeof old <= b->n; at += step)
		for (size_t i = 0; i < HUGE_NUMBERS; i++) {
			memcpy(old, b->data + at, sizeof old);
			memcpy(b->data + at, &huge[i], sizeof old);
			check_read(read, b, what, at);
			memcpy(b->data + at, old, sizeof old);
		}
}

/* ---- native ---- */

static void read_native(struct bytes *b)
{
	kith_index *index;
	open_bytes(&index, b, false);
	kith_index_free(index);
}

START_TEST(native)
{
	kith_index *index = build(specs[_i], KITH_L2, 40, true);
	if (!index)
		return;
	struct bytes b = bytes_of(index, NULL);
	check_everywhere(read_native, &b, specs[_i], sanitized ? 68 : 4);
	free(b.data);
	kith_index_free(index);
}
END_TEST

/* A small file that says that it is of something big. */
START_TEST(big_specs)
{
	static const char *const big[] = {"IVF100000000,Flat", "IVF2147483647,PQ4", "Shards1000000(Flat)",
	    "Shards16000(IVF7,Flat)", "PQ8x12", "IVF7,PQ8x12", "HNSW512", "PCA8,Flat", "RR8,Flat",
	    "Pad100000000,Flat", "Pad1000000,IVF7,Flat", "OPQ8_8,PQ8x12", "IVF100000000,SQ8,RFlat"};
	static const uint32_t dims[] = {8, 1 << 16, INT32_MAX};
	enum { SPEC_AT = 64 };
	kith_index *index = build("Flat", KITH_L2, 5, false);
	struct bytes b = bytes_of(index, NULL);
	char *meta = b.data + sizeof(struct blob_header);
	for (size_t s = 0; s < sizeof big / sizeof *big; s++)
		for (size_t d = 0; d < sizeof dims / sizeof *dims; d++) {
			memcpy(meta, &dims[d], sizeof dims[d]);
			strcpy(meta + SPEC_AT, big[s]);
			kith_index *opened;
			REQUIRE(open_bytes(&opened, &b, false) != KITH_OK && !opened);
			check_read(read_native, &b, big[s], dims[d]);
		}
	free(b.data);
	kith_index_free(index);
}
END_TEST

/* Counts of a graph's head that its nodes do not bear out, and which later additions would go on with. */
START_TEST(graph_heads)
{
	enum { UNSETTLED_AT = 16 };
	kith_index *index = build("HNSW8", KITH_L2, 40, true), *opened;
	struct bytes b = bytes_of(index, NULL);
	struct blob_trailer trailer;
	struct blob_entry entry = {.tag = ""};
	memcpy(&trailer, b.data + b.n - sizeof trailer, sizeof trailer);
	for (uint64_t i = 0; i < trailer.sections && memcmp(entry.tag, "GRPH", 4) != 0; i++)
		memcpy(&entry, b.data + trailer.table + i * sizeof entry, sizeof entry);
	REQUIRE(memcmp(entry.tag, "GRPH", 4) == 0);
	for (int64_t unsettled = 40; unsettled <= 41; unsettled++) {
		memcpy(b.data + entry.offset + UNSETTLED_AT, &unsettled, sizeof unsettled);
		kith_status status = open_bytes(&opened, &b, false);
		REQUIRE(status == (unsettled > 40 ? KITH_FORMAT : KITH_OK));
		kith_index_free(opened);
	}
	free(b.data);
	kith_index_free(index);
}
END_TEST

/* A stream that is much shorter than the caller says. */
static int read_short(void *data, int64_t offset, void *bytes, size_t n)
{
	const struct bytes *b = data;
	if ((uint64_t)offset > b->n || n > b->n - (size_t)offset)
		return 1;
	memcpy(bytes, b->data + offset, n);
	return 0;
}

static void read_stream(struct bytes *b)
{
	kith_index *index;
	REQUIRE(kith_index_read(&index, read_short, b, INT64_MAX, 0) != KITH_OK && !index);
	REQUIRE(kith_index_from_bytes(&index, b->data, b->n, 0) != KITH_OK && !index);
}

START_TEST(streams)
{
	kith_index *index = build("IVF7,Flat", KITH_L2, 40, true);
	struct bytes b = bytes_of(index, NULL);
	for (size_t n = 0; n <= 100; n++) {
		struct bytes some = {b.data, n};
		check_read(read_stream, &some, "stream", n);
	}
	struct bytes some = {b.data, 100};
	check_everywhere(read_stream, &some, "stream", 1);
	free(b.data);
	kith_index_free(index);
}
END_TEST

/* ---- FAISS's ---- */

static void read_faiss(struct bytes *b)
{
	struct blob_source source = {.read = bytes_fetch, .owner = b, .size = b->n, .name = "'memory'"};
	kith_index *index = NULL;
	if (faiss_import(&index, &source, true, NULL) == KITH_OK)
		kith_index_free(index);
}

START_TEST(faiss)
{
	kith_index *index = build(specs[_i], KITH_L2, 40, true);
	struct bytes b = {0};
	if (!index)
		return;
	if (faiss_export(index, (struct blob_sink){bytes_append, &b}) == KITH_OK) {
		check_everywhere(read_faiss, &b, specs[_i], sanitized ? 67 : 1);
		for (size_t n = 0; n <= 100 && n < b.n; n += 4) {
			struct bytes some = {b.data, n};
			check_everywhere(read_faiss, &some, specs[_i], sanitized ? 7 : 1);
		}
	}
	free(b.data);
	kith_index_free(index);
}
END_TEST

/* ---- vectors ---- */

static char folder[SCRATCH_FOLDER], path[SCRATCH_PATH];

static void read_vectors(struct bytes *b)
{
	kith_vecs *vecs;
	kith_vecs_info info = {.size = sizeof info};
	write_file(path, b->data, b->n);
	if (kith_vecs_open(&vecs, path) != KITH_OK)
		return;
	OK(kith_vecs_info_get(vecs, &info));
	/* As many as there are fit into the file. */
	REQUIRE(info.n >= 0 && info.dim > 0 && info.n * info.dim <= (int64_t)b->n);
	float *x = make(info.n * info.dim, sizeof *x);
	if (kith_vecs_read(vecs, 0, info.n, KITH_F32, x) == KITH_OK)
		REQUIRE(kith_vecs_read(vecs, 0, info.n + 1, KITH_F32, x) != KITH_OK);
	free(x);
	kith_vecs_close(vecs);
}

START_TEST(vectors)
{
	static const char *const ends[] = {
	    "fvecs", "bvecs", "ivecs", "fbin", "u8bin", "i8bin", "ibin", "npy"};
	static const kith_type types[] = {
	    KITH_F32, KITH_U8, KITH_I32, KITH_F32, KITH_U8, KITH_I8, KITH_I32, KITH_F32};
	char name[16], x[64] = {1, 2, 3};
	scratch_make(folder);
	snprintf(name, sizeof name, "a.%s", ends[_i]);
	scratch_path(path, folder, name);
	OK(kith_vecs_write(path, types[_i], 4, 4, x));
	struct bytes b = read_file(path);
	check_everywhere(read_vectors, &b, ends[_i], 1);
	free(b.data);
	scratch_remove(folder);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("limits");
	TCase *t = tcase_create("limits");
	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, native, 0, SPECS);
	tcase_add_test(t, big_specs);
	tcase_add_test(t, graph_heads);
	tcase_add_test(t, streams);
	tcase_add_loop_test(t, faiss, 0, SPECS);
	tcase_add_loop_test(t, vectors, 0, 8);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
