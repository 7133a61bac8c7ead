/* Graphs over data that upper halves of floats, or squares of floats, cannot tell apart: what is found is
 * compared with distances in double. And which keys are chosen, that the choice is renewed as an index grows,
 * and that it lives through copies, files, removal and reordering. */
#include "lib/index/hnsw.h"
#include "tests/structure/graphs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 3000, NQ = 100, K = 10, EF = 64 };

/* ---- exactly ---- */

static double key(kith_metric metric, const float *q, const float *x, int64_t dim)
{
	double sum = 0, norms[2] = {0, 0};
	for (int64_t j = 0; j < dim; j++) {
		double a = (double)q[j], b = (double)x[j];
		sum += metric == KITH_L2 ? (a - b) * (a - b) : a * b;
		norms[0] += a * a;
		norms[1] += b * b;
	}
	return metric == KITH_L2 ? sum : metric == KITH_IP ? -sum : -sum / sqrt(norms[0] * norms[1]);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Share of the K nearest that a search with efSearch finds, ties among them: what differs by less than
 * `tie`. ids are rows of x. */
static double find_share_within(
    const kith_index *index, double tie, int64_t n, const float *x, int64_t nq, const float *q, int64_t ef)
{
	int64_t dim = kith_index_dim(index), hits = 0;
	kith_metric metric = kith_index_metric(index);
	float *dist = make(nq * K, sizeof *dist);
	int64_t *ids = make(nq * K, sizeof *ids);
	double *all = make(n, sizeof *all), *sorted = make(n, sizeof *sorted);
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.efSearch = ef;
	options.nprobe = 150;
	OK(kith_index_search(index, nq, q, K, dist, ids, &options));
	for (int64_t i = 0; i < nq; i++) {
		for (int64_t r = 0; r < n; r++)
			all[r] = sorted[r] = key(metric, q + i * dim, x + r * dim, dim);
		qsort(sorted, (size_t)n, sizeof *sorted, compare);
		double limit = sorted[K - 1] + fabs(sorted[K - 1]) * tie;
		for (int64_t j = 0; j < K; j++) {
			REQUIRE(ids[i * K + j] >= 0 && ids[i * K + j] < n);
			for (int64_t other = 0; other < j; other++)
				REQUIRE(ids[i * K + other] != ids[i * K + j]);
			hits += all[ids[i * K + j]] <= limit;
		}
	}
	free(dist);
	free(ids);
	free(all);
	free(sorted);
	return (double)hits / (double)(nq * K);
}

static double find_share(
    const kith_index *index, int64_t n, const float *x, int64_t nq, const float *q, int64_t ef)
{
	return find_share_within(index, 1e-6, n, x, nq, q, ef);
}

/* ---- data ---- */

enum kind {
	PLAIN,
	CITY,
	LINE,
	INTEGERS,
	OFFSET,
	FAR_OFFSET,
	CLUSTERS,
	SMALL_CLUSTERS,
	TIMES,
	TINY,
	DENORMAL,
	LARGE,
	HUGE_VALUES,
	FEW_FAR,
	THIRD_FAR,
	KINDS
};

struct data {
	const char *name;
	int64_t dim;
	enum key_precision keys; /* that L2 needs */
};

static const struct data data[KINDS] = {
    [PLAIN] = {"plain", 16, KEYS_CODED},
    [CITY] = {"latitude and longitude of a city", 2, KEYS_FLOAT},
    [LINE] = {"one dimension", 1, KEYS_FLOAT},
    [INTEGERS] = {"one dimension, integers up to 1e7", 1, KEYS_FLOAT},
    [OFFSET] = {"offset 1000", 16, KEYS_FLOAT},
    [FAR_OFFSET] = {"offset 1e5", 12, KEYS_FLOAT},
    [CLUSTERS] = {"tight clusters far apart", 24, KEYS_FLOAT},
    [SMALL_CLUSTERS] = {"tight small clusters very far apart", 32, KEYS_FLOAT},
    [TIMES] = {"time stamps beside small columns", 8, KEYS_FLOAT},
    [TINY] = {"values of 1e-25", 16, KEYS_WIDE},
    [DENORMAL] = {"denormals", 16, KEYS_WIDE},
    [LARGE] = {"values of 1e18", 16, KEYS_WIDE},
    [HUGE_VALUES] = {"values of 1e37", 16, KEYS_WIDE},
    [FEW_FAR] = {"a few rows up to 1e38", 16, KEYS_CODED},
    [THIRD_FAR] = {"a third of the rows times 1e20", 12, KEYS_WIDE},
};

static float value(enum kind kind, int64_t i, int64_t j, double gauss, const float *centre, struct rng *rng)
{
	switch (kind) {
	case CITY:
		return (float)(j ? 2.35 + gauss * 0.08 : 48.85 + gauss * 0.05);
	case LINE:
		return (float)rng_uniform(rng);
	case INTEGERS:
		return (float)rng_below(rng, 10000000);
	case OFFSET:
		return (float)(1000 + gauss);
	case FAR_OFFSET:
		return (float)(1e5 + gauss);
	case CLUSTERS:
		return (float)(100 * (double)centre[j] + 0.01 * gauss);
	case SMALL_CLUSTERS:
		return (float)(1000 * (double)centre[j] + 0.001 * gauss);
	case TIMES:
		return (float)(j ? gauss : 1.7e9 + 1e6 * rng_uniform(rng));
	case TINY:
		return (float)(gauss * 1e-25);
	case DENORMAL:
		return (float)(gauss * 1e-41);
	case LARGE:
		return (float)(gauss * 1e18);
	case HUGE_VALUES:
		return (float)(gauss * 1e37);
	case FEW_FAR:
		return (float)(gauss * (i % 500 == 7 ? ldexp(1e20, (int)(i / 500) * 8) : 1));
	case THIRD_FAR:
		return (float)(gauss * (i % 3 == 2 ? 1e20 : 1));
	default:
		return (float)gauss;
	}
}

static float *make_kind(enum kind kind, int64_t n)
{
	struct rng rng = {1000 + (uint64_t)kind};
	int64_t dim = data[kind].dim, clusters = kind == CLUSTERS ? 60 : 300;
	float *centre = make_gauss(77, clusters, dim), *x = make(n * dim, sizeof *x);
	for (int64_t i = 0; i < n; i++) {
		int64_t cluster = rng_below(&rng, clusters);
		for (int64_t j = 0; j < dim; j++)
			x[i * dim + j] =
			    value(kind, i, j, (double)rng_gauss(&rng), centre + cluster * dim, &rng);
	}
	free(centre);
	return x;
}

/* ---- tests ---- */

static void check_share(const char *what, const kith_index *index, const char *name, double share, double min)
{
	if (!(share >= min))
		ck_abort_msg("%s, %s, metric %d, %s: %.3f found", name, hnsw_of_const(index)->base.spec,
		    (int)kith_index_metric(index), what, share);
}

/* All at once, by bulk building where that can be. The queries are of the same kind, those about far vectors
 * among them. */
START_TEST(test_kinds)
{
	enum kind kind = (enum kind)_i;
	const struct data *d = &data[kind];
	float *x = make_kind(kind, N + NQ);
	const float *q = x + N * d->dim;
	kith_index *index = make_graph(d->dim, KITH_L2, "HNSW16", N, x, NULL);
	if (hnsw_of(index)->keys != d->keys)
		ck_abort_msg("%s: keys %d", d->name, (int)hnsw_of(index)->keys);
	check_graph(index, kind != FEW_FAR);
	check_share("queries", index, d->name, find_share(index, N, x, NQ, q, EF), 0.985);
	check_share("vectors", index, d->name, find_share(index, N, x, NQ, x, EF), 0.985);
	kith_index_free(index);
	free(x);
}
END_TEST

/* Inner products and angles of values whose squares are no floats. */
START_TEST(test_metrics)
{
	static const enum kind kinds[] = {PLAIN, TINY, DENORMAL, LARGE, HUGE_VALUES, FEW_FAR, THIRD_FAR};
	enum kind kind = kinds[_i / 2];
	const struct data *d = &data[kind];
	float *x = make_kind(kind, N + NQ);
	kith_index *index = make_graph(d->dim, _i % 2 ? KITH_COSINE : KITH_IP, "HNSW16", N, x, NULL);
	double share = find_share(index, N, x, NQ, x + N * d->dim, EF);
	/* A fifth of what is asked for has a negative product with the few that are far. */
	check_share("queries", index, d->name, share, 0.97);
	kith_index_free(index);
	free(x);
}
END_TEST

/* Inner products of vectors with 39 near-copies each, which differ from one another in the last digits. */
START_TEST(test_near_copies)
{
	enum { COPIES = 40, DIM = 32 };
	float *base = make_gauss(5, N / COPIES, DIM), *noise = make_gauss(6, N, DIM),
	      *q = make_gauss(7, NQ, DIM);
	for (int64_t i = 0; i < N * DIM; i++)
		noise[i] = base[i / DIM * 7919 % (N / COPIES) * DIM + i % DIM] + 1e-6F * noise[i];
	kith_index *index = make_graph(DIM, KITH_IP, "HNSW16", N, noise, NULL);
	ck_assert_int_eq(hnsw_of(index)->keys, KEYS_FLOAT);
	double share = find_share_within(index, 1e-12, N, noise, NQ, q, 2 * EF);
	check_share("queries", index, "near-copies", share, 0.93);
	kith_index_free(index);
	free(base);
	free(noise);
	free(q);
}
END_TEST

/* Vectors of unit length on a plane, queries that are not: all are about equally far from them. */
START_TEST(test_plane)
{
	enum { DIM = 48 };
	kith_metric metric = _i ? KITH_COSINE : KITH_L2;
	float *axes = make_gauss(11, 2, DIM), *x = make(2 * N, DIM * sizeof *x), *q = make_gauss(12, NQ, DIM);
	for (int64_t i = 0; i < 2 * N; i++) {
		double angle = (double)i * 2.399963, length = 0;
		for (int64_t j = 0; j < DIM; j++) {
			x[i * DIM + j] = (float)cos(angle) * axes[j] + (float)sin(angle) * axes[DIM + j];
			length += (double)x[i * DIM + j] * (double)x[i * DIM + j];
		}
		for (int64_t j = 0; j < DIM; j++)
			x[i * DIM + j] /= (float)sqrt(length);
	}
	kith_index *index = make_graph(DIM, metric, "HNSW16", 2 * N, x, NULL);
	ck_assert_int_eq(hnsw_of(index)->keys, KEYS_FLOAT);
	double share = find_share_within(index, 1e-6, 2 * N, x, NQ, q, EF);
	check_share("queries", index, "a plane", share, 0.97);
	kith_index_free(index);
	free(axes);
	free(x);
	free(q);
}
END_TEST

/* A few at a time, by insertion, and with changes. */
START_TEST(test_steps)
{
	static const enum kind kinds[] = {CITY, OFFSET, CLUSTERS, TINY, FEW_FAR, THIRD_FAR};
	enum { STEP = 37 };
	enum kind kind = kinds[_i];
	const struct data *d = &data[kind];
	int64_t n = 1500, ids[STEP];
	float *x = make_kind(kind, n + NQ);
	kith_index *index;
	OK(kith_index_new(&index, d->dim, KITH_L2, "HNSW16"));
	for (int64_t i = 0; i < n; i += STEP)
		OK(kith_index_add(index, n - i < STEP ? n - i : STEP, x + i * d->dim, NULL, NULL));
	for (int64_t i = 0; i < STEP; i++)
		ids[i] = i * 40;
	/* Each gets another's vector and its own again: its node is another then. */
	for (int64_t i = 0; i < STEP; i++)
		OK(kith_index_update(index, 1, x + (ids[i] + 1) * d->dim, &ids[i]));
	for (int64_t i = 0; i < STEP; i++)
		OK(kith_index_update(index, 1, x + ids[i] * d->dim, &ids[i]));
	check_share("steps", index, d->name, find_share(index, n, x, NQ, x + n * d->dim, EF), 0.98);
	OK(kith_index_compact(index, NULL));
	OK(kith_index_reorder(index, NULL));
	check_graph(index, kind != FEW_FAR);
	check_share("compacted", index, d->name, find_share(index, n, x, NQ, x + n * d->dim, EF), 0.98);
	kith_index_free(index);
	free(x);
}
END_TEST

/* Vectors that halves tell apart, then many more between them that they do not. */
START_TEST(test_grows)
{
	enum { FIRST = 600, MORE = 2400, DIM = 4 };
	float *x = make_gauss(5, FIRST + MORE + NQ, DIM);
	for (int64_t i = FIRST * DIM; i < (FIRST + MORE + NQ) * DIM; i++)
		x[i] = 2 + x[i] * 0.001f;
	kith_index *index = make_graph(DIM, KITH_L2, "HNSW16", FIRST, x, NULL);
	REQUIRE(hnsw_of(index)->keys == KEYS_CODED);
	for (int64_t i = FIRST; i < FIRST + MORE; i += 60)
		OK(kith_index_add(index, 60, x + i * DIM, NULL, NULL));
	REQUIRE(hnsw_of(index)->keys == KEYS_FLOAT && hnsw_of(index)->linked == KEYS_FLOAT);
	check_graph(index, false);
	double share = find_share(index, FIRST + MORE, x, NQ, x + (FIRST + MORE) * DIM, EF);
	check_share("grown", index, "", share, 0.985);
	kith_index_free(index);
	free(x);
}
END_TEST

/* The same answers from a copy and from a file; from a file without the section, as old ones are, too. */
START_TEST(test_copies)
{
	static const enum kind kinds[] = {PLAIN, CITY, OFFSET, TINY, FEW_FAR, THIRD_FAR};
	enum kind kind = kinds[_i];
	const struct data *d = &data[kind];
	float *x = make_kind(kind, N + NQ);
	const float *q = x + N * d->dim;
	kith_index *index = make_graph(d->dim, KITH_L2, "HNSW16", N, x, NULL), *clone, *opened;
	struct bytes saved = saved_bytes(index);
	double share = find_share(index, N, x, NQ, q, EF);
	OK(kith_index_clone(&clone, index));
	OK(index_of_bytes(&opened, &saved, true));
	REQUIRE(find_share(clone, N, x, NQ, q, EF) == share && find_share(opened, N, x, NQ, q, EF) == share);
	REQUIRE(
	    hnsw_of(opened)->keys == hnsw_of(index)->keys && hnsw_of(opened)->fars == hnsw_of(index)->fars);
	/* What a first release wrote. */
	struct hnsw *hnsw = hnsw_of(clone);
	enum key_precision keys = hnsw->keys;
	int64_t fars = hnsw->fars;
	hnsw->keys = KEYS_CODED;
	hnsw->fars = 0;
	OK(hnsw_find_keys(hnsw, KEYS_CODED));
	REQUIRE(hnsw->keys == keys && hnsw->fars == fars);
	REQUIRE(find_share(clone, N, x, NQ, q, EF) == share);
	OK(kith_index_compact(clone, NULL));
	REQUIRE(hnsw->linked == hnsw->keys);
	check_share("linked anew", clone, d->name, find_share(clone, N, x, NQ, q, EF), 0.985);
	free(saved.data);
	kith_index_free(opened);
	kith_index_free(clone);
	kith_index_free(index);
	free(x);
}
END_TEST

/* One absurd row among many: the others are found as if it were not there, at the same cost. */
START_TEST(test_absurd)
{
	kith_metric metric = _i ? KITH_IP : KITH_L2;
	int64_t dim = data[PLAIN].dim;
	float *x = make_kind(PLAIN, N + NQ);
	const float *q = x + N * dim;
	for (int64_t j = 0; j < dim; j++)
		x[1500 * dim + j] *= 1e37f;
	kith_index *index = make_graph(dim, metric, "HNSW16", N, x, NULL);
	REQUIRE(hnsw_of(index)->keys == KEYS_CODED && hnsw_of(index)->fars == 1);
	check_share("beside an absurd one", index, "", find_share(index, N, x, NQ, q, EF),
	    metric == KITH_L2 ? 0.985 : 0.97);
	int64_t id = -1;
	float dist;
	OK(kith_index_search(index, 1, x + 1500 * dim, 1, &dist, &id, NULL));
	REQUIRE(id == 1500);
	/* And gone it leaves nothing. */
	remove_ids(index, 1500, 1501);
	OK(kith_index_compact(index, NULL));
	REQUIRE(hnsw_of(index)->fars == 0);
	check_graph(index, true);
	kith_index_free(index);
	free(x);
}
END_TEST

/* Candidates of refining are kept by the same keys, and codes under a graph have theirs. */
START_TEST(test_codecs)
{
	static const struct {
		const char *spec;
		enum kind kind;
	} cases[] = {{"HNSW16,RFlat", OFFSET}, {"HNSW16,SQ8,RFlat", CITY}, {"HNSW16,SQ8,RFlat", HUGE_VALUES},
	    {"HNSW16,SQbf16,RFlat", HUGE_VALUES}, {"HNSW16,SQ8,RFlat", TINY}, {"HNSW16,RFlat", CLUSTERS},
	    {"IVF300_HNSW16,Flat", FAR_OFFSET}};
	const struct data *d = &data[cases[_i].kind];
	float *x = make_kind(cases[_i].kind, N + NQ);
	kith_index *index = make_graph(d->dim, KITH_L2, cases[_i].spec, N, x, NULL);
	check_share("", index, d->name, find_share(index, N, x, NQ, x + N * d->dim, EF), 0.98);
	kith_index_free(index);
	free(x);
}
END_TEST

/* The choice and the graph are the same whatever the threads. */
START_TEST(test_threads)
{
	enum kind kind = _i ? CLUSTERS : OFFSET;
	float *x = make_kind(kind, N);
	kith_add_options options = KITH_ADD_OPTIONS;
	options.threads = 1;
	kith_index *one = make_graph(data[kind].dim, KITH_L2, "HNSW8", N, x, &options);
	options.threads = 3;
	kith_index *three = make_graph(data[kind].dim, KITH_L2, "HNSW8", N, x, &options);
	REQUIRE(same_bytes(one, three));
	kith_index_free(one);
	kith_index_free(three);
	free(x);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("graph_keys");
	TCase *t = tcase_create("graph_keys");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, test_kinds, 0, KINDS);
	tcase_add_test(t, test_near_copies);
	tcase_add_loop_test(t, test_plane, 0, 2);
	tcase_add_loop_test(t, test_metrics, 0, 14);
	tcase_add_loop_test(t, test_steps, 0, 6);
	tcase_add_test(t, test_grows);
	tcase_add_loop_test(t, test_copies, 0, 6);
	tcase_add_loop_test(t, test_absurd, 0, 2);
	tcase_add_loop_test(t, test_codecs, 0, 7);
	tcase_add_loop_test(t, test_threads, 0, 2);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
