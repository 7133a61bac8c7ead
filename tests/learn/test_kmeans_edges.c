/* k-means at the edges: too few points, equal points, extreme values, refused arguments, cancelling, no
 * memory. */
#include "tests/learn/test_kmeans.h"

#include "lib/base/alloc.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void require_finite(int64_t n, const float *x)
{
	for (int64_t i = 0; i < n; i++)
		REQUIRE(isfinite(x[i]));
}

/* Every way to begin, with and without levels. */
static void check_equal_points(const float *value, int64_t dim, bool spherical)
{
	enum { N = 500, K = 20 };
	float *x = make(N * dim, sizeof *x), *centroids = make(K * dim, sizeof *centroids);
	int32_t labels[N];
	for (int64_t i = 0; i < N * dim; i++)
		x[i] = value[i % dim];
	for (int init = 0; init < 4; init++) {
		kith_kmeans_options options = plain_options(5);
		options.init = init % 2 ? KITH_KMEANS_PLUSPLUS : KITH_KMEANS_RANDOM;
		options.hierarchical = init / 2;
		options.spherical = spherical;
		double objective;
		OK(kith_kmeans(dim, N, x, K, centroids, labels, NULL, &objective, &options));
		require_finite(K * dim, centroids);
		for (int64_t i = 0; i < K * dim && !spherical; i++)
			REQUIRE(centroids[i] == value[i % dim]);
		for (int i = 0; i < N; i++)
			REQUIRE(labels[i] == 0);
		REQUIRE(spherical || objective == 0);
	}
	free(x);
	free(centroids);
}

START_TEST(equal_points)
{
	static const float values[][3] = {{0, 0, 0}, {1.1f, -7, 3e-5f}, {1e30f, 1, 2}, {FLT_MAX, -FLT_MAX, 0},
	    {1e-42f, 0, -0.0f}, {0, 255, 1}};
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		check_equal_points(values[i], 3, false);
		check_equal_points(values[i], 3, true);
	}
}
END_TEST

/* Fewer different points than centroids: no hang, no NaN, every point its own centroid. */
START_TEST(few_different_points)
{
	enum { N = 400, K = 50, DIM = 6 };
	float x[N * DIM], centroids[K * DIM];
	struct rng rng = {3};
	float *different = make_gauss(1, 7, DIM);
	for (int64_t i = 0; i < N; i++)
		memcpy(x + i * DIM, different + rng_below(&rng, 7) * DIM, DIM * sizeof *x);
	for (int hierarchical = 0; hierarchical < 2; hierarchical++) {
		kith_kmeans_options options = plain_options(10);
		options.hierarchical = hierarchical;
		double objective;
		OK(kith_kmeans(DIM, N, x, K, centroids, NULL, NULL, &objective, &options));
		require_finite(K * DIM, centroids);
		REQUIRE(objective == 0);
	}
	free(different);
}
END_TEST

START_TEST(extreme_values)
{
	enum { N = 300, K = 12, DIM = 17 };
	float *x = make_gauss(2, N, DIM), centroids[K * DIM];
	static const float extremes[] = {FLT_MAX, -FLT_MAX, 1e20f, -3e19f, 1e-45f, 0};
	for (int64_t i = 0; i < N; i++)
		if (i % 10 == 0)
			x[i * DIM + i % DIM] = extremes[i / 10 % 6];
	for (int way = 0; way < 4; way++) {
		kith_kmeans_options options = plain_options(8);
		options.init = way % 2 ? KITH_KMEANS_PLUSPLUS : KITH_KMEANS_RANDOM;
		options.spherical = way / 2;
		double objective;
		OK(kith_kmeans(DIM, N, x, K, centroids, NULL, NULL, &objective, &options));
		require_finite(K * DIM, centroids);
		REQUIRE(isfinite(objective));
	}
	free(x);
}
END_TEST

START_TEST(one_centroid)
{
	enum { N = 1000, DIM = 9 };
	float *x = make_gauss(4, N, DIM), centroid[DIM];
	int32_t labels[N];
	kith_kmeans_options options = plain_options(3);
	options.max_points = 0;
	options.hierarchical = _i;
	OK(kith_kmeans(DIM, N, x, 1, centroid, labels, NULL, NULL, &options));
	for (int j = 0; j < DIM; j++) {
		double sum = 0;
		for (int i = 0; i < N; i++)
			sum += (double)x[i * DIM + j];
		REQUIRE(fabs(sum / N - (double)centroid[j]) < 1e-6);
	}
	for (int i = 0; i < N; i++)
		REQUIRE(labels[i] == 0);
	free(x);
}
END_TEST

START_TEST(as_many_as_points)
{
	enum { N = 100, DIM = 5 };
	float *x = make_gauss(4, N, DIM), centroids[N * DIM];
	int32_t labels[N];
	int64_t found;
	double objective;
	kith_kmeans_options options = plain_options(3);
	options.hierarchical = _i;
	OK(kith_kmeans(DIM, N, x, N, centroids, labels, &found, &objective, &options));
	REQUIRE(found == N && objective == 0);
	for (int i = 0; i < N; i++)
		REQUIRE(same_bits(centroids + labels[i] * DIM, x + i * DIM, DIM * sizeof *x));
	free(x);
}
END_TEST

START_TEST(fewer_points)
{
	enum { N = 5, K = 9, DIM = 3 };
	float *x = make_gauss(4, N, DIM), centroids[K * DIM];
	int32_t labels[N];
	int64_t found = -7;
	double objective;
	kith_kmeans_options options = plain_options(3);
	FAILS(kith_kmeans(DIM, N, x, K, centroids, labels, &found, NULL, &options), KITH_INVALID, "5 points");
	REQUIRE(found == -7);
	options.fewer = 1;
	OK(kith_kmeans(DIM, N, x, K, centroids, labels, &found, &objective, &options));
	REQUIRE(found == N && objective == 0);
	for (int i = 0; i < N; i++)
		REQUIRE(same_bits(centroids + labels[i] * DIM, x + i * DIM, DIM * sizeof *x));
	OK(kith_kmeans(DIM, 0, NULL, K, centroids, labels, &found, &objective, &options));
	REQUIRE(found == 0 && objective == 0);
	free(x);
}
END_TEST

/* Points of weight 0 have no say, even if they are most; nor are they sampled. */
START_TEST(weightless_points)
{
	enum { N = 4000, K = 4, DIM = 2 };
	float *x = make(N * DIM, sizeof *x), *weights = make(N, sizeof *weights), centroids[K * DIM];
	for (int i = 0; i < N; i++) {
		x[i * DIM] = i % 100 == 0 ? (float)(i / 100 % 4) : 1000;
		weights[i] = i % 100 == 0;
	}
	for (int max_points = 0; max_points < 2; max_points++) {
		kith_kmeans_options options = plain_options(15);
		options.weights = weights;
		options.max_points = max_points * 9;
		double objective;
		OK(kith_kmeans(DIM, N, x, K, centroids, NULL, NULL, &objective, &options));
		REQUIRE(objective == 0);
		float sum = 0;
		for (int c = 0; c < K; c++)
			sum += centroids[c * DIM];
		REQUIRE(sum == 0 + 1 + 2 + 3);
	}
	free(x);
	free(weights);
}
END_TEST

/* Opposite and zero points have no mean direction. */
START_TEST(spherical_without_direction)
{
	static const float x[] = {1, 0, -1, 0, 0, 0, 0, 0};
	float centroids[4];
	kith_kmeans_options options = plain_options(4);
	options.spherical = 1;
	for (int64_t k = 1; k <= 2; k++) {
		OK(kith_kmeans(2, 4, x, k, centroids, NULL, NULL, NULL, &options));
		for (int64_t c = 0; c < k; c++)
			REQUIRE(fabsf(hypotf(centroids[2 * c], centroids[2 * c + 1]) - 1) < 1e-6f);
	}
}
END_TEST

START_TEST(sampled)
{
	const int64_t n = 5000, dim = 4, k = 10;
	float *x = make_clumps(3, n, dim, k, 4), a[40], b[40];
	int32_t *labels = make(n, sizeof *labels);
	double all, few;
	kith_kmeans_options options = plain_options(10);
	options.init = KITH_KMEANS_PLUSPLUS;
	OK(kith_kmeans(dim, n, x, k, a, labels, NULL, &all, &options));
	options.max_points = 20;
	OK(kith_kmeans(dim, n, x, k, a, labels, NULL, &few, &options));
	REQUIRE(fabs(few - distortion(dim, n, x, k, a)) <= 1e-6 * few);
	REQUIRE(few < 1.3 * all);
	OK(kith_kmeans(dim, n, x, k, b, NULL, NULL, NULL, &options));
	REQUIRE(same_bits(a, b, sizeof a));
	options.seed++;
	OK(kith_kmeans(dim, n, x, k, b, NULL, NULL, NULL, &options));
	REQUIRE(!same_bits(a, b, sizeof a));
	free(x);
	free(labels);
}
END_TEST

START_TEST(refused)
{
	float x[8] = {1, 2, 3, 4, 5, 6, 7, 8}, centroids[4] = {-9, -9, -9, -9}, weights[4] = {1, 1, 1, 1};
	float *none = NULL;
	FAILS(kith_kmeans(0, 4, x, 2, centroids, NULL, NULL, NULL, NULL), KITH_INVALID, "dim");
	FAILS(kith_kmeans(2, -1, x, 2, centroids, NULL, NULL, NULL, NULL), KITH_INVALID, "x");
	FAILS(kith_kmeans(2, 4, none, 2, centroids, NULL, NULL, NULL, NULL), KITH_INVALID, "x is NULL");
	FAILS(kith_kmeans(2, 4, x, 0, centroids, NULL, NULL, NULL, NULL), KITH_INVALID, "k is 0");
	FAILS(
	    kith_kmeans(2, 4, x, INT64_C(1) << 32, centroids, NULL, NULL, NULL, NULL), KITH_INVALID, "k is");
	FAILS(kith_kmeans(2, 4, x, 2, none, NULL, NULL, NULL, NULL), KITH_INVALID, "centroids is NULL");
	x[5] = NAN;
	FAILS(kith_kmeans(2, 4, x, 2, centroids, NULL, NULL, NULL, NULL), KITH_INVALID, "row 2, component 1");
	x[5] = -INFINITY;
	FAILS(kith_kmeans(2, 4, x, 2, centroids, NULL, NULL, NULL, NULL), KITH_INVALID, "row 2, component 1");
	x[5] = 6;
#define REFUSED(field, value, word)                                                                          \
	do {                                                                                                 \
		kith_kmeans_options options = KITH_KMEANS_OPTIONS;                                           \
		options.field = value;                                                                       \
		FAILS(kith_kmeans(2, 4, x, 2, centroids, NULL, NULL, NULL, &options), KITH_INVALID, word);   \
	} while (0)
	REFUSED(size, 3, "size");
	REFUSED(threads, -1, "threads");
	REFUSED(init, (kith_kmeans_init)3, "init");
	REFUSED(iterations, -1, "iterations");
	REFUSED(restarts, 0, "restarts");
	REFUSED(tolerance, (double)NAN, "tolerance");
	REFUSED(tolerance, 1, "tolerance");
	REFUSED(max_points, -1, "max_points");
	REFUSED(hierarchical, 2, "hierarchical");
	weights[3] = -1;
	REFUSED(weights, weights, "weight 3");
	weights[3] = INFINITY;
	REFUSED(weights, weights, "weight 3");
	memset(weights, 0, sizeof weights);
	REFUSED(weights, weights, "weights are 0");
	for (int i = 0; i < 4; i++)
		REQUIRE(centroids[i] == -9);
	centroids[3] = NAN;
	REFUSED(init, KITH_KMEANS_GIVEN, "centroids: row 1, component 1");
}
END_TEST

struct watch {
	int64_t calls, cancel_at, last;
};

static int watch(void *data, const char *stage, int64_t done, int64_t total)
{
	struct watch *w = data;
	REQUIRE(!strcmp(stage, "k-means") && done >= w->last && done <= total);
	w->last = done;
	return ++w->calls >= w->cancel_at;
}

/* At the start, in the middle of the work, never. */
START_TEST(cancelled)
{
	const int64_t n = sanitized ? 5000 : 20000, dim = 40, k = 400;
	float *x = make_gauss(1, n, dim), *centroids = make(k * dim, sizeof *centroids);
	kith_kmeans_options options = plain_options(sanitized ? 10 : 60);
	options.progress = watch;
	options.threads = 2;
	options.hierarchical = _i % 2;
	options.init = _i / 2 ? KITH_KMEANS_PLUSPLUS : KITH_KMEANS_RANDOM;
	for (int64_t at = 1; at <= 3; at++) {
		struct watch w = {.cancel_at = at};
		options.progress_data = &w;
		kith_status status = kith_kmeans(dim, n, x, k, centroids, NULL, NULL, NULL, &options);
		REQUIRE(status == KITH_CANCELLED || at > 1);
		for (int64_t i = 0; status == KITH_CANCELLED && i < k * dim; i++)
			REQUIRE(centroids[i] == 0);
		if (status == KITH_OK)
			break;
		REQUIRE(strstr(kith_last_error(), "cancel") && w.calls == at);
	}
	struct watch w = {.cancel_at = INT64_MAX};
	options.progress_data = &w;
	options.iterations = 2;
	OK(kith_kmeans(dim, n, x, k, centroids, NULL, NULL, NULL, &options));
	REQUIRE(w.calls >= 2);
	free(x);
	free(centroids);
}
END_TEST

struct seen {
	const double *objectives;
	int64_t pass;    /* steps of an iteration */
	int calls, done; /* iterations */
};

/* Steps count what was assigned, objectives what is over: they tell the same story. */
static int see_objectives(void *data, const char *stage, int64_t done, int64_t total)
{
	struct seen *s = data;
	int now = 0;
	while (isfinite(s->objectives[now]))
		now++;
	REQUIRE(strcmp(stage, "k-means") == 0 && done <= total && now >= s->done);
	REQUIRE(done == total || now <= done / s->pass);
	/* (An early end leaves steps out.) */
	REQUIRE(done == total || now >= (done - 1) / s->pass);
	s->done = now;
	s->calls++;
	return 0;
}

/* A progress callback can follow the objective from iteration to iteration. */
START_TEST(objectives_as_they_come)
{
	enum { ITERATIONS = 8 };
	const int64_t n = sanitized ? 4000 : 60000, dim = 32, k = 300;
	float *x = make_gauss(1, n, dim), *centroids = make(k * dim, sizeof *centroids);
	double objectives[ITERATIONS + 1] = {[ITERATIONS] = NAN};
	struct seen seen = {.objectives = objectives, .pass = n * k};
	kith_kmeans_options options = plain_options(ITERATIONS);
	options.progress = see_objectives;
	options.progress_data = &seen;
	options.objectives = objectives;
	OK(kith_kmeans(dim, n, x, k, centroids, NULL, NULL, NULL, &options));
	/* It is called at the beginning, about every 30 ms, and at the end. */
	REQUIRE(seen.calls >= 2 && seen.done == ITERATIONS);
	free(x);
	free(centroids);
}
END_TEST

START_TEST(no_memory)
{
	enum { N = 700, K = 20, DIM = 6 };
	float *x = make_gauss(1, N, DIM), *weights = make(N, sizeof *weights), centroids[K * DIM];
	int32_t labels[N];
	for (int i = 0; i < N; i++)
		weights[i] = 1;
	kith_kmeans_options options = plain_options(2);
	options.init = KITH_KMEANS_PLUSPLUS;
	options.threads = 2;
	options.restarts = 2;
	options.max_points = 30;
	options.weights = weights;
	options.hierarchical = _i / 2;
	int64_t live = alloc_live(), steps = 0;
	for (bool done = false; !done; steps++) {
		double objective = -5;
		centroids[0] = -5;
		alloc_fail_at(steps + 1, _i % 2);
		kith_status status = kith_kmeans(DIM, N, x, K, centroids, labels, NULL, &objective, &options);
		done = status == KITH_OK;
		REQUIRE(alloc_live() == live);
		if (!done)
			REQUIRE(status == KITH_NOMEM && objective == -5 && centroids[0] == -5);
		if (!done)
			REQUIRE(strstr(kith_last_error(), "memory"));
	}
	alloc_fail_at(0, false);
	REQUIRE(steps > 20);
	free(x);
	free(weights);
}
END_TEST

void add_edge_cases(Suite *suite)
{
	TCase *cases = tcase_create("edges");
	tcase_set_timeout(cases, 300);
	tcase_add_test(cases, equal_points);
	tcase_add_test(cases, few_different_points);
	tcase_add_test(cases, extreme_values);
	tcase_add_loop_test(cases, one_centroid, 0, 2);
	tcase_add_loop_test(cases, as_many_as_points, 0, 2);
	tcase_add_test(cases, fewer_points);
	tcase_add_test(cases, weightless_points);
	tcase_add_test(cases, spherical_without_direction);
	tcase_add_test(cases, sampled);
	tcase_add_test(cases, refused);
	tcase_add_loop_test(cases, cancelled, 0, 4);
	tcase_add_test(cases, objectives_as_they_come);
	tcase_add_loop_test(cases, no_memory, 0, 4);
	suite_add_tcase(suite, cases);
}
