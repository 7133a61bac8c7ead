/* The search for codes block by block, for instruction sets that compute the keys of one block at a time. */
#ifndef KITH_KERNELS_PQ_FIND_H
#define KITH_KERNELS_PQ_FIND_H

#include "kernels/kernels.h"

/* The keys [PQ_BLOCK] of a block without code_norms. */
typedef void pq_sum_fn(const struct pq_find *find, const uint8_t *codes, float *key);

static inline __attribute__((always_inline)) int64_t pq_find_blocks(
    const struct pq_find *find, pq_sum_fn *sum, kernel_select_fn *select_le, uint32_t *hit)
{
	int64_t found = 0;
	for (int64_t first = 0; first < find->n; first += PQ_BLOCK) {
		int64_t n = find->n - first < PQ_BLOCK ? find->n - first : PQ_BLOCK;
		float key[PQ_BLOCK];
		sum(find, find->codes + first * find->bytes, key);
		for (int64_t v = 0; find->code_norms && v < n; v++)
			key[v] += 0.5f * find->code_norms[first + v];
		for (int64_t v = 0; find->min && v < n; v++)
			find->min[v] = key[v] < find->min[v] ? key[v] : find->min[v];
		if (find->min)
			continue;
		int64_t hits = select_le(key, n, find->limit, hit + found);
		for (int64_t i = 0; i < hits; i++)
			hit[found + i] += (uint32_t)first;
		found += hits;
	}
	return found;
}

#endif
