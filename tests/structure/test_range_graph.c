/* Range searches of graphs, and exact ones of every index, beside those of flat indexes over the same codes:
 * ids and distances are the same where nothing may be missed. */
#include "tests/structure/graphs.h"

#include <stdlib.h>
#include <string.h>

enum { DIM = 8, N = 3000, QUERIES = 20 };

struct world {
	kith_metric metric;
	float x[N * DIM], q[QUERIES * DIM];
};

/* Where the q-th query has `rank` vectors within, by a flat index of `spec`. */
static float radius_of(const kith_index *flat, const struct world *w, int64_t q, int64_t rank)
{
	float dist[N];
	int64_t ids[N];
	OK(kith_index_search(flat, 1, w->q + q * DIM, rank, dist, ids, NULL));
	return dist[rank - 1];
}

static int64_t count(const kith_ranges *ranges, int64_t q)
{
	int64_t n;
	OK(kith_ranges_get(ranges, q, &n, NULL, NULL));
	return n;
}

static void same_ranges(const kith_ranges *a, const kith_ranges *b)
{
	for (int64_t q = 0; q < QUERIES; q++) {
		int64_t n, m;
		const float *da, *db;
		const int64_t *ia, *ib;
		OK(kith_ranges_get(a, q, &n, &da, &ia));
		OK(kith_ranges_get(b, q, &m, &db, &ib));
		REQUIRE(n == m);
		REQUIRE(memcmp(ia, ib, (size_t)n * sizeof *ia) == 0);
		REQUIRE(memcmp(da, db, (size_t)n * sizeof *da) == 0);
	}
}

/* Share of what b has that a has, and whether a query has nothing where b has something. */
static double share(const kith_ranges *a, const kith_ranges *b, bool *empty)
{
	for (int64_t q = 0; q < QUERIES; q++) {
		REQUIRE(count(a, q) <= count(b, q));
		*empty |= count(a, q) == 0 && count(b, q) > 0;
	}
	int64_t all = kith_ranges_total(b);
	return all ? (double)kith_ranges_total(a) / (double)all : 1;
}

static void gauss(struct world *w, kith_metric metric)
{
	float *x = make_gauss(3, N, DIM), *q = make_gauss(4, QUERIES, DIM);
	w->metric = metric;
	memcpy(w->x, x, sizeof w->x);
	memcpy(w->q, q, sizeof w->q);
	free(x);
	free(q);
}

/* Values of 0 … range − 1, rows `copies` times each. */
static void integers(struct world *w, kith_metric metric, int64_t range, int64_t copies)
{
	struct rng rng = {7};
	w->metric = metric;
	for (int64_t i = 0; i < N; i++)
		for (int64_t j = 0; j < DIM; j++)
			w->x[i * DIM + j] = i % (N / copies) == i ? (float)rng_below(&rng, range)
			                                          : w->x[i % (N / copies) * DIM + j];
	memcpy(w->q, w->x + 5 * DIM, sizeof w->q);
}

/* A graph and a flat index of the same vectors, of which some may have gone. */
static void begin(const struct world *w, const char *graph_spec, const char *flat_spec, bool removed,
    kith_index **graph, kith_index **flat)
{
	*graph = make_graph(DIM, w->metric, graph_spec, N, w->x, NULL);
	*flat = make_graph(DIM, w->metric, flat_spec, N, w->x, NULL);
	if (!removed)
		return;
	remove_ids(*graph, 500, 900);
	remove_ids(*flat, 500, 900);
}

START_TEST(what_hangs_together_is_found)
{
	static const struct {
		int64_t range, copies;
		float radius;
	} kinds[] = {{1, 1, 1}, {3, 1, 1}, {3, 10, 0}, {1000, 40, 0}, {1000, 40, 3e6f}, {50, 300, 2000}};
	static struct world w;
	static const char *const specs[][2] = {
	    {"HNSW16", "Flat"}, {"HNSW16,SQfp16", "SQfp16"}, {"HNSW4", "Flat"}, {"HNSW16,SQ8", "SQ8"}};
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		for (int removed = 0; removed < 2; removed++) {
			kith_index *graph, *flat;
			kith_ranges *a, *b;
			bool empty = false;
			integers(&w, KITH_L2, kinds[i].range, kinds[i].copies);
			begin(&w, specs[_i][0], specs[_i][1], removed, &graph, &flat);
			OK(kith_index_range(graph, QUERIES, w.q, kinds[i].radius, &a, NULL));
			OK(kith_index_range(flat, QUERIES, w.q, kinds[i].radius, &b, NULL));
			double got = share(a, b, &empty);
			if (got < 1 || empty)
				ck_abort_msg("%s, kind %d, removed %d: %.4f found", specs[_i][0], (int)i,
				    removed, got);
			kith_ranges_free(a);
			kith_ranges_free(b);
			kith_index_free(graph);
			kith_index_free(flat);
		}
}
END_TEST

/* Little and much, in every metric, and clusters with nothing between them. */
START_TEST(most_is_found)
{
	static const kith_metric metrics[] = {KITH_L2, KITH_IP, KITH_COSINE};
	static struct world w;
	kith_index *graph, *flat;
	gauss(&w, metrics[_i / 2]);
	for (int64_t i = 0; i < N * DIM && _i % 2; i++)
		w.x[i] = w.x[i] * 0.1f + w.q[i / DIM % QUERIES * DIM + i % DIM];
	begin(&w, "HNSW16", "Flat", false, &graph, &flat);
	for (int64_t rank = 3; rank <= 1000; rank *= 3) {
		kith_ranges *a, *b;
		bool empty = false;
		float radius = radius_of(flat, &w, 0, rank);
		OK(kith_index_range(graph, QUERIES, w.q, radius, &a, NULL));
		OK(kith_index_range(flat, QUERIES, w.q, radius, &b, NULL));
		double got = share(a, b, &empty);
		if (got < 0.99 || empty)
			ck_abort_msg("kind %d, rank %d: %.4f found", _i, (int)rank, got);
		kith_ranges_free(a);
		kith_ranges_free(b);
	}
	kith_index_free(graph);
	kith_index_free(flat);
}
END_TEST

/* Numbers on a line: by inner product all of them are nearest to the largest, but an answer is one end of the
 * line, and hangs together by what is near on it. */
START_TEST(ends_of_a_line)
{
	enum { LINE = 6000, END = 600 };
	static const float q[] = {1, -1}, radius[] = {LINE - END, 1 - END};
	float *x = make(LINE, sizeof *x);
	struct rng rng = {6};
	for (int64_t i = 0; i < LINE; i++)
		x[i] = (float)i;
	for (int64_t i = LINE - 1; _i && i > 0; i--) {
		int64_t other = rng_below(&rng, i + 1);
		float swap = x[i];
		x[i] = x[other];
		x[other] = swap;
	}
	kith_index *index = make_graph(1, KITH_IP, "HNSW16", LINE, x, NULL);
	for (int64_t i = 0; i < 2; i++) {
		kith_ranges *ranges;
		OK(kith_index_range(index, 1, q + i, radius[i], &ranges, NULL));
		if (count(ranges, 0) != END)
			ck_abort_msg("query %.0f: %d of %d found", (double)q[i], (int)count(ranges, 0), END);
		kith_ranges_free(ranges);
	}
	kith_index_free(index);
	free(x);
}
END_TEST

START_TEST(exact_misses_nothing)
{
	static const char *const specs[][2] = {{"HNSW4", "Flat"}, {"HNSW4,SQ8", "SQ8"},
	    {"HNSW4,SQ4_uniform", "SQ4_uniform"}, {"HNSW4,SQbf16", "SQbf16"}, {"IVF40,Flat", "Flat"},
	    {"HNSW4,SQ4,RFlat", "Flat"}, {"IVF40,SQ4,RFlat", "Flat"}, {"Shards2(HNSW4)", "Flat"},
	    {"HNSW4,SQ8_direct_signed", "SQ8_direct_signed"}};
	static const kith_metric metrics[] = {KITH_L2, KITH_IP, KITH_COSINE};
	static struct world w;
	size_t at = (size_t)_i / 3;
	kith_filter *some;
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.efSearch = options.nprobe = options.max_codes = 1;
	options.exact_range = 1;
	gauss(&w, metrics[_i % 3]);
	/* Under cosine graphs divide what a code stands for by its length, which flat indexes do not. */
	if (w.metric == KITH_COSINE && strncmp(specs[at][1], "SQ", 2) == 0 && !strstr(specs[at][1], "direct"))
		return;
	for (int64_t i = 0; strstr(specs[at][0], "direct") && i < N * DIM; i++)
		w.x[i] = (float)(int)(w.x[i] * 20);
	OK(kith_filter_range(&some, 300, 2000));
	for (int removed = 0; removed < 2; removed++) {
		kith_index *graph, *flat;
		begin(&w, specs[at][0], specs[at][1], removed, &graph, &flat);
		for (int64_t rank = 1; rank <= 1000; rank *= 10)
			for (int filtered = 0; filtered < 2; filtered++) {
				kith_ranges *a, *b;
				float radius = radius_of(flat, &w, 0, rank);
				options.filter = filtered ? some : NULL;
				OK(kith_index_range(graph, QUERIES, w.q, radius, &a, &options));
				OK(kith_index_range(flat, QUERIES, w.q, radius, &b, &options));
				same_ranges(a, b);
				kith_ranges_free(a);
				kith_ranges_free(b);
			}
		kith_index_free(graph);
		kith_index_free(flat);
	}
	kith_filter_free(some);
}
END_TEST

/* Callers that were built before the option was there. */
START_TEST(refuses_options)
{
	float x[DIM] = {0};
	kith_index *index = make_graph(DIM, KITH_L2, "HNSW4", 1, x, NULL);
	kith_search_options options = KITH_SEARCH_OPTIONS;
	kith_ranges *ranges;
	options.exact_range = 2;
	FAILS(kith_index_range(index, 1, x, 1, &ranges, &options), KITH_INVALID, "exact_range is 2");
	options.size = offsetof(kith_search_options, exact_range);
	OK(kith_index_range(index, 1, x, 1, &ranges, &options));
	REQUIRE(count(ranges, 0) == 1);
	kith_ranges_free(ranges);
	kith_index_free(index);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("range_graph");
	TCase *t = tcase_create("range_graph");
	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, what_hangs_together_is_found, 0, 4);
	tcase_add_loop_test(t, most_is_found, 0, 6);
	tcase_add_loop_test(t, ends_of_a_line, 0, 2);
	tcase_add_loop_test(t, exact_misses_nothing, 0, 27);
	tcase_add_test(t, refuses_options);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
