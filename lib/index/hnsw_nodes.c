/* Memory of a graph index's nodes, and the maps between nodes and slots. There are maps only while the two
 * numberings differ (see hnsw.c).
 */
#include "lib/index/hnsw.h"

#include "kernels/kernels.h"
#include "lib/base/lazy.h"
#include "lib/base/status.h"

#include <math.h>
#include <string.h>

struct graph_space hnsw_space(const struct hnsw *hnsw)
{
	bool unit = hnsw->base.metric->unit;
	struct graph_space space = {.rows = codes_rows(&hnsw->codes),
	    .metric = unit && !hnsw_measures(hnsw) ? &metric_l2 : hnsw->base.metric,
	    .edges =
	        unit || (hnsw->quantizer && hnsw->base.metric->similarity) ? &metric_l2 : hnsw->base.metric,
	    .unit = unit,
	    .precision = hnsw->keys};
	if (hnsw_measures(hnsw))
		space.inverse = (const float *)(const void *)hnsw->inverse.data;
	return space;
}

static kith_status reserve(struct buffer *buffer, int64_t n, size_t size, int spare)
{
	size_t bytes = (size_t)n * size;
	return buffer_reserve(buffer, bytes, spare) ? KITH_OK : fail_nomem("a graph's nodes", bytes);
}

kith_status hnsw_make_room(struct hnsw *hnsw, int64_t n, int64_t slots, bool map, int spare)
{
	kith_status status = codes_reserve(&hnsw->codes, n, spare);
	if (status == KITH_OK && hnsw_measures(hnsw))
		status = reserve(&hnsw->inverse, n, sizeof(float), spare);
	if (status || !map)
		return status;
	status = reserve(&hnsw->node_of, slots, sizeof(uint32_t), spare);
	if (status == KITH_OK)
		status = reserve(&hnsw->slot_of, n, sizeof(uint32_t), spare);
	return status ? status : reserve(&hnsw->live, (n + 63) / 64, sizeof(uint64_t), spare);
}

void hnsw_map(struct hnsw *hnsw)
{
	if (hnsw->mapped)
		return;
	hnsw->mapped = true;
	for (int64_t i = 0; i < hnsw->ids.n; i++)
		hnsw_node_of(hnsw)[i] = hnsw_slot_of(hnsw)[i] = (uint32_t)i;
	memset(hnsw->live.data, 0xff, (size_t)(hnsw->ids.n + 63) / 64 * sizeof(uint64_t));
}

void hnsw_unmap(struct hnsw *hnsw)
{
	if (!hnsw->mapped || hnsw->graph.n != hnsw->ids.n)
		return;
	for (int64_t i = 0; i < hnsw->ids.n; i++)
		if (hnsw_node_of(hnsw)[i] != i)
			return;
	hnsw->mapped = false;
	buffer_free(&hnsw->node_of);
	buffer_free(&hnsw->slot_of);
	buffer_free(&hnsw->live);
}

void hnsw_measure(struct hnsw *hnsw, int64_t from, int64_t to)
{
	const struct kernels *kern = kernels();
	struct rows rows = codes_rows(&hnsw->codes);
	float *inverse = (float *)(void *)hnsw->inverse.data;
	for (int64_t i = from; hnsw_measures(hnsw) && i < to; i++) {
		int32_t sq;
		(rows.form->type == KITH_U8 ? kern->normsq_u8 : kern->normsq_i8)(
		    rows_at(&rows, i), 0, 1, rows.dim, &sq);
		inverse[i] = sq > 0 ? (float)(1 / sqrt((double)sq)) : 0;
	}
}

void hnsw_clear(struct hnsw *hnsw)
{
	codes_free(&hnsw->codes);
	graph_free(&hnsw->graph);
	hnsw->mapped = false;
	hnsw->dead = hnsw->free = hnsw->unconnected = 0;
	hnsw->keys = hnsw->linked = KEYS_FLOAT;
	hnsw->measured = hnsw->changed = hnsw->fars = 0;
	buffer_free(&hnsw->far);
	buffer_free(&hnsw->node_of);
	buffer_free(&hnsw->slot_of);
	buffer_free(&hnsw->live);
	buffer_free(&hnsw->inverse);
	lazy_free(hnsw->unvalidated);
	hnsw->unvalidated = NULL;
}
