/* k-means by lower bounds gives the same bits as without, whatever the data. */
#include "lib/learn/lower.h"
#include "tests/learn/test_kmeans.h"
#include "tests/search/data.h"

#include <stdlib.h>

enum { PLAIN, SPHERICAL, TWO_LEVELS, RUNS };

enum { DIM = 33, K = 150, ROUNDS = 3 };

struct result {
	kith_status status;
	float centroids[K * DIM];
	int32_t labels[1200];
	double objective;
};

static void run(int64_t n, const float *x, int kind, int64_t axes, struct result *r)
{
	kith_kmeans_options options = KITH_KMEANS_OPTIONS;
	options.iterations = ROUNDS;
	options.tolerance = 0;
	options.threads = 2;
	options.restarts = 2;
	options.spherical = kind == SPHERICAL;
	options.hierarchical = kind == TWO_LEVELS;
	lower_force_axes(axes);
	memset(r, 0, sizeof *r);
	r->status = kith_kmeans(DIM, n, x, K, r->centroids, r->labels, NULL, &r->objective, &options);
	lower_force_axes(0);
}

static struct result want, got;

START_TEST(same_bits_with_bounds)
{
	const int64_t n = sanitized ? 250 : 700;
	float *x = make(n * DIM, sizeof *x);
	struct isa_list isas = isa_list();
	data_floats((enum data_kind)_i, 5, false, n, n, DIM, x);
	for (int kind = PLAIN; kind < RUNS; kind++) {
		if (sanitized && kind != _i % RUNS)
			continue;
		run(n, x, kind, 0, &want);
		for (int i = 0; i < isas.n; i++) {
			OK(kith_set_isa(isas.name[i]));
			for (int64_t axes = 1; axes <= 21; axes += 20) {
				run(n, x, kind, axes, &got);
				ck_assert_msg(same_bits(&got, &want, sizeof got), "%s, %s, %lld axes, run %d",
				    data_names[_i], isas.name[i], (long long)axes, kind);
			}
		}
		OK(kith_set_isa(NULL));
	}
	free(x);
}
END_TEST

/* Enough centroids and assignments that the bounds are used unasked, where bytes are fast. */
START_TEST(same_bits_by_choice)
{
	const int64_t n = sanitized ? 2048 : 8192, dim = 64, k = sanitized ? 128 : 512;
	float *x = make(n * dim, sizeof *x), *centroids = make(2 * k * dim, sizeof *centroids);
	data_floats(GAUSSIAN, 4, false, n, n, dim, x);
	for (int64_t i = 0; i < n; i++)
		for (int64_t j = 12; j < dim; j++)
			x[i * dim + j] /= 20; /* few directions have much variance */
	int32_t *labels = make(2 * n, sizeof *labels);
	double objective[2];
	kith_kmeans_options options = KITH_KMEANS_OPTIONS;
	options.iterations = 6;
	options.tolerance = 0;
	OK(kith_kmeans(dim, n, x, k, centroids, labels, NULL, &objective[0], &options));
	OK(kith_set_isa("ref"));
	OK(kith_kmeans(dim, n, x, k, centroids + k * dim, labels + n, NULL, &objective[1], &options));
	OK(kith_set_isa(NULL));
	REQUIRE(same_bits(centroids, centroids + k * dim, (size_t)(k * dim) * sizeof *centroids));
	REQUIRE(same_bits(labels, labels + n, (size_t)n * sizeof *labels));
	REQUIRE(same_bits(&objective[0], &objective[1], sizeof *objective));
	free(x);
	free(centroids);
	free(labels);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lower");
	TCase *cases = tcase_create("results");
	tcase_set_timeout(cases, 120);
	tcase_add_loop_test(cases, same_bits_with_bounds, 0, BYTES);
	tcase_add_test(cases, same_bits_by_choice);
	suite_add_tcase(suite, cases);
	return run_suite(suite);
}
