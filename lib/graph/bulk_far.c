/* Edges that lead far away, where the graph needs them.
 *
 * The leaves of a point show it its surroundings only. In a set of clusters these end at its own cluster, and
 * so do all edges: a query from elsewhere, whose neighbours are in several clusters, finds those of one of
 * them, whatever efSearch is. Insertion leaves ways between clusters behind, since the first nodes see few
 * others, all of them far away. Here samples of the nodes do: of one node in 4, in 16, in 64 and so on. Each
 * sample is linked by itself, as a level is, and its lists are added to those of level 0 behind the near
 * neighbours, as far as there is room; those would stand in the way of nearly all of it (prune.c).
 *
 * Where the way is never lost (SIFT, pixels, word vectors) this would cost 25% of the time of building and a
 * few distances a search for nothing. So it is asked first, and afterwards, too: edges that were of no use
 * are taken away again (bulk_trial.c).
 *
 * Memory: the lists of the sample in work, for one node in four at most; 2 bytes a node.
 */
#include "lib/graph/bulk.h"

#include "lib/base/status.h"

/* Candidates of a point: many, so that they go beyond its cluster, where there are not many points. */
enum { FEW = 300, MANY = 1200, BIG = 8192 };

static bool is_sampled(uint32_t node, int bits)
{
	return node * UINT32_C(0x9e3779b1) >> (32 - bits) == 0;
}

/* The points of b that are in a sample: how many. nodes NULL: only count. */
static int64_t list_sample(const struct bulk *b, int bits, uint32_t *nodes)
{
	int64_t n = 0;
	for (int64_t i = 0; i < b->n; i++) {
		uint32_t node = bulk_node(b, i);
		if (!is_sampled(node, bits))
			continue;
		if (nodes)
			nodes[n] = node;
		n++;
	}
	return n;
}

/* Add the list of a sampled node to that on level 0. */
static void append(const struct graph *graph, uint32_t node, const uint32_t *far, int64_t degree)
{
	uint32_t *list = graph_links(graph, node, 0);
	int64_t n = graph_list_length(list, graph->stride);
	for (int64_t i = 0; i < degree && far[i] != GRAPH_NONE && n < graph->stride; i++)
		if (!graph_list_has(list, n, far[i]))
			list[n++] = far[i];
}

static kith_status link_sample(struct bulk *sample)
{
	bulk_choose_batch(sample);
	kith_status status = bulk_make_leaves(sample);
	if (status == KITH_OK)
		status = bulk_link(sample);
	bulk_free_leaves(sample);
	for (int64_t i = 0; status == KITH_OK && i < sample->n; i++)
		append(sample->graph, sample->nodes[i], sample->lists + i * sample->degree, sample->degree);
	return status;
}

static kith_status add_sample(const struct bulk *b, int bits, int64_t n)
{
	struct bulk sample = *b;
	sample.rule = b->how->rule;
	sample.degree = b->graph->M;
	sample.max = n > BIG ? FEW : MANY;
	sample.n = n;
	sample.leaves = (struct leaves){0};
	size_t cells = (size_t)n * (size_t)sample.degree;
	uint32_t *nodes = mem_alloc((size_t)n, sizeof *nodes);
	sample.lists = mem_alloc(cells, sizeof *sample.lists);
	kith_status status = nodes && sample.lists ? KITH_OK : fail_nomem("far edges", cells * sizeof *nodes);
	if (status == KITH_OK) {
		list_sample(b, bits, nodes);
		sample.nodes = nodes;
		status = link_sample(&sample);
	}
	mem_free(nodes);
	mem_free(sample.lists);
	return status;
}

static kith_status add_far(const struct bulk *b)
{
	kith_status status = KITH_OK;
	for (int bits = 2; status == KITH_OK && bits < 32; bits++) {
		int64_t n = list_sample(b, bits, NULL);
		if (n < 8)
			break;
		status = add_sample(b, bits, n);
	}
	return status;
}

/* How long the lists of the points are: [n]. */
static void note_lengths(const struct bulk *b, uint16_t *length)
{
	for (int64_t i = 0; i < b->n; i++)
		length[i] =
		    (uint16_t)graph_list_length(graph_links(b->graph, bulk_node(b, i), 0), b->graph->stride);
}

/* Take away what was appended since. */
static void cut_lists(const struct bulk *b, const uint16_t *length)
{
	for (int64_t i = 0; i < b->n; i++) {
		uint32_t *list = graph_links(b->graph, bulk_node(b, i), 0);
		for (int64_t j = length[i]; j < b->graph->stride; j++)
			list[j] = GRAPH_NONE;
	}
}

kith_status bulk_link_far(const struct bulk *b)
{
	struct ways before, after;
	kith_status status = bulk_try_ways(b, &before);
	if (status || !bulk_ways_doubtful(&before))
		return status;
	uint16_t *length = mem_alloc((size_t)b->n, sizeof *length);
	if (!length)
		return fail_nomem("far edges", (size_t)b->n * sizeof *length);
	note_lengths(b, length);
	status = add_far(b);
	if (status == KITH_OK)
		status = bulk_try_ways(b, &after);
	bool helped = status == KITH_OK && bulk_ways_helped(&before, &after);
	if (status == KITH_OK && !helped)
		cut_lists(b, length);
	if (status == KITH_OK && bulk_ways_lost(helped ? &after : &before))
		status = fail(KITH_UNSUPPORTED, "searches get lost in a graph that is linked in bulk");
	mem_free(length);
	return status;
}
