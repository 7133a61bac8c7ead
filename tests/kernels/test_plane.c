/* Split planes, widening, and the two searches in an array. */
#include "tests/kernels/test_kernels.h"

#include <math.h>
#include <string.h>

static const uint32_t specials[] = {0x00000000, 0x80000000, 0x00000001, 0x807fffff, 0x00800000, 0x00007fff,
    0x00008000, 0x0000ffff, 0x3f800000, 0xbf807fff, 0x3f808000, 0x3fffffff, 0x7f7f7fff, 0x7f7f8000,
    0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001, 0x7f800001, 0xff807fff,
    0xff808000, 0x7fffffff, 0xffffffff, 0xffff8000};
enum { SPECIALS = sizeof specials / sizeof *specials };

/* All special patterns, then random ones. */
static void fill(uint32_t *u, int n, int turn)
{
	for (int i = 0; i < n; i++)
		u[i] = i + turn < SPECIALS ? specials[i + turn] : (uint32_t)random_bits();
}

START_TEST(test_split_join)
{
	struct kernels ref;
	const struct kernels *k = isa_table(_i, &ref);
	if (!k)
		return;
	for (int l = 0; l < LENGTH_COUNT; l++)
		for (int turn = 0; turn < SPECIALS; turn++) {
			int n = lengths[l];
			static uint32_t u[MAX_LENGTH];
			fill(u, n, turn);
			const float *x = guard_put(Q, u, (size_t)n * 4, 0);
			uint16_t *hi = guard_room(OUT, (size_t)n * 2), *lo = guard_room(OUT2, (size_t)n * 2);
			k->split(x, n, hi, lo);
			for (int i = 0; i < n; i++)
				if (hi[i] != (uint16_t)((u[i] + 0x8000) >> 16) || lo[i] != (uint16_t)u[i])
					ck_abort_msg("%s split, n = %d: %08x", k->isa, n, u[i]);
			float *back = guard_room(ROWS, (size_t)n * 4);
			k->join(hi, lo, n, back);
			if (n && memcmp(back, u, (size_t)n * 4))
				ck_abort_msg("%s join, n = %d, turn %d", k->isa, n, turn);
			ck_assert(guard_intact(OUT) && guard_intact(OUT2) && guard_intact(ROWS));
		}
}
END_TEST

START_TEST(test_find_nonfinite)
{
	static const uint32_t bad[] = {
	    0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7f800001, 0xff800001, 0x7fffffff, 0xffffffff};
	struct kernels ref;
	const struct kernels *k = isa_table(_i, &ref);
	if (!k)
		return;
	for (int l = 0; l < LENGTH_COUNT; l++) {
		int n = lengths[l];
		static uint32_t u[MAX_LENGTH];
		for (int i = 0; i < n; i++)
			u[i] = i % 3 ? (uint32_t)random_bits() & 0xff7fffff : 0x7f7fffffu | (uint32_t)i << 31;
		uint32_t *x = guard_put(Q, u, (size_t)n * 4, 0);
		ck_assert_int_eq(k->find_nonfinite((float *)x, n), -1);
		for (int at = 0; at<n; at += n> 300 ? 13 : 1) {
			uint32_t keep = x[at], keep_last = x[n - 1];
			x[n - 1] = bad[0];
			x[at] = bad[(at + n) % 8];
			int64_t found = k->find_nonfinite((float *)x, n);
			if (found != at)
				ck_abort_msg("%s, n = %d: found %d, not %d", k->isa, n, (int)found, at);
			x[n - 1] = keep_last;
			x[at] = keep;
		}
	}
}
END_TEST

static void try_list(const struct kernels *k, const uint32_t *list, int width, bool good)
{
	const uint32_t *at = guard_put(Q, list, (size_t)width * sizeof *list, 4);
	if (k->good_list(at, width, 1 << 20, 77) != good)
		ck_abort_msg("%s, a list of %d: %s", k->isa, width, good ? "refused" : "taken");
}

/* Every number of a list in turn is made one that must not be there. */
static void spoil_list(const struct kernels *k, uint32_t *list, int n, int width)
{
	for (int i = 0; i<n; i += width> 70 ? 37 : 1) {
		const uint32_t keep = list[i], wrong[] = {1 << 20, 0xfffffffe, 77};
		for (int w = 0; w < 3; w++) {
			list[i] = wrong[w];
			try_list(k, list, width, false);
			list[i] = keep;
		}
		for (int j = 0; j<n; j += width> 40 ? 7 : 1) {
			list[i] = list[j];
			try_list(k, list, width, i == j);
			list[i] = keep;
		}
		list[i] = UINT32_MAX;
		try_list(k, list, width, i == n - 1);
		list[i] = keep;
	}
}

START_TEST(test_good_list)
{
	static const int most[] = {1, 2, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 96, 1024};
	struct kernels ref;
	const struct kernels *k = isa_table(_i, &ref);
	if (!k)
		return;
	try_list(k, NULL, 0, true);
	for (size_t m = 0; m < sizeof most / sizeof *most; m++)
		for (int step = 0; step < 3; step++) {
			/* Numbers with nothing, with little and with much in common. */
			static const uint32_t factor[] = {1, 1009, 4096};
			uint32_t list[1024];
			int width = most[m], n = width - step * width / 3;
			for (int i = 0; i < width; i++)
				list[i] =
				    i < n ? 78 + ((uint32_t)i * factor[step]) % ((1 << 20) - 78) : UINT32_MAX;
			list[0] = (1 << 20) - 1;
			if (factor[step] == 4096)
				for (int i = 256; i < n; i++)
					list[i] = 100 + (uint32_t)i;
			try_list(k, list, width, true);
			spoil_list(k, list, n, width);
		}
}
END_TEST

START_TEST(test_widen)
{
	struct kernels ref;
	const struct kernels *k = isa_table(_i, &ref);
	if (!k)
		return;
	for (int l = 0; l < LENGTH_COUNT; l++)
		for (size_t shift = 0; shift < 4; shift++) {
			int n = lengths[l];
			static unsigned char bytes[MAX_LENGTH];
			for (int i = 0; i < n; i++)
				bytes[i] = (unsigned char)(i + n);
			const void *x = guard_put(Q, bytes, (size_t)n, shift);
			float *u8 = guard_room(OUT, (size_t)n * 4), *i8 = guard_room(OUT2, (size_t)n * 4);
			k->widen_u8(x, n, u8);
			k->widen_i8(x, n, i8);
			for (int i = 0; i < n; i++)
				if (u8[i] != bytes[i] || i8[i] != (signed char)bytes[i])
					ck_abort_msg("%s widen, n = %d, at %d", k->isa, n, i);
			ck_assert(guard_intact(OUT) && guard_intact(OUT2));
		}
}
END_TEST

static void try_select(const struct kernels *k, const float *keys, int n, float bound)
{
	uint32_t *pos = guard_room(OUT, (size_t)n * sizeof *pos);
	int64_t found = k->select_le(keys, n, bound, pos), next = 0;
	for (int i = 0; i < n; i++) {
		if (!(keys[i] <= bound))
			continue;
		if (next >= found || pos[next] != (uint32_t)i)
			ck_abort_msg("%s select_le, n = %d, bound %g: misses %d", k->isa, n, bound, i);
		next++;
	}
	if (next != found || !guard_intact(OUT))
		ck_abort_msg("%s select_le, n = %d, bound %g: too many", k->isa, n, bound);
}

START_TEST(test_select_le)
{
	struct kernels ref;
	const struct kernels *k = isa_table(_i, &ref);
	if (!k)
		return;
	static const float odd[] = {INFINITY, -INFINITY, NAN, 0.0f, -0.0f, 0.25f};
	static const float bounds[] = {-2, -0.5f, 0, 0.25f, 0.9f, 2, INFINITY, -INFINITY};
	for (int l = 0; l < LENGTH_COUNT; l++) {
		int n = lengths[l];
		static float x[MAX_LENGTH];
		for (int i = 0; i < n; i++)
			x[i] = i % 5 == 4 ? odd[i % 6] : random_float();
		const float *keys = guard_put(Q, x, (size_t)n * sizeof *x, 0);
		for (int b = 0; b < 8; b++)
			try_select(k, keys, n, bounds[b]);
	}
}
END_TEST

TCase *plane_tests(void)
{
	TCase *t = tcase_create("plane");
	tcase_add_loop_test(t, test_split_join, 0, ISA_COUNT);
	tcase_add_loop_test(t, test_find_nonfinite, 0, ISA_COUNT);
	tcase_add_loop_test(t, test_good_list, 0, ISA_COUNT);
	tcase_add_loop_test(t, test_widen, 0, ISA_COUNT);
	tcase_add_loop_test(t, test_select_le, 0, ISA_COUNT);
	return t;
}
