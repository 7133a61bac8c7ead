/* Index files: what is saved comes back, whatever the index; what is cut off, damaged or made up is refused,
 * or gives an index that is safe to use; a failure leaves no file behind. */
#include "tests/store/sample.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#if defined(__linux__)
#include <sched.h>
#include <sys/mount.h>
#endif

#include "lib/api/file.h"
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
	unlink(path);
	unlink(other);
	/* Nothing else may be there. */
	REQUIRE(rmdir(folder) == 0);
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
	/* Longer: as if an append had begun. */
	bytes_append(&b, "x", 1);
	OK(open_bytes(&opened, &b, true));
	REQUIRE(strstr(kith_index_note(opened), "1 byte"));
	same(index, opened);
	kith_index_free(opened);
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
	FAILS(kith_index_open(&opened, path, KITH_READONLY | KITH_UPDATE), KITH_INVALID, "exclude");
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
	for (rlim_t max = 0; max < 8192; max += 100) {
		limit = (struct rlimit){max, before.rlim_max};
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

/* A file system of so many pages, mounted where the folder is, for this process; false: that is not to be had
 * here. */
#if defined(__linux__)
static bool mount_small(const char *where, int pages)
{
	char size[32];
	snprintf(size, sizeof size, "size=%ld", pages * sysconf(_SC_PAGESIZE));
	return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("tmpfs", where, "tmpfs", 0, size) == 0;
}
#else
static bool mount_small(const char *where, int pages)
{
	(void)where;
	(void)pages;
	return false;
}

static int umount(const char *where)
{
	(void)where;
	return 0;
}
#endif

/* Leave so many pages free. */
static void fill(const char *filler, int leave)
{
	char *page = make(sysconf(_SC_PAGESIZE), 1);
	unlink(filler);
	int fd = open(filler, O_WRONLY | O_CREAT, 0600), pages = 0;
	REQUIRE(fd >= 0);
	while (write(fd, page, (size_t)sysconf(_SC_PAGESIZE)) == sysconf(_SC_PAGESIZE))
		pages++;
	REQUIRE(errno == ENOSPC && pages >= leave);
	REQUIRE(ftruncate(fd, (off_t)(pages - leave) * sysconf(_SC_PAGESIZE)) == 0);
	close(fd);
	free(page);
}

/* The file is as it was, beside the filler, and nothing else is there. */
static void check_old(const kith_index *old, const struct bytes *bytes)
{
	kith_index *opened;
	struct bytes now = read_file(path);
	REQUIRE(now.n == bytes->n && !memcmp(now.data, bytes->data, now.n));
	OK(kith_index_open(&opened, path, KITH_VERIFY));
	same_bytes(old, opened);
	kith_index_free(opened);
	free(now.data);
	REQUIRE(scratch_count(folder) == 2);
}

/* The disk is full at every page of what is written. */
START_TEST(full_disk)
{
	enum { PAGES = 100, MAX = 40 };
	kith_index *old = build("IVF7,SQ8", KITH_L2, N, true), *large, *update;
	char filler[SCRATCH_PATH];
	float *x = make_gauss(1, 3000, DIM);
	int saved = 0, appended = 0, exported = 0;
	if (!mount_small(folder, PAGES)) {
		kith_index_free(old);
		free(x);
		return;
	}
	scratch_path(filler, folder, "filler");
	large = make_index(DIM, KITH_L2, "Flat", 3000, x);
	OK(kith_index_save(old, path));
	struct bytes bytes = read_file(path);
	OK(kith_index_open(&update, path, KITH_UPDATE));
	OK(kith_index_add(update, 1000, x, NULL, NULL));
	for (int leave = 0; leave < MAX; leave++) {
		fill(filler, leave);
		kith_status status = kith_index_save(large, other);
		REQUIRE(status == KITH_OK || status == KITH_IO);
		REQUIRE(unlink(other) == (status == KITH_OK ? 0 : -1));
		check_old(old, &bytes);
		saved += status == KITH_OK;
		status = kith_index_export_faiss(large, other);
		REQUIRE(status == KITH_OK || status == KITH_IO);
		REQUIRE(unlink(other) == (status == KITH_OK ? 0 : -1));
		exported += status == KITH_OK;
		/* In the place of the old one. */
		if (saved == 0)
			FAILS(kith_index_save(large, path), KITH_IO, "space");
		check_old(old, &bytes);
		if (appended)
			continue;
		status = kith_index_append(update, path);
		REQUIRE(status == KITH_OK || status == KITH_IO);
		appended += status == KITH_OK;
		if (status == KITH_OK) {
			free(bytes.data);
			bytes = read_file(path);
			kith_index_free(old);
			OK(kith_index_open(&old, path, 0));
			REQUIRE(kith_index_size(old) == kith_index_size(update));
		}
		check_old(old, &bytes);
	}
	REQUIRE(saved > 0 && saved < MAX && appended == 1 && exported > 0 && exported < MAX);
	kith_index_free(update);
	kith_index_free(large);
	kith_index_free(old);
	free(bytes.data);
	free(x);
	unlink(path);
	unlink(filler);
	REQUIRE(umount(folder) == 0);
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
	tcase_add_test(t, full_disk);
	tcase_add_loop_test(t, no_memory, 0, SPECS);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
