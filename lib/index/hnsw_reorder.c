/* Renumbering the nodes of a graph index, so that neighbours lie near each other (graph/order.c).
 *
 * Slots stay, and so do positions and ids: wrappers and logs of changes are not concerned. Everything kept by
 * node (codes, lists, lengths, the maps) is permuted, in place but for the upper levels; if slots were nodes
 * there are maps from now on. Dead and free nodes are treated like others.
 *
 * The order is found first, which only reads and can be cancelled; then memory is allocated; the rest cannot
 * fail. */
#include "lib/index/hnsw.h"

#include "lib/base/permute.h"
#include "lib/base/progress.h"
#include "lib/base/status.h"

#include <string.h>

struct reordering {
	struct hnsw *hnsw;
	uint32_t *order;  /* [n] the old number of each new one */
	uint32_t *number; /* [n] the new number of each old one */
	uint64_t *marks;  /* [(n + 63) / 64] */
	char *spare;      /* a row of any array */
};

static kith_status begin(struct reordering *r)
{
	const struct hnsw *hnsw = r->hnsw;
	size_t n = (size_t)hnsw->graph.n, list = (size_t)hnsw->graph.stride * sizeof(uint32_t);
	size_t code = hnsw->codec->row_bytes, row = list > code ? list : code;
	r->order = mem_alloc(n, sizeof *r->order);
	r->number = mem_alloc(n, sizeof *r->number);
	r->marks = mem_alloc((n + 63) / 64, sizeof *r->marks);
	r->spare = mem_alloc(row, 1);
	if (r->order && r->number && r->marks && r->spare)
		return KITH_OK;
	return fail_nomem("reordering", n * (sizeof *r->order + sizeof *r->number) + n / 8 + row);
}

static void end(struct reordering *r)
{
	mem_free(r->order);
	mem_free(r->number);
	mem_free(r->marks);
	mem_free(r->spare);
}

static kith_status find_order(struct reordering *r, const kith_add_options *options)
{
	const struct graph *graph = &r->hnsw->graph;
	struct progress progress;
	progress_begin(&progress, options->progress, options->progress_data, "reorder", graph->n);
	graph_order(graph, r->order, r->number, r->marks, &progress);
	return progress_end(&progress);
}

/* Fill number; false: no node gets another one. */
static bool number_nodes(struct reordering *r)
{
	bool moves = false;
	for (int64_t i = 0; i < r->hnsw->graph.n; i++) {
		r->number[r->order[i]] = (uint32_t)i;
		moves |= r->order[i] != i;
	}
	return moves;
}

/* slot_of was permuted: compute the other maps from it. */
static void renew_maps(struct hnsw *hnsw)
{
	memset(hnsw->live.data, 0, (size_t)(hnsw->graph.n + 63) / 64 * sizeof(uint64_t));
	for (int64_t i = 0; i < hnsw->graph.n; i++) {
		uint32_t slot = hnsw_slot_of(hnsw)[i];
		if (slot == SLOT_DEAD || slot == SLOT_FREE)
			continue;
		hnsw_node_of(hnsw)[slot] = (uint32_t)i;
		hnsw_live(hnsw)[i / 64] |= UINT64_C(1) << (i % 64);
	}
	hnsw_unmap(hnsw);
}

static kith_status move(const struct reordering *r)
{
	struct hnsw *hnsw = r->hnsw;
	struct permutation p = {hnsw->graph.n, r->order, r->marks, r->spare};
	kith_status status = hnsw_make_room(hnsw, hnsw->graph.n, hnsw->ids.n, true, 0);
	if (status == KITH_OK)
		status = graph_permute(&hnsw->graph, &p, r->number);
	if (status)
		return status;
	hnsw_map(hnsw);
	codes_permute(&hnsw->codes, &p);
	if (hnsw_measures(hnsw))
		permute_rows(&p, hnsw->inverse.data, sizeof(float));
	permute_rows(&p, hnsw->slot_of.data, sizeof(uint32_t));
	hnsw_renumber_far(hnsw, r->number, NULL);
	renew_maps(hnsw);
	return KITH_OK;
}

kith_status hnsw_reorder(kith_index *index, const kith_add_options *options)
{
	struct reordering r = {.hnsw = hnsw_of(index)};
	kith_status status = begin(&r);
	if (status == KITH_OK)
		status = find_order(&r, options);
	if (status == KITH_OK && number_nodes(&r))
		status = move(&r);
	end(&r);
	return status;
}
