/* A generator for each kind, the table of kinds, and the exact recall.
 *
 * Vectors that a set shares with its queries (centres of clusters, vectors with copies, directions) are drawn
 * from separate seeds by pool_vector; all others come from the random numbers of the set or of the queries.
 */
#include "tests/recall/kinds.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Vector number i of a set's pool: gaussian. */
static void pool_vector(int64_t i, int64_t dim, float *x)
{
	struct rng rng = {UINT64_C(0x6b696e64) + (uint64_t)i * UINT64_C(0x9e3779b97f4a7c15)};
	for (int64_t j = 0; j < dim; j++)
		x[j] = rng_gauss(&rng);
}

/* Uniform: a + b · [0, 1). */
static void uniform(const struct kind *kind, struct rng *rng, int64_t set, int64_t n, float *x)
{
	(void)set;
	for (int64_t i = 0; i < n * kind->dim; i++)
		x[i] = (float)(kind->a + kind->b * rng_uniform(rng));
}

/* Gaussian: a + b · N(0, 1). */
static void gauss(const struct kind *kind, struct rng *rng, int64_t set, int64_t n, float *x)
{
	(void)set;
	for (int64_t i = 0; i < n * kind->dim; i++)
		x[i] = (float)(kind->a + kind->b * (double)rng_gauss(rng));
}

/* Gaussian with a standard deviation that decreases from component to component, as j^-a. */
static void anisotropic(const struct kind *kind, struct rng *rng, int64_t set, int64_t n, float *x)
{
	(void)set;
	for (int64_t i = 0; i < n * kind->dim; i++)
		x[i] = rng_gauss(rng) * (float)pow((double)(i % kind->dim + 1), -kind->a);
}

/* Gaussian, with lengths multiplied by e^(a · N(0, 1)). */
static void lengths(const struct kind *kind, struct rng *rng, int64_t set, int64_t n, float *x)
{
	(void)set;
	for (int64_t i = 0; i < n; i++) {
		float length = (float)exp(kind->a * (double)rng_gauss(rng));
		for (int64_t j = 0; j < kind->dim; j++)
			x[i * kind->dim + j] = length * rng_gauss(rng);
	}
}

/* `a` clusters with standard deviation b, whose centres have standard deviation c. */
static void clusters(const struct kind *kind, struct rng *rng, int64_t set, int64_t n, float *x)
{
	(void)set;
	for (int64_t i = 0; i < n; i++, x += kind->dim) {
		pool_vector(rng_below(rng, (int64_t)kind->a), kind->dim, x);
		for (int64_t j = 0; j < kind->dim; j++)
			x[j] = x[j] * (float)kind->c + rng_gauss(rng) * (float)kind->b;
	}
}

/* The same, ordered by clusters. */
static void sorted_clusters(const struct kind *kind, struct rng *rng, int64_t set, int64_t n, float *x)
{
	(void)set;
	for (int64_t i = 0; i < n; i++, x += kind->dim) {
		pool_vector(i * (int64_t)kind->a / n, kind->dim, x);
		for (int64_t j = 0; j < kind->dim; j++)
			x[j] = x[j] * (float)kind->c + rng_gauss(rng) * (float)kind->b;
	}
}

/* Every vector `a` times, with noise of standard deviation b: adjacent, in random order, or in rounds. */
static void copy_of(const struct kind *kind, struct rng *rng, int64_t number, float *x)
{
	pool_vector(number, kind->dim, x);
	for (int64_t j = 0; j < kind->dim; j++)
		x[j] += (float)kind->b * rng_gauss(rng);
}

static void adjacent_copies(const struct kind *kind, struct rng *rng, int64_t set, int64_t n, float *x)
{
	(void)set;
	for (int64_t i = 0; i < n; i++)
		copy_of(kind, rng, i / (int64_t)kind->a, x + i * kind->dim);
}

static void shuffled_copies(const struct kind *kind, struct rng *rng, int64_t set, int64_t n, float *x)
{
	for (int64_t i = 0; i < n; i++)
		copy_of(kind, rng, rng_below(rng, set / (int64_t)kind->a), x + i * kind->dim);
}

static void tiled_copies(const struct kind *kind, struct rng *rng, int64_t set, int64_t n, float *x)
{
	for (int64_t i = 0; i < n; i++)
		copy_of(kind, rng, i % (set / (int64_t)kind->a), x + i * kind->dim);
}

/* 1 with probability a, else 0. */
static void binary(const struct kind *kind, struct rng *rng, int64_t set, int64_t n, float *x)
{
	(void)set;
	for (int64_t i = 0; i < n * kind->dim; i++)
		x[i] = rng_uniform(rng) < kind->a;
}

/* Counts, mostly 0: with probability a 1, 2, 3 …, each half as often as the previous one. Component j is
 * rarer by (1 + j)^-b, like words in texts. */
static void counts(const struct kind *kind, struct rng *rng, int64_t set, int64_t n, float *x)
{
	(void)set;
	for (int64_t i = 0; i < n * kind->dim; i++) {
		x[i] = rng_uniform(rng) < kind->a * pow((double)(i % kind->dim + 1), -kind->b);
		while (x[i] > 0 && rng_below(rng, 2))
			x[i] += 1;
	}
}

/* Similar to embeddings of words: a common direction (a), decreasing standard deviations (j^-b), and
 * different lengths (c). */
static void words(const struct kind *kind, struct rng *rng, int64_t set, int64_t n, float *x)
{
	float mean[1024];
	(void)set;
	pool_vector(0, kind->dim, mean);
	for (int64_t i = 0; i < n; i++, x += kind->dim) {
		float length = (float)exp(kind->c * (double)rng_gauss(rng));
		for (int64_t j = 0; j < kind->dim; j++)
			x[j] = length * ((float)kind->a * mean[j] +
			                    rng_gauss(rng) * (float)pow((double)(j + 1), -kind->b));
	}
}

/* Integers 0 … a − 1. */
static void grid(const struct kind *kind, struct rng *rng, int64_t set, int64_t n, float *x)
{
	(void)set;
	for (int64_t i = 0; i < n * kind->dim; i++)
		x[i] = (float)rng_below(rng, (int64_t)kind->a);
}

/* Latitude and longitude of places in a city. */
static void places(const struct kind *kind, struct rng *rng, int64_t set, int64_t n, float *x)
{
	(void)set;
	for (int64_t i = 0; i < n; i++, x += kind->dim) {
		x[0] = (float)(48.85 + 0.05 * (double)rng_gauss(rng));
		x[1] = (float)(2.35 + 0.08 * (double)rng_gauss(rng));
	}
}

/* Random linear combinations of `a` directions, with noise b. */
static void low_rank(const struct kind *kind, struct rng *rng, int64_t set, int64_t n, float *x)
{
	float axis[1024];
	(void)set;
	memset(x, 0, (size_t)(n * kind->dim) * sizeof *x);
	for (int64_t r = 0; r < (int64_t)kind->a; r++) {
		pool_vector(r, kind->dim, axis);
		for (int64_t i = 0; i < n; i++) {
			float g = rng_gauss(rng);
			for (int64_t j = 0; j < kind->dim; j++)
				x[i * kind->dim + j] += g * axis[j];
		}
	}
	for (int64_t i = 0; i < n * kind->dim; i++)
		x[i] += (float)kind->b * rng_gauss(rng);
}

/* A closed curve through all components, which oscillate up to `a` times. */
static void curve(const struct kind *kind, struct rng *rng, int64_t set, int64_t n, float *x)
{
	(void)set;
	for (int64_t i = 0; i < n; i++, x += kind->dim) {
		double t = rng_uniform(rng);
		for (int64_t j = 0; j < kind->dim; j++)
			x[j] = (float)sin(6.283185307179586 * (t * (double)(1 + j % (int64_t)kind->a) +
			                                          (double)j / (double)kind->dim));
	}
}

/* Gaussian, but a fraction `a` of the vectors is b times as long. */
static void outliers(const struct kind *kind, struct rng *rng, int64_t set, int64_t n, float *x)
{
	(void)set;
	for (int64_t i = 0; i < n; i++, x += kind->dim) {
		float factor = rng_uniform(rng) < kind->a ? (float)kind->b : 1;
		for (int64_t j = 0; j < kind->dim; j++)
			x[j] = factor * rng_gauss(rng);
	}
}

/* Gaussian in the first components, `a` in the others. */
static void constants(const struct kind *kind, struct rng *rng, int64_t set, int64_t n, float *x)
{
	(void)set;
	for (int64_t i = 0; i < n; i++, x += kind->dim)
		for (int64_t j = 0; j < kind->dim; j++)
			x[j] = j < kind->dim / 4 ? rng_gauss(rng) : (float)kind->a;
}

/* Queries of another distribution: their common direction is not that of `words`. */
static void other_words(const struct kind *kind, struct rng *rng, int64_t set, int64_t n, float *x)
{
	float mean[1024];
	(void)set;
	pool_vector(1, kind->dim, mean);
	for (int64_t i = 0; i < n; i++, x += kind->dim)
		for (int64_t j = 0; j < kind->dim; j++)
			x[j] = (float)kind->a * mean[j] + rng_gauss(rng);
}

/* Gaussian, with a fraction `a` of zero vectors. */
static void with_zeros(const struct kind *kind, struct rng *rng, int64_t set, int64_t n, float *x)
{
	gauss(&(struct kind){.dim = kind->dim, .b = 1}, rng, set, n, x);
	for (int64_t i = 0; i < n; i++)
		if (rng_uniform(rng) < kind->a)
			memset(x + i * kind->dim, 0, (size_t)kind->dim * sizeof *x);
}

static void plain_gauss(const struct kind *kind, struct rng *rng, int64_t set, int64_t n, float *x)
{
	gauss(&(struct kind){.dim = kind->dim, .b = 1}, rng, set, n, x);
}

/* All vectors are in one corner, except a fraction `a` of zero vectors. Queries are in the opposite
 * corner, so a zero vector is the most similar one. */
static void corner(const struct kind *kind, struct rng *rng, int64_t set, int64_t n, float *x)
{
	with_zeros(kind, rng, set, n, x);
	for (int64_t i = 0; i < n * kind->dim; i++)
		x[i] = fabsf(x[i]);
}

static void opposite(const struct kind *kind, struct rng *rng, int64_t set, int64_t n, float *x)
{
	plain_gauss(kind, rng, set, n, x);
	for (int64_t i = 0; i < n * kind->dim; i++)
		x[i] = -fabsf(x[i]);
}

static const struct kind kinds[] = {
    {"uniform, d = 1", 1, uniform, .a = 0, .b = 1},
    {"uniform, d = 2", 2, uniform, .a = 0, .b = 1},
    {"uniform, d = 2, any query", 2, uniform, .a = 0, .b = 1, .draw_queries = plain_gauss},
    {"uniform, d = 128", 128, uniform, .a = 0, .b = 1},
    {"uniform, d = 3", 3, uniform, .a = -1, .b = 2},
    {"uniform, d = 8", 8, uniform, .a = 0, .b = 1},
    {"uniform, d = 32", 32, uniform, .a = 0, .b = 1},
    {"gauss, d = 16", 16, gauss, .a = 0, .b = 1},
    {"gauss, d = 64", 64, gauss, .a = 0, .b = 1},
    {"gauss, d = 128", 128, gauss, .a = 0, .b = 1},
    {"gauss, d = 320", 320, gauss, .a = 0, .b = 1},
    {"unit, d = 64", 64, gauss, .a = 0, .b = 1, .unit = true},
    {"anisotropic", 64, anisotropic, .a = 1},
    {"long and short", 32, lengths, .a = 1},
    {"clusters", 32, clusters, .a = 50, .b = 0.3, .c = 1},
    {"sorted clusters", 32, sorted_clusters, .a = 50, .b = 0.3, .c = 1},
    {"clusters, any query", 32, clusters, .a = 50, .b = 0.3, .c = 1, .draw_queries = plain_gauss},
    {"clusters of a few", 32, sorted_clusters, .a = 400, .b = 0.05, .c = 1},
    {"tight unit clusters", 96, clusters, .a = 200, .b = 0.01, .c = 1, .unit = true},
    {"copies x 2, adjacent", 32, adjacent_copies, .a = 2, .draw_queries = plain_gauss},
    {"copies x 40, shuffled", 32, shuffled_copies, .a = 40},
    {"copies x 1000, tiled", 32, tiled_copies, .a = 1000},
    {"near copies", 32, shuffled_copies, .a = 20, .b = 0.001},
    {"near copies x 100, adjacent", 32, adjacent_copies, .a = 100, .b = 1e-6, .draw_queries = plain_gauss},
    {"near copies x 10, adjacent", 32, adjacent_copies, .a = 10, .b = 0.001, .draw_queries = plain_gauss},
    {"near copies x 100, shuffled", 32, shuffled_copies, .a = 100, .b = 1e-6, .draw_queries = plain_gauss},
    {"near copies x 500, shuffled", 32, shuffled_copies, .a = 500, .b = 0.001, .draw_queries = plain_gauss},
    {"binary", 64, binary, .a = 0.5},
    {"binary, one in ten", 64, binary, .a = 0.1},
    {"sparse binary", 128, binary, .a = 0.05},
    {"counts", 200, counts, .a = 0.5, .b = 0.6},
    {"words", 100, words, .a = 0.5, .b = 0.3, .c = 0.3},
    {"unit words", 100, words, .a = 0.5, .b = 0.3, .c = 0.3, .unit = true},
    {"queries from elsewhere", 64, words, .a = 0.5, .b = 0.1, .c = 0, .unit = true,
        .draw_queries = other_words},
    {"clusters, queries from elsewhere", 64, clusters, .a = 8, .b = 0.3, .c = 1, .unit = true,
        .draw_queries = plain_gauss},
    {"grid 3^6", 6, grid, .a = 3},
    {"grid 10^4", 4, grid, .a = 10},
    {"low rank", 128, low_rank, .a = 8, .b = 0.05},
    {"rank 3, queries off it", 64, low_rank, .a = 3, .b = 0, .draw_queries = plain_gauss},
    {"curve", 16, curve, .a = 6},
    {"constants", 64, constants, .a = 3},
    {"zeros among units", 64, with_zeros, .a = 0.3, .unit = true, .draw_queries = plain_gauss},
    {"a few zeros among units", 64, with_zeros, .a = 0.001, .unit = true, .draw_queries = plain_gauss},
    {"zeros for queries from behind", 16, corner, .a = 0.01, .unit = true, .draw_queries = opposite},
    {"places", 2, places, .a = 0},
    {"offset 10", 16, gauss, .a = 10, .b = 1},
    {"offset 1000", 16, gauss, .a = 1000, .b = 1},
    {"clusters far apart", 32, clusters, .a = 400, .b = 0.01, .c = 100},
    {"x 1e18", 16, gauss, .a = 0, .b = 1e18},
    {"x 1e-20", 16, gauss, .a = 0, .b = 1e-20},
    {"some x 1e20", 16, outliers, .a = 0.001, .b = 1e20, .draw_queries = plain_gauss},
    {"a third x 1e18", 16, outliers, .a = 0.3333, .b = 1e18},
};

const struct kind *kind_of(const char *name)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	ck_abort_msg("there is no kind '%s'", name);
	return NULL;
}

/* ---- a set and its queries ---- */

static void make_unit(int64_t n, int64_t dim, float *x)
{
	for (int64_t i = 0; i < n; i++, x += dim) {
		double sq = 0;
		for (int64_t j = 0; j < dim; j++)
			sq += (double)x[j] * (double)x[j];
		for (int64_t j = 0; j < dim && sq > 0; j++)
			x[j] = (float)((double)x[j] / sqrt(sq));
	}
}

struct data data_make(const char *name, int64_t n, int64_t nq)
{
	const struct kind *kind = kind_of(name);
	struct data data = {.n = n, .nq = nq, .dim = kind->dim};
	struct rng rng = {1}, query_rng = {2};
	data.x = make(n * kind->dim, sizeof *data.x);
	data.q = make(nq * kind->dim, sizeof *data.q);
	kind->draw(kind, &rng, n, n, data.x);
	(kind->draw_queries ? kind->draw_queries : kind->draw)(kind, &query_rng, n, nq, data.q);
	if (kind->unit) {
		make_unit(n, kind->dim, data.x);
		make_unit(nq, kind->dim, data.q);
	}
	return data;
}

void data_free(struct data *data)
{
	free(data->x);
	free(data->q);
}

/* ---- exact recall ---- */

static double exact_key(kith_metric metric, const float *q, const float *x, int64_t dim)
{
	double l2sq = 0, ip = 0, qq = 0, xx = 0;
	for (int64_t j = 0; j < dim; j++) {
		double a = (double)q[j], b = (double)x[j];
		l2sq += (a - b) * (a - b);
		ip += a * b;
		qq += a * a;
		xx += b * b;
	}
	if (metric == KITH_L2)
		return l2sq;
	return metric == KITH_IP ? -ip : qq > 0 && xx > 0 ? -ip / sqrt(qq * xx) : 0;
}

/* The k-th smallest of n keys. */
static double smallest(const double *key, int64_t n, int64_t k)
{
	double best[64] = {0};
	int64_t have = 0;
	REQUIRE(n > 0 && k > 0 && k <= 64);
	for (int64_t i = 0; i < n; i++) {
		if (have == k && key[i] >= best[k - 1])
			continue;
		int64_t at = have < k ? have++ : k - 1;
		for (; at > 0 && key[i] < best[at - 1]; at--)
			best[at] = best[at - 1];
		best[at] = key[i];
	}
	return best[have - 1];
}

static bool comes_first(const int64_t *ids, int64_t i)
{
	for (int64_t j = 0; j < i; j++)
		if (ids[j] == ids[i])
			return false;
	return true;
}

double data_recall(const struct data *data, kith_metric metric, int64_t k, const int64_t *ids)
{
	double *key = make(data->n, sizeof *key);
	int64_t found = 0, wanted = k < data->n ? k : data->n;
	for (int64_t q = 0; q < data->nq; q++, ids += k) {
		for (int64_t i = 0; i < data->n; i++)
			key[i] =
			    exact_key(metric, data->q + q * data->dim, data->x + i * data->dim, data->dim);
		/* An index stores unit vectors as floats. */
		double last = smallest(key, data->n, wanted);
		last += metric == KITH_COSINE ? 3e-7 : fabs(last) * 1e-12;
		for (int64_t i = 0; i < wanted; i++)
			found += ids[i] >= 0 && key[ids[i]] <= last && comes_first(ids, i);
	}
	free(key);
	return (double)found / (double)(data->nq * wanted);
}
