/* Copies in bulk building: of the nodes with equal vectors, the first one on the highest level is a point and
 * represents the others. They take over its list on every level that they have, and each leads to the next
 * copies. Without that, all candidates of a vector with some hundred copies would be copies.
 */
#include "lib/graph/bulk.h"

#include "lib/base/status.h"
#include "lib/graph/copies.h"

/* The node that represents n copies. */
static uint32_t representative(const struct graph *graph, const uint64_t *entry, int64_t n)
{
	uint32_t best = copies_node(entry[0]);
	for (int64_t i = 1; i < n; i++)
		if (graph_level(graph, copies_node(entry[i])) > graph_level(graph, best))
			best = copies_node(entry[i]);
	return best;
}

kith_status bulk_find_copies(struct bulk *b)
{
	size_t n = (size_t)b->graph->n;
	uint64_t *entry = mem_alloc(n, sizeof *entry);
	if (!entry)
		return fail_nomem("a search for equal vectors", n * sizeof *entry);
	b->copies = entry;
	b->copies_n = copies_find(b->space, b->how->only, b->graph->n, entry);
	if (b->copies_n == 0) {
		mem_free(entry);
		b->copies = NULL;
		return KITH_OK;
	}
	b->represented = mem_zalloc((n + 63) / 64, sizeof *b->represented);
	if (!b->represented)
		return fail_nomem("a search for equal vectors", n / 8);
	for (int64_t from = 0, to; from < b->copies_n; from = to) {
		to = copies_end(entry, from, b->copies_n);
		uint32_t best = representative(b->graph, entry + from, to - from);
		for (int64_t i = from; i < to; i++) {
			uint32_t node = copies_node(entry[i]);
			if (node != best)
				b->represented[node / 64] |= UINT64_C(1) << (node % 64);
		}
	}
	return KITH_OK;
}

/* Move the members of a group that are on this level to its front, in their order; returns how many. */
static int64_t of_level(const struct bulk *b, uint64_t *entry, int64_t n)
{
	int64_t count = 0;
	for (int64_t i = 0; i < n; i++)
		if (graph_level(b->graph, copies_node(entry[i])) >= b->level)
			entry[count++] = entry[i];
	return count;
}

/* Levels come in ascending order: a node that is not on this level is on none that follows and is dropped. */
void bulk_link_copies(struct bulk *b)
{
	uint32_t list[2 * GRAPH_MAX_M];
	uint64_t *entry = b->copies;
	int64_t kept = 0;
	for (int64_t from = 0, to; from < b->copies_n; from = to) {
		to = copies_end(entry, from, b->copies_n);
		int64_t n = of_level(b, entry + from, to - from);
		if (n == 0)
			continue;
		uint32_t best = representative(b->graph, entry + from, n);
		memcpy(list, graph_links(b->graph, best, b->level), (size_t)b->degree * sizeof *list);
		for (int64_t i = 0; n > 1 && i < n; i++)
			copies_write_list(entry + from, n, i, list, b->degree,
			    graph_links(b->graph, copies_node(entry[from + i]), b->level));
		memmove(entry + kept, entry + from, (size_t)n * sizeof *entry);
		kept += n;
	}
	b->copies_n = kept;
}
