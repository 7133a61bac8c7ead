/* Vector files: what is written is read, in every format, type and size; conversions; arguments. */
#include "tests/store/test_vecs.h"

#include <math.h>

static const struct {
	const char *name, *format;
	kith_type type;
} plain[] = {
    {"a.fvecs", "fvecs", KITH_F32},
    {"a.bvecs", "bvecs", KITH_U8},
    {"a.ivecs", "ivecs", KITH_I32},
    {"a.fbin", "fbin", KITH_F32},
    {"a.u8bin", "u8bin", KITH_U8},
    {"a.i8bin", "i8bin", KITH_I8},
    {"a.ibin", "ibin", KITH_I32},
    {"f.npy", "npy", KITH_F32},
    {"u.npy", "npy", KITH_U8},
    {"i.npy", "npy", KITH_I8},
    {"w.npy", "npy", KITH_I32},
    {"l.npy", "npy", KITH_I64},
    {"A.FVECS", "fvecs", KITH_F32},
};

START_TEST(round_trip)
{
	static const int64_t sizes[][2] = {
	    {1, 1}, {1, 128}, {2, 3}, {7, 13}, {1000, 1}, {513, 97}, {5000, 131}, {3, KITH_MAX_DIM}};
	for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
		const int64_t n = sizes[s][0], dim = sizes[s][1];
		void *x = make_values(plain[_i].type, n * dim);
		const char *path = at(plain[_i].name);
		check_ok(kith_vecs_write(path, plain[_i].type, n, dim, x));
		check_content(path, plain[_i].format, plain[_i].type, n, dim, true);
		ck_assert_int_eq(count_files(), 1);
		free(x);
	}
}
END_TEST

START_TEST(append_in_pieces)
{
	enum { N = 40000, DIM = 17 };
	const kith_type type = plain[_i].type;
	const size_t row = DIM * element_size(type);
	char *x = make_values(type, (int64_t)N * DIM);
	kith_vecs_writer *writer;
	check_ok(kith_vecs_create(&writer, at(plain[_i].name), type, DIM));
	check_ok(kith_vecs_append(writer, 0, NULL));
	for (int64_t i = 0, m = 1; i < N; i += m, m = m * 3) {
		m = m < N - i ? m : N - i;
		check_ok(kith_vecs_append(writer, m, x + (size_t)i * row));
	}
	ck_assert(!exists(at(plain[_i].name)));
	check_ok(kith_vecs_finish(writer));
	check_content(at(plain[_i].name), plain[_i].format, type, N, DIM, true);
	free(x);
}
END_TEST

/* A byte for byte look at what other programs will read. */
START_TEST(known_bytes)
{
	static const uint8_t x[] = {1, 2, 3, 4, 5, 6};
	static const uint8_t bvecs[] = {3, 0, 0, 0, 1, 2, 3, 3, 0, 0, 0, 4, 5, 6};
	static const uint8_t u8bin[] = {2, 0, 0, 0, 3, 0, 0, 0, 1, 2, 3, 4, 5, 6};
	uint8_t got[256];
	check_ok(kith_vecs_write(at("a.bvecs"), KITH_U8, 2, 3, x));
	check_ok(kith_vecs_write(at("a.u8bin"), KITH_U8, 2, 3, x));
	check_ok(kith_vecs_write(at("a.npy"), KITH_U8, 2, 3, x));
	FILE *f = fopen(at("a.bvecs"), "rb");
	ck_assert_uint_eq(fread(got, 1, sizeof got, f), sizeof bvecs);
	ck_assert_mem_eq(got, bvecs, sizeof bvecs);
	fclose(f);
	f = fopen(at("a.u8bin"), "rb");
	ck_assert_uint_eq(fread(got, 1, sizeof got, f), sizeof u8bin);
	ck_assert_mem_eq(got, u8bin, sizeof u8bin);
	fclose(f);
	f = fopen(at("a.npy"), "rb");
	ck_assert_uint_eq(fread(got, 1, sizeof got, f), 128 + 6);
	ck_assert_mem_eq(
	    got, "\x93NUMPY\1\0\x76\0{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }  ", 70);
	ck_assert_int_eq(got[127], '\n');
	ck_assert_mem_eq(got + 128, x, 6);
	fclose(f);
}
END_TEST

/* An npy file of version 1 from a header text and elements. */
static const char *put_npy(const char *name, int version, const char *header, const void *x, size_t bytes)
{
	uint8_t file[4096];
	const size_t length = strlen(header), begin = version == 1 ? 10 : 12;
	ck_assert_uint_le(begin + length + bytes, sizeof file);
	memcpy(file, "\x93NUMPY", 6);
	file[6] = (uint8_t)version;
	file[7] = 0;
	file[8] = (uint8_t)length;
	file[9] = (uint8_t)(length >> 8);
	if (version > 1)
		file[10] = file[11] = 0;
	memcpy(file + begin, header, length);
	memcpy(file + begin + length, x, bytes);
	return put_file(name, file, begin + length + bytes);
}

START_TEST(npy_variants)
{
	enum { N = 5, DIM = 3 };
	uint8_t big[N * DIM * 4], x[N * DIM];
	float *f = make_values(KITH_F32, N * DIM), columns[N * DIM];
	double wide[N * DIM];
	int64_t ids[N * DIM];
	for (int i = 0; i < N * DIM; i++) {
		for (int b = 0; b < 4; b++)
			big[4 * i + b] = ((uint8_t *)f)[4 * i + 3 - b];
		columns[(i % DIM) * N + i / DIM] = f[i];
		wide[i] = value_at(i);
		ids[i] = value_at(i);
		x[i] = (uint8_t)value_at(i);
	}
	check_content(
	    put_npy("a.npy", 1, "{'descr':'<f4','fortran_order':False,'shape':(5,3)}", f, sizeof big), "npy",
	    KITH_F32, N, DIM, true);
	check_content(
	    put_npy("a.npy", 2, "{\"shape\": (5L, 3L), 'descr': '|u1', 'fortran_order': False}\n", x, 15),
	    "npy", KITH_U8, N, DIM, true);
	check_content(
	    put_npy("a.npy", 3, "{'descr': '<f4', 'fortran_order': False, 'shape': (15,), }", f, sizeof big),
	    "npy", KITH_F32, N * DIM, 1, true);
	check_content(put_npy("a.npy", 1, "{'descr': '>f4', 'fortran_order': False, 'shape': (5, 3), }", big,
	                  sizeof big),
	    "npy", KITH_F32, N, DIM, false);
	check_content(put_npy("a.npy", 1, "{'descr': '<f4', 'fortran_order': True, 'shape': (5, 3), }",
	                  columns, sizeof big),
	    "npy", KITH_F32, N, DIM, false);
	check_content(put_npy("a.npy", 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (5, 3), }", wide,
	                  sizeof wide),
	    "npy", KITH_F32, N, DIM, false);
	check_content(put_npy("a.npy", 1, "{'descr': '<i8', 'fortran_order': False, 'shape': (5, 3), }", ids,
	                  sizeof ids),
	    "npy", KITH_I64, N, DIM, true);
	free(f);
}
END_TEST

/* Fortran order over more rows than a batch and a chunk hold. */
/* float16, normal and not, and uint32, which ids come in. */
START_TEST(npy_narrow)
{
	static const uint16_t half[] = {0x3c00, 0xc000, 0x7bff, 0x0001, 0x8000, 0x0400, 0x3555, 0x7c00};
	static const float want[] = {1, -2, 65504, 0x1p-24f, -0.0f, 0x1p-14f, 0x1.554p-2f, INFINITY};
	static const uint32_t ids[] = {7, INT32_MAX, 3, (uint32_t)INT32_MAX + 1};
	float x[8];
	int32_t id[2];
	int64_t wide[2];
	kith_vecs *vecs = open_ok(put_npy(
	    "a.npy", 1, "{'descr': '<f2', 'fortran_order': False, 'shape': (4, 2)}", half, sizeof half));
	check_ok(kith_vecs_read(vecs, 0, 4, KITH_F32, x));
	ck_assert_mem_eq(x, want, sizeof x);
	kith_vecs_close(vecs);
	vecs = open_ok(put_npy(
	    "a.npy", 1, "{'descr': '<u4', 'fortran_order': False, 'shape': (2, 2)}", ids, sizeof ids));
	check_ok(kith_vecs_read(vecs, 0, 1, KITH_I32, id));
	ck_assert_int_eq(id[0], 7);
	ck_assert_int_eq(id[1], INT32_MAX);
	check_fails(kith_vecs_read(vecs, 1, 1, KITH_I32, id), KITH_FORMAT, "element 1 is 2147483648, ");
	check_ok(kith_vecs_read(vecs, 1, 1, KITH_I64, wide));
	ck_assert_int_eq(wide[1], (int64_t)INT32_MAX + 1);
	kith_vecs_close(vecs);
}
END_TEST

/* Ids and distances in one file. */
START_TEST(ground_truth)
{
	static const int32_t file[] = {2, 3, 10, 11, 12, 20, 21, 22};
	static const float distances[] = {1, 2, 3, 4, 5, 6};
	static const char *const names[] = {"a.bin", "a.ibin"};
	uint8_t bytes[sizeof file + sizeof distances];
	memcpy(bytes, file, sizeof file);
	memcpy(bytes + sizeof file, distances, sizeof distances);
	for (int i = 0; i < 2; i++) {
		char named[700];
		int32_t ids[6];
		float dist[6];
		const char *path = put_file(names[i], bytes, sizeof bytes);
		for (int part = 0; part < 2; part++) {
			snprintf(named, sizeof named, "%s%s", path, part ? ":neighbors" : "");
			kith_vecs *vecs = open_ok(named);
			check_ok(kith_vecs_read(vecs, 0, 2, KITH_I32, ids));
			ck_assert(!memcmp(ids, file + 2, sizeof ids));
			kith_vecs_close(vecs);
		}
		snprintf(named, sizeof named, "%s:distances", path);
		kith_vecs *vecs = open_ok(named);
		check_ok(kith_vecs_read(vecs, 0, 2, KITH_F32, dist));
		ck_assert_mem_eq(dist, distances, sizeof dist);
		kith_vecs_info info = {.size = sizeof info};
		check_ok(kith_vecs_info_get(vecs, &info));
		ck_assert(info.type == KITH_F32 && info.n == 2 && info.dim == 3);
		kith_vecs_close(vecs);
	}
}
END_TEST

START_TEST(npy_fortran_long)
{
	enum { N = 9000, DIM = 70 };
	const char *header = "{'descr': '<i4', 'fortran_order': True, 'shape': (9000, 70), }";
	const char *path = put_npy("a.npy", 1, header, "", 0);
	FILE *f = fopen(path, "ab");
	for (int64_t j = 0; j < DIM; j++)
		for (int64_t i = 0; i < N; i++) {
			int v = value_at(i * DIM + j);
			fwrite(&v, sizeof v, 1, f);
		}
	ck_assert_int_eq(fclose(f), 0);
	check_content(path, "npy", KITH_I32, N, DIM, false);
}
END_TEST

static void check_misfit(const char *name, kith_type stored, const void *x, kith_type asked, const char *text)
{
	int32_t out[8];
	check_ok(kith_vecs_write(at(name), stored, 2, 2, x));
	kith_vecs *vecs = open_ok(at(name));
	check_fails(kith_vecs_read(vecs, 0, 2, asked, out), KITH_FORMAT, text);
	kith_vecs_close(vecs);
}

START_TEST(conversion_refused)
{
	const char *at_3 = "vector 1, element 0 is";
	check_misfit("a.fvecs", KITH_F32, (float[]){0, 1, 2.5f, 3}, KITH_U8,
	    "vector 1, element 0 is 2.5, which is no u8");
	check_misfit("a.fvecs", KITH_F32, (float[]){0, 255, 256, 3}, KITH_U8, at_3);
	check_misfit("a.fvecs", KITH_F32, (float[]){0, -0.0f, -1, 3}, KITH_U8, at_3);
	check_misfit("a.fvecs", KITH_F32, (float[]){-128, 127, 128, 3}, KITH_I8, at_3);
	check_misfit("a.fvecs", KITH_F32, (float[]){0, 1, NAN, 3}, KITH_I32, at_3);
	check_misfit("a.fvecs", KITH_F32, (float[]){0, 1, INFINITY, 3}, KITH_I32, at_3);
	check_misfit("a.fvecs", KITH_F32, (float[]){0, -0x1p31f, 0x1p31f, 3}, KITH_I32, at_3);
	check_misfit("a.ivecs", KITH_I32, (int32_t[]){0, 255, 256, 3}, KITH_U8, at_3);
	check_misfit("a.ivecs", KITH_I32, (int32_t[]){0, -128, INT32_MIN, 3}, KITH_I8, at_3);
	check_misfit("a.bvecs", KITH_U8, (uint8_t[]){0, 127, 128, 3}, KITH_I8, at_3);
	check_misfit("a.i8bin", KITH_I8, (int8_t[]){0, 127, -1, 3}, KITH_U8, at_3);
}
END_TEST

/* All of the 64 bits, which no double holds, there and back; from floats as far as those go. */
START_TEST(wide_integers)
{
	static const int64_t ids[] = {INT64_MIN, -1, ((int64_t)1 << 53) + 1, INT64_MAX};
	static const float x[] = {-0x1p63f, 0x1.fffffep62f, 0x1p63f, 0.5f};
	int64_t out[4];
	check_ok(kith_vecs_write(at("a.npy"), KITH_I64, 2, 2, ids));
	kith_vecs *vecs = open_ok(at("a.npy"));
	check_ok(kith_vecs_read(vecs, 0, 2, KITH_I64, out));
	ck_assert_mem_eq(out, ids, sizeof ids);
	check_fails(kith_vecs_read(vecs, 0, 1, KITH_I32, out), KITH_FORMAT,
	    "vector 0, element 0 is -9223372036854775808");
	kith_vecs_close(vecs);
	check_ok(kith_vecs_write(at("a.fvecs"), KITH_F32, 2, 2, x));
	vecs = open_ok(at("a.fvecs"));
	check_ok(kith_vecs_read(vecs, 0, 1, KITH_I64, out));
	ck_assert(out[0] == INT64_MIN && out[1] == 0x1.fffffep62);
	check_fails(kith_vecs_read(vecs, 1, 1, KITH_I64, out), KITH_FORMAT,
	    "vector 1, element 0 is 9.22337204e+18, which is no i64");
	kith_vecs_close(vecs);
}
END_TEST

START_TEST(wide_conversion_refused)
{
	const int64_t ids[] = {0, INT32_MAX, (int64_t)1 << 31, 3};
	const double x[] = {0, INFINITY, 1e300, 3};
	int32_t out[4];
	kith_vecs *vecs = open_ok(put_npy(
	    "a.npy", 1, "{'descr': '<i8', 'fortran_order': False, 'shape': (2, 2)}", ids, sizeof ids));
	check_fails(kith_vecs_read(vecs, 0, 2, KITH_I32, out), KITH_FORMAT, "vector 1, element 0");
	kith_vecs_close(vecs);
	vecs = open_ok(
	    put_npy("a.npy", 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2)}", x, sizeof x));
	check_fails(kith_vecs_read(vecs, 0, 2, KITH_F32, out), KITH_FORMAT, "vector 1, element 0 is 1e+300");
	check_ok(kith_vecs_read(vecs, 0, 1, KITH_F32, out));
	kith_vecs_close(vecs);
}
END_TEST

START_TEST(arguments)
{
	float x[6] = {0};
	kith_vecs *vecs;
	kith_vecs_writer *writer;
	const void *rows;
	size_t stride;
	check_fails(kith_vecs_open(NULL, "a.fvecs"), KITH_INVALID, "out");
	check_fails(kith_vecs_open(&vecs, NULL), KITH_INVALID, "path");
	check_fails(kith_vecs_create(NULL, "a.fvecs", KITH_F32, 3), KITH_INVALID, "out");
	check_fails(kith_vecs_create(&writer, NULL, KITH_F32, 3), KITH_INVALID, "path");
	check_fails(kith_vecs_create(&writer, at("a.npy"), (kith_type)5, 3), KITH_INVALID, "type is 5");
	check_fails(kith_vecs_create(&writer, at("a.npy"), (kith_type)-1, 3), KITH_INVALID, "type is -1");
	check_fails(kith_vecs_create(&writer, at("a.npy"), KITH_F32, 0), KITH_INVALID, "dim is 0");
	check_fails(
	    kith_vecs_create(&writer, at("a.npy"), KITH_F32, KITH_MAX_DIM + 1), KITH_INVALID, "32768");
	check_fails(kith_vecs_append(NULL, 1, x), KITH_INVALID, "writer");
	check_fails(kith_vecs_finish(NULL), KITH_INVALID, "writer");
	kith_vecs_abandon(NULL);
	kith_vecs_close(NULL);
	kith_vecs_drop(NULL);

	check_ok(kith_vecs_create(&writer, at("a.fvecs"), KITH_F32, 3));
	check_fails(kith_vecs_append(writer, -1, x), KITH_INVALID, "-1");
	check_fails(kith_vecs_append(writer, INT64_MAX, x), KITH_INVALID, "more vectors");
	check_fails(kith_vecs_append(writer, 1, NULL), KITH_INVALID, "x is NULL");
	check_ok(kith_vecs_append(writer, 2, x));
	check_ok(kith_vecs_finish(writer));

	vecs = open_ok(at("a.fvecs"));
	kith_vecs_drop(vecs);
	check_ok(kith_vecs_read(vecs, 2, 0, KITH_F32, NULL));
	check_fails(kith_vecs_read(vecs, 0, 3, KITH_F32, x), KITH_INVALID, "it has 2");
	check_fails(kith_vecs_read(vecs, 3, 0, KITH_F32, x), KITH_INVALID, "it has 2");
	check_fails(kith_vecs_read(vecs, -1, 1, KITH_F32, x), KITH_INVALID, "it has 2");
	check_fails(kith_vecs_read(vecs, 1, INT64_MAX, KITH_F32, x), KITH_INVALID, "it has 2");
	check_fails(kith_vecs_read(vecs, 0, -1, KITH_F32, x), KITH_INVALID, "it has 2");
	check_fails(kith_vecs_read(vecs, 0, 1, KITH_F32, NULL), KITH_INVALID, "out");
	check_fails(kith_vecs_read(vecs, 0, 1, (kith_type)9, x), KITH_INVALID, "type is 9");
	check_fails(kith_vecs_read(NULL, 0, 1, KITH_F32, x), KITH_INVALID, "vecs");
	check_fails(kith_vecs_map(vecs, 1, 2, &rows, &stride), KITH_INVALID, "it has 2");
	check_fails(kith_vecs_map(vecs, 0, 1, NULL, &stride), KITH_INVALID, "rows");
	check_ok(kith_vecs_map(vecs, 2, 0, &rows, &stride));
	kith_vecs_info info = {.size = 0};
	check_fails(kith_vecs_info_get(vecs, &info), KITH_INVALID, "size");
	check_fails(kith_vecs_info_get(vecs, NULL), KITH_INVALID, "info");
	check_fails(kith_vecs_info_get(NULL, &info), KITH_INVALID, "vecs");
	info = (kith_vecs_info){.size = offsetof(kith_vecs_info, n), .n = -7}; /* a caller built long ago */
	check_ok(kith_vecs_info_get(vecs, &info));
	ck_assert_str_eq(info.format, "fvecs");
	ck_assert_int_eq(info.n, -7);
	kith_vecs_close(vecs);
}
END_TEST

START_TEST(formats_are_listed)
{
	char list[256], *rest = list;
	snprintf(list, sizeof list, "%s", kith_vecs_formats());
	ck_assert_int_eq(strncmp(list, "fvecs bvecs ", 12), 0);
	for (const char *name; (name = strtok_r(rest, " ", &rest)) != NULL;) {
		char file[64];
		snprintf(file, sizeof file, "none.%s", name);
		check_open_fails(at(file), KITH_NOTFOUND, "no such file");
	}
}
END_TEST

#if defined(__linux__)
static long resident_file_kib(void)
{
	char line[256];
	long kib = 0;
	FILE *f = fopen("/proc/self/status", "r");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "RssFile: %ld", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib;
}

/* A file is streamed through its map in little memory. */
START_TEST(drop_gives_memory_back)
{
	enum { N = 60000, DIM = 200, BATCH = 5000 };
	uint8_t *x = make_values(KITH_U8, N * DIM);
	check_ok(kith_vecs_write(at("a.bvecs"), KITH_U8, N, DIM, x));
	free(x);
	kith_vecs *vecs = open_ok(at("a.bvecs"));
	const long before = resident_file_kib();
	long max = 0;
	for (int64_t first = 0; first < N; first += BATCH) {
		const void *rows;
		size_t stride;
		check_ok(kith_vecs_map(vecs, first, BATCH, &rows, &stride));
		const long now = resident_file_kib() - before;
		max = now > max ? now : max;
		kith_vecs_drop(vecs);
	}
	ck_assert_int_lt(max, 4096);
	kith_vecs_close(vecs);
}
END_TEST
#endif

/* Real files, where they are: KITH_DATA, or shared/data beside the source (its root by define or
 * environment). */
START_TEST(real_data)
{
#if defined(KITH_SOURCE_ROOT)
	const char *root = KITH_SOURCE_ROOT;
#else
	const char *root = getenv("KITH_SOURCE_ROOT");
#endif
	char path[1024];
	const char *data = getenv("KITH_DATA");
	if (!data && !root)
		return;
	snprintf(path, sizeof path, "%s%s/siftsmall/base.fvecs", data ? data : root,
	    data ? "" : "/../shared/data");
	if (!exists(path))
		return;
	kith_vecs *vecs = open_ok(path);
	kith_vecs_info info = {.size = sizeof info};
	check_ok(kith_vecs_info_get(vecs, &info));
	ck_assert_int_eq(info.n, 10000);
	ck_assert_int_eq(info.dim, 128);
	ck_assert_int_eq(info.bytes, 5160000);
	float *x = malloc(sizeof *x * 10000 * 128);
	uint8_t *u = malloc(10000 * 128);
	check_ok(kith_vecs_read(vecs, 0, 10000, KITH_F32, x));
	check_ok(kith_vecs_read(vecs, 0, 10000, KITH_U8, u));
	bool same = true;
	for (int i = 0; i < 10000 * 128; i++)
		same = same && x[i] == (float)u[i];
	ck_assert(same);
	free(u);
	free(x);
	kith_vecs_close(vecs);
}
END_TEST

int main(void)
{
	enum { PLAIN = sizeof plain / sizeof *plain };
	Suite *suite = suite_create("vecs");
	TCase *tc = tcase_create("vecs");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, round_trip, 0, PLAIN);
	tcase_add_loop_test(tc, append_in_pieces, 0, PLAIN);
	tcase_add_test(tc, known_bytes);
	tcase_add_test(tc, npy_variants);
	tcase_add_test(tc, npy_narrow);
	tcase_add_test(tc, ground_truth);
	tcase_add_test(tc, npy_fortran_long);
	tcase_add_test(tc, conversion_refused);
	tcase_add_test(tc, wide_integers);
	tcase_add_test(tc, wide_conversion_refused);
	tcase_add_test(tc, arguments);
	tcase_add_test(tc, formats_are_listed);
#if defined(__linux__)
	tcase_add_test(tc, drop_gives_memory_back);
#endif
	tcase_add_test(tc, real_data);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
