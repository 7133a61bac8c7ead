/* Coarse quantizers of inverted files, graphs over the centroids and others: what is found is what comparing
 * all centroids finds, nearly always or, with candidates enough, always; the quantizer goes wherever the
 * index goes. */
#include "tests/structure/common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/index/ivf.h"
#include "lib/index/parts.h"
#include "tests/support/bytes.h"

enum { DIM = 16, N = 3000, NQ = 50, K = 10, NLIST = 300 };

static const char *const codecs[] = {"Flat", "SQ8", "SQ4", "SQfp16", "PQ4", "PQ8x4", "SQ8_direct"};
static const kith_metric metrics[] = {KITH_L2, KITH_IP, KITH_COSINE};
enum { CODECS = sizeof codecs / sizeof *codecs };

/* Whole numbers of a byte, which every codec takes. */
static float *make_bytes(uint64_t seed, int64_t n)
{
	float *x = make_cloud(seed, n, DIM, 8);
	for (int64_t i = 0; i < n * DIM; i++) {
		x[i] = 100 + 8 * x[i];
		x[i] = x[i] < 0 ? 0 : x[i] > 255 ? 255 : (float)(int)x[i];
	}
	return x;
}

static kith_search_options with(int64_t nprobe, int64_t ef)
{
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.nprobe = nprobe;
	options.efSearch = ef;
	return options;
}

/* The same answers, alone and in batches. */
static void check_answers(const kith_index *a, const kith_search_options *a_options, const kith_index *b,
    const kith_search_options *b_options, const float *q)
{
	float dist[2][NQ * K];
	int64_t ids[2][NQ * K];
	OK(kith_index_search(a, NQ, q, K, dist[0], ids[0], a_options));
	for (int batch = 1; batch <= NQ; batch = batch == 1 ? 10 : batch * 5) {
		for (int i = 0; i < NQ; i += batch)
			OK(kith_index_search(
			    b, batch, q + i * DIM, K, dist[1] + i * K, ids[1] + i * K, b_options));
		REQUIRE(memcmp(dist[0], dist[1], sizeof dist[0]) == 0);
		REQUIRE(memcmp(ids[0], ids[1], sizeof ids[0]) == 0);
	}
}

/* With as many candidates as centroids the search finds all that is connected: the bits of an index without
 * it, which the same seed gives the same centroids and codes. */
START_TEST(all_candidates)
{
	char spec[64];
	const char *codec = codecs[_i % CODECS];
	kith_metric metric = metrics[sanitized ? _i % 3 : _i / CODECS];
	float *x = make_bytes(1, N), *q = make_bytes(2, NQ);
	snprintf(spec, sizeof spec, "IVF%d,%s", NLIST, codec);
	kith_index *flat = make_filled(DIM, metric, spec, N, x);
	snprintf(spec, sizeof spec, "IVF%d_HNSW8,%s", NLIST, codec);
	kith_index *graph = make_filled(DIM, metric, spec, N, x);
	ck_assert_str_eq(kith_index_describe(graph), spec);
	REQUIRE(kith_index_memory(graph) > kith_index_memory(flat));
	for (int64_t nprobe = 1; nprobe <= NLIST; nprobe *= 17) {
		kith_search_options all = with(nprobe, 0), by_graph = with(nprobe, NLIST);
		check_answers(flat, &all, graph, &by_graph, q);
		check_answers(flat, &all, graph, &all, q); /* compares all: there are few */
		for (int threads = 1; threads <= 5; threads += 2) {
			by_graph.threads = threads;
			check_answers(graph, &by_graph, graph, &by_graph, q);
		}
	}
	kith_index_free(graph);
	kith_index_free(flat);
	free(x);
	free(q);
}
END_TEST

/* Any index of the centroids finds lists: where it leaves no centroid out, the bits are those of comparing
 * all centroids, which are what the quantizer keeps of them. */
START_TEST(any_quantizer)
{
	static const char *const quantizers[] = {
	    "SQ8", "SQfp16", "IVF5,Flat", "HNSW8,SQ8", "PCA16,SQ8", "PQ4x4", "IVF4(SQ6),SQ8,RFlat"};
	static const char *const all_codecs[] = {"Flat", "SQ8", "PQ4"};
	enum { QUANTIZERS = sizeof quantizers / sizeof *quantizers, LISTS = 40 };
	char spec[80];
	const char *codec = all_codecs[_i % 3];
	kith_metric metric = metrics[_i / QUANTIZERS];
	float *x = make_bytes(21, N), *q = make_bytes(22, NQ);
	snprintf(spec, sizeof spec, "IVF%d(%s),%s", LISTS, quantizers[_i % QUANTIZERS], codec);
	kith_index *index = make_filled(DIM, metric, spec, N, x), *flat;
	ck_assert_str_eq(kith_index_describe(index), spec);
	const kith_index *quantizer = kith_index_quantizer(index);
	ck_assert_str_eq(kith_index_describe(quantizer), quantizers[_i % QUANTIZERS]);
	REQUIRE(kith_index_size(quantizer) == LISTS);
	snprintf(spec, sizeof spec, "IVF%d,%s", LISTS, codec);
	OK(kith_index_new(&flat, DIM, metric, spec));
	OK(kith_index_set_centroids(flat, LISTS, ivf_of(index)->centroids));
	OK(kith_index_train(flat, N, x, NULL));
	OK(kith_index_add(flat, N, x, NULL, NULL));
	for (int64_t nprobe = 1; nprobe <= LISTS; nprobe *= 6) {
		kith_search_options all = with(nprobe, 0), by_graph = with(nprobe, LISTS);
		check_answers(flat, &all, index, &by_graph, q);
		by_graph.threads = 3;
		check_answers(flat, &all, index, &by_graph, q);
	}
	kith_index_free(index);
	kith_index_free(flat);
	free(x);
	free(q);
}
END_TEST

/* What comparing all centroids and the graph are called otherwise; and quantizers that cannot learn. */
START_TEST(kinds)
{
	static const char *const same[][2] = {{"IVF40(Flat),SQ8", "IVF40,SQ8"},
	    {"IVF40(HNSW8),Flat", "IVF40_HNSW8,Flat"},
	    {"IVF40(HNSW8,Flat)_whole,PQ4", "IVF40_HNSW8_whole,PQ4"},
	    {"IVF40_HNSW,Flat", "IVF40_HNSW32,Flat"}, {"IVF40(HNSW8_SQ8),Flat", "IVF40(HNSW8,SQ8),Flat"},
	    {"IVF40(IDMap,SQ8)_whole,SQ8", "IVF40(SQ8)_whole,SQ8"}};
	float *x = make_bytes(23, N);
	kith_index *index;
	for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
		OK(kith_index_new(&index, DIM, KITH_L2, same[i][0]));
		ck_assert_str_eq(kith_index_describe(index), same[i][1]);
		kith_index_free(index);
	}
	OK(kith_index_new(&index, DIM, KITH_L2, "IVF40(IVF50,Flat),Flat"));
	REQUIRE(kith_index_train(index, N, x, NULL) == KITH_INVALID);
	REQUIRE(strstr(kith_last_error(), "the 40 centroids") && strstr(kith_last_error(), "'IVF50,Flat'"));
	REQUIRE(!kith_index_trained(index));
	kith_index_free(index);
	free(x);
}
END_TEST

/* Range searches, filters and max_codes see the lists that the search found. */
START_TEST(other_searches)
{
	float *x = make_bytes(3, N), *q = make_bytes(4, NQ);
	kith_index *flat = make_filled(DIM, KITH_L2, "IVF300,SQ8", N, x);
	kith_index *graph = make_filled(DIM, KITH_L2, "IVF300_HNSW8,SQ8", N, x);
	kith_search_options all = with(20, 0), by_graph = with(20, NLIST);
	kith_search_stats stats = {.size = sizeof stats};
	kith_filter *some;
	OK(kith_filter_range(&some, 100, 900));
	by_graph.filter = all.filter = some;
	check_answers(flat, &all, graph, &by_graph, q);
	all.max_codes = by_graph.max_codes = 100;
	check_answers(flat, &all, graph, &by_graph, q);
	kith_filter_free(some);
	all.filter = by_graph.filter = NULL;
	by_graph.stats = &stats;
	check_answers(flat, &all, graph, &by_graph, q);
	REQUIRE(stats.lists > 0 && stats.pairs >= 100);
	kith_ranges *a, *b;
	OK(kith_index_range(flat, NQ, q, 20000, &a, &all));
	OK(kith_index_range(graph, NQ, q, 20000, &b, &by_graph));
	for (int64_t i = 0; i < NQ; i++) {
		int64_t n, m;
		const int64_t *ids, *others;
		OK(kith_ranges_get(a, i, &n, NULL, &ids));
		OK(kith_ranges_get(b, i, &m, NULL, &others));
		REQUIRE(n == m && (n == 0 || memcmp(ids, others, (size_t)n * sizeof *ids) == 0));
	}
	kith_ranges_free(a);
	kith_ranges_free(b);
	kith_index_free(flat);
	kith_index_free(graph);
	free(x);
	free(q);
}
END_TEST

/* Lists of a search with few candidates are nearly those of comparing all; and a single query searches
 * by itself where there are many lists. */
START_TEST(recall_of_lists)
{
	enum { MANY = 6000, LISTS = 5000, PROBES = 8 };
	kith_metric metric = metrics[_i];
	float *x = make_cloud(5, MANY, DIM, DIM), *q = make_cloud(6, NQ, DIM, DIM), dist[2][K];
	int64_t ids[2][K], hits = 0;
	kith_index *index = make_trained(DIM, metric, "IVF5000_HNSW16,Flat", MANY, x);
	/* Each list holds its own centroid: results are numbers of lists. */
	OK(kith_index_add(index, LISTS, ivf_of(index)->centroids, NULL, NULL));
	kith_search_options all = with(PROBES, LISTS), own = with(PROBES, 0), by_graph = with(PROBES, 40);
	for (int64_t i = 0; i < NQ; i++) {
		OK(kith_index_search(index, 1, q + i * DIM, PROBES, dist[0], ids[0], &all));
		OK(kith_index_search(
		    index, 1, q + i * DIM, PROBES, dist[1], ids[1], i % 2 ? &own : &by_graph));
		for (int a = 0; a < PROBES; a++)
			for (int b = 0; b < PROBES; b++)
				hits += ids[0][a] == ids[1][b];
	}
	REQUIRE(hits >= NQ * PROBES * 97 / 100);
	const struct ivf *ivf = ivf_of(index);
	REQUIRE(quantizer_pays(ivf, 1, quantizer_ef(0, PROBES)));
	REQUIRE(!quantizer_pays(ivf, 10000, quantizer_ef(0, PROBES)));
	REQUIRE(!quantizer_pays(ivf, 1, LISTS));
	REQUIRE(quantizer_ef(0, 1000) >= 1000 && quantizer_ef(5, 10) == 10 && quantizer_ef(50, 10) == 50);
	kith_index_free(index);
	free(x);
	free(q);
}
END_TEST

/* One graph whatever the threads; saved, read, mapped and cloned it is the same. */
START_TEST(same_everywhere)
{
	static const char *const specs[] = {"IVF300_HNSW8,PQ4", "IVF40_HNSW3,Flat", "IVF60(IVF8,SQ8),SQ8",
	    "IVF300(HNSW4,SQ6),PQ4", "Shards2(IVF20(PCA8,SQ8,RFlat),Flat)"};
	char path[64];
	float *x = make_bytes(7, N), *q = make_bytes(8, NQ);
	kith_add_options options = KITH_ADD_OPTIONS;
	kith_search_options by_graph = with(5, 20);
	kith_index *one, *two, *copy;
	options.seed = 9;
	snprintf(path, sizeof path, "test_coarse.%d.kith", (int)getpid());
	kith_index **both[] = {&one, &two};
	for (int i = 0; i < 2; i++) {
		options.threads = i ? 5 : 1;
		OK(kith_index_new(both[i], DIM, KITH_L2, specs[_i]));
		OK(kith_index_train(*both[i], N, x, &options));
		OK(kith_index_add(*both[i], N, x, NULL, &options));
	}
	struct bytes a = saved_bytes(one), b = saved_bytes(two);
	REQUIRE(a.n == b.n && memcmp(a.data, b.data, a.n) == 0);
	OK(kith_index_save(one, path));
	static const int flags[] = {0, KITH_VERIFY, KITH_MMAP, KITH_MMAP | KITH_VERIFY};
	for (int i = 0; i < 4; i++) {
		OK(kith_index_open(&copy, path, flags[i]));
		check_answers(one, &by_graph, copy, &by_graph, q);
		kith_index_free(copy);
	}
	unlink(path);
	OK(kith_index_clone(&copy, one));
	struct bytes c = saved_bytes(copy);
	REQUIRE(a.n == c.n && memcmp(a.data, c.data, a.n) == 0);
	check_answers(one, &by_graph, copy, &by_graph, q);
	free(a.data);
	free(b.data);
	free(c.data);
	kith_index_free(copy);
	kith_index_free(one);
	kith_index_free(two);
	free(x);
	free(q);
}
END_TEST

START_TEST(changes)
{
	static const char *const specs[] = {"IVF20_HNSW4,Flat", "IVF20_HNSW4,PQ4",
	    "PCA8,IVF20_HNSW4,SQ8,RFlat", "Shards2(IVF20_HNSW4,SQ4)", "IVF20(HNSW4,SQ8),SQ8",
	    "Shards2(IVF20(IVF4,SQ8),Flat)"};
	float *x = make_bytes(9, 1000);
	kith_index *index = make_filled(DIM, KITH_L2, specs[_i], 1000, x);
	check_changes(index, specs[_i], 1000, x, 0);
	kith_index_free(index);
	free(x);
}
END_TEST

/* What no edge leads to would be missed: then all centroids are compared. */
START_TEST(torn_graph)
{
	float *x = make_bytes(10, N), *q = make_bytes(11, NQ);
	kith_index *index = make_filled(DIM, KITH_L2, "IVF300_HNSW8,Flat", N, x), *whole;
	kith_search_options by_graph = with(4, 30), all = with(4, 0);
	OK(kith_index_clone(&whole, index));
	struct graph *graph = (struct graph *)(void *)ivf_graph(index);
	for (int64_t i = 0; i < graph->n; i++)
		graph_clear_node(graph, i);
	check_answers(whole, &all, index, &by_graph, q);
	kith_index_free(index);
	kith_index_free(whole);
	free(x);
	free(q);
}
END_TEST

/* One list, and centroids that are all equal. */
START_TEST(degenerate)
{
	float x[200 * DIM], dist[K];
	int64_t ids[K];
	kith_search_options by_graph = with(40, 1);
	for (int i = 0; i < 200 * DIM; i++)
		x[i] = 3;
	kith_index *index = make_filled(DIM, metrics[_i], "IVF40_HNSW2,Flat", 200, x);
	OK(kith_index_search(index, 1, x, K, dist, ids, &by_graph));
	for (int i = 0; i < K; i++)
		REQUIRE(ids[i] == i);
	kith_index_free(index);
	memset(x, 0, sizeof x);
	index = make_filled(DIM, metrics[_i], "IVF1_HNSW2,Flat", 200, x);
	OK(kith_index_search(index, 1, x, K, dist, ids, &by_graph));
	for (int i = 0; i < K; i++)
		REQUIRE(ids[i] == i);
	kith_index_free(index);
}
END_TEST

START_TEST(faults)
{
	static const char *const specs[] = {"IVF20_HNSW3,SQ8", "IVF270_HNSW3,Flat", "IVF20(SQ8),SQ8"};
	check_faults(8, KITH_L2, specs[_i], 13);
}
END_TEST

struct cancel {
	int left;
	bool graph; /* the stage was seen */
};

static int cancel_at(void *data, const char *stage, int64_t done, int64_t total)
{
	struct cancel *cancel = data;
	REQUIRE(stage && done >= 0 && done <= total);
	cancel->graph |= strcmp(stage, "graph") == 0;
	return --cancel->left < 0;
}

/* Training can be cancelled at every call of the callback; the index is as it was, and can be trained. */
START_TEST(cancelled)
{
	float *x = make_bytes(12, N), *q = make_bytes(13, NQ);
	kith_index *index = make_trained(DIM, KITH_L2, _i ? "IVF300_HNSW4,Flat" : "IVF30_HNSW4,PQ4", N, x),
	           *twin;
	kith_add_options options = KITH_ADD_OPTIONS;
	struct cancel cancel = {.graph = false};
	kith_status status = KITH_CANCELLED;
	OK(kith_index_clone(&twin, index));
	struct bytes before = saved_bytes(index);
	options.seed = 77;
	options.progress = cancel_at;
	options.progress_data = &cancel;
	for (int calls = 0; status; calls++) {
		cancel.left = calls;
		status = kith_index_train(index, N, x, &options);
		REQUIRE(status == KITH_OK || status == KITH_CANCELLED);
		if (status) {
			struct bytes after = saved_bytes(index);
			REQUIRE(after.n == before.n && memcmp(after.data, before.data, after.n) == 0);
			free(after.data);
		}
	}
	REQUIRE(cancel.graph);
	options.progress = NULL;
	OK(kith_index_train(twin, N, x, &options));
	struct bytes a = saved_bytes(index), b = saved_bytes(twin);
	REQUIRE(a.n == b.n && memcmp(a.data, b.data, a.n) == 0);
	free(a.data);
	free(b.data);
	free(before.data);
	kith_index_free(index);
	kith_index_free(twin);
	free(x);
	free(q);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("coarse");
	TCase *tcase = tcase_create("coarse");
	tcase_set_timeout(tcase, 300);
	tcase_add_loop_test(tcase, all_candidates, 0, sanitized ? CODECS : 3 * CODECS);
	tcase_add_loop_test(tcase, any_quantizer, 0, 7 * 3);
	tcase_add_test(tcase, kinds);
	tcase_add_test(tcase, other_searches);
	tcase_add_loop_test(tcase, recall_of_lists, 0, 3);
	tcase_add_loop_test(tcase, same_everywhere, 0, 5);
	tcase_add_loop_test(tcase, changes, 0, 6);
	tcase_add_test(tcase, torn_graph);
	tcase_add_loop_test(tcase, degenerate, 0, 3);
	tcase_add_loop_test(tcase, faults, 0, 3);
	tcase_add_loop_test(tcase, cancelled, 0, 2);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
