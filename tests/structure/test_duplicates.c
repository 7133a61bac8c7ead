/* Graphs over vectors that occur more than once: two to a thousand copies, side by side, one round after
 * another or shuffled, added at once, in rounds or one by one, replaced and removed. What is found is
 * compared with a scan in double precision, by score: one copy is as good as another. */
#include "tests/structure/graphs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DIM = 16, N = 2000, QUERIES = 100, K = 10, ROUND = 300 };

enum order { ADJACENT, SHUFFLED, TILED, ORDERS };
enum way { AT_ONCE, IN_ROUNDS, ONE_BY_ONE, REPLACED, WAYS };

/* N rows: N / copies different ones, the first of them zero if asked for. */
static float *make_copies(uint64_t seed, int64_t copies, enum order order, bool zero)
{
	int64_t n = N / copies;
	float *some = make_gauss(seed, n, DIM), *x = make(N, DIM * sizeof *x);
	int64_t *row = make(N, sizeof *row);
	struct rng rng = {seed};
	if (zero)
		memset(some, 0, DIM * sizeof *some);
	for (int64_t i = 0; i < N; i++)
		row[i] = order == TILED ? i % n : i / copies % n;
	if (order == SHUFFLED)
		rng_shuffle(&rng, row, N);
	for (int64_t i = 0; i < N; i++)
		memcpy(x + i * DIM, some + row[i] * DIM, DIM * sizeof *x);
	free(some);
	free(row);
	return x;
}

static kith_index *fill(kith_metric metric, const char *spec, const float *x, enum way way)
{
	kith_index *index = make_graph(DIM, metric, spec, 0, x, NULL);
	kith_filter *all;
	int64_t ids[ROUND], removed;
	if (way == AT_ONCE) {
		OK(kith_index_add(index, N, x, NULL, NULL));
		return index;
	}
	if (way == ONE_BY_ONE) {
		OK(kith_index_add(index, N / 2, x, NULL, NULL));
		for (int64_t i = N / 2; i < N; i++)
			OK(kith_index_add(index, 1, x + i * DIM, NULL, NULL));
		return index;
	}
	for (int64_t i = 0, n; i < N; i += n) {
		n = N - i < ROUND ? N - i : ROUND;
		OK(kith_index_add(index, n, x + i * DIM, NULL, NULL));
	}
	if (way == IN_ROUNDS)
		return index;
	/* Every row moves to another place, every seventh is removed and comes again. */
	for (int64_t i = 0, n; i < N; i += n) {
		n = N - i < ROUND ? N - i : ROUND;
		for (int64_t j = 0; j < n; j++)
			ids[j] = N - 1 - i - j;
		OK(kith_index_update(index, n, x + i * DIM, ids));
	}
	for (int64_t i = 0, n; i < N; i += n) {
		for (n = 0; n < ROUND && i + 7 * n < N; n++)
			ids[n] = i + 7 * n;
		OK(kith_filter_ids(&all, n, ids));
		OK(kith_index_remove(index, all, &removed));
		kith_filter_free(all);
		for (int64_t j = 0; j < n; j++)
			OK(kith_index_add(index, 1, x + (N - 1 - ids[j]) * DIM, &ids[j], NULL));
		n *= 7;
	}
	OK(kith_index_compact(index, NULL));
	return index;
}

static double key_of(kith_metric metric, const float *q, const float *x)
{
	double l2 = 0, ip = 0, qq = 0, xx = 0;
	for (int64_t j = 0; j < DIM; j++) {
		l2 += ((double)q[j] - (double)x[j]) * ((double)q[j] - (double)x[j]);
		ip += (double)q[j] * (double)x[j];
		qq += (double)q[j] * (double)q[j];
		xx += (double)x[j] * (double)x[j];
	}
	return metric == KITH_L2 ? l2 : metric == KITH_IP ? -ip : xx > 0 ? -ip / sqrt(qq * xx) : 0;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Share of results that are as good as the K best. Rows of x may be under other ids: vectors are asked for.
 */
static double share_found(
    const kith_index *index, kith_metric metric, const float *x, const float *q, int64_t ef)
{
	static float dist[QUERIES * K], row[DIM];
	static int64_t ids[QUERIES * K];
	static double key[N];
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.efSearch = ef;
	OK(kith_index_search(index, QUERIES, q, K, dist, ids, &options));
	int64_t good = 0;
	for (int64_t i = 0; i < QUERIES; i++) {
		const float *query = q + i * DIM;
		for (int64_t j = 0; j < N; j++)
			key[j] = key_of(metric, query, x + j * DIM);
		qsort(key, N, sizeof *key, ascending);
		double worst = key[K - 1] + 1e-5 * (1 + fabs(key[K - 1]));
		for (int64_t j = 0; j < K; j++) {
			REQUIRE(ids[i * K + j] >= 0);
			OK(kith_index_get(index, 1, &ids[i * K + j], row));
			good += key_of(metric, query, row) <= worst;
		}
	}
	return (double)good / (QUERIES * K);
}

static void check(kith_metric metric, const char *spec, int64_t copies, enum order order, enum way way)
{
	static const char *const metrics[] = {[KITH_L2] = "l2", [KITH_IP] = "ip", [KITH_COSINE] = "cosine"};
	/* Under cosine a zero vector is nearer to all than they are to one another: few candidates lead past
	 * it. */
	bool zero = way == IN_ROUNDS && metric != KITH_COSINE;
	float *x = make_copies((uint64_t)copies, copies, order, zero);
	float *q = make_gauss(99, QUERIES, DIM);
	kith_index *index = fill(metric, spec, x, way);
	for (int64_t ef = 16; ef <= 64; ef *= 4) {
		/* Without copies such a graph finds 0.93 and more of a thousand vectors with 16 candidates;
		 * fewer when all have been replaced. */
		bool few = way == REPLACED;
		double min = ef == 16 ? (few ? 0.8 : 0.9) : few ? 0.96 : 0.985;
		double got = share_found(index, metric, x, q, ef);
		if (!(got >= min))
			ck_abort_msg("%s %s, %lld copies, order %d, way %d, efSearch %lld: %.3f found", spec,
			    metrics[metric], (long long)copies, (int)order, (int)way, (long long)ef, got);
	}
	kith_index_free(index);
	free(x);
	free(q);
}

START_TEST(copies_crowd_nobody_out)
{
	static const kith_metric metrics[] = {KITH_L2, KITH_IP, KITH_COSINE};
	static const int64_t copies[] = {2, 5, 40, 250, 1000, N};
	for (size_t i = 0; i < sizeof copies / sizeof *copies; i++)
		for (int way = sanitized ? (int)i % 2 : 0; way < WAYS; way += sanitized ? 2 : 1)
			check(metrics[_i], "HNSW16", copies[i], (enum order)((i + (size_t)way) % ORDERS),
			    (enum way)way);
}
END_TEST

/* Of the ids that `part` divides with remainder `rest`, which alone pass, the share of the nearest that is
 * found among vectors of which there are many copies. */
static double share_passing(const kith_index *index, kith_metric metric, const float *x, int64_t n,
    int64_t part, int64_t rest, int64_t ef)
{
	static float dist[QUERIES * K];
	static int64_t ids[QUERIES * K];
	float *q = make_gauss(4, QUERIES, DIM);
	int64_t *pass = make(n, sizeof *pass), passing = 0, good = 0;
	double *key = make(n, sizeof *key);
	for (int64_t i = rest; i < n; i += part)
		pass[passing++] = i;
	kith_filter *filter;
	OK(kith_filter_ids(&filter, passing, pass));
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.efSearch = ef;
	options.filter = filter;
	OK(kith_index_search(index, QUERIES, q, K, dist, ids, &options));
	for (int64_t i = 0; i < QUERIES; i++) {
		for (int64_t j = 0; j < passing; j++)
			key[j] = key_of(metric, q + i * DIM, x + pass[j] * DIM);
		qsort(key, (size_t)passing, sizeof *key, ascending);
		double worst = key[K - 1] + 1e-5 * (1 + fabs(key[K - 1]));
		for (int64_t j = 0; j < K; j++) {
			REQUIRE(ids[i * K + j] % part == rest);
			good += key_of(metric, q + i * DIM, x + ids[i * K + j] * DIM) <= worst;
		}
	}
	kith_filter_free(filter);
	free(q);
	free(pass);
	free(key);
	return (double)good / (QUERIES * K);
}

/* Few of a vector's copies pass, so that lists lead mostly to others of them; or all copies of every other
 * vector, so that crowds of those that fail stand in the way. */
START_TEST(copies_under_a_filter)
{
	enum { MANY = 8000 };
	static const struct {
		int64_t copies, part, rest, ef;
		bool tiled;
		double min;
	} kinds[] = {{40, 10, 0, 32, false, 0.97}, {10, 25, 0, 16, false, 0.98}, {10, 25, 0, 16, true, 0.98},
	    {100, 2, 1, 16, true, 0.8}, {100, 2, 1, 64, true, 0.8}};
	kith_metric metric = _i ? KITH_IP : KITH_L2;
	for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
		int64_t some = MANY / kinds[kind].copies;
		float *pool = make_gauss(3, some, DIM), *x = make(MANY, DIM * sizeof *x);
		struct rng rng = {5};
		for (int64_t i = 0; i < MANY; i++)
			memcpy(x + i * DIM,
			    pool + (kinds[kind].tiled ? i % some : rng_below(&rng, some)) * DIM,
			    DIM * sizeof *x);
		kith_index *index = make_graph(DIM, metric, "HNSW16", MANY, x, NULL);
		double got =
		    share_passing(index, metric, x, MANY, kinds[kind].part, kinds[kind].rest, kinds[kind].ef);
		if (got < kinds[kind].min)
			ck_abort_msg("metric %d, kind %d: %.3f found", (int)metric, (int)kind, got);
		kith_index_free(index);
		free(pool);
		free(x);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("duplicates");
	TCase *t = tcase_create("duplicates");
	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, copies_crowd_nobody_out, 0, 3);
	tcase_add_loop_test(t, copies_under_a_filter, 0, 2);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
