/* Searches of level 0 under a filter.
 *
 * If a fifth of the nodes or more pass, the search visits all nodes and gathers those that pass. With fewer,
 * lists lead mostly to nodes that do not pass; these are replaced by their neighbours (ACORN-1, Patel et al.
 * 2024), and the search visits only nodes that pass.
 *
 * Copies. Of nodes with equal vectors only one is in the pool, as without a filter: a hundred copies of which
 * none passes would fill it, and end the search before anything is found. The other copies are kept
 * separately and are expanded in the order of distances, since they lead to one another, and some that pass
 * may be among them. Between two copies that pass, there may be several that do not: so if the first nodes
 * have copies, the search visits all nodes, however few pass.
 */
#include "lib/graph/search_layer.h"

#include <string.h>

static bool passes(const struct filtering *f, uint32_t node)
{
	return f->pass[node / 64] >> (node % 64) & 1;
}

/* Gather the nodes of a list that pass, and neighbours of the others that pass, into w->batch; returns how
 * many. */
static int64_t gather_unvisited_beyond(
    struct graph_scratch *w, const struct filtering *f, const uint32_t *list)
{
	const struct graph *graph = w->graph;
	int64_t n = 0, hops = 0, max = w->max_batch - graph->stride;
	uint32_t *hop = w->batch + max;
	for (int i = 0; i < graph->stride && list[i] != GRAPH_NONE; i++) {
		if (visited_test_set(w, list[i]))
			continue;
		if (passes(f, list[i])) {
			graph_space_prefetch(w->space, list[i]);
			w->batch[n++] = list[i];
		} else {
			graph_prefetch(graph, list[i]);
			hop[hops++] = list[i];
		}
	}
	for (int64_t h = 0; h < hops; h++) {
		const uint32_t *beyond = search_links(w, hop[h]);
		for (int i = 0; i < graph->stride && beyond[i] != GRAPH_NONE && n < max; i++) {
			if (!passes(f, beyond[i]) || visited_test_set(w, beyond[i]))
				continue;
			graph_space_prefetch(w->space, beyond[i]);
			w->batch[n++] = beyond[i];
		}
	}
	return n;
}

/* If at least this share of the nodes pass, enough nodes of each list do. */
static const double HOP_BELOW = 0.2;

/* A search over all nodes needs a pool much larger than ef: nodes that pass may be behind many that do
 * not. */
int64_t filtered_max_pool(int64_t ef)
{
	enum { TIMES = 16, MIN = 1024 };
	return TIMES * ef > MIN ? TIMES * ef : MIN;
}

int64_t filtered_max_batch(const struct graph *graph)
{
	return 4 * (int64_t)graph->stride;
}

/* Add seeds behind the first node of the batch, as many as there is room for; returns how many. */
static int64_t filtered_seeds(struct graph_scratch *w)
{
	int64_t n = 1;
	for (int64_t i = 0; i < w->seed_count; i++)
		if (!visited_test_set(w, w->seeds[i]) && !w->seeds_hidden && n < w->max_batch)
			w->batch[n++] = w->seeds[i];
	graph_keys(w->space, w->origin, w->batch + 1, n - 1, w->key + 1);
	w->pairs += n - 1;
	return n - 1;
}

/* Take the n nodes of the batch with their keys: those that pass are put among the found ones, and all into
 * the pool of `max`. Returns the first place that changed. */
static int64_t take_filtered(struct graph_scratch *w, struct filtering *f, int64_t ef, int64_t max, int64_t n)
{
	int64_t first = max;
	for (int64_t i = 0; i < n; i++) {
		struct candidate c = {w->key[i], w->batch[i]};
		if (f->n == ef && !(c.key < f->found[ef - 1].key))
			continue;
		if (passes(f, c.node))
			candidate_insert(f->found, &f->n, ef, c);
		int64_t place = offer_candidate(w, c, max);
		first = place < first ? place : first;
	}
	return first;
}

/* The next node to expand: the nearest in the pool from *at on that was not expanded, or of the copies.
 * GRAPH_NONE: none is nearer than the farthest of the found ones. */
static uint32_t next_filtered(struct graph_scratch *w, const struct filtering *f, int64_t ef, int64_t *at)
{
	while (*at < w->n && w->pool[*at].node & EXPANDED)
		(*at)++;
	bool pool = *at < w->n && !(w->copies > 0 && w->copy[0].key < w->pool[*at].key);
	if (!pool && w->copies == 0)
		return GRAPH_NONE;
	struct candidate c = pool ? w->pool[*at] : w->copy[0];
	if (f->n == ef && (c.key > f->found[ef - 1].key || (!pool && c.key == f->found[ef - 1].key)))
		return GRAPH_NONE;
	if (pool)
		w->pool[*at].node |= EXPANDED;
	else
		memmove(w->copy, w->copy + 1, (size_t)--w->copies * sizeof *w->copy);
	return c.node;
}

/* Whether a node has copies: its list begins with them. */
static bool has_copies(const struct graph_scratch *w, uint32_t node, const uint32_t *list)
{
	return list[0] != GRAPH_NONE && rows_equal(&w->space->rows, node, list[0]);
}

/* Search from the n nodes of the batch, with their keys, and from those in the pool, of at most `max`. */
static void expand_filtered(
    struct graph_scratch *w, struct filtering *f, int64_t ef, int64_t max, bool hop, int64_t n)
{
	enum { FIRST_STEPS = 16 };
	const struct graph *graph = w->graph;
	int64_t before = w->pairs, at = 0;
	w->live = NULL;
	w->max_copies = max;
	for (int64_t steps = 0;; steps++) {
		int64_t first = take_filtered(w, f, ef, max, n);
		at = first < at ? first : at;
		uint32_t node = next_filtered(w, f, ef, &at);
		if (node == GRAPH_NONE)
			return;
		const uint32_t *list = search_links(w, node);
		if (at + 1 < w->n)
			graph_prefetch(graph, w->pool[at + 1].node & ~EXPANDED);
		if (hop) {
			n = gather_unvisited_beyond(w, f, list);
			graph_keys(w->space, w->origin, w->batch, n, w->key);
			w->pairs += n;
		} else {
			n = visit_neighbours(w, list);
		}
		if (steps < FIRST_STEPS) {
			f->steps = steps + 1;
			f->scored = w->pairs - before;
			f->copied += hop && has_copies(w, node, list);
		}
	}
}

/* Whether the first steps from one node that passes to the next found few others, compared with how many
 * there are. That happens with many copies of few vectors: lists lead to copies that do not pass, and from
 * these to more of them. Otherwise a step to neighbours of neighbours finds 8 to 24 lists of new nodes
 * (SIFT). */
static bool sees_little(const struct graph_scratch *w, const struct filtering *f)
{
	enum { LISTS = 4, COPIED = 4 };
	double batch = (double)f->scored / f->share, passing = f->share * (double)w->space->rows.n;
	if (f->copied * COPIED > f->steps)
		return true;
	return batch < (double)f->steps * LISTS * w->graph->stride && (double)f->scored < passing / 2;
}

/* Make a node, whose key is known, the only one of the batch. Returns the size of the batch, which is 0 if
 * the node had been visited. */
static int64_t visit_one(struct graph_scratch *w, struct candidate one)
{
	w->batch[0] = one.node;
	w->key[0] = one.key;
	return !visited_test_set(w, one.node);
}

void search_filtered(struct graph_scratch *w, struct candidate from, int64_t ef, struct filtering *f)
{
	bool hop = f->share < HOP_BELOW;
	int64_t all = filtered_max_pool(ef);
	visited_clear(w);
	f->n = f->steps = f->scored = f->copied = 0;
	int64_t n = visit_one(w, from);
	expand_filtered(w, f, ef, hop ? 2 * ef : all, hop, n + filtered_seeds(w));
	if (!hop || !sees_little(w, f))
		return;
	/* Search over all nodes, from those that were found. */
	visited_clear(w);
	for (int64_t i = 0; i < f->n; i++) {
		visited_test_set(w, f->found[i].node);
		w->pool[w->n++] = f->found[i];
	}
	expand_filtered(w, f, ef, all, false, visit_one(w, from));
}
