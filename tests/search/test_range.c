/* Range searches: everything within the radius and nothing else, in order, with the boundary inside. */
#include "tests/search/problem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static kith_ranges *search(
    const struct problem *p, const kith_index *index, float radius, int threads, const char *isa)
{
	kith_search_options options = KITH_SEARCH_OPTIONS;
	kith_ranges *ranges;
	options.threads = threads;
	options.filter = p->filter;
	OK(kith_set_isa(isa));
	OK(kith_index_range_as(index, p->query_type, p->nq, p->q, radius, &ranges, &options));
	OK(kith_set_isa(NULL));
	return ranges;
}

static void same(const struct problem *p, const kith_ranges *a, const kith_ranges *b)
{
	REQUIRE(kith_ranges_total(a) == kith_ranges_total(b));
	for (int64_t query = 0; query < p->nq; query++) {
		int64_t an, bn;
		const float *ad, *bd;
		const int64_t *ai, *bi;
		OK(kith_ranges_get(a, query, &an, &ad, &ai));
		OK(kith_ranges_get(b, query, &bn, &bd, &bi));
		if (an != bn || memcmp(ad, bd, (size_t)an * sizeof *ad) ||
		    memcmp(ai, bi, (size_t)an * sizeof *ai))
			ck_abort_msg("%s: query %lld: other results", p->text, (long long)query);
	}
}

static void try_radius(const struct problem *p, const kith_index *index, float radius, struct rng *rng)
{
	struct isa_list isas = isa_list();
	kith_ranges *want = search(p, index, radius, 1, NULL);
	problem_check_range(p, radius, want);
	kith_ranges *got =
	    search(p, index, radius, 1 + (int)rng_below(rng, 5), isas.name[rng_below(rng, isas.n)]);
	same(p, want, got);
	kith_ranges_free(want);
	kith_ranges_free(got);
}

/* A radius that is some row's own distance. For integers a row lies right on it. */
static float radius_at(const struct problem *p, struct rng *rng)
{
	double key = problem_key(p, rng_below(rng, p->nq), rng_below(rng, p->n));
	return (float)problem_convert(p, key);
}

START_TEST(range)
{
	static const float radii[] = {0, -0.0f, -1, 1, 1e-30f, 3e38f, -3e38f, INFINITY, -INFINITY};
	struct decks *decks = decks_new((uint64_t)test_setting("KITH_TEST_SEED", 1) * 500 + (uint64_t)_i);
	struct rng rng = {(uint64_t)_i};
	int64_t problems = test_setting("KITH_TEST_PROBLEMS", sanitized ? 8 : 15);
	for (int64_t i = 0; i < problems; i++) {
		struct problem p;
		problem_make(&p, decks, (enum data_kind)_i, i % 5 == 4 ? 8000000 : 1000000);
		kith_index *index = problem_index(&p);
		for (int j = 0; j < 3 && p.n; j++)
			try_radius(&p, index, radius_at(&p, &rng), &rng);
		for (int j = 0; j < 2; j++)
			try_radius(&p, index, radii[rng_below(&rng, 9)], &rng);
		kith_index_free(index);
		problem_free(&p);
	}
	decks_free(decks);
}
END_TEST

/* Integers on a line: the radius is inclusive, and the order is by (distance, id). */
START_TEST(inclusive)
{
	static const float x[] = {0, 1, 2, 3, 4, -2, 2};
	static const int64_t want[] = {0, 1, 2, 5, 6};
	static const float q = 0;
	int64_t n;
	const float *dist;
	const int64_t *ids;
	kith_index *index = make_index(1, KITH_L2, "Flat", 7, x);
	kith_ranges *ranges;
	OK(kith_index_range(index, 1, &q, 4, &ranges, NULL));
	OK(kith_ranges_get(ranges, 0, &n, &dist, &ids));
	REQUIRE(n == 5 && !memcmp(ids, want, sizeof want));
	REQUIRE(dist[0] == 0 && dist[1] == 1 && dist[2] == 4 && dist[4] == 4);
	kith_ranges_free(ranges);
	OK(kith_index_range(index, 1, &q, nextafterf(4, 0), &ranges, NULL));
	REQUIRE(kith_ranges_total(ranges) == 2);
	kith_ranges_free(ranges);
	OK(kith_index_range(index, 1, &q, 0, &ranges, NULL));
	REQUIRE(kith_ranges_total(ranges) == 1);
	kith_ranges_free(ranges);
	OK(kith_index_range(index, 1, &q, -1e-30f, &ranges, NULL));
	REQUIRE(kith_ranges_total(ranges) == 0);
	kith_ranges_free(ranges);
	kith_index_free(index);
}
END_TEST

/* Negative inner products: the threshold is a lower bound. */
START_TEST(negative_products)
{
	static const float x[] = {-1, -2, -3, 4, -3};
	static const float q = 1;
	int64_t n;
	const float *dist;
	const int64_t *ids;
	kith_index *index = make_index(1, KITH_IP, "Flat", 5, x);
	kith_ranges *ranges;
	OK(kith_index_range(index, 1, &q, -2, &ranges, NULL));
	OK(kith_ranges_get(ranges, 0, &n, &dist, &ids));
	REQUIRE(n == 3 && ids[0] == 3 && ids[1] == 0 && ids[2] == 1);
	REQUIRE(dist[0] == 4 && dist[1] == -1 && dist[2] == -2);
	kith_ranges_free(ranges);
	OK(kith_index_range(index, 1, &q, -INFINITY, &ranges, NULL));
	OK(kith_ranges_get(ranges, 0, &n, &dist, &ids));
	REQUIRE(n == 5 && ids[3] == 2 && ids[4] == 4);
	kith_ranges_free(ranges);
	kith_index_free(index);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("range");
	TCase *t = tcase_create("range");
	tcase_set_timeout(t, 600);
	tcase_add_loop_test(t, range, 0, DATA_KINDS);
	tcase_add_test(t, inclusive);
	tcase_add_test(t, negative_products);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
