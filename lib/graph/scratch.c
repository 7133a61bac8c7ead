/* The memory of searches: walkers wait in a pool of the index, and grow to what the next search needs. */
#include "lib/graph/search_layer.h"

#include "lib/base/status.h"

void walkers_init(struct walkers *walkers)
{
	pthread_mutex_init(&walkers->lock, NULL);
	walkers->idle = NULL;
}

static void walker_release(struct walker *w)
{
	if (!w)
		return;
	mem_free(w->origin);
	mem_free(w->pool);
	mem_free(w->copy);
	mem_free(w->seen);
	mem_free(w->trail);
	mem_free(w->met);
	mem_free(w->key);
	buffer_free(&w->spill);
	mem_free(w);
}

void walkers_clear(struct walkers *walkers)
{
	while (walkers->idle) {
		struct walker *next = walkers->idle->next;
		walker_release(walkers->idle);
		walkers->idle = next;
	}
}

void walkers_free(struct walkers *walkers)
{
	walkers_clear(walkers);
	pthread_mutex_destroy(&walkers->lock);
}

size_t walkers_memory(struct walkers *walkers)
{
	size_t bytes = 0;
	pthread_mutex_lock(&walkers->lock);
	for (const struct walker *w = walkers->idle; w; w = w->next)
		bytes += sizeof *w + w->origin_bytes + 2 * (size_t)w->pool_most * sizeof *w->pool +
		         (size_t)w->seen_most / 8 + WALK_TRAIL * sizeof *w->trail +
		         (size_t)w->met_most * (sizeof *w->met + sizeof *w->key) + w->spill.capacity;
	pthread_mutex_unlock(&walkers->lock);
	return bytes;
}

/* Memory for n elements in the stead of `old`, zeroed, where those are `have`, fewer; NULL: none. */
static void *enlarge(void *old, int64_t have, int64_t n, size_t size)
{
	if (n <= have)
		return old;
	void *larger = mem_zalloc((size_t)n, size);
	if (larger)
		mem_free(old);
	return larger;
}

static bool fit_seen(struct walker *w, int64_t n)
{
	int64_t most = (n + 63) / 64 * 64;
	uint64_t *seen = enlarge(w->seen, w->seen_most / 64, most / 64, sizeof *seen);
	if (!seen)
		return false;
	if (most > w->seen_most) {
		w->met_so_far = 0;
		w->seen_most = most;
	}
	w->seen = seen;
	if (!w->trail)
		w->trail = mem_alloc(WALK_TRAIL, sizeof *w->trail);
	return w->trail != NULL;
}

static bool fit_pool(struct walker *w, int64_t ef)
{
	/* What fails second leaves more room than is counted, not less. */
	struct candidate *copy = enlarge(w->copy, w->pool_most, ef, sizeof *copy);
	if (!copy)
		return false;
	w->copy = copy;
	struct candidate *pool = enlarge(w->pool, w->pool_most, ef, sizeof *pool);
	if (!pool)
		return false;
	w->pool_most = ef > w->pool_most ? ef : w->pool_most;
	w->pool = pool;
	return true;
}

static bool fit_met(struct walker *w, int64_t n)
{
	/* Keys first: if then nodes cannot be had, there are fewer nodes than keys. */
	float *key = enlarge(w->key, w->met_most, n, sizeof *key);
	if (!key)
		return false;
	w->key = key;
	uint32_t *met = enlarge(w->met, w->met_most, n, sizeof *met);
	if (!met)
		return false;
	w->met_most = n > w->met_most ? n : w->met_most;
	w->met = met;
	return true;
}

static bool walker_fit(struct walker *w, int64_t ef, int64_t met)
{
	int64_t bytes = (int64_t)graph_origin_bytes(w->space), least = w->graph->stride;
	void *origin = enlarge(w->origin, (int64_t)w->origin_bytes, bytes, 1);
	if (!origin)
		return false;
	w->origin_bytes = (size_t)bytes > w->origin_bytes ? (size_t)bytes : w->origin_bytes;
	w->origin = origin;
	return fit_seen(w, w->graph->n) && fit_pool(w, ef) && fit_met(w, met > least ? met : least);
}

struct walker *walker_take(struct walkers *walkers, const struct graph *graph,
    const struct graph_space *space, int64_t ef, int64_t met)
{
	pthread_mutex_lock(&walkers->lock);
	struct walker *w = walkers->idle;
	if (w)
		walkers->idle = w->next;
	pthread_mutex_unlock(&walkers->lock);
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
	if (!walker_fit(w, ef, met)) {
		walker_release(w);
		return NULL;
	}
	return w;
}

void walker_return(struct walkers *walkers, struct walker *walker)
{
	if (!walker)
		return;
	pthread_mutex_lock(&walkers->lock);
	walker->next = walkers->idle;
	walkers->idle = walker;
	pthread_mutex_unlock(&walkers->lock);
}
