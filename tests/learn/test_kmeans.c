/* k-means: what it finds. Against a naive implementation, between threads and instruction sets, and by the
 * properties that the header promises. Edges and failures are in test_kmeans_edges.c. */
#include "tests/learn/test_kmeans.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

kith_kmeans_options plain_options(int iterations)
{
	kith_kmeans_options options = KITH_KMEANS_OPTIONS;
	options.iterations = iterations;
	options.tolerance = 0;
	options.threads = 1;
	return options;
}

float *make_clumps(uint64_t seed, int64_t n, int64_t dim, int64_t clumps, float spread)
{
	struct rng rng = {seed};
	float *x = make(n * dim, sizeof *x), *centres = make(clumps * dim, sizeof *centres);
	for (int64_t i = 0; i < clumps * dim; i++)
		centres[i] = (float)(rng_uniform(&rng) * 20 - 10);
	for (int64_t i = 0; i < n; i++) {
		int64_t clump = rng_below(&rng, clumps);
		for (int64_t j = 0; j < dim; j++)
			x[i * dim + j] = centres[clump * dim + j] + spread * rng_gauss(&rng);
	}
	free(centres);
	return x;
}

static int64_t nearest(int64_t dim, const double *centroids, int64_t k, const float *x, double *distance)
{
	int64_t best = -1;
	for (int64_t c = 0; c < k; c++) {
		double sum = 0;
		for (int64_t j = 0; j < dim; j++)
			sum +=
			    ((double)x[j] - centroids[c * dim + j]) * ((double)x[j] - centroids[c * dim + j]);
		if (best >= 0 && !(sum < *distance))
			continue;
		best = c;
		*distance = sum;
	}
	return best;
}

double distortion(int64_t dim, int64_t n, const float *x, int64_t k, const float *centroids)
{
	double sum = 0, distance = 0, *wide = make(k * dim, sizeof *wide);
	for (int64_t i = 0; i < k * dim; i++)
		wide[i] = (double)centroids[i];
	for (int64_t i = 0; i < n; i++) {
		nearest(dim, wide, k, x + i * dim, &distance);
		sum += distance;
	}
	free(wide);
	return sum;
}

/* One iteration of Lloyd's algorithm; returns the objective before the centroids move. */
static double naive_step(
    int64_t dim, int64_t n, const float *x, const float *weights, int64_t k, double *centroids)
{
	double *sums = make(k * dim, sizeof *sums), *mass = make(k, sizeof *mass), objective = 0;
	for (int64_t i = 0; i < n; i++) {
		double distance = 0, weight = weights ? (double)weights[i] : 1;
		int64_t c = nearest(dim, centroids, k, x + i * dim, &distance);
		objective += weight * distance;
		mass[c] += weight;
		for (int64_t j = 0; j < dim; j++)
			sums[c * dim + j] += weight * (double)x[i * dim + j];
	}
	for (int64_t c = 0; c < k; c++)
		for (int64_t j = 0; j < dim && mass[c] > 0; j++)
			centroids[c * dim + j] = (double)(float)(sums[c * dim + j] / mass[c]);
	free(sums);
	free(mass);
	return objective;
}

/* From the same start; one centroid in each clump, so that none runs empty. */
static void compare_with_naive(int64_t dim, int64_t n, int64_t k, bool weighted)
{
	enum { ITERATIONS = 6 };
	float *x = make_clumps((uint64_t)(dim + n), n, dim, k, 3), *centroids = make(k * dim, sizeof *x);
	float *weights = make(n, sizeof *weights);
	double *want = make(k * dim, sizeof *want), objectives[ITERATIONS], final;
	struct rng rng = {9};
	for (int64_t i = 0; i < n; i++)
		weights[i] = (float)rng_below(&rng, 5);
	for (int64_t i = 0; i < k * dim; i++) {
		centroids[i] = x[i];
		want[i] = (double)x[i];
	}
	kith_kmeans_options options = plain_options(ITERATIONS);
	options.init = KITH_KMEANS_GIVEN;
	options.objectives = objectives;
	options.weights = weighted ? weights : NULL;
	OK(kith_kmeans(dim, n, x, k, centroids, NULL, NULL, &final, &options));
	for (int t = 0; t < ITERATIONS; t++) {
		double objective = naive_step(dim, n, x, options.weights, k, want);
		REQUIRE(fabs(objectives[t] - objective) <= 1e-6 * objective);
	}
	for (int64_t i = 0; i < k * dim; i++)
		REQUIRE(fabs((double)centroids[i] - want[i]) <= 1e-5);
	double objective = naive_step(dim, n, x, options.weights, k, want);
	REQUIRE(fabs(final - objective) <= 1e-6 * objective);
	free(x);
	free(centroids);
	free(weights);
	free(want);
}

START_TEST(naive)
{
	compare_with_naive(5, 500, 7, false);
	compare_with_naive(1, 300, 3, true);
	compare_with_naive(33, 700, 20, true);
	compare_with_naive(16, 1500, 66, false);
}
END_TEST

struct result {
	float *centroids;
	int32_t *labels;
	double objective, objectives[8];
};

static struct result run(int64_t dim, int64_t n, const float *x, int64_t k, kith_kmeans_options options)
{
	struct result r = {make(k * dim, sizeof(float)), make(n, sizeof(int32_t)), 0, {0}};
	options.objectives = r.objectives;
	REQUIRE(options.iterations <= 8);
	OK(kith_kmeans(dim, n, x, k, r.centroids, r.labels, NULL, &r.objective, &options));
	return r;
}

static void result_free(struct result *r)
{
	free(r->centroids);
	free(r->labels);
}

/* Same bits for 1, 2 and 5 threads on every instruction set. */
static void check_same(int64_t dim, int64_t n, const float *x, int64_t k, kith_kmeans_options options)
{
	struct isa_list isas = isa_list();
	struct result first = run(dim, n, x, k, options);
	for (int i = 0; i < isas.n; i++) {
		for (int t = 0; t < 3; t++) {
			OK(kith_set_isa(isas.name[i]));
			options.threads = t == 0 ? 1 : t == 1 ? 2 : 5;
			struct result r = run(dim, n, x, k, options);
			REQUIRE(same_bits(r.centroids, first.centroids, (size_t)(k * dim) * sizeof(float)));
			REQUIRE(same_bits(r.labels, first.labels, (size_t)n * sizeof(int32_t)));
			REQUIRE(same_bits(&r.objective, &first.objective, sizeof r.objective));
			REQUIRE(same_bits(r.objectives, first.objectives, sizeof r.objectives));
			result_free(&r);
		}
	}
	OK(kith_set_isa(NULL));
	result_free(&first);
}

START_TEST(same_everywhere)
{
	const int64_t n = 3000, dim = 35, k = 130;
	float *x = make_clumps(1, n, dim, 40, 4), *weights = make(n, sizeof *weights);
	for (int64_t i = 0; i < n; i++)
		weights[i] = (float)(i % 7) / 3;
	kith_kmeans_options options = plain_options(4);
	switch (_i) {
	case 0:
		break;
	case 1:
		options.init = KITH_KMEANS_PLUSPLUS;
		options.weights = weights;
		options.restarts = 2;
		break;
	case 2:
		options.init = KITH_KMEANS_PLUSPLUS;
		options.spherical = 1;
		break;
	case 3:
		options.hierarchical = 1;
		options.weights = weights;
		break;
	case 4:
		options.hierarchical = 1;
		options.spherical = 1;
		options.max_points = 10;
		break;
	default:
		options.max_points = 3;
		options.weights = weights;
	}
	check_same(dim, n, x, k, options);
	free(x);
	free(weights);
}
END_TEST

START_TEST(labels_are_nearest)
{
	const int64_t n = 2000, dim = 17, k = 70;
	float *x = make_clumps(3, n, dim, 30, 2);
	kith_kmeans_options options = plain_options(3);
	options.max_points = _i ? 8 : 0;
	struct result r = run(dim, n, x, k, options);
	double *wide = make(k * dim, sizeof *wide), distance = 0, sum = 0;
	for (int64_t i = 0; i < k * dim; i++)
		wide[i] = (double)r.centroids[i];
	for (int64_t i = 0; i < n; i++) {
		REQUIRE(nearest(dim, wide, k, x + i * dim, &distance) == r.labels[i]);
		sum += distance;
	}
	REQUIRE(fabs(sum - r.objective) <= 1e-9 * sum);
	free(wide);
	free(x);
	result_free(&r);
}
END_TEST

/* Whatever the data and the start, an iteration never makes things worse, by more than centroids lose when
 * they are rounded to floats. */
START_TEST(objective_falls)
{
	enum { ITERATIONS = 15 };
	const int64_t n = 1200, dim = 6, k = 150;
	float *x = _i == 0 ? make_gauss(1, n, dim) : make_clumps((uint64_t)_i, n, dim, 20, 0.1f);
	struct rng rng = {(uint64_t)_i};
	for (int64_t i = 0; i < n * dim; i++) {
		if (_i == 2)
			x[i] = (float)rng_below(&rng, 3); /* ties and duplicates */
		if (_i == 3)
			x[i] *= expf(4 * rng_gauss(&rng)); /* outliers */
		if (_i == 4)
			x[i] += 1e5f; /* far from the origin */
	}
	double objectives[ITERATIONS];
	float *centroids = make(k * dim, sizeof *centroids);
	for (int init = KITH_KMEANS_RANDOM; init <= KITH_KMEANS_GIVEN; init++) {
		kith_kmeans_options options = plain_options(ITERATIONS);
		options.init = (kith_kmeans_init)init;
		options.objectives = objectives;
		for (int64_t i = 0; i < k * dim; i++)
			centroids[i] = x[i % (5 * dim)]; /* given: five points, the rest runs empty */
		OK(kith_kmeans(dim, n, x, k, centroids, NULL, NULL, NULL, &options));
		double rounding = 0;
		for (int64_t i = 0; i < n * dim; i++)
			rounding = fabs((double)x[i]) > rounding ? fabs((double)x[i]) : rounding;
		rounding = (double)(n * dim) * rounding * rounding * 0x1p-40;
		for (int t = 1; t < ITERATIONS; t++)
			REQUIRE(objectives[t] <= objectives[t - 1] * (1 + 1e-7) + rounding);
	}
	free(x);
	free(centroids);
}
END_TEST

/* Centroids that all begin in one place find all clumps. */
START_TEST(empty_clusters_move)
{
	const int64_t n = 800, dim = 4, k = 8;
	float *x = make_clumps(77, n, dim, k, 0.01f), *centroids = make(k * dim, sizeof *centroids);
	kith_kmeans_options options = plain_options(20);
	options.init = KITH_KMEANS_GIVEN;
	OK(kith_kmeans(dim, n, x, k, centroids, NULL, NULL, NULL, &options));
	REQUIRE(distortion(dim, n, x, k, centroids) < 0.01 * 0.01 * (double)(n * dim) * 1.2);
	free(x);
	free(centroids);
}
END_TEST

START_TEST(plusplus_is_better)
{
	const int64_t n = 3000, dim = 8, k = 30;
	float *x = make_clumps(5, n, dim, k, 0.05f), *centroids = make(k * dim, sizeof *centroids);
	double sum[2] = {0, 0};
	for (int seed = 0; seed < 5; seed++) {
		for (int init = 0; init < 2; init++) {
			kith_kmeans_options options = plain_options(0);
			options.init = (kith_kmeans_init)init;
			options.seed = (uint64_t)seed;
			double objective;
			OK(kith_kmeans(dim, n, x, k, centroids, NULL, NULL, &objective, &options));
			sum[init] += objective;
		}
	}
	REQUIRE(sum[KITH_KMEANS_PLUSPLUS] < 0.5 * sum[KITH_KMEANS_RANDOM]);
	free(x);
	free(centroids);
}
END_TEST

START_TEST(restarts_take_the_best)
{
	const int64_t n = 600, dim = 3, k = 12;
	float *x = make_clumps(8, n, dim, 15, 0.5f), *centroids = make(k * dim, sizeof *centroids);
	kith_kmeans_options options = plain_options(5);
	double one, five;
	OK(kith_kmeans(dim, n, x, k, centroids, NULL, NULL, &one, &options));
	options.restarts = 8;
	OK(kith_kmeans(dim, n, x, k, centroids, NULL, NULL, &five, &options));
	REQUIRE(five < one);
	REQUIRE(fabs(five - distortion(dim, n, x, k, centroids)) <= 1e-6 * five);
	free(x);
	free(centroids);
}
END_TEST

START_TEST(stops_early)
{
	enum { ITERATIONS = 100 };
	const int64_t n = 600, dim = 3, k = 5;
	float *x = make_clumps(2, n, dim, k, 0.01f), centroids[5 * 3];
	double objectives[ITERATIONS];
	kith_kmeans_options options = plain_options(ITERATIONS);
	options.init = KITH_KMEANS_PLUSPLUS;
	options.objectives = objectives;
	OK(kith_kmeans(dim, n, x, k, centroids, NULL, NULL, NULL, &options));
	REQUIRE(isfinite(objectives[ITERATIONS - 1])); /* tolerance 0: never */
	options.tolerance = 0.001;
	OK(kith_kmeans(dim, n, x, k, centroids, NULL, NULL, NULL, &options));
	REQUIRE(isfinite(objectives[1]) && isnan(objectives[ITERATIONS - 1]));
	free(x);
}
END_TEST

/* A point of weight 3 is three points. */
START_TEST(weights_repeat)
{
	const int64_t n = 300, dim = 5, k = 9;
	float *x = make_clumps(4, n, dim, 12, 1), *weights = make(n, sizeof *weights);
	float *repeated = make(4 * n * dim, sizeof *repeated), a[9 * 5], b[9 * 5];
	int64_t count = 0;
	for (int64_t i = 0; i < n; i++) {
		weights[i] = (float)(i % 4);
		for (int64_t w = 0; w < i % 4; w++)
			memcpy(repeated + dim * count++, x + i * dim, (size_t)dim * sizeof *x);
	}
	kith_kmeans_options options = plain_options(5);
	options.init = KITH_KMEANS_GIVEN;
	memcpy(a, x, sizeof a);
	memcpy(b, x, sizeof b);
	double of_weighted, of_repeated;
	OK(kith_kmeans(dim, count, repeated, k, b, NULL, NULL, &of_repeated, &options));
	options.weights = weights;
	OK(kith_kmeans(dim, n, x, k, a, NULL, NULL, &of_weighted, &options));
	for (int64_t i = 0; i < k * dim; i++)
		REQUIRE(fabsf(a[i] - b[i]) <= 1e-5f);
	REQUIRE(fabs(of_weighted - of_repeated) <= 1e-6 * of_weighted);
	free(x);
	free(weights);
	free(repeated);
}
END_TEST

START_TEST(spherical)
{
	enum { ITERATIONS = 10 };
	const int64_t n = 1000, dim = 12, k = 20;
	float *x = make_gauss(6, n, dim), centroids[20 * 12];
	double objectives[ITERATIONS], objective;
	kith_kmeans_options options = plain_options(ITERATIONS);
	options.spherical = 1;
	options.objectives = objectives;
	options.hierarchical = _i;
	OK(kith_kmeans(dim, n, x, k, centroids, NULL, NULL, &objective, &options));
	for (int64_t c = 0; c < k; c++) {
		double norm = 0;
		for (int64_t j = 0; j < dim; j++)
			norm += (double)centroids[c * dim + j] * (double)centroids[c * dim + j];
		REQUIRE(fabs(sqrt(norm) - 1) < 1e-6);
	}
	for (int t = 1; t < (_i ? 2 : ITERATIONS); t++)
		REQUIRE(objectives[t] <= objectives[t - 1] + 1e-6 * fabs(objectives[t]));
	double sum = 0;
	for (int64_t i = 0; i < n; i++) {
		double best = -INFINITY;
		for (int64_t c = 0; c < k; c++) {
			double product = 0;
			for (int64_t j = 0; j < dim; j++)
				product += (double)x[i * dim + j] * (double)centroids[c * dim + j];
			best = fmax(best, product);
		}
		sum -= best;
	}
	REQUIRE(fabs(sum - objective) <= 1e-9 * fabs(sum));
	free(x);
}
END_TEST

START_TEST(two_levels)
{
	const int64_t n = 6000, dim = 8, k = 300;
	float *x = make_clumps(11, n, dim, 50, 2), *centroids = make(2 * k * dim, sizeof *centroids);
	double flat, levels;
	kith_kmeans_options options = plain_options(10);
	OK(kith_kmeans(dim, n, x, k, centroids, NULL, NULL, &flat, &options));
	options.hierarchical = 1;
	OK(kith_kmeans(dim, n, x, k, centroids + k * dim, NULL, NULL, &levels, &options));
	REQUIRE(memcmp(centroids, centroids + k * dim, (size_t)(k * dim) * sizeof *centroids) != 0);
	REQUIRE(levels < 1.05 * flat);
	free(x);
	free(centroids);
}
END_TEST

/* SIFT descriptors, where they are at hand: as good as what the field's
 * libraries find. */
START_TEST(siftsmall)
{
	char path[1024];
	const char *folder = getenv("KITH_DATA"), *root = getenv("KITH_SOURCE_ROOT");
	if (folder && *folder)
		snprintf(path, sizeof path, "%s/siftsmall/base.fvecs", folder);
	else
		snprintf(path, sizeof path, "%s/../shared/data/siftsmall/base.fvecs", root ? root : ".");
	if (access(path, R_OK))
		return;
	const int64_t n = 10000, dim = 128, k = 64;
	float *x = make(n * dim, sizeof *x), *centroids = make(k * dim, sizeof *centroids);
	kith_vecs *vecs;
	OK(kith_vecs_open(&vecs, path));
	OK(kith_vecs_read(vecs, 0, n, KITH_F32, x));
	kith_vecs_close(vecs);
	kith_kmeans_options options = plain_options(20);
	options.threads = 0;
	double objective;
	OK(kith_kmeans(dim, n, x, k, centroids, NULL, NULL, &objective, &options));
	REQUIRE(fabs(objective / 6.447e8 - 1) < 0.01);
	check_same(dim, 2000, x, k, plain_options(3));
	free(x);
	free(centroids);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kmeans");
	TCase *cases = tcase_create("results");
	tcase_set_timeout(cases, 300);
	tcase_add_test(cases, naive);
	tcase_add_loop_test(cases, same_everywhere, 0, 6);
	tcase_add_loop_test(cases, labels_are_nearest, 0, 2);
	tcase_add_loop_test(cases, objective_falls, 0, 5);
	tcase_add_test(cases, empty_clusters_move);
	tcase_add_test(cases, plusplus_is_better);
	tcase_add_test(cases, restarts_take_the_best);
	tcase_add_test(cases, stops_early);
	tcase_add_test(cases, weights_repeat);
	tcase_add_loop_test(cases, spherical, 0, 2);
	tcase_add_test(cases, two_levels);
	tcase_add_test(cases, siftsmall);
	suite_add_tcase(suite, cases);
	add_edge_cases(suite);
	return run_suite(suite);
}
