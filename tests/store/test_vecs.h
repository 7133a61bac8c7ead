/* What the suites on vector files share: a scratch directory per test, files made of bytes, made-up
 * vectors, and checks that name what went wrong. Included once per suite. */
#ifndef TEST_VECS_H
#define TEST_VECS_H

#include <check.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kith/vecs.h>

#include "lib/base/alloc.h"
#include "tests/support/scratch.h"

static char scratch_dir[SCRATCH_FOLDER];

static inline void setup(void)
{
	scratch_make(scratch_dir);
}

/* Entries of the scratch directory. */
static inline int count_files(void)
{
	return scratch_count(scratch_dir);
}

/* Also checks that no allocation is left. */
static inline void teardown(void)
{
	scratch_remove(scratch_dir);
	ck_assert_int_eq(alloc_live(), 0);
}

/* Path of `name` in the scratch directory; good until the eighth call from now. */
static inline const char *at(const char *name)
{
	static char paths[8][600];
	static unsigned next;
	char *path = paths[next++ % 8];
	snprintf(path, sizeof paths[0], "%s/%s", scratch_dir, name);
	return path;
}

static inline const char *put_file(const char *name, const void *bytes, size_t n)
{
	const char *path = at(name);
	FILE *f = fopen(path, "wb");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
	ck_assert_int_eq(fclose(f), 0);
	return path;
}

static inline bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

/* The status, and a message that contains `text`. */
static inline void check_fails(kith_status got, kith_status want, const char *text)
{
	ck_assert_msg(got == want, "%s instead of %s: %s", kith_status_name(got), kith_status_name(want),
	    got ? kith_last_error() : "");
	ck_assert_msg(
	    strstr(kith_last_error(), text) != NULL, "\"%s\" does not say \"%s\"", kith_last_error(), text);
	ck_assert_ptr_null(strchr(kith_last_error(), '\n'));
}

static inline void check_ok(kith_status got)
{
	ck_assert_msg(got == KITH_OK, "%s: %s", kith_status_name(got), kith_last_error());
}

static inline void check_open_fails(const char *path, kith_status want, const char *text)
{
	kith_vecs *vecs = (kith_vecs *)scratch_dir;
	check_fails(kith_vecs_open(&vecs, path), want, text);
	ck_assert_ptr_null(vecs);
}

static inline kith_vecs *open_ok(const char *path)
{
	kith_vecs *vecs;
	check_ok(kith_vecs_open(&vecs, path));
	return vecs;
}

static inline size_t element_size(kith_type type)
{
	return type == KITH_I64 ? 8 : type == KITH_F32 || type == KITH_I32 ? 4 : 1;
}

/* Element i of some vectors, the same for every type: 0 … 99. */
static inline int value_at(int64_t i)
{
	return (int)((i * 37 + i / 7) % 100);
}

/* n elements of `type`; to be freed. */
static inline void *make_values(kith_type type, int64_t n)
{
	char *x = malloc((size_t)(n ? n : 1) * element_size(type));
	ck_assert_ptr_nonnull(x);
	for (int64_t i = 0; i < n; i++) {
		const int v = value_at(i);
		const float f = (float)v;
		const int64_t wide = v;
		if (type == KITH_F32)
			memcpy(x + 4 * i, &f, 4);
		else if (type == KITH_I32)
			memcpy(x + 4 * i, &v, 4);
		else if (type == KITH_I64)
			memcpy(x + 8 * i, &wide, 8);
		else
			x[i] = (char)v;
	}
	return x;
}

/* The file holds value_at, read as every type, in one piece and in uneven ones, and from the map. */
static inline void check_content(
    const char *path, const char *format, kith_type type, int64_t n, int64_t dim, bool maps)
{
	kith_vecs *vecs = open_ok(path);
	kith_vecs_info info = {.size = sizeof info};
	check_ok(kith_vecs_info_get(vecs, &info));
	ck_assert_str_eq(info.format, format);
	ck_assert_int_eq(info.type, type);
	ck_assert_int_eq(info.n, n);
	ck_assert_int_eq(info.dim, dim);
	for (int t = KITH_F32; t <= KITH_I64; t++) {
		const size_t row = (size_t)dim * element_size((kith_type)t);
		void *want = make_values((kith_type)t, n * dim);
		char *got = malloc((size_t)n * row);
		check_ok(kith_vecs_read(vecs, 0, n, (kith_type)t, got));
		ck_assert_mem_eq(got, want, (size_t)n * row);
		memset(got, 0xee, (size_t)n * row);
		for (int64_t i = 0, m = 1; i < n; i += m, m = m * 2 + 1) {
			m = m < n - i ? m : n - i;
			check_ok(kith_vecs_read(vecs, i, m, (kith_type)t, got + (size_t)i * row));
		}
		ck_assert_mem_eq(got, want, (size_t)n * row);
		free(got);
		free(want);
	}
	const void *rows;
	size_t stride;
	if (maps) {
		const size_t row = (size_t)dim * element_size(type);
		char *want = make_values(type, n * dim);
		check_ok(kith_vecs_map(vecs, 0, n, &rows, &stride));
		bool same = true; /* each assertion of Check is a system call */
		for (int64_t i = 0; i < n; i++)
			same = same &&
			       !memcmp((const char *)rows + (size_t)i * stride, want + (size_t)i * row, row);
		ck_assert(same);
		kith_vecs_drop(vecs);
		check_ok(kith_vecs_map(vecs, n - 1, 1, &rows, &stride));
		ck_assert_mem_eq(rows, want + (size_t)(n - 1) * row, row);
		free(want);
	} else {
		check_fails(kith_vecs_map(vecs, 0, n, &rows, &stride), KITH_UNSUPPORTED, "kith_vecs_read");
		ck_assert_ptr_null(rows);
	}
	kith_vecs_close(vecs);
}

static inline int run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
