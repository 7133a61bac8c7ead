/* Reordering the nodes of graphs: the graph and the answers stay what they were, neighbours come near each
 * other, and an index goes on living as any other. */
#include "tests/structure/common.h"
#include "tests/structure/graphs.h"
#include "tests/support/scratch.h"

#include "lib/base/alloc.h"
#include "lib/index/hnsw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DIM = 16, N = 2000, NQ = 50, K = 10 };

static const kith_metric metrics[] = {KITH_L2, KITH_IP, KITH_COSINE};

/* Clone, with nothing else done to it. */
static kith_index *copy_of(const kith_index *index)
{
	kith_index *copy;
	OK(kith_index_clone(&copy, index));
	return copy;
}

static kith_index *make_spec(const char *spec, kith_metric metric, int64_t n, const float *x)
{
	kith_add_options options = KITH_ADD_OPTIONS;
	options.efConstruction = 40;
	return make_graph(DIM, metric, spec, n, x, &options);
}

/* ---- the graph ---- */

static uint32_t slot_at(const struct hnsw *hnsw, uint32_t node)
{
	return hnsw->mapped ? hnsw_slot_of(hnsw)[node] : node;
}

/* Lists lead to the same vectors, in the same order, or to removed ones. */
static void check_lists(const struct hnsw *a, int64_t i, const struct hnsw *b, int64_t j)
{
	REQUIRE(graph_level(&a->graph, i) == graph_level(&b->graph, j));
	for (int level = graph_level(&a->graph, i); level >= 0; level--) {
		const uint32_t *x = graph_links(&a->graph, i, level), *y = graph_links(&b->graph, j, level);
		for (int e = 0; e < graph_width(&a->graph, level); e++) {
			REQUIRE((x[e] == GRAPH_NONE) == (y[e] == GRAPH_NONE));
			REQUIRE(x[e] == GRAPH_NONE || slot_at(a, x[e]) == slot_at(b, y[e]));
		}
	}
}

/* Both are one graph but for the numbers of the nodes. */
static void check_graphs(const kith_index *before, const kith_index *after)
{
	const struct hnsw *a = hnsw_of_const(before), *b = hnsw_of_const(after);
	REQUIRE(a->graph.n == b->graph.n && a->graph.rows == b->graph.rows && a->ids.n == b->ids.n);
	REQUIRE(a->dead == b->dead && a->free == b->free && a->unconnected == b->unconnected);
	REQUIRE(a->graph.n == 0 || slot_at(a, a->graph.entry) == slot_at(b, b->graph.entry));
	float x[DIM], y[DIM];
	for (int64_t slot = 0; slot < a->ids.n; slot++) {
		check_lists(a, hnsw_node(a, slot), b, hnsw_node(b, slot));
		int64_t id = ids_at(&a->ids, slot);
		REQUIRE(id == ids_at(&b->ids, slot));
		OK(kith_index_get(before, 1, &id, x));
		OK(kith_index_get(after, 1, &id, y));
		REQUIRE(!memcmp(x, y, sizeof x));
	}
	check_graph(after, false);
}

/* Share of nodes that lead to the next one. */
static double chained(const kith_index *index)
{
	const struct graph *graph = &hnsw_of_const(index)->graph;
	int64_t count = 0;
	for (int64_t i = 0; i + 1 < graph->n; i++) {
		const uint32_t *list = graph_links(graph, i, 0);
		bool leads = false;
		for (int e = 0; e < graph->stride; e++)
			leads |= list[e] == i + 1;
		count += leads;
	}
	return (double)count / (double)(graph->n - 1);
}

static const char *const plain[] = {
    "HNSW8", "HNSW8,SQ8", "HNSW8,PQ4", "HNSW2,SQ8_direct", "HNSW16,SQfp16", "HNSW4,SQ4"};
enum { PLAIN = sizeof plain / sizeof *plain };

/* Number of a pair of index and metric. With sanitizers there are fewer loops: each index has one metric. */
static int pair_of(int loop)
{
	return sanitized ? 3 * loop + loop % 3 : loop;
}

START_TEST(test_graph)
{
	const int pair = pair_of(_i);
	float *x = make_integers(1, N, DIM, false);
	kith_index *index = make_spec(plain[pair / 3], metrics[pair % 3], N, x), *before = copy_of(index);
	OK(kith_index_reorder(index, NULL));
	check_graphs(before, index);
	double chain[] = {chained(before), chained(index)};
	/* Inner products lead to few long vectors, which are soon taken. */
	if (chain[0] > 0.03 || chain[1] < (metrics[pair % 3] == KITH_IP ? 0.05 : 0.45))
		ck_abort_msg("%s: %.3f, then %.3f", plain[pair / 3], chain[0], chain[1]);
	check_graph(index, true);
	/* Once more changes nothing. */
	struct bytes once = saved_bytes(index);
	OK(kith_index_reorder(index, NULL));
	struct bytes twice = saved_bytes(index);
	REQUIRE(once.n == twice.n && !memcmp(once.data, twice.data, once.n));
	free(once.data);
	free(twice.data);
	kith_index_free(before);
	kith_index_free(index);
	free(x);
}
END_TEST

/* ---- answers ---- */

static const char *const wrapped[] = {"HNSW8", "HNSW8,SQ8", "HNSW8,PQ4", "HNSW8,RFlat", "HNSW8,SQ8,RFlat",
    "PCA12,HNSW8", "RR16,HNSW8,PQ4,Refine(SQ8)", "L2norm,HNSW6,SQ8", "Shards3(HNSW8)",
    "PCA12,(HNSW8,SQ8,RFlat)", "IVF8_HNSW4,Flat", "IVF8,SQ8", "Flat", "PQ4,RFlat"};
enum { WRAPPED = sizeof wrapped / sizeof *wrapped };

/* Results of both, which differ in ties of rounded keys at most. */
static void check_answers(const kith_index *a, const kith_index *b, const float *q, const kith_filter *filter)
{
	kith_search_options options = KITH_SEARCH_OPTIONS;
	float dist[2][NQ * K];
	int64_t ids[2][NQ * K], other = 0;
	options.filter = filter;
	options.efSearch = 128; /* as many as both find nearly all with, whatever the order of their nodes */
	OK(kith_index_search(a, NQ, q, K, dist[0], ids[0], &options));
	OK(kith_index_search(b, NQ, q, K, dist[1], ids[1], &options));
	for (int i = 0; i < NQ * K; i++)
		other += dist[0][i] < dist[1][i] || dist[0][i] > dist[1][i];
	REQUIRE(other * 100 <= (int64_t)NQ * K);
	check_same(b, b, NQ, q, &options);
}

/* Ids are where they were, with the vectors that they had. */
static void check_stored(const kith_index *a, const kith_index *b)
{
	int64_t n = kith_index_size(a), *ids = make(2 * n, sizeof *ids);
	float *x = make(2 * n * DIM, sizeof *x);
	REQUIRE(n == kith_index_size(b));
	OK(kith_index_ids(a, ids));
	OK(kith_index_ids(b, ids + n));
	REQUIRE(!memcmp(ids, ids + n, (size_t)n * sizeof *ids));
	OK(kith_index_get(a, n, ids, x));
	OK(kith_index_get(b, n, ids, x + n * DIM));
	REQUIRE(!memcmp(x, x + n * DIM, (size_t)(n * DIM) * sizeof *x));
	free(ids);
	free(x);
}

static int64_t within(const kith_index *index, const float *q, float radius)
{
	kith_ranges *ranges;
	OK(kith_index_range(index, NQ, q, radius, &ranges, NULL));
	int64_t total = kith_ranges_total(ranges);
	kith_ranges_free(ranges);
	return total;
}

START_TEST(test_answers)
{
	const int pair = pair_of(_i);
	const char *spec = wrapped[pair / 3];
	kith_metric metric = metrics[pair % 3];
	float *x = make_gauss(3, N, DIM), *q = make_gauss(4, NQ, DIM), dist[NQ * K];
	int64_t found[NQ * K];
	kith_index *index = make_spec(spec, metric, N, x), *before = copy_of(index);
	kith_filter *some;
	OK(kith_filter_range(&some, 300, 1100));
	OK(kith_index_reorder(index, NULL));
	check_answers(before, index, q, NULL);
	check_answers(before, index, q, some);
	check_stored(before, index);
	OK(kith_index_search(before, NQ, q, K, dist, found, NULL));
	int64_t a = within(before, q, dist[K - 1]), b = within(index, q, dist[K - 1]);
	REQUIRE(a > 0 && llabs(a - b) * 50 <= a);
	/* Exact floats have no ties. */
	if (!strcmp(spec, "HNSW8") || !strcmp(spec, "HNSW8,RFlat"))
		check_same(before, index, NQ, q, NULL);
	bool graph = strstr(spec, "HNSW8") || strstr(spec, "HNSW6");
	REQUIRE(same_bytes(before, index) == !graph);
	kith_filter_free(some);
	kith_index_free(before);
	kith_index_free(index);
	free(x);
	free(q);
}
END_TEST

/* ---- afterwards ---- */

static void check_found(const kith_index *index, const float *x)
{
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.efSearch = 100;
	double share = check_recall(index, NQ, x, K, &options, 1, 0);
	if (share < 0.8)
		ck_abort_msg("%s: recall %.3f", kith_index_describe(index), share);
}

/* Every kind of change, with a reordering between. Dead nodes, then free ones, are there when it comes. */
START_TEST(test_changes)
{
	const int pair = pair_of(_i);
	float *x = make_integers(5, 2 * N, DIM, false);
	kith_index *index = make_spec(plain[pair / 3], metrics[pair % 3], N, x), *before;
	int64_t ids[20];
	for (int i = 0; i < 20; i++)
		ids[i] = 7 * i;
	for (int step = 0; step < 6; step++) {
		before = copy_of(index);
		OK(kith_index_reorder(index, NULL));
		check_graphs(before, index);
		kith_index_free(before);
		if (step == 0)
			OK(kith_index_add(index, 100, x + N * DIM, NULL, NULL));
		if (step == 1)
			remove_ids(index, 200, 320);
		if (step == 2)
			OK(kith_index_update(index, 20, x + (N + 100) * DIM, ids));
		if (step == 3)
			remove_ids(index, 1000, 1900);
		if (step == 4) /* repairs first, and takes free nodes */
			OK(kith_index_add(index, 50, x + (N + 200) * DIM, NULL, NULL));
		if (step == 5) /* links all anew, where it pays */
			OK(kith_index_add(index, N, x + N * DIM, NULL, NULL));
		check_graph(index, false);
		REQUIRE(step != 4 || hnsw_of(index)->free > 0);
	}
	if (strcmp(plain[pair / 3], "HNSW2,SQ8_direct") != 0)
		check_found(index, x + 3 * DIM);
	OK(kith_index_compact(index, NULL));
	OK(kith_index_reorder(index, NULL));
	check_graph(index, true);
	remove_ids(index, 0, INT64_MAX);
	OK(kith_index_reorder(index, NULL));
	check_graph(index, true);
	OK(kith_index_add(index, 300, x, NULL, NULL));
	check_graph(index, true);
	kith_index_free(index);
	free(x);
}
END_TEST

/* Through wrappers, whose own vectors must go on matching. */
START_TEST(test_wrapped_changes)
{
	static const char *const some[] = {"HNSW16,SQ8,RFlat", "PCA16,HNSW16", "Shards2(HNSW16)"};
	float *x = make_cloud(6, 1200, DIM, DIM);
	kith_index *index = make_filled(DIM, metrics[_i % 3], some[_i / 3], 1200, x), *twin = copy_of(index);
	kith_index *both[] = {index, twin};
	int64_t ids[] = {3, 900, 44};
	for (int i = 0; i < 2; i++) {
		if (i == 0)
			OK(kith_index_reorder(index, NULL));
		remove_ids(both[i], 100, 260);
		OK(kith_index_update(both[i], 3, x + 500 * DIM, ids));
		OK(kith_index_add(both[i], 200, x + 7 * DIM, NULL, NULL));
		if (i == 0)
			OK(kith_index_reorder(index, NULL));
	}
	check_stored(twin, index);
	check_answers(twin, index, x, NULL);
	kith_index_free(index);
	kith_index_free(twin);
	free(x);
}
END_TEST

START_TEST(test_few)
{
	float *x = make_integers(1, 40, DIM, false);
	for (int64_t n = 0; n < 6; n++) {
		kith_index *index = make_spec("HNSW3", metrics[_i], n, x), *before = copy_of(index);
		OK(kith_index_reorder(index, NULL));
		check_graphs(before, index);
		REQUIRE(n > 1 || same_bytes(before, index));
		OK(kith_index_add(index, 30, x, NULL, NULL));
		check_graph(index, true);
		kith_index_free(before);
		kith_index_free(index);
	}
	kith_index *index;
	OK(kith_index_new(&index, DIM, metrics[_i], "HNSW8,PQ4")); /* not trained */
	OK(kith_index_reorder(index, NULL));
	kith_index_free(index);
	free(x);
}
END_TEST

/* ---- files ---- */

START_TEST(test_files)
{
	char folder[SCRATCH_FOLDER], path[SCRATCH_PATH], other[SCRATCH_PATH];
	float *x = make_integers(8, N + 50, DIM, false);
	kith_index *index = make_spec(_i ? "HNSW8,SQ8,RFlat" : "HNSW8,SQ8_direct", KITH_COSINE, N, x),
	           *opened;
	scratch_make(folder);
	scratch_path(path, folder, "a.kith");
	scratch_path(other, folder, "b.kith");
	OK(kith_index_save(index, path));
	/* Of a mapped file it is the same. */
	OK(kith_index_open(&opened, path, KITH_MMAP));
	OK(kith_index_reorder(opened, NULL));
	OK(kith_index_reorder(index, NULL));
	REQUIRE(same_bytes(index, opened));
	kith_index_free(opened);
	OK(kith_index_open(&opened, path, KITH_READONLY));
	FAILS(kith_index_reorder(opened, NULL), KITH_INVALID, "READONLY");
	kith_index_free(opened);
	/* It cannot be told in an append, but saved; then changes are appended as ever. */
	OK(kith_index_open(&opened, path, KITH_UPDATE));
	OK(kith_index_reorder(opened, NULL));
	FAILS(kith_index_append(opened, path), KITH_INVALID, "reordered");
	OK(kith_index_save(opened, path));
	OK(kith_index_add(opened, 50, x + N * DIM, NULL, NULL));
	remove_ids(opened, 10, 20);
	OK(kith_index_append(opened, path));
	kith_index_free(index);
	for (int mapped = 0; mapped < 2; mapped++) {
		OK(kith_index_open(&index, path, mapped ? KITH_MMAP : KITH_VERIFY));
		REQUIRE(same_bytes(index, opened));
		check_same(index, opened, NQ, x, NULL);
		kith_index_free(index);
	}
	OK(kith_index_save(opened, other));
	OK(kith_index_open(&index, other, KITH_MMAP));
	check_same(index, opened, NQ, x, NULL);
	check_stored(index, opened);
	kith_index_free(index);
	kith_index_free(opened);
	scratch_remove(folder);
	free(x);
}
END_TEST

static struct bytes exported(const kith_index *index, const char *path)
{
	char part[4096];
	struct bytes b = {0};
	OK(kith_index_export_faiss(index, path));
	FILE *file = fopen(path, "rb");
	REQUIRE(file);
	for (size_t n; (n = fread(part, 1, sizeof part, file)) > 0;)
		bytes_append(&b, part, n);
	fclose(file);
	return b;
}

/* FAISS's files know no slots: nodes are written in the order of adding. */
START_TEST(test_export)
{
	char folder[SCRATCH_FOLDER], path[SCRATCH_PATH];
	float *x = make_integers(8, N, DIM, false);
	kith_index *index = make_spec("HNSW8", KITH_L2, N, x);
	scratch_make(folder);
	scratch_path(path, folder, "a.faiss");
	struct bytes before = exported(index, path);
	OK(kith_index_reorder(index, NULL));
	struct bytes after = exported(index, path);
	REQUIRE(before.data && after.data && before.n == after.n);
	REQUIRE(!memcmp(before.data, after.data, before.n));
	free(before.data);
	free(after.data);
	kith_index_free(index);
	scratch_remove(folder);
	free(x);
}
END_TEST

/* ---- calls ---- */

START_TEST(test_threads)
{
	const int pair = pair_of(_i);
	float *x = make_integers(9, N, DIM, false);
	kith_index *index[2];
	for (int t = 0; t < 2; t++) {
		kith_add_options options = KITH_ADD_OPTIONS;
		options.threads = t + 1;
		index[t] = make_graph(DIM, metrics[pair % 3], plain[pair / 3], N, x, &options);
		remove_ids(index[t], 50, 700);
		OK(kith_index_reorder(index[t], &options));
	}
	REQUIRE(same_bytes(index[0], index[1]));
	for (int t = 0; t < 2; t++)
		kith_index_free(index[t]);
	free(x);
}
END_TEST

struct stopping {
	const kith_index *index;
	int64_t from, last; /* stop when so much is done; what was told last */
};

/* The first call takes so long that the next one is due at once. */
static int stop(void *data, const char *stage, int64_t done, int64_t total)
{
	struct stopping *s = data;
	float x[DIM] = {0}, dist;
	int64_t id;
	REQUIRE(!strcmp(stage, "reorder") && total == kith_index_size(s->index));
	FAILS(kith_index_search(s->index, 1, x, 1, &dist, &id, NULL), KITH_BUSY, "changed");
	if (done == 0)
		nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
	s->last = done;
	return done >= s->from;
}

START_TEST(test_cancel)
{
	static const char *const some[] = {"HNSW8,SQ8", "HNSW8,SQ8,RFlat", "PCA8,HNSW4", "Shards2(HNSW4)"};
	float *x = make_gauss(10, N, DIM);
	kith_index *index = make_spec(some[_i], KITH_L2, N, x), *before = copy_of(index);
	struct stopping s = {.index = index};
	kith_add_options options = KITH_ADD_OPTIONS;
	options.progress = stop;
	options.progress_data = &s;
	/* At once and on the way; of the last step shards have done all but one already. */
	const int64_t at[] = {0, 1, N};
	for (int i = 0; i < (_i < 3 ? 3 : 2); i++) {
		s.from = at[i];
		FAILS(kith_index_reorder(index, &options), KITH_CANCELLED, "reorder");
		REQUIRE(same_bytes(before, index) && (i != 1 || s.last < N));
	}
	s.from = INT64_MAX;
	OK(kith_index_reorder(index, &options));
	REQUIRE(s.last == N && !same_bytes(before, index));
	check_same(index, index, NQ, x, NULL);
	kith_index_free(before);
	kith_index_free(index);
	free(x);
}
END_TEST

START_TEST(test_faults)
{
	static const char *const some[] = {"HNSW4", "HNSW4,SQ8,RFlat", "PCA8,HNSW4", "HNSW4,SQ8_direct"};
	float *x = make_integers(11, 500, DIM, false);
	kith_index *whole = make_spec(some[_i], KITH_COSINE, 500, x);
	for (int round = 0; round < 4; round++) {
		bool sticky = round & 1, reached = true;
		int64_t live = alloc_live(), failures = 0;
		for (int64_t at = 1; reached; at++) {
			kith_index *index = copy_of(whole);
			alloc_fail_at(at, sticky);
			kith_status status = kith_index_reorder(index, NULL);
			reached = alloc_count() >= at;
			alloc_fail_at(0, false);
			REQUIRE(status == (reached ? KITH_NOMEM : KITH_OK));
			REQUIRE(same_bytes(whole, index) == reached);
			failures += reached;
			kith_index_free(index);
			REQUIRE(alloc_live() == live);
		}
		REQUIRE(failures >= (round < 2 ? 5 : 4));
		if (round == 1)
			remove_ids(whole, 20, 90);
	}
	kith_index_free(whole);
	free(x);
}
END_TEST

START_TEST(test_arguments)
{
	kith_index *index;
	kith_add_options options = KITH_ADD_OPTIONS;
	OK(kith_index_new(&index, DIM, KITH_L2, _i ? "Flat" : "HNSW8"));
	FAILS(kith_index_reorder(NULL, NULL), KITH_INVALID, "index");
	options.threads = -1;
	FAILS(kith_index_reorder(index, &options), KITH_INVALID, "threads");
	options.threads = 1;
	OK(kith_index_reorder(index, &options));
	kith_index_free(index);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("reorder");
	TCase *tcase = tcase_create("reorder");
	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, test_graph, 0, sanitized ? PLAIN : 3 * PLAIN);
	tcase_add_loop_test(tcase, test_answers, 0, sanitized ? WRAPPED : 3 * WRAPPED);
	tcase_add_loop_test(tcase, test_changes, 0, sanitized ? PLAIN : 3 * PLAIN);
	tcase_add_loop_test(tcase, test_wrapped_changes, 0, 9);
	tcase_add_loop_test(tcase, test_few, 0, 3);
	tcase_add_loop_test(tcase, test_files, 0, 2);
	tcase_add_test(tcase, test_export);
	tcase_add_loop_test(tcase, test_threads, 0, sanitized ? PLAIN : 3 * PLAIN);
	tcase_add_loop_test(tcase, test_cancel, 0, 4);
	tcase_add_loop_test(tcase, test_faults, 0, 4);
	tcase_add_loop_test(tcase, test_arguments, 0, 2);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
