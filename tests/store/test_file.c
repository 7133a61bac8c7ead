/* Index files: what is saved comes back, whatever the index; what is cut off, damaged or made up is refused,
 * or gives an index that is safe to use; a failure leaves no file behind. */
#include "tests/support/support.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/api/file.h"
#include "lib/base/alloc.h"

enum { DIM = 8, N = 300, NQ = 5, K = 10 };

static char folder[64], path[96], other[96];

static void setup(void)
{
	strcpy(folder, "kith-test-file-XXXXXX");
	REQUIRE(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/a.kith", folder);
	snprintf(other, sizeof other, "%s/b.kith", folder);
}

static void teardown(void)
{
	unlink(path);
	unlink(other);
	/* Nothing else may be there. */
	REQUIRE(rmdir(folder) == 0);
}

/* ---- bytes in memory, as a blob's sink and source ---- */

struct bytes {
	char *data;
	size_t n;
};

static kith_status append(void *owner, const void *from, size_t n)
{
	struct bytes *b = owner;
	char *grown = realloc(b->data, b->n + n);
	REQUIRE(grown);
	memcpy(grown + b->n, from, n);
	b->data = grown;
	b->n += n;
	return KITH_OK;
}

static kith_status fetch(void *owner, uint64_t offset, void *out, size_t n)
{
	const struct bytes *b = owner;
	REQUIRE(offset <= b->n && n <= b->n - offset);
	if (n)
		memcpy(out, b->data + offset, n);
	return KITH_OK;
}

static struct bytes bytes_of(const kith_index *index, const char *extra_tag)
{
	struct bytes b = {0};
	struct blob_writer w;
	OK(blob_writer_begin(&w, (struct blob_sink){append, &b}));
	index_write(index, &w);
	if (extra_tag)
		blob_write(&w, extra_tag, "something", 9);
	OK(blob_finish(&w));
	blob_writer_free(&w);
	return b;
}

static kith_status open_bytes(kith_index **out, struct bytes *b, bool verify)
{
	struct blob_reader r;
	*out = NULL;
	kith_status status = blob_reader_begin(&r, (struct blob_source){fetch, b, b->n, "'memory'"}, verify);
	if (status == KITH_OK)
		status = index_read(out, &r);
	blob_reader_free(&r);
	return status;
}

static struct bytes read_file(const char *name)
{
	struct bytes b = {0};
	char part[4096];
	FILE *file = fopen(name, "rb");
	REQUIRE(file);
	for (size_t n; (n = fread(part, 1, sizeof part, file)) > 0;)
		append(&b, part, n);
	fclose(file);
	return b;
}

static void write_file(const char *name, const char *data, size_t n)
{
	FILE *file = fopen(name, "wb");
	REQUIRE(file && fwrite(data, 1, n, file) == n && fclose(file) == 0);
}

/* ---- indexes ---- */

static const char *const specs[] = {"Flat", "SQ8_direct", "SQ8_direct_signed", "SQfp16", "SQbf16", "SQ8",
    "SQ6", "SQ4", "SQ8_uniform", "PQ4", "PQ2x4", "PQ4x6", "IVF7,Flat", "IVF7,SQ8_direct", "IVF7,SQfp16",
    "IVF7,SQ8", "IVF7,PQ4", "IVF7,PQ4x4", "PCA4,Flat", "OPQ4_8,IVF7,PQ4x4", "RR8,Flat", "L2norm,Flat",
    "Pad10,Flat", "IVF7,SQ4,RFlat", "PCA4,IVF3,SQ8,RFlat", "PQ2x4,Refine(SQ8)", "Shards3(IVF3,Flat)", "HNSW4",
    "HNSW3,SQ8", "HNSW3,PQ4", "HNSW2,SQ8_direct", "PCA4,HNSW4,SQ8,RFlat"};
enum { SPECS = sizeof specs / sizeof *specs };

static const kith_metric metrics[] = {KITH_L2, KITH_IP, KITH_COSINE};

/* Small whole numbers, which every codec can keep. */
static float *make_data(uint64_t seed, int64_t n)
{
	struct rng rng = {seed};
	float *x = make(n * DIM, sizeof *x);
	for (int64_t i = 0; i < n * DIM; i++)
		x[i] = (float)rng_below(&rng, 100);
	return x;
}

/* NULL: this build does not know the spec. */
static kith_index *make_empty(const char *spec, kith_metric metric)
{
	kith_index *index;
	kith_status status = kith_index_new(&index, DIM, metric, spec);
	if (status == KITH_UNSUPPORTED ||
	    (status == KITH_INVALID && strstr(kith_last_error(), "unknown word")))
		return NULL;
	support_ok(status, spec, __FILE__, __LINE__);
	return index;
}

/* n vectors, with ids of their own if `listed`, some of them removed again. NULL: this spec is not built yet.
 */
static kith_index *build(const char *spec, kith_metric metric, int64_t n, bool listed)
{
	kith_index *index = make_empty(spec, metric);
	kith_filter *some;
	if (!index)
		return NULL;
	float *x = make_data(1, N);
	int64_t ids[N];
	for (int64_t i = 0; i < n; i++)
		ids[i] = 3 * ((i * 7) % N) + 1;
	OK(kith_index_train(index, N, x, NULL));
	OK(kith_index_add(index, n, x, listed && n % 7 ? ids : NULL, NULL));
	if (listed) {
		OK(kith_filter_range(&some, 5, 20));
		OK(kith_index_remove(index, some, NULL));
		kith_filter_free(some);
	}
	free(x);
	return index;
}

static void search(const kith_index *index, float *dist, int64_t *ids)
{
	kith_search_options options = KITH_SEARCH_OPTIONS;
	float *q = make_data(2, NQ);
	options.nprobe = 4;
	OK(kith_index_search(index, NQ, q, K, dist, ids, &options));
	free(q);
}

/* Two indexes are one to whoever asks. */
static void same(const kith_index *a, const kith_index *b)
{
	float dist[2][NQ * K], x[2][DIM];
	int64_t ids[2][NQ * K], all[2][N + 10];
	REQUIRE(!strcmp(kith_index_describe(a), kith_index_describe(b)));
	REQUIRE(kith_index_dim(a) == kith_index_dim(b) && kith_index_metric(a) == kith_index_metric(b));
	REQUIRE(kith_index_type(a) == kith_index_type(b) && kith_index_size(a) == kith_index_size(b));
	REQUIRE(kith_index_trained(a) == kith_index_trained(b));
	if (!kith_index_trained(a))
		return;
	size_t n = (size_t)kith_index_size(a);
	OK(kith_index_ids(a, all[0]));
	OK(kith_index_ids(b, all[1]));
	REQUIRE(!memcmp(all[0], all[1], n * sizeof all[0][0]));
	for (size_t i = 0; i < n; i += 17) {
		OK(kith_index_get(a, 1, &all[0][i], x[0]));
		OK(kith_index_get(b, 1, &all[0][i], x[1]));
		REQUIRE(!memcmp(x[0], x[1], sizeof x[0]));
	}
	search(a, dist[0], ids[0]);
	search(b, dist[1], ids[1]);
	REQUIRE(!memcmp(dist[0], dist[1], sizeof dist[0]) && !memcmp(ids[0], ids[1], sizeof ids[0]));
}

/* ---- round trips ---- */

/* A second index out of the first one's bytes. */
static kith_index *reopen(const kith_index *index)
{
	kith_index *opened;
	struct bytes a = bytes_of(index, NULL), b;
	OK(open_bytes(&opened, &a, true));
	same(index, opened);
	b = bytes_of(opened, NULL);
	REQUIRE(a.n == b.n && !memcmp(a.data, b.data, a.n));
	free(a.data);
	free(b.data);
	return opened;
}

/* In memory: syncing thousands of files would take long. */
static void check_round_trip(kith_index *index)
{
	kith_index *opened = reopen(index);
	/* It goes on as the first does. */
	if (kith_index_trained(index)) {
		float *x = make_data(3, 5);
		OK(kith_index_add(index, 5, x, NULL, NULL));
		OK(kith_index_add(opened, 5, x, NULL, NULL));
		free(x);
		same(index, opened);
		kith_index_free(reopen(opened));
	}
	kith_index_free(opened);
}

/* The same bytes on disk. */
START_TEST(on_disk)
{
	kith_index *index = build(_i ? "IVF7,Flat" : "Flat", KITH_L2, N, true), *opened;
	struct bytes want = bytes_of(index, NULL), got;
	for (int i = 0; i < 2; i++) {
		OK(kith_index_save(index, path));
		got = read_file(path);
		REQUIRE(got.data && got.n == want.n && !memcmp(got.data, want.data, got.n));
		free(got.data);
		OK(kith_index_open(&opened, path, i ? KITH_VERIFY : 0));
		same(index, opened);
		kith_index_free(opened);
	}
	free(want.data);
	kith_index_free(index);
}
END_TEST

START_TEST(round_trip)
{
	static const int64_t sizes[] = {0, 1, 63, 64, 65, 129, N};
	for (size_t m = 0; m < 3; m++)
		for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
			for (int listed = 0; listed < 2; listed++) {
				kith_index *index = build(specs[_i], metrics[m], sizes[s], listed);
				if (!index)
					return;
				check_round_trip(index);
				kith_index_free(index);
			}
}
END_TEST

START_TEST(untrained)
{
	kith_index *index = make_empty(specs[_i], KITH_L2);
	if (!index)
		return;
	check_round_trip(index);
	kith_index_free(index);
}
END_TEST

/* All removed: the next id is remembered. */
START_TEST(emptied)
{
	kith_index *index = build(_i ? "IVF7,Flat" : "Flat", KITH_L2, 50, false), *opened;
	kith_filter *all;
	OK(kith_filter_range(&all, 0, INT64_MAX));
	OK(kith_index_remove(index, all, NULL));
	OK(kith_index_save(index, path));
	OK(kith_index_open(&opened, path, 0));
	float *x = make_data(4, 1);
	OK(kith_index_add(opened, 1, x, NULL, NULL));
	REQUIRE(kith_index_has(opened, 50) && !kith_index_has(opened, 0));
	check_round_trip(index);
	free(x);
	kith_filter_free(all);
	kith_index_free(opened);
	kith_index_free(index);
}
END_TEST

/* ---- bad files ---- */

/* Whatever was opened can be used. */
static void use(kith_index *index)
{
	float dist[NQ * K], *x = make(kith_index_dim(index) * NQ, sizeof *x);
	int64_t ids[NQ * K], id, n = kith_index_size(index);
	if (kith_index_trained(index)) {
		OK(kith_index_search(index, NQ, x, K, dist, ids, NULL));
		OK(kith_index_search(index, 1, x, K, dist, ids, NULL));
		int64_t *all = make(n, sizeof *all);
		OK(kith_index_ids(index, all));
		for (int64_t i = 0; i < n; i++) {
			id = all[i];
			REQUIRE(kith_index_has(index, id));
			OK(kith_index_get(index, 1, &id, x));
		}
		free(all);
	}
	free(x);
}

static const char *const small_specs[] = {"Flat", "SQ8_direct", "IVF3,Flat", "SQ8", "IVF3,PQ2x4",
    "IVF3,SQfp16", "PCA4,IVF3,SQ8,RFlat", "HNSW2,SQ8"};
enum { SMALL = sizeof small_specs / sizeof *small_specs };

START_TEST(truncated)
{
	kith_index *index = build(small_specs[_i], KITH_L2, 40, true), *opened;
	if (!index)
		return;
	struct bytes b = bytes_of(index, NULL);
	for (struct bytes cut = b; cut.n-- > 0;) {
		FAILS(open_bytes(&opened, &cut, true), KITH_FORMAT, "'memory'");
		REQUIRE(!opened);
	}
	/* From a file, too; and one that is longer. */
	write_file(path, b.data, b.n / 2);
	FAILS(kith_index_open(&opened, path, 0), KITH_FORMAT, path);
	write_file(path, b.data, 0);
	FAILS(kith_index_open(&opened, path, 0), KITH_FORMAT, "empty");
	append(&b, "x", 1);
	FAILS(open_bytes(&opened, &b, true), KITH_FORMAT, "longer");
	free(b.data);
	kith_index_free(index);
}
END_TEST

/* With checksums every bit counts. Without, as if somebody had made the file up with good ones, the index may
 * open, but then works. */
START_TEST(flipped)
{
	kith_index *index = build(small_specs[_i], KITH_L2, 20, true), *opened;
	if (!index)
		return;
	struct bytes b = bytes_of(index, NULL);
	for (size_t bit = 0; bit < 8 * b.n; bit++) {
		b.data[bit / 8] ^= (char)(1 << bit % 8);
		kith_status status = open_bytes(&opened, &b, true);
		if (status != KITH_FORMAT && status != KITH_UNSUPPORTED)
			ck_abort_msg("%s: bit %zu: %s", small_specs[_i], bit, kith_status_name(status));
		REQUIRE(!opened);
		if (bit % (sanitized ? 17 : 3) == 0) {
			if (open_bytes(&opened, &b, false) == KITH_OK)
				use(opened);
			kith_index_free(opened);
		}
		b.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	OK(open_bytes(&opened, &b, true));
	same(index, opened);
	kith_index_free(opened);
	free(b.data);
	kith_index_free(index);
}
END_TEST

START_TEST(sections)
{
	kith_index *index = build("Flat", KITH_L2, 20, false), *opened;
	/* Lower case: not needed to understand the rest. */
	struct bytes b = bytes_of(index, "note");
	OK(open_bytes(&opened, &b, true));
	same(index, opened);
	kith_index_free(opened);
	free(b.data);
	b = bytes_of(index, "NOTE");
	FAILS(open_bytes(&opened, &b, true), KITH_FORMAT, "NOTE");
	free(b.data);
	b = bytes_of(index, "COD0");
	FAILS(open_bytes(&opened, &b, true), KITH_FORMAT, "one name");
	free(b.data);
	b = bytes_of(index, "A\nB");
	FAILS(open_bytes(&opened, &b, true), KITH_FORMAT, "name");
	free(b.data);
	kith_index_free(index);
}
END_TEST

START_TEST(versions)
{
	enum { MAGIC = 0, ENDIAN = 8, MAJOR = 12, MINOR = 14 };
	kith_index *index = build("Flat", KITH_L2, 20, false), *opened;
	struct bytes b = bytes_of(index, NULL);
	b.data[MAJOR]++;
	FAILS(open_bytes(&opened, &b, true), KITH_UNSUPPORTED, "newer version");
	b.data[MAJOR] = 0;
	FAILS(open_bytes(&opened, &b, true), KITH_FORMAT, "header");
	b.data[MAJOR] = BLOB_MAJOR;
	memcpy(b.data + ENDIAN, "\1\2\3\4", 4);
	FAILS(open_bytes(&opened, &b, true), KITH_UNSUPPORTED, "big-endian");
	b.data[MAGIC] = 'x';
	FAILS(open_bytes(&opened, &b, true), KITH_FORMAT, "not a kith index");
	free(b.data);
	kith_index_free(index);
}
END_TEST

START_TEST(arguments)
{
	kith_index *index = build("Flat", KITH_L2, 20, false), *opened;
	FAILS(kith_index_save(NULL, path), KITH_INVALID, "index");
	FAILS(kith_index_save(index, NULL), KITH_INVALID, "path");
	FAILS(kith_index_open(NULL, path, 0), KITH_INVALID, "out");
	FAILS(kith_index_open(&opened, NULL, 0), KITH_INVALID, "path");
	FAILS(kith_index_open(&opened, path, 0), KITH_NOTFOUND, path);
	FAILS(kith_index_open(&opened, folder, 0), KITH_IO, "directory");
	OK(kith_index_save(index, path));
	FAILS(kith_index_open(&opened, path, 64), KITH_INVALID, "flags");
	FAILS(kith_index_open(&opened, path, KITH_MMAP), KITH_UNSUPPORTED, "KITH_MMAP");
	REQUIRE(!opened);
	kith_index_free(index);
}
END_TEST

/* ---- what the system refuses ---- */

START_TEST(no_room)
{
	kith_index *index = build("IVF7,Flat", KITH_L2, N, false), *opened;
	struct rlimit before, limit;
	FAILS(kith_index_save(index, "/dev/full"), KITH_IO, "space");
	FAILS(kith_index_save(index, folder), KITH_IO, "directory");
	FAILS(kith_index_save(index, "no/such/folder/a.kith"), KITH_IO, "directory");
	/* The file that was there stays, and no other one is left. */
	kith_index *old = build("Flat", KITH_L2, 20, false);
	OK(kith_index_save(old, path));
	signal(SIGXFSZ, SIG_IGN);
	REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
	for (rlim_t most = 0; most < 8192; most += 1000) {
		limit = (struct rlimit){most, before.rlim_max};
		REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
		kith_status status = kith_index_save(index, path);
		REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
		REQUIRE(status == KITH_IO);
		OK(kith_index_open(&opened, path, 0));
		same(old, opened);
		kith_index_free(opened);
	}
	if (geteuid() != 0) {
		REQUIRE(chmod(folder, 0500) == 0);
		FAILS(kith_index_save(index, other), KITH_IO, "ermission");
		REQUIRE(chmod(folder, 0700) == 0);
	}
	kith_index_free(old);
	kith_index_free(index);
}
END_TEST

/* Allocation i fails: NOMEM, nothing given out, nothing left, no leak. */
static bool attempt(const kith_index *index, int64_t i, bool sticky, bool opening)
{
	kith_index *opened = NULL;
	int64_t live = alloc_live();
	unlink(other);
	alloc_fail_at(i, sticky);
	kith_status status = opening ? kith_index_open(&opened, path, 0) : kith_index_save(index, other);
	bool reached = alloc_count() >= i;
	alloc_fail_at(0, false);
	if (reached && (status != KITH_NOMEM || opened || (!opening && access(other, F_OK) == 0)))
		ck_abort_msg("%s: allocation %lld fails%s: %s", kith_index_describe(index), (long long)i,
		    sticky ? " with all after it" : "", kith_status_name(status));
	if (!reached)
		support_ok(status, opening ? "open" : "save", __FILE__, __LINE__);
	kith_index_free(opened);
	REQUIRE(alloc_live() == live);
	return reached;
}

START_TEST(no_memory)
{
	kith_index *index = build(specs[_i], KITH_L2, 129, true);
	if (!index)
		return;
	OK(kith_index_save(index, path));
	for (int way = 0; way < 4; way++)
		for (int64_t i = 1; attempt(index, i, way & 1, way & 2); i++)
			;
	kith_index_free(index);
	REQUIRE(alloc_live() == 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("file");
	TCase *t = tcase_create("file");
	tcase_set_timeout(t, 300);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, round_trip, 0, SPECS);
	tcase_add_loop_test(t, untrained, 0, SPECS);
	tcase_add_loop_test(t, on_disk, 0, 2);
	tcase_add_loop_test(t, emptied, 0, 2);
	tcase_add_loop_test(t, truncated, 0, SMALL);
	tcase_add_loop_test(t, flipped, 0, SMALL);
	tcase_add_test(t, sections);
	tcase_add_test(t, versions);
	tcase_add_test(t, arguments);
	tcase_add_test(t, no_room);
	tcase_add_loop_test(t, no_memory, 0, SPECS);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
