/* Selecting edges by keys that are inner products, which the tiles of prune.c are not made for: each kept
 * candidate drops those behind it that have a greater inner product with it than with the node.
 *
 * With a copy of the node no candidate has a greater one: such copies drop only each other, and get at most a
 * quarter of the list, as in prune.c. Of the copies of another vector one is kept.
 */
#include "lib/graph/prune.h"

#include "lib/base/arena.h"

#include <string.h>

size_t prune_ip_bytes(const struct graph_space *space, int64_t max)
{
	return graph_origin_bytes(space) + 2 * align64((size_t)max * sizeof(uint32_t));
}

/* Drop the candidates from … n − 1 that have the same key as a copy of the node and are copies of it, too.
 * Returns how many are left. */
static int64_t drop_copies(const struct graph_space *space, uint32_t self, float key,
    struct candidate *candidates, int64_t from, int64_t n)
{
	int64_t rest = from;
	for (int64_t i = from; i < n; i++)
		if (candidates[i].key != key || !rows_equal(&space->rows, self, candidates[i].node))
			candidates[rest++] = candidates[i];
	return rest;
}

int64_t prune_ip(const struct graph_space *space, uint32_t self, struct candidate *candidates, int64_t n,
    int64_t degree, void *scratch)
{
	void *origin = scratch;
	uint32_t *node = (uint32_t *)(void *)((char *)scratch + graph_origin_bytes(space));
	float *key = (float *)(void *)((char *)node + align64((size_t)n * sizeof *node));
	int64_t kept = 0, copies = 0, share = degree / 4 > 1 ? degree / 4 : 1;
	/* The kept candidates come first, then those that are not dropped yet. */
	for (; kept < n && kept < degree; kept++) {
		struct candidate s = candidates[kept];
		if (rows_equal(&space->rows, self, s.node)) {
			if (++copies == share)
				n = drop_copies(space, self, s.key, candidates, kept + 1, n);
			continue;
		}
		int64_t rest = kept + 1;
		graph_origin_node(space, s.node, origin);
		for (int64_t i = kept + 1; i < n; i++)
			node[i] = candidates[i].node;
		graph_keys(space, origin, node + kept + 1, n - kept - 1, key + kept + 1);
		for (int64_t i = kept + 1; i < n; i++) {
			struct candidate c = candidates[i];
			bool copy = c.key == s.key && rows_equal(&space->rows, s.node, c.node);
			if (!copy && !(key[i] < c.key))
				candidates[rest++] = c;
		}
		n = rest;
	}
	return kept;
}
