/* Ids and positions: implicit, listed, looked up, removed; against an array. */
#include "tests/support/support.h"

#include "lib/index/ids.h"

#include <stdlib.h>
#include <string.h>

START_TEST(implicit)
{
	static const int64_t goes_on[] = {5, 6};
	struct ids ids = {0};
	REQUIRE(ids_find(&ids, 0) == -1 && !ids_list(&ids));
	OK(ids_append(&ids, 5, NULL));
	OK(ids_append(&ids, 2, goes_on));
	REQUIRE(ids.n == 7 && !ids_list(&ids) && ids_memory(&ids) == 0);
	for (int64_t i = 0; i < 7; i++)
		REQUIRE(ids_find(&ids, i) == i && ids_at(&ids, i) == i);
	REQUIRE(ids_find(&ids, 7) == -1 && ids_find(&ids, -1) == -1);
	OK(ids_reserve(&ids, 100));
	ids_free(&ids);
}
END_TEST

START_TEST(limits)
{
	static const int64_t last[] = {INT64_MAX - 1}, beyond[] = {INT64_MAX}, negative[] = {3, -1};
	struct ids ids = {0};
	FAILS(ids_append(&ids, IDS_MAX + 1, NULL), KITH_INVALID, "at most");
	FAILS(ids_append(&ids, INT64_MAX, NULL), KITH_INVALID, "at most");
	OK(ids_append(&ids, 3, NULL));
	FAILS(ids_append(&ids, IDS_MAX - 2, NULL), KITH_INVALID, "at most");
	FAILS(ids_append(&ids, 1, beyond), KITH_INVALID, "ids[0]");
	FAILS(ids_append(&ids, 2, negative), KITH_INVALID, "ids[1]");
	REQUIRE(ids.n == 3 && ids_find(&ids, 3) == -1);
	OK(ids_append(&ids, 1, last));
	FAILS(ids_append(&ids, 1, NULL), KITH_INVALID, "no free ids");
	FAILS(ids_append(&ids, 1, last), KITH_INVALID, "already");
	REQUIRE(ids.n == 4 && ids_find(&ids, INT64_MAX - 1) == 3);
	ids_free(&ids);
}
END_TEST

/* What is expected, and what is there. */
struct expected {
	int64_t n, list[6000];
};

static void compare(const struct ids *ids, const struct expected *want)
{
	REQUIRE(ids->n == want->n);
	for (int64_t i = 0; i < want->n; i++)
		REQUIRE(ids_at(ids, i) == want->list[i] && ids_find(ids, want->list[i]) == i);
}

/* Ids that share their low bits, or their high bits, or nothing. */
static int64_t some_id(struct rng *rng, int64_t kind)
{
	int64_t r = (int64_t)(rng_next(rng) >> 1);
	return kind == 0 ? r % 20000 : kind == 1 ? (r >> 32) << 32 : r % INT64_MAX;
}

START_TEST(random_changes)
{
	struct rng rng = {(uint64_t)_i};
	struct expected *want = make(1, sizeof *want);
	struct ids ids = {0}, copy;
	for (int round = 0; round < 60; round++) {
		int64_t added[300], n = rng_below(&rng, 300);
		if (want->n + n > 6000)
			n = 0;
		for (int64_t i = 0; i < n; i++)
			do
				added[i] = some_id(&rng, _i);
			while (ids_find(&ids, added[i]) >= 0);
		kith_status status = ids_append(&ids, n, added);
		/* Only a number that came up twice is refused. */
		for (int64_t i = 0; status && i < n; i++)
			REQUIRE(ids_find(&ids, added[i]) == -1);
		for (int64_t i = 0; !status && i < n; i++)
			want->list[want->n++] = added[i];
		compare(&ids, want);
		if (round % 5 == 3) {
			uint64_t keep[100] = {0};
			int64_t kept = 0;
			OK(ids_prepare_remove(&ids));
			for (int64_t i = 0; i < want->n; i++)
				if (rng_below(&rng, 3)) {
					keep[i / 64] |= UINT64_C(1) << i % 64;
					want->list[kept++] = want->list[i];
				}
			want->n = kept;
			ids_retain(&ids, keep);
			compare(&ids, want);
		}
		OK(ids_copy(&copy, &ids));
		compare(&copy, want);
		ids_free(&copy);
	}
	ids_free(&ids);
	free(want);
}
END_TEST

START_TEST(failing)
{
	static const int64_t added[] = {9, 8, 9};
	struct ids ids = {0}, copy;
	OK(ids_append(&ids, 3, NULL));
	for (int i = 1; i <= 2; i++) {
		alloc_fail_at(i, true);
		FAILS(ids_append(&ids, 1, added), KITH_NOMEM, "ids");
		FAILS(ids_prepare_remove(&ids), KITH_NOMEM, "ids");
		alloc_fail_at(0, false);
		REQUIRE(ids.n == 3 && ids_find(&ids, 2) == 2 && ids_find(&ids, 9) == -1);
	}
	FAILS(ids_append(&ids, 3, added), KITH_INVALID, "ids[2] is 9");
	REQUIRE(ids.n == 3 && ids_find(&ids, 9) == -1 && ids_find(&ids, 8) == -1);
	OK(ids_append(&ids, 2, added));
	OK(ids_append(&ids, 1, NULL));
	REQUIRE(ids_find(&ids, 10) == 5);
	alloc_fail_at(2, false);
	FAILS(ids_copy(&copy, &ids), KITH_NOMEM, "ids");
	alloc_fail_at(0, false);
	ids_free(&ids);
	REQUIRE(alloc_live() == 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ids");
	TCase *t = tcase_create("ids");
	tcase_set_timeout(t, 60);
	tcase_add_test(t, implicit);
	tcase_add_test(t, limits);
	tcase_add_loop_test(t, random_changes, 0, 3);
	tcase_add_test(t, failing);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
