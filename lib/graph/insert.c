/* Insertion, in rounds (as ParlayANN does; Manohar et al. 2024).
 *
 * A round has up to ROUND nodes. First, independently for each of them, its neighbours are searched in the
 * graph as it was before the round and among all other nodes of the round, and its own lists are written.
 * Then the edges in the other direction are sorted by the node that they start from, and each such node gets
 * its new neighbours, pruned if there are too many. Both halves run on any number of threads without locks,
 * since every list has one writer, and the graph depends on the order of the nodes alone.
 *
 * Comparing a node with all others of its round is needed since they are not in the graph yet, and vectors
 * that come one after another are often near one another.
 *
 * Copies. Of nodes with equal vectors, only the first gets edges from other nodes; the later ones get edges
 * only from it and from one another. So all paths to the vector lead to one node, and that leads to all
 * copies.
 */
#include "lib/graph/build.h"

#include "lib/base/random.h"
#include "lib/base/status.h"
#include "lib/base/threads.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUND = 512, GROUPS_PER_TASK = 32, NODES_PER_TASK = 4 };

/* An edge in the other direction: `from` gets `to` as a neighbour. */
struct edge {
	uint32_t from, to;
	float key;
};

struct round {
	const uint32_t *nodes;
	int64_t n;
	uint32_t *mates;                       /* [n] the nodes of the round by level, the highest first */
	int64_t mates_at[GRAPH_MAX_LEVEL + 2]; /* how many of them are on each level */
	int64_t *slot;                         /* [n] where the keys of each node's lists begin */
	uint16_t *later; /* [n] a bit for each level on which copies of the node came before it */
	float *key;
	struct edge *edges, *sorted;
	int64_t *group; /* [groups + 1] the edges from one node begin at sorted[group[g]] */
	int64_t groups;
	int level;
};

static int64_t smaller_of(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* The number of entries of all lists of a node. */
static int64_t list_slots(const struct graph *graph, int64_t node)
{
	return graph->stride + (int64_t)graph_level(graph, node) * graph->M;
}

/* The most entries that the lists of a round can have: it may get the nodes of the highest levels. */
static int64_t max_slots(const struct graph *graph, const uint32_t *nodes, int64_t n)
{
	int64_t count[GRAPH_MAX_LEVEL + 1] = {0}, room = smaller_of(n, ROUND), slots = 0;
	for (int64_t i = 0; i < n; i++)
		count[graph_level(graph, nodes[i])]++;
	for (int level = GRAPH_MAX_LEVEL; level >= 0; level--) {
		int64_t taken = smaller_of(count[level], room);
		slots += taken * (graph->stride + (int64_t)level * graph->M);
		room -= taken;
	}
	return slots;
}

static struct round *round_new(int64_t nodes, int64_t slots)
{
	struct round *r = mem_zalloc(1, sizeof *r);
	if (!r)
		return NULL;
	r->mates = mem_alloc((size_t)nodes, sizeof *r->mates);
	r->slot = mem_alloc((size_t)nodes, sizeof *r->slot);
	r->later = mem_alloc((size_t)nodes, sizeof *r->later);
	r->key = mem_alloc((size_t)slots, sizeof *r->key);
	r->edges = mem_alloc((size_t)slots, sizeof *r->edges);
	r->sorted = mem_alloc((size_t)slots, sizeof *r->sorted);
	r->group = mem_alloc((size_t)slots + 1, sizeof *r->group);
	return r;
}

static bool round_is_whole(const struct round *r)
{
	return r && r->mates && r->slot && r->later && r->key && r->edges && r->sorted && r->group;
}

static void round_free(struct round *r)
{
	if (!r)
		return;
	mem_free(r->mates);
	mem_free(r->slot);
	mem_free(r->later);
	mem_free(r->key);
	mem_free(r->edges);
	mem_free(r->sorted);
	mem_free(r->group);
	mem_free(r);
}

void graph_shuffle(const struct graph *graph, uint32_t *nodes, int64_t n)
{
	struct random random = random_begin(graph->seed, (uint64_t)(graph->n - n));
	random_shuffle(&random, n, nodes);
}

kith_status builder_begin(struct builder *b, struct graph *graph, const struct graph_space *space,
    const struct graph_building *how, struct graph_scratch_pool *scratch_pool, const uint32_t *nodes,
    int64_t n)
{
	*b = (struct builder){.graph = graph,
	    .space = space,
	    .how = *how,
	    .scratch_pool = scratch_pool,
	    .workers = how->threads};
	int64_t round = smaller_of(n, ROUND), max = graph->stride + REPAIR_MAX;
	max = max > how->ef ? max : how->ef;
	max = max > graph->stride + round ? max : graph->stride + round;
	struct graph_space near = graph_space_l2(space);
	size_t prune_bytes = graph_prune_bytes(space, max), near_bytes = graph_prune_bytes(&near, max);
	prune_bytes = prune_bytes > near_bytes ? prune_bytes : near_bytes;
	b->worker = mem_zalloc((size_t)b->workers, sizeof *b->worker);
	b->round = round_new(round, max_slots(graph, nodes, n));
	b->reached = mem_alloc((size_t)(graph->n + 63) / 64, sizeof *b->reached);
	b->copies = mem_alloc((size_t)graph->n, sizeof *b->copies);
	b->queue = (uint32_t *)(void *)b->copies;
	bool ok = b->worker && round_is_whole(b->round) && b->reached && b->copies;
	for (int i = 0; ok && i < b->workers; i++) {
		struct worker *worker = &b->worker[i];
		worker->scratch = scratch_take(scratch_pool, graph, space, how->ef, round);
		worker->candidates = mem_alloc((size_t)max, sizeof *worker->candidates);
		worker->others = mem_alloc((size_t)max, sizeof *worker->others);
		worker->prune = mem_alloc(1, prune_bytes);
		ok = worker->scratch && worker->candidates && worker->others && worker->prune;
	}
	return ok ? KITH_OK : fail(KITH_NOMEM, "no memory to link %lld vector%s", (long long)n, PLURAL(n));
}

void builder_end(struct builder *b)
{
	for (int i = 0; b->worker && i < b->workers; i++) {
		scratch_return(b->scratch_pool, b->worker[i].scratch);
		mem_free(b->worker[i].candidates);
		mem_free(b->worker[i].others);
		mem_free(b->worker[i].prune);
	}
	mem_free(b->worker);
	round_free(b->round);
	mem_free(b->reached);
	mem_free(b->copies);
}

/* ---- first half: neighbours of the nodes of the round ---- */

static void drop_dead(struct graph_scratch *w, const uint64_t *live)
{
	int64_t n = 0;
	for (int64_t i = 0; i < w->n; i++)
		if (graph_is_live(live, w->pool[i].node))
			w->pool[n++] = w->pool[i];
	w->n = n;
}

static void add_mates(struct graph_scratch *w, const struct round *r, int level, uint32_t node, int64_t ef)
{
	int64_t n = r->mates_at[level];
	graph_keys(w->space, w->origin, r->mates, n, w->key);
	for (int64_t i = 0; i < n; i++)
		if (r->mates[i] != node)
			offer_candidate(w, (struct candidate){w->key[i], r->mates[i]}, ef);
}

/* Put visited copies of the node itself back among the candidates: those with the nearest numbers, as many as
 * may be selected. More would leave no room for other candidates. */
static void take_own_copies(struct graph_scratch *w, const struct builder *b, uint32_t node, int64_t degree)
{
	int64_t n = 0, max = degree / 4 > 1 ? degree / 4 : 1;
	float key = 0;
	for (int64_t i = 0; i < w->copies; i++) {
		struct candidate c = w->copy[i];
		if (!graph_is_live(b->live, c.node) || !rows_equal(&b->space->rows, node, c.node))
			continue;
		key = c.key;
		c.key = (float)number_distance(node, c.node);
		candidate_insert(w->copy, &n, max, c);
	}
	for (int64_t i = 0; i < n; i++)
		candidate_insert(w->pool, &w->n, b->how.ef, (struct candidate){key, w->copy[i].node});
}

/* Remove zero vectors from the n candidates of a node that is not one; returns how many are left. *null: the
 * first of them, if there are any. Their key is 1 except for rounding, so few other vectors have to be
 * loaded.
 */
static int64_t take_nulls(const struct builder *b, struct worker *worker, uint32_t node, struct candidate *c,
    int64_t n, struct candidate *null)
{
	const float about = 1.0F / 16;
	float *x = worker->prune;
	int64_t kept = 0;
	if (graph_space_is_null(b->space, node, x))
		return n;
	for (int64_t i = 0; i < n; i++) {
		bool likely = fabs(graph_key_value(b->space, c[i].key) - 1) < about;
		if (!likely || !graph_space_is_null(b->space, c[i].node, x))
			c[kept++] = c[i];
		else if (null->node == GRAPH_NONE)
			*null = c[i];
	}
	return kept;
}

/* Keep the far nodes among the n candidates of a far node; returns how many. *other: the first of the others,
 * if there are any. */
static int64_t take_others(const struct builder *b, struct candidate *c, int64_t n, struct candidate *other)
{
	int64_t far = 0;
	for (int64_t i = 0; i < n; i++) {
		if (graph_is_live(b->far, c[i].node))
			c[far++] = c[i];
		else if (other->node == GRAPH_NONE)
			*other = c[i];
	}
	candidates_sort(c, far);
	return far;
}

/* graph_prune for a node. Some candidates must not cover others: a zero vector under cosine; and for a far
 * node those that are not far, since compared with it they are nearly one point, between it and most far
 * nodes, but have no edges to these. Such candidates are left out, and the nearest of them is added
 * afterwards. */
static int64_t prune(struct builder *b, struct worker *worker, const struct graph_rule *rule, uint32_t node,
    struct candidate *c, int64_t n, int64_t degree)
{
	struct candidate other = {.node = GRAPH_NONE};
	if (b->space->unit)
		n = take_nulls(b, worker, node, c, n, &other);
	else if (b->far && !b->space->edges->similarity && graph_is_live(b->far, node))
		n = take_others(b, c, n, &other);
	bool more = other.node != GRAPH_NONE;
	n = graph_prune_far(b->space, rule, node, c, n, degree - more, worker->others, worker->prune);
	if (more)
		c[n++] = other;
	return n;
}

/* Whether one of n selected neighbours is a copy of the node that comes before it: one that was in the graph,
 * or one of the round on a higher level or with a lower number. */
static bool comes_later(const struct builder *b, uint32_t node, const struct candidate *selected, int64_t n)
{
	const struct round *r = b->round;
	for (int64_t e = 0; e < n; e++) {
		uint32_t copy = selected[e].node;
		if (!rows_equal(&b->space->rows, node, copy))
			continue;
		bool mate = false;
		for (int64_t i = 0; i < r->n && !mate; i++)
			mate = r->nodes[i] == copy;
		int ahead = graph_level(b->graph, copy) - graph_level(b->graph, node);
		if (!mate || ahead > 0 || (ahead == 0 && copy < node))
			return true;
	}
	return false;
}

/* Append near nodes to a list of `n`, and their keys by the rule; returns how many there are then. *from:
 * where the search of this level begins, and afterwards where that of the next one does. */
static int64_t append_near(struct builder *b, struct worker *worker, uint32_t node, int level,
    struct candidate *from, uint32_t *list, float *key, int64_t n)
{
	struct graph_scratch *w = worker->scratch;
	struct graph_space near = graph_space_l2(b->space);
	int64_t width = graph_width(b->graph, level), ef = b->how.ef / 2;
	w->space = &near;
	w->seed_count = w->n = w->copies = 0;
	w->max_copies = 0;
	graph_origin_node(&near, node, w->origin);
	if (level <= graph_top(b->graph)) {
		graph_keys(&near, w->origin, &from->node, 1, &from->key);
		search_layer(w, level, *from, ef);
		*from = w->pool[0];
		drop_dead(w, b->live);
	}
	add_mates(w, b->round, level, node, ef);
	int64_t found =
	    graph_prune(&near, &b->how.rule, node, w->pool, w->n, width / NEAR_SHARE, worker->prune);
	w->space = b->space;
	for (int64_t i = 0; i < found; i++)
		w->batch[i] = w->pool[i].node;
	n = graph_append_near(
	    b->space, node, list, n, width, w->batch, found, width / NEAR_SHARE, worker->prune);
	graph_origin_node(b->space, node, w->origin);
	graph_keys(b->space, w->origin, list, n, key);
	return n;
}

/* Put the candidates of a node on a level into w->pool, and find where the search of the next level
 * begins. */
static void find_candidates(
    struct builder *b, struct graph_scratch *w, uint32_t node, int level, struct candidate *from)
{
	w->n = w->copies = 0;
	w->max_copies = b->how.ef;
	if (level <= graph_top(b->graph)) {
		search_layer(w, level, *from, b->how.ef);
		*from = w->pool[0];
		drop_dead(w, b->live);
	}
	add_mates(w, b->round, level, node, b->how.ef);
	take_own_copies(w, b, node, graph_width(b->graph, level));
}

static void link_node(struct builder *b, struct worker *worker, int64_t i)
{
	struct graph *graph = b->graph;
	const struct round *r = b->round;
	struct graph_scratch *w = worker->scratch;
	uint32_t node = r->nodes[i];
	int level = graph_level(graph, node), top = graph_top(graph);
	struct candidate from = {0};
	builder_changes(b, node);
	bool far = b->far && graph_is_live(b->far, node),
	     nears = b->space->edges->similarity && !b->near_later;
	w->seeds = b->seeds;
	w->far = b->space->edges->similarity ? NULL : b->far;
	w->far_only = far;
	w->live = b->live;
	graph_origin_node(b->space, node, w->origin);
	if (top >= 0)
		from = search_upper_layers(w, level < top ? level : top);
	for (struct candidate near = from; level >= 0; level--) {
		w->seed_count = far || b->space->edges->similarity ? b->seed_count : 0;
		find_candidates(b, w, node, level, &from);
		int64_t n = w->n;
		if (n >= graph->M)
			n = prune(b, worker, &b->how.rule, node, w->pool, n, graph_width(graph, level));
		uint32_t *list = graph_links(graph, node, level);
		float *key = r->key + r->slot[i] + (level ? graph->stride + (level - 1) * graph->M : 0);
		if (comes_later(b, node, w->pool, n))
			r->later[i] |= (uint16_t)(1U << level);
		for (int64_t e = 0; e < n; e++) {
			list[e] = w->pool[e].node;
			key[e] = w->pool[e].key;
		}
		if (nears)
			append_near(b, worker, node, level, &near, list, key, n);
	}
}

static void link_some(void *arg, int64_t task, int worker)
{
	struct builder *b = arg;
	int64_t from = task * NODES_PER_TASK, to = smaller_of(from + NODES_PER_TASK, b->round->n);
	if (b->how.progress && progress_cancelled(b->how.progress))
		return;
	for (int64_t i = from; i < to; i++)
		link_node(b, &b->worker[worker], i);
	if (b->how.progress)
		progress_add(b->how.progress, to - from);
}

/* ---- second half: edges in the other direction ---- */

/* Sort edges by `from`, stably, in three passes of 11 bits. */
static void sort_edges(struct round *r, int64_t n)
{
	enum { BITS = 11, BUCKETS = 1 << BITS };
	uint32_t count[BUCKETS];
	for (int shift = 0; shift < 32; shift += BITS) {
		memset(count, 0, sizeof count);
		for (int64_t i = 0; i < n; i++)
			count[r->edges[i].from >> shift & (BUCKETS - 1)]++;
		uint32_t at = 0;
		for (int64_t i = 0; i < BUCKETS; i++) {
			uint32_t here = count[i];
			count[i] = at;
			at += here;
		}
		for (int64_t i = 0; i < n; i++)
			r->sorted[count[r->edges[i].from >> shift & (BUCKETS - 1)]++] = r->edges[i];
		struct edge *swap = r->edges;
		r->edges = r->sorted;
		r->sorted = swap;
	}
	struct edge *swap = r->edges;
	r->edges = r->sorted;
	r->sorted = swap;
}

/* Gather the edges in the other direction of one level, grouped by `from`. */
static void gather_edges(struct builder *b, int level)
{
	struct round *r = b->round;
	const struct graph *graph = b->graph;
	int width = graph_width(graph, level);
	int64_t n = 0;
	for (int64_t i = 0; i < r->n; i++) {
		uint32_t node = r->nodes[i];
		if (graph_level(graph, node) < level)
			continue;
		const uint32_t *list = graph_links(graph, node, level);
		const float *key = r->key + r->slot[i] + (level ? graph->stride + (level - 1) * graph->M : 0);
		bool later = r->later[i] >> level & 1;
		for (int e = 0; e < width && list[e] != GRAPH_NONE; e++)
			if (!later || rows_equal(&b->space->rows, node, list[e]))
				r->edges[n++] = (struct edge){list[e], node, key[e]};
	}
	sort_edges(r, n);
	r->level = level;
	r->groups = 0;
	for (int64_t i = 0; i < n; i++)
		if (i == 0 || r->sorted[i].from != r->sorted[i - 1].from)
			r->group[r->groups++] = i;
	r->group[r->groups] = n;
}

static int compare_candidates(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	return candidate_before(*x, *y) ? -1 : candidate_before(*y, *x);
}

void candidates_sort(struct candidate *candidates, int64_t n)
{
	enum { FEW = 96 };
	if (n > FEW) {
		qsort(candidates, (size_t)n, sizeof *candidates, compare_candidates);
		return;
	}
	for (int64_t i = 1; i < n; i++) {
		struct candidate c = candidates[i];
		int64_t at = i;
		for (; at > 0 && candidate_before(c, candidates[at - 1]); at--)
			candidates[at] = candidates[at - 1];
		candidates[at] = c;
	}
}

/* Append near nodes to the list of n nodes that were selected among the `all` ones in worker->others; returns
 * how many there are then. */
static int64_t append_near_others(struct builder *b, struct worker *worker, uint32_t node, uint32_t *list,
    int64_t n, int64_t all, int64_t degree)
{
	struct graph_scratch *w = worker->scratch;
	struct graph_space near = graph_space_l2(b->space);
	struct candidate *others = worker->others;
	uint32_t more[2 * GRAPH_MAX_M];
	int64_t rest = 0, max = degree - n > degree / NEAR_KEPT ? degree - n : degree / NEAR_KEPT;
	graph_origin_node(&near, node, w->origin);
	for (int64_t i = 0; i < all; i++) {
		if (graph_list_has(list, n, others[i].node))
			continue;
		graph_keys(&near, w->origin, &others[i].node, 1, &others[i].key);
		others[rest++] = others[i];
	}
	candidates_sort(others, rest);
	rest = graph_prune(&near, &b->how.rule, node, others, rest, max, worker->prune);
	for (int64_t i = 0; i < rest; i++)
		more[i] = others[i].node;
	return graph_append_near(b->space, node, list, n, degree, more, rest, max, worker->prune);
}

void builder_choose(
    struct builder *b, int number, uint32_t node, int level, int64_t extra, int64_t degree, bool keep)
{
	struct worker *worker = &b->worker[number];
	struct graph_scratch *w = worker->scratch;
	struct candidate *c = worker->candidates;
	int width = graph_width(b->graph, level);
	uint32_t *list = graph_links(b->graph, node, level);
	int64_t n = graph_list_length(list, width);
	graph_origin_node(b->space, node, w->origin);
	graph_keys(b->space, w->origin, list, n, w->key);
	memmove(c + n, c + b->graph->stride, (size_t)extra * sizeof *c);
	for (int64_t i = 0; i < n; i++)
		c[i] = (struct candidate){w->key[i], list[i]};
	candidates_sort(c, n + extra);
	struct graph_rule rule = {.alpha = b->how.rule.alpha, .keep = keep};
	int64_t all = n + extra;
	bool nears = b->space->edges->similarity && !b->near_later;
	memcpy(worker->others, c, (size_t)all * sizeof *c);
	n = prune(b, worker, &rule, node, c, all, degree);
	for (int64_t i = 0; i < n; i++)
		list[i] = c[i].node;
	if (nears)
		n = append_near_others(b, worker, node, list, n, all, degree);
	for (; n < width; n++)
		list[n] = GRAPH_NONE;
}

static void link_back(struct builder *b, int number, const struct edge *edge, int64_t count)
{
	struct candidate *more = b->worker[number].candidates + b->graph->stride;
	int level = b->round->level, width = graph_width(b->graph, level);
	uint32_t *list = graph_links(b->graph, edge->from, level);
	int64_t n = graph_list_length(list, width), extra = 0;
	builder_changes(b, edge->from);
	for (int64_t i = 0; i < count; i++)
		if (!graph_list_has(list, n, edge[i].to))
			more[extra++] = (struct candidate){edge[i].key, edge[i].to};
	if (n + extra > width) {
		builder_choose(b, number, edge->from, level, extra, width, b->how.rule.keep);
		return;
	}
	for (int64_t i = 0; i < extra; i++)
		list[n + i] = more[i].node;
}

static void link_back_some(void *arg, int64_t task, int worker)
{
	struct builder *b = arg;
	const struct round *r = b->round;
	int64_t to = smaller_of((task + 1) * GROUPS_PER_TASK, r->groups);
	for (int64_t g = task * GROUPS_PER_TASK; g < to; g++)
		link_back(b, worker, r->sorted + r->group[g], r->group[g + 1] - r->group[g]);
}

/* ---- rounds ---- */

static void begin_round(struct builder *b, const uint32_t *nodes, int64_t n)
{
	struct round *r = b->round;
	const struct graph *graph = b->graph;
	int64_t slot = 0;
	r->nodes = nodes;
	r->n = n;
	memset(r->mates_at, 0, sizeof r->mates_at);
	for (int64_t i = 0; i < n; i++) {
		r->slot[i] = slot;
		r->later[i] = 0;
		slot += list_slots(graph, nodes[i]);
	}
	int64_t mates = 0;
	for (int level = GRAPH_MAX_LEVEL; level >= 0; level--) {
		for (int64_t i = 0; i < n; i++)
			if (graph_level(graph, nodes[i]) == level)
				r->mates[mates++] = nodes[i];
		r->mates_at[level] = mates;
	}
}

static void end_round(struct builder *b)
{
	struct graph *graph = b->graph;
	const struct round *r = b->round;
	for (int64_t i = 0; i < r->n; i++)
		if (graph->entry == GRAPH_NONE || graph_level(graph, r->nodes[i]) > graph_top(graph))
			graph->entry = r->nodes[i];
}

/* A round is at most an eighth of the graph before it: so the first nodes find nothing near them and keep
 * long edges, which lead from any part of the graph to any other. In a large first round, each node would be
 * linked to near ones, and if there are clusters, hardly to others. */
bool builder_insert(struct builder *b, const uint32_t *nodes, int64_t n)
{
	int64_t linked = b->graph->entry == GRAPH_NONE ? 0 : b->graph->n - n;
	for (int64_t from = 0; from < n; from += b->round->n) {
		int64_t max = linked + from < 1 ? 1 : smaller_of((linked + from + 7) / 8, ROUND);
		begin_round(b, nodes + from, smaller_of(n - from, max));
		threads_run(b->workers, (b->round->n + NODES_PER_TASK - 1) / NODES_PER_TASK, link_some, b);
		if (b->how.progress && progress_cancelled(b->how.progress))
			return false;
		for (int level = 0; level <= GRAPH_MAX_LEVEL && b->round->mates_at[level] > 0; level++) {
			gather_edges(b, level);
			threads_run(b->workers, (b->round->groups + GROUPS_PER_TASK - 1) / GROUPS_PER_TASK,
			    link_back_some, b);
		}
		end_round(b);
	}
	return true;
}
