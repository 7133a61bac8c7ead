/* Choosing edges: Algorithm 4 of the paper. Candidates are taken from the nearest on; each one that is kept
 * drops those behind it that are nearer to it than to the node, which can be reached by way of it. */
#include "lib/structure/graph.h"

#include <string.h>

static size_t round64(size_t bytes)
{
	return (bytes + 63) / 64 * 64;
}

size_t graph_prune_bytes(const struct graph_space *space, int64_t most)
{
	size_t n = (size_t)most;
	return graph_origin_bytes(space) + 2 * round64(n * sizeof(uint32_t)) + round64(n * sizeof(float)) +
	       round64(n * sizeof(struct candidate));
}

int64_t graph_prune(const struct graph_space *space, const struct graph_rule *rule,
    struct candidate *candidates, int64_t n, int64_t degree, void *scratch)
{
	size_t size = (size_t)n;
	char *memory = scratch;
	void *origin = memory;
	memory += graph_origin_bytes(space);
	uint32_t *node = (uint32_t *)(void *)memory, *rank = node + round64(size * 4) / 4;
	float *key = (float *)(void *)(rank + round64(size * 4) / 4);
	struct candidate *kept = (struct candidate *)(void *)(key + round64(size * 4) / 4);
	int64_t left = n, count = 0, dropped = 0;
	for (int64_t i = 0; i < n; i++) {
		node[i] = candidates[i].node;
		rank[i] = (uint32_t)i;
	}
	/* rank [left]: candidates that are neither kept nor dropped; those dropped move to the front. */
	int64_t first = 0;
	while (first < left && count < degree) {
		uint32_t best = rank[first++];
		kept[count++] = candidates[best];
		graph_origin_node(space, candidates[best].node, origin);
		for (int64_t i = first; i < left; i++)
			node[i] = candidates[rank[i]].node;
		graph_keys(space, origin, node + first, left - first, key);
		int64_t rest = first;
		for (int64_t i = first; i < left; i++) {
			uint32_t c = rank[i];
			if (rule->alpha * key[i - first] <= candidates[c].key)
				continue;
			rank[rest++] = c;
		}
		left = rest;
	}
	(void)dropped;
	memcpy(candidates, kept, (size_t)count * sizeof *kept);
	return count;
}
