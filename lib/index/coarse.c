/* The coarse quantizer as a graph (Baranchuk, Babenko & Malkov, ECCV 2018, among others): where there are
 * tens of thousands of lists, finding those nearest to a query would cost more than looking into them. A walk
 * over the centroids compares some hundred of them.
 *
 * Node i is centroid i. The walk reads a copy rounded to bf16, half the bytes, and the best of what it met
 * are compared again with the centroids themselves, so keys are exact and only the choice is not. The copy is
 * made anew where there is a graph but no copy (files, clones): nothing is stored twice. Where bf16 cannot
 * tell centroids apart (graph/keys.c: an offset that is large against their distances) the copy is of whole
 * floats.
 *
 * Edges are chosen by squared L2 distance also under a similarity: centroids have one length then, and both
 * give one order.
 */
#include "lib/index/coarse.h"

#include "lib/base/status.h"
#include "lib/base/threads.h"
#include "lib/codec/codec.h"
#include "lib/search/rerank.h"
#include "lib/graph/build.h"
#include "lib/graph/file.h"

#include <stdatomic.h>

enum { DEFAULT_EF = 64, DEFAULT_BUILD_EF = 200, TASK_QUERIES = 8 };

struct coarse {
	struct codec *codec; /* bf16, or fp32 where that is not enough */
	enum key_precision keys;
	struct codes codes;
	struct graph graph;
	const struct metric *metric;
	struct walkers *walkers;
};

static struct graph_space space_of(const struct coarse *coarse)
{
	struct graph_space space = {.rows = codes_rows(&coarse->codes),
	    .metric = coarse->metric,
	    .edges = coarse->metric->similarity ? &metric_l2 : coarse->metric,
	    .precision = coarse->keys};
	space.rows.whole = space.rows.kind == ROWS_SPLIT;
	return space;
}

/* ---- life ---- */

static kith_status fill(struct coarse *coarse, const struct centroids *centroids, float *scratch)
{
	codes_init(&coarse->codes, coarse->codec);
	kith_status status = codes_reserve(&coarse->codes, centroids->n, 0);
	if (status == KITH_OK)
		codes_append(&coarse->codes, KITH_F32, centroids->n, centroids->x, scratch);
	return status;
}

/* A copy of the centroids, as rough as they allow. */
static kith_status copy_centroids(struct coarse *coarse, const struct centroids *centroids, float *scratch)
{
	kith_status status = codec_new_fp32(&coarse->codec, centroids->dim, false);
	if (status == KITH_OK)
		status = fill(coarse, centroids, scratch);
	if (status == KITH_OK) {
		struct graph_space space = space_of(coarse);
		status = graph_choose_keys(&space, NULL, NULL, 1, &coarse->keys);
	}
	if (status || coarse->keys != KEYS_CODED)
		return status;
	codes_free(&coarse->codes);
	codec_free(coarse->codec);
	coarse->codec = NULL;
	status = codec_new_bf16(&coarse->codec, centroids->dim, false);
	return status ? status : fill(coarse, centroids, scratch);
}

/* With codes, and a graph without nodes. */
static kith_status make(struct coarse **out, const struct centroids *centroids, int M)
{
	struct coarse *coarse = mem_zalloc(1, sizeof *coarse);
	struct walkers *walkers = mem_alloc(1, sizeof *walkers);
	float *scratch = mem_alloc(CODES_SCRATCH(centroids->dim), sizeof *scratch);
	if (!coarse || !walkers || !scratch) {
		mem_free(coarse);
		mem_free(walkers);
		mem_free(scratch);
		return fail_nomem("a graph of centroids", sizeof *coarse + sizeof *walkers);
	}
	walkers_init(walkers);
	graph_init(&coarse->graph, M);
	coarse->walkers = walkers;
	coarse->metric = centroids->metric;
	kith_status status = copy_centroids(coarse, centroids, scratch);
	mem_free(scratch);
	if (status)
		coarse_free(coarse);
	else
		*out = coarse;
	return status;
}

kith_status coarse_new(struct coarse **out, const struct centroids *centroids, struct graph *take_graph)
{
	kith_status status = make(out, centroids, take_graph->M);
	if (status)
		return status;
	(*out)->graph = *take_graph;
	graph_init(take_graph, take_graph->M);
	return KITH_OK;
}

kith_status coarse_clone(struct coarse **out, const struct coarse *coarse, const struct centroids *centroids)
{
	struct graph graph;
	kith_status status = graph_copy(&graph, &coarse->graph);
	if (status == KITH_OK)
		status = coarse_new(out, centroids, &graph);
	graph_free(&graph);
	return status;
}

void coarse_free(struct coarse *coarse)
{
	if (!coarse)
		return;
	codes_free(&coarse->codes);
	codec_free(coarse->codec);
	graph_free(&coarse->graph);
	walkers_free(coarse->walkers);
	mem_free(coarse->walkers);
	mem_free(coarse);
}

size_t coarse_memory(const struct coarse *coarse)
{
	if (!coarse)
		return 0;
	return sizeof *coarse + coarse->codec->ops->memory(coarse->codec) + codes_memory(&coarse->codes) +
	       graph_memory(&coarse->graph) + sizeof *coarse->walkers + walkers_memory(coarse->walkers);
}

const struct graph *coarse_graph(const struct coarse *coarse)
{
	return &coarse->graph;
}

/* ---- building ---- */

/* Few nodes, one after another. */
static kith_status insert_all(struct coarse *coarse, const struct graph_building *how)
{
	struct graph_space space = space_of(coarse);
	struct builder builder = {0};
	int64_t n = coarse->graph.n;
	uint32_t *nodes = mem_alloc((size_t)n, sizeof *nodes);
	if (!nodes)
		return fail_nomem("nodes", (size_t)n * sizeof *nodes);
	coarse->graph.entry = GRAPH_NONE;
	for (int64_t i = 0; i < n; i++) {
		nodes[i] = (uint32_t)i;
		graph_clear_node(&coarse->graph, i);
	}
	kith_status status = builder_begin(&builder, &coarse->graph, &space, how, coarse->walkers, nodes, n);
	if (status == KITH_OK && !builder_insert(&builder, nodes, n))
		status = KITH_CANCELLED;
	if (status == KITH_OK)
		builder_connect(&builder);
	builder_end(&builder);
	mem_free(nodes);
	return status;
}

kith_status coarse_build(
    struct coarse **out, const struct centroids *centroids, int M, const kith_add_options *options)
{
	struct coarse *coarse;
	kith_status status = make(&coarse, centroids, M);
	if (status)
		return status;
	struct progress progress;
	struct graph_space space = space_of(coarse);
	bool bulk = graph_bulk_serves(space.edges) && graph_bulk_pays(centroids->n);
	int64_t ef = options->efConstruction ? options->efConstruction : DEFAULT_BUILD_EF;
	struct graph_building how = {.rule = {.alpha = bulk ? 0 : 1},
	    .ef = ef > M ? ef : M,
	    .threads = threads_resolve(options->threads),
	    .progress = &progress};
	coarse->graph.seed = options->seed;
	status = graph_grow(&coarse->graph, centroids->n);
	if (status == KITH_OK) {
		progress_begin(&progress, options->progress, options->progress_data, "graph", centroids->n);
		status = bulk ? graph_bulk(&coarse->graph, &space, &how) : KITH_UNSUPPORTED;
		how.rule.alpha = 1;
		if (status == KITH_UNSUPPORTED)
			status = insert_all(coarse, &how);
		kith_status told = progress_end(&progress);
		if (status == KITH_OK || status == KITH_CANCELLED)
			status = told;
	}
	graph_trim(&coarse->graph);
	walkers_clear(coarse->walkers);
	if (status)
		coarse_free(coarse);
	else
		*out = coarse;
	return status;
}

/* ---- searching ---- */

int64_t coarse_ef(int64_t efSearch, int64_t k)
{
	int64_t ef = efSearch ? efSearch : 2 * k > DEFAULT_EF ? 2 * k : DEFAULT_EF;
	return ef > k ? ef : k;
}

/* In comparisons of one query with one centroid after another. Measured (SIFT, 128 dimensions, M = 32, ef =
 * 64, 8 lists found, AVX-512 without AMX), µs a query:
 *
 *   centroids   walk   all, alone   in batches of 64, 256, 1000
 *       4,096     25       47          22     17     16
 *      16,384     43      222          69     43     37
 *      65,536     64    2,395         178     98     81
 *
 * Where both come out about the same all are compared, which misses nothing. */
bool coarse_pays(const struct centroids *centroids, int M, int64_t nq, int64_t ef)
{
	double walk = 1.5 * M * (double)ef;
	double tiles = nq < 32 ? 1 : nq < 128 ? 3 : nq < 512 ? 8 : 24;
	return walk * tiles < (double)centroids->n;
}

struct call {
	struct graph_space space;
	const struct rows *query;
	int64_t k, ef;
	struct rows rows; /* the centroids */
	struct rerank rerank;
	struct walker **walker; /* [threads] */
	float *room;            /* [threads × dim] */
	_Atomic bool failed;
};

static struct row_place locate(const void *owner, const void *candidates, int64_t i, struct rows *list)
{
	const struct call *c = owner;
	(void)list;
	return (struct row_place){&c->rows, ((const struct candidate *)candidates)[i].node};
}

static void run_query(struct call *c, struct walker *w, float *room, int64_t number)
{
	/* Keys of the walk are good to about a percent: so many may be among the k best. */
	int64_t most = c->k + c->k / 2 + 8;
	const float *q = rows_load(c->query, number, room);
	graph_origin_query(&c->space, q, w->origin);
	walk_nearest(w, walk_descend(w, 0), c->ef, most);
	if (!rerank(&c->rerank, number, q, w->pool, w->n < most ? w->n : most, NULL))
		atomic_store(&c->failed, true);
}

static void run_task(void *arg, int64_t task, int worker)
{
	struct call *c = arg;
	int64_t from = task * TASK_QUERIES, to = from + TASK_QUERIES;
	to = to < c->query->n ? to : c->query->n;
	for (int64_t q = from; q < to && !progress_stopped(); q++)
		run_query(c, c->walker[worker], c->room + worker * c->query->dim, q);
}

kith_status coarse_search(const struct coarse *coarse, const struct centroids *centroids,
    const struct rows *query, int64_t ef, int threads, struct sink *sink)
{
	struct call c = {.space = space_of(coarse),
	    .query = query,
	    .k = sink->k,
	    .ef = ef < centroids->n ? ef : centroids->n,
	    .rows = rows_of_array(KITH_F32, centroids->n, centroids->dim, centroids->x, 0),
	    .rerank = {.exact.score = metric_kernels(centroids->metric), .sink = sink, .locate = locate}};
	c.rerank.owner = &c;
	int64_t tasks = (query->n + TASK_QUERIES - 1) / TASK_QUERIES;
	threads = tasks < threads ? (int)tasks : threads;
	c.walker = mem_zalloc((size_t)threads, sizeof(struct walker *));
	c.room = mem_alloc((size_t)threads * (size_t)query->dim, sizeof *c.room);
	bool ok = c.walker && c.room;
	for (int i = 0; ok && i < threads; i++) {
		c.walker[i] = walker_take(coarse->walkers, &coarse->graph, &c.space, c.ef, 0);
		ok = c.walker[i] != NULL;
	}
	if (ok)
		threads_run(threads, tasks, run_task, &c);
	for (int i = 0; c.walker && i < threads; i++)
		walker_return(coarse->walkers, c.walker[i]);
	mem_free(c.walker);
	mem_free(c.room);
	return ok && !c.failed ? KITH_OK : fail_nomem_search(query->n);
}

/* ---- files ---- */

void coarse_save(const struct coarse *coarse, struct blob_writer *w)
{
	graph_save(&coarse->graph, 0, false, w);
}

kith_status coarse_load(struct coarse **out, const struct centroids *centroids, int M, struct blob_reader *r)
{
	struct graph graph;
	struct graph_head head;
	struct graph_fault fault;
	graph_init(&graph, M);
	kith_status status = graph_load_head(&graph, &head, r);
	if (status == KITH_OK && (head.nodes != centroids->n || head.mapped || head.unsettled))
		status = blob_fail(r, "GRPH", "contradicts itself");
	if (status == KITH_OK)
		status = graph_take(&graph, &head, r);
	if (status == KITH_OK && graph_check(&graph, &fault))
		status = blob_fail(r, fault.tag, "%s", fault.what);
	if (status == KITH_OK)
		status = coarse_new(out, centroids, &graph);
	graph_free(&graph);
	return status;
}
