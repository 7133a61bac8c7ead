/* The graph in memory.
 *
 * Level 0, where a search spends most of its time, is one array of rows of equal length: the list of node i
 * is at i · stride, and can be prefetched as soon as i is known. Level l has M^-l of the nodes; the lists of
 * upper levels are rows of M in an array of their own, those of one node together. How many rows come before
 * those of a node is stored for every 64th node; for the others, the levels of the nodes since then are added
 * up. That makes 4 · 2 M + 1.06 bytes a node and 4 M / (M − 1) for the upper levels: 261 bytes with M = 32.
 *
 * The level of a node follows from the seed and its number, so it does not depend on earlier changes.
 */
#include "lib/graph/graph.h"

#include "lib/base/random.h"
#include "lib/base/status.h"

#include <string.h>

int graph_draw_level(uint64_t seed, int64_t node, int M)
{
	struct random random = random_begin(seed, (uint64_t)node);
	int level = 0;
	while (level < GRAPH_MAX_LEVEL && random_below(&random, M) == 0)
		level++;
	return level;
}

void graph_init(struct graph *graph, int M)
{
	*graph = (struct graph){.M = M, .stride = 2 * M, .entry = GRAPH_NONE};
}

void graph_free(struct graph *graph)
{
	buffer_free(&graph->links0);
	buffer_free(&graph->level);
	buffer_free(&graph->rank);
	buffer_free(&graph->upper);
	graph_init(graph, graph->M);
}

size_t graph_memory(const struct graph *graph)
{
	return buffer_memory(&graph->links0) + buffer_memory(&graph->level) + buffer_memory(&graph->rank) +
	       buffer_memory(&graph->upper);
}

static size_t list0_bytes(const struct graph *graph)
{
	return (size_t)graph->stride * sizeof(uint32_t);
}

static size_t row_bytes(const struct graph *graph)
{
	return (size_t)graph->M * sizeof(uint32_t);
}

size_t graph_rank_bytes(int64_t n)
{
	return (size_t)((n + GRAPH_RANK - 1) / GRAPH_RANK) * sizeof(uint32_t);
}

void graph_rank(struct graph *graph, int64_t node, int64_t row)
{
	if (node % GRAPH_RANK == 0)
		graph_ranks(graph)[node / GRAPH_RANK] = (uint32_t)row;
}

/* This check of each list that is read keeps a search within the graph; other damage can only make the result
 * worse. */
const uint32_t *graph_unvalidated_links(const struct graph *graph, int64_t node, int level)
{
	if (level > 0 && (graph_level(graph, node) < level || graph_row(graph, node) + level > graph->rows))
		return NULL;
	const uint32_t *list = graph_links(graph, node, level);
	uint32_t max = 0; /* 1 + the last node; GRAPH_NONE wraps */
	for (int i = 0; i < graph_width(graph, level); i++)
		max = list[i] + 1 > max ? list[i] + 1 : max;
	return max <= graph->n ? list : NULL;
}

kith_status graph_reserve(struct graph *graph, int64_t n, int64_t rows, int spare)
{
	size_t level0, upper;
	bool ok = size_mul((size_t)n, list0_bytes(graph), &level0) &&
	          size_mul((size_t)rows, row_bytes(graph), &upper) &&
	          buffer_reserve(&graph->links0, level0, spare) &&
	          buffer_reserve(&graph->level, (size_t)n, spare) &&
	          buffer_reserve(&graph->rank, graph_rank_bytes(n), spare) &&
	          buffer_reserve(&graph->upper, upper, spare);
	return ok ? KITH_OK
	          : fail(KITH_NOMEM, "no memory for a graph of %lld node%s", (long long)n, PLURAL(n));
}

/* Append nodes until there are n, with these levels from node graph->n on (NULL: with drawn ones). Memory is
 * reserved already. */
static void append_nodes(struct graph *graph, int64_t n, const uint8_t *levels)
{
	for (int64_t first = graph->n, i = first; i < n; i++) {
		uint8_t level =
		    levels ? levels[i - first] : (uint8_t)graph_draw_level(graph->seed, i, graph->M);
		((uint8_t *)graph->level.data)[i] = level;
		graph_rank(graph, i, graph->rows);
		graph->rows += level;
		graph_clear_node(graph, i);
	}
	graph->n = n;
}

kith_status graph_begin(struct graph *graph, int64_t n, const uint8_t *levels, uint32_t entry)
{
	int64_t rows = 0;
	for (int64_t i = 0; i < n; i++)
		rows += levels[i];
	kith_status status = graph_reserve(graph, n, rows, 0);
	if (status)
		return status;
	append_nodes(graph, n, levels);
	graph->entry = entry;
	return KITH_OK;
}

kith_status graph_grow(struct graph *graph, int64_t n)
{
	int64_t rows = graph->rows;
	for (int64_t i = graph->n; i < n; i++)
		rows += graph_draw_level(graph->seed, i, graph->M);
	kith_status status = graph_reserve(graph, n, rows, 4);
	if (status)
		return status;
	append_nodes(graph, n, NULL);
	return KITH_OK;
}

void graph_clear_node(struct graph *graph, int64_t node)
{
	memset(graph_links(graph, node, 0), 0xff, list0_bytes(graph));
	int level = graph_level(graph, node);
	if (level)
		memset(graph_links(graph, node, 1), 0xff, (size_t)level * row_bytes(graph));
}

void graph_shrink(struct graph *graph, int64_t n)
{
	while (graph->n > n)
		graph->rows -= graph_level(graph, --graph->n);
	if (n == 0)
		graph->entry = GRAPH_NONE;
}

void graph_swap(struct graph *a, struct graph *b)
{
	struct graph swap = *a;
	*a = *b;
	*b = swap;
}

kith_status graph_copy(struct graph *to, const struct graph *from)
{
	graph_init(to, from->M);
	static const char what[] = "a copy of a graph";
	size_t n = (size_t)from->n;
	kith_status status = buffer_copy(&to->links0, &from->links0, n * list0_bytes(from), what);
	if (status == KITH_OK)
		status = buffer_copy(&to->level, &from->level, n, what);
	if (status == KITH_OK)
		status = buffer_copy(&to->rank, &from->rank, graph_rank_bytes(from->n), what);
	if (status == KITH_OK)
		status = buffer_copy(&to->upper, &from->upper, (size_t)from->rows * row_bytes(from), what);
	if (status) {
		graph_free(to);
		return status;
	}
	to->n = from->n;
	to->seed = from->seed;
	to->entry = from->entry;
	to->rows = from->rows;
	to->unvalidated = from->unvalidated;
	return KITH_OK;
}

void graph_choose_entry(struct graph *graph, const uint64_t *live)
{
	graph->entry = GRAPH_NONE;
	for (int64_t i = 0; i < graph->n; i++)
		if (graph_is_live(live, (uint32_t)i) &&
		    (graph->entry == GRAPH_NONE || graph_level(graph, i) > graph_top(graph)))
			graph->entry = (uint32_t)i;
}

/* Move a row of links to its new place, which is not behind the old one, and renumber the nodes in it. */
static void move_row(uint32_t *to, const uint32_t *from, int width, const uint32_t *number)
{
	for (int i = 0; i < width; i++)
		to[i] = from[i] == GRAPH_NONE ? GRAPH_NONE : number[from[i]];
}

void graph_compact(struct graph *graph, const uint64_t *live, const uint32_t *number)
{
	uint8_t *level = (uint8_t *)graph->level.data;
	uint32_t *upper = (uint32_t *)(void *)graph->upper.data;
	int64_t kept = 0, rows = 0, row = 0;
	for (int64_t i = 0; i < graph->n; i++) {
		int levels = level[i];
		row += levels;
		if (!graph_is_live(live, (uint32_t)i))
			continue;
		move_row(graph_links(graph, kept, 0), graph_links(graph, i, 0), graph->stride, number);
		for (int l = 0; l < levels; l++)
			move_row(upper + (size_t)(rows + l) * (size_t)graph->M,
			    upper + (size_t)(row - levels + l) * (size_t)graph->M, graph->M, number);
		level[kept] = (uint8_t)levels;
		graph_rank(graph, kept, rows);
		rows += levels;
		kept++;
	}
	graph->n = kept;
	graph->rows = rows;
	if (graph->entry != GRAPH_NONE)
		graph->entry = number[graph->entry];
}

void graph_trim(struct graph *graph)
{
	size_t n = (size_t)graph->n;
	buffer_trim(&graph->links0, n * list0_bytes(graph));
	buffer_trim(&graph->level, n);
	buffer_trim(&graph->rank, graph_rank_bytes(graph->n));
	buffer_trim(&graph->upper, (size_t)graph->rows * row_bytes(graph));
}
