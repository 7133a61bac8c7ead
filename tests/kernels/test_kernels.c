/* Every kernel on every instruction set, against the specification; and the dispatcher.
 *
 * Lengths cover all tails, inputs and outputs end at unmapped pages, and addresses and strides are odd as
 * well as even. Integers must be equal, floats within the bound that kernels.h states, computed in double.
 */
#include "tests/kernels/test_kernels.h"

#include <stdlib.h>
#include <string.h>

const char *const isa_names[] = {"ref", "avx2", "avx512", "amx", "neon"};
const int lengths[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
    24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49,
    50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 127, 128, 129, 255, 256, 257, 768,
    960, 1536};
const int row_counts[] = {0, 1, 2, 3, 5, 17, 64, 65};
_Static_assert(sizeof lengths / sizeof *lengths == LENGTH_COUNT, "lengths");
_Static_assert(sizeof row_counts / sizeof *row_counts == ROW_COUNT_COUNT, "row_counts");
_Static_assert(sizeof isa_names / sizeof *isa_names == ISA_COUNT, "isa_names");

const char *kernel_name;
struct kernels ref_kernels;

uint64_t random_bits(void)
{
	static uint64_t state = 1;
	uint64_t z = state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

float random_float(void)
{
	uint64_t u = random_bits();
	float x = (float)(int32_t)(u >> 32) * 0x1p-31f;
	return u & 7 ? x : x * 0x1p-10f;
}

void random_bytes(void *out, size_t bytes)
{
	unsigned char *p = out;
	for (size_t i = 0; i < bytes; i++)
		p[i] = (unsigned char)random_bits();
}

const uint32_t *put_positions(int n)
{
	uint32_t pos[MAX_ROWS];
	for (int i = 0; i < n; i++)
		pos[i] = (uint32_t)((i * 37 + n / 2) % n);
	return guard_put(POS, pos, (size_t)n * sizeof *pos, 0);
}

/* ---- kernels ---- */

#define KERNEL(name, type, test, ...)                                                                        \
	static void try_##name(void)                                                                         \
	{                                                                                                    \
		type *kernel = kernels()->name;                                                              \
		TEST_##test;                                                                                 \
	}
#include "kernels/kernels.def"

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
#define KERNEL(name, ...) {#name, try_##name},
#include "kernels/kernels.def"
};
enum { KERNELS = sizeof tests / sizeof *tests };

/* One kernel of one instruction set. */
START_TEST(test_kernel)
{
	kernel_name = tests[_i / ISA_COUNT].name;
	guard_open();
	ck_assert_int_eq(kernels_force("ref"), 0);
	ref_kernels = *kernels();
	ck_assert_int_eq(kernels_force(isa_names[_i % ISA_COUNT]), 0);
	tests[_i / ISA_COUNT].run();
}
END_TEST

/* A case for each kernel, called like it, with a test for each instruction set that runs here. */
static Suite *kernels_suite(void)
{
	Suite *suite = suite_create("kernels");
	for (int i = 0; i < KERNELS; i++) {
		TCase *t = tcase_create(tests[i].name);
		tcase_set_timeout(t, 300);
		for (int isa = 0; isa < ISA_COUNT; isa++)
			if (strstr(kernels_available(), isa_names[isa]))
				tcase_add_loop_test(
				    t, test_kernel, i * ISA_COUNT + isa, i * ISA_COUNT + isa + 1);
		suite_add_tcase(suite, t);
	}
	suite_add_tcase(suite, sq_lane_tests());
	return suite;
}

/* ---- the dispatcher ---- */

START_TEST(test_force)
{
	ck_assert_str_eq(kernels()->isa, kernels()->isa);
	const struct kernels *automatic = kernels();
	ck_assert_int_eq(kernels_force("mmx"), -1);
	ck_assert_int_eq(kernels_force(""), -1);
	ck_assert_ptr_eq(kernels(), automatic);
	int count = 0;
	for (int i = 0; i < ISA_COUNT; i++) {
		int here = strstr(kernels_available(), isa_names[i]) != NULL;
		const struct kernels *before = kernels();
		ck_assert_int_eq(kernels_force(isa_names[i]), here ? 0 : -2);
		if (here)
			ck_assert_str_eq(kernels()->isa, isa_names[i]);
		else
			ck_assert_ptr_eq(kernels(), before);
		count += here;
	}
	ck_assert_int_ge(count, 1);
	ck_assert_ptr_eq(strstr(kernels_available(), "ref"), kernels_available());
	ck_assert_int_eq(kernels_force(NULL), 0);
	ck_assert_ptr_eq(kernels(), automatic);
}
END_TEST

/* Each of these runs in a process of its own, in which the table is not yet chosen. */
START_TEST(test_environment)
{
	setenv("KITH_ISA", "ref", 1);
	ck_assert_str_eq(kernels()->isa, "ref");
	ck_assert_ptr_null(kernels_env_problem());
	kernels_force(NULL);
	ck_assert_str_eq(kernels()->isa, "ref");
}
END_TEST

START_TEST(test_environment_unusable)
{
	static const char *const values[] = {"mmx", "avx2 ", "REF", "", "avx2", "neon"};
	setenv("KITH_ISA", values[_i], 1);
	const char *fastest = strrchr(kernels_available(), ' ');
	fastest = fastest ? fastest + 1 : kernels_available();
	if (_i < 3)
		ck_assert_ptr_nonnull(kernels_env_problem());
	else if (!*values[_i] || strstr(kernels_available(), values[_i]))
		ck_assert_ptr_null(kernels_env_problem());
	else
		ck_assert_ptr_nonnull(kernels_env_problem());
	if (kernels_env_problem() || !*values[_i])
		ck_assert_str_eq(kernels()->isa, fastest);
	else
		ck_assert_str_eq(kernels()->isa, values[_i]);
}
END_TEST

static Suite *dispatch_suite(void)
{
	Suite *suite = suite_create("dispatch");
	TCase *t = tcase_create("dispatch");
	tcase_add_test(t, test_force);
	const char *fork = getenv("CK_FORK");
	if (!fork || strcmp(fork, "no")) {
		tcase_add_test(t, test_environment);
		tcase_add_loop_test(t, test_environment_unusable, 0, 6);
	}
	suite_add_tcase(suite, t);
	return suite;
}

static int run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed;
}

/* The dispatcher first: its tests want a process that never asked which instruction sets there are. */
int main(void)
{
	int failed = run_suite(dispatch_suite());
	failed += run_suite(kernels_suite());
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
