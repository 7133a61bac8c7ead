/* The nearest pass against brute force with the exact kernels: the same label, also among equal distances,
 * and the same bits of the distance, for data that tries to break its bounds and for hints of every quality.
 */
#include "tests/search/data.h"
#include "tests/support/support.h"

#include "kernels/kernels.h"
#include "lib/base/alloc.h"
#include "lib/tile/nearest.h"

#include <stdlib.h>
#include <string.h>

enum hint { NO_HINTS, OWN_HINTS, WRONG_HINTS, WILD_HINTS, HINTS };

struct sizes {
	int64_t k, n, dim;
};

static void find_slowly(const struct nearest *what, const float *x, int64_t n, int32_t *labels, double *keys)
{
	for (int64_t i = 0; i < n; i++) {
		for (int64_t c = 0; c < what->k; c++) {
			const float *p = x + i * what->dim, *row = what->rows + c * what->dim;
			double key = what->metric->similarity ? -kernels()->ip_exact(p, row, what->dim)
			                                      : kernels()->l2sq_exact(p, row, what->dim);
			if (c > 0 && !(key < keys[i]))
				continue;
			labels[i] = (int32_t)c;
			keys[i] = key;
		}
	}
}

static void make_hints(
    enum hint kind, const struct nearest *what, int64_t n, const int32_t *truth, int32_t *hints)
{
	for (int64_t i = 0; i < n; i++)
		hints[i] = kind == OWN_HINTS     ? truth[i]
		           : kind == WRONG_HINTS ? (int32_t)((truth[i] + 1 + i) % what->k)
		                                 : (int32_t)(i % 3 == 0   ? -1
		                                             : i % 3 == 1 ? INT32_MAX
		                                                          : i % what->k);
}

static void check(const struct nearest *what, const float *x, int64_t n, const char *text)
{
	int32_t *truth = make(n, sizeof *truth), *labels = make(n, sizeof *labels);
	double *want = make(n, sizeof *want), *keys = make(n, sizeof *keys);
	struct rows rows = rows_of_array(KITH_F32, n, what->dim, x, 0);
	find_slowly(what, x, n, truth, want);
	for (enum hint hint = NO_HINTS; hint < HINTS; hint++) {
		make_hints(hint, what, n, truth, labels);
		OK(nearest_find(what, &rows, hint == NO_HINTS ? NULL : labels, labels, keys));
		for (int64_t i = 0; i < n; i++)
			if (labels[i] != truth[i] || keys[i] != want[i])
				ck_abort_msg(
				    "%s, %s, %s, k %lld, dim %lld, hints %d: point %lld: %d at %.17g, not "
				    "%d at %.17g",
				    text, what->metric->similarity ? "ip" : "l2", kernels()->isa,
				    (long long)what->k, (long long)what->dim, (int)hint, (long long)i,
				    (int)labels[i], keys[i], (int)truth[i], want[i]);
	}
	free(truth);
	free(labels);
	free(want);
	free(keys);
}

/* Every kind of data, on every instruction set, with sizes from a list. */
static void check_kind(enum data_kind kind, const struct sizes *sizes, bool ip)
{
	float *rows = make(sizes->k * sizes->dim, sizeof *rows);
	float *x = make(sizes->n * sizes->dim, sizeof *x);
	uint64_t seed = (uint64_t)kind * 1000 + (uint64_t)sizes->k;
	data_floats(kind, seed, false, sizes->k, sizes->k, sizes->dim, rows);
	data_floats(kind, seed, true, sizes->k, sizes->n, sizes->dim, x);
	struct isa_list isas = isa_list();
	for (int i = 0; i < isas.n; i++) {
		OK(kith_set_isa(isas.name[i]));
		struct nearest what = {
		    .rows = rows, .k = sizes->k, .dim = sizes->dim, .metric = ip ? &metric_ip : &metric_l2};
		what.threads = i % 2 ? 3 : 1;
		check(&what, x, sizes->n, data_names[kind]);
	}
	OK(kith_set_isa(NULL));
	free(rows);
	free(x);
}

START_TEST(hard_data)
{
	static const struct sizes sizes[] = {{1, 7, 16}, {2, 100, 3}, {63, 50, 128}, {64, 49, 17},
	    {65, 500, 33}, {200, 400, 16}, {200, 60, 257}, {1000, 97, 20}, {31, 800, 1}, {130, 48, 960}};
	for (size_t i = _i % 2; i < sizeof sizes / sizeof *sizes; i += sanitized ? 4 : 2)
		check_kind((enum data_kind)(_i / 2), &sizes[i], i / 2 % 2 == (size_t)(_i / 2 % 2));
}
END_TEST

/* More rows than one panel holds, more points than one block. */
START_TEST(many)
{
	struct sizes sizes = {sanitized ? 700 : 5000, sanitized ? 500 : 2000, 40};
	check_kind(GAUSSIAN, &sizes, false);
	check_kind(CLUSTERED, &sizes, true);
}
END_TEST

/* One component outweighs all others: int8 sees nothing, floats take over. */
START_TEST(crowded)
{
	const int64_t k = 300, n = 1000, dim = 32;
	float *rows = make_gauss(1, k, dim), *x = make_gauss(2, n, dim);
	for (int64_t i = 0; i < k; i++)
		rows[i * dim] = 1000.0f * (float)(i % 2);
	for (int64_t i = 0; i < n; i++)
		x[i * dim] = 1000.0f * (float)(i % 2);
	check(&(struct nearest){.rows = rows, .k = k, .dim = dim, .metric = &metric_l2, .threads = 2}, x, n,
	    "crowded");
	check(&(struct nearest){.rows = rows, .k = k, .dim = dim, .metric = &metric_ip, .threads = 2}, x, n,
	    "crowded");
	free(rows);
	free(x);
}
END_TEST

/* Rows so much alike that floats cannot tell them apart either. */
START_TEST(nearly_equal)
{
	const int64_t k = 150, n = 400, dim = 24;
	float *rows = make_gauss(1, k, dim), *x = make_gauss(2, n, dim);
	for (int64_t i = 0; i < k * dim; i++)
		rows[i] = 0.25f + rows[i] * 0x1p-22f;
	check(&(struct nearest){.rows = rows, .k = k, .dim = dim, .metric = &metric_l2, .threads = 2}, x, n,
	    "nearly equal");
	check(&(struct nearest){.rows = rows, .k = k, .dim = dim, .metric = &metric_ip, .threads = 2}, x, n,
	    "nearly equal");
	free(rows);
	free(x);
}
END_TEST

/* Points of other kinds than floats, in rows of a stride. */
START_TEST(other_rows)
{
	const int64_t k = 100, n = 500, dim = 24, stride = 31;
	uint8_t *bytes = make(n * stride, 1);
	float *rows = make(k * dim, sizeof *rows), *x = make(n * dim, sizeof *x);
	struct rng rng = {5};
	for (int64_t i = 0; i < n * stride; i++)
		bytes[i] = (uint8_t)rng_below(&rng, 256);
	for (int64_t i = 0; i < k * dim; i++)
		rows[i] = (float)rng_below(&rng, 512) / 2;
	for (int64_t i = 0; i < n; i++)
		for (int64_t j = 0; j < dim; j++)
			x[i * dim + j] = (float)bytes[i * stride + j];
	struct nearest what = {.rows = rows, .k = k, .dim = dim, .metric = &metric_l2, .threads = 2};
	int32_t *truth = make(n, sizeof *truth), *labels = make(n, sizeof *labels);
	double *keys = make(n, sizeof *keys);
	find_slowly(&what, x, n, truth, keys);
	struct rows points = rows_of_array(KITH_U8, n, dim, bytes, (size_t)stride);
	OK(nearest_find(&what, &points, NULL, labels, NULL));
	REQUIRE(!memcmp(labels, truth, (size_t)n * sizeof *labels));
	free(bytes);
	free(rows);
	free(x);
	free(truth);
	free(labels);
	free(keys);
}
END_TEST

START_TEST(no_memory)
{
	const int64_t k = 70, n = 3000, dim = 20;
	float *rows = make_gauss(1, k, dim), *x = make_gauss(2, n, dim);
	int32_t *labels = make(n, sizeof *labels);
	struct nearest what = {.rows = rows, .k = k, .dim = dim, .metric = &metric_l2, .threads = 3};
	struct rows points = rows_of_array(KITH_F32, n, dim, x, 0);
	int64_t live = alloc_live(), steps = 0;
	for (bool done = false; !done; steps++) {
		alloc_fail_at(steps + 1, steps % 2);
		kith_status status = nearest_find(&what, &points, NULL, labels, NULL);
		done = status == KITH_OK && alloc_count() <= steps;
		REQUIRE(status == KITH_NOMEM || done);
		REQUIRE(alloc_live() == live);
	}
	alloc_fail_at(0, false);
	REQUIRE(steps > 3);
	free(rows);
	free(x);
	free(labels);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("nearest");
	TCase *cases = tcase_create("nearest");
	tcase_set_timeout(cases, 300);
	tcase_add_loop_test(cases, hard_data, 0, 2 * BYTES);
	tcase_add_test(cases, many);
	tcase_add_test(cases, crowded);
	tcase_add_test(cases, nearly_equal);
	tcase_add_test(cases, other_rows);
	tcase_add_test(cases, no_memory);
	suite_add_tcase(suite, cases);
	return run_suite(suite);
}
