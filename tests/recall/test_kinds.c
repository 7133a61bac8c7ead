/* Recall@10 of indexes on data of many kinds, compared with exact distances in double precision.
 *
 * The table has the recall that each must reach. The floor of a graph is the recall of a plain HNSW of floats
 * at the same efSearch minus half a point; where no graph reaches 1, it may be a little below the measured
 * recall. `./run test --long` uses larger sets and more queries.
 */
#include "tests/recall/kinds.h"

#include <stdio.h>
#include <stdlib.h>

enum { K = 10 };

static double recall_of(const struct data *data, const char *spec, kith_metric metric, int64_t setting)
{
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.efSearch = options.nprobe = setting;
	kith_index *index;
	int64_t *ids = make(data->nq * K, sizeof *ids);
	float *dist = make(data->nq * K, sizeof *dist);
	OK(kith_index_new(&index, data->dim, metric, spec));
	OK(kith_index_train(index, data->n, data->x, NULL));
	OK(kith_index_add(index, data->n, data->x, NULL, NULL));
	OK(kith_index_search(index, data->nq, data->q, K, dist, ids, &options));
	double recall = data_recall(data, metric, K, ids);
	kith_index_free(index);
	free(dist);
	free(ids);
	return recall;
}

static const char *name_of(kith_metric metric)
{
	return metric == KITH_L2 ? "L2" : metric == KITH_IP ? "inner product" : "cosine";
}

/* ---- the table ---- */

static const struct row {
	const char *kind, *spec;
	kith_metric metric;
	int64_t setting; /* efSearch, nprobe */
	double floor;
	double long_floor; /* the floor of the long form, in which more vectors are harder; 0: the same */
} rows[] = {
    {"uniform, d = 2", "HNSW32", KITH_L2, 64, 0.995, 0},
    {"uniform, d = 8", "HNSW32", KITH_L2, 64, 0.995, 0},
    {"uniform, d = 32", "HNSW32", KITH_L2, 64, 0.995, 0},
    {"gauss, d = 16", "HNSW32", KITH_L2, 64, 0.995, 0},
    {"gauss, d = 64", "HNSW32", KITH_L2, 64, 0.991, 0},
    {"anisotropic", "HNSW32", KITH_L2, 64, 0.995, 0},
    {"clusters", "HNSW32", KITH_L2, 64, 0.995, 0},
    {"sorted clusters", "HNSW32", KITH_L2, 64, 0.995, 0},
    {"copies x 2, adjacent", "HNSW32", KITH_L2, 64, 0.987, 0},
    {"copies x 40, shuffled", "HNSW32", KITH_L2, 64, 0.995, 0},
    {"copies x 1000, tiled", "HNSW32", KITH_L2, 64, 0.995, 0},
    {"binary", "HNSW32", KITH_L2, 64, 0.992, 0},
    {"counts", "HNSW32", KITH_L2, 64, 0.994, 0},
    {"words", "HNSW32", KITH_L2, 64, 0.974, 0},
    {"grid 3^6", "HNSW32", KITH_L2, 64, 0.995, 0},
    {"low rank", "HNSW32", KITH_L2, 64, 0.995, 0},
    {"curve", "HNSW32", KITH_L2, 64, 0.995, 0},
    {"constants", "HNSW32", KITH_L2, 64, 0.995, 0},
    {"offset 10", "HNSW32", KITH_L2, 64, 0.995, 0},
    {"gauss, d = 64", "HNSW32", KITH_COSINE, 64, 0.972, 0},
    {"copies x 40, shuffled", "HNSW32", KITH_COSINE, 64, 0.995, 0},
    {"counts", "HNSW32", KITH_COSINE, 64, 0.995, 0},
    {"constants", "HNSW32", KITH_COSINE, 64, 0.995, 0},
    {"long and short", "HNSW32", KITH_COSINE, 64, 0.994, 0},
    {"gauss, d = 16", "HNSW32", KITH_IP, 64, 0.995, 0},
    {"words", "HNSW32", KITH_IP, 64, 0.973, 0},
    {"counts", "HNSW32", KITH_IP, 64, 0.991, 0},
    {"uniform, d = 2", "HNSW32", KITH_IP, 16, 0.97, 0},
    {"uniform, d = 2, any query", "HNSW32", KITH_IP, 16, 0.95, 0},
    {"uniform, d = 2, any query", "HNSW32", KITH_IP, 64, 0.99, 0},
    {"uniform, d = 2, any query", "HNSW32,SQfp16", KITH_IP, 64, 0.98, 0},
    {"rank 3, queries off it", "HNSW32", KITH_COSINE, 16, 0.98, 0},
    {"rank 3, queries off it", "HNSW32", KITH_COSINE, 64, 0.995, 0},
    {"clusters, any query", "HNSW32", KITH_L2, 16, 0.77, 0.76},
    {"clusters, any query", "HNSW32", KITH_L2, 64, 0.935, 0.92},
    {"clusters, any query", "HNSW32", KITH_COSINE, 64, 0.95, 0.8},
    {"clusters of a few", "HNSW32", KITH_L2, 16, 0.99, 0},
    {"near copies x 100, adjacent", "HNSW32", KITH_L2, 16, 0.87, 0.6},
    {"near copies x 100, adjacent", "HNSW32", KITH_COSINE, 64, 0.93, 0.6},
    {"near copies x 100, adjacent", "HNSW32", KITH_IP, 64, 0.86, 0.6},
    {"near copies x 10, adjacent", "HNSW32", KITH_L2, 16, 0.9, 0.65},
    {"near copies x 10, adjacent", "HNSW32", KITH_COSINE, 64, 0.975, 0.9},
    {"near copies x 500, shuffled", "HNSW32", KITH_L2, 256, 0.99, 0},
    {"near copies x 500, shuffled", "HNSW32", KITH_COSINE, 256, 0.99, 0},
    {"uniform, d = 2, any query", "HNSW32", KITH_COSINE, 64, 0.99, 0},
    {"uniform, d = 128", "HNSW32", KITH_IP, 16, 0.925, 0.88},
    {"counts", "HNSW32", KITH_IP, 16, 0.94, 0.925},
    {"binary", "HNSW32", KITH_L2, 16, 0.92, 0.82},
    {"binary, one in ten", "HNSW32", KITH_L2, 16, 0.98, 0.965},
    {"unit, d = 64", "HNSW32", KITH_L2, 16, 0.735, 0},
    {"clusters, queries from elsewhere", "HNSW32", KITH_L2, 64, 0.94, 0},
    {"clusters, queries from elsewhere", "HNSW32", KITH_L2, 256, 0.985, 0},
    {"clusters, queries from elsewhere", "HNSW32", KITH_COSINE, 256, 0.985, 0},
    {"zeros among units", "HNSW32", KITH_COSINE, 64, 0.975, 0},
    {"a few zeros among units", "HNSW32", KITH_COSINE, 64, 0.975, 0},
    {"a few zeros among units", "HNSW32,SQ8", KITH_COSINE, 64, 0.955, 0},
    {"zeros for queries from behind", "HNSW32", KITH_COSINE, 64, 0.995, 0},
    {"gauss, d = 64", "HNSW32,SQ8", KITH_L2, 64, 0.96, 0},
    {"gauss, d = 64", "HNSW32,SQ8,RFlat", KITH_L2, 64, 0.991, 0},
    {"gauss, d = 64", "HNSW32,SQfp16", KITH_L2, 64, 0.99, 0},
    {"gauss, d = 64", "IVF32,SQ8", KITH_L2, 32, 0.974, 0},
    {"gauss, d = 64", "IVF32,PQ8,RFlat", KITH_L2, 32, 0.626, 0},
    {"clusters", "HNSW32,SQ8", KITH_L2, 64, 0.957, 0},
    {"clusters", "HNSW32,SQ8,RFlat", KITH_L2, 64, 0.995, 0},
    {"clusters", "HNSW32,SQfp16", KITH_L2, 64, 0.993, 0},
    {"clusters", "IVF32,SQ8", KITH_L2, 32, 0.987, 0},
    {"clusters", "IVF32,PQ8,RFlat", KITH_L2, 32, 0.995, 0},
    {"low rank", "HNSW32,SQ8", KITH_L2, 64, 0.988, 0},
    {"low rank", "HNSW32,SQ8,RFlat", KITH_L2, 64, 0.995, 0},
    {"low rank", "HNSW32,SQfp16", KITH_L2, 64, 0.995, 0},
    {"low rank", "IVF32,SQ8", KITH_L2, 32, 0.988, 0},
    {"low rank", "IVF32,PQ8,RFlat", KITH_L2, 32, 0.993, 0},
    {"tight unit clusters", "SQ4", KITH_COSINE, 1, 0.54, 0.4},
    {"tight unit clusters", "SQ8", KITH_COSINE, 1, 0.8, 0.65},
    {"unit words", "SQ4", KITH_COSINE, 1, 0.78, 0.65},
    {"unit words", "PQ20", KITH_COSINE, 1, 0.47, 0.35},
    {"unit words", "IVF32,SQ4", KITH_COSINE, 32, 0.79, 0.65},
    {"unit words", "IVF32,PQ20", KITH_COSINE, 32, 0.54, 0.38},
    {"near copies x 100, shuffled", "HNSW32", KITH_L2, 16, 0.8, 0.7},
    {"near copies x 100, shuffled", "HNSW32", KITH_L2, 64, 0.87, 0.8},
    {"near copies x 100, shuffled", "HNSW32", KITH_COSINE, 64, 0.94, 0.75},
    {"near copies x 500, shuffled", "HNSW32", KITH_L2, 16, 0.9, 0.75},
    {"near copies x 500, shuffled", "HNSW32", KITH_L2, 64, 0.97, 0.85},
    {"near copies x 500, shuffled", "HNSW32", KITH_COSINE, 16, 0.89, 0.7},
    {"uniform, d = 3", "IVF32,Flat", KITH_L2, 8, 0.995, 0},
    {"gauss, d = 16", "IVF32,Flat", KITH_L2, 8, 0.819, 0},
    {"copies x 1000, tiled", "IVF32,Flat", KITH_L2, 8, 0.995, 0},
    {"near copies", "IVF32,Flat", KITH_L2, 8, 0.995, 0},
    {"words", "IVF32,Flat", KITH_L2, 8, 0.848, 0},
    {"offset 1000", "IVF32,Flat", KITH_L2, 8, 0.819, 0},
    {"x 1e-20", "IVF32,Flat", KITH_L2, 8, 0.819, 0},
    {"x 1e18", "IVF32,Flat", KITH_L2, 8, 0.819, 0},
};
enum { ROWS = sizeof rows / sizeof *rows };

START_TEST(reaches)
{
	const struct row *row = &rows[_i];
	int64_t n = test_long() ? 20000 : sanitized ? 1500 : 4000;
	struct data data = data_make(row->kind, n, test_long() ? 500 : 100);
	double recall = recall_of(&data, row->spec, row->metric, row->setting);
	if (getenv("KITH_SHOW"))
		printf("%s, %s, %s, %d: %.3f (%.3f)\n", row->kind, row->spec, name_of(row->metric),
		    (int)row->setting, recall, row->floor);
	double floor = test_long() && row->long_floor > 0 ? row->long_floor : row->floor;
	if (recall < floor)
		ck_abort_msg("%s, %s, %s, %d: recall %.3f, below %.3f", row->kind, row->spec,
		    name_of(row->metric), (int)row->setting, recall, floor);
	data_free(&data);
}
END_TEST

/* ---- unit vectors ---- */

static const struct pair {
	const char *kind, *spec;
} pairs[] = {
    {"unit, d = 64", "HNSW32"},
    {"tight unit clusters", "HNSW32"},
    {"tight unit clusters", "HNSW16,SQ8"},
    {"tight unit clusters", "HNSW16,SQ8,RFlat"},
    {"tight unit clusters", "HNSW16,SQ4,RFlat"},
    {"tight unit clusters", "HNSW16,SQfp16"},
    {"tight unit clusters", "HNSW16,SQbf16,RFlat"},
    {"tight unit clusters", "HNSW16,PQ24,RFlat"},
    {"unit words", "HNSW32"},
    {"queries from elsewhere", "HNSW32"},
};
enum { PAIRS = sizeof pairs / sizeof *pairs };

/* L2 and cosine have the same true neighbours, and must find as many of them. */
START_TEST(cosine_as_l2)
{
	const struct pair *pair = &pairs[_i];
	struct data data = data_make(pair->kind, sanitized ? 1500 : 4000, 200);
	for (int64_t ef = 16; ef <= 64; ef *= 4) {
		double cosine = recall_of(&data, pair->spec, KITH_COSINE, ef);
		double l2 = recall_of(&data, pair->spec, KITH_L2, ef);
		if (getenv("KITH_SHOW"))
			printf("%s, %s, %d: cosine %.4f, L2 %.4f\n", pair->kind, pair->spec, (int)ef, cosine,
			    l2);
		if (cosine < l2 - 0.005)
			ck_abort_msg("%s, %s, %d: recall %.3f under cosine, %.3f under L2", pair->kind,
			    pair->spec, (int)ef, cosine, l2);
	}
	data_free(&data);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kinds");
	TCase *t = tcase_create("kinds");
	tcase_set_timeout(t, 900);
	tcase_add_loop_test(t, reaches, 0, ROWS);
	tcase_add_loop_test(t, cosine_as_l2, 0, PAIRS);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
