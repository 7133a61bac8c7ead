/* The graph index in a file. Nothing is trusted: it is checked that every edge references a node that has the
 * level, that lists are well formed, and that slots and nodes match one to one.
 *
 * A mapped file is used in place. A search checks each list that it reads (graph/search_layer.c); if vectors
 * were removed, the first search or reading of a vector makes one pass over all slots, to know which nodes
 * are live; a change validates everything first. */
#include "lib/graph/file.h"
#include "lib/index/hnsw.h"
#include "lib/index/hnsw_log.h"

#include "lib/base/lazy.h"
#include "lib/base/status.h"

#include <math.h>
#include <string.h>

void hnsw_save(const kith_index *index, struct blob_writer *w)
{
	const struct hnsw *hnsw = hnsw_of_const(index);
	codec_save(hnsw->codec, w);
	ids_save(&hnsw->ids, w);
	graph_save(&hnsw->graph, hnsw->unconnected, hnsw->mapped, w);
	if (hnsw->mapped)
		blob_write(w, "SLTN", hnsw->slot_of.data, (size_t)hnsw->graph.n * sizeof(uint32_t));
	if (hnsw_measures(hnsw))
		blob_write(w, "INVR", hnsw->inverse.data, (size_t)hnsw->graph.n * sizeof(float));
	hnsw_save_keys(hnsw, w);
	codes_save(&hnsw->codes, sizeof hnsw->codes, 1, w);
}

/* ---- taking sections ---- */

static kith_status load_head(
    const struct hnsw *hnsw, int64_t n, struct graph_head *head, struct blob_reader *r)
{
	kith_status status = graph_load_head(&hnsw->graph, head, r);
	if (status)
		return status;
	bool good = head->nodes >= n && (head->mapped || head->nodes == n) && (n > 0 || head->nodes == 0);
	return good ? KITH_OK : blob_fail(r, "GRPH", "contradicts itself");
}

/* ---- checking ---- */

/* Check that each slot has one node and that the other nodes are dead or free. Sets node_of [ids.n] and
 * live. */
static bool check_slots(const struct hnsw *hnsw, uint32_t *node_of, uint64_t *live, struct graph_fault *fault)
{
	const uint32_t *slot_of = hnsw_slot_of(hnsw);
	int64_t n = hnsw->graph.n, slots = 0;
	if (hnsw->ids.n)
		memset(node_of, 0xff, (size_t)hnsw->ids.n * sizeof *node_of);
	if (n)
		memset(live, 0, (size_t)(n + 63) / 64 * sizeof *live);
	for (int64_t i = 0; i < n; i++) {
		uint32_t slot = slot_of[i];
		if (slot == SLOT_DEAD || slot == SLOT_FREE)
			continue;
		if (slot >= hnsw->ids.n || node_of[slot] != UINT32_MAX)
			return graph_found(fault, "SLTN", "gives a vector an invalid or duplicate number", i);
		node_of[slot] = (uint32_t)i;
		live[i / 64] |= UINT64_C(1) << (i % 64);
		slots++;
	}
	return slots != hnsw->ids.n && graph_found(fault, "SLTN", "leaves a vector without a node", slots);
}

/* Check that free nodes have no edges, to or from. */
bool hnsw_check_free(const struct hnsw *hnsw, struct graph_fault *fault)
{
	const struct graph *graph = &hnsw->graph;
	const uint32_t *slot_of = hnsw_slot_of(hnsw);
	for (int64_t i = 0; i < graph->n; i++)
		for (int level = graph_level(graph, i); level >= 0; level--) {
			const uint32_t *list = graph_links(graph, i, level);
			int width = graph_width(graph, level);
			bool bad = slot_of[i] == SLOT_FREE && list[0] != GRAPH_NONE;
			for (int e = 0; e < width && list[e] != GRAPH_NONE; e++)
				bad |= slot_of[list[e]] == SLOT_FREE;
			if (bad)
				return graph_found(fault, "SLTN", "removes a node that is not free", i);
		}
	return graph->entry != GRAPH_NONE && slot_of[graph->entry] == SLOT_FREE &&
	       graph_found(fault, "SLTN", "removes the entry point", graph->entry);
}

static bool check_inverse(const struct hnsw *hnsw, struct graph_fault *fault)
{
	const float *inverse = (const float *)(const void *)hnsw->inverse.data;
	for (int64_t i = 0; hnsw_measures(hnsw) && i < hnsw->graph.n; i++)
		if (!(inverse[i] >= 0 && inverse[i] <= 1))
			return graph_found(
			    fault, "INVR", "holds a value that is not the inverse of a length", i);
	return false;
}

/* Check everything but ids and codes, and fill the maps, for which there is room. */
static bool find_fault(struct hnsw *hnsw, struct graph_fault *fault)
{
	const struct graph *graph = &hnsw->graph;
	if (graph_check(graph, fault) || check_inverse(hnsw, fault))
		return true;
	if (!hnsw->mapped)
		return false;
	if (check_slots(hnsw, hnsw_node_of(hnsw), (uint64_t *)(void *)hnsw->live.data, fault))
		return true;
	int64_t dead = 0;
	for (int64_t i = 0; i < graph->n; i++)
		dead += hnsw_slot_of(hnsw)[i] == SLOT_DEAD;
	hnsw->dead = dead;
	hnsw->free = graph->n - hnsw->ids.n - dead;
	return hnsw->free > 0 && hnsw_check_free(hnsw, fault);
}

/* ---- loading ---- */

static kith_status load_nodes(struct hnsw *hnsw, const struct graph_head *head, struct blob_reader *r)
{
	struct graph_fault fault;
	kith_status status = codes_load(&hnsw->codes, sizeof hnsw->codes, 1, &head->nodes, NULL, r);
	if (status == KITH_OK)
		status = graph_take(&hnsw->graph, head, r);
	if (status == KITH_OK && head->mapped)
		status =
		    graph_take_section(r, "SLTN", &hnsw->slot_of, (size_t)head->nodes * sizeof(uint32_t));
	if (status == KITH_OK && hnsw_measures(hnsw))
		status = graph_take_section(r, "INVR", &hnsw->inverse, (size_t)head->nodes * sizeof(float));
	if (status)
		return status;
	hnsw->mapped = head->mapped;
	hnsw->unconnected = head->unconnected;
	if (r->lazy) {
		hnsw->graph.unvalidated = true;
		hnsw->unvalidated = mem_zalloc(1, sizeof *hnsw->unvalidated);
		return hnsw->unvalidated ? hnsw_load_keys(hnsw, r)
		                         : fail_nomem("an index", sizeof *hnsw->unvalidated);
	}
	status = hnsw_make_room(hnsw, head->nodes, hnsw->ids.n, hnsw->mapped, 0);
	if (status == KITH_OK && find_fault(hnsw, &fault))
		status = blob_fail(r, fault.tag, "%s", fault.what);
	return status ? status : hnsw_load_keys(hnsw, r);
}

kith_status hnsw_load(kith_index *index, int64_t n, bool trained, struct blob_reader *r)
{
	struct hnsw *hnsw = hnsw_of(index);
	struct graph_head head;
	kith_status status = codec_load(hnsw->codec, trained, r);
	index->trained = hnsw->codec->trained;
	if (status == KITH_OK)
		status = ids_load(&hnsw->ids, n, r);
	if (status == KITH_OK)
		status = load_head(hnsw, n, &head, r);
	return status ? status : load_nodes(hnsw, &head, r);
}

/* ---- what loading left out ---- */

static kith_status fail_fault(const struct graph_fault *fault)
{
	return fail(KITH_FORMAT, "the index file is damaged: section %s %s", fault->tag, fault->what);
}

kith_status hnsw_find_maps(const struct hnsw *hnsw, struct hnsw_maps *maps)
{
	struct graph_fault fault;
	*maps = (struct hnsw_maps){0};
	if (!hnsw->mapped)
		return KITH_OK;
	if (!hnsw->unvalidated) {
		*maps = (struct hnsw_maps){hnsw_node_of(hnsw), hnsw_live(hnsw)};
		return KITH_OK;
	}
	/* One block with the bits and then the nodes, so that one exchange puts both in place. */
	size_t words = (size_t)(hnsw->graph.n + 63) / 64;
	uint64_t *block = lazy_get(hnsw->unvalidated);
	if (!block) {
		size_t bytes = words * sizeof *block + (size_t)hnsw->ids.n * sizeof(uint32_t);
		block = mem_alloc(bytes, 1);
		if (!block)
			return fail_nomem("the numbers of nodes", bytes);
		if (check_slots(hnsw, (uint32_t *)(block + words), block, &fault)) {
			mem_free(block);
			return fail_fault(&fault);
		}
		block = lazy_put(hnsw->unvalidated, block);
	}
	*maps = (struct hnsw_maps){(const uint32_t *)(block + words), block};
	return KITH_OK;
}

kith_status hnsw_validate(kith_index *index)
{
	struct hnsw *hnsw = hnsw_of(index);
	struct graph_fault fault;
	kith_status status = ids_validate(&hnsw->ids);
	if (status || !hnsw->unvalidated)
		return status;
	status = codes_validate(&hnsw->codes);
	if (status == KITH_OK)
		status = hnsw_make_room(hnsw, hnsw->graph.n, hnsw->ids.n, hnsw->mapped, 0);
	if (status == KITH_OK && find_fault(hnsw, &fault))
		status = fail_fault(&fault);
	if (status)
		return status;
	hnsw->graph.unvalidated = false;
	lazy_free(hnsw->unvalidated);
	hnsw->unvalidated = NULL;
	return KITH_OK;
}
