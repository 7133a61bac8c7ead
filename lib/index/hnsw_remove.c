/* Removing from and compacting a graph index. */
#include "lib/index/hnsw.h"
#include "lib/index/hnsw_log.h"

#include "lib/base/status.h"
#include "lib/search/filter.h"

#include <string.h>

/* ---- removing ---- */

/* Remove the slots whose bit in `gone` is set; those behind move up. */
static void leave_slots(struct hnsw *hnsw, const uint64_t *gone)
{
	int64_t kept = 0;
	for (int64_t slot = 0; slot < hnsw->ids.n; slot++) {
		uint32_t node = hnsw_node_of(hnsw)[slot];
		if (gone[slot / 64] >> (slot % 64) & 1) {
			hnsw_slot_of(hnsw)[node] = SLOT_DEAD;
			hnsw_live(hnsw)[node / 64] &= ~(UINT64_C(1) << (node % 64));
			hnsw->dead++;
			continue;
		}
		hnsw_node_of(hnsw)[kept] = node;
		hnsw_slot_of(hnsw)[node] = (uint32_t)kept++;
	}
}

kith_status hnsw_remove(kith_index *index, const kith_filter *which, int64_t *removed)
{
	struct hnsw *hnsw = hnsw_of(index);
	struct rows slots = {.n = hnsw->ids.n, .ids = ids_list(&hnsw->ids)};
	size_t words = (size_t)(slots.n + 63) / 64;
	uint64_t *bits = mem_zalloc(words, sizeof *bits);
	if (!bits)
		return fail_nomem("a removal", words * sizeof *bits);
	int64_t n = filter_rows(which, &slots, 1, bits);
	kith_status status = n ? ids_prepare_remove(&hnsw->ids) : KITH_OK;
	if (status == KITH_OK && n)
		status = hnsw_make_room(hnsw, hnsw->graph.n, hnsw->ids.n, true, 0);
	if (status == KITH_OK && n) {
		hnsw_map(hnsw);
		leave_slots(hnsw, bits);
		for (size_t i = 0; i < words; i++)
			bits[i] = ~bits[i];
		ids_retain(&hnsw->ids, bits);
		if (hnsw->ids.n == 0)
			hnsw_clear(hnsw);
	}
	mem_free(bits);
	*removed = status == KITH_OK ? n : 0;
	return status;
}

/* ---- compacting ---- */

/* Move the values of live nodes to their new numbers, which are not greater. */
static void compact_floats(struct buffer *buffer, const uint64_t *live, int64_t n)
{
	float *value = (float *)(void *)buffer->data;
	int64_t kept = 0;
	for (int64_t i = 0; buffer->data && i < n; i++)
		if (graph_is_live(live, (uint32_t)i))
			value[kept++] = value[i];
}

/* Remove the nodes that are not live, to which there are no edges; the order stays. number [n]: scratch. */
static void compact_nodes(struct hnsw *hnsw, uint32_t *number)
{
	const uint64_t *live = hnsw_live(hnsw);
	int64_t n = hnsw->graph.n;
	uint32_t next = 0;
	for (int64_t i = 0; i < n; i++) {
		number[i] = next;
		next += graph_is_live(live, (uint32_t)i);
	}
	graph_compact(&hnsw->graph, live, number);
	codes_retain(&hnsw->codes, live);
	compact_floats(&hnsw->inverse, live, n);
	hnsw_renumber_far(hnsw, number, live);
	for (int64_t slot = 0; slot < hnsw->ids.n; slot++) {
		uint32_t node = number[hnsw_node_of(hnsw)[slot]];
		hnsw_node_of(hnsw)[slot] = node;
		hnsw_slot_of(hnsw)[node] = (uint32_t)slot;
	}
	memset(hnsw->live.data, 0xff, (size_t)(next + 63) / 64 * sizeof(uint64_t));
	hnsw->free = 0;
	hnsw_log_event(hnsw, EVENT_COMPACT);
	hnsw_unmap(hnsw);
}

kith_status hnsw_compact_nodes(struct hnsw *hnsw)
{
	uint32_t *number = mem_alloc((size_t)hnsw->graph.n, sizeof *number);
	if (!number)
		return fail_nomem("compacting", (size_t)hnsw->graph.n * sizeof *number);
	compact_nodes(hnsw, number);
	mem_free(number);
	return KITH_OK;
}

/* Free the spare room of buffers. */
static void trim(struct hnsw *hnsw)
{
	size_t n = (size_t)hnsw->graph.n;
	codes_trim(&hnsw->codes);
	graph_trim(&hnsw->graph);
	buffer_trim(&hnsw->inverse, n * sizeof(float));
	scratch_pool_clear(hnsw->scratch_pool);
}

void hnsw_swap(struct hnsw *hnsw, struct hnsw *copy)
{
	struct kith_index head = hnsw->base, head_copy = copy->base;
	struct hnsw swap = *hnsw;
	*hnsw = *copy;
	*copy = swap;
	hnsw->base = head;
	copy->base = head_copy;
	copy->log = hnsw->log; /* a copy has none */
	hnsw->log = swap.log;
}

/* hnsw_relink removes dead nodes before it links: a cancel undoes that, too, from a copy. */
static kith_status relink(struct hnsw *hnsw, const kith_add_options *options)
{
	kith_index *before = NULL;
	bool removes = hnsw->linked < hnsw->keys && hnsw->graph.n > hnsw->ids.n;
	kith_status status = KITH_OK;
	if (removes && (options->progress || progress_current()))
		status = hnsw->base.ops->clone(&before, &hnsw->base);
	if (status == KITH_OK)
		status = hnsw_relink(hnsw, options);
	if (status && before)
		hnsw_swap(hnsw, hnsw_of(before));
	if (before)
		hnsw->base.ops->free(before);
	return status;
}

kith_status hnsw_compact(kith_index *index, const kith_add_options *options)
{
	struct hnsw *hnsw = hnsw_of(index);
	uint32_t *number = mem_alloc((size_t)hnsw->graph.n, sizeof *number);
	if (!number)
		return fail_nomem("compacting", (size_t)hnsw->graph.n * sizeof *number);
	kith_status status = relink(hnsw, options);
	if (status == KITH_OK && (hnsw->dead || hnsw->unconnected))
		status = hnsw_repair(hnsw, options);
	if (status == KITH_OK && hnsw->mapped && hnsw->graph.n > hnsw->ids.n)
		compact_nodes(hnsw, number);
	if (status == KITH_OK)
		trim(hnsw);
	mem_free(number);
	return status;
}
