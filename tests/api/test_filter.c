/* Filters as objects: every kind and its edges, ownership, depth, random expressions against their meaning.
 * Searches under filters are tested in tests/search, removals in test_change.c. */
#include "tests/support/support.h"

#include <stdlib.h>

static kith_filter *const somewhere = (kith_filter *)(void *)&somewhere;

static int is_even(void *data, int64_t id)
{
	(void)data;
	return id % 2 == 0 ? -5 : 0;
}

START_TEST(range)
{
	kith_filter *f;
	OK(kith_filter_range(&f, -3, 4));
	REQUIRE(kith_filter_test(f, -3) == 1 && kith_filter_test(f, 3) == 1);
	REQUIRE(kith_filter_test(f, -4) == 0 && kith_filter_test(f, 4) == 0);
	kith_filter_free(f);
	OK(kith_filter_range(&f, 5, 5));
	REQUIRE(!kith_filter_test(f, 5));
	kith_filter_free(f);
	OK(kith_filter_range(&f, INT64_MIN, INT64_MAX));
	REQUIRE(
	    kith_filter_test(f, 0) && kith_filter_test(f, INT64_MAX - 1) && !kith_filter_test(f, INT64_MAX));
	kith_filter_free(f);
	f = somewhere;
	FAILS(kith_filter_range(&f, 6, 5), KITH_INVALID, "min is 6");
	ck_assert_ptr_null(f);
	FAILS(kith_filter_range(NULL, 5, 6), KITH_INVALID, "out");
}
END_TEST

START_TEST(ids)
{
	int64_t list[] = {7, 3, 7, -1, INT64_MAX, 3, INT64_MIN};
	kith_filter *f;
	OK(kith_filter_ids(&f, 7, list));
	list[0] = 8; /* copied */
	REQUIRE(kith_filter_test(f, 7) == 1 && kith_filter_test(f, 3) && kith_filter_test(f, -1) &&
	        kith_filter_test(f, INT64_MAX) && kith_filter_test(f, INT64_MIN));
	REQUIRE(!kith_filter_test(f, 8) && !kith_filter_test(f, 0));
	kith_filter_free(f);
	OK(kith_filter_ids(&f, 0, NULL));
	REQUIRE(!kith_filter_test(f, 0));
	kith_filter_free(f);
	f = somewhere;
	FAILS(kith_filter_ids(&f, 1, NULL), KITH_INVALID, "ids");
	ck_assert_ptr_null(f);
	FAILS(kith_filter_ids(&f, -1, list), KITH_INVALID, "ids: -1");
	FAILS(kith_filter_ids(NULL, 1, list), KITH_INVALID, "out");
	FAILS(kith_filter_ids(&f, INT64_MAX, list), KITH_NOMEM, "memory");
}
END_TEST

/* Sets of ids that are close together, far apart, and all over the numbers there are. */
START_TEST(sets)
{
	enum { MAX = 3000 };
	static const int64_t steps[] = {1, 2, 60, 64, 66, 1000, 1 << 30, INT64_C(1) << 50};
	int64_t *list = make(MAX, sizeof *list);
	for (size_t s = 0; s < sizeof steps / sizeof *steps; s++)
		for (int64_t n = 1; n <= MAX; n = n * 4 - 1) {
			struct rng rng = {s};
			kith_filter *f;
			int64_t first = -(n / 2) * steps[s] + 7;
			for (int64_t i = 0; i < n; i++)
				list[i] = first + i * steps[s];
			rng_shuffle(&rng, list, n);
			OK(kith_filter_ids(&f, n, list));
			for (int64_t i = 0; i < n; i++) {
				REQUIRE(kith_filter_test(f, list[i]));
				REQUIRE(steps[s] == 1 || !kith_filter_test(f, list[i] + 1));
				REQUIRE(!kith_filter_test(f, list[i] + n * steps[s]));
			}
			REQUIRE(!kith_filter_test(f, first - 1) && !kith_filter_test(f, INT64_MIN));
			REQUIRE(!kith_filter_test(f, INT64_MAX));
			kith_filter_free(f);
		}
	free(list);
}
END_TEST

START_TEST(bitmap)
{
	uint8_t bits[] = {0x81, 0xff};
	kith_filter *f;
	OK(kith_filter_bitmap(&f, 10, bits));
	bits[0] = 0; /* copied */
	REQUIRE(kith_filter_test(f, 0) == 1 && kith_filter_test(f, 7) && kith_filter_test(f, 8) &&
	        kith_filter_test(f, 9));
	REQUIRE(!kith_filter_test(f, 1) && !kith_filter_test(f, 10) && !kith_filter_test(f, 15) &&
	        !kith_filter_test(f, -1) && !kith_filter_test(f, INT64_MAX) &&
	        !kith_filter_test(f, INT64_MIN));
	kith_filter_free(f);
	OK(kith_filter_bitmap(&f, 0, NULL));
	REQUIRE(!kith_filter_test(f, 0));
	kith_filter_free(f);
	f = somewhere;
	FAILS(kith_filter_bitmap(&f, 1, NULL), KITH_INVALID, "bits");
	ck_assert_ptr_null(f);
	FAILS(kith_filter_bitmap(&f, -1, bits), KITH_INVALID, "bits: -1");
	FAILS(kith_filter_bitmap(NULL, 1, bits), KITH_INVALID, "out");
}
END_TEST

START_TEST(callback)
{
	kith_filter *f;
	OK(kith_filter_callback(&f, is_even, NULL));
	REQUIRE(kith_filter_test(f, 4) == 1 && kith_filter_test(f, 5) == 0);
	kith_filter_free(f);
	f = somewhere;
	FAILS(kith_filter_callback(&f, NULL, NULL), KITH_INVALID, "fn");
	ck_assert_ptr_null(f);
	FAILS(kith_filter_callback(NULL, is_even, NULL), KITH_INVALID, "out");
}
END_TEST

START_TEST(nothing)
{
	REQUIRE(kith_filter_test(NULL, 5) == 1);
	kith_filter_free(NULL);
}
END_TEST

/* Operands belong to the result only after success. */
START_TEST(combine)
{
	kith_filter *a, *b, *f = somewhere;
	OK(kith_filter_range(&a, 0, 10));
	OK(kith_filter_callback(&b, is_even, NULL));
	FAILS(kith_filter_not(&f, NULL), KITH_INVALID, "NULL");
	ck_assert_ptr_null(f);
	FAILS(kith_filter_and(&f, a, NULL), KITH_INVALID, "NULL");
	FAILS(kith_filter_and(&f, NULL, a), KITH_INVALID, "NULL");
	FAILS(kith_filter_or(&f, a, NULL), KITH_INVALID, "NULL");
	FAILS(kith_filter_or(&f, NULL, a), KITH_INVALID, "NULL");
	FAILS(kith_filter_and(&f, a, a), KITH_INVALID, "same");
	FAILS(kith_filter_or(&f, a, a), KITH_INVALID, "same");
	FAILS(kith_filter_not(NULL, a), KITH_INVALID, "out");
	FAILS(kith_filter_and(NULL, a, b), KITH_INVALID, "out");
	FAILS(kith_filter_or(NULL, a, b), KITH_INVALID, "out");
	REQUIRE(kith_filter_test(a, 9) && kith_filter_test(b, 12));
	OK(kith_filter_and(&f, a, b));
	REQUIRE(kith_filter_test(f, 8) == 1 && !kith_filter_test(f, 9) && !kith_filter_test(f, 10));
	OK(kith_filter_not(&a, f));
	REQUIRE(!kith_filter_test(a, 8) && kith_filter_test(a, 9) && kith_filter_test(a, 10));
	OK(kith_filter_range(&b, 8, 9));
	OK(kith_filter_or(&f, b, a));
	REQUIRE(kith_filter_test(f, 8) && kith_filter_test(f, 9) && !kith_filter_test(f, 6));
	kith_filter_free(f);
}
END_TEST

START_TEST(too_deep)
{
	kith_filter *f, *deeper, *leaf;
	OK(kith_filter_range(&f, 0, 10));
	for (int i = 2; i <= 64; i++) {
		OK(kith_filter_not(&deeper, f));
		f = deeper;
	}
	REQUIRE(!kith_filter_test(f, 5)); /* an odd number of negations */
	FAILS(kith_filter_not(&deeper, f), KITH_INVALID, "deep");
	ck_assert_ptr_null(deeper);
	OK(kith_filter_range(&leaf, 0, 1));
	FAILS(kith_filter_or(&deeper, leaf, f), KITH_INVALID, "deep");
	FAILS(kith_filter_or(&deeper, f, leaf), KITH_INVALID, "deep");
	kith_filter_free(leaf);
	kith_filter_free(f);
}
END_TEST

/* ---- random expressions, each beside the set that it means ---- */

enum { IDS = 200 };

static kith_filter *random_leaf(struct rng *rng, uint8_t *set)
{
	kith_filter *f;
	int64_t list[30], from = rng_below(rng, IDS), to = from + rng_below(rng, IDS);
	uint8_t bits[IDS / 8] = {0};
	switch (rng_below(rng, 4)) {
	case 0:
		OK(kith_filter_range(&f, from, to));
		for (int64_t i = 0; i < IDS; i++)
			set[i] = i >= from && i < to;
		break;
	case 1:
		for (int i = 0; i < 30; i++) {
			list[i] = rng_below(rng, IDS);
			set[list[i]] = 1;
		}
		OK(kith_filter_ids(&f, 30, list));
		break;
	case 2:
		for (int i = 0; i < IDS; i++) {
			set[i] = (uint8_t)rng_below(rng, 2);
			bits[i / 8] |= (uint8_t)(set[i] << i % 8);
		}
		OK(kith_filter_bitmap(&f, IDS, bits));
		break;
	default:
		for (int i = 0; i < IDS; i++)
			set[i] = i % 2 == 0;
		OK(kith_filter_callback(&f, is_even, NULL));
	}
	return f;
}

static kith_filter *random_filter(struct rng *rng, int depth, uint8_t *set)
{
	uint8_t other[IDS] = {0};
	if (depth == 0 || rng_below(rng, 5) == 0)
		return random_leaf(rng, set);
	kith_filter *f, *a = random_filter(rng, depth - 1, set), *b;
	switch (rng_below(rng, 3)) {
	case 0:
		OK(kith_filter_not(&f, a));
		for (int i = 0; i < IDS; i++)
			set[i] = !set[i];
		return f;
	case 1:
		b = random_filter(rng, depth - 1, other);
		OK(kith_filter_and(&f, a, b));
		for (int i = 0; i < IDS; i++)
			set[i] &= other[i];
		return f;
	default:
		b = random_filter(rng, depth - 1, other);
		OK(kith_filter_or(&f, b, a));
		for (int i = 0; i < IDS; i++)
			set[i] |= other[i];
		return f;
	}
}

START_TEST(expressions)
{
	float x[IDS], q = 0, dist[IDS];
	int64_t found[IDS];
	struct rng rng = {9};
	for (int i = 0; i < IDS; i++)
		x[i] = (float)i;
	kith_index *index = make_index(1, KITH_L2, "Flat", IDS, x);
	for (int round = 0; round < 100; round++) {
		uint8_t set[IDS] = {0};
		kith_filter *f = random_filter(&rng, 5, set);
		kith_search_options options = KITH_SEARCH_OPTIONS;
		options.filter = f;
		OK(kith_index_search(index, 1, &q, IDS, dist, found, &options));
		int64_t n = 0;
		for (int64_t i = 0; i < IDS; i++) {
			REQUIRE(kith_filter_test(f, i) == set[i]);
			if (set[i])
				REQUIRE(found[n++] == i);
		}
		REQUIRE(n == IDS || found[n] == -1);
		kith_filter_free(f);
	}
	kith_index_free(index);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("filter");
	TCase *t = tcase_create("filter");
	tcase_add_test(t, range);
	tcase_add_test(t, ids);
	tcase_add_test(t, sets);
	tcase_add_test(t, bitmap);
	tcase_add_test(t, callback);
	tcase_add_test(t, nothing);
	tcase_add_test(t, combine);
	tcase_add_test(t, too_deep);
	tcase_add_test(t, expressions);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
