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

/* The halves of u. */
static void define_split(const uint32_t *u, int n, uint16_t *hi, uint16_t *lo)
{
	for (int i = 0; i < n; i++) {
		hi[i] = (uint16_t)((u[i] + 0x8000) >> 16);
		lo[i] = (uint16_t)u[i];
	}
}

void check_split(kernel_split_fn *kernel)
{
	for (int at = 0; at < LENGTH_COUNT * SPECIALS; at++) {
		int n = lengths[at / SPECIALS], turn = at % SPECIALS;
		static uint32_t u[MAX_LENGTH];
		static uint16_t want_hi[MAX_LENGTH], want_lo[MAX_LENGTH];
		fill(u, n, turn);
		define_split(u, n, want_hi, want_lo);
		const float *x = guard_put(Q, u, (size_t)n * 4, (size_t)turn % 4 * 4);
		uint16_t *hi = guard_room(OUT, (size_t)n * 2), *lo = guard_room(OUT2, (size_t)n * 2);
		kernel(x, n, hi, lo);
		if (memcmp(hi, want_hi, (size_t)n * 2) || memcmp(lo, want_lo, (size_t)n * 2))
			kernel_fail("n = %d, turn %d", n, turn);
		ck_assert(guard_intact(OUT) && guard_intact(OUT2));
	}
}

void check_join(kernel_join_fn *kernel)
{
	for (int at = 0; at < LENGTH_COUNT * SPECIALS; at++) {
		int n = lengths[at / SPECIALS], turn = at % SPECIALS;
		static uint32_t u[MAX_LENGTH];
		static uint16_t upper[MAX_LENGTH], lower[MAX_LENGTH];
		fill(u, n, turn);
		define_split(u, n, upper, lower);
		const uint16_t *hi = guard_put(Q, upper, (size_t)n * 2, (size_t)turn % 3 * 2);
		const uint16_t *lo = guard_put(ROWS, lower, (size_t)n * 2, (size_t)turn % 2 * 2);
		float *x = guard_room(OUT, (size_t)n * 4);
		kernel(hi, lo, n, x);
		if (memcmp(x, u, (size_t)n * 4) || !guard_intact(OUT))
			kernel_fail("n = %d, turn %d", n, turn);
	}
}

void check_find_nonfinite(kernel_find_fn *kernel)
{
	static const uint32_t bad[] = {
	    0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7f800001, 0xff800001, 0x7fffffff, 0xffffffff};
	for (int l = 0; l < LENGTH_COUNT; l++) {
		int n = lengths[l];
		static uint32_t u[MAX_LENGTH];
		for (int i = 0; i < n; i++)
			u[i] = i % 3 ? (uint32_t)random_bits() & 0xff7fffff : 0x7f7fffffu | (uint32_t)i << 31;
		uint32_t *x = guard_put(Q, u, (size_t)n * 4, 0);
		ck_assert_int_eq(kernel((float *)x, n), -1);
		for (int at = 0; at<n; at += n> 300 ? 13 : 1) {
			uint32_t keep = x[at], keep_last = x[n - 1];
			x[n - 1] = bad[0];
			x[at] = bad[(at + n) % 8];
			int64_t found = kernel((float *)x, n);
			if (found != at)
				kernel_fail("n = %d: found %d, not %d", n, (int)found, at);
			x[n - 1] = keep_last;
			x[at] = keep;
		}
	}
}

static void try_list(kernel_list_fn *kernel, const uint32_t *list, int width, bool good)
{
	for (size_t shift = 0; shift <= 4; shift += 4) {
		const uint32_t *at = guard_put(Q, list, (size_t)width * sizeof *list, shift);
		if (kernel(at, width, 1 << 20, 77) != good)
			kernel_fail("a list of %d: %s", width, good ? "refused" : "taken");
	}
}

/* Every number of a list in turn is made one that must not be there. */
static void spoil_list(kernel_list_fn *kernel, uint32_t *list, int n, int width)
{
	for (int i = 0; i<n; i += width> 70 ? 37 : 1) {
		const uint32_t keep = list[i], wrong[] = {1 << 20, 0xfffffffe, 77};
		for (int w = 0; w < 3; w++) {
			list[i] = wrong[w];
			try_list(kernel, list, width, false);
			list[i] = keep;
		}
		for (int j = 0; j<n; j += width> 40 ? 7 : 1) {
			list[i] = list[j];
			try_list(kernel, list, width, i == j);
			list[i] = keep;
		}
		list[i] = UINT32_MAX;
		try_list(kernel, list, width, i == n - 1);
		list[i] = keep;
	}
}

void check_good_list(kernel_list_fn *kernel)
{
	static const int max[] = {1, 2, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 96, 1024};
	try_list(kernel, NULL, 0, true);
	for (size_t m = 0; m < sizeof max / sizeof *max; m++)
		for (int step = 0; step < 3; step++) {
			/* Numbers with nothing, with little and with much in common. */
			static const uint32_t factor[] = {1, 1009, 4096};
			uint32_t list[1024];
			int width = max[m], n = width - step * width / 3;
			for (int i = 0; i < width; i++)
				list[i] =
				    i < n ? 78 + ((uint32_t)i * factor[step]) % ((1 << 20) - 78) : UINT32_MAX;
			list[0] = (1 << 20) - 1;
			if (factor[step] == 4096)
				for (int i = 256; i < n; i++)
					list[i] = 100 + (uint32_t)i;
			try_list(kernel, list, width, true);
			spoil_list(kernel, list, n, width);
		}
}

void check_widen_byte(kernel_widen_u8_fn *u8, kernel_widen_i8_fn *i8)
{
	for (int l = 0; l < LENGTH_COUNT; l++)
		for (size_t shift = 0; shift < 4; shift++) {
			int n = lengths[l];
			static unsigned char bytes[MAX_LENGTH];
			for (int i = 0; i < n; i++)
				bytes[i] = (unsigned char)(i + n);
			const void *x = guard_put(Q, bytes, (size_t)n, shift);
			float *out = guard_room(OUT, (size_t)n * 4);
			if (u8)
				u8(x, n, out);
			else
				i8(x, n, out);
			for (int i = 0; i < n; i++)
				if (out[i] != (u8 ? bytes[i] : (signed char)bytes[i]))
					kernel_fail("n = %d, at %d", n, i);
			ck_assert(guard_intact(OUT));
		}
}

static void try_select(kernel_select_fn *kernel, const float *keys, int n, float bound)
{
	uint32_t *pos = guard_room(OUT, (size_t)n * sizeof *pos);
	int64_t found = kernel(keys, n, bound, pos), next = 0;
	for (int i = 0; i < n; i++) {
		if (!(keys[i] <= bound))
			continue;
		if (next >= found || pos[next] != (uint32_t)i)
			kernel_fail("n = %d, bound %g: misses %d", n, bound, i);
		next++;
	}
	if (next != found || !guard_intact(OUT))
		kernel_fail("n = %d, bound %g: too many", n, bound);
}

void check_select_le(kernel_select_fn *kernel)
{
	static const float odd[] = {INFINITY, -INFINITY, NAN, 0.0f, -0.0f, 0.25f};
	static const float bounds[] = {-2, -0.5f, 0, 0.25f, 0.9f, 2, INFINITY, -INFINITY};
	for (int l = 0; l < LENGTH_COUNT; l++) {
		int n = lengths[l];
		static float x[MAX_LENGTH];
		for (int i = 0; i < n; i++)
			x[i] = i % 5 == 4 ? odd[i % 6] : random_float();
		const float *keys = guard_put(Q, x, (size_t)n * sizeof *x, 0);
		for (int b = 0; b < 8; b++)
			try_select(kernel, keys, n, bounds[b]);
	}
}
