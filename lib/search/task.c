/* What the tasks of a search share: its status, which rows may be returned and where they are, and the pools,
 * which begin with the bounds of the sink and are emptied into it by reranking. */
#include "lib/search/search.h"

#include "lib/base/rounding.h"
#include "lib/search/filter.h"
#include "lib/search/rerank.h"

void search_fail(struct search *s, kith_status status)
{
	int ok = KITH_OK;
	atomic_compare_exchange_strong(&s->status, &ok, (int)status);
}

bool search_advance(struct search *s, int64_t pairs)
{
	atomic_fetch_add_explicit(&s->pairs, pairs, memory_order_relaxed);
	if (!progress_add(&s->progress, pairs))
		search_fail(s, KITH_CANCELLED);
	return !search_stopped(s);
}

uint64_t task_mask(const struct task *t, int64_t row, int64_t n)
{
	const struct search *s = t->s;
	const uint64_t *pass = t->pass ? t->pass : s->pass;
	if (pass)
		return pass[row / 64] >> (row % 64);
	if (!s->filter)
		return ~UINT64_C(0);
	int64_t ids[ROWS_BLOCK];
	rows_ids(t->base, row, n, ids);
	uint64_t mask = filter_block(s->filter, ids, n);
	t->scratch->tested += n;
	t->scratch->passed += __builtin_popcountll(mask);
	return mask;
}

const struct rows *search_locate(const struct search *s, int64_t number, struct rows *list, int64_t *row)
{
	*row = number;
	if (!s->lists)
		return &s->base;
	/* The last list that begins at or before the number; an empty list begins where the next one does. */
	int64_t low = 0, high = s->lists->n;
	while (high - low > 1) {
		int64_t mid = low + (high - low) / 2;
		if (s->lists->start[mid] <= number)
			low = mid;
		else
			high = mid;
	}
	*row = number - s->lists->start[low];
	s->lists->view(s->lists, low, list);
	return list;
}

/* ---- pools ---- */

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
	/* The bounds of low precision cannot separate the candidates. */
	if (pool->count > (pool->capacity - 64 + k) / 2)
		task_rerank(t, q);
}
