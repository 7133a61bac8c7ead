/* Pools. A pool holds 2k + 128 candidates, so that it is tightened (a quickselect over the pool) at most once
 * for k + 64 new candidates. */
#include "lib/search/pool.h"

#include "lib/base/sort.h"

#include <math.h>

int64_t pool_capacity(int64_t k)
{
	return 2 * k + 128;
}

size_t pool_bytes(int64_t capacity)
{
	return (size_t)capacity * (2 * sizeof(float) + sizeof(uint32_t));
}

void pool_init(struct pool *pool, int64_t capacity, void *memory)
{
	pool->low = memory;
	pool->high = pool->low + capacity;
	pool->row = (uint32_t *)(void *)(pool->high + capacity);
	pool->count = 0;
	pool->capacity = (int32_t)capacity;
	pool->bound = INFINITY;
	pool->lock = false;
}

void pool_tighten(struct pool *pool, int64_t k, float *scratch)
{
	if (k && pool->count >= k) {
		for (int32_t i = 0; i < pool->count; i++)
			scratch[i] = pool->high[i];
		float kth = select_kth(scratch, pool->count, k - 1);
		pool_lower(pool, kth);
	}
	int32_t kept = 0;
	for (int32_t i = 0; i < pool->count; i++) {
		if (pool->low[i] > pool->bound)
			continue;
		pool->low[kept] = pool->low[i];
		pool->high[kept] = pool->high[i];
		pool->row[kept++] = pool->row[i];
	}
	pool->count = kept;
}
