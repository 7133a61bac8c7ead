/* Vector files in HDF5: round trips, the element types of ann-benchmarks' files, sets whose bytes are not
 * there. Built only where libhdf5's headers are. */
#include "tests/store/test_vecs.h"

#include "lib/store/hdf5_load.h"

#include <hdf5.h>
#include <signal.h>
#include <sys/resource.h>

/* What the library declares of libhdf5, whose headers it is built without. */
#define SAME(ours, theirs) ck_assert_int_eq((int64_t)(ours), (int64_t)(theirs))
START_TEST(declarations)
{
	SAME(sizeof(h5_id), sizeof(hid_t));
	SAME(sizeof(h5_len), sizeof(hsize_t));
	SAME(sizeof(h5_len), sizeof(haddr_t));
	SAME(sizeof(int), sizeof(herr_t));
	SAME(sizeof(struct h5_error), sizeof(H5E_error2_t));
	SAME(offsetof(struct h5_error, text), offsetof(H5E_error2_t, desc));
	SAME(H5_DEFAULT, H5P_DEFAULT);
	SAME(H5_DEFAULT, H5E_DEFAULT);
	SAME(H5_RDONLY, H5F_ACC_RDONLY);
	SAME(H5_UPWARD, H5E_WALK_UPWARD);
	SAME(H5_BY_NAME, H5_INDEX_NAME);
	SAME(H5_INCREASING, H5_ITER_INC);
	SAME(H5_SELECT_SET, H5S_SELECT_SET);
	SAME(H5_INTEGER, H5T_INTEGER);
	SAME(H5_FLOAT, H5T_FLOAT);
	SAME(H5_SIGNED, H5T_SGN_2);
	SAME(H5_COMPACT, H5D_COMPACT);
	SAME(H5_CONTIGUOUS, H5D_CONTIGUOUS);
	SAME(H5_CHUNKED, H5D_CHUNKED);
	SAME(H5_NOWHERE, HADDR_UNDEF);
	ck_assert(H5_CACHE_W0 == H5D_CHUNK_CACHE_W0_DEFAULT);
	const struct h5 *h5;
	check_ok(hdf5_library("a.hdf5", &h5));
	ck_assert(h5->Fopen == H5Fopen); /* this program's own, not a second one */
	SAME(*h5->native_float, H5T_NATIVE_FLOAT);
	SAME(*h5->native_int64, H5T_NATIVE_INT64);
	SAME(*h5->dataset_access, H5P_DATASET_ACCESS);
}
END_TEST

/* Four sets of other types and shapes, and attributes, which libhdf5 itself reads. */
START_TEST(several_sets)
{
	static const struct {
		const char *name;
		kith_type type;
		int64_t n, dim;
	} sets[] = {{"train", KITH_F32, 70, 13}, {"test", KITH_U8, 5, 7}, {"neighbors", KITH_I32, 5, 3},
	    {"distances", KITH_F32, 5, 3}};
	enum { SETS = sizeof sets / sizeof *sets };
	void *x[SETS];
	kith_vecs_writer *writer;
	check_ok(kith_vecs_create(&writer, at("a.hdf5:train"), KITH_F32, sets[0].dim));
	check_ok(kith_vecs_set_attribute(writer, "distance", "euclidean"));
	for (int i = 0; i < SETS; i++) {
		x[i] = make_values(sets[i].type, sets[i].n * sets[i].dim);
		if (i > 0)
			check_ok(kith_vecs_add_set(writer, sets[i].name, sets[i].type, sets[i].dim));
		/* In two steps, as rows come. */
		const size_t row = (size_t)sets[i].dim * kith_type_size(sets[i].type);
		check_ok(kith_vecs_append(writer, 2, x[i]));
		check_ok(kith_vecs_append(writer, sets[i].n - 2, (char *)x[i] + 2 * row));
	}
	check_ok(kith_vecs_set_attribute(writer, "point_type", "float"));
	check_ok(kith_vecs_finish(writer));
	for (int i = 0; i < SETS; i++) {
		char path[400];
		snprintf(path, sizeof path, "%s:%s", at("a.hdf5"), sets[i].name);
		check_content(path, "hdf5", sets[i].type, sets[i].n, sets[i].dim, false);
		free(x[i]);
	}
	hid_t file = H5Fopen(at("a.hdf5"), H5F_ACC_RDONLY, H5P_DEFAULT);
	ck_assert_int_ge(file, 0);
	static const char *const texts[][2] = {{"distance", "euclidean"}, {"point_type", "float"}};
	for (int i = 0; i < 2; i++) {
		char *text = NULL;
		hid_t attribute = H5Aopen(file, texts[i][0], H5P_DEFAULT), type = H5Aget_type(attribute);
		ck_assert_int_gt(H5Tis_variable_str(type), 0);
		ck_assert_int_ge(H5Aread(attribute, type, &text), 0);
		ck_assert_str_eq(text, texts[i][1]);
		H5free_memory(text);
		H5Tclose(type);
		H5Aclose(attribute);
	}
	H5Fclose(file);
}
END_TEST

/* As many sets and attributes as there can be, of the longest names; an attribute without a second set. */
START_TEST(many_sets)
{
	kith_vecs_writer *writer;
	const float x[3] = {1, 2, 3};
	char name[201], path[700];
	check_ok(kith_vecs_create(&writer, at("m.hdf5:0"), KITH_F32, 3));
	for (int i = 0; i < 16; i++) {
		memset(name, 'a' + i, sizeof name);
		name[200] = 0;
		if (i > 0)
			check_ok(kith_vecs_add_set(writer, name, KITH_F32, 3));
		check_ok(kith_vecs_append(writer, 1, x));
		if (i < 8)
			check_ok(kith_vecs_set_attribute(writer, name, name));
	}
	check_fails(kith_vecs_add_set(writer, "more", KITH_F32, 3), KITH_UNSUPPORTED, "16");
	check_fails(kith_vecs_set_attribute(writer, "more", "x"), KITH_INVALID, "more");
	check_ok(kith_vecs_finish(writer));
	snprintf(path, sizeof path, "%s:%s", at("m.hdf5"), name);
	kith_vecs *vecs;
	check_ok(kith_vecs_open(&vecs, path));
	kith_vecs_close(vecs);
	check_ok(kith_vecs_create(&writer, at("one.hdf5"), KITH_F32, 3));
	check_ok(kith_vecs_set_attribute(writer, "distance", "angular"));
	check_ok(kith_vecs_append(writer, 1, x));
	check_ok(kith_vecs_finish(writer));
	check_ok(kith_vecs_open(&vecs, at("one.hdf5")));
	kith_vecs_close(vecs);
}
END_TEST

START_TEST(bad_added_sets)
{
	kith_vecs_writer *writer;
	const float x[3] = {1, 2, 3};
	char longest[300];
	memset(longest, 'x', sizeof longest);
	longest[299] = 0;
	check_ok(kith_vecs_create(&writer, at("b.hdf5:train"), KITH_F32, 3));
	check_fails(kith_vecs_add_set(NULL, "test", KITH_F32, 3), KITH_INVALID, "writer");
	check_fails(kith_vecs_add_set(writer, NULL, KITH_F32, 3), KITH_INVALID, "set is NULL");
	check_fails(kith_vecs_add_set(writer, "test", KITH_F32, 3), KITH_INVALID, "nothing was appended");
	check_ok(kith_vecs_append(writer, 1, x));
	check_fails(kith_vecs_add_set(writer, "train", KITH_F32, 3), KITH_INVALID, "already");
	check_fails(kith_vecs_add_set(writer, "a/b", KITH_F32, 3), KITH_UNSUPPORTED, "a/b");
	check_fails(kith_vecs_add_set(writer, "", KITH_F32, 3), KITH_UNSUPPORTED, "1 to 200");
	check_fails(kith_vecs_add_set(writer, longest, KITH_F32, 3), KITH_UNSUPPORTED, "200");
	check_fails(kith_vecs_add_set(writer, "test", KITH_F32, 0), KITH_INVALID, "dim 0");
	check_fails(kith_vecs_add_set(writer, "test", (kith_type)9, 3), KITH_INVALID, "type is 9");
	check_fails(kith_vecs_set_attribute(writer, NULL, "x"), KITH_INVALID, "name");
	check_fails(kith_vecs_set_attribute(writer, longest, "x"), KITH_INVALID, "200");
	check_fails(kith_vecs_set_attribute(writer, "x", longest), KITH_INVALID, "200");
	check_ok(kith_vecs_add_set(writer, "test", KITH_F32, 3));
	check_fails(kith_vecs_finish(writer), KITH_INVALID, "0 vectors");
	ck_assert_int_ne(access(at("b.hdf5"), F_OK), 0);
	check_ok(kith_vecs_create(&writer, at("b.fvecs"), KITH_F32, 3));
	check_fails(kith_vecs_add_set(writer, "test", KITH_F32, 3), KITH_UNSUPPORTED, "HDF5");
	check_fails(kith_vecs_set_attribute(writer, "a", "b"), KITH_UNSUPPORTED, "HDF5");
	kith_vecs_abandon(writer);
}
END_TEST

START_TEST(round_trip)
{
	static const int64_t sizes[][2] = {{1, 1}, {1, 128}, {7, 13}, {5000, 131}, {3, KITH_MAX_DIM}};
	const kith_type type = (kith_type)_i;
	for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
		const int64_t n = sizes[s][0], dim = sizes[s][1];
		void *x = make_values(type, n * dim);
		check_ok(kith_vecs_write(at("a.hdf5"), type, n, dim, x));
		check_content(at("a.hdf5"), "hdf5", type, n, dim, false);
		check_content(at("a.hdf5:train"), "hdf5", type, n, dim, false);
		ck_assert_int_eq(unlink(at("a.hdf5")), 0);
		check_ok(kith_vecs_write(at("B.H5:test"), type, n, dim, x));
		check_content(at("B.H5:test"), "h5", type, n, dim, false);
		ck_assert_int_eq(unlink(at("B.H5")), 0);
		free(x);
	}
}
END_TEST

START_TEST(append_in_pieces)
{
	enum { N = 40000, DIM = 17 };
	float *x = make_values(KITH_F32, (int64_t)N * DIM);
	kith_vecs_writer *writer;
	check_ok(kith_vecs_create(&writer, at("a.hdf5:test"), KITH_F32, DIM));
	for (int64_t i = 0, m = 1; i < N; i += m, m = m * 3) {
		m = m < N - i ? m : N - i;
		check_ok(kith_vecs_append(writer, m, x + i * DIM));
	}
	ck_assert(!exists(at("a.hdf5")));
	check_ok(kith_vecs_finish(writer));
	check_content(at("a.hdf5:test"), "hdf5", KITH_F32, N, DIM, false);
	ck_assert_int_eq(count_files(), 1);
	free(x);
}
END_TEST

/* A set of its own file, as other programs write it. chunk[0] = 0: contiguous. x = NULL: nothing is written.
 */
static const char *put_set(const char *name, int rank, const hsize_t *extent, const hsize_t *chunk,
    hid_t type, hid_t memory, const void *x)
{
	const char *path = at(name);
	hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
	hid_t space = H5Screate_simple(rank, extent, NULL), plist = H5Pcreate(H5P_DATASET_CREATE);
	if (chunk[0]) {
		H5Pset_chunk(plist, rank, chunk);
		H5Pset_deflate(plist, 3);
	}
	hid_t set = H5Dcreate2(file, "train", type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
	ck_assert_int_ge(set, 0);
	if (x)
		ck_assert_int_ge(H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, x), 0);
	H5Dclose(set);
	H5Pclose(plist);
	H5Sclose(space);
	ck_assert_int_ge(H5Fclose(file), 0);
	return path;
}

START_TEST(foreign_types)
{
	enum { N = 300, DIM = 7 };
	const struct {
		hid_t type;
		kith_type read_as;
	} types[] = {{H5T_IEEE_F64LE, KITH_F32}, {H5T_IEEE_F32BE, KITH_F32}, {H5T_STD_I64LE, KITH_I64},
	    {H5T_STD_U64BE, KITH_I64}, {H5T_STD_U32LE, KITH_I64}, {H5T_STD_I32BE, KITH_I32},
	    {H5T_STD_I16LE, KITH_I32}, {H5T_STD_U8LE, KITH_U8}, {H5T_STD_I8LE, KITH_I8}};
	const hsize_t extent[2] = {N, DIM}, chunks[2][2] = {{0, 0}, {64, 3}};
	float *x = make_values(KITH_F32, N * DIM);
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		for (int c = 0; c < 2; c++) {
			put_set("a.hdf5", 2, extent, chunks[c], types[i].type, H5T_NATIVE_FLOAT, x);
			check_content(at("a.hdf5"), "hdf5", types[i].read_as, N, DIM, false);
		}
	put_set("a.hdf5", 1, extent, chunks[0], H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, x);
	check_content(at("a.hdf5"), "hdf5", KITH_F32, N, 1, false);
	free(x);
}
END_TEST

START_TEST(values_that_do_not_fit)
{
	const hsize_t extent[2] = {2, 2}, chunk[2] = {0, 0};
	const uint64_t x[4] = {0, 1, UINT64_MAX, 3};
	int32_t out[4];
	kith_vecs *vecs = open_ok(put_set("a.hdf5", 2, extent, chunk, H5T_STD_U64LE, H5T_NATIVE_UINT64, x));
	check_fails(kith_vecs_read(vecs, 0, 2, KITH_I32, out), KITH_FORMAT, "vector 1, element 0");
	kith_vecs_close(vecs);
}
END_TEST

START_TEST(bad_sets)
{
	const hsize_t contiguous[4] = {0}, chunk[4] = {1000, 8, 1, 1}, small[4] = {4, 4, 4, 4};
	const hsize_t huge[2] = {(hsize_t)1 << 40, 8}, wide[2] = {1, 32769}, empty[2] = {0, 8};
	const char x[64] = "x";
	check_open_fails(
	    put_set("a.h5", 2, huge, chunk, H5T_IEEE_F32LE, 0, NULL), KITH_FORMAT, "not all in this file");
	check_open_fails(put_set("a.h5", 2, huge, contiguous, H5T_IEEE_F32LE, 0, NULL), KITH_FORMAT,
	    "not all in this file");
	check_open_fails(
	    put_set("a.h5", 2, wide, contiguous, H5T_IEEE_F32LE, 0, NULL), KITH_FORMAT, "dimension 32769");
	check_open_fails(
	    put_set("a.h5", 2, empty, contiguous, H5T_IEEE_F32LE, 0, NULL), KITH_FORMAT, "empty");
	check_open_fails(
	    put_set("a.h5", 3, small, contiguous, H5T_IEEE_F32LE, 0, NULL), KITH_UNSUPPORTED, "3-D");
	check_open_fails(
	    put_set("a.h5", 0, small, contiguous, H5T_IEEE_F32LE, 0, NULL), KITH_UNSUPPORTED, "0-D");
	check_open_fails(
	    put_set("a.h5", 1, small, contiguous, H5T_C_S1, H5T_C_S1, x), KITH_UNSUPPORTED, "neither floats");
}
END_TEST

START_TEST(bad_names)
{
	const float x[2] = {1, 2};
	check_ok(kith_vecs_write(at("a.hdf5:neighbors"), KITH_F32, 1, 2, x));
	check_open_fails(at("a.hdf5"), KITH_NOTFOUND, "has no set 'train'; it has: neighbors");
	check_open_fails(at("a.hdf5:no/where"), KITH_NOTFOUND, "'no/where'");
	check_open_fails(at("a.hdf5:"), KITH_INVALID, "after the colon");
	check_open_fails(at("none.hdf5:train"), KITH_NOTFOUND, "no such file");
	check_open_fails(put_file("b.hdf5", "nothing", 7), KITH_FORMAT, "no HDF5");
	check_open_fails(put_file("b.hdf5", "", 0), KITH_FORMAT, "is empty");
	check_fails(kith_vecs_write(at("a.hdf5:train"), KITH_F32, 1, 2, x), KITH_INVALID, "exists");
	check_fails(kith_vecs_write(at("no/such/a.hdf5"), KITH_F32, 1, 2, x), KITH_IO, "no/such");
	ck_assert_int_eq(symlink("/dev/null", at("null.h5")), 0);
	check_fails(kith_vecs_write(at("null.h5"), KITH_F32, 1, 2, x), KITH_INVALID, "exists");
	check_fails(kith_vecs_write(at("c.h5:train"), KITH_F32, 0, 2, x), KITH_INVALID, "0 vectors");
	check_fails(
	    kith_vecs_write(at("c.h5:group/train"), KITH_F32, 1, 2, x), KITH_UNSUPPORTED, "group/train");
	check_fails(kith_vecs_write(at("c.h5:."), KITH_F32, 1, 2, x), KITH_UNSUPPORTED, "'.'");
	char longest[300];
	memset(longest, 'x', sizeof longest);
	memcpy(longest, "d.h5:", 5);
	longest[5 + 201] = 0;
	check_fails(kith_vecs_write(at(longest), KITH_F32, 1, 2, x), KITH_UNSUPPORTED, "200 bytes");
	longest[5 + 200] = 0;
	check_ok(kith_vecs_write(at(longest), KITH_F32, 1, 2, (float[]){0, 37}));
	check_content(at(longest), "h5", KITH_F32, 1, 2, false);
	ck_assert_int_eq(count_files(), 4);
}
END_TEST

START_TEST(cut_off)
{
	enum { N = 3000, DIM = 8 };
	float *x = make_values(KITH_F32, N * DIM);
	const hsize_t extent[2] = {N, DIM}, chunk[2] = {0, 0};
	put_set("a.h5", 2, extent, chunk, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, x);
	ck_assert_int_eq(truncate(at("a.h5"), 50000), 0);
	kith_vecs *vecs;
	ck_assert_int_ne(kith_vecs_open(&vecs, at("a.h5")), KITH_OK);
	free(x);
}
END_TEST

/* Compressed chunks full of nonsense. */
START_TEST(damaged)
{
	enum { N = 3000, DIM = 8 };
	float *x = make_values(KITH_F32, N * DIM);
	const hsize_t extent[2] = {N, DIM}, chunk[2] = {100, 8};
	put_set("a.h5", 2, extent, chunk, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, x);
	int fd = open(at("a.h5"), O_RDWR);
	char nonsense[64];
	memset(nonsense, 0x5a, sizeof nonsense);
	for (off_t at_byte = 4096; at_byte < lseek(fd, 0, SEEK_END); at_byte += 128)
		ck_assert_int_eq(pwrite(fd, nonsense, sizeof nonsense, at_byte), sizeof nonsense);
	close(fd);
	kith_vecs *vecs;
	kith_status status = kith_vecs_open(&vecs, at("a.h5"));
	if (!status)
		status = kith_vecs_read(vecs, 0, N, KITH_F32, x);
	ck_assert_int_ne(status, KITH_OK);
	kith_vecs_close(vecs);
	free(x);
}
END_TEST

START_TEST(file_too_big)
{
	enum { N = 100000 };
	float *x = make_values(KITH_F32, N * 4);
	const struct rlimit small = {65536, 65536};
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	check_fails(kith_vecs_write(at("a.h5"), KITH_F32, N, 4, x), KITH_IO, "File too large");
	ck_assert_int_eq(count_files(), 0);
	free(x);
}
END_TEST

START_TEST(abandon_leaves_nothing)
{
	const float x[3] = {1, 2, 3};
	kith_vecs_writer *writer;
	check_ok(kith_vecs_create(&writer, at("a.h5"), KITH_F32, 3));
	check_ok(kith_vecs_append(writer, 1, x));
	kith_vecs_abandon(writer);
	ck_assert_int_eq(count_files(), 0);
}
END_TEST

/* The host program's error printing is as it was. */
START_TEST(errors_stay_the_hosts)
{
	H5E_auto2_t before, after;
	void *data;
	H5Eget_auto2(H5E_DEFAULT, &before, &data);
	check_open_fails(put_file("b.hdf5", "nothing", 7), KITH_FORMAT, "no HDF5");
	H5Eget_auto2(H5E_DEFAULT, &after, &data);
	ck_assert(before == after && before);
}
END_TEST

START_TEST(allocation_failures)
{
	static float x[700 * 40];
	static uint8_t u[700 * 40];
	kith_status status = KITH_NOMEM;
	for (int64_t i = 1; status == KITH_NOMEM; i++) {
		kith_vecs *vecs = NULL;
		unlink(at("a.h5"));
		alloc_fail_at(i, _i);
		status = kith_vecs_write(at("a.h5"), KITH_F32, 700, 40, x);
		if (!status)
			status = kith_vecs_open(&vecs, at("a.h5"));
		if (!status)
			status = kith_vecs_read(vecs, 0, 700, KITH_U8, u);
		kith_vecs_close(vecs);
		alloc_fail_at(0, false);
		ck_assert(status == KITH_OK || status == KITH_NOMEM);
		ck_assert_int_eq(alloc_live(), 0);
		ck_assert_int_eq(count_files(), exists(at("a.h5")));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vecs_hdf5");
	TCase *tc = tcase_create("vecs_hdf5");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, declarations);
	tcase_add_loop_test(tc, round_trip, KITH_F32, KITH_I64 + 1);
	tcase_add_test(tc, several_sets);
	tcase_add_test(tc, many_sets);
	tcase_add_test(tc, bad_added_sets);
	tcase_add_test(tc, append_in_pieces);
	tcase_add_test(tc, foreign_types);
	tcase_add_test(tc, values_that_do_not_fit);
	tcase_add_test(tc, bad_sets);
	tcase_add_test(tc, bad_names);
	tcase_add_test(tc, cut_off);
	tcase_add_test(tc, damaged);
	tcase_add_test(tc, file_too_big);
	tcase_add_test(tc, abandon_leaves_nothing);
	tcase_add_test(tc, errors_stay_the_hosts);
	tcase_add_loop_test(tc, allocation_failures, 0, 2);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
