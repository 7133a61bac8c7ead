/* Pools: see pool.h. They hold 2k + 128 candidates, so that a tightening (a quickselect over the pool)
 * comes at most once per k + 64 new candidates. */
#include "lib/search/pool.h"

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

static void swap(float *a, float *b)
{
	float t = *a;
	*a = *b;
	*b = t;
}

/* Hoare's selection with the median of three as the pivot. Equal elements are exchanged, not skipped, so
 * many duplicates cost n log n at worst, not n². */
float select_kth(float *x, int64_t n, int64_t k)
{
	int64_t from = 0, to = n - 1;
	while (from < to) {
		int64_t mid = from + (to - from) / 2;
		if (x[mid] < x[from])
			swap(&x[mid], &x[from]);
		if (x[to] < x[from])
			swap(&x[to], &x[from]);
		if (x[to] < x[mid])
			swap(&x[to], &x[mid]);
		float pivot = x[mid];
		int64_t i = from, j = to;
		while (i <= j) {
			while (x[i] < pivot)
				i++;
			while (pivot < x[j])
				j--;
			if (i <= j)
				swap(&x[i++], &x[j--]);
		}
		if (k <= j)
			to = j;
		else if (k >= i)
			from = i;
		else
			break;
	}
	return x[k];
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
