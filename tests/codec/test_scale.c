/* What is learnt follows the data. Multiplied by a power of two, vectors and queries give the same ids, and
 * the distances multiplied, to the last bit; with an offset that rounds nothing, L2 finds as much as before.
 */
#include "tests/support/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DIM = 16, N = 1500, QUERIES = 30, K = 10 };

static const char *const specs[] = {"SQ8", "SQ6", "SQ4", "SQ8_uniform", "SQ4_uniform", "SQ8_quantile", "PQ8",
    "PQ4x6", "IVF8,Flat", "IVF8,SQ8", "IVF8,SQ4", "IVF8,PQ8", "IVF8_whole,SQ8", "IVF8_HNSW4,SQ8", "HNSW8",
    "HNSW8,SQ8", "HNSW8,PQ8", "PCA8,Flat", "PCA8,SQ8", "OPQ4_8,PQ4", "RR8,SQ8", "IVF8,PQ4,RFlat",
    "SQ4,Refine(SQ8)"};
enum { SPECS = sizeof specs / sizeof *specs };

struct answer {
	float dist[QUERIES * K];
	int64_t ids[QUERIES * K];
};

static void ask(kith_metric metric, const char *spec, const float *x, const float *q, struct answer *answer)
{
	kith_index *index;
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.nprobe = 4;
	OK(kith_index_new(&index, DIM, metric, spec));
	OK(kith_index_train(index, N, x, NULL));
	OK(kith_index_add(index, N, x, NULL, NULL));
	OK(kith_index_search(index, QUERIES, q, K, answer->dist, answer->ids, &options));
	kith_index_free(index);
}

/* times · x + offset. */
static float *mapped(const float *x, int64_t n, float times, float offset)
{
	float *y = make(n, sizeof *y);
	for (int64_t i = 0; i < n; i++)
		y[i] = times * x[i] + offset;
	return y;
}

START_TEST(scaled)
{
	static const kith_metric metrics[] = {KITH_L2, KITH_IP, KITH_COSINE};
	static const int exponents[] = {-12, 9};
	static struct answer once, again;
	kith_metric metric = metrics[_i % 3];
	const char *spec = specs[_i / 3];
	float *x = make_gauss(1, N, DIM), *q = make_gauss(2, QUERIES, DIM);
	for (int64_t i = 0; i < N; i++) /* of different lengths */
		for (int64_t j = 0; j < DIM; j++)
			x[i * DIM + j] *= 0.5f + (float)(i % 8) * 0.125f;
	ask(metric, spec, x, q, &once);
	for (size_t e = 0; e < sizeof exponents / sizeof *exponents; e++) {
		float times = ldexpf(1, exponents[e]), squared = metric == KITH_COSINE ? 1 : times * times;
		float *y = mapped(x, (int64_t)N * DIM, times, 0), *p = mapped(q, QUERIES * DIM, times, 0);
		ask(metric, spec, y, p, &again);
		for (int64_t i = 0; i < QUERIES * K; i++)
			if (again.ids[i] != once.ids[i] || again.dist[i] != once.dist[i] * squared)
				ck_abort_msg(
				    "%s, metric %d, times 2^%d, result %d: %lld at %g, not %lld at %g", spec,
				    (int)metric, exponents[e], (int)i, (long long)again.ids[i],
				    (double)again.dist[i], (long long)once.ids[i],
				    (double)(once.dist[i] * squared));
		free(y);
		free(p);
	}
	free(x);
	free(q);
}
END_TEST

/* Of the K nearest in truth, how many there are among the answers. */
static double recall(const float *x, const float *q, const struct answer *answer)
{
	int64_t good = 0;
	for (int64_t i = 0; i < QUERIES; i++) {
		double key[N];
		for (int64_t j = 0; j < N; j++) {
			key[j] = 0;
			for (int64_t d = 0; d < DIM; d++) {
				double t = (double)q[i * DIM + d] - (double)x[j * DIM + d];
				key[j] += t * t;
			}
		}
		for (int64_t k = 0; k < K; k++) {
			int64_t nearer = 0, id = answer->ids[i * K + k];
			for (int64_t j = 0; j < N; j++)
				nearer += key[j] < key[id];
			good += nearer < K;
		}
	}
	return (double)good / (QUERIES * K);
}

START_TEST(shifted)
{
	static struct answer once, again;
	float *x = make_gauss(1, N, DIM), *q = make_gauss(2, QUERIES, DIM);
	for (int64_t i = 0; i < N * DIM; i++)
		x[i] = roundf(x[i] * 64);
	for (int64_t i = 0; i < QUERIES * DIM; i++)
		q[i] = roundf(q[i] * 64);
	float *y = mapped(x, (int64_t)N * DIM, 1, 4096), *p = mapped(q, QUERIES * DIM, 1, 4096);
	ask(KITH_L2, specs[_i], x, q, &once);
	ask(KITH_L2, specs[_i], y, p, &again);
	double before = recall(x, q, &once), after = recall(x, q, &again);
	if (!(after >= before - 0.02))
		ck_abort_msg("%s: %.3f found without an offset, %.3f with one", specs[_i], before, after);
	/* A graph may find others. */
	for (int64_t i = 0; i < QUERIES * K && !strstr(specs[_i], "HNSW"); i++) {
		double want = (double)once.dist[i], got = (double)again.dist[i];
		if (!(fabs(got - want) <= 0.02 * want + 100))
			ck_abort_msg("%s: a distance of %g instead of %g", specs[_i], got, want);
	}
	free(x);
	free(q);
	free(y);
	free(p);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("scale");
	TCase *t = tcase_create("scale");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, scaled, 0, SPECS * 3);
	tcase_add_loop_test(t, shifted, 0, SPECS);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
