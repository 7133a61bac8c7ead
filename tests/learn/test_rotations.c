/* Eigenvectors, polar factors, rotations, linear maps, principal components and OPQ, against their
 * definitions. */
#include "tests/support/support.h"

#include "lib/learn/linear.h"
#include "lib/learn/matrix.h"
#include "lib/learn/opq.h"
#include "lib/learn/pca.h"
#include "lib/learn/rotation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const int64_t sizes[] = {1, 2, 3, 5, 17, 64, 65, 130, 600};
enum { SIZES = sizeof sizes / sizeof *sizes };

static double dot(int64_t n, const double *x, const double *y)
{
	double sum = 0;
	for (int64_t i = 0; i < n; i++)
		sum += x[i] * y[i];
	return sum;
}

/* Rows of a [m × n] are orthonormal, far beyond what floats can tell. */
static void check_orthonormal(int64_t m, int64_t n, const double *a)
{
	int64_t step = m / 20 + 1;
	for (int64_t i = 0; i < m; i += step)
		for (int64_t j = 0; j < m; j++)
			REQUIRE(fabs(dot(n, a + i * n, a + j * n) - (i == j)) < 1e-9);
}

enum shape { FULL, LOW_RANK, ZERO, IDENTITY, GRADED, EQUAL_VALUES, SHAPES };

/* Symmetric, of a kind that solvers stumble over. */
static double *make_symmetric(int64_t n, enum shape shape)
{
	double *a = make(n * n, sizeof *a), *v = make(n, sizeof *v);
	struct rng rng = {(uint64_t)n};
	int64_t rank = shape == LOW_RANK ? n / 3 + 1 : shape == EQUAL_VALUES ? 1 : n;
	for (int64_t r = 0; r < rank && shape != ZERO && shape != IDENTITY; r++) {
		double weight = shape == GRADED ? pow(10, -(double)r / 2) : 1;
		for (int64_t i = 0; i < n; i++)
			v[i] = (double)rng_gauss(&rng);
		for (int64_t i = 0; i < n * n; i++)
			a[i] += weight * v[i / n] * v[i % n];
	}
	for (int64_t i = 0; i < n; i++)
		a[i * n + i] += shape == IDENTITY || shape == EQUAL_VALUES ? 3 : 0;
	free(v);
	return a;
}

START_TEST(eigenvectors)
{
	for (int s = 0; s < SIZES; s++)
		for (enum shape shape = FULL; shape < SHAPES; shape++) {
			int64_t n = sizes[s];
			double *a = make_symmetric(n, shape), *b = make(n * n, sizeof *b), norm = 1e-300;
			double *values = make(n, sizeof *values), *vectors = make(n * n, sizeof *vectors);
			memcpy(b, a, (size_t)(n * n) * sizeof *a);
			OK(matrix_eigen(n, b, values, vectors, 1));
			check_orthonormal(n, n, vectors);
			for (int64_t i = 0; i < n; i++)
				norm = fmax(norm, fabs(values[i]));
			for (int64_t i = 0; i < n; i++) {
				REQUIRE(i == 0 || values[i] <= values[i - 1]);
				for (int64_t j = 0; j < n; j += n / 40 + 1)
					REQUIRE(fabs(dot(n, a + j * n, vectors + i * n) -
					             values[i] * vectors[i * n + j]) < 1e-12 * norm);
			}
			double *again = make(n * n, sizeof *again);
			memcpy(b, a, (size_t)(n * n) * sizeof *a);
			OK(matrix_eigen(n, b, values, again, 3));
			REQUIRE(memcmp(again, vectors, (size_t)(n * n) * sizeof *again) == 0);
			free(a);
			free(b);
			free(values);
			free(vectors);
			free(again);
		}
}
END_TEST

START_TEST(eigenvalues_of_nonsense)
{
	double a[4] = {1, NAN, NAN, 1}, values[2], vectors[4];
	FAILS(matrix_eigen(2, a, values, vectors, 1), KITH_INTERNAL, "finite");
	double huge[4] = {1e300, 1e299, 1e299, 1e300}, tiny[4] = {1e-300, 0, 0, 2e-300};
	OK(matrix_eigen(2, huge, values, vectors, 1));
	REQUIRE(fabs(values[0] / 1.1e300 - 1) < 1e-14 && fabs(vectors[0] - sqrt(0.5)) < 1e-14);
	OK(matrix_eigen(2, tiny, values, vectors, 1));
	REQUIRE(values[0] == 2e-300 && values[1] == 1e-300 && vectors[0] == 0 && vectors[1] == 1);
}
END_TEST

/* The factor of a = R S, S symmetric positive, is R; and it stays orthonormal whatever the rank. */
START_TEST(polar_factors)
{
	for (int s = 0; s < SIZES - 1; s++)
		for (enum shape shape = FULL; shape < SHAPES; shape++) {
			int64_t n = sizes[s];
			double *s0 = make_symmetric(n, shape), *r = make(n * n, sizeof *r), max = 0;
			double *a = make(n * n, sizeof *a);
			OK(rotation_matrix(n, n, 5, 1, r));
			matrix_multiply(n, n, n, r, s0, 1, a);
			OK(matrix_polar(n, n, a, 2));
			check_orthonormal(n, n, a);
			for (int64_t i = 0; i < n * n; i++)
				max = fmax(max, fabs(a[i] - r[i]));
			if (shape == IDENTITY || shape == EQUAL_VALUES)
				REQUIRE(max < 1e-12);
			free(s0);
			free(r);
			free(a);
		}
}
END_TEST

/* Wide and tall ones: transposes of each other. */
START_TEST(polar_shapes)
{
	static const int64_t shapes[][2] = {{1, 9}, {3, 4}, {20, 64}, {7, 100}, {64, 65}};
	for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
		for (int zero_rows = 0; zero_rows < 2; zero_rows++) {
			int64_t m = shapes[s][0], n = shapes[s][1];
			struct rng rng = {3};
			double *a = make(m * n, sizeof *a), *t = make(m * n, sizeof *t);
			for (int64_t i = 0; i < m * n; i++)
				a[i] = zero_rows && i / n % 2 ? 0 : (double)rng_gauss(&rng);
			matrix_transpose(m, n, a, t);
			OK(matrix_polar(m, n, a, 1));
			OK(matrix_polar(n, m, t, 1));
			check_orthonormal(m, n, a);
			for (int64_t i = 0; i < m * n; i++)
				REQUIRE(a[i] == t[i % n * m + i / n]);
			free(a);
			free(t);
		}
}
END_TEST

/* Orthonormal, the same for the same seed, and uniform: components have mean 0, variance 1 / n and, as rows
 * of a random rotation have, no sign that they prefer. */
START_TEST(random_rotations)
{
	for (int s = 0; s < SIZES; s++) {
		int64_t n = sizes[s];
		double *a = make(n * n, sizeof *a), *b = make(n * n, sizeof *b);
		OK(rotation_matrix(n, n, 9, 1, a));
		check_orthonormal(n, n, a);
		OK(rotation_matrix(n, n, 9, 4, b));
		REQUIRE(memcmp(a, b, (size_t)(n * n) * sizeof *a) == 0);
		OK(rotation_matrix(n, n, 10, 1, b));
		REQUIRE(n == 1 || memcmp(a, b, (size_t)(n * n) * sizeof *a) != 0);
		free(a);
		free(b);
	}
	enum { D = 4, TRIES = 4000 };
	double a[D * D], mean[D * D] = {0}, square[D * D] = {0};
	for (uint64_t seed = 0; seed < TRIES; seed++) {
		OK(rotation_matrix(D, D, seed, 1, a));
		for (int i = 0; i < D * D; i++) {
			mean[i] += a[i] / TRIES;
			square[i] += a[i] * a[i] / TRIES;
		}
	}
	for (int i = 0; i < D * D; i++)
		REQUIRE(fabs(mean[i]) < 0.04 && fabs(square[i] - 1.0 / D) < 0.02);
}
END_TEST

/* Sums of products against doubles, for every remainder of the blocks. */
START_TEST(maps_and_sums)
{
	static const int64_t dims[] = {1, 5, 63, 64, 65, 100, 130};
	enum { DIMS = sizeof dims / sizeof *dims, MANY = 1100 };
	for (int p = 0; p < DIMS; p++)
		for (int q = 0; q < DIMS; q++)
			for (int64_t n = 1; n < MANY; n = n * 7 + 3) {
				int64_t in = dims[p], out = dims[q];
				float *x = make_gauss(1, n, in), *y = make(n * out, sizeof *y);
				double *a = make(out * in, sizeof *a), *b = make(out, sizeof *b);
				double *sums = make(in * out, sizeof *sums);
				struct rng rng = {8};
				for (int64_t i = 0; i < in * out; i++)
					a[i] = (double)rng_gauss(&rng);
				for (int64_t i = 0; i < out; i++)
					b[i] = (double)i;
				struct linear map;
				struct rows rows = rows_of_array(KITH_F32, n, in, x, 0);
				OK(linear_init(&map, in, out, a, b));
				OK(linear_apply(&map, &rows, 2, y));
				for (int64_t i = 0; i < n * out; i += 1 + n * out / 500) {
					double want = b[i % out];
					for (int64_t j = 0; j < in; j++)
						want += a[i % out * in + j] * (double)x[i / out * in + j];
					REQUIRE(fabs((double)y[i] - want) < 1e-4 * (1 + fabs(want)));
				}
				OK(linear_outer(n, in, x, out, y, 2, sums));
				for (int64_t i = 0; i < in * out; i += 1 + in * out / 50) {
					double want = 0;
					for (int64_t v = 0; v < n; v++)
						want += (double)x[v * in + i / out] *
						        (double)y[v * out + i % out];
					REQUIRE(
					    fabs(sums[i] - want) < 1e-3 * (1 + fabs(want)) * sqrt((double)n));
				}
				linear_free(&map);
				free(x);
				free(y);
				free(a);
				free(b);
				free(sums);
			}
}
END_TEST

START_TEST(symmetric_sums)
{
	enum { D = 150, MANY = 700 };
	float *x = make_gauss(1, MANY, D), *y = make(MANY * D, sizeof *y);
	double *a = make(D * D, sizeof *a), *b = make(D * D, sizeof *b);
	memcpy(y, x, MANY * D * sizeof *x);
	OK(linear_outer(MANY, D, x, D, x, 1, a));
	OK(linear_outer(MANY, D, x, D, y, 3, b));
	REQUIRE(memcmp(a, b, D * D * sizeof *a) == 0);
	free(x);
	free(y);
	free(a);
	free(b);
}
END_TEST

/* Error of a product quantizer over rows mapped, per vector. */
static double quantization_error(const struct linear *map, int64_t n, const float *x, int64_t m)
{
	int64_t dim = map->out;
	float *y = make(n * dim, sizeof *y), *z = make(n * dim, sizeof *z);
	struct rows rows = rows_of_array(KITH_F32, n, map->in, x, 0);
	kith_pq *pq;
	OK(linear_apply(map, &rows, 0, y));
	OK(kith_pq_new(&pq, dim, m, 8));
	OK(kith_pq_train(pq, n, y, NULL));
	uint8_t *codes = make(n, kith_pq_code_size(pq));
	OK(kith_pq_encode(pq, n, y, codes, 0));
	OK(kith_pq_decode(pq, n, codes, z));
	double error = 0;
	for (int64_t i = 0; i < n * dim; i++)
		error += ((double)y[i] - (double)z[i]) * ((double)y[i] - (double)z[i]) / (double)n;
	kith_pq_free(pq);
	free(y);
	free(z);
	free(codes);
	return error;
}

/* Correlated data: OPQ beats the axes as they are, a random rotation and plain PCA by far. Gaussian data
 * without structure: it does no harm. */
START_TEST(opq)
{
	enum { D = 16, M = 4, MANY = 8000 };
	float *x = make(MANY * D, sizeof *x);
	struct linear none, random, random_inverse, best, best_inverse;
	double *identity = make(D * D, sizeof *identity), *mix = make(D * D, sizeof *mix), error[3];
	for (int i = 0; i < D; i++)
		identity[i * D + i] = 1;
	OK(rotation_matrix(D, D, 3, 1, mix));
	OK(linear_init(&none, D, D, identity, NULL));
	OK(rotation_learn(D, D, 1, 0, &random, &random_inverse));
	for (int even = 0; even < 2; even++) {
		struct rng rng = {5};
		for (int64_t i = 0; i < MANY; i++)
			for (int64_t r = 0; r < D; r++) {
				double amount = (double)rng_gauss(&rng) * (even ? 1 : exp2(-(double)r / 2));
				for (int64_t j = 0; j < D; j++)
					x[i * D + j] += (float)(amount * mix[r * D + j]);
			}
		struct rows rows = rows_of_array(KITH_F32, MANY, D, x, 0);
		struct opq how = {.out = D, .m = M, .seed = 7};
		OK(opq_learn(&how, &rows, &best, &best_inverse));
		error[0] = quantization_error(&none, MANY, x, M);
		error[1] = quantization_error(&random, MANY, x, M);
		error[2] = quantization_error(&best, MANY, x, M);
		double min = fmin(error[0], error[1]);
		if (!(error[2] < min * (even ? 1.02 : 0.6)))
			ck_abort_msg("errors %g, rotated %g, OPQ %g", error[0], error[1], error[2]);
		linear_free(&best);
		linear_free(&best_inverse);
		memset(x, 0, MANY * D * sizeof *x);
	}
	linear_free(&none);
	linear_free(&random);
	linear_free(&random_inverse);
	free(x);
	free(identity);
	free(mix);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rotations");
	TCase *tests = tcase_create("rotations");
	tcase_set_timeout(tests, 300);
	tcase_add_test(tests, eigenvectors);
	tcase_add_test(tests, eigenvalues_of_nonsense);
	tcase_add_test(tests, polar_factors);
	tcase_add_test(tests, polar_shapes);
	tcase_add_test(tests, random_rotations);
	tcase_add_test(tests, maps_and_sums);
	tcase_add_test(tests, symmetric_sums);
	tcase_add_test(tests, opq);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
