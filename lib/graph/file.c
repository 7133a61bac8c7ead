/* A graph in a file. Nothing in it is trusted: graph_check tests that every edge leads to a node that is on
 * the level, and that nothing follows the end of a list. */
#include "lib/graph/file.h"

#include "kernels/kernels.h"
#include "lib/base/status.h"
#include "lib/base/threads.h"
#include "lib/graph/search_layer.h"

#include <stdatomic.h>
#include <stdio.h>

static size_t list_bytes(int64_t rows, int width)
{
	return (size_t)rows * (size_t)width * sizeof(uint32_t);
}

void graph_save_head(const struct graph *graph, int64_t unconnected, bool mapped, struct blob_writer *w)
{
	struct graph_head head = {.nodes = graph->n,
	    .rows = graph->rows,
	    .unconnected = unconnected,
	    .seed = graph->seed,
	    .M = (uint32_t)graph->M,
	    .entry = graph->entry,
	    .mapped = mapped};
	blob_write(w, "GRPH", &head, sizeof head);
}

void graph_save(const struct graph *graph, int64_t unconnected, bool mapped, struct blob_writer *w)
{
	graph_save_head(graph, unconnected, mapped, w);
	blob_write(w, "LEVL", graph->level.data, (size_t)graph->n);
	blob_write(w, "RANK", graph->rank.data, graph_rank_bytes(graph->n));
	blob_write(w, "LNK0", graph->links0.data, list_bytes(graph->n, graph->stride));
	blob_write(w, "LNK1", graph->upper.data, list_bytes(graph->rows, graph->M));
}

/* ---- loading ---- */

kith_status graph_load_head(const struct graph *graph, struct graph_head *head, struct blob_reader *r)
{
	kith_status status = blob_read(r, "GRPH", head, sizeof *head);
	if (status)
		return status;
	bool good = head->nodes >= 0 && head->nodes <= GRAPH_MAX_NODES && head->rows >= 0 &&
	            head->rows <= head->nodes * GRAPH_MAX_LEVEL && head->rows < GRAPH_NONE &&
	            head->M == (uint32_t)graph->M && head->mapped <= 1 && !head->zero &&
	            head->unconnected >= 0 && head->unconnected <= head->nodes;
	good = good && (head->nodes == 0 ? head->entry == GRAPH_NONE : head->entry < head->nodes);
	return good ? KITH_OK : blob_fail(r, "GRPH", "contradicts itself");
}

kith_status graph_take_section(struct blob_reader *r, const char *tag, struct buffer *buffer, size_t bytes)
{
	kith_status status = blob_open(r, tag, bytes);
	if (status == KITH_OK)
		status = blob_take(r, buffer, bytes);
	return status ? status : blob_close(r);
}

kith_status graph_take(struct graph *graph, const struct graph_head *head, struct blob_reader *r)
{
	graph->n = head->nodes;
	graph->rows = head->rows;
	graph->seed = head->seed;
	graph->entry = head->entry;
	kith_status status = graph_take_section(r, "LEVL", &graph->level, (size_t)graph->n);
	if (status == KITH_OK)
		status = graph_take_section(r, "RANK", &graph->rank, graph_rank_bytes(graph->n));
	if (status == KITH_OK)
		status = graph_take_section(r, "LNK0", &graph->links0, list_bytes(graph->n, graph->stride));
	if (status == KITH_OK)
		status = graph_take_section(r, "LNK1", &graph->upper, list_bytes(graph->rows, graph->M));
	if (status == KITH_OK && graph_top(graph) > GRAPH_MAX_LEVEL)
		status = blob_fail(r, "LEVL", "gives the entry point the level %d", graph_top(graph));
	return status;
}

/* ---- checking ---- */

bool graph_found(struct graph_fault *fault, const char *tag, const char *what, int64_t number)
{
	fault->tag = tag;
	snprintf(fault->what, sizeof fault->what, "%s, at number %lld", what, (long long)number);
	return true;
}

static bool check_levels(const struct graph *graph, struct graph_fault *fault)
{
	int64_t rows = 0;
	for (int64_t i = 0; i < graph->n; i++) {
		if (graph_level(graph, i) > GRAPH_MAX_LEVEL)
			return graph_found(fault, "LEVL", "gives a node a level that does not exist", i);
		if (i % GRAPH_RANK == 0 && graph_ranks(graph)[i / GRAPH_RANK] != rows)
			return graph_found(fault, "RANK", "does not say where lists begin", i / GRAPH_RANK);
		rows += graph_level(graph, i);
	}
	return rows != graph->rows && graph_found(fault, "LEVL", "has levels without lists", rows);
}

/* Nodes whose lists one task checks. */
enum { CHECK_NODES = 16384 };

/* See graph_list_is_good. */
static bool list_is_good(const struct kernels *kern, const struct graph *graph, int64_t node, int level)
{
	const uint32_t *list = graph_links(graph, node, level);
	int width = graph_width(graph, level);
	bool good = kern->good_list(list, width, (uint32_t)graph->n, (uint32_t)node);
	for (int i = 0; level > 0 && good && i < width && list[i] != GRAPH_NONE; i++)
		good = graph_level(graph, list[i]) >= level;
	return good;
}

bool graph_list_is_good(const struct graph *graph, int64_t node, int level)
{
	return list_is_good(kernels(), graph, node, level);
}

struct checking {
	const struct graph *graph;
	_Atomic int64_t bad; /* the first node with an invalid list; graph->n: none was found yet */
};

static void check_some(void *arg, int64_t task, int worker)
{
	struct checking *c = arg;
	const struct kernels *kern = kernels();
	int64_t from = task * CHECK_NODES, to = from + CHECK_NODES;
	(void)worker;
	to = to < c->graph->n ? to : c->graph->n;
	for (int64_t i = from; i < to && i < atomic_load_explicit(&c->bad, memory_order_relaxed); i++)
		for (int level = graph_level(c->graph, i); level >= 0; level--) {
			int64_t bad = atomic_load(&c->bad);
			if (list_is_good(kern, c->graph, i, level))
				continue;
			while (i < bad && !atomic_compare_exchange_weak(&c->bad, &bad, i))
				;
		}
}

static bool check_lists(const struct graph *graph, struct graph_fault *fault)
{
	struct checking c = {.graph = graph, .bad = graph->n};
	threads_run(threads_resolve(0), (graph->n + CHECK_NODES - 1) / CHECK_NODES, check_some, &c);
	return c.bad < graph->n &&
	       graph_found(fault, list_is_good(kernels(), graph, c.bad, 0) ? "LNK1" : "LNK0",
	           "holds an invalid list, of the node", c.bad);
}

bool graph_check(const struct graph *graph, struct graph_fault *fault)
{
	return check_levels(graph, fault) || check_lists(graph, fault);
}
