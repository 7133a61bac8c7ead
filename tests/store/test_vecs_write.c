/* Writing vector files: whole or not at all, whatever fails. */
#include "tests/store/test_vecs.h"

#include <errno.h>
#include <pthread.h>
#include <sys/resource.h>
#include <signal.h>

static const char *const names[] = {"a.fvecs", "a.fbin", "a.npy"};
enum { NAMES = sizeof names / sizeof *names };

START_TEST(abandon_leaves_nothing)
{
	const float x[3] = {1, 2, 3};
	kith_vecs_writer *writer;
	check_ok(kith_vecs_create(&writer, at(names[_i]), KITH_F32, 3));
	check_ok(kith_vecs_append(writer, 1, x));
	ck_assert_int_eq(count_files(), 1);
	kith_vecs_abandon(writer);
	ck_assert_int_eq(count_files(), 0);
	check_fails(kith_vecs_write(at(names[_i]), KITH_F32, 0, 3, x), KITH_INVALID, "0 vectors");
	ck_assert_int_eq(count_files(), 0);
}
END_TEST

START_TEST(replaces_whole)
{
	float x[6] = {0, 37, 74, 11, 48, 85};
	struct stat st;
	check_ok(kith_vecs_write(at(names[_i]), KITH_F32, 1, 3, (float[]){9, 9, 9}));
	ck_assert_int_eq(chmod(at(names[_i]), 0640), 0);
	kith_vecs *old = open_ok(at(names[_i]));
	kith_vecs_writer *writer;
	check_ok(kith_vecs_create(&writer, at(names[_i]), KITH_F32, 3));
	check_ok(kith_vecs_append(writer, 2, x));
	check_ok(kith_vecs_finish(writer));
	check_content(at(names[_i]), strrchr(names[_i], '.') + 1, KITH_F32, 2, 3, true);
	ck_assert_int_eq(stat(at(names[_i]), &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0640);
	ck_assert_int_eq(count_files(), 1);
	check_ok(kith_vecs_read(old, 0, 1, KITH_F32, x)); /* who reads the old file goes on */
	ck_assert(x[0] == 9);
	kith_vecs_close(old);
}
END_TEST

START_TEST(new_file_obeys_umask)
{
	struct stat st;
	mode_t old = umask(027);
	check_ok(kith_vecs_write(at("a.npy"), KITH_F32, 1, 1, (float[]){1}));
	umask(old);
	ck_assert_int_eq(stat(at("a.npy"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0640);
}
END_TEST

START_TEST(follows_links)
{
	struct stat st;
	put_file("real.fvecs", "old", 3);
	ck_assert_int_eq(symlink("real.fvecs", at("link.fvecs")), 0);
	check_ok(kith_vecs_write(at("link.fvecs"), KITH_F32, 1, 1, (float[]){0}));
	ck_assert_int_eq(lstat(at("link.fvecs"), &st), 0);
	ck_assert(S_ISLNK(st.st_mode));
	check_content(at("real.fvecs"), "fvecs", KITH_F32, 1, 1, true);
}
END_TEST

START_TEST(relative_paths)
{
	char before[4096];
	ck_assert_ptr_nonnull(getcwd(before, sizeof before));
	ck_assert_int_eq(chdir(scratch_dir), 0);
	check_ok(kith_vecs_write("here.fvecs", KITH_F32, 1, 1, (float[]){0}));
	check_content("here.fvecs", "fvecs", KITH_F32, 1, 1, true);
	check_ok(kith_vecs_write("./here.fvecs", KITH_F32, 1, 1, (float[]){0}));
	ck_assert_int_eq(count_files(), 1);
	ck_assert_int_eq(chdir(before), 0);
}
END_TEST

START_TEST(wrong_types)
{
	kith_vecs_writer *writer;
	check_fails(kith_vecs_create(&writer, at("a.fvecs"), KITH_U8, 1), KITH_UNSUPPORTED,
	    "fvecs holds f32, not u8; for u8 use bvecs");
	check_fails(kith_vecs_create(&writer, at("a.bvecs"), KITH_I8, 1), KITH_UNSUPPORTED, "i8bin");
	check_fails(kith_vecs_create(&writer, at("a.ivecs"), KITH_F32, 1), KITH_UNSUPPORTED, "fbin");
	check_fails(kith_vecs_create(&writer, at("a.fbin"), KITH_I32, 1), KITH_UNSUPPORTED, "ibin");
	check_fails(
	    kith_vecs_create(&writer, at("a.ivecs"), KITH_I64, 1), KITH_UNSUPPORTED, "for i64 use npy");
	check_fails(kith_vecs_create(&writer, at("a.txt"), KITH_I32, 1), KITH_UNSUPPORTED, "known are");
	ck_assert_ptr_null(writer);
	ck_assert_int_eq(count_files(), 0);
}
END_TEST

START_TEST(bad_places)
{
	kith_vecs_writer *writer;
	check_fails(
	    kith_vecs_create(&writer, at("no/such/a.fvecs"), KITH_F32, 1), KITH_IO, "no/such/a.fvecs");
	check_fails(kith_vecs_create(&writer, "/proc/a.fvecs", KITH_F32, 1), KITH_IO, "/proc/a.fvecs");
	ck_assert_int_eq(mkdir(at("dir.fvecs"), 0755), 0);
	check_fails(kith_vecs_create(&writer, at("dir.fvecs"), KITH_F32, 1), KITH_IO, "is a directory");
	ck_assert_int_eq(rmdir(at("dir.fvecs")), 0);
	if (geteuid() != 0) { /* root may write all */
		put_file("a.fvecs", "x", 1);
		ck_assert_int_eq(chmod(at("a.fvecs"), 0400), 0);
		check_fails(
		    kith_vecs_create(&writer, at("a.fvecs"), KITH_F32, 1), KITH_IO, "Permission denied");
		ck_assert_int_eq(unlink(at("a.fvecs")), 0);
		ck_assert_int_eq(chmod(scratch_dir, 0500), 0);
		check_fails(
		    kith_vecs_create(&writer, at("a.fvecs"), KITH_F32, 1), KITH_IO, "Permission denied");
		ck_assert_int_eq(chmod(scratch_dir, 0700), 0);
	}
	ck_assert_int_eq(count_files(), 0);
}
END_TEST

START_TEST(full_device)
{
	enum { N = 100000 };
	float *x = make_values(KITH_F32, N * 4);
	kith_vecs_writer *writer;
	ck_assert_int_eq(symlink("/dev/full", at("full.fvecs")), 0);
	check_fails(kith_vecs_write(at("full.fvecs"), KITH_F32, 1, 4, x), KITH_IO,
	    "full.fvecs': cannot be written: No space left on device");
	check_fails(kith_vecs_write("/dev/full", KITH_F32, 1, 4, x), KITH_IO,
	    "'/dev/full': cannot be written: No space left");
	check_ok(kith_vecs_create(&writer, at("full.fvecs"), KITH_F32, 4));
	check_fails(kith_vecs_append(writer, N, x), KITH_IO, "No space left");
	check_fails(kith_vecs_append(writer, 1, x), KITH_IO, "earlier");
	check_fails(kith_vecs_finish(writer), KITH_IO, "earlier");
	ck_assert_int_eq(symlink("/dev/full", at("full.npy")), 0);
	check_fails(kith_vecs_create(&writer, at("full.npy"), KITH_F32, 4), KITH_UNSUPPORTED, "count");
	check_fails(
	    kith_vecs_create(&writer, "/dev/full", KITH_I8, 4), KITH_UNSUPPORTED, "unknown extension");
	free(x);
}
END_TEST

/* A disk that fills up: the old file stays as it was. */
START_TEST(file_too_big)
{
	enum { N = 100000 };
	float *x = make_values(KITH_F32, N * 4);
	const struct rlimit small = {65536, 65536};
	check_ok(kith_vecs_write(at(names[_i]), KITH_F32, 5, 4, x));
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	check_fails(kith_vecs_write(at(names[_i]), KITH_F32, N, 4, x), KITH_IO, "File too large");
	check_content(at(names[_i]), strrchr(names[_i], '.') + 1, KITH_F32, 5, 4, true);
	ck_assert_int_eq(count_files(), 1);
	free(x);
}
END_TEST

static void *drain(void *fd)
{
	char bytes[4096];
	int64_t total = 0;
	for (ssize_t n; (n = read(*(int *)fd, bytes, sizeof bytes)) > 0;)
		total += n;
	ck_assert_int_eq(total, 20 * 50000);
	return NULL;
}

START_TEST(pipe_is_written_directly)
{
	enum { N = 50000 };
	float *x = make_values(KITH_F32, N * 4);
	pthread_t reader;
	ck_assert_int_eq(mkfifo(at("p.fvecs"), 0600), 0);
	int fd = open(at("p.fvecs"), O_RDONLY | O_NONBLOCK);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_SETFL, 0), 0);
	kith_vecs_writer *writer;
	check_ok(kith_vecs_create(&writer, at("p.fvecs"), KITH_F32, 4));
	ck_assert_int_eq(pthread_create(&reader, NULL, drain, &fd), 0);
	check_ok(kith_vecs_append(writer, N, x));
	check_ok(kith_vecs_finish(writer));
	ck_assert_int_eq(pthread_join(reader, NULL), 0);
	close(fd);
	free(x);
}
END_TEST

/* Everything that allocates, in one go; what failed first. */
static kith_status use_all(const char *name)
{
	enum { N = 700, DIM = 40 };
	static float x[N * DIM];
	static uint8_t u[N * DIM];
	const void *rows;
	size_t stride;
	kith_vecs *vecs;
	kith_status status = kith_vecs_write(at(name), KITH_F32, N, DIM, x);
	if (!status)
		status = kith_vecs_open(&vecs, at(name));
	if (status)
		return status;
	status = kith_vecs_read(vecs, 0, N, KITH_F32, x);
	if (!status)
		status = kith_vecs_read(vecs, 0, N, KITH_U8, u);
	if (!status)
		status = kith_vecs_map(vecs, 0, N, &rows, &stride);
	kith_vecs_close(vecs);
	return status;
}

START_TEST(allocation_failures)
{
	kith_status status = KITH_NOMEM;
	int steps = 0;
	for (int64_t i = 1; status == KITH_NOMEM; i++, steps++) {
		unlink(at(names[_i]));
		alloc_fail_at(i, _i % 2);
		status = use_all(names[_i]);
		alloc_fail_at(0, false);
		ck_assert(status == KITH_OK || status == KITH_NOMEM);
		ck_assert_int_eq(alloc_live(), 0);
		ck_assert_int_eq(count_files(), exists(at(names[_i])));
	}
	ck_assert_int_ge(steps, 8);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vecs_write");
	TCase *tc = tcase_create("vecs_write");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, abandon_leaves_nothing, 0, NAMES);
	tcase_add_loop_test(tc, replaces_whole, 0, NAMES);
	tcase_add_test(tc, new_file_obeys_umask);
	tcase_add_test(tc, follows_links);
	tcase_add_test(tc, relative_paths);
	tcase_add_test(tc, wrong_types);
	tcase_add_test(tc, bad_places);
	tcase_add_test(tc, full_device);
	tcase_add_loop_test(tc, file_too_big, 0, NAMES);
	tcase_add_test(tc, pipe_is_written_directly);
	tcase_add_loop_test(tc, allocation_failures, 0, NAMES);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
