/* See graphs.h. */
#include "tests/structure/graphs.h"

#include "lib/api/file.h"
#include "lib/index/hnsw.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

float *make_integers(uint64_t seed, int64_t n, int64_t dim, bool is_signed)
{
	struct rng rng = {seed};
	float *x = make(n * dim, sizeof *x);
	for (int64_t i = 0; i < n; i++) {
		int64_t center = rng_below(&rng, 30);
		for (int64_t j = 0; j < dim; j++) {
			double v = 60 + (double)((center * 37 + j * 11) % 90) + 18 * (double)rng_gauss(&rng);
			v = v < 0 ? 0 : v > 200 ? 200 : v;
			x[i * dim + j] = (float)(int)(is_signed ? v / 2 - 50 : v);
		}
	}
	return x;
}

kith_index *make_graph(int64_t dim, kith_metric metric, const char *spec, int64_t n, const float *x,
    const kith_add_options *options)
{
	kith_index *index;
	OK(kith_index_new(&index, dim, metric, spec));
	OK(kith_index_train(index, n, x, options));
	REQUIRE(kith_index_trained(index));
	OK(kith_index_add(index, n, x, NULL, options));
	REQUIRE(kith_index_size(index) == n);
	return index;
}

/* Smaller is better. Under cosine x is kept as it came (bytes), or is about a unit vector. */
static double key_of(const kith_index *index, const float *q, const float *x)
{
	double sum = 0, norms[2] = {0, 0};
	kith_metric metric = kith_index_metric(index);
	for (int64_t j = 0; j < kith_index_dim(index); j++) {
		double a = (double)q[j], b = (double)x[j];
		sum += metric == KITH_L2 ? (a - b) * (a - b) : a * b;
		norms[0] += a * a;
		norms[1] += b * b;
	}
	if (metric == KITH_COSINE && norms[0] > 0)
		sum /= sqrt(norms[0]);
	if (metric == KITH_COSINE && norms[1] > 0)
		sum /= sqrt(norms[1]);
	return metric == KITH_L2 ? sum : -sum;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

struct world {
	const kith_index *index;
	int64_t n, dim;
	int64_t *ids;
	float *x;
	double *keys;
};

/* Hits among k results of one query; *most: how many there could be. */
static int64_t check_query(struct world *w, const float *q, int64_t k, const float *dist, const int64_t *ids,
    int64_t modulus, int64_t rest, int64_t *max)
{
	int64_t passing = 0, found = 0, hits = 0;
	double sign = kith_index_metric(w->index) == KITH_L2 ? 1 : -1, last = -INFINITY;
	for (int64_t i = 0; i < w->n; i++)
		if (w->ids[i] % modulus == rest)
			w->keys[passing++] = key_of(w->index, q, w->x + i * w->dim);
	qsort(w->keys, (size_t)passing, sizeof *w->keys, compare_doubles);
	*max = k < passing ? k : passing;
	double worst = *max ? w->keys[*max - 1] : 0, error_bound = 1e-5 * (1 + fabs(worst));
	float *one = make(w->dim, sizeof *one);
	for (; found < k && ids[found] >= 0; found++) {
		OK(kith_index_get(w->index, 1, &ids[found], one));
		double key = key_of(w->index, q, one), said = sign * (double)dist[found];
		REQUIRE(ids[found] % modulus == rest);
		REQUIRE(fabs(key - said) <= 1e-5 * (1 + fabs(key)));
		REQUIRE(said >= last);
		last = said;
		hits += key <= worst + error_bound;
		for (int64_t j = 0; j < found; j++)
			REQUIRE(ids[j] != ids[found]);
	}
	REQUIRE(found == *max);
	free(one);
	return hits;
}

double check_recall(const kith_index *index, int64_t nq, const float *q, int64_t k,
    const kith_search_options *options, int64_t modulus, int64_t rest)
{
	struct world w = {.index = index, .n = kith_index_size(index), .dim = kith_index_dim(index)};
	int64_t hits = 0, wanted = 0, max;
	w.ids = make(w.n, sizeof *w.ids);
	w.x = make(w.n * w.dim, sizeof *w.x);
	w.keys = make(w.n, sizeof *w.keys);
	OK(kith_index_ids(index, w.ids));
	OK(kith_index_get(index, w.n, w.ids, w.x));
	float *dist = make(nq * k, sizeof *dist);
	int64_t *ids = make(nq * k, sizeof *ids);
	OK(kith_index_search(index, nq, q, k, dist, ids, options));
	for (int64_t i = 0; i < nq; i++) {
		hits += check_query(&w, q + i * w.dim, k, dist + i * k, ids + i * k, modulus, rest, &max);
		wanted += max;
	}
	free(dist);
	free(ids);
	free(w.ids);
	free(w.x);
	free(w.keys);
	return wanted ? (double)hits / (double)wanted : 1;
}

kith_status index_of_bytes(kith_index **out, const struct bytes *bytes, bool verify)
{
	struct blob_reader r;
	struct bytes copy = *bytes;
	struct blob_source source = {.read = bytes_fetch, .owner = &copy, .size = copy.n, .name = "'memory'"};
	*out = NULL;
	kith_status status = blob_reader_begin(&r, source, verify);
	if (status == KITH_OK)
		status = index_read(out, &r, NULL);
	blob_reader_free(&r);
	return status;
}

bool same_bytes(const kith_index *a, const kith_index *b)
{
	struct bytes x = saved_bytes(a), y = saved_bytes(b);
	bool same = x.n == y.n && memcmp(x.data, y.data, x.n) == 0;
	free(x.data);
	free(y.data);
	return same;
}

void remove_ids(kith_index *index, int64_t min, int64_t max)
{
	kith_filter *filter;
	OK(kith_filter_range(&filter, min, max));
	OK(kith_index_remove(index, filter, NULL));
	kith_filter_free(filter);
}

/* ---- what holds ---- */

void check_list(const struct graph *graph, int64_t node, int level)
{
	const uint32_t *list = graph_links(graph, node, level);
	int width = graph_width(graph, level), n = 0;
	while (n < width && list[n] != GRAPH_NONE)
		n++;
	for (int i = n; i < width; i++)
		REQUIRE(list[i] == GRAPH_NONE);
	for (int i = 0; i < n; i++) {
		REQUIRE(list[i] < graph->n && list[i] != node && graph_level(graph, list[i]) >= level);
		for (int j = 0; j < i; j++)
			REQUIRE(list[i] != list[j]);
	}
}

char *reach(const struct graph *graph, int level)
{
	char *reached = make(graph->n, 1);
	uint32_t *queue = make(graph->n, sizeof *queue);
	int64_t n = 0;
	queue[n++] = graph->entry;
	reached[graph->entry] = 1;
	for (int64_t at = 0; at < n; at++) {
		const uint32_t *list = graph_links(graph, queue[at], level);
		for (int i = 0; i < graph_width(graph, level) && list[i] != GRAPH_NONE; i++)
			if (!reached[list[i]]) {
				reached[list[i]] = 1;
				queue[n++] = list[i];
			}
	}
	free(queue);
	return reached;
}

void check_graph(const kith_index *index, bool whole)
{
	const struct hnsw *hnsw = hnsw_of_const(index);
	const struct graph *graph = &hnsw->graph;
	int64_t live = 0, free_nodes = 0;
	REQUIRE((graph->n == 0) == (graph->entry == GRAPH_NONE));
	if (graph->n == 0)
		return;
	char *reached = reach(graph, 0);
	for (int64_t i = 0; i < graph->n; i++) {
		for (int level = graph_level(graph, i); level >= 0; level--)
			check_list(graph, i, level);
		uint32_t slot = hnsw->mapped ? hnsw_slot_of(hnsw)[i] : (uint32_t)i;
		if (slot == SLOT_FREE) {
			free_nodes++;
			REQUIRE(!reached[i] && graph_links(graph, i, 0)[0] == GRAPH_NONE);
		}
		REQUIRE(graph_is_live(hnsw_live(hnsw), (uint32_t)i) == (slot < SLOT_FREE));
		if (slot >= SLOT_FREE)
			continue;
		live++;
		REQUIRE(hnsw_node(hnsw, slot) == i);
		if (whole && !reached[i])
			ck_abort_msg("%s: node %lld of %lld cannot be reached", kith_index_describe(index),
			    (long long)i, (long long)graph->n);
	}
	REQUIRE(live == hnsw->ids.n && free_nodes == hnsw->free);
	REQUIRE(graph->n == live + hnsw->free + hnsw->dead);
	free(reached);
}
