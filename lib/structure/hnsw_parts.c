/* Graph indexes made of parts: vectors and levels, then lists that somebody else made. */
#include "lib/structure/hnsw.h"

#include "lib/base/status.h"
#include "lib/structure/parts.h"

#include <string.h>

kith_status hnsw_begin_parts(
    kith_index **out, kith_metric metric, int M, struct vectors *take, const uint8_t *levels, uint32_t entry)
{
	kith_index *index;
	int64_t n = take->codes.n, rows = 0;
	for (int64_t i = 0; i < n; i++)
		rows += levels[i];
	kith_status status = hnsw_new(&index, metric, M, take->codec);
	if (status)
		return status;
	struct hnsw *hnsw = hnsw_of(index);
	struct graph *graph = &hnsw->graph;
	hnsw->codes = take->codes;
	hnsw->ids = take->ids;
	*out = index;
	*take = (struct vectors){0};
	status = hnsw_make_room(hnsw, n, n, false, 0);
	if (status == KITH_OK)
		status = graph_reserve(graph, n, rows, 0);
	if (status || n == 0)
		return status;
	memcpy(graph->level.data, levels, (size_t)n);
	for (int64_t i = 0; i < n; i++) {
		graph_rank(graph, i, graph->rows);
		graph->rows += levels[i];
	}
	memset(graph->links0.data, 0xff, (size_t)n * (size_t)graph->stride * sizeof(uint32_t));
	if (rows)
		memset(graph->upper.data, 0xff, (size_t)rows * (size_t)graph->M * sizeof(uint32_t));
	graph->n = n;
	graph->entry = entry;
	return KITH_OK;
}

void hnsw_end_parts(kith_index *index)
{
	struct hnsw *hnsw = hnsw_of(index);
	hnsw_measure(hnsw, 0, hnsw->graph.n);
	/* Whether every node can be reached nobody has looked. */
	hnsw->unsettled = hnsw->graph.n;
}

bool is_hnsw(const kith_index *index)
{
	return index->ops->search == hnsw_search;
}
