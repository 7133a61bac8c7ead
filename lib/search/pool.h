/* Pools: candidates of one query between the low-precision pass and the exact one.
 *
 * A candidate is a row with bounds low <= exact key <= high. The k-th smallest `high` of a pool bounds
 * the k-th smallest exact key, so whatever has `low` above it can be dropped without a look at the row.
 */
#ifndef KITH_SEARCH_POOL_H
#define KITH_SEARCH_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pool {
	float *low, *high; /* [capacity] */
	uint32_t *row;     /* [capacity] */
	int32_t count, capacity;
	float bound; /* no exact key above it is of use; read through pool_bound */
	bool lock;   /* held while another thread may add to the pool too */
};

/* The bound only ever falls, so a stale one is merely less sharp: no lock is needed to read it. */
static inline float pool_bound(const struct pool *pool)
{
	float bound;
	__atomic_load(&pool->bound, &bound, __ATOMIC_RELAXED);
	return bound;
}

static inline void pool_lower(struct pool *pool, float bound)
{
	if (bound < pool->bound)
		__atomic_store(&pool->bound, &bound, __ATOMIC_RELAXED);
}

static inline void pool_lock(struct pool *pool)
{
	while (__atomic_test_and_set(&pool->lock, __ATOMIC_ACQUIRE))
		;
}

static inline void pool_unlock(struct pool *pool)
{
	__atomic_clear(&pool->lock, __ATOMIC_RELEASE);
}

/* Capacity for k results (0: range search) when up to 64 candidates come between two looks. */
int64_t pool_capacity(int64_t k);

/* Bytes of arrays that pool_init carves from memory. */
size_t pool_bytes(int64_t capacity);

/* An empty pool over memory of pool_bytes(capacity). */
void pool_init(struct pool *pool, int64_t capacity, void *memory);

static inline void pool_add(struct pool *pool, float low, float high, uint32_t row)
{
	pool->low[pool->count] = low;
	pool->high[pool->count] = high;
	pool->row[pool->count++] = row;
}

/* Lower the bound to the k-th smallest `high` and drop what lies above it; scratch [capacity]. */
void pool_tighten(struct pool *pool, int64_t k, float *scratch);

#endif
