/* Searching a level of the graph: the best-first search.
 *
 * Candidates are in one sorted array of at most ef, each with a mark whether its neighbours have been
 * visited. The first without the mark is expanded next, and if there is none, the search is over. (The paper
 * has two heaps.) Expanding a node takes three passes over its list: those not visited before are gathered
 * and their codes prefetched, then the keys of all are computed by one call, then the near ones are inserted.
 * Meanwhile the list of the candidate that is likely to be next is prefetched.
 *
 * A bit for each node says whether it was visited; these bits fit into a cache. The next search clears the
 * bits of the last by its log, so that the costs of a search depend on how many nodes it visits, not on how
 * many there are.
 *
 * Lists in a mapped file are checked when they are read: a list with a node that does not exist is treated as
 * empty, and the search continues. For other graphs this costs no more than a branch.
 */
#include "lib/graph/search_layer.h"

#include "lib/base/status.h"

#include <math.h>
#include <string.h>

/* ---- steps ---- */

void visited_clear(struct graph_scratch *w)
{
	if (w->visited_count > VISITED_LOG)
		memset(w->visited, 0, (size_t)w->max_visited / 8);
	else
		for (int64_t i = 0; i < w->visited_count; i++)
			w->visited[w->visited_log[i] / 64] = 0;
	w->visited_count = 0;
	w->n = w->copies = 0;
}

static const uint32_t *unvalidated_links(struct graph_scratch *w, uint32_t node, int level)
{
	static const uint32_t nothing = GRAPH_NONE;
	const uint32_t *list = graph_unvalidated_links(w->graph, node, level);
	w->damaged |= !list;
	return list ? list : &nothing;
}

/* The neighbours of a node. */
static inline const uint32_t *links(struct graph_scratch *w, uint32_t node, int level)
{
	if (__builtin_expect(w->graph->unvalidated, 0))
		return unvalidated_links(w, node, level);
	return graph_links(w->graph, node, level);
}

const uint32_t *search_links(struct graph_scratch *w, uint32_t node)
{
	return links(w, node, 0);
}

static int64_t gather_unvisited_among(struct graph_scratch *w, const uint32_t *list, int width)
{
	int64_t n = 0;
	for (int i = 0; i < width && list[i] != GRAPH_NONE; i++)
		if (graph_is_live(w->only, list[i]) && !visited_test_set(w, list[i]))
			w->batch[n++] = list[i];
	return n;
}

/* Gather the nodes of a list that were not visited into w->batch; returns how many. There is no branch, so
 * that their bits, which may be anywhere, are fetched at the same time. */
static inline int64_t gather_unvisited(struct graph_scratch *w, const uint32_t *list, int width)
{
	if (__builtin_expect(w->only != NULL, 0))
		return gather_unvisited_among(w, list, width);
	int64_t n = 0;
	uint32_t *batch = w->batch;
	for (int i = 0; i < width && list[i] != GRAPH_NONE; i++) {
		batch[n] = list[i];
		n += !visited_test_set(w, list[i]);
	}
	for (int64_t i = 0; i < n; i++)
		graph_space_prefetch(w->space, batch[i]);
	return n;
}

static inline void score_batch(struct graph_scratch *w, int64_t n)
{
	graph_keys(w->space, w->origin, w->batch, n, w->key);
	w->pairs += n;
}

int64_t visit_neighbours(struct graph_scratch *w, const uint32_t *list)
{
	int64_t n = gather_unvisited(w, list, w->graph->stride);
	score_batch(w, n);
	return n;
}

struct candidate search_upper_layers(struct graph_scratch *w, int to)
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
				graph_space_prefetch(w->space, list[n]);
				w->batch[n] = list[n];
			}
			score_batch(w, n);
			better = false;
			for (int64_t i = 0; i < n; i++) {
				struct candidate c = {w->key[i], w->batch[i]};
				if (candidate_before(c, best)) {
					best = c;
					better = true;
				}
			}
		}
		if (level <= DESCENT_LEVELS)
			w->path[DESCENT_LEVELS - level] = best.node;
	}
	return best;
}

/* ---- copies ---- */

/* Whether a node is a copy of one in the pool behind which it would be inserted. A removed node cannot
 * represent a live one. If many different nodes have the same key, a copy may be missed. */
static bool is_copy(const struct graph_scratch *w, int64_t place, struct candidate c)
{
	enum { COMPARED = 16 };
	bool live = graph_is_live(w->live, c.node);
	for (int64_t i = place - 1; i >= 0 && place - i <= COMPARED && w->pool[i].key == c.key; i--) {
		uint32_t node = w->pool[i].node & ~EXPANDED;
		if ((!live || graph_is_live(w->live, node)) && rows_equal(&w->space->rows, node, c.node))
			return true;
	}
	return false;
}

/* Remove a candidate from the pool again, where it was inserted at `place`, which removed `last` if the pool
 * was full. */
static void withdraw(struct graph_scratch *w, int64_t place, bool was_full, struct candidate last)
{
	memmove(w->pool + place, w->pool + place + 1, (size_t)(w->n - 1 - place) * sizeof *w->pool);
	if (was_full)
		w->pool[w->n - 1] = last;
	else
		w->n--;
}

/* Put a candidate into the pool or among the copies. Returns its index; ef: it is not in the pool. Most
 * candidates get into the pool and are not copies, so that case comes first. */
static inline int64_t offer(struct graph_scratch *w, struct candidate c, int64_t ef)
{
	bool was_full = w->n == ef;
	struct candidate last = was_full ? w->pool[ef - 1] : c;
	int64_t place = candidate_insert(w->pool, &w->n, ef, c);
	if (place == 0 || __builtin_expect(w->pool[place - 1].key != c.key, 1) || !is_copy(w, place, c))
		return place;
	if (place < ef)
		withdraw(w, place, was_full, last);
	if (w->max_copies > 0)
		candidate_insert(w->copy, &w->copies, w->max_copies, c);
	return ef;
}

int64_t offer_candidate(struct graph_scratch *w, struct candidate c, int64_t ef)
{
	return offer(w, c, ef);
}

/* ---- one level ---- */

/* Insert the n nodes of the batch into the pool; returns the first place that changed. A node near the place
 * `at` is likely to be expanded next. */
static inline int64_t take_batch(struct graph_scratch *w, int64_t n, int64_t ef, int64_t at)
{
	enum { SOON = 2 };
	int64_t first = ef;
	float bound = w->n < ef ? INFINITY : w->pool[ef - 1].key;
	for (int64_t i = 0; i < n; i++) {
		if (!(w->key[i] <= bound))
			continue;
		int64_t place = offer(w, (struct candidate){w->key[i], w->batch[i]}, ef);
		if (place < at + SOON)
			graph_prefetch(w->graph, w->batch[i]);
		first = place < first ? place : first;
		bound = w->n < ef ? INFINITY : w->pool[ef - 1].key;
	}
	return first;
}

/* Put the seeds into the pool, too. */
static void take_seeds(struct graph_scratch *w, int64_t ef)
{
	for (int64_t at = 0, n = 0; at < w->seed_count; at++) {
		w->batch[n] = w->seeds[at];
		n += !visited_test_set(w, w->seeds[at]) && !w->seeds_hidden;
		if (n < w->graph->stride && at + 1 < w->seed_count)
			continue;
		score_batch(w, n);
		take_batch(w, n, ef, 0);
		n = 0;
	}
}

/* Expand every node of the pool that was not expanded. */
static void expand_pool(struct graph_scratch *w, int level, int64_t ef)
{
	const struct graph *graph = w->graph;
	int width = graph_width(graph, level);
	for (int64_t at = 0; at < w->n;) {
		if (w->pool[at].node & EXPANDED) {
			at++;
			continue;
		}
		const uint32_t *list = links(w, w->pool[at].node, level);
		w->pool[at].node |= EXPANDED;
		int64_t n = gather_unvisited(w, list, width);
		if (level == 0 && at + 1 < w->n && !(w->pool[at + 1].node & EXPANDED))
			graph_prefetch(graph, w->pool[at + 1].node);
		score_batch(w, n);
		int64_t first = take_batch(w, n, ef, at);
		at = first <= at ? first : at + 1;
	}
}

/* Search over far nodes, from the seeds. False: no other nodes are to be visited; `from` represents them
 * all. */
static bool search_far_layer(struct graph_scratch *w, struct candidate from, int64_t ef)
{
	take_seeds(w, ef);
	if (!w->far)
		return true;
	w->only = w->far;
	expand_pool(w, 0, ef);
	w->only = NULL;
	if (!w->far_only)
		return true;
	if (!visited_test_set(w, from.node)) {
		w->n -= w->n == ef;
		w->pool[w->n++] = from;
	}
	return false;
}

/* Search a level from one node, and from the seeds, as search_layer says; marks are not removed. */
static void search_level(
    struct graph_scratch *w, int level, struct candidate from, int64_t ef, int64_t copies)
{
	bool on = true;
	visited_clear(w);
	w->max_copies = copies;
	if (level == 0 && w->seed_count)
		on = search_far_layer(w, from, ef);
	if (!on)
		return;
	if (!visited_test_set(w, from.node))
		offer(w, from, ef);
	expand_pool(w, level, ef);
}

static void forget_marks(struct candidate *c, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		c[i].node &= ~EXPANDED;
}

void search_layer(struct graph_scratch *w, int level, struct candidate from, int64_t ef)
{
	search_level(w, level, from, ef, ef);
	forget_marks(w->pool, w->n);
}

/* Whether copies of a vector with this key could be among the `want` nearest, with all those that are
 * known. */
static bool copies_wanted(const struct graph_scratch *w, float key, int64_t want)
{
	int64_t n = 0;
	for (int64_t i = 0; i < w->n && w->pool[i].key <= key; i++)
		n++;
	for (int64_t i = 0; i < w->copies && w->copy[i].key <= key; i++)
		n++;
	return n < want;
}

/* Expand copies, the nearest first, also among those found meanwhile. If the pool is not full, the graph has
 * no other nodes, except those that copies may lead to. */
static void expand_copies(struct graph_scratch *w, int64_t ef, int64_t want)
{
	for (int64_t at = 0; at < w->copies;) {
		struct candidate c = w->copy[at];
		if (c.node & EXPANDED) {
			at++;
			continue;
		}
		if (w->n == ef && !copies_wanted(w, c.key, want))
			return;
		w->copy[at].node |= EXPANDED;
		int64_t n = gather_unvisited(w, links(w, c.node, 0), w->graph->stride);
		score_batch(w, n);
		if (take_batch(w, n, ef, 0) < ef)
			expand_pool(w, 0, ef);
		at = 0;
	}
}

/* At least so many copies are kept. */
enum { MIN_COPIES = 32 };

void search_base_layer(struct graph_scratch *w, struct candidate from, int64_t ef, int64_t want)
{
	want = want < ef ? want : ef;
	search_level(w, 0, from, ef, want > MIN_COPIES || ef < MIN_COPIES ? want : MIN_COPIES);
	if (w->copies > 0)
		expand_copies(w, ef, want);
	forget_marks(w->pool, w->n);
	forget_marks(w->copy, w->copies);
	for (int64_t i = 0; i < w->copies; i++)
		candidate_insert(w->pool, &w->n, ef, w->copy[i]);
	w->copies = 0;
}

/* ---- range searches ---- */

static bool spill(struct graph_scratch *w, int64_t *n, struct candidate c)
{
	size_t bytes = (size_t)(*n + 1) * sizeof c;
	if (bytes > w->spill.capacity && !buffer_reserve(&w->spill, bytes, 8))
		return false;
	((struct candidate *)(void *)w->spill.data)[(*n)++] = c;
	return true;
}

/* Put the nodes of the batch into the spill if they are within the bound, else into the pool. False: no
 * memory. */
static bool take_range(
    struct graph_scratch *w, int64_t batch, float bound, int64_t ef, int64_t *n, int64_t *at)
{
	for (int64_t i = 0; i < batch; i++) {
		struct candidate c = {w->key[i], w->batch[i]};
		if (c.key <= bound) {
			if (!spill(w, n, c))
				return false;
		} else if (w->n < ef || c.key < w->pool[ef - 1].key) {
			int64_t place = offer(w, c, ef);
			*at = place < *at ? place : *at;
		}
	}
	return true;
}

/* Nodes of the spill are expanded first, in the order in which they are found, since none may be left out;
 * then those of the pool. The pool has only nodes beyond the bound, so that as many of these are expanded
 * whether many nodes are within the bound or few. Both may contain nodes at the beginning. */
static enum range_end expand_range(
    struct graph_scratch *w, int level, float bound, int64_t ef, int64_t max, int64_t *n)
{
	int width = graph_width(w->graph, level);
	for (int64_t at = 0, gone = 0;;) {
		uint32_t node;
		while (at < w->n && w->pool[at].node & EXPANDED)
			at++;
		if (gone < *n) {
			node = ((const struct candidate *)(const void *)w->spill.data)[gone++].node;
		} else if (at < w->n) {
			node = w->pool[at].node;
			w->pool[at].node |= EXPANDED;
		} else {
			break;
		}
		int64_t batch = gather_unvisited(w, links(w, node, level), width);
		score_batch(w, batch);
		if (!take_range(w, batch, bound, ef, n, &at))
			return RANGE_NO_MEMORY;
		if (w->pairs > max)
			return RANGE_GIVEN_UP;
	}
	forget_marks(w->pool, w->n);
	return RANGE_DONE;
}

static void hide_seeds(struct graph_scratch *w)
{
	for (int64_t i = 0; w->seeds_hidden && i < w->seed_count; i++)
		visited_test_set(w, w->seeds[i]);
}

/* Mark all nodes as not visited, except those of the pool and n nodes of the spill. */
static void keep_found(struct graph_scratch *w, int64_t n)
{
	int64_t near = w->n;
	visited_clear(w);
	hide_seeds(w);
	for (w->n = 0; w->n < near; w->n++)
		visited_test_set(w, w->pool[w->n].node);
	for (int64_t i = 0; i < n; i++)
		visited_test_set(w, ((const struct candidate *)(const void *)w->spill.data)[i].node);
}

/* Level 1 is a sample of the nodes. The search of level 0 begins at the nodes of level 1 that are within the
 * bound, and at the nearest beyond it: so parts of the answer are found that are not connected by edges of
 * level 0. */
enum range_end search_range(
    struct graph_scratch *w, struct candidate from, float bound, int64_t ef, int64_t max, int64_t *n)
{
	int64_t at = 0, batch = 0;
	enum range_end end = RANGE_DONE;
	max += w->pairs;
	visited_clear(w);
	hide_seeds(w);
	w->max_copies = *n = 0;
	w->batch[batch++] = from.node;
	batch -= visited_test_set(w, from.node);
	w->batch[batch++] = w->graph->entry;
	batch -= visited_test_set(w, w->graph->entry);
	score_batch(w, batch);
	if (!take_range(w, batch, bound, ef, n, &at))
		return RANGE_NO_MEMORY;
	if (graph_top(w->graph) > 0)
		end = expand_range(w, 1, bound, (ef + 1) / 2, max, n);
	if (end != RANGE_DONE)
		return end;
	keep_found(w, *n);
	for (int64_t i = 0; !w->seeds_hidden && i < w->seed_count; i++) {
		w->batch[0] = w->seeds[i];
		if (visited_test_set(w, w->seeds[i]))
			continue;
		score_batch(w, 1);
		if (!take_range(w, 1, bound, ef, n, &at))
			return RANGE_NO_MEMORY;
	}
	return expand_range(w, 0, bound, ef, max, n);
}
