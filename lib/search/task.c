/* The pools of a task: they begin with what the sink knows, and are emptied into it by reranking. */
#include "lib/search/search.h"

#include "lib/base/rounding.h"
#include "lib/search/rerank.h"

void task_begin_pools(struct task *t)
{
	struct search *s = t->s;
	size_t bytes = pool_bytes(s->capacity);
	char *memory = (char *)(t->pools + s->block);
	for (int64_t q = 0; q < t->nq; q++) {
		struct pool *pool = &t->pools[q];
		pool_init(pool, s->capacity, memory + (size_t)q * bytes);
		if (s->shared)
			pthread_mutex_lock(&s->sink->lock);
		pool->bound = float_up(sink_bound(s->sink, t->q0 + q));
		if (s->shared)
			pthread_mutex_unlock(&s->sink->lock);
	}
}

static struct row_place locate(const void *owner, const void *candidates, int64_t i, struct rows *list)
{
	struct row_place place;
	place.rows = search_locate(owner, ((const uint32_t *)candidates)[i], list, &place.row);
	return place;
}

void task_rerank(struct task *t, int64_t q)
{
	struct search *s = t->s;
	struct pool *pool = task_pool(t, q);
	struct rerank how = {.exact = {.score = s->score, .bytes = s->bytes},
	    .sink = s->sink,
	    .shared = s->shared,
	    .locate = locate,
	    .owner = s};
	int64_t number = task_query(t, q);
	const void *query =
	    s->bytes ? (const void *)rows_at(&s->query, number) : rows_load(&s->query, number, t->scratch->y);
	if (!rerank(&how, number, query, pool->row, pool->count, t->scratch->x))
		search_fail(s, KITH_NOMEM);
	t->exact += pool->count;
	if (s->shared)
		pthread_mutex_lock(&s->sink->lock);
	float bound = float_up(sink_bound(s->sink, number));
	if (s->shared)
		pthread_mutex_unlock(&s->sink->lock);
	pool_lower(pool, bound);
	pool->count = 0;
}

void task_make_room(struct task *t, int64_t q)
{
	struct pool *pool = task_pool(t, q);
	int64_t k = t->s->sink->k;
	pool_tighten(pool, k, t->scratch->select);
	/* Crowded by candidates that the low-precision bounds cannot tell apart. */
	if (pool->count > (pool->capacity - 64 + k) / 2)
		task_rerank(t, q);
}
