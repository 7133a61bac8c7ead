/* Edges that lead far away, where the graph needs them.
 *
 * The leaves of a point contain only what is near it. If the data consists of clusters, these candidates are
 * all in the point's own cluster, and so all edges end there: a query whose neighbours are in several
 * clusters finds only those in one of them, whatever efSearch is. Insertion creates edges between clusters,
 * since for the first nodes all others are far away. Here samples of the nodes serve that purpose: one node
 * in 4, one in 8, one in 16 and so on. Each sample is linked by itself, like a level, and its lists are
 * appended to those of level 0 behind the near neighbours, as far as there is room. (Selection among both
 * together would drop nearly all far edges, as near ones cover them: see prune.c.)
 *
 * Where searches find their way without (SIFT, pixels, word vectors), this would cost 25% of the time of
 * building and a few distances in each search for nothing. So it is tried out first whether it may be needed,
 * and afterwards whether it helped; if not, the edges are removed again (bulk_trial.c).
 *
 * Memory: the lists of one sample at a time, of at most one node in four; and 2 bytes a node.
 */
#include "lib/graph/bulk.h"

#include "lib/base/status.h"

/* Candidates of a point: many in a sample of few points, so that they are not all in the point's cluster. */
enum { FEW = 300, MANY = 1200, BIG = 8192 };

static bool is_sampled(uint32_t node, int bits)
{
	return node * UINT32_C(0x9e3779b1) >> (32 - bits) == 0;
}

/* List the nodes of b that are in a sample; returns how many there are. nodes NULL: only count them. */
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

/* Append the list of a node in the sample to its list on level 0. */
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

/* Record how long the lists of the points are: length [n]. */
static void note_lengths(const struct bulk *b, uint16_t *length)
{
	for (int64_t i = 0; i < b->n; i++)
		length[i] =
		    (uint16_t)graph_list_length(graph_links(b->graph, bulk_node(b, i), 0), b->graph->stride);
}

/* Remove what was appended since then. */
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
