/* The graph index in a file. Nothing is believed: every edge leads to a node that has the level, lists end
 * where they say, slots and nodes match one to one.
 *
 * Of a mapped file all of it is used where it is. A walk looks at each list that it comes to (graph_walk.c);
 * where vectors were removed, the first search or reading of a vector goes through all slots once, to know
 * which nodes are live; a change needs everything in order first. */
#include "lib/structure/hnsw.h"

#include "lib/base/lazy.h"
#include "lib/base/status.h"
#include "lib/base/threads.h"

#include <stdatomic.h>
#include <stdio.h>
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
	blob_write(w, "RANK", graph->rank.data, graph_rank_bytes(graph->n));
	blob_write(w, "LNK0", graph->links0.data, list_bytes(graph->n, graph->stride));
	blob_write(w, "LNK1", graph->upper.data, list_bytes(graph->rows, graph->M));
	if (hnsw->mapped)
		blob_write(w, "SLTN", hnsw->slot_of.data, (size_t)graph->n * sizeof(uint32_t));
	if (hnsw_measures(hnsw))
		blob_write(w, "INVR", hnsw->inverse.data, (size_t)graph->n * sizeof(float));
	codes_save(&hnsw->codes, sizeof hnsw->codes, 1, w);
}

/* ---- taking sections ---- */

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

static kith_status take(struct blob_reader *r, const char *tag, struct buffer *buffer, size_t bytes)
{
	kith_status status = blob_open(r, tag, bytes);
	if (status == KITH_OK)
		status = blob_take(r, buffer, bytes);
	return status ? status : blob_close(r);
}

static kith_status take_graph(struct graph *graph, const struct head *head, struct blob_reader *r)
{
	graph->n = head->nodes;
	graph->rows = head->rows;
	graph->seed = head->seed;
	graph->entry = head->entry;
	kith_status status = take(r, "LEVL", &graph->level, (size_t)graph->n);
	if (status == KITH_OK)
		status = take(r, "RANK", &graph->rank, graph_rank_bytes(graph->n));
	if (status == KITH_OK)
		status = take(r, "LNK0", &graph->links0, list_bytes(graph->n, graph->stride));
	if (status == KITH_OK)
		status = take(r, "LNK1", &graph->upper, list_bytes(graph->rows, graph->M));
	if (status == KITH_OK && graph_top(graph) > GRAPH_MAX_LEVEL)
		status = blob_fail(r, "LEVL", "gives the entry the level %d", graph_top(graph));
	return status;
}

/* ---- checking ---- */

/* What is wrong, and in which section. */
struct fault {
	const char *tag;
	char what[100];
};

static bool found(struct fault *fault, const char *tag, const char *what, int64_t number)
{
	fault->tag = tag;
	snprintf(fault->what, sizeof fault->what, "%s, at number %lld", what, (long long)number);
	return true;
}

static bool check_levels(const struct graph *graph, struct fault *fault)
{
	int64_t rows = 0;
	for (int64_t i = 0; i < graph->n; i++) {
		if (graph_level(graph, i) > GRAPH_MAX_LEVEL)
			return found(fault, "LEVL", "gives a node a level that there is not", i);
		if (i % GRAPH_RANK == 0 && graph_ranks(graph)[i / GRAPH_RANK] != rows)
			return found(fault, "RANK", "does not tell where lists begin", i / GRAPH_RANK);
		rows += graph_level(graph, i);
	}
	return rows != graph->rows && found(fault, "LEVL", "has other levels than there are lists for", rows);
}

/* Lists are looked at by tasks, each with a table of what list had a node of some hash last. */
enum { CHECK_NODES = 16384, CHECK_SLOTS = 4096 };

struct checker {
	uint32_t number; /* of the list, from 1 */
	uint32_t last[CHECK_SLOTS];
};

/* Whether a list has a node twice. Where no two of its nodes have one hash, as in most, that is quick. */
static bool has_repeats(const uint32_t *list, int n, struct checker *checker)
{
	uint32_t number = ++checker->number, again = 0, same = 0;
	for (int i = 0; i < n; i++) {
		uint32_t *last = &checker->last[list[i] * UINT32_C(0x9e3779b1) >> 20];
		again |= *last == number;
		*last = number;
	}
	for (int i = 0; again && i < n; i++)
		for (int j = 0; j < i; j++)
			same += list[j] == list[i];
	return same > 0;
}

/* One list: nodes of this level, none of them `node` and none twice, then nothing. */
static bool list_is_good(const struct graph *graph, int64_t node, int level, struct checker *checker)
{
	const uint32_t *list = graph_links(graph, node, level);
	int width = graph_width(graph, level), n = 0;
	bool bad = false;
	while (n < width && list[n] != GRAPH_NONE)
		n++;
	for (int i = 0; i < n; i++)
		bad |= list[i] >= graph->n || list[i] == node;
	for (int i = n; i < width; i++)
		bad |= list[i] != GRAPH_NONE;
	for (int i = 0; level > 0 && !bad && i < n; i++)
		bad |= graph_level(graph, list[i]) < level;
	return !bad && !has_repeats(list, n, checker);
}

struct checking {
	const struct graph *graph;
	_Atomic int64_t bad; /* the first node with a list that cannot be; graph->n: none yet */
};

static void check_some(void *arg, int64_t task, int worker)
{
	struct checking *c = arg;
	struct checker checker = {0};
	int64_t from = task * CHECK_NODES, to = from + CHECK_NODES;
	(void)worker;
	to = to < c->graph->n ? to : c->graph->n;
	for (int64_t i = from; i < to && i < atomic_load_explicit(&c->bad, memory_order_relaxed); i++)
		for (int level = graph_level(c->graph, i); level >= 0; level--) {
			int64_t bad = atomic_load(&c->bad);
			if (list_is_good(c->graph, i, level, &checker))
				continue;
			while (i < bad && !atomic_compare_exchange_weak(&c->bad, &bad, i))
				;
		}
}

static bool check_lists(const struct graph *graph, struct fault *fault)
{
	struct checking c = {.graph = graph, .bad = graph->n};
	threads_run(threads_resolve(0), (graph->n + CHECK_NODES - 1) / CHECK_NODES, check_some, &c);
	struct checker checker = {0};
	return c.bad < graph->n && found(fault, list_is_good(graph, c.bad, 0, &checker) ? "LNK1" : "LNK0",
	                               "holds a list that cannot be, of the node", c.bad);
}

/* Each slot has one node; the other nodes are dead or free. Makes node_of [ids.n] and live. */
static bool check_slots(const struct hnsw *hnsw, uint32_t *node_of, uint64_t *live, struct fault *fault)
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
			return found(fault, "SLTN", "numbers a vector wrongly or once more", i);
		node_of[slot] = (uint32_t)i;
		live[i / 64] |= UINT64_C(1) << (i % 64);
		slots++;
	}
	return slots != hnsw->ids.n && found(fault, "SLTN", "leaves a vector without a node", slots);
}

/* Nothing leads to or from free nodes. */
static bool check_free(const struct hnsw *hnsw, struct fault *fault)
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
				return found(fault, "SLTN", "takes a node away that is not free", i);
		}
	return graph->entry != GRAPH_NONE && slot_of[graph->entry] == SLOT_FREE &&
	       found(fault, "SLTN", "takes the entry away", graph->entry);
}

static bool check_inverse(const struct hnsw *hnsw, struct fault *fault)
{
	const float *inverse = (const float *)(const void *)hnsw->inverse.data;
	for (int64_t i = 0; hnsw_measures(hnsw) && i < hnsw->graph.n; i++)
		if (!(inverse[i] >= 0 && inverse[i] <= 1))
			return found(fault, "INVR", "holds what is no inverse of a length", i);
	return false;
}

/* Everything but ids and codes; makes what there is to make. Room is there. */
static bool find_fault(struct hnsw *hnsw, struct fault *fault)
{
	const struct graph *graph = &hnsw->graph;
	if (check_levels(graph, fault) || check_lists(graph, fault) || check_inverse(hnsw, fault))
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
	return hnsw->free > 0 && check_free(hnsw, fault);
}

/* ---- loading ---- */

static kith_status load_nodes(struct hnsw *hnsw, const struct head *head, struct blob_reader *r)
{
	struct fault fault;
	kith_status status = codes_load(&hnsw->codes, sizeof hnsw->codes, 1, &head->nodes, r);
	if (status == KITH_OK)
		status = take_graph(&hnsw->graph, head, r);
	if (status == KITH_OK && head->mapped)
		status = take(r, "SLTN", &hnsw->slot_of, (size_t)head->nodes * sizeof(uint32_t));
	if (status == KITH_OK && hnsw_measures(hnsw))
		status = take(r, "INVR", &hnsw->inverse, (size_t)head->nodes * sizeof(float));
	if (status)
		return status;
	hnsw->mapped = head->mapped;
	hnsw->unsettled = head->unsettled;
	if (r->lazy) {
		hnsw->graph.unseen = true;
		hnsw->unseen = mem_zalloc(1, sizeof *hnsw->unseen);
		return hnsw->unseen ? KITH_OK : fail_nomem("an index", sizeof *hnsw->unseen);
	}
	status = hnsw_make_room(hnsw, head->nodes, hnsw->ids.n, hnsw->mapped, 0);
	if (status == KITH_OK && find_fault(hnsw, &fault))
		status = blob_fail(r, fault.tag, "%s", fault.what);
	return status;
}

kith_status hnsw_load(kith_index *index, int64_t n, bool trained, struct blob_reader *r)
{
	struct hnsw *hnsw = hnsw_of(index);
	struct head head;
	kith_status status = codec_load(hnsw->codec, trained, r);
	index->trained = hnsw->codec->trained;
	if (status == KITH_OK)
		status = ids_load(&hnsw->ids, n, r);
	if (status == KITH_OK)
		status = load_head(hnsw, n, &head, r);
	return status ? status : load_nodes(hnsw, &head, r);
}

/* ---- what loading left out ---- */

static kith_status fail_fault(const struct fault *fault)
{
	return fail(KITH_FORMAT, "the index file is damaged: section %s %s", fault->tag, fault->what);
}

kith_status hnsw_find_maps(const struct hnsw *hnsw, struct hnsw_maps *maps)
{
	struct fault fault;
	*maps = (struct hnsw_maps){0};
	if (!hnsw->mapped)
		return KITH_OK;
	if (!hnsw->unseen) {
		*maps = (struct hnsw_maps){hnsw_node_of(hnsw), hnsw_live(hnsw)};
		return KITH_OK;
	}
	/* One block, so that it can be put in its place at once: the bits, then the nodes. */
	size_t words = (size_t)(hnsw->graph.n + 63) / 64;
	uint64_t *block = lazy_get(hnsw->unseen);
	if (!block) {
		size_t bytes = words * sizeof *block + (size_t)hnsw->ids.n * sizeof(uint32_t);
		block = mem_alloc(bytes, 1);
		if (!block)
			return fail_nomem("the numbers of nodes", bytes);
		if (check_slots(hnsw, (uint32_t *)(block + words), block, &fault)) {
			mem_free(block);
			return fail_fault(&fault);
		}
		block = lazy_put(hnsw->unseen, block);
	}
	*maps = (struct hnsw_maps){(const uint32_t *)(block + words), block};
	return KITH_OK;
}

kith_status hnsw_settle(kith_index *index)
{
	struct hnsw *hnsw = hnsw_of(index);
	struct fault fault;
	kith_status status = ids_settle(&hnsw->ids);
	if (status || !hnsw->unseen)
		return status;
	status = codes_settle(&hnsw->codes);
	if (status == KITH_OK)
		status = hnsw_make_room(hnsw, hnsw->graph.n, hnsw->ids.n, hnsw->mapped, 0);
	if (status == KITH_OK && find_fault(hnsw, &fault))
		status = fail_fault(&fault);
	if (status)
		return status;
	hnsw->graph.unseen = false;
	lazy_free(hnsw->unseen);
	hnsw->unseen = NULL;
	return KITH_OK;
}
