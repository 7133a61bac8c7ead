/* Selecting edges where keys are inner products, which the tiles of graph_prune.c are not made for: each that
 * is kept drops those behind it that have a greater inner product with it than with the node. */
#include "lib/structure/graph_prune.h"

#include <string.h>

static size_t align64(size_t bytes)
{
	return (bytes + 63) / 64 * 64;
}

size_t prune_ip_bytes(const struct graph_space *space, int64_t most)
{
	return graph_origin_bytes(space) + 2 * align64((size_t)most * sizeof(uint32_t));
}

int64_t prune_ip(
    const struct graph_space *space, struct candidate *candidates, int64_t n, int64_t degree, void *scratch)
{
	void *origin = scratch;
	uint32_t *node = (uint32_t *)(void *)((char *)scratch + graph_origin_bytes(space));
	float *key = (float *)(void *)((char *)node + align64((size_t)n * sizeof *node));
	int64_t kept = 0;
	/* Kept ones first, then those that are not dropped yet. */
	for (; kept < n && kept < degree; kept++) {
		int64_t rest = kept + 1;
		graph_origin_node(space, candidates[kept].node, origin);
		for (int64_t i = kept + 1; i < n; i++)
			node[i] = candidates[i].node;
		graph_keys(space, origin, node + kept + 1, n - kept - 1, key + kept + 1);
		for (int64_t i = kept + 1; i < n; i++)
			if (!(key[i] <= candidates[i].key))
				candidates[rest++] = candidates[i];
		n = rest;
	}
	return kept;
}
