/* How a graph index compares vectors: chosen by the vectors that it holds (graph/keys.c), and chosen anew as
 * they change.
 *
 * When. A bulk add decides with all vectors present. Otherwise the decision is made anew, before vectors are
 * written, when as many have been written since the last one as there were then: at 1, 2, 4 … vectors, which
 * takes less than a fiftieth of the time of inserting. Removing decides nothing, since neighbours only get
 * farther.
 *
 * Consequences. Finer keys are used at once, and all nodes are linked anew, since their edges were chosen by
 * keys that could not tell neighbours apart. Coarser ones are used only while there are few vectors, or when
 * the graph is built anew: an index near the border must not change with every add.
 *
 * Inner products. Edges chosen by inner product go to long vectors, and through these to one another. That
 * suits queries like the vectors, but a vector that is short, or long only in the direction of an unlike
 * query, may be reachable only through a few long vectors whose lists are full. The points on one side of a
 * hyperplane, which is what searches for large products look for, are connected by their edges to near points
 * (fully so in the Delaunay graph). So up to a quarter of every list is for such edges, from a graph by
 * squared L2 that is built in bulk; nodes that are inserted later search for near ones as well. In full
 * lists they replace a sixteenth at most, and only if they are close (graph/near.c), since the few long
 * vectors need the rest for edges by the rule (8,000 vectors uniform in 128 dimensions, efSearch 16: .90 with
 * a quarter, .93 so). Recall@10 at efSearch 16 / 64 without and with them: 20,000 vectors uniform in two
 * dimensions .881 .883 and .994 1.000, with queries of any sign .243 .249 and .981 .999; the first 50,000 of
 * SIFT .939 .995 and .977 1.000.
 *
 * Files. The decision is in an optional section. For a file of the first release, which has none, it is made
 * at opening, by the neighbours in the graph's lists. If the edges of such a file were chosen by keys that
 * are too coarse, it is searched by finer ones, which improves recall somewhat; the next time that the
 * decision is due, or compacting, links it anew.
 */
#include "lib/index/hnsw.h"
#include "lib/index/hnsw_log.h"

#include "lib/base/status.h"
#include "lib/base/threads.h"

#include <stdlib.h>
#include <string.h>

enum { DEFAULT_EF = 200, FEW = 256 };

struct graph_building hnsw_building(const struct hnsw *hnsw, const kith_add_options *options)
{
	int64_t ef = options->efConstruction ? options->efConstruction : DEFAULT_EF;
	ef = ef > hnsw->graph.M ? ef : hnsw->graph.M;
	return (struct graph_building){
	    .rule = {.alpha = 1, .keep = false}, .ef = ef, .threads = threads_resolve(options->threads)};
}

/* ---- linking ---- */

/* A bit for each of n nodes that is not far; NULL: no node is far, or these keys serve far ones, too. */
static kith_status not_far(const struct hnsw *hnsw, int64_t n, enum key_precision keys, uint64_t **only)
{
	*only = NULL;
	size_t words = (size_t)(n + 63) / 64;
	if (hnsw->fars == 0 || keys == KEYS_WIDE)
		return KITH_OK;
	*only = mem_alloc(words, sizeof **only);
	if (!*only)
		return fail_nomem("far vectors", words * sizeof **only);
	memset(*only, 0xff, words * sizeof **only);
	for (int64_t i = 0; i < hnsw->fars; i++)
		(*only)[hnsw_far(hnsw)[i] / 64] &= ~(UINT64_C(1) << (hnsw_far(hnsw)[i] % 64));
	return KITH_OK;
}

static int compare_nodes(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

/* Append edges of another graph of the same nodes to the lists of this one. scratch [2 × dim]. */
static void append_edges(struct graph *graph, const struct graph *from, const struct graph_space *space,
    int64_t node, int level, float *scratch)
{
	int64_t width = graph_width(graph, level);
	uint32_t *list = graph_links(graph, node, level);
	const uint32_t *near = graph_links(from, node, level);
	graph_append_near(space, (uint32_t)node, list, graph_list_length(list, width), width, near,
	    graph_list_length(near, width), width / NEAR_SHARE, scratch);
}

/* Build a graph by squared L2. UNSUPPORTED: the vectors are too far apart to be linked in bulk. */
static kith_status link_near(struct graph *near, const struct graph *graph, const struct graph_space *space,
    const struct graph_building *how)
{
	struct graph_space near_space = graph_space_l2(space);
	struct graph_building building = *how;
	building.rule.alpha = 0;
	building.progress = NULL; /* nodes are counted once, by the graph itself; cancels work without it */
	near->seed = graph->seed;
	kith_status status = graph_grow(near, graph->n);
	return status ? status : graph_bulk(near, &near_space, &building);
}

/* Insert all nodes one by one. near: a graph some of whose edges are added; NULL: none are. */
static kith_status insert_all(struct hnsw *hnsw, struct graph *graph, const struct graph *near,
    const struct graph_space *space, const struct graph_building *how)
{
	struct builder builder;
	int64_t n = graph->n;
	uint32_t *nodes = mem_alloc((size_t)n, sizeof *nodes);
	if (!nodes)
		return fail_nomem("nodes", (size_t)n * sizeof *nodes);
	graph->entry = GRAPH_NONE;
	uint32_t seeds[HNSW_SEEDS];
	int64_t seed_count = hnsw_seeds(hnsw, hnsw->fars, seeds), count = 0;
	qsort(seeds, (size_t)seed_count, sizeof *seeds, compare_nodes);
	for (int64_t i = 0; i < n; i++)
		graph_clear_node(graph, i);
	/* Seeds are inserted first, so that the searches of all others can begin at them. */
	for (int64_t i = 0; i < seed_count; i++)
		nodes[count++] = seeds[i];
	for (int64_t i = 0, next = 0; i < n; i++)
		if (next < seed_count && seeds[next] == i)
			next++;
		else if (graph_is_live(how->only, (uint32_t)i))
			nodes[count++] = (uint32_t)i;
	graph_shuffle(graph, nodes + seed_count, count - seed_count);
	uint64_t *far;
	kith_status status = builder_begin(&builder, graph, space, how, hnsw->scratch_pool, nodes, count);
	kith_status found = hnsw_far_bits(hnsw, n, &far);
	status = status ? status : found;
	builder.live = how->only;
	builder.far = far;
	builder.near_later = near != NULL;
	if (status == KITH_OK && !builder_insert(&builder, nodes, seed_count))
		status = KITH_CANCELLED;
	builder.seeds = seeds;
	builder.seed_count = seed_count;
	if (status == KITH_OK && !builder_insert(&builder, nodes + seed_count, count - seed_count))
		status = KITH_CANCELLED;
	for (int64_t i = 0; status == KITH_OK && near && i < n; i++)
		for (int level = 0; level <= graph_level(graph, i); level++)
			append_edges(graph, near, space, i, level, builder.worker[0].prune);
	if (status == KITH_OK && !builder_connect(&builder))
		status = KITH_CANCELLED;
	builder_end(&builder);
	mem_free(far);
	mem_free(nodes);
	return status;
}

/* The same under inner product, with edges of a graph by squared L2 where that can be built. */
static kith_status insert_all_ip(
    struct hnsw *hnsw, struct graph *graph, const struct graph_space *space, const struct graph_building *how)
{
	struct graph near;
	kith_status status = KITH_UNSUPPORTED;
	graph_init(&near, graph->M);
	if (graph_bulk_pays(graph->n))
		status = link_near(&near, graph, space, how);
	if (status == KITH_OK || status == KITH_UNSUPPORTED)
		status = insert_all(hnsw, graph, status == KITH_OK ? &near : NULL, space, how);
	graph_free(&near);
	return status;
}

/* Link all nodes that belong into the graph, by keys of precision hnsw->keys. */
kith_status hnsw_link_all(struct hnsw *hnsw, struct graph *graph, const struct graph_building *how)
{
	struct graph_space space = hnsw_space(hnsw);
	struct graph_building bulk = *how, one = *how;
	uint64_t *owned;
	kith_status status = not_far(hnsw, graph->n, hnsw->keys, &owned);
	if (status)
		return status;
	bulk.rule.alpha = 0;
	bulk.only = one.only = owned;
	status = KITH_UNSUPPORTED;
	/* Under inner product insertion chooses better edges: recall 0.95 instead of 0.89. */
	if (graph_bulk_serves(space.edges) && graph_bulk_pays(graph->n))
		status = graph_bulk(graph, &space, &bulk);
	if (status == KITH_UNSUPPORTED)
		status = space.edges->similarity ? insert_all_ip(hnsw, graph, &space, &one)
		                                 : insert_all(hnsw, graph, NULL, &space, &one);
	mem_free(owned);
	return status;
}

/* Choose the precision for these vectors and `far` far ones more, n vectors in all. */
static kith_status choose(struct hnsw *hnsw, const struct graph *graph, int threads, int64_t far, int64_t n,
    enum key_precision *keys)
{
	struct graph_space space = hnsw_space(hnsw);
	uint64_t *owned;
	*keys = KEYS_WIDE;
	if (hnsw_too_many_far(hnsw, far, n))
		return KITH_OK;
	kith_status status = not_far(hnsw, hnsw->codes.n, KEYS_CODED, &owned);
	if (status == KITH_OK)
		status = graph_choose_keys(&space, graph, owned, threads, keys);
	mem_free(owned);
	return status;
}

static void decide(struct hnsw *hnsw, enum key_precision keys)
{
	hnsw->keys = keys;
	hnsw->measured = hnsw->codes.n;
	hnsw->changed = 0;
}

kith_status hnsw_link(struct hnsw *hnsw, struct graph *graph, const struct graph_building *how)
{
	enum key_precision keys, before = hnsw->keys;
	kith_status status = choose(hnsw, NULL, how->threads, 0, graph->n, &keys);
	if (status)
		return status;
	hnsw->keys = keys;
	status = hnsw_link_all(hnsw, graph, how);
	if (status) {
		hnsw->keys = before;
		return status;
	}
	decide(hnsw, keys);
	hnsw->linked = keys;
	return KITH_OK;
}

/* ---- renewing ---- */

/* Link all nodes anew by hnsw->keys; dead ones are removed. */
static kith_status link_anew(struct hnsw *hnsw, const kith_add_options *options)
{
	struct graph graph;
	struct progress progress;
	struct graph_building how = hnsw_building(hnsw, options);
	kith_status status = KITH_OK;
	enum key_precision linked = hnsw->linked;
	hnsw->linked = hnsw->keys; /* so that compacting does not come back here */
	if (hnsw->graph.n > hnsw->ids.n)
		status = hnsw_compact(&hnsw->base, options);
	graph_init(&graph, hnsw->graph.M);
	graph.seed = hnsw->graph.seed;
	if (status == KITH_OK)
		status = graph_grow(&graph, hnsw->graph.n);
	if (status == KITH_OK) {
		progress_begin(&progress, options->progress, options->progress_data, "link", hnsw->graph.n);
		how.progress = &progress;
		status = hnsw_link_all(hnsw, &graph, &how);
		status = progress_end_with(&progress, status);
	}
	if (status) {
		graph_free(&graph);
		hnsw->linked = linked;
		return status;
	}
	graph_free(&hnsw->graph);
	hnsw->graph = graph;
	hnsw->unconnected = 0;
	hnsw_log_event(hnsw, EVENT_RELINK);
	hnsw_log_grow(hnsw);
	return KITH_OK;
}

kith_status hnsw_relink(struct hnsw *hnsw, const kith_add_options *options)
{
	return hnsw->linked < hnsw->keys && hnsw->ids.n > 0 ? link_anew(hnsw, options) : KITH_OK;
}

static bool is_crowded(const struct hnsw *hnsw, int64_t more, int64_t far)
{
	return far > 0 && hnsw->keys != KEYS_WIDE && hnsw_too_many_far(hnsw, far, hnsw->codes.n + more);
}

bool hnsw_keys_due(const struct hnsw *hnsw, int64_t more, int64_t far)
{
	return is_crowded(hnsw, more, far) || (hnsw->ids.n > 0 && hnsw->changed + more >= hnsw->measured);
}

/* choose with progress: it compares some vectors with all. */
static kith_status choose_anew(
    struct hnsw *hnsw, int64_t far, int64_t n, const kith_add_options *options, enum key_precision *keys)
{
	struct progress progress;
	int threads = threads_resolve(options->threads);
	if (hnsw->codes.n < FEW)
		return choose(hnsw, NULL, threads, far, n, keys);
	progress_begin(&progress, options->progress, options->progress_data, "keys", hnsw->codes.n);
	kith_status status = choose(hnsw, NULL, threads, far, n, keys);
	return progress_end_with(&progress, status);
}

kith_status hnsw_renew_keys(struct hnsw *hnsw, int64_t more, int64_t far, const kith_add_options *options)
{
	enum key_precision keys, before = hnsw->keys;
	if (!hnsw_keys_due(hnsw, more, far))
		return KITH_OK;
	if (hnsw->ids.n == 0) {
		hnsw->keys = hnsw->linked = KEYS_WIDE;
		return KITH_OK;
	}
	kith_status status = choose_anew(hnsw, far, hnsw->codes.n + more, options, &keys);
	if (status)
		return status;
	if (keys > before || hnsw->measured < FEW)
		hnsw->keys = keys;
	/* Far vectors are in the graph only under wide keys. */
	if (before == KEYS_WIDE && hnsw->keys != KEYS_WIDE)
		hnsw->linked = KEYS_CODED;
	status = hnsw_relink(hnsw, options);
	if (status)
		hnsw->keys = before;
	else
		decide(hnsw, hnsw->keys);
	/* A few nodes are linked by whole floats, which is fine for any precision. */
	if (status == KITH_OK)
		hnsw->linked = hnsw->keys;
	return status;
}

kith_status hnsw_find_keys(struct hnsw *hnsw, enum key_precision linked)
{
	enum key_precision keys;
	if (hnsw->codes.n == 0)
		return KITH_OK;
	kith_status status = hnsw_find_far(hnsw);
	if (status == KITH_OK)
		status = choose(hnsw, &hnsw->graph, 1, 0, hnsw->codes.n, &keys);
	if (status == KITH_OK) {
		decide(hnsw, keys);
		hnsw->linked = linked;
	}
	return status;
}

/* ---- in a file ---- */

struct keys_head {
	uint32_t keys, linked;
	int64_t measured, changed, fars; /* then 32-bit numbers of nodes */
};
_Static_assert(sizeof(struct keys_head) == 32, "no padding");

void hnsw_save_keys(const struct hnsw *hnsw, struct blob_writer *w)
{
	struct keys_head head = {hnsw->keys, hnsw->linked, hnsw->measured, hnsw->changed, hnsw->fars};
	blob_section(w, "keys");
	blob_put(w, &head, sizeof head);
	blob_put(w, hnsw->far.data, (size_t)hnsw->fars * sizeof(uint32_t));
}

kith_status hnsw_load_keys(struct hnsw *hnsw, struct blob_reader *r)
{
	struct keys_head head;
	if (!blob_has(r, "keys"))
		return hnsw_find_keys(hnsw, KEYS_CODED);
	uint64_t bytes = blob_length(r, "keys");
	int64_t fars = bytes < sizeof head ? -1 : (int64_t)((bytes - sizeof head) / sizeof(uint32_t));
	kith_status status = blob_open(r, "keys", bytes);
	if (status == KITH_OK)
		status =
		    fars < 0 ? blob_fail(r, "keys", "contradicts itself") : blob_get(r, &head, sizeof head);
	if (status)
		return status;
	bool good = head.fars == fars && fars <= hnsw->codes.n && head.keys <= KEYS_WIDE &&
	            head.linked <= KEYS_WIDE && head.measured >= 0 && head.changed >= 0 &&
	            head.measured <= GRAPH_MAX_NODES && head.changed <= GRAPH_MAX_NODES;
	if (!good)
		return blob_fail(r, "keys", "contradicts itself");
	status = hnsw_reserve_far(hnsw, fars);
	if (status == KITH_OK && fars)
		status = blob_get(r, hnsw->far.data, (size_t)fars * sizeof(uint32_t));
	if (status == KITH_OK)
		status = blob_close(r);
	for (int64_t i = 0; status == KITH_OK && i < fars; i++)
		if (hnsw_far(hnsw)[i] >= hnsw->codes.n)
			status = blob_fail(r, "keys", "references a node that does not exist");
	if (status)
		return status;
	hnsw->fars = fars;
	hnsw->keys = (enum key_precision)head.keys;
	hnsw->linked = (enum key_precision)head.linked;
	hnsw->measured = head.measured;
	hnsw->changed = head.changed;
	return KITH_OK;
}
