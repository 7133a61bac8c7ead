/* Repairing a graph index: edges of live nodes to dead ones are replaced, dead nodes become free to be used
 * again, and nodes that cannot be reached any more are connected. A cancelled call restores the graph from a
 * copy.
 */
#include "lib/index/hnsw.h"
#include "lib/index/hnsw_log.h"

#include "lib/base/alloc.h"
#include "lib/base/progress.h"

kith_status hnsw_repair(struct hnsw *hnsw, const kith_add_options *options)
{
	struct builder builder;
	struct progress progress;
	struct graph before; /* a copy, if a cancel may need it */
	struct graph_space space = hnsw_space(hnsw);
	struct graph_building how = hnsw_building(hnsw, options);
	uint64_t *owned;
	const uint64_t *live;
	how.progress = &progress;
	graph_init(&before, hnsw->graph.M);
	kith_status status = hnsw_linkable(hnsw, &owned, &live);
	if (status)
		return status;
	status = builder_begin(&builder, &hnsw->graph, &space, &how, hnsw->scratch_pool, NULL, 0);
	if (status == KITH_OK && (options->progress || progress_current()))
		status = graph_copy(&before, &hnsw->graph);
	if (status == KITH_OK) {
		builder.live = live;
		builder.changed = hnsw_log_bits(hnsw);
		progress_begin(&progress, options->progress, options->progress_data, "repair", hnsw->graph.n);
		if (!hnsw->dead || builder_repair(&builder))
			builder_connect(&builder);
		status = progress_end(&progress);
		if (status == KITH_OK) {
			if (hnsw->graph.entry == GRAPH_NONE) /* only far nodes are left */
				graph_choose_entry(&hnsw->graph, hnsw_live(hnsw));
			hnsw_free_dead(hnsw);
			hnsw_log_event(hnsw, EVENT_REPAIR);
		} else {
			graph_swap(&hnsw->graph, &before);
		}
	}
	builder_end(&builder);
	mem_free(owned);
	graph_free(&before);
	return status;
}
