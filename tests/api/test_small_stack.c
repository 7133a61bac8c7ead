/* Everything an index does, on threads with stacks of 128 KB, as servers with many threads have them: in the
 * caller's thread, and in OpenMP's workers (the build runs this suite with OMP_STACKSIZE=128k). A stack that
 * does not suffice ends the process.
 */
#include <kith/kith.h>

#include "tests/support/scratch.h"
#include "tests/support/support.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>

enum { STACK = 128 << 10, DIM = 64, N = 3000, NQ = 120, K = 10 };

static const struct work {
	const char *spec;
	kith_metric metric;
} works[] = {
    {"Flat", KITH_L2},
    {"Flat", KITH_IP},
    {"SQ8", KITH_L2},
    {"SQ8_direct", KITH_L2},
    {"SQbf16", KITH_COSINE},
    {"PQ16", KITH_L2},
    {"PQ64x10", KITH_L2},
    {"IVF16,Flat", KITH_L2},
    {"IVF16,SQ8", KITH_IP},
    {"IVF16,PQ16", KITH_L2},
    {"IVF64_HNSW8,PQ32x4", KITH_L2},
    {"HNSW16", KITH_L2},
    {"HNSW16", KITH_IP},
    {"HNSW8,SQ8", KITH_COSINE},
    {"HNSW8,PQ16", KITH_L2},
    {"PCA32,IVF16,PQ16,RFlat", KITH_L2},
    {"OPQ16_32,IVF16,PQ16x4,RFlat", KITH_L2},
    {"RR48,HNSW8,SQ8,Refine(SQfp16)", KITH_L2},
    {"Shards2(HNSW8)", KITH_L2},
};
enum { WORKS = sizeof works / sizeof *works };

struct job {
	struct work work;
	int threads;
	const float *x;
	const char *path, *exported;
};

static void search(const kith_index *index, const struct job *job, int64_t nq)
{
	static float dist[NQ * K];
	static int64_t ids[NQ * K];
	kith_ranges *ranges;
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.threads = job->threads;
	OK(kith_index_search(index, nq, job->x, K, dist, ids, &options));
	OK(kith_index_range(index, nq, job->x, job->work.metric == KITH_L2 ? 1e5F : 0.5F, &ranges, &options));
	kith_ranges_free(ranges);
	OK(kith_filter_range((kith_filter **)&options.filter, N / 2, N));
	OK(kith_index_search(index, nq, job->x, K, dist, ids, &options));
	kith_filter_free((kith_filter *)options.filter);
}

static void change(kith_index *index, const struct job *job)
{
	kith_add_options options = KITH_ADD_OPTIONS;
	const int64_t ids[2] = {N - 1, N - 2};
	kith_filter *some;
	int64_t removed;
	options.threads = job->threads;
	OK(kith_index_update(index, 2, job->x, ids));
	OK(kith_filter_range(&some, 10, 500));
	OK(kith_index_remove(index, some, &removed));
	OK(kith_index_add(index, 5, job->x, NULL, &options));
	OK(kith_index_compact(index, &options));
	OK(kith_index_reorder(index, &options));
	kith_filter_free(some);
}

static void *do_all(void *data)
{
	const struct job *job = data;
	kith_index *index, *copy;
	kith_add_options options = KITH_ADD_OPTIONS;
	float x[DIM];
	const int64_t id = N - 1;
	options.threads = job->threads;
	OK(kith_index_new(&index, DIM, job->work.metric, job->work.spec));
	OK(kith_index_train(index, N, job->x, &options));
	OK(kith_index_add(index, N, job->x, NULL, &options));
	search(index, job, 1);
	search(index, job, NQ);
	OK(kith_index_get(index, 1, &id, x));
	change(index, job);
	OK(kith_index_save(index, job->path));
	kith_status status = kith_index_export_faiss(index, job->exported);
	REQUIRE(status == KITH_OK || status == KITH_UNSUPPORTED);
	if (status == KITH_OK) {
		OK(kith_index_import_faiss(&copy, job->exported, NULL));
		search(copy, job, NQ);
		kith_index_free(copy);
	}
	for (int flags = 0; flags <= KITH_MMAP; flags += KITH_MMAP) {
		OK(kith_index_open(&copy, job->path, flags));
		search(copy, job, NQ);
		search(copy, job, 1);
		change(copy, job);
		kith_index_free(copy);
	}
	OK(kith_index_clone(&copy, index));
	kith_index_free(copy);
	kith_index_free(index);
	return NULL;
}

/* In a thread with such a stack, or in this one, whose workers have such. */
static void do_work(struct work work, int threads, bool own_thread)
{
	char folder[SCRATCH_FOLDER], path[SCRATCH_PATH], exported[SCRATCH_PATH];
	struct job job = {.work = work, .threads = threads, .path = path, .exported = exported};
	float *x = make_gauss(11, N, DIM);
	struct rng rng = {12};
	pthread_attr_t attributes;
	pthread_t thread;
	/* Whole numbers from 0 to 255, which every codec takes. */
	for (int64_t i = 0; i < N * DIM; i++)
		x[i] = (float)rng_below(&rng, 256);
	job.x = x;
	scratch_make(folder);
	scratch_path(path, folder, "index");
	scratch_path(exported, folder, "exported");
	if (own_thread) {
		pthread_attr_init(&attributes);
		REQUIRE(pthread_attr_setstacksize(&attributes, STACK) == 0);
		REQUIRE(pthread_create(&thread, &attributes, do_all, &job) == 0);
		pthread_join(thread, NULL);
		pthread_attr_destroy(&attributes);
	} else {
		do_all(&job);
	}
	scratch_remove(folder);
	free(x);
}

START_TEST(own_thread)
{
	do_work(works[_i], 1, true);
}
END_TEST

START_TEST(workers)
{
	do_work(works[_i], 3, false);
}
END_TEST

static void *cluster(void *data)
{
	float *x = data, *centroids = make(100 * DIM, sizeof *centroids);
	static float dist[NQ * K];
	static int64_t ids[NQ * K];
	uint8_t *codes = make(N, 16);
	kith_pq *pq;
	kith_kmeans_options options = KITH_KMEANS_OPTIONS;
	kith_search_options search = KITH_SEARCH_OPTIONS;
	options.threads = search.threads = 1;
	OK(kith_kmeans(DIM, N, x, 100, centroids, NULL, NULL, NULL, &options));
	OK(kith_pq_new(&pq, DIM, 16, 8));
	OK(kith_pq_train(pq, N, x, &options));
	OK(kith_pq_encode(pq, N, x, codes, 1));
	OK(kith_knn(DIM, KITH_L2, KITH_F32, N, x, NQ, x, K, dist, ids, &search));
	kith_pq_free(pq);
	free(codes);
	free(centroids);
	return NULL;
}

/* What needs no index, on every instruction set. */
START_TEST(without_index)
{
	float *x = make_gauss(13, N, DIM);
	struct isa_list isas = isa_list();
	pthread_attr_t attributes;
	pthread_t thread;
	pthread_attr_init(&attributes);
	REQUIRE(pthread_attr_setstacksize(&attributes, STACK) == 0);
	for (int i = 0; i < isas.n; i++) {
		OK(kith_set_isa(isas.name[i]));
		REQUIRE(pthread_create(&thread, &attributes, cluster, x) == 0);
		pthread_join(thread, NULL);
	}
	pthread_attr_destroy(&attributes);
	free(x);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("small_stack");
	TCase *tcase = tcase_create("small_stack");
	tcase_set_timeout(tcase, 100);
	/* Sanitizers' frames are larger. */
	if (!sanitized) {
		tcase_add_loop_test(tcase, own_thread, 0, WORKS);
		tcase_add_loop_test(tcase, workers, 0, WORKS);
		tcase_add_test(tcase, without_index);
	}
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
