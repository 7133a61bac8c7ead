/* Which keys distinguish near neighbours.
 *
 * A search is as good as the order that its keys give to the vectors near the query. The upper half of a
 * float has 8 significant bits: enough where vectors are about as far from each other as they are long (SIFT,
 * pixels, word vectors), at half the memory traffic; but far too few if an offset is large in comparison with
 * the spread, if there are few dimensions, or clusters are tight and far apart. No property of the values
 * alone says which it is, so it is tried out: for SAMPLE vectors, spread evenly, the exact neighbours among
 * all are found, and each key precision has to rank them. A neighbour among the 10 nearest counts as lost if
 * so many farther vectors have a key no greater that it might not be among the first 16. That corresponds to
 * a search with efSearch = 16 for k = 10; with a larger efSearch, inexact keys matter less. Edges need more
 * precision: of ten near nodes, a list leads to some that do not cover each other, and which these are
 * depends on the order of the ten. So the 4 nearest must also be among the first 8: with 800 tight clusters
 * of ten, queries from elsewhere and efSearch 16, recall was .71 without that and .75 with it. The first
 * precision is chosen that loses no more than one in ALLOWED, or else the one that loses fewest:
 *
 *   KEYS_CODED   half the bytes of floats
 *   KEYS_FLOAT   as hnswlib compares; for floats only
 *   KEYS_WIDE    for values whose squares, or the squares of whose differences, do not fit floats
 *
 * Queries need not be like the vectors. If all vectors are on a plane or an arc, and a query is not, all of
 * them are about equally far from it. So halves are tried with such queries, too, and not used if one
 * neighbour in
 * ALLOWED_AWAY is lost: with 6,000 vectors of length 1 on a plane in 64 dimensions and queries from all of
 * space, recall was .33 with halves and 1.000 without. In the sets tried that are not on a plane, no more
 * than one in fifty was lost.
 *
 * For codes that are not lossless (SQ8, PQ, …), their own keys are as good as the codes are. With these, only
 * the range matters: KEYS_WIDE is used if keys are infinite, or 0 for different codes.
 *
 * Below FEW vectors, floats are compared in full: it costs nothing, and more vectors may be added.
 *
 * Measured recall@10 with HNSW32 at efSearch 64 on 20,000 vectors, with the upper halves and with the
 * precision chosen here: latitude and longitude of a city .07 and 1.000; d = 1 .51 and 1.000; normal, d = 16,
 * offset 100, 300 and 1000 .94, .26, .02 and 1.000; 400 clusters of spread .01, 100 apart .56 and 1.000;
 * inner product, 500 vectors of d = 32, 40 copies of each that differ by 1e-6, .45 and .76.
 */
#include "lib/graph/graph.h"

#include "lib/base/random.h"
#include "lib/base/status.h"
#include "lib/search/search.h"

#include <math.h>
#include <string.h>

enum { SAMPLE = 64, NEIGHBOURS = 64, ALLOWED = 400, ALLOWED_AWAY = 40, FEW = 256, LISTED = 256 };

/* How many of the nearest neighbours must be among how many first. */
struct asked {
	int64_t wanted, kept;
};
static const struct asked for_searches = {10, 16}, for_edges = {4, 8};

struct trial {
	const struct graph_space *space;
	int64_t n; /* size of the sample */
	float *x;  /* [n × dim] */
	struct sink near;
	void *origin;
	const uint64_t *only;
	bool away; /* the vectors in x were moved away and are no longer those of the sample */
};

static uint32_t sampled(const struct trial *t, int64_t i)
{
	return (uint32_t)(i * t->space->rows.n / t->n);
}

kith_status graph_nearest_exact(const struct graph_space *space, int64_t n, const float *x,
    const struct metric *metric, int threads, struct sink *sink)
{
	kith_search_options options = KITH_SEARCH_OPTIONS;
	struct rows base = space->rows;
	base.ids = NULL;
	base.first_id = 0;
	base.slots = NULL;
	options.threads = threads;
	struct rows query = rows_of_array(KITH_F32, n, base.dim, x, 0);
	return search_exact(&base, &query, metric, false, sink, &options);
}

/* Find the exact neighbours of the vectors in the sample. */
static kith_status find_near(struct trial *t, int threads)
{
	const struct graph_space *space = t->space;
	for (int64_t i = 0; i < t->n; i++)
		graph_space_load(space, sampled(t, i), t->x + i * space->rows.dim);
	return graph_nearest_exact(space, t->n, t->x, space->edges, threads, &t->near);
}

/* Add to each vector of the sample another one whose components get random signs, multiplied by four. That
 * moves it out of any plane that the vectors are on, by four times their length. If queries are normalized,
 * the added vector alone is used: they cannot be farther away than that. */
static kith_status move_away(struct trial *t, int threads)
{
	int64_t dim = t->space->rows.dim;
	struct random random = random_begin(0, 0);
	float *first = mem_alloc((size_t)dim, sizeof *first);
	if (!first)
		return fail_nomem("choosing keys", (size_t)dim * sizeof *first);
	memcpy(first, t->x, (size_t)dim * sizeof *first);
	for (int64_t i = 0; i < t->n; i++) {
		float *x = t->x + i * dim;
		const float *other = i + 1 < t->n ? x + dim : first;
		for (int64_t j = 0; j < dim; j++) {
			float sign = random_next(&random) & 1 ? 1 : -1;
			x[j] = t->space->unit ? sign * other[j] : x[j] + 4 * sign * other[j];
		}
	}
	mem_free(first);
	memset(t->near.count, 0, (size_t)t->n * sizeof *t->near.count);
	return graph_nearest_exact(t->space, t->n, t->x, t->space->edges, threads, &t->near);
}

/* The list of a node on level 0, whatever the graph is: [*n]. */
static const uint32_t *list_of(const struct graph *graph, int64_t node, int64_t *n)
{
	const uint32_t *list =
	    graph->unvalidated ? graph_unvalidated_links(graph, node, 0) : graph_links(graph, node, 0);
	*n = list ? graph_list_length(list, graph->stride) : 0;
	return list;
}

static int64_t add_listed(const struct graph *graph, int64_t node, uint32_t *some, int64_t n)
{
	int64_t count;
	const uint32_t *list = list_of(graph, node, &count);
	for (int64_t i = 0; i < count && n < LISTED; i++) {
		bool there = false;
		for (int64_t j = 0; j < n && !there; j++)
			there = some[j] == list[i];
		if (!there)
			some[n++] = list[i];
	}
	return n;
}

/* Find the neighbours of the sample among the nodes that its lists lead to, instead of among all: this is
 * fast enough for opening a file. */
static kith_status find_listed(struct trial *t, const struct graph *graph)
{
	struct metric_kernels score = metric_kernels(t->space->edges);
	int64_t dim = t->space->rows.dim;
	float *y = mem_alloc((size_t)dim, sizeof *y);
	bool ok = y != NULL;
	for (int64_t i = 0; ok && i < t->n; i++) {
		uint32_t some[LISTED];
		struct found found[LISTED];
		float *x = t->x + i * dim;
		graph_space_load(t->space, sampled(t, i), x);
		int64_t n = add_listed(graph, sampled(t, i), some, 0), own = n;
		for (int64_t j = 0; j < own; j++)
			n = add_listed(graph, some[j], some, n);
		for (int64_t j = 0; j < n; j++) {
			graph_space_load(t->space, some[j], y);
			found[j].id = some[j];
			found[j].key = metric_exact(&score, x, y, dim);
		}
		ok = sink_merge(&t->near, i, found, n);
	}
	mem_free(y);
	return ok ? KITH_OK : fail_nomem("choosing keys", (size_t)dim * sizeof *y);
}

/* The neighbours of vector i of the sample, without itself; returns how many there are. */
static int64_t neighbours_of(const struct trial *t, int64_t i, uint32_t *node, double *exact)
{
	const struct found *found = t->near.best + i * t->near.k;
	int64_t n = 0;
	for (int64_t j = 0; j < t->near.count[i]; j++)
		if (found[j].id != sampled(t, i) && graph_is_live(t->only, (uint32_t)found[j].id)) {
			node[n] = (uint32_t)found[j].id;
			exact[n++] = found[j].key;
		}
	return n;
}

/* How many of the nearest of n neighbours may be lost by their keys. */
static int64_t count_lost(const double *exact, const float *key, int64_t n, const struct asked *ask)
{
	int64_t wanted = n < ask->wanted ? n : ask->wanted, lost = 0;
	if (n == 0)
		return 0;
	for (int64_t i = 0; i < wanted; i++) {
		int64_t before = 0;
		for (int64_t j = wanted; j < n; j++)
			before += exact[j] > exact[wanted - 1] && !(key[j] > key[i]);
		lost += wanted + before > ask->kept;
	}
	return lost;
}

/* n if the key of any of n neighbours, of which only codes are known, is out of range; else 0. */
static int64_t count_out(const double *exact, const float *key, int64_t n)
{
	int64_t out = 0;
	for (int64_t i = 0; i < n; i++)
		out += !(key[i] <= 0x1p126f) || (exact[i] != 0 && fabs(exact[i]) < 0x1p-126);
	return out ? n : 0;
}

/* How many neighbours keys of a precision lose, of those that were tried. ask NULL: how many are lost
 * because keys are out of range. */
static int64_t try(
    const struct trial *t, enum key_precision precision, const struct asked *ask, int64_t *tried)
{
	struct graph_space space = *t->space;
	uint32_t node[NEIGHBOURS + 1];
	double exact[NEIGHBOURS + 1];
	float key[NEIGHBOURS + 1];
	int64_t lost = 0;
	space.precision = precision;
	*tried = 0;
	for (int64_t i = 0; i < t->n; i++) {
		if (!graph_is_live(t->only, sampled(t, i)))
			continue;
		int64_t n = neighbours_of(t, i, node, exact);
		for (int of_node = 0; of_node < (space.edges->similarity || t->away ? 1 : 2); of_node++) {
			if (of_node)
				graph_origin_node(&space, sampled(t, i), t->origin);
			else
				graph_origin_query(&space, t->x + i * space.rows.dim, t->origin);
			graph_keys(&space, t->origin, node, n, key);
			lost += ask ? count_lost(exact, key, n, ask) : count_out(exact, key, n);
			*tried += ask && ask->wanted < n ? ask->wanted : n;
		}
	}
	return lost;
}

static enum key_precision choose(const struct trial *t)
{
	const struct codec *codec = t->space->rows.codec;
	bool floats = codec->ops->in_graph_float != NULL,
	     coded = codec_encodes(codec) && !codec_is_half(codec);
	enum key_precision best = KEYS_WIDE;
	int64_t min = INT64_MAX, tried;
	if (coded)
		return try(t, KEYS_CODED, NULL, &tried) * ALLOWED <= tried ? KEYS_CODED : KEYS_WIDE;
	for (enum key_precision p = KEYS_CODED; p <= KEYS_WIDE; p++) {
		if (floats ? p == KEYS_CODED && t->space->rows.n < FEW : p == KEYS_FLOAT)
			continue;
		int64_t lost = try(t, p, &for_searches, &tried), tried_near;
		int64_t lost_near = try(t, p, &for_edges, &tried_near);
		if (lost * ALLOWED <= tried && lost_near * ALLOWED <= tried_near)
			return p;
		lost += lost_near;
		if (lost < min) {
			best = p;
			min = lost;
		}
	}
	return best;
}

/* Whether the upper halves, which are precise enough for the vectors, are so for queries unlike them, too. */
static kith_status check_away(struct trial *t, int threads, enum key_precision *precision)
{
	int64_t tried;
	kith_status status = move_away(t, threads);
	if (status)
		return status;
	t->away = true;
	if (try(t, KEYS_CODED, &for_searches, &tried) * ALLOWED_AWAY > tried)
		*precision = KEYS_FLOAT;
	return KITH_OK;
}

kith_status graph_choose_keys(const struct graph_space *space, const struct graph *graph,
    const uint64_t *only, int threads, enum key_precision *precision)
{
	struct trial t = {.space = space, .only = only};
	struct graph_space wide = *space;
	bool integers = space->rows.form->type != KITH_F32;
	*precision = KEYS_CODED;
	if (space->rows.n == 0 || integers)
		return KITH_OK;
	wide.precision = KEYS_WIDE;
	size_t bytes = graph_origin_bytes(space);
	bytes = bytes > graph_origin_bytes(&wide) ? bytes : graph_origin_bytes(&wide);
	t.n = space->rows.n < SAMPLE ? space->rows.n : SAMPLE;
	t.x = mem_alloc((size_t)t.n * (size_t)space->rows.dim, sizeof *t.x);
	t.origin = mem_alloc(bytes, 1);
	kith_status status = t.x && t.origin ? sink_init_topk(&t.near, t.n, NEIGHBOURS + 1)
	                                     : fail_nomem("choosing keys", bytes);
	if (status == KITH_OK) {
		status = graph ? find_listed(&t, graph) : find_near(&t, threads);
		if (status == KITH_OK)
			*precision = choose(&t);
		bool floats = space->rows.codec->ops->in_graph_float != NULL;
		if (status == KITH_OK && !graph && floats && *precision == KEYS_CODED)
			status = check_away(&t, threads, precision);
		sink_free(&t.near);
	}
	mem_free(t.x);
	mem_free(t.origin);
	return status;
}
