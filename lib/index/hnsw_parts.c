/* Graph indexes made of parts: vectors, and a graph that was linked elsewhere. */
#include "lib/index/hnsw.h"

#include "lib/base/status.h"
#include "lib/index/parts.h"

kith_status hnsw_from_components(
    kith_index **out, const struct metric *metric, struct vectors *take, struct graph *take_graph)
{
	kith_index *index;
	int64_t n = take->codes.n;
	kith_status status = hnsw_new(&index, metric, take_graph->M, take->codec);
	if (status)
		return status;
	struct hnsw *hnsw = hnsw_of(index);
	hnsw->codes = take->codes;
	hnsw->ids = take->ids;
	hnsw->graph = *take_graph;
	*take = (struct vectors){0};
	graph_init(take_graph, take_graph->M);
	status = hnsw_make_room(hnsw, n, n, false, 0);
	if (status == KITH_OK) {
		hnsw_measure(hnsw, 0, n);
		status = hnsw_find_keys(hnsw, KEYS_FLOAT);
	}
	if (status) {
		index->ops->free(index);
		return status;
	}
	/* It is not known whether every node can be reached. */
	hnsw->unconnected = n;
	*out = index;
	return KITH_OK;
}

bool is_hnsw(const kith_index *index)
{
	return index->ops->search == hnsw_search;
}
