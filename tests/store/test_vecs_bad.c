/* Vector files that are not what they should be: each is refused with a message that says what was found. */
#include "tests/store/test_vecs.h"

#define INT(v)                                                                                               \
	(uint8_t)(v), (uint8_t)((unsigned)(v) >> 8), (uint8_t)((unsigned)(v) >> 16),                         \
	    (uint8_t)((unsigned)(v) >> 24)
#define BYTES(...)                   (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})
#define BAD(name, status, text, ...) check_open_fails(put_file(name, BYTES(__VA_ARGS__)), status, text)

START_TEST(texmex)
{
	BAD("a.fvecs", KITH_FORMAT, "truncated: 3 bytes cannot", 4, 0, 0);
	BAD("a.fvecs", KITH_FORMAT, "truncated: 1 byte cannot", 4);
	BAD("a.fvecs", KITH_FORMAT, "dimension 0 ", INT(0), INT(0));
	BAD("a.fvecs", KITH_FORMAT, "dimension -1 ", INT(-1), INT(0));
	BAD("a.fvecs", KITH_FORMAT, "dimension -2147483648 ", INT(0x80000000u));
	BAD("a.fvecs", KITH_FORMAT, "1 to 32768", INT(32769), INT(0));
	BAD("a.fvecs", KITH_FORMAT, "whole number of 8-byte records", INT(1), INT(0), INT(1));
	BAD("a.ivecs", KITH_FORMAT, "whole number", INT(2), INT(0));
	BAD("a.bvecs", KITH_FORMAT, "whole number", INT(2), 1);
	BAD("a.bvecs", KITH_FORMAT, "vector 2 has dimension 1, but vector 0 has 2", INT(2), 7, 7, INT(2), 7,
	    7, INT(1), 7, 7);
}
END_TEST

START_TEST(texmex_middle)
{
	uint8_t out[6];
	const void *rows;
	size_t stride;
	kith_vecs *vecs = open_ok(put_file("a.bvecs", BYTES(INT(2), 7, 7, INT(3), 7, 7, INT(2), 7, 7)));
	check_fails(kith_vecs_read(vecs, 0, 3, KITH_U8, out), KITH_FORMAT, "vector 1 has dimension 3");
	check_fails(kith_vecs_read(vecs, 1, 1, KITH_U8, out), KITH_FORMAT, "vector 1 has dimension 3");
	check_fails(kith_vecs_map(vecs, 0, 2, &rows, &stride), KITH_FORMAT, "vector 1 has dimension 3");
	ck_assert_ptr_null(rows);
	check_ok(kith_vecs_read(vecs, 2, 1, KITH_U8, out));
	check_ok(kith_vecs_map(vecs, 2, 1, &rows, &stride));
	kith_vecs_close(vecs);
}
END_TEST

START_TEST(bin)
{
	BAD("a.fbin", KITH_FORMAT, "8-byte header", INT(1), 1, 0, 0);
	BAD("a.fbin", KITH_FORMAT, "dimension 0 ", INT(1), INT(0));
	BAD("a.fbin", KITH_FORMAT, "dimension 4294967295 ", INT(1), INT(-1));
	BAD("a.fbin", KITH_FORMAT, "is empty", INT(0), INT(3));
	BAD("a.fbin", KITH_FORMAT, "promises 4294967295 vectors of dimension 32768 (562949953290248 bytes)",
	    INT(-1), INT(32768));
	BAD("a.u8bin", KITH_FORMAT, "room for 2", INT(1000000000), INT(3), 1, 2, 3, 4, 5, 6);
	BAD("a.u8bin", KITH_FORMAT, "it has 15 bytes", INT(2), INT(3), 1, 2, 3, 4, 5, 6, 7);
	BAD("a.i8bin", KITH_FORMAT, "promises 1 vector of", INT(1), INT(3), 1, 2);
	BAD("a.i8bin", KITH_FORMAT, "1 byte cannot", 1);
	BAD("a.i8bin", KITH_FORMAT, "promises 2 vectors of", INT(2), INT(3), 1, 2, 3, 4, 5);
	check_open_fails(at("a.i8bin"), KITH_FORMAT, "a download that broke off, or a part of a larger set");
}
END_TEST

/* Headers that others write: the message says which. */
START_TEST(bin_of_others)
{
	BAD("a.u8bin", KITH_FORMAT, "header of 16 bytes with 64-bit counts (2 vectors of dimension 3)",
	    INT(2), INT(0), INT(3), INT(0), 1, 2, 3, 4, 5, 6);
	BAD("a.fbin", KITH_FORMAT, "header of 12 bytes with 64-bit counts (1 vectors of dimension 2)", INT(1),
	    INT(0), INT(2), INT(0), INT(0));
	BAD("a.ibin", KITH_FORMAT, "is big-endian (1 vectors of dimension 2)", 0, 0, 0, 1, 0, 0, 0, 2, INT(0),
	    INT(0));
	BAD("a.bin", KITH_UNSUPPORTED, "holds 1 vectors of dimension 2: rename it to fbin or ibin", INT(1),
	    INT(2), INT(0), INT(0));
	BAD("a.bin", KITH_UNSUPPORTED, "rename it to u8bin or i8bin", INT(1), INT(2), 1, 2);
	BAD("a.bin", KITH_FORMAT, "no ground truth: its header promises 5 rows of 2 ids and distances",
	    INT(5), INT(2), INT(0), INT(0));
	BAD("a.bin", KITH_FORMAT, "no ground truth", INT(0), INT(0));
	put_file("a.ibin", BYTES(INT(1), INT(2), INT(7), INT(8)));
	check_open_fails(at("a.ibin:distances"), KITH_FORMAT, "holds no distances");
	check_open_fails(at("a.ibin:others"), KITH_UNSUPPORTED, "known are");
	kith_vecs_writer *writer;
	check_fails(kith_vecs_create(&writer, at("b.bin"), KITH_I32, 2), KITH_UNSUPPORTED, "only read");
	check_fails(
	    kith_vecs_create(&writer, at("b.ibin:distances"), KITH_I32, 2), KITH_UNSUPPORTED, "only read");
}
END_TEST

static void bad_npy(kith_status status, const char *text, const char *header, size_t bytes)
{
	char file[1024] = "\x93NUMPY\1";
	const int length = snprintf(file + 10, sizeof file - 10, "%s", header);
	file[8] = (char)length;
	check_open_fails(put_file("a.npy", file, 10 + (size_t)length + bytes), status, text);
}

START_TEST(npy_magic)
{
	BAD("a.npy", KITH_FORMAT, "NUMPY", 1);
	BAD("a.npy", KITH_FORMAT, "NUMPY", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
	BAD("a.npy", KITH_UNSUPPORTED, "version 4", 0x93, 'N', 'U', 'M', 'P', 'Y', 4, 0, 0, 0, 0, 0);
	BAD("a.npy", KITH_FORMAT, "truncated", 0x93, 'N', 'U', 'M', 'P', 'Y', 2, 0, 1, 0);
	BAD("a.npy", KITH_FORMAT, "truncated", 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, 1, 0);
	BAD("a.npy", KITH_FORMAT, "truncated", 0x93, 'N', 'U', 'M', 'P', 'Y', 3, 0, INT(-1));
	uint8_t file[20000] = "\x93NUMPY\2\0\x30\x40";
	check_open_fails(put_file("a.npy", file, sizeof file), KITH_UNSUPPORTED, "header of 16432 bytes");
}
END_TEST

START_TEST(npy_header)
{
	static const char *const garbled[] = {"", "{", "}", "{}", "{'descr'",
	    "{'descr': '<f4', 'fortran_order': False}",
	    "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1, 1)}",
	    "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (1, 1)}",
	    "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1)",
	    "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1)} x",
	    "{'descr': '<f4', 'fortran_order': False, 'shape': (1, -1)}",
	    "{'descr': '<f4', 'fortran_order': False, 'shape': (1 1)}",
	    "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 99999999999999999999)}",
	    "{'descr': '<f4' 'fortran_order': False, 'shape': (1, 1)}",
	    "{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (1, 1)}",
	    "{'descr': '<f4aaaaaaaaaaaaaaa', 'fortran_order': False, 'shape': (1, 1)}",
	    "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1), 'more': 1}"};
	for (size_t i = 0; i < sizeof garbled / sizeof *garbled; i++)
		bad_npy(KITH_FORMAT, "not understood", garbled[i], 4);
	bad_npy(KITH_UNSUPPORTED, "'<c8'", "{'descr': '<c8', 'fortran_order': False, 'shape': (1, 1)}", 2);
	bad_npy(KITH_UNSUPPORTED, "''", "{'descr': '', 'fortran_order': False, 'shape': (1, 1)}", 2);
	bad_npy(KITH_UNSUPPORTED, "'|f4'", "{'descr': '|f4', 'fortran_order': False, 'shape': (1, 1)}", 2);
	bad_npy(KITH_UNSUPPORTED, "'a?b'", "{'descr': 'a\nb', 'fortran_order': False, 'shape': (1, 1)}", 2);
	bad_npy(KITH_UNSUPPORTED, "0-D", "{'descr': '<f4', 'fortran_order': False, 'shape': ()}", 4);
	bad_npy(KITH_UNSUPPORTED, "3 or more",
	    "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1, 1)}", 4);
	bad_npy(KITH_FORMAT, "empty", "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 1)}", 0);
	bad_npy(KITH_FORMAT, "dimension 0 ", "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 0)}", 0);
	bad_npy(KITH_FORMAT, "32768", "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 32769)}", 0);
	bad_npy(KITH_FORMAT, "truncated", "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1)}", 7);
	bad_npy(KITH_FORMAT, "truncated", "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1)}", 9);
	bad_npy(KITH_FORMAT, "truncated",
	    "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4)}", 0);
}
END_TEST

START_TEST(names)
{
	static const char *const unknown[] = {
	    "", "a", "a.", "fvecs", "a.fvecs.gz", "a.fvecs/b", "a.txt", "a.fvecs:train", "dir.fvecs/"};
	for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
		check_open_fails(unknown[i], KITH_UNSUPPORTED, "known are: fvecs bvecs");
	check_open_fails(at("none.fvecs"), KITH_NOTFOUND, "none.fvecs");
	check_open_fails(put_file("a.bvecs", "", 0), KITH_FORMAT, "is empty");
	char longest[6000];
	memset(longest, 'x', sizeof longest);
	snprintf(longest + 5000, 100, "/end\n.fvecs");
	check_open_fails(longest, KITH_IO, "xxx/end?.fvecs': cannot be opened: File name too long");
}
END_TEST

START_TEST(not_files)
{
	ck_assert_int_eq(mkdir(at("dir.fvecs"), 0755), 0);
	check_open_fails(at("dir.fvecs"), KITH_IO, "directory");
	ck_assert_int_eq(rmdir(at("dir.fvecs")), 0);
	ck_assert_int_eq(mkfifo(at("fifo.fvecs"), 0600), 0);
	check_open_fails(at("fifo.fvecs"), KITH_UNSUPPORTED, "pipe");
	ck_assert_int_eq(symlink("/dev/zero", at("zero.fvecs")), 0);
	check_open_fails(at("zero.fvecs"), KITH_UNSUPPORTED, "device");
	put_file("a.fvecs", "", 0);
	check_open_fails(at("a.fvecs/b.fvecs"), KITH_NOTFOUND, "no such file");
	if (geteuid() != 0) { /* root may read all */
		ck_assert_int_eq(chmod(at("a.fvecs"), 0), 0);
		check_open_fails(at("a.fvecs"), KITH_IO, "Permission denied");
	}
}
END_TEST

START_TEST(shrinks)
{
	enum { N = 5000, DIM = 16 };
	float *x = make_values(KITH_F32, N * DIM);
	const void *rows;
	size_t stride;
	check_ok(kith_vecs_write(at("a.fvecs"), KITH_F32, N, DIM, x));
	kith_vecs *vecs = open_ok(at("a.fvecs"));
	check_ok(kith_vecs_map(vecs, 0, N, &rows, &stride));
	ck_assert_int_eq(truncate(at("a.fvecs"), 68 * 10), 0);
	check_fails(
	    kith_vecs_map(vecs, 0, 1, &rows, &stride), KITH_FORMAT, "shrunk since it was opened with 340000");
	check_fails(kith_vecs_read(vecs, 0, N, KITH_F32, x), KITH_FORMAT, "shrunk");
	check_fails(kith_vecs_read(vecs, 9, 2, KITH_F32, x), KITH_FORMAT, "shrunk");
	check_ok(kith_vecs_read(vecs, 0, 10, KITH_F32, x));
	kith_vecs_close(vecs);
	free(x);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vecs_bad");
	TCase *tc = tcase_create("vecs_bad");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, texmex);
	tcase_add_test(tc, texmex_middle);
	tcase_add_test(tc, bin);
	tcase_add_test(tc, bin_of_others);
	tcase_add_test(tc, npy_magic);
	tcase_add_test(tc, npy_header);
	tcase_add_test(tc, names);
	tcase_add_test(tc, not_files);
	tcase_add_test(tc, shrinks);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
