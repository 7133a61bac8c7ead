/* Pools: candidates of one query between the low-precision pass and the exact one.
 *
 * A candidate is a row with bounds low <= exact key <= high. The k-th smallest `high` in a pool is an upper
 * bound of the k-th smallest exact key, so that candidates with a greater `low` can be dropped without
 * reading their rows.
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
	float bound; /* greater exact keys are not needed; to be read by pool_bound */
	bool lock;   /* held while adding, if other threads may add to the pool, too */
};

/* No lock is needed to read the bound: it only decreases, so that an old value is still a bound. */
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

/* The capacity for k results (0: range search) if up to 64 candidates are added between two checks. */
int64_t pool_capacity(int64_t k);

/* The number of bytes that pool_init needs for the arrays of a pool. */
size_t pool_bytes(int64_t capacity);

/* Make an empty pool with its arrays in memory of pool_bytes(capacity). */
void pool_init(struct pool *pool, int64_t capacity, void *memory);

static inline void pool_add(struct pool *pool, float low, float high, uint32_t row)
{
	pool->low[pool->count] = low;
	pool->high[pool->count] = high;
	pool->row[pool->count++] = row;
}

/* Lower the bound to the k-th smallest `high`, and drop candidates whose `low` is above the bound;
 * scratch [capacity]. */
void pool_tighten(struct pool *pool, int64_t k, float *scratch);

#endif
