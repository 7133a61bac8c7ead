/* The graph index in a file. Nothing is believed: every edge leads to a node that has the level, lists end
 * where they say, slots and nodes match one to one. */
#include "lib/structure/hnsw.h"

#include "kernels/kernels.h"
#include "lib/base/status.h"

#include <string.h>

struct head {
	int64_t nodes, rows; /* rows of upper levels */
	int64_t unsettled;
	uint64_t seed;
	uint32_t M, entry;
	uint32_t mapped, zero;
};
_Static_assert(sizeof(struct head) == 48, "no padding");

static size_t list_bytes(int64_t rows, int width)
{
	return (size_t)rows * (size_t)width * sizeof(uint32_t);
}

void hnsw_save(const kith_index *index, struct blob_writer *w)
{
	const struct hnsw *hnsw = hnsw_of_const(index);
	const struct graph *graph = &hnsw->graph;
	struct head head = {.nodes = graph->n,
	    .rows = graph->rows,
	    .unsettled = hnsw->unsettled,
	    .seed = graph->seed,
	    .M = (uint32_t)graph->M,
	    .entry = graph->entry,
	    .mapped = hnsw->mapped};
	codec_save(hnsw->codec, w);
	ids_save(&hnsw->ids, w);
	blob_write(w, "GRPH", &head, sizeof head);
	blob_write(w, "LEVL", graph->level.data, (size_t)graph->n);
	blob_write(w, "LNK0", graph->links0.data, list_bytes(graph->n, graph->stride));
	blob_write(w, "LNK1", graph->upper.data, list_bytes(graph->rows, graph->M));
	if (hnsw->mapped)
		blob_write(w, "SLTN", hnsw->slot_of.data, (size_t)graph->n * sizeof(uint32_t));
	codes_save(&hnsw->codes, sizeof hnsw->codes, 1, w);
}

/* ---- loading ---- */

static kith_status load_head(struct hnsw *hnsw, int64_t n, struct head *head, struct blob_reader *r)
{
	kith_status status = blob_read(r, "GRPH", head, sizeof *head);
	if (status)
		return status;
	bool good = head->nodes >= n && head->nodes <= GRAPH_MAX_NODES && head->rows >= 0 &&
	            head->rows <= head->nodes * GRAPH_MAX_LEVEL && head->rows < GRAPH_NONE &&
	            head->M == (uint32_t)hnsw->graph.M && head->mapped <= 1 && !head->zero &&
	            head->unsettled >= 0 && (head->mapped || head->nodes == n) && (n > 0 || head->nodes == 0);
	good = good && (head->nodes == 0 ? head->entry == GRAPH_NONE : head->entry < head->nodes);
	return good ? KITH_OK : blob_fail(r, "GRPH", "contradicts itself");
}

/* Sections before memory: the file must hold what is made room for. */
static kith_status expect_all(const struct hnsw *hnsw, const struct head *head, struct blob_reader *r)
{
	const struct graph *graph = &hnsw->graph;
	size_t n = (size_t)head->nodes;
	kith_status status = blob_expect(r, "LEVL", n);
	if (status == KITH_OK)
		status = blob_expect(r, "LNK0", list_bytes(head->nodes, graph->stride));
	if (status == KITH_OK)
		status = blob_expect(r, "LNK1", list_bytes(head->rows, graph->M));
	if (status == KITH_OK && head->mapped)
		status = blob_expect(r, "SLTN", n * sizeof(uint32_t));
	return status;
}

static kith_status load_levels(struct graph *graph, const struct head *head, struct blob_reader *r)
{
	uint32_t *upper_at = (uint32_t *)(void *)graph->upper_at.data;
	kith_status status = blob_read(r, "LEVL", graph->level.data, (size_t)head->nodes);
	for (int64_t i = 0; status == KITH_OK && i < head->nodes; i++) {
		int level = graph_level(graph, i);
		if (level > GRAPH_MAX_LEVEL || graph->rows + level > head->rows)
			return blob_fail(r, "LEVL", "gives node %lld the level %d", (long long)i, level);
		upper_at[i] = level ? (uint32_t)graph->rows : GRAPH_NONE;
		graph->rows += level;
	}
	if (status == KITH_OK && graph->rows != head->rows)
		status = blob_fail(r, "LEVL", "has other levels than there are lists for");
	return status;
}

/* One list: nodes of this level, none of them `node` and none twice, then nothing. */
static bool list_is_good(const struct graph *graph, int64_t node, int level)
{
	const uint32_t *list = graph_links(graph, node, level);
	int width = graph_width(graph, level), i = 0;
	for (; i < width && list[i] != GRAPH_NONE; i++) {
		bool again = false;
		if (list[i] >= graph->n || list[i] == node || graph_level(graph, list[i]) < level)
			return false;
		for (int j = 0; j < i; j++)
			again |= list[j] == list[i];
		if (again)
			return false;
	}
	for (; i < width; i++)
		if (list[i] != GRAPH_NONE)
			return false;
	return true;
}

static kith_status load_graph(struct graph *graph, const struct head *head, struct blob_reader *r)
{
	kith_status status = graph_reserve(graph, head->nodes, head->rows, 0);
	if (status == KITH_OK)
		status = load_levels(graph, head, r);
	if (status)
		return status;
	graph->n = head->nodes;
	graph->seed = head->seed;
	graph->entry = head->entry;
	status = blob_read(r, "LNK0", graph->links0.data, list_bytes(graph->n, graph->stride));
	if (status == KITH_OK)
		status = blob_read(r, "LNK1", graph->upper.data, list_bytes(graph->rows, graph->M));
	for (int64_t i = 0; status == KITH_OK && i < graph->n; i++)
		for (int level = graph_level(graph, i); level >= 0; level--)
			if (!list_is_good(graph, i, level))
				return blob_fail(r, level ? "LNK1" : "LNK0",
				    "holds a list that cannot be, of node %lld on level %d", (long long)i,
				    level);
	return status;
}

/* Each slot has one node; the other nodes are dead or free. */
static kith_status load_maps(struct hnsw *hnsw, struct blob_reader *r)
{
	int64_t n = hnsw->graph.n, found = 0;
	uint32_t *slot_of = hnsw_slot_of(hnsw), *node_of = hnsw_node_of(hnsw);
	kith_status status = blob_read(r, "SLTN", slot_of, (size_t)n * sizeof *slot_of);
	if (status)
		return status;
	memset(node_of, 0xff, (size_t)hnsw->ids.n * sizeof *node_of);
	memset(hnsw->live.data, 0, (size_t)(n + 63) / 64 * sizeof(uint64_t));
	for (int64_t i = 0; i < n; i++) {
		uint32_t slot = slot_of[i];
		hnsw->dead += slot == SLOT_DEAD;
		hnsw->free += slot == SLOT_FREE;
		if (slot == SLOT_DEAD || slot == SLOT_FREE)
			continue;
		if (slot >= hnsw->ids.n || node_of[slot] != UINT32_MAX)
			return blob_fail(r, "SLTN", "gives node %lld number %u, wrongly or once more",
			    (long long)i, (unsigned)slot);
		node_of[slot] = (uint32_t)i;
		hnsw_live(hnsw)[i / 64] |= UINT64_C(1) << (i % 64);
		found++;
	}
	return found == hnsw->ids.n ? KITH_OK : blob_fail(r, "SLTN", "leaves a vector without a node");
}

/* Nothing leads to or from free nodes. */
static kith_status check_free(const struct hnsw *hnsw, struct blob_reader *r)
{
	const struct graph *graph = &hnsw->graph;
	const uint32_t *slot_of = hnsw_slot_of(hnsw);
	for (int64_t i = 0; hnsw->free && i < graph->n; i++)
		for (int level = graph_level(graph, i); level >= 0; level--) {
			const uint32_t *list = graph_links(graph, i, level);
			int width = graph_width(graph, level);
			bool bad = slot_of[i] == SLOT_FREE && list[0] != GRAPH_NONE;
			for (int e = 0; e < width && list[e] != GRAPH_NONE; e++)
				bad |= slot_of[list[e]] == SLOT_FREE;
			if (bad)
				return blob_fail(
				    r, "SLTN", "takes node %lld away, which is not free", (long long)i);
		}
	if (graph->entry != GRAPH_NONE && slot_of[graph->entry] == SLOT_FREE)
		return blob_fail(r, "SLTN", "takes the entry away");
	return KITH_OK;
}

kith_status hnsw_load(kith_index *index, int64_t n, bool trained, struct blob_reader *r)
{
	struct hnsw *hnsw = hnsw_of(index);
	struct head head;
	kith_status status = codec_load(hnsw->codec, trained, r);
	index->trained = hnsw->codec->trained;
	if (status == KITH_OK)
		status = ids_load(&hnsw->ids, n, r);
	/* Walks follow edges that were looked at, so there is nothing to put off. */
	if (status == KITH_OK)
		status = ids_settle(&hnsw->ids);
	if (status == KITH_OK)
		status = load_head(hnsw, n, &head, r);
	if (status == KITH_OK)
		status = expect_all(hnsw, &head, r);
	if (status == KITH_OK)
		status = codes_load(&hnsw->codes, sizeof hnsw->codes, 1, &head.nodes, r);
	if (status == KITH_OK && r->lazy)
		status = codes_settle(&hnsw->codes);
	if (status == KITH_OK)
		status = hnsw_make_room(hnsw, head.nodes, n, head.mapped, 0);
	if (status == KITH_OK)
		status = load_graph(&hnsw->graph, &head, r);
	if (status)
		return status;
	hnsw->mapped = head.mapped;
	hnsw->unsettled = head.unsettled;
	hnsw_measure(hnsw, 0, head.nodes);
	if (hnsw->mapped)
		status = load_maps(hnsw, r);
	if (status == KITH_OK && hnsw->mapped)
		status = check_free(hnsw, r);
	return status;
}
