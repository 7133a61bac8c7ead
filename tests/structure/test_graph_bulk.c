/* Bulk building of graphs: what must be true of every graph, recall, the same bytes for any number of
 * threads, equal vectors, calls that fail or are cancelled. */
#include "lib/base/alloc.h"
#include "lib/codec/codec.h"
#include "lib/graph/search_layer.h"
#include "tests/structure/graphs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Vectors in a codec, and a graph over them. */
struct world {
	int64_t n, dim;
	const float *x;
	struct codec *codec;
	struct codes codes;
	struct graph_space space;
	struct graph graph;
};

static struct world begin(int64_t n, int64_t dim, const float *x, int M, bool ip)
{
	struct world w = {.n = n, .dim = dim, .x = x};
	float *scratch = make((int64_t)CODES_SCRATCH(dim), sizeof *scratch);
	OK(codec_new_fp32(&w.codec, dim, false));
	codes_init(&w.codes, w.codec);
	OK(codes_reserve(&w.codes, n, 0));
	codes_append(&w.codes, KITH_F32, n, x, scratch);
	const struct metric *metric = ip ? &metric_ip : &metric_l2;
	w.space = (struct graph_space){.rows = codes_rows(&w.codes), .metric = metric, .edges = metric};
	graph_init(&w.graph, M);
	w.graph.seed = 7;
	OK(graph_grow(&w.graph, n));
	free(scratch);
	return w;
}

static void end(struct world *w)
{
	graph_free(&w->graph);
	codes_free(&w->codes);
	codec_free(w->codec);
	REQUIRE(alloc_live() == 0);
}

static kith_status build(struct world *w, float alpha, int threads, struct progress *progress)
{
	struct graph_building how = {
	    .rule = {.alpha = alpha}, .ef = 100, .threads = threads, .progress = progress};
	return graph_bulk(&w->graph, &w->space, &how);
}

/* Gaussian, with variances that fall: as hard as real data of some twelve dimensions. */
static float *make_vectors(uint64_t seed, int64_t n, int64_t dim)
{
	float *x = make_gauss(seed, n, dim);
	for (int64_t i = 0; i < n * dim; i++)
		x[i] /= sqrtf((float)(1 + i % dim));
	return x;
}

/* ---- invariants ---- */

static void check_levels(const struct graph *graph)
{
	if (graph->n == 0) {
		REQUIRE(graph->entry == GRAPH_NONE);
		return;
	}
	for (int level = 0; level <= graph_top(graph); level++) {
		char *reached = reach(graph, level);
		for (int64_t i = 0; i < graph->n; i++) {
			REQUIRE(graph_level(graph, i) <= graph_top(graph));
			if (graph_level(graph, i) < level)
				continue;
			REQUIRE(reached[i]);
			check_list(graph, i, level);
		}
		free(reached);
	}
}

START_TEST(invariants)
{
	static const int64_t sizes[] = {0, 1, 2, 3, 17, 64, 65, 300, 1700, 5000};
	static const int64_t dims[] = {1, 5, 33};
	static const int degrees[] = {2, 4, 16};
	int64_t n = sizes[_i];
	for (int d = 0; d < 3; d++)
		for (int m = 0; m < 3; m++)
			for (int ip = 0; ip < 2; ip++) {
				float *x = make_vectors(1, n, dims[d]);
				struct world w = begin(n, dims[d], x, degrees[m], ip);
				OK(build(&w, m == 0 ? 1.2f : 0, 2, NULL));
				check_levels(&w.graph);
				end(&w);
				free(x);
			}
}
END_TEST

/* ---- recall ---- */

static double exact_key(const struct world *w, const float *q, int64_t i)
{
	double key = 0;
	for (int64_t j = 0; j < w->dim; j++) {
		double a = (double)q[j], b = (double)w->x[i * w->dim + j];
		key += w->space.metric->similarity ? -a * b : (a - b) * (a - b);
	}
	return key;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* The share of the ten nearest of each query that a search finds. */
static double recall(struct world *w, const float *q, int64_t nq, int64_t ef)
{
	struct graph_scratch_pool scratch_pool;
	scratch_pool_init(&scratch_pool);
	struct graph_scratch *scratch = scratch_take(&scratch_pool, &w->graph, &w->space, ef, 0);
	double *keys = make(w->n, sizeof *keys);
	int64_t found = 0;
	REQUIRE(scratch != NULL);
	for (int64_t i = 0; i < nq; i++) {
		const float *query = q + i * w->dim;
		for (int64_t j = 0; j < w->n; j++)
			keys[j] = exact_key(w, query, j);
		qsort(keys, (size_t)w->n, sizeof *keys, compare);
		graph_origin_query(&w->space, query, scratch->origin);
		search_base_layer(scratch, search_upper_layers(scratch, 0), ef, ef);
		for (int64_t j = 0; j < scratch->n; j++) {
			int64_t node = scratch->pool[j].node & ~EXPANDED;
			found += exact_key(w, query, node) <= keys[9];
		}
	}
	free(keys);
	scratch_return(&scratch_pool, scratch);
	scratch_pool_free(&scratch_pool);
	return (double)found / (double)(10 * nq);
}

START_TEST(finds_neighbours)
{
	/* L2; inner products of vectors of different lengths. */
	enum { N = 8000, NQ = 100, DIM = 24 };
	bool ip = _i == 1;
	float *x = make_vectors(3, N + NQ, DIM);
	struct rng rng = {5};
	for (int64_t i = 0; ip && i < N; i++) {
		float length = expf(0.3f * rng_gauss(&rng));
		for (int64_t j = 0; j < DIM; j++)
			x[i * DIM + j] *= length;
	}
	struct world w = begin(N, DIM, x, 8, ip);
	OK(build(&w, 0, 2, NULL));
	double got = recall(&w, x + N * DIM, NQ, 64);
	ck_assert_msg(got > (ip ? 0.9 : 0.97), "recall %g", got);
	end(&w);
	free(x);
}
END_TEST

/* Clusters apart share no leaf; a search still gets from one to the other. */
START_TEST(finds_clusters)
{
	enum { N = 6000, NQ = 60, DIM = 8, CLUSTERS = 30 };
	float *x = make_gauss(9, N + NQ, DIM), *center = make_gauss(10, CLUSTERS, DIM);
	for (int64_t i = 0; i < (N + NQ) * DIM; i++)
		x[i] += 5 * center[i / DIM % CLUSTERS * DIM + i % DIM];
	struct world w = begin(N, DIM, x, 8, false);
	OK(build(&w, 0, 2, NULL));
	check_levels(&w.graph);
	double got = recall(&w, x + N * DIM, NQ, 64);
	ck_assert_msg(got > 0.95, "recall %g", got);
	end(&w);
	free(x);
	free(center);
}
END_TEST

START_TEST(equal_vectors)
{
	/* 10,000 equal ones among others. */
	enum { N = 14000, EQUAL = 10000, DIM = 16, NQ = 50 };
	float *x = make_vectors(4, N + NQ, DIM);
	for (int64_t i = 1; i < EQUAL; i++)
		memcpy(x + i * DIM, x, DIM * sizeof *x);
	struct world w = begin(N, DIM, x, 8, false);
	OK(build(&w, 0, 2, NULL));
	check_levels(&w.graph);
	double others = recall(&w, x + N * DIM, NQ, 64), same = recall(&w, x, 1, 64);
	ck_assert_msg(others > 0.85, "recall %g", others);
	ck_assert_msg(same >= 1, "recall of equal ones %g", same);
	end(&w);
	free(x);
}
END_TEST

START_TEST(all_equal)
{
	enum { N = 3000, DIM = 3 };
	float *x = make(N * DIM, sizeof *x);
	for (int64_t i = 0; i < N * DIM; i++)
		x[i] = 0.1f;
	struct world w = begin(N, DIM, x, 4, _i == 1);
	OK(build(&w, 0, 2, NULL));
	check_levels(&w.graph);
	end(&w);
	free(x);
}
END_TEST

/* A few vectors whose squares overflow are reached; no form serves where there are many, unless they are left
 * out. */
START_TEST(extreme_vectors)
{
	enum { N = 2000, DIM = 12, WORDS = (N + 63) / 64 };
	float *x = make_gauss(4, N, DIM);
	uint64_t normal[WORDS];
	memset(normal, 0xff, sizeof normal);
	x[77 * DIM] = x[1077 * DIM + 3] = 1e30f;
	struct world few = begin(N, DIM, x, 8, false);
	OK(build(&few, 0, 2, NULL));
	check_levels(&few.graph);
	end(&few);
	for (int64_t i = 0; i < N; i += 7)
		for (int64_t j = 0; j < DIM; j++)
			x[i * DIM + j] *= i % 2 ? 1e30f : 1e-30f;
	for (int64_t i = 7; i < N; i += 14)
		normal[i / 64] &= ~(UINT64_C(1) << (i % 64));
	normal[77 / 64] &= ~(UINT64_C(1) << (77 % 64));
	normal[1077 / 64] &= ~(UINT64_C(1) << (1077 % 64));
	struct world w = begin(N, DIM, x, 8, false);
	FAILS(build(&w, 0, 2, NULL), KITH_UNSUPPORTED, "length");
	struct graph_building how = {.rule = {.alpha = 1}, .only = normal, .ef = 100, .threads = 2};
	for (int64_t i = 0; i < N; i++)
		graph_clear_node(&w.graph, i);
	OK(graph_bulk(&w.graph, &w.space, &how));
	for (int64_t i = 0; i < N; i++)
		REQUIRE(graph_is_live(normal, (uint32_t)i) || graph_links(&w.graph, i, 0)[0] == GRAPH_NONE);
	end(&w);
	free(x);
}
END_TEST

/* ---- the same whatever the threads ---- */

START_TEST(equal_builds)
{
	static const int threads[] = {1, 2, 8};
	int64_t n = sanitized ? 3000 : 12000, dim = 20;
	float *x = make_vectors(2, n, dim);
	struct world first = begin(n, dim, x, 6, _i == 1);
	OK(build(&first, 0, 1, NULL));
	for (int t = 1; t < 3; t++) {
		struct world w = begin(n, dim, x, 6, _i == 1);
		OK(build(&w, 0, threads[t], NULL));
		REQUIRE(w.graph.entry == first.graph.entry && w.graph.rows == first.graph.rows);
		REQUIRE(memcmp(w.graph.links0.data, first.graph.links0.data, (size_t)n * 12 * 4) == 0);
		REQUIRE(
		    memcmp(w.graph.upper.data, first.graph.upper.data, (size_t)w.graph.rows * 6 * 4) == 0);
		graph_free(&w.graph);
		codes_free(&w.codes);
		codec_free(w.codec);
	}
	end(&first);
	free(x);
}
END_TEST

/* ---- failing ---- */

START_TEST(out_of_memory)
{
	enum { N = 2500, DIM = 9 };
	float *x = make_vectors(6, N, DIM);
	struct world w = begin(N, DIM, x, 4, _i == 1);
	alloc_fail_at(0, false);
	OK(build(&w, 0, 2, NULL));
	int64_t count = alloc_count(), live = alloc_live();
	REQUIRE(count > 10);
	for (int64_t i = 1; i <= count; i += sanitized ? 5 : 1) {
		alloc_fail_at(i, i % 2);
		FAILS(build(&w, 0, 2, NULL), KITH_NOMEM, "no memory");
		alloc_fail_at(0, false);
		REQUIRE(alloc_live() == live);
	}
	OK(build(&w, 0, 2, NULL));
	check_levels(&w.graph);
	end(&w);
	free(x);
}
END_TEST

struct stopper {
	int64_t calls, max;
};

static int stop(void *data, const char *stage, int64_t done, int64_t total)
{
	struct stopper *s = data;
	REQUIRE(stage && done >= 0 && done <= total);
	return ++s->calls > s->max;
}

START_TEST(cancelled)
{
	int64_t n = sanitized ? 8000 : 30000, dim = 32;
	float *x = make_vectors(6, n, dim);
	struct world w = begin(n, dim, x, 8, false);
	for (int64_t max = 1; max < 4; max++) {
		struct stopper s = {.max = max};
		struct progress progress;
		progress_begin(&progress, stop, &s, "add", n);
		kith_status status = build(&w, 0, 2, &progress);
		REQUIRE(status == (progress_cancelled(&progress) ? KITH_CANCELLED : KITH_OK));
		REQUIRE(max > 1 || status == KITH_CANCELLED);
		progress_end(&progress);
	}
	struct stopper s = {.max = INT64_MAX};
	struct progress progress;
	progress_begin(&progress, stop, &s, "add", n);
	OK(build(&w, 0, 2, &progress));
	REQUIRE(atomic_load(&progress.done) == n);
	OK(progress_end(&progress));
	check_levels(&w.graph);
	end(&w);
	free(x);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("graph_bulk");
	TCase *t = tcase_create("graph_bulk");
	tcase_set_timeout(t, 240);
	tcase_add_loop_test(t, invariants, 0, 10);
	tcase_add_loop_test(t, finds_neighbours, 0, 2);
	tcase_add_test(t, finds_clusters);
	tcase_add_test(t, equal_vectors);
	tcase_add_loop_test(t, all_equal, 0, 2);
	tcase_add_test(t, extreme_vectors);
	tcase_add_loop_test(t, equal_builds, 0, 2);
	tcase_add_loop_test(t, out_of_memory, 0, 2);
	tcase_add_test(t, cancelled);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
