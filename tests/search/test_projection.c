/* Projections of flat indexes: they are made when it pays, answers stay the same to the bit, and changes of
 * the index are seen. That bounds hold on any data is what test_exact.c shows with projections forced
 * (force_projection.c). */
#include "tests/support/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 9000, DIM = 96, NQ = 300, K = 10 };

/* A spectrum that falls, so that some directions matter more than others. */
static float *falling(uint64_t seed, int64_t n)
{
	float *x = make_gauss(seed, n, DIM);
	for (int64_t i = 0; i < n * DIM; i++)
		x[i] /= 1 + (float)(i % DIM);
	return x;
}

struct answer {
	float dist[NQ * K];
	int64_t ids[NQ * K];
};

/* nq queries at a time; fewer than the hundreds after which projections are made, unless all at once. */
static void ask(
    const kith_index *index, const float *q, int64_t step, const kith_filter *filter, struct answer *a)
{
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.filter = filter;
	for (int64_t at = 0; at < NQ; at += step) {
		int64_t n = NQ - at < step ? NQ - at : step;
		OK(kith_index_search(index, n, q + at * DIM, K, a->dist + at * K, a->ids + at * K, &options));
	}
}

static void same(const struct answer *a, const struct answer *b, const char *when)
{
	for (int64_t i = 0; i < NQ * K; i++)
		if (a->ids[i] != b->ids[i] || a->dist[i] != b->dist[i])
			ck_abort_msg("%s: query %lld: (%.9g, %lld), not (%.9g, %lld)", when,
			    (long long)(i / K), (double)a->dist[i], (long long)a->ids[i], (double)b->dist[i],
			    (long long)b->ids[i]);
}

/* What an index without projections says. */
static void want(const kith_index *index, const float *q, const kith_filter *filter, struct answer *a)
{
	kith_index *clone;
	OK(kith_index_clone(&clone, index));
	ask(clone, q, 255, filter, a); /* 255 + 45 */
	kith_index_free(clone);
}

static void compare(const kith_index *index, const float *q, const kith_filter *filter, const char *when)
{
	static struct answer expected, got;
	static const int64_t steps[] = {NQ, 100, 16, 3, 1};
	want(index, q, filter, &expected);
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		ask(index, q, steps[i], filter, &got);
		same(&got, &expected, when);
	}
}

static int odd(void *data, int64_t id)
{
	(void)data;
	return id % 2 == 1;
}

static const struct {
	const char *spec;
	kith_metric metric;
} CASES[] = {{"Flat", KITH_L2}, {"Flat", KITH_IP}, {"Flat", KITH_COSINE}, {"SQfp16", KITH_L2},
    {"SQ8", KITH_L2}, {"SQ8", KITH_COSINE}};

START_TEST(same_answers)
{
	float *x = falling(1, N), *q = falling(2, NQ);
	kith_index *index;
	OK(kith_index_new(&index, DIM, CASES[_i].metric, CASES[_i].spec));
	OK(kith_index_train(index, N, x, NULL));
	OK(kith_index_add(index, N, x, NULL, NULL));
	kith_filter *filter;
	size_t before = kith_index_memory(index);
	compare(index, q, NULL, "all");
	if (_i < 2)
		REQUIRE(kith_index_memory(index) > before + (size_t)N * 16);
	REQUIRE(kith_index_memory(index) < before + (size_t)N * (DIM / 4 + 12) + 100000);
	OK(kith_filter_callback(&filter, odd, NULL));
	compare(index, q, filter, "filtered");
	kith_filter_free(filter);
	kith_index_free(index);
	free(x);
	free(q);
}
END_TEST

START_TEST(changes)
{
	float *x = falling(3, 2 * N), *q = falling(4, NQ);
	kith_index *index = make_index(DIM, KITH_L2, "Flat", N, x);
	compare(index, q, NULL, "at first");
	OK(kith_index_add(index, 100, q, NULL, NULL)); /* all queries' nearest are new ones */
	compare(index, q, NULL, "a few added");
	OK(kith_index_add(index, N, x + N * DIM, NULL, NULL));
	compare(index, q, NULL, "many added");
	int64_t ids[50];
	for (int64_t i = 0; i < 50; i++)
		ids[i] = 7 * i;
	OK(kith_index_update(index, 50, q + 100 * DIM, ids));
	compare(index, q, NULL, "updated");
	kith_filter *filter;
	OK(kith_filter_range(&filter, 1000, 3000));
	OK(kith_index_remove(index, filter, NULL));
	kith_filter_free(filter);
	compare(index, q, NULL, "removed");
	kith_index_free(index);
	free(x);
	free(q);
}
END_TEST

START_TEST(unwanted)
{
	float *x = falling(5, N), *q = falling(6, NQ);
	kith_add_options options = KITH_ADD_OPTIONS;
	kith_index *index;
	struct answer *a = make(1, sizeof *a);
	OK(kith_index_new(&index, DIM, KITH_L2, "Flat"));
	options.no_projection = 1;
	OK(kith_index_add(index, N, x, NULL, &options));
	size_t before = kith_index_memory(index);
	for (int i = 0; i < 3; i++)
		ask(index, q, NQ, NULL, a);
	ck_assert_uint_eq(kith_index_memory(index), before);
	kith_index_free(index);
	free(a);
	free(x);
	free(q);
}
END_TEST

static int cancel_project(void *data, const char *stage, int64_t done, int64_t total)
{
	(void)done;
	(void)total;
	bool *seen = data;
	*seen = *seen || strcmp(stage, "project") == 0;
	return *seen;
}

START_TEST(cancelled)
{
	float *x = falling(7, N), *q = falling(8, NQ);
	kith_index *index = make_index(DIM, KITH_L2, "Flat", N, x);
	struct answer *a = make(1, sizeof *a);
	bool seen = false;
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.progress = cancel_project;
	options.progress_data = &seen;
	FAILS(kith_index_search(index, NQ, q, K, a->dist, a->ids, &options), KITH_CANCELLED, "cancel");
	REQUIRE(seen);
	compare(index, q, NULL, "after a cancel");
	kith_index_free(index);
	free(a);
	free(x);
	free(q);
}
END_TEST

/* What a callback was told of a search. */
struct told {
	int64_t total, last;
	int ends; /* calls with all done */
};

static int note_search(void *data, const char *stage, int64_t done, int64_t total)
{
	struct told *told = data;
	if (strcmp(stage, "search") != 0)
		return 0;
	ck_assert_int_eq(total, told->total);
	ck_assert_int_ge(done, told->last);
	told->last = done;
	told->ends += done == total;
	return 0;
}

/* Rows that are not projected yet are searched beside the others: one search for the caller. */
START_TEST(progress_of_parts)
{
	float *x = falling(9, N), *q = falling(10, NQ);
	kith_index *index = make_index(DIM, KITH_L2, "Flat", N, x);
	struct answer *a = make(1, sizeof *a);
	ask(index, q, NQ, NULL, a);
	OK(kith_index_add(index, 100, q, NULL, NULL));
	struct told told = {.total = (int64_t)NQ * (N + 100)};
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.progress = note_search;
	options.progress_data = &told;
	OK(kith_index_search(index, NQ, q, K, a->dist, a->ids, &options));
	ck_assert_int_eq(told.last, told.total);
	ck_assert_int_eq(told.ends, 1);
	kith_index_free(index);
	free(a);
	free(x);
	free(q);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("projection");
	TCase *tc = tcase_create("projection");
	tcase_set_timeout(tc, 0);
	tcase_add_loop_test(tc, same_answers, 0, sizeof CASES / sizeof *CASES);
	tcase_add_test(tc, changes);
	tcase_add_test(tc, unwanted);
	tcase_add_test(tc, cancelled);
	tcase_add_test(tc, progress_of_parts);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
