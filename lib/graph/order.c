/* An order of the nodes in which those that are read one after another are near each other in memory; and
 * putting them into that order.
 *
 * It is depth first along level 0, from the entry, to the nearest neighbour that has no number yet. That
 * makes chains of near neighbours, whose rows and codes share pages and cache lines. On a million vectors,
 * searches were as fast as with the order of Gorder (Wei et al. 2016; for such graphs Coleman et al. 2022),
 * which places next the node that shares most neighbours with the last few, in a twentieth of the time that
 * Gorder takes; and faster than with breadth-first and reverse Cuthill-McKee orders.
 *
 * On going back to a node, its list is read again from the beginning. That happens once for each node that
 * follows it, so about 2n lists are read in all, and no position in each list has to be stored. */
#include "lib/graph/graph.h"

#include "lib/base/status.h"

#include <string.h>

enum { PROGRESS_NODES = 1024 }; /* nodes between two reports of progress */

/* Mark a node. Returns whether it was not marked before. */
static bool mark(uint64_t *marks, uint32_t node)
{
	uint64_t bit = UINT64_C(1) << (node % 64);
	bool new = !(marks[node / 64] & bit);
	marks[node / 64] |= bit;
	return new;
}

/* Mark the first neighbour that is not marked, and return it; GRAPH_NONE: all are marked. */
static uint32_t take_neighbour(const struct graph *graph, uint32_t node, uint64_t *marks)
{
	const uint32_t *list = graph_links(graph, node, 0);
	for (int i = 0; i < graph->stride && list[i] != GRAPH_NONE; i++)
		if (mark(marks, list[i]))
			return list[i];
	return GRAPH_NONE;
}

bool graph_order(
    const struct graph *graph, uint32_t *order, uint32_t *path, uint64_t *marks, struct progress *progress)
{
	if (graph->n == 0)
		return true;
	memset(marks, 0, (size_t)(graph->n + 63) / 64 * sizeof *marks);
	int64_t depth = 0, start = 0;
	uint32_t node = graph->entry;
	mark(marks, node);
	for (int64_t n = 0;;) {
		order[n++] = path[depth++] = node;
		if (n % PROGRESS_NODES == 0 && !progress_add(progress, PROGRESS_NODES))
			return false;
		if (n == graph->n)
			return true;
		do
			node = take_neighbour(graph, path[depth - 1], marks);
		while (node == GRAPH_NONE && --depth > 0);
		if (depth > 0)
			continue;
		while (!mark(marks, (uint32_t)start)) /* a node that no edge leads to */
			start++;
		node = (uint32_t)start;
	}
}

/* ---- moving ---- */

static void renumber(const struct buffer *links, size_t n, const uint32_t *number)
{
	uint32_t *link = (uint32_t *)(void *)links->data;
	for (size_t i = 0; i < n; i++)
		if (link[i] != GRAPH_NONE)
			link[i] = number[link[i]];
}

/* Nodes have different numbers of rows on the upper levels, so these are copied instead of moved in place. */
static void copy_upper(const struct graph *graph, const uint32_t *order, char *to)
{
	for (int64_t i = 0; i < graph->n; i++) {
		size_t row = (size_t)graph->M * sizeof(uint32_t);
		size_t bytes = (size_t)graph_level(graph, order[i]) * row;
		if (bytes)
			memcpy(to, graph_links(graph, order[i], 1), bytes);
		to += bytes;
	}
}

kith_status graph_permute(struct graph *graph, const struct permutation *p, const uint32_t *number)
{
	struct buffer upper = {0};
	size_t bytes = (size_t)graph->rows * (size_t)graph->M * sizeof(uint32_t);
	if (bytes && !buffer_reserve(&upper, bytes, 0))
		return fail_nomem("upper levels", bytes);
	if (bytes) {
		copy_upper(graph, p->order, upper.data);
		buffer_free(&graph->upper);
		graph->upper = upper;
	}
	permute_rows(p, graph->links0.data, (size_t)graph->stride * sizeof(uint32_t));
	permute_rows(p, graph->level.data, sizeof(uint8_t));
	int64_t row = 0;
	for (int64_t i = 0; i < graph->n; i++) {
		graph_rank(graph, i, row);
		row += graph_level(graph, i);
	}
	renumber(&graph->links0, (size_t)graph->n * (size_t)graph->stride, number);
	renumber(&graph->upper, (size_t)graph->rows * (size_t)graph->M, number);
	if (graph->entry != GRAPH_NONE)
		graph->entry = number[graph->entry];
	return KITH_OK;
}
