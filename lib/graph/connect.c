/* Keeping every live node reachable from the entry, also after pruning has removed the last edge to one, or
 * nodes that led to it were removed. */
#include "lib/graph/build.h"

#include "lib/base/progress.h"
#include "lib/base/threads.h"
#include "lib/graph/copies.h"

#include <string.h>

enum { LOOK = 1024 }; /* nodes between two checks whether to stop */

/* ---- paths from the entry ---- */

static bool is_reached(const struct builder *b, uint32_t node)
{
	return b->reached[node / 64] >> (node % 64) & 1;
}

/* Mark every node of level 0 that can be reached from a node. False: cancelled. */
static bool spread(struct builder *b, uint32_t node)
{
	const struct graph *graph = b->graph;
	int64_t n = 0;
	b->reached[node / 64] |= UINT64_C(1) << (node % 64);
	b->queue[n++] = node;
	for (int64_t at = 0; at < n; at++) {
		const uint32_t *list = graph_links(graph, b->queue[at], 0);
		if (at % LOOK == LOOK - 1 && progress_stopped())
			return false;
		for (int i = 0; i < graph->stride && list[i] != GRAPH_NONE; i++) {
			if (is_reached(b, list[i]))
				continue;
			b->reached[list[i] / 64] |= UINT64_C(1) << (list[i] % 64);
			b->queue[n++] = list[i];
		}
	}
	return true;
}

static int64_t degree(const struct graph *graph, uint32_t node)
{
	return graph_list_length(graph_links(graph, node, 0), graph->stride);
}

/* Make `node` a neighbour of the reached node `from`, if the list of that has room. */
static bool append(struct builder *b, uint32_t from, uint32_t node)
{
	int64_t n = degree(b->graph, from);
	if (!is_reached(b, from) || n == b->graph->stride)
		return false;
	builder_changes(b, from);
	graph_links(b->graph, from, 0)[n] = node;
	return true;
}

/* Put `node` between the reached node `from` and its last neighbour. The edge of `node` that may be lost by
 * this is not needed to reach a node that was reached before, since `node` was not reached itself. */
static void splice(struct builder *b, uint32_t from, uint32_t node)
{
	int64_t last = b->graph->stride - 1, n = degree(b->graph, node);
	uint32_t *list = graph_links(b->graph, from, 0), *own = graph_links(b->graph, node, 0);
	uint32_t behind = list[last];
	builder_changes(b, from);
	builder_changes(b, node);
	list[last] = node;
	for (int64_t i = 0; i < n; i++)
		if (own[i] == behind)
			return;
	own[n <= last ? n : last] = behind;
}

/* Make a node reachable: by an edge from one of its neighbours that has room, or from a near node that has
 * room, or by putting it between a near node and that node's last neighbour. */
static void reach(struct builder *b, uint32_t node)
{
	const struct graph *graph = b->graph;
	struct graph_scratch *w = b->worker[0].scratch;
	const uint32_t *list = graph_links(graph, node, 0);
	for (int i = 0; i < graph->stride && list[i] != GRAPH_NONE; i++)
		if (append(b, list[i], node))
			return;
	w->seed_count = 0;
	graph_origin_node(b->space, node, w->origin);
	search_base_layer(w, search_upper_layers(w, 0), b->how.ef, 1);
	for (int64_t i = 0; i < w->n; i++)
		if (append(b, w->pool[i].node, node))
			return;
	for (int64_t i = 0; i < w->n; i++)
		if (is_reached(b, w->pool[i].node)) {
			splice(b, w->pool[i].node, node);
			return;
		}
	if (!append(b, graph->entry, node))
		splice(b, graph->entry, node);
}

/* How many neighbours in a list are not copies of the node. */
static int64_t list_others(const struct builder *b, uint32_t node, const uint32_t *list)
{
	int64_t n = 0;
	for (int64_t i = 0; i < b->graph->stride && list[i] != GRAPH_NONE; i++)
		n += !rows_equal(&b->space->rows, node, list[i]);
	return n;
}

/* Write the neighbours of the n copies of a vector, without these copies and one of each group of copies,
 * into list [stride], GRAPH_NONE behind the last. If there are too many, a selection of them is written,
 * filled up from the longest list: with the selection alone, lists would get shorter each time. */
static void join_lists(struct builder *b, const uint64_t *entry, int64_t n, uint32_t *list)
{
	struct graph_scratch *w = b->worker[0].scratch;
	uint32_t node = copies_node(entry[0]);
	int64_t stride = b->graph->stride, degree = stride - copies_ring(n, stride), max = 0, count;
	const uint32_t *longest = graph_links(b->graph, node, 0);
	visited_clear(w);
	w->live = b->live;
	w->max_copies = 0;
	graph_origin_node(b->space, node, w->origin);
	for (int64_t i = 0; i < n; i++) {
		const uint32_t *own = graph_links(b->graph, copies_node(entry[i]), 0);
		count = visit_neighbours(w, own);
		for (int64_t j = 0; j < count; j++)
			if (graph_is_live(b->live, w->batch[j]) &&
			    !rows_equal(&b->space->rows, node, w->batch[j]))
				offer_candidate(w, (struct candidate){w->key[j], w->batch[j]}, b->how.ef);
		count = list_others(b, node, own);
		longest = count > max ? own : longest;
		max = count > max ? count : max;
	}
	bool all = w->n <= degree;
	count = w->n;
	if (!all)
		count = graph_prune(b->space, &b->how.rule, node, w->pool, w->n, degree, b->worker[0].prune);
	for (int64_t i = 0; i < stride; i++)
		list[i] = i < count ? w->pool[i].node : GRAPH_NONE;
	for (int64_t i = 0; !all && i < stride && longest[i] != GRAPH_NONE && count < degree; i++)
		if (graph_is_live(b->live, longest[i]) && !graph_list_has(list, count, longest[i]) &&
		    !rows_equal(&b->space->rows, node, longest[i]))
			list[count++] = longest[i];
}

/* Give all copies of a vector the same neighbours, so that a search gets to all of these from whichever copy
 * it visits first. False: cancelled. */
static bool link_copies(struct builder *b)
{
	uint32_t list[2 * GRAPH_MAX_M] = {0}, own[2 * GRAPH_MAX_M];
	size_t bytes = (size_t)b->graph->stride * sizeof *own;
	const uint64_t *entry = b->copies;
	int64_t n = copies_find(b->space, b->live, b->graph->n, b->copies);
	for (int64_t from = 0, to; from < n; from = to) {
		if (progress_stopped())
			return false;
		to = copies_end(entry, from, n);
		join_lists(b, entry + from, to - from, list);
		for (int64_t i = 0; i < to - from; i++) {
			uint32_t node = copies_node(entry[from + i]), *old = graph_links(b->graph, node, 0);
			copies_write_list(entry + from, to - from, i, list, b->graph->stride, own);
			if (memcmp(old, own, bytes) == 0)
				continue;
			builder_changes(b, node);
			memcpy(old, own, bytes);
		}
	}
	return true;
}

bool builder_connect(struct builder *b)
{
	const struct graph *graph = b->graph;
	if (graph->entry == GRAPH_NONE)
		return true;
	if (!link_copies(b))
		return false;
	memset(b->reached, 0, (size_t)(graph->n + 63) / 64 * sizeof *b->reached);
	if (!spread(b, graph->entry))
		return false;
	for (int64_t i = 0; i < graph->n; i++) {
		uint32_t node = (uint32_t)i;
		if (is_reached(b, node) || !graph_is_live(b->live, node))
			continue;
		reach(b, node);
		if (progress_stopped() || !spread(b, node))
			return false;
	}
	return true;
}

/* ---- paths around removed nodes ---- */

/* Add candidates of a node that replace a removed neighbour: the live neighbours of the removed one. */
static int64_t add_behind(struct builder *b, uint32_t node, uint32_t removed, int level, const uint32_t *list,
    uint32_t *more, int64_t n)
{
	const uint32_t *behind = graph_links(b->graph, removed, level);
	int width = graph_width(b->graph, level);
	for (int i = 0; i < width && behind[i] != GRAPH_NONE; i++) {
		bool known = behind[i] == node || !graph_is_live(b->live, behind[i]);
		for (int j = 0; !known && j < width && list[j] != GRAPH_NONE; j++)
			known = list[j] == behind[i];
		for (int64_t j = 0; !known && j < n; j++)
			known = more[j] == behind[i];
		if (!known && n < REPAIR_MAX)
			more[n++] = behind[i];
	}
	return n;
}

static void repair_list(struct builder *b, int number, uint32_t node, int level)
{
	uint32_t *list = graph_links(b->graph, node, level), more[REPAIR_MAX];
	float key[REPAIR_MAX];
	int width = graph_width(b->graph, level);
	int64_t n = 0;
	int kept = 0;
	for (int i = 0; i < width && list[i] != GRAPH_NONE; i++)
		if (!graph_is_live(b->live, list[i]))
			n = add_behind(b, node, list[i], level, list, more, n);
	for (int i = 0; i < width && list[i] != GRAPH_NONE; i++)
		if (graph_is_live(b->live, list[i]))
			list[kept++] = list[i];
	int degree = kept;
	while (degree < width && list[degree] != GRAPH_NONE)
		degree++;
	if (degree > kept)
		builder_changes(b, node);
	for (int i = kept; i < width; i++)
		list[i] = GRAPH_NONE;
	if (degree == kept || n == 0)
		return;
	struct worker *worker = &b->worker[number];
	graph_origin_node(b->space, node, worker->scratch->origin);
	graph_keys(b->space, worker->scratch->origin, more, n, key);
	for (int64_t i = 0; i < n; i++)
		worker->candidates[b->graph->stride + i] = (struct candidate){key[i], more[i]};
	/* As many as before: with the rule alone, lists would get shorter with each repair. */
	builder_choose(b, number, node, level, n, degree, true);
}

static void repair_some(void *arg, int64_t task, int worker)
{
	struct builder *b = arg;
	int64_t to = (task + 1) * REPAIR_NODES;
	to = to < b->graph->n ? to : b->graph->n;
	if (atomic_load(&b->stopped))
		return;
	for (int64_t i = task * REPAIR_NODES; i < to; i++) {
		if (!graph_is_live(b->live, (uint32_t)i))
			continue;
		for (int level = graph_level(b->graph, i); level >= 0; level--)
			repair_list(b, worker, (uint32_t)i, level);
	}
	if (b->how.progress && !progress_add(b->how.progress, to - task * REPAIR_NODES))
		atomic_store(&b->stopped, true);
}

bool builder_repair(struct builder *b)
{
	struct graph *graph = b->graph;
	threads_run(b->workers, (graph->n + REPAIR_NODES - 1) / REPAIR_NODES, repair_some, b);
	if (atomic_load(&b->stopped))
		return false;
	for (int64_t i = 0; i < graph->n; i++)
		if (!graph_is_live(b->live, (uint32_t)i)) {
			builder_changes(b, (uint32_t)i);
			graph_clear_node(graph, i);
		}
	graph_choose_entry(graph, b->live);
	return true;
}
