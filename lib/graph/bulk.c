/* Building a graph in bulk: all nodes at once, from leaves instead of by insertion.
 *
 * Insertion searches the present graph for every node, and such a search waits for memory at every step. But
 * the neighbours of a node are nearly always in the same clusters as the node itself. So, as in PiPNN (arXiv
 * 2602.21247), points are put into overlapping leaves of a rough clustering, the nearest of each are found by
 * comparing all pairs inside leaves (by tiles, a pair in a few instructions), and edges are selected among
 * them as in Vamana (Subramanya et al., NeurIPS 2019), once in each direction. That is done by:
 *
 *   bulk_form.c     the form in which vectors are compared
 *   bulk_copies.c   one of the nodes with equal vectors stands for all of them
 *   bulk_leaves.c   leaves, and an order of points in which near ones are near each other
 *   bulk_near.c     the nearest of each point among members of its leaves
 *   bulk_edges.c    selection among them, and among those that were selected by others
 *   bulk_null.c     edges to zero vectors under cosine
 *   bulk_repair.c   edges to points that cannot be reached
 *   bulk_far.c      edges that lead far away, if searches miss much without
 *   bulk_trial.c    whether they do, and whether points are in enough leaves
 *
 * Each level of the hierarchy is built in this way from the nodes on it. Every task writes only its own part
 * of the data, as in ParlayANN (Manohar et al., PPoPP 2024): there are no locks, and the graph does not
 * depend on the number of threads.
 *
 * Memory in addition to the graph: 8 bytes a node for copies, 36 for leaves, then 4 bytes an edge; vectors
 * are not copied.
 */
#include "lib/graph/bulk.h"

#include "lib/base/status.h"

#include "kernels/kernels.h"

#include <math.h>

/* With fewer nodes than this, insertion is as fast. */
enum { MIN = 256 };

bool graph_bulk_pays(int64_t n)
{
	return n >= MIN;
}

/* Whether a node is a point. all: also nodes that others represent. */
static bool is_linked(const struct bulk *b, int64_t node, bool all)
{
	bool represented = !all && b->represented && b->represented[node / 64] >> (node % 64) & 1;
	return graph_level(b->graph, node) >= b->level && graph_is_live(b->how->only, (uint32_t)node) &&
	       !represented;
}

/* List the nodes to link on level b->level, ascending: b->nodes, b->n. all: also those that others
 * represent. */
static kith_status list_nodes(struct bulk *b, bool all, uint32_t **nodes)
{
	const struct graph *graph = b->graph;
	*nodes = NULL;
	b->nodes = NULL;
	b->n = graph->n;
	if (b->level == 0 && !b->how->only && (all || !b->represented))
		return KITH_OK;
	*nodes = mem_alloc((size_t)graph->n, sizeof **nodes);
	if (!*nodes)
		return fail_nomem("nodes", (size_t)graph->n * sizeof **nodes);
	b->n = 0;
	for (int64_t i = 0; i < graph->n; i++)
		if (is_linked(b, i, all))
			(*nodes)[b->n++] = (uint32_t)i;
	b->nodes = *nodes;
	return KITH_OK;
}

/* Make leaves in a form that distinguishes their members. */
static kith_status make_leaves(struct bulk *b)
{
	kith_status status = bulk_make_leaves(b);
	bool holds = true;
	if (status == KITH_OK && b->level == 0)
		status = bulk_try_form(b, &holds);
	if (status || holds)
		return status;
	if (b->form.direct)
		return fail(KITH_UNSUPPORTED, "the vectors differ too much in length to link them in bulk");
	bulk_free_leaves(b);
	b->form = tile_form_direct(b->dim, false);
	bulk_choose_batch(b);
	return make_leaves(b);
}

/* Make leaves; on level 0, put each point into as many of them as necessary. */
static kith_status make_enough_leaves(struct bulk *b)
{
	bool enough = b->level > 0;
	kith_status status = make_leaves(b);
	while (status == KITH_OK && !enough) {
		status = bulk_try_leaves(b, &enough);
		if (status || enough || b->overlap == BULK_OVERLAP)
			break;
		bulk_free_leaves(b);
		b->overlap += 2;
		status = make_leaves(b);
	}
	return status;
}

static kith_status build_level(struct bulk *b)
{
	uint32_t *nodes;
	kith_status status = list_nodes(b, false, &nodes);
	bulk_choose_batch(b);
	if (status == KITH_OK)
		status = make_enough_leaves(b);
	if (status == KITH_OK)
		status = bulk_link(b);
	bulk_free_leaves(b);
	if (status == KITH_OK)
		status = bulk_link_null(b);
	if (status == KITH_OK && b->represented) {
		bulk_link_copies(b);
		mem_free(nodes);
		status = list_nodes(b, true, &nodes);
	}
	if (status == KITH_OK)
		status = bulk_connect(b);
	mem_free(nodes);
	b->nodes = NULL;
	return status;
}

/* Add edges between regions that are far apart, when all levels are built. */
static kith_status add_ways(struct bulk *b)
{
	uint32_t *nodes;
	b->level = 0;
	kith_status status = list_nodes(b, false, &nodes);
	if (status == KITH_OK)
		status = bulk_link_far(b);
	mem_free(nodes);
	b->nodes = NULL;
	return status;
}

/* Choose the entry: of the nodes on the highest level, the one nearest to the mean of all. */
static kith_status choose_entry(struct bulk *b)
{
	struct graph *graph = b->graph;
	float *x = mem_alloc((size_t)b->dim, sizeof *x);
	double min = INFINITY;
	int top = -1;
	if (!x)
		return fail_nomem("a vector", (size_t)b->dim * sizeof *x);
	for (int64_t i = 0; i < graph->n; i++) {
		if (graph_level(graph, i) < top || !graph_is_live(b->how->only, (uint32_t)i))
			continue;
		bulk_load(b, i, x);
		double key = b->form.kern->l2sq_exact(x, b->mean, b->dim);
		if (graph_level(graph, i) > top || key < min) {
			top = graph_level(graph, i);
			min = key;
			graph->entry = (uint32_t)i;
		}
	}
	mem_free(x);
	return KITH_OK;
}

kith_status graph_bulk(struct graph *graph, const struct graph_space *space, const struct graph_building *how)
{
	struct bulk b = {.graph = graph, .space = space, .how = how};
	b.kern = kernels();
	b.dim = space->rows.dim;
	b.n = graph->n;
	if (graph->n == 0)
		return KITH_OK;
	b.mean = mem_alloc((size_t)b.dim, sizeof *b.mean);
	if (!b.mean)
		return fail_nomem("a vector", (size_t)b.dim * sizeof *b.mean);
	kith_status status = bulk_find_copies(&b);
	if (status == KITH_OK)
		status = bulk_choose_form(&b);
	if (status == KITH_OK)
		status = choose_entry(&b);
	for (int level = 0; status == KITH_OK && level <= graph_top(graph); level++) {
		b.level = level;
		b.degree = graph_width(graph, level);
		b.overlap = BULK_OVERLAP_FIRST;
		b.rule = how->rule;
		b.max = level == 0 ? 2 * b.degree + 36 : 256;
		status = build_level(&b);
	}
	if (status == KITH_OK)
		status = add_ways(&b);
	mem_free(b.copies);
	mem_free(b.represented);
	mem_free(b.mean);
	return status;
}
