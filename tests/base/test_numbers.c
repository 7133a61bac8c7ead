/* Selection against sorting; rounding in a direction. */
#include "tests/support/support.h"

#include "lib/base/rounding.h"
#include "lib/base/sort.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX = 3000 };

static int compare_floats(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;
	return (x > y) - (x < y);
}

/* Orders that catch out selections: sorted, reversed, equal, few values, organ pipe, saw, infinities. */
static float order(int64_t kind, int64_t i, int64_t n, struct rng *rng)
{
	switch (kind) {
	case 0:
		return rng_gauss(rng);
	case 1:
		return (float)i;
	case 2:
		return (float)(n - i);
	case 3:
		return 7;
	case 4:
		return (float)rng_below(rng, 3);
	case 5:
		return (float)(i < n / 2 ? i : n - i);
	case 6:
		return (float)(i % 17);
	case 7:
		return rng_below(rng, 3) ? INFINITY : -INFINITY;
	case 8:
		return i % 2 ? (float)i : (float)-i;
	default:
		return i == n - 1 ? -1.0f : (float)(i & ~1);
	}
}

START_TEST(selection)
{
	static const int64_t sizes[] = {1, 2, 3, 4, 5, 7, 64, 100, 1000, MAX};
	float x[MAX], sorted[MAX], work[MAX];
	struct rng rng = {(uint64_t)_i};
	for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
		int64_t n = sizes[s];
		for (int64_t i = 0; i < n; i++)
			x[i] = order(_i, i, n, &rng);
		memcpy(sorted, x, (size_t)n * sizeof *x);
		qsort(sorted, (size_t)n, sizeof *x, compare_floats);
		for (int64_t k = 0; k < n; k += n < 200 ? 1 : 1 + rng_below(&rng, n / 20)) {
			memcpy(work, x, (size_t)n * sizeof *x);
			REQUIRE(select_kth(work, n, k) == sorted[k]);
			/* The rest is still there. */
			qsort(work, (size_t)n, sizeof *x, compare_floats);
			REQUIRE(!memcmp(work, sorted, (size_t)n * sizeof *x));
		}
	}
}
END_TEST

START_TEST(rounding)
{
	struct rng rng = {5};
	for (int i = 0; i < 100000; i++) {
		double x = ldexp(rng_uniform(&rng) - 0.5, (int)rng_below(&rng, 300) - 160);
		float up = float_up(x), down = float_down(x);
		REQUIRE((double)up >= x && (double)down <= x);
		REQUIRE((double)nextafterf(up, -INFINITY) < x && (double)nextafterf(down, INFINITY) > x);
	}
	for (int i = 0; i < 100000; i++) {
		double x = ldexp(rng_uniform(&rng) - 0.5, (int)rng_below(&rng, 240) - 120);
		REQUIRE(fabs(x) < FLT_MIN ||
		        ((double)float_above(x) >= x && (double)float_above(x) <= x + fabs(x) * 0x1p-22));
	}
	REQUIRE(float_up(1) == 1 && float_down(-1) == -1 && float_up(0) == 0);
	REQUIRE(float_up(1e300) == INFINITY && float_down(1e300) == FLT_MAX);
	REQUIRE(float_down(-1e300) == -INFINITY && float_up(-1e300) == -FLT_MAX);
	REQUIRE(float_up(INFINITY) == INFINITY && float_down(-INFINITY) == -INFINITY);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("numbers");
	TCase *t = tcase_create("numbers");
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, selection, 0, 10);
	tcase_add_test(t, rounding);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
