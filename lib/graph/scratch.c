/* The memory of searches: each search takes a scratch from the pool of the index, and enlarges it if it needs
 * more. */
#include "lib/graph/search_layer.h"

#include "lib/base/status.h"

void scratch_pool_init(struct graph_scratch_pool *scratch_pool)
{
	pthread_mutex_init(&scratch_pool->lock, NULL);
	scratch_pool->idle = NULL;
}

static void scratch_release(struct graph_scratch *w)
{
	if (!w)
		return;
	mem_free(w->origin);
	mem_free(w->pool);
	mem_free(w->copy);
	mem_free(w->visited);
	mem_free(w->visited_log);
	mem_free(w->batch);
	mem_free(w->key);
	buffer_free(&w->spill);
	mem_free(w);
}

void scratch_pool_clear(struct graph_scratch_pool *scratch_pool)
{
	while (scratch_pool->idle) {
		struct graph_scratch *next = scratch_pool->idle->next;
		scratch_release(scratch_pool->idle);
		scratch_pool->idle = next;
	}
}

void scratch_pool_free(struct graph_scratch_pool *scratch_pool)
{
	scratch_pool_clear(scratch_pool);
	pthread_mutex_destroy(&scratch_pool->lock);
}

size_t scratch_pool_memory(struct graph_scratch_pool *scratch_pool)
{
	size_t bytes = 0;
	pthread_mutex_lock(&scratch_pool->lock);
	for (const struct graph_scratch *w = scratch_pool->idle; w; w = w->next)
		bytes += sizeof *w + w->origin_bytes + 2 * (size_t)w->max_pool * sizeof *w->pool +
		         (size_t)w->max_visited / 8 + VISITED_LOG * sizeof *w->visited_log +
		         (size_t)w->max_batch * (sizeof *w->batch + sizeof *w->key) + w->spill.capacity;
	pthread_mutex_unlock(&scratch_pool->lock);
	return bytes;
}

/* Replace `old`, which has `have` elements, by zeroed memory for n if that is more. NULL: no memory; `old`
 * stays. */
static void *enlarge(void *old, int64_t have, int64_t n, size_t size)
{
	if (n <= have)
		return old;
	void *larger = mem_zalloc((size_t)n, size);
	if (larger)
		mem_free(old);
	return larger;
}

static bool fit_visited(struct graph_scratch *w, int64_t n)
{
	int64_t max = (n + 63) / 64 * 64;
	uint64_t *visited = enlarge(w->visited, w->max_visited / 64, max / 64, sizeof *visited);
	if (!visited)
		return false;
	if (max > w->max_visited) {
		w->visited_count = 0;
		w->max_visited = max;
	}
	w->visited = visited;
	if (!w->visited_log)
		w->visited_log = mem_alloc(VISITED_LOG, sizeof *w->visited_log);
	return w->visited_log != NULL;
}

static bool fit_pool(struct graph_scratch *w, int64_t ef)
{
	/* If the second allocation fails, one array is larger than is recorded, which does no harm. */
	struct candidate *copy = enlarge(w->copy, w->max_pool, ef, sizeof *copy);
	if (!copy)
		return false;
	w->copy = copy;
	struct candidate *pool = enlarge(w->pool, w->max_pool, ef, sizeof *pool);
	if (!pool)
		return false;
	w->max_pool = ef > w->max_pool ? ef : w->max_pool;
	w->pool = pool;
	return true;
}

static bool fit_batch(struct graph_scratch *w, int64_t n)
{
	/* Keys first: if the allocation for nodes fails, there is room for more keys than nodes. */
	float *key = enlarge(w->key, w->max_batch, n, sizeof *key);
	if (!key)
		return false;
	w->key = key;
	uint32_t *batch = enlarge(w->batch, w->max_batch, n, sizeof *batch);
	if (!batch)
		return false;
	w->max_batch = n > w->max_batch ? n : w->max_batch;
	w->batch = batch;
	return true;
}

static bool scratch_fit(struct graph_scratch *w, int64_t ef, int64_t batch)
{
	int64_t bytes = (int64_t)graph_origin_bytes(w->space), min = w->graph->stride;
	void *origin = enlarge(w->origin, (int64_t)w->origin_bytes, bytes, 1);
	if (!origin)
		return false;
	w->origin_bytes = (size_t)bytes > w->origin_bytes ? (size_t)bytes : w->origin_bytes;
	w->origin = origin;
	return fit_visited(w, w->graph->n) && fit_pool(w, ef) && fit_batch(w, batch > min ? batch : min);
}

struct graph_scratch *scratch_take(struct graph_scratch_pool *scratch_pool, const struct graph *graph,
    const struct graph_space *space, int64_t ef, int64_t batch)
{
	pthread_mutex_lock(&scratch_pool->lock);
	struct graph_scratch *w = scratch_pool->idle;
	if (w)
		scratch_pool->idle = w->next;
	pthread_mutex_unlock(&scratch_pool->lock);
	if (!w)
		w = mem_zalloc(1, sizeof *w);
	if (!w)
		return NULL;
	w->graph = graph;
	w->space = space;
	w->pairs = 0;
	w->damaged = false;
	w->seed_count = 0;
	w->seeds_hidden = w->far_only = false;
	w->far = w->only = NULL;
	w->live = NULL;
	w->n = w->copies = 0;
	if (!scratch_fit(w, ef, batch)) {
		scratch_release(w);
		return NULL;
	}
	return w;
}

void scratch_return(struct graph_scratch_pool *scratch_pool, struct graph_scratch *scratch)
{
	if (!scratch)
		return;
	pthread_mutex_lock(&scratch_pool->lock);
	scratch->next = scratch_pool->idle;
	scratch_pool->idle = scratch;
	pthread_mutex_unlock(&scratch_pool->lock);
}
