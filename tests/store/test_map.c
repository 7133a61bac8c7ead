/* Index files used where they are: answers, changes and bytes are those of an index that was read; nothing is
 * looked at before it is needed. Streams, memory and tags, too. */
#include "tests/store/sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/alloc.h"

static char folder[SCRATCH_FOLDER], path[SCRATCH_PATH], other[SCRATCH_PATH];

static void setup(void)
{
	scratch_make(folder);
	scratch_path(path, folder, "a.kith");
	scratch_path(other, folder, "b.kith");
}

static void teardown(void)
{
	scratch_remove(folder);
}

static void put(const kith_index *index, const char *name)
{
	struct bytes b = bytes_of(index, NULL);
	write_file(name, b.data, b.n);
	free(b.data);
}

/* The same changes. */
static void change(kith_index *index)
{
	float *x = make_data(3, 6);
	int64_t id, ids[2];
	kith_filter *some;
	OK(kith_index_add(index, 6, x, NULL, NULL));
	int64_t n = kith_index_size(index), *all = make(n, sizeof *all);
	OK(kith_index_ids(index, all));
	ids[0] = all[0];
	ids[1] = all[n / 2];
	OK(kith_index_update(index, 2, x + DIM, ids));
	id = all[n / 3];
	OK(kith_filter_ids(&some, 1, &id));
	OK(kith_index_remove(index, some, NULL));
	kith_filter_free(some);
	free(all);
	free(x);
}

static void check_mapped(kith_index *index)
{
	kith_index *opened, *copy;
	struct bytes before, after;
	put(index, path);
	before = read_file(path);
	OK(kith_index_open(&opened, path, KITH_MMAP));
	same(index, opened);
	same_bytes(index, opened);
	OK(kith_index_clone(&copy, opened));
	same(index, copy);
	kith_index_free(opened);
	same(index, copy);
	for (int i = 0; i < 2; i++) {
		kith_index *twin;
		OK(kith_index_clone(&twin, index));
		OK(kith_index_open(&opened, path, i ? KITH_MMAP | KITH_VERIFY : KITH_MMAP));
		if (kith_index_trained(index)) {
			change(opened);
			change(twin);
			same(twin, opened);
			same_bytes(twin, opened);
		}
		kith_index_free(opened);
		kith_index_free(twin);
	}
	/* None of it went to the file. */
	after = read_file(path);
	REQUIRE(before.n == after.n && !memcmp(before.data, after.data, after.n));
	free(before.data);
	free(after.data);
	kith_index_free(copy);
}

START_TEST(mapped)
{
	static const int64_t sizes[] = {0, 1, 129};
	for (size_t m = 0; m < 3; m++)
		for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
			for (int listed = 0; listed < 2; listed++) {
				kith_index *index = build(specs[_i], metrics[m], sizes[s], listed);
				if (!index)
					return;
				check_mapped(index);
				kith_index_free(index);
			}
	kith_index *index = make_empty(specs[_i], KITH_L2);
	if (!index)
		return;
	check_mapped(index);
	kith_index_free(index);
}
END_TEST

START_TEST(readonly)
{
	kith_index *index = build("IVF7,Flat", KITH_L2, 100, true), *opened, *wrapped;
	kith_filter *some;
	float *x = make_data(1, N);
	int64_t id;
	put(index, path);
	OK(kith_filter_range(&some, 0, 100));
	for (int i = 0; i < 2; i++) {
		OK(kith_index_open(&opened, path, i ? KITH_MMAP | KITH_READONLY : KITH_READONLY));
		same(index, opened);
		FAILS(kith_index_add(opened, 1, x, NULL, NULL), KITH_INVALID, "READONLY");
		FAILS(kith_index_remove(opened, some, NULL), KITH_INVALID, "READONLY");
		FAILS(kith_index_train(opened, N, x, NULL), KITH_INVALID, "READONLY");
		FAILS(kith_index_reserve(opened, 1000), KITH_INVALID, "READONLY");
		FAILS(kith_index_tag_set(opened, "a", "b"), KITH_INVALID, "READONLY");
		FAILS(kith_index_append(opened, path), KITH_INVALID, "not opened for updates");
		int64_t *all = make(kith_index_size(opened), sizeof id);
		OK(kith_index_ids(opened, all));
		id = all[0];
		free(all);
		FAILS(kith_index_update(opened, 1, x, &id), KITH_INVALID, "READONLY");
		same(index, opened);
		same_bytes(index, opened);
		/* It stays so within another. */
		OK(kith_index_wrap_shards(&wrapped, 1, &opened));
		FAILS(kith_index_add(wrapped, 1, x, NULL, NULL), KITH_INVALID, "READONLY");
		REQUIRE(kith_index_size(wrapped) == kith_index_size(index));
		kith_index_free(wrapped);
	}
	kith_filter_free(some);
	free(x);
	kith_index_free(index);
}
END_TEST

/* Mapped, empty, with a list of no ids: it can be wrapped and filled like any other. */
START_TEST(wrapped)
{
	kith_index *index = build("Flat", KITH_L2, 5, false), *opened, *refined;
	kith_filter *all;
	float *x = make_data(1, N), dist[1];
	int64_t ids[3] = {70, 50, 60}, found[1];
	OK(kith_filter_range(&all, 0, INT64_MAX));
	OK(kith_index_remove(index, all, NULL));
	put(index, path);
	OK(kith_index_open(&opened, path, KITH_MMAP));
	OK(kith_index_wrap_refine(&refined, opened, "Flat"));
	OK(kith_index_add(refined, 3, x, ids, NULL));
	OK(kith_index_search(refined, 1, x + DIM, 1, dist, found, NULL));
	REQUIRE(found[0] == 50 && dist[0] == 0 && kith_index_has(refined, 60) && !kith_index_has(refined, 2));
	kith_index_free(refined);
	kith_index_free(index);
	kith_filter_free(all);
	free(x);
}
END_TEST

/* A file replaced or appended to while it is mapped. */
START_TEST(replaced)
{
	kith_index *index = build("Flat", KITH_L2, N, true), *small = build("Flat", KITH_L2, 20, false),
	           *opened;
	OK(kith_index_save(index, path));
	OK(kith_index_open(&opened, path, KITH_MMAP));
	OK(kith_index_save(small, path));
	same(index, opened);
	kith_index_free(opened);
	kith_index_free(index);
	kith_index_free(small);
}
END_TEST

/* ---- nothing is touched that need not be ---- */

/* What this process has of the mapped file, in KiB; −1 where the system does not tell. */
static long resident_kb(void)
{
	char line[512];
	long kb = -1;
	bool inside = false;
	FILE *file = fopen("/proc/self/smaps", "r");
	while (file && fgets(line, sizeof line, file)) {
		if (strstr(line, path))
			inside = true;
		if (inside && sscanf(line, "Rss: %ld", &kb) == 1)
			break;
	}
	if (file)
		fclose(file);
	return kb;
}

START_TEST(untouched)
{
	static const char *const kinds[] = {"Flat", "IVF64,Flat", "HNSW8"};
	enum { MAX = 200000, WIDE = 32 };
	const int64_t MANY = _i < 2 ? MAX : MAX / 4;
	kith_index *index, *opened;
	kith_search_options options = KITH_SEARCH_OPTIONS;
	float *x = make_gauss(1, MANY, WIDE), dist[1];
	int64_t *ids = make(MANY, sizeof *ids), found[1];
	options.nprobe = 1;
	options.threads = 1;
	for (int64_t i = 0; i < MANY; i++)
		ids[i] = MANY - i;
	OK(kith_index_new(&index, WIDE, KITH_L2, kinds[_i]));
	OK(kith_index_train(index, 4096, x, NULL));
	OK(kith_index_add(index, MANY, x, ids, NULL));
	put(index, path);
	/* Threads and BLAS take their memory now. */
	OK(kith_index_search(index, 1, x, 1, dist, found, &options));
	kith_index_free(index);
	long file_kb = (long)MANY * WIDE * 4 / 1024;
	OK(kith_index_open(&opened, path, KITH_MMAP));
	REQUIRE(kith_index_memory(opened) < 200000);
	/* What is looked into may come with as much as 2 MiB around it. */
	if (resident_kb() >= file_kb / (_i < 2 ? 20 : 2))
		ck_abort_msg("%s: %ld KiB of %ld are there after opening", kinds[_i], resident_kb(), file_kb);
	OK(kith_index_search(opened, 1, x + 77 * WIDE, 1, dist, found, &options));
	REQUIRE(found[0] == MANY - 77 && dist[0] == 0);
	if (_i == 1)
		REQUIRE(resident_kb() < file_kb / 4);
	kith_index_free(opened);
	free(x);
	free(ids);
}
END_TEST

/* ---- several threads and processes ---- */

START_TEST(shared)
{
	kith_index *index = build("IVF7,Flat", KITH_L2, N, true), *opened;
	put(index, path);
	OK(kith_index_open(&opened, path, KITH_MMAP));
	pid_t child = fork();
	if (child == 0) {
		same(index, opened);
		change(opened);
		_exit(0);
	}
	int code;
	REQUIRE(waitpid(child, &code, 0) == child && WIFEXITED(code) && WEXITSTATUS(code) == 0);
	same(index, opened);
	kith_index_free(opened);
	kith_index_free(index);
}
END_TEST

/* The first look-ups of several threads make one table. */
START_TEST(first_use)
{
	kith_index *index = build(_i ? "HNSW4,SQ8,RFlat" : "IVF7,SQ8,RFlat", KITH_L2, N, true), *opened;
	int64_t n = kith_index_size(index), *ids = make(n, sizeof *ids), wrong = 0;
	OK(kith_index_ids(index, ids));
	put(index, path);
	for (int round = 0; round < 50; round++) {
		OK(kith_index_open(&opened, path, KITH_MMAP));
#pragma omp parallel for num_threads(4) reduction(+ : wrong)
		for (int64_t i = 0; i < n; i++) {
			float x[DIM];
			wrong += !kith_index_has(opened, ids[i]) || kith_index_has(opened, -5 - i) ||
			         kith_index_get(opened, 1, &ids[i], x) != KITH_OK;
		}
		REQUIRE(wrong == 0);
		kith_index_free(opened);
	}
	free(ids);
	kith_index_free(index);
}
END_TEST

/* The first searches of several threads, in a graph that vectors were removed from. */
START_TEST(first_walk)
{
	kith_index *index = build("HNSW4", KITH_L2, N, true), *opened;
	float *q = make_data(2, NQ), want_dist[NQ * K];
	int64_t want[NQ * K], wrong = 0;
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.efSearch = K; /* so few that it searches the graph */
	OK(kith_index_search(index, NQ, q, K, want_dist, want, &options));
	put(index, path);
	for (int round = 0; round < 50; round++) {
		OK(kith_index_open(&opened, path, KITH_MMAP));
#pragma omp parallel for num_threads(4) reduction(+ : wrong)
		for (int i = 0; i < 8; i++) {
			float dist[NQ * K];
			int64_t ids[NQ * K];
			wrong += kith_index_search(opened, NQ, q, K, dist, ids, &options) != KITH_OK ||
			         memcmp(ids, want, sizeof ids) != 0;
		}
		REQUIRE(wrong == 0);
		kith_index_free(opened);
	}
	free(q);
	kith_index_free(index);
}
END_TEST

/* ---- streams and memory ---- */

struct stream {
	struct bytes b;
	size_t max; /* writing stops here */
};

static int stream_write(void *data, const void *bytes, size_t n)
{
	struct stream *s = data;
	if (s->b.n + n > s->max)
		return 7;
	bytes_append(&s->b, bytes, n);
	return 0;
}

static int stream_read(void *data, int64_t offset, void *bytes, size_t n)
{
	struct stream *s = data;
	if ((size_t)offset + n > s->max)
		return 9;
	memcpy(bytes, s->b.data + offset, n);
	return 0;
}

START_TEST(streams)
{
	kith_index *index = build(specs[_i], KITH_COSINE, 129, true), *opened;
	if (!index)
		return;
	struct stream s = {.max = SIZE_MAX};
	size_t size, again;
	OK(kith_index_write(index, stream_write, &s));
	struct bytes want = bytes_of(index, NULL);
	REQUIRE(want.n == s.b.n && !memcmp(want.data, s.b.data, want.n));
	OK(kith_index_read(&opened, stream_read, &s, (int64_t)s.b.n, KITH_VERIFY));
	same(index, opened);
	kith_index_free(opened);
	s.max = s.b.n / 2;
	FAILS(kith_index_read(&opened, stream_read, &s, (int64_t)s.b.n, 0), KITH_IO, "read returned 9");
	REQUIRE(!opened);
	s.max = SIZE_MAX;
	FAILS(kith_index_read(&opened, stream_read, &s, (int64_t)s.b.n - 1, 0), KITH_FORMAT, "the stream");
	struct stream full = {.max = want.n - 1};
	FAILS(kith_index_write(index, stream_write, &full), KITH_IO, "write returned 7");
	free(full.b.data);
	OK(kith_index_to_bytes(index, NULL, 0, &size));
	REQUIRE(size == want.n);
	char *memory = make((int64_t)size, 1);
	FAILS(kith_index_to_bytes(index, memory, size - 1, &again), KITH_INVALID, "capacity");
	OK(kith_index_to_bytes(index, memory, size, &again));
	REQUIRE(again == size && !memcmp(memory, want.data, size));
	OK(kith_index_from_bytes(&opened, memory, size, KITH_READONLY));
	memset(memory, 0, size);
	same(index, opened);
	FAILS(kith_index_reserve(opened, 1), KITH_INVALID, "READONLY");
	kith_index_free(opened);
	FAILS(kith_index_from_bytes(&opened, memory, size, 0), KITH_FORMAT, "the memory");
	FAILS(kith_index_from_bytes(&opened, memory, size, KITH_MMAP), KITH_INVALID, "flags");
	FAILS(kith_index_from_bytes(&opened, NULL, 0, 0), KITH_INVALID, "bytes");
	FAILS(kith_index_read(&opened, NULL, NULL, 5, 0), KITH_INVALID, "read");
	FAILS(kith_index_write(index, NULL, NULL), KITH_INVALID, "write");
	FAILS(kith_index_to_bytes(index, NULL, 0, NULL), KITH_INVALID, "size");
	free(memory);
	free(s.b.data);
	free(want.data);
	kith_index_free(index);
}
END_TEST

/* ---- tags ---- */

START_TEST(tags)
{
	kith_index *index = build("Flat", KITH_L2, 20, false), *opened, *copy;
	REQUIRE(!kith_index_tag(index, "a") && !kith_index_tag_at(index, 0) && !kith_index_tag(NULL, "a"));
	OK(kith_index_tag_set(index, "model", "e5-large"));
	OK(kith_index_tag_set(index, "b", ""));
	OK(kith_index_tag_set(index, "z", "last"));
	OK(kith_index_tag_set(index, "model", "e5"));
	OK(kith_index_tag_set(index, "absent", NULL));
	for (int i = 0; i < 2; i++) {
		put(index, path);
		OK(kith_index_open(&opened, path, i ? KITH_MMAP : 0));
		OK(kith_index_clone(&copy, opened));
		kith_index_free(opened);
		REQUIRE(
		    !strcmp(kith_index_tag(copy, "model"), "e5") && !strcmp(kith_index_tag(copy, "b"), ""));
		REQUIRE(!strcmp(kith_index_tag_at(copy, 0), "b") && !strcmp(kith_index_tag_at(copy, 2), "z"));
		REQUIRE(!kith_index_tag_at(copy, 3) && !kith_index_tag_at(copy, -1));
		same_bytes(index, copy);
		OK(kith_index_tag_set(copy, "b", NULL));
		REQUIRE(!kith_index_tag(copy, "b") && !strcmp(kith_index_tag_at(copy, 1), "z"));
		kith_index_free(copy);
	}
	FAILS(kith_index_tag_set(index, "", "x"), KITH_INVALID, "key");
	FAILS(kith_index_tag_set(NULL, "a", "x"), KITH_INVALID, "index");
	char *large = make(2 << 20, 1);
	memset(large, 'x', (2 << 20) - 1);
	FAILS(kith_index_tag_set(index, "large", large), KITH_INVALID, "1048576");
	large[(1 << 20) - 5] = 0;
	FAILS(kith_index_tag_set(index, "large", large), KITH_INVALID, "1048576");
	REQUIRE(!kith_index_tag(index, "large"));
	free(large);
	kith_index_free(index);
}
END_TEST

/* ---- failed allocations ---- */

static bool attempt(const kith_index *index, int64_t i, int flags)
{
	kith_index *opened = NULL;
	int64_t live = alloc_live(), id = kith_index_size(index) ? 1 : 0;
	float x[DIM] = {0};
	alloc_fail_at(i, false);
	kith_status status = kith_index_open(&opened, path, flags);
	if (status == KITH_OK && kith_index_trained(opened)) {
		kith_index_has(opened, id);
		status = kith_index_add(opened, 1, x, NULL, NULL);
	}
	bool reached = alloc_count() >= i;
	alloc_fail_at(0, false);
	/* A table of ids that there was no memory for is done without. */
	REQUIRE(status == KITH_OK || (reached && status == KITH_NOMEM));
	kith_index_free(opened);
	REQUIRE(alloc_live() == live);
	return reached;
}

START_TEST(no_memory)
{
	static const int flags[] = {KITH_MMAP, KITH_MMAP | KITH_VERIFY, KITH_UPDATE, KITH_MMAP | KITH_UPDATE};
	kith_index *index = build(specs[_i], KITH_L2, 129, true);
	if (!index)
		return;
	OK(kith_index_tag_set(index, "a", "b"));
	put(index, path);
	for (size_t f = 0; f < sizeof flags / sizeof *flags; f++)
		for (int64_t i = 1; attempt(index, i, flags[f]); i++)
			;
	kith_index_free(index);
	REQUIRE(alloc_live() == 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("map");
	TCase *t = tcase_create("map");
	tcase_set_timeout(t, 300);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, mapped, 0, SPECS);
	tcase_add_test(t, readonly);
	tcase_add_test(t, wrapped);
	tcase_add_test(t, replaced);
	tcase_add_loop_test(t, untouched, 0, 3);
	tcase_add_test(t, shared);
	tcase_add_loop_test(t, first_use, 0, 2);
	tcase_add_test(t, first_walk);
	tcase_add_loop_test(t, streams, 0, SPECS);
	tcase_add_test(t, tags);
	tcase_add_loop_test(t, no_memory, 0, SPECS);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
