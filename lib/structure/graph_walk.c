/* Walks.
 *
 * Candidates are one sorted array of at most ef, each with a mark whether its neighbours were looked at; the
 * first without it is the next to go to, and when there is none the walk is over. (The paper has two heaps.)
 * Going to a node takes three passes over its list: those not met before are picked out and their codes asked
 * for, then all are scored by one call, then the near ones are sorted in. The list of the candidate that
 * is likely to be next is asked for in the meantime.
 *
 * Which nodes were met stands in a bit for each node, which stay in a near cache. The next walk clears those
 * of the last along the trail that it left, so a walk costs what it meets, not what there is.
 *
 * Lists of a mapped file are looked at as they are gone to: one with a node that there is not counts as
 * empty, and the walk goes on, so that this costs others no more than a branch.
 */
#include "lib/structure/graph_walk.h"

#include "lib/base/status.h"

#include <math.h>
#include <string.h>

/* ---- walkers ---- */

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
		bytes += sizeof *w + w->origin_bytes + (size_t)w->pool_most * sizeof *w->pool +
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
	w->n = 0;
	w->seed_count = 0;
	w->seeds_hidden = w->far_only = false;
	w->far = w->only = NULL;
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

/* ---- steps ---- */

void walk_begin(struct walker *w)
{
	if (w->met_so_far > WALK_TRAIL)
		memset(w->seen, 0, (size_t)w->seen_most / 8);
	else
		for (int64_t i = 0; i < w->met_so_far; i++)
			w->seen[w->trail[i] / 64] = 0;
	w->met_so_far = 0;
	w->n = 0;
}

static inline void prefetch_list(const struct graph *graph, uint32_t node)
{
	const char *list = (const char *)graph_links(graph, node, 0);
	for (size_t b = 0; b < (size_t)graph->stride * sizeof(uint32_t); b += 64)
		__builtin_prefetch(list + b);
}

static const uint32_t *unseen_links(struct walker *w, uint32_t node, int level)
{
	static const uint32_t nothing = GRAPH_NONE;
	const uint32_t *list = graph_unseen_links(w->graph, node, level);
	w->damaged |= !list;
	return list ? list : &nothing;
}

/* Where a walk goes to. */
static inline const uint32_t *links(struct walker *w, uint32_t node, int level)
{
	if (__builtin_expect(w->graph->unseen, 0))
		return unseen_links(w, node, level);
	return graph_links(w->graph, node, level);
}

static int64_t meet_only(struct walker *w, const uint32_t *list, int width)
{
	int64_t n = 0;
	for (int i = 0; i < width && list[i] != GRAPH_NONE; i++)
		if (graph_is_live(w->only, list[i]) && !walk_meet(w, list[i]))
			w->met[n++] = list[i];
	return n;
}

/* The nodes of a list that were not met, into w->met: how many. Without a branch, so that their bits, which
 * lie anywhere, are fetched side by side. */
static inline int64_t meet_list(struct walker *w, const uint32_t *list, int width)
{
	if (__builtin_expect(w->only != NULL, 0))
		return meet_only(w, list, width);
	int64_t n = 0;
	uint32_t *met = w->met;
	for (int i = 0; i < width && list[i] != GRAPH_NONE; i++) {
		met[n] = list[i];
		n += !walk_meet(w, list[i]);
	}
	for (int64_t i = 0; i < n; i++)
		rows_prefetch_scored(&w->space->rows, met[i]);
	return n;
}

static inline void score_met(struct walker *w, int64_t n)
{
	graph_keys(w->space, w->origin, w->met, n, w->key);
	w->pairs += n;
}

struct candidate walk_descend(struct walker *w, int to)
{
	const struct graph *graph = w->graph;
	struct candidate best = {.node = graph->entry};
	memset(w->path, 0, sizeof w->path);
	graph_keys(w->space, w->origin, &best.node, 1, &best.key);
	w->pairs++;
	for (int level = graph_top(graph); level > to; level--) {
		for (bool better = true; better;) {
			const uint32_t *list = links(w, best.node, level);
			int64_t n = 0;
			for (; n < graph->M && list[n] != GRAPH_NONE; n++) {
				rows_prefetch_scored(&w->space->rows, list[n]);
				w->met[n] = list[n];
			}
			score_met(w, n);
			better = false;
			for (int64_t i = 0; i < n; i++) {
				struct candidate c = {w->key[i], w->met[i]};
				if (candidate_before(c, best)) {
					best = c;
					better = true;
				}
			}
		}
		if (level <= WALK_PATH)
			w->path[WALK_PATH - level] = best.node;
	}
	return best;
}

/* Sort the n nodes that were met and scored into the pool; the first place that changed. What comes near the
 * front, at `at`, is likely to be gone to next. */
static inline int64_t take_met(struct walker *w, int64_t n, int64_t ef, int64_t at)
{
	enum { SOON = 2 };
	int64_t first = ef;
	float bound = w->n < ef ? INFINITY : w->pool[ef - 1].key;
	for (int64_t i = 0; i < n; i++) {
		if (!(w->key[i] <= bound))
			continue;
		int64_t place =
		    candidate_insert(w->pool, &w->n, ef, (struct candidate){w->key[i], w->met[i]});
		if (place < at + SOON)
			prefetch_list(w->graph, w->met[i]);
		first = place < first ? place : first;
		bound = w->n < ef ? INFINITY : w->pool[ef - 1].key;
	}
	return first;
}

/* Begin at the seeds, too. */
static void take_seeds(struct walker *w, int64_t ef)
{
	for (int64_t at = 0, n = 0; at < w->seed_count; at++) {
		w->met[n] = w->seeds[at];
		n += !walk_meet(w, w->seeds[at]) && !w->seeds_hidden;
		if (n < w->graph->stride && at + 1 < w->seed_count)
			continue;
		score_met(w, n);
		take_met(w, n, ef, 0);
		n = 0;
	}
}

/* Go on from the pool until there is nothing left in it to go to. */
static void walk_on(struct walker *w, int level, int64_t ef)
{
	const struct graph *graph = w->graph;
	int width = graph_width(graph, level);
	for (int64_t at = 0; at < w->n;) {
		if (w->pool[at].node & WALKED) {
			at++;
			continue;
		}
		const uint32_t *list = links(w, w->pool[at].node, level);
		w->pool[at].node |= WALKED;
		int64_t n = meet_list(w, list, width);
		if (level == 0 && at + 1 < w->n && !(w->pool[at + 1].node & WALKED))
			prefetch_list(graph, w->pool[at + 1].node);
		score_met(w, n);
		int64_t first = take_met(w, n, ef, at);
		at = first <= at ? first : at + 1;
	}
}

/* The walk over far nodes, from the seeds; false: and over no others, of which `from` stands for all. */
static bool walk_far(struct walker *w, struct candidate from, int64_t ef)
{
	take_seeds(w, ef);
	if (!w->far)
		return true;
	w->only = w->far;
	walk_on(w, 0, ef);
	w->only = NULL;
	if (!w->far_only)
		return true;
	if (!walk_meet(w, from.node)) {
		w->n -= w->n == ef;
		w->pool[w->n++] = from;
	}
	return false;
}

void walk_level(struct walker *w, int level, struct candidate from, int64_t ef)
{
	bool on = true;
	walk_begin(w);
	if (level == 0 && w->seed_count)
		on = walk_far(w, from, ef);
	if (on) {
		if (!walk_meet(w, from.node))
			candidate_insert(w->pool, &w->n, ef, from);
		walk_on(w, level, ef);
	}
	for (int64_t i = 0; i < w->n; i++)
		w->pool[i].node &= ~WALKED;
}

/* ---- walks under a filter ---- */

static bool passes(const struct filtering *f, uint32_t node)
{
	return f->pass[node / 64] >> (node % 64) & 1;
}

/* Where few pass, lists lead mostly to nodes that are of no use; their neighbours take their places (ACORN-1,
 * Patel et al. 2024). Nodes that pass into w->met: how many. */
static int64_t meet_beyond(struct walker *w, const struct filtering *f, const uint32_t *list)
{
	const struct graph *graph = w->graph;
	int64_t n = 0, hops = 0, most = w->met_most - graph->stride;
	uint32_t *hop = w->met + most;
	for (int i = 0; i < graph->stride && list[i] != GRAPH_NONE; i++) {
		if (walk_meet(w, list[i]))
			continue;
		if (passes(f, list[i])) {
			rows_prefetch_scored(&w->space->rows, list[i]);
			w->met[n++] = list[i];
		} else {
			prefetch_list(graph, list[i]);
			hop[hops++] = list[i];
		}
	}
	for (int64_t h = 0; h < hops; h++) {
		const uint32_t *beyond = links(w, hop[h], 0);
		for (int i = 0; i < graph->stride && beyond[i] != GRAPH_NONE && n < most; i++) {
			if (!passes(f, beyond[i]) || walk_meet(w, beyond[i]))
				continue;
			rows_prefetch_scored(&w->space->rows, beyond[i]);
			w->met[n++] = beyond[i];
		}
	}
	return n;
}

/* Above this share enough nodes of a list pass. */
static const double HOP_BELOW = 0.2;

int64_t walk_filtered_pool(const struct graph *graph, double share, int64_t ef)
{
	enum { MOST = 16 };
	(void)graph;
	double factor = share < HOP_BELOW ? 2 : 2 / share;
	return (int64_t)((double)ef * (factor < MOST ? factor : MOST));
}

int64_t walk_filtered_met(const struct graph *graph)
{
	return 4 * (int64_t)graph->stride;
}

/* Seeds behind the first node that was met, as many as there is room for: how many. */
static int64_t filtered_seeds(struct walker *w)
{
	int64_t n = 1;
	for (int64_t i = 0; i < w->seed_count; i++)
		if (!walk_meet(w, w->seeds[i]) && !w->seeds_hidden && n < w->met_most)
			w->met[n++] = w->seeds[i];
	graph_keys(w->space, w->origin, w->met + 1, n - 1, w->key + 1);
	w->pairs += n - 1;
	return n - 1;
}

/* The walk goes on while a candidate is nearer than the worst of what was found. */
void walk_filtered(struct walker *w, struct candidate from, int64_t ef, struct filtering *f)
{
	const struct graph *graph = w->graph;
	bool hop = f->share < HOP_BELOW;
	int64_t most = walk_filtered_pool(graph, f->share, ef);
	walk_begin(w);
	f->n = 0;
	w->met[0] = from.node;
	w->key[0] = from.key;
	walk_meet(w, from.node);
	for (int64_t at = 0, n = 1 + filtered_seeds(w);;) {
		int64_t first = most;
		for (int64_t i = 0; i < n; i++) {
			struct candidate c = {w->key[i], w->met[i]};
			if (f->n == ef && !(c.key < f->found[ef - 1].key))
				continue;
			if (passes(f, c.node))
				candidate_insert(f->found, &f->n, ef, c);
			int64_t place = candidate_insert(w->pool, &w->n, most, c);
			first = place < first ? place : first;
		}
		at = first < at ? first : at;
		while (at < w->n && w->pool[at].node & WALKED)
			at++;
		if (at == w->n || (f->n == ef && w->pool[at].key > f->found[ef - 1].key))
			break;
		const uint32_t *list = links(w, w->pool[at].node, 0);
		w->pool[at].node |= WALKED;
		n = hop ? meet_beyond(w, f, list) : meet_list(w, list, graph->stride);
		if (at + 1 < w->n)
			prefetch_list(graph, w->pool[at + 1].node & ~WALKED);
		score_met(w, n);
	}
}

/* ---- range walks ---- */

static bool spill(struct walker *w, int64_t *n, struct candidate c)
{
	size_t bytes = (size_t)(*n + 1) * sizeof c;
	if (bytes > w->spill.capacity && !buffer_reserve(&w->spill, bytes, 8))
		return false;
	((struct candidate *)(void *)w->spill.data)[(*n)++] = c;
	return true;
}

/* In the order in which they are found: none of them can be left out. */
bool walk_range(struct walker *w, float bound, int64_t *n)
{
	int64_t near = w->n;
	*n = 0;
	/* What the pool had no room for may be within the bound. */
	walk_begin(w);
	for (int64_t i = 0; w->seeds_hidden && i < w->seed_count; i++)
		walk_meet(w, w->seeds[i]);
	for (int64_t i = 0; i < near; i++) {
		if (!(w->pool[i].key <= bound))
			continue;
		walk_meet(w, w->pool[i].node);
		if (!spill(w, n, w->pool[i]))
			return false;
	}
	for (int64_t at = 0; at < *n; at++) {
		uint32_t node = ((const struct candidate *)(const void *)w->spill.data)[at].node;
		int64_t met = meet_list(w, links(w, node, 0), w->graph->stride);
		score_met(w, met);
		for (int64_t i = 0; i < met; i++) {
			struct candidate c = {w->key[i], w->met[i]};
			if (c.key <= bound && !spill(w, n, c))
				return false;
		}
	}
	return true;
}
