/* The exact end of a search: candidates become findings.
 *
 * Distances are computed in double precision by kernels that give the same bits everywhere, from the
 * vectors as they are stored; for bytes they are integers. So the answer is a function of the data
 * alone: not of the CPU, the tile pass, the batch or the threads.
 */
#include "lib/search/search.h"

#include "lib/base/rounding.h"

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

static double exact_bytes(const struct search *s, const void *q, const void *x)
{
	int32_t key;
	bool u8 = s->base.kind == ROWS_U8;
	if (s->ip)
		(u8 ? s->kern->ip_u8 : s->kern->ip_i8)(q, x, 0, 1, s->base.dim, &key);
	else
		(u8 ? s->kern->l2sq_u8 : s->kern->l2sq_i8)(q, x, 0, 1, s->base.dim, &key);
	return s->ip ? -(double)key : (double)key;
}

static double exact_floats(const struct search *s, const float *q, const float *x)
{
	return s->ip ? -s->kern->ip_exact(q, x, s->base.dim) : s->kern->l2sq_exact(q, x, s->base.dim);
}

static void prefetch(const struct search *s, int64_t number)
{
	struct rows list;
	int64_t row;
	const struct rows *rows = search_locate(s, number, &list, &row);
	rows_prefetch(rows, row);
}

void task_verify(struct task *t, int64_t q)
{
	enum { AHEAD = 6 };
	struct search *s = t->s;
	struct pool *pool = task_pool(t, q);
	struct found *found = t->scratch->found;
	const float *query = NULL;
	if (!s->bytes)
		query = rows_load(&s->query, task_query(t, q), t->scratch->y);
	for (int32_t i = 0; i < pool->count && i < AHEAD; i++)
		prefetch(s, pool->row[i]);
	for (int32_t i = 0; i < pool->count; i++) {
		if (i + AHEAD < pool->count)
			prefetch(s, pool->row[i + AHEAD]);
		struct rows list;
		int64_t row;
		const struct rows *rows = search_locate(s, pool->row[i], &list, &row);
		found[i].id = rows_id(rows, row);
		found[i].key = s->bytes
		                   ? exact_bytes(s, rows_at(&s->query, task_query(t, q)), rows_at(rows, row))
		                   : exact_floats(s, query, rows_load(rows, row, t->scratch->x));
	}
	t->exact += pool->count;
	if (s->shared)
		pthread_mutex_lock(&s->sink->lock);
	if (!sink_merge(s->sink, task_query(t, q), found, pool->count))
		search_fail(s, KITH_NOMEM);
	float bound = float_up(sink_bound(s->sink, task_query(t, q)));
	if (s->shared)
		pthread_mutex_unlock(&s->sink->lock);
	pool_lower(pool, bound);
	pool->count = 0;
}

void task_settle(struct task *t, int64_t q)
{
	struct pool *pool = task_pool(t, q);
	int64_t k = t->s->sink->k;
	pool_tighten(pool, k, t->scratch->select);
	/* Crowded by candidates that the low-precision bounds cannot tell apart. */
	if (pool->count > (pool->capacity - 64 + k) / 2)
		task_verify(t, q);
}
