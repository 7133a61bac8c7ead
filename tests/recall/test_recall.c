/* Recall@10 of every kind of factory string on SIFT descriptors, if they are available (in $KITH_DATA, or in
 * shared/data beside the source tree; otherwise the suite is skipped). The floors are some points below the
 * measured recall, so that mistakes fall below them, but other seeds do not. */
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { DIM = 128, N = 10000, NQ = 100, K = 10, TRUTH = 100, SKIPPED = 77 };

static const struct {
	const char *spec;
	int64_t nprobe;
	double min;
} floors[] = {
    {"IVF64,Flat", 8, 0.95},
    {"IVF64,Flat", 64, 1},
    {"IVF64,SQ8", 64, 0.98},
    {"IVF64,SQ6", 64, 0.94},
    {"IVF64,SQ4", 64, 0.84},
    {"IVF64,SQfp16", 64, 0.99},
    {"IVF64,SQbf16", 64, 0.97},
    {"IVF64,PQ16", 64, 0.70},
    {"IVF64,PQ32x4", 64, 0.60},
    {"SQ8", 0, 0.97},
    {"SQ8_uniform", 0, 0.96},
    {"SQ8_quantile", 0, 0.97},
    {"SQ4", 0, 0.83},
    {"SQfp16", 0, 0.99},
    {"PQ16", 0, 0.69},
    {"PCA64,IVF64,Flat", 64, 0.80},
    {"OPQ16_64,IVF64,PQ16", 64, 0.55},
    {"RR64,IVF64,Flat", 64, 0.55},
    {"IVF64,PQ16,RFlat", 64, 0.97},
    {"IVF64,PQ16,Refine(SQ8)", 64, 0.95},
    {"Shards3(IVF16,Flat)", 16, 1},
};
enum { FLOORS = sizeof floors / sizeof *floors };

static const char *data_path(const char *name, char path[1024])
{
	const char *folder = getenv("KITH_DATA"), *root = getenv("KITH_SOURCE_ROOT");
	if (folder && *folder)
		snprintf(path, 1024, "%s/siftsmall/%s", folder, name);
	else
		snprintf(path, 1024, "%s/../shared/data/siftsmall/%s", root ? root : ".", name);
	return path;
}

static void *read_all(const char *name, kith_type type, int64_t n, int64_t dim)
{
	char path[1024];
	kith_vecs *vecs;
	kith_vecs_info info = {.size = sizeof info};
	OK(kith_vecs_open(&vecs, data_path(name, path)));
	OK(kith_vecs_info_get(vecs, &info));
	REQUIRE(info.n == n && info.dim == dim);
	void *x = make(n * dim, kith_type_size(type));
	OK(kith_vecs_read(vecs, 0, n, type, x));
	kith_vecs_close(vecs);
	return x;
}

START_TEST(siftsmall)
{
	float *x = read_all("base.fvecs", KITH_F32, N, DIM), *q = read_all("query.fvecs", KITH_F32, NQ, DIM);
	int32_t *truth = read_all("groundtruth.ivecs", KITH_I32, NQ, TRUTH);
	float dist[NQ * K];
	int64_t ids[NQ * K], hits = 0;
	kith_index *index;
	kith_search_options options = KITH_SEARCH_OPTIONS;
	OK(kith_index_new(&index, DIM, KITH_L2, floors[_i].spec));
	OK(kith_index_train(index, N, x, NULL));
	OK(kith_index_add(index, N, x, NULL, NULL));
	options.nprobe = floors[_i].nprobe;
	OK(kith_index_search(index, NQ, q, K, dist, ids, &options));
	for (int64_t i = 0; i < NQ; i++)
		for (int64_t a = 0; a < K; a++)
			for (int64_t b = 0; b < K; b++)
				hits += ids[i * K + a] == truth[i * TRUTH + b];
	double recall = (double)hits / (NQ * K);
	if (getenv("KITH_SHOW"))
		printf("%s, nprobe %d: %.3f\n", floors[_i].spec, (int)floors[_i].nprobe, recall);
	if (recall < floors[_i].min)
		ck_abort_msg("%s, nprobe %lld: recall %.3f, below %.3f", floors[_i].spec,
		    (long long)floors[_i].nprobe, recall, floors[_i].min);
	kith_index_free(index);
	free(truth);
	free(q);
	free(x);
}
END_TEST

int main(void)
{
	char path[1024];
	if (access(data_path("base.fvecs", path), R_OK) != 0) {
		printf("no real data at %s\n", path);
		return SKIPPED;
	}
	Suite *suite = suite_create("recall");
	TCase *t = tcase_create("recall");
	tcase_set_timeout(t, 900);
	tcase_add_loop_test(t, siftsmall, 0, FLOORS);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
