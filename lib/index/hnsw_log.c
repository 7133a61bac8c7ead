/* A graph index in a log of changes.
 *
 * While changes are noted there is a bit per node, set when one of its lists is written, and a byte for each
 * decision of the index: to replace edges to dead nodes, to compact, to link everything anew. Lists are read
 * when the log is written, so each that changed is in it once, in its last state. A change that fails after
 * such a decision, or that could not be noted for lack of memory, means that the index must be saved as a
 * whole.
 *
 * When changes are made again, vectors get the same nodes, which follow from the decisions, and no lists; new
 * and changed lists are read afterwards, with the rest of the graph's head. Nothing is trusted: decisions
 * must be possible, lists well formed, and no edge may reference a free node. A forged log can only give a
 * graph of lower recall.
 *
 *   GRPH  the graph's head, as in a file
 *   keys  how vectors are compared, as in a file
 *   EVTS  a byte for each decision
 *   CHGD  32-bit numbers, ascending: nodes whose lists are here; not there: all
 *   CNTS  16 bits for each list: level 0, 1 … of the first node, and so on
 *   EDGS  32-bit numbers: the lists without what fills them up
 */
#include "lib/index/hnsw_log.h"

#include "lib/base/status.h"
#include "lib/graph/file.h"
#include "lib/index/index_log.h"

#include <string.h>

/* ---- noting (the rest is in hnsw_note.c) ---- */

static kith_status make_log(struct hnsw *hnsw)
{
	if (!hnsw->log)
		hnsw->log = mem_zalloc(1, sizeof *hnsw->log);
	return hnsw->log ? KITH_OK : fail_nomem("notes of changes", sizeof *hnsw->log);
}

static kith_status log_begin(kith_index *index)
{
	struct hnsw *hnsw = hnsw_of(index);
	kith_status status = make_log(hnsw);
	if (status)
		return status;
	struct hnsw_log *log = hnsw->log;
	if (log->room)
		buffer_clear(&log->bits, (size_t)(log->room + 63) / 64 * sizeof(uint64_t));
	*log = (struct hnsw_log){.bits = log->bits, .room = log->room, .events = log->events};
	hnsw_log_grow(hnsw);
	return log->lost ? fail_nomem("notes of changes", (size_t)hnsw->graph.n / 8) : KITH_OK;
}

static bool log_changed(const kith_index *index)
{
	const struct hnsw_log *log = hnsw_of_const(index)->log;
	return log && log->n_events > 0;
}

static const char *log_lost(const kith_index *index)
{
	const struct hnsw *hnsw = hnsw_of_const(index);
	if (!hnsw->log)
		return "what its graph had changed was not noted";
	return hnsw->log->lost;
}

/* ---- saving ---- */

static bool is_changed(const struct hnsw_log *log, int64_t node)
{
	return log->all || (node < log->room && (hnsw_log_words(log)[node / 64] >> (node % 64) & 1));
}

static int list_length(const struct graph *graph, const uint32_t *list, int level)
{
	return (int)graph_list_length(list, graph_width(graph, level));
}

static void save_counts(const struct hnsw *hnsw, struct blob_writer *w)
{
	blob_section(w, "CNTS");
	for (int64_t i = 0; i < hnsw->graph.n; i++)
		for (int level = 0; is_changed(hnsw->log, i) && level <= graph_level(&hnsw->graph, i);
		     level++) {
			uint16_t n =
			    (uint16_t)list_length(&hnsw->graph, graph_links(&hnsw->graph, i, level), level);
			blob_put(w, &n, sizeof n);
		}
}

static void save_edges(const struct hnsw *hnsw, struct blob_writer *w)
{
	blob_section(w, "EDGS");
	for (int64_t i = 0; i < hnsw->graph.n; i++)
		for (int level = 0; is_changed(hnsw->log, i) && level <= graph_level(&hnsw->graph, i);
		     level++) {
			const uint32_t *list = graph_links(&hnsw->graph, i, level);
			blob_put(w, list, (size_t)list_length(&hnsw->graph, list, level) * sizeof *list);
		}
}

static void log_save(const kith_index *index, struct blob_writer *w)
{
	const struct hnsw *hnsw = hnsw_of_const(index);
	const struct hnsw_log *log = hnsw->log;
	graph_save_head(&hnsw->graph, hnsw->unconnected, hnsw->mapped, w);
	hnsw_save_keys(hnsw, w);
	blob_write(w, "EVTS", log->events.data, log->n_events);
	if (!log->all) {
		blob_section(w, "CHGD");
		for (int64_t i = 0; i < hnsw->graph.n; i++) {
			uint32_t node = (uint32_t)i;
			if (is_changed(log, i))
				blob_put(w, &node, sizeof node);
		}
	}
	save_counts(hnsw, w);
	save_edges(hnsw, w);
}

/* ---- making changes again ---- */

bool hnsw_log_replays(const struct hnsw *hnsw)
{
	return hnsw->log && hnsw->log->replays;
}

static kith_status fail_event(const char *what)
{
	return fail(KITH_FORMAT, "a graph is said to have %s where it cannot have been", what);
}

/* Give all nodes new levels and empty lists. */
static kith_status regrow(struct hnsw *hnsw)
{
	struct graph graph;
	graph_init(&graph, hnsw->graph.M);
	graph.seed = hnsw->graph.seed;
	kith_status status = graph_grow(&graph, hnsw->graph.n);
	if (status)
		return status;
	graph_free(&hnsw->graph);
	hnsw->graph = graph;
	return KITH_OK;
}

/* Lists are read later; until then none may reference a number that no node has any more. */
static kith_status compact_nodes(struct hnsw *hnsw)
{
	for (int64_t i = 0; i < hnsw->graph.n; i++)
		graph_clear_node(&hnsw->graph, i);
	hnsw->graph.entry = GRAPH_NONE;
	return hnsw_compact_nodes(hnsw);
}

static kith_status decide(struct hnsw *hnsw, char event)
{
	struct hnsw_log *log = hnsw->log;
	bool whole = hnsw->graph.n == hnsw->ids.n;
	log->all |= event != EVENT_REPAIR;
	switch (event) {
	case EVENT_REPAIR:
		hnsw_free_dead(hnsw);
		return KITH_OK;
	case EVENT_COMPACT:
		return hnsw->mapped && !hnsw->dead && !whole ? compact_nodes(hnsw) : fail_event("closed up");
	case EVENT_RELINK:
		return whole ? regrow(hnsw) : fail_event("been linked anew");
	}
	return fail_event("changed");
}

kith_status hnsw_log_decided(struct hnsw *hnsw, bool *bulk)
{
	struct hnsw_log *log = hnsw->log;
	while (log->next_event < log->n_events) {
		char event = log->events.data[log->next_event++];
		*bulk = event == EVENT_BULK;
		if (*bulk && hnsw->graph.n != hnsw->ids.n)
			return fail_event("been linked anew");
		log->all |= *bulk;
		if (*bulk || event == EVENT_INSERT)
			return KITH_OK;
		kith_status status = decide(hnsw, event);
		if (status)
			return status;
	}
	return fail_event("had vectors placed");
}

static kith_status log_load_begin(kith_index *index, struct blob_reader *r)
{
	struct hnsw *hnsw = hnsw_of(index);
	kith_status status = make_log(hnsw);
	if (status)
		return status;
	struct hnsw_log *log = hnsw->log;
	*log =
	    (struct hnsw_log){.bits = log->bits, .room = log->room, .events = log->events, .replays = true};
	log->n_events = (size_t)blob_length(r, "EVTS");
	if (log->n_events == 0)
		return KITH_OK;
	if (!buffer_reserve(&log->events, log->n_events, 0))
		return fail_nomem("a log", log->n_events);
	return blob_read(r, "EVTS", log->events.data, log->n_events);
}

/* ---- lists ---- */

struct lists {
	struct hnsw *hnsw;
	struct blob_reader *r;
	struct buffer nodes, counts, edges;
	int64_t n_nodes, n_lists; /* nodes: those that are listed; all otherwise */
	bool listed;
};

static int64_t node_at(const struct lists *l, int64_t i)
{
	return l->listed ? ((const uint32_t *)(const void *)l->nodes.data)[i] : i;
}

static kith_status read_section(struct lists *l, const char *tag, struct buffer *to, size_t bytes)
{
	kith_status status = blob_expect(l->r, tag, bytes);
	if (status == KITH_OK && !buffer_reserve(to, bytes, 0))
		status = fail_nomem("a log", bytes);
	return status ? status : blob_read(l->r, tag, to->data, bytes);
}

/* Read which nodes changed, and count their lists. */
static kith_status read_nodes(struct lists *l)
{
	const struct graph *graph = &l->hnsw->graph;
	size_t bytes = (size_t)blob_length(l->r, "CHGD");
	l->listed = blob_has(l->r, "CHGD");
	l->n_nodes = l->listed ? (int64_t)(bytes / sizeof(uint32_t)) : graph->n;
	if (l->listed && l->hnsw->log->all)
		return blob_fail(l->r, "CHGD", "leaves out lists that changed");
	kith_status status = KITH_OK;
	if (l->listed)
		status = read_section(l, "CHGD", &l->nodes, (size_t)l->n_nodes * sizeof(uint32_t));
	if (status)
		return status;
	for (int64_t i = 0; i < l->n_nodes; i++) {
		int64_t node = node_at(l, i);
		if (node >= graph->n || (i > 0 && node <= node_at(l, i - 1)))
			return blob_fail(
			    l->r, "CHGD", "references a node that does not exist, or not in order");
		l->n_lists += 1 + graph_level(graph, node);
	}
	return KITH_OK;
}

static kith_status read_counts(struct lists *l)
{
	const struct graph *graph = &l->hnsw->graph;
	size_t sum = 0;
	kith_status status = read_section(l, "CNTS", &l->counts, (size_t)l->n_lists * sizeof(uint16_t));
	const uint16_t *count = (const uint16_t *)(const void *)l->counts.data;
	for (int64_t i = 0; status == KITH_OK && i < l->n_nodes; i++)
		for (int level = 0; level <= graph_level(graph, node_at(l, i)); level++, count++) {
			if (*count > graph_width(graph, level))
				return blob_fail(l->r, "CNTS", "has a list that is too long");
			sum += *count;
		}
	return status ? status : read_section(l, "EDGS", &l->edges, sum * sizeof(uint32_t));
}

static kith_status take_lists(struct lists *l)
{
	const struct graph *graph = &l->hnsw->graph;
	const uint16_t *count = (const uint16_t *)(const void *)l->counts.data;
	const uint32_t *edge = (const uint32_t *)(const void *)l->edges.data;
	for (int64_t i = 0; i < l->n_nodes; i++) {
		int64_t node = node_at(l, i);
		for (int level = 0; level <= graph_level(graph, node); level++, count++) {
			uint32_t *list = graph_links(graph, node, level);
			if (*count)
				memcpy(list, edge, *count * sizeof *edge);
			memset(
			    list + *count, 0xff, (size_t)(graph_width(graph, level) - *count) * sizeof *list);
			if (!graph_list_is_good(graph, node, level))
				return blob_fail(l->r, "EDGS", "holds an invalid list");
			edge += *count;
		}
	}
	return KITH_OK;
}

/* Read the head, then the lists. */
static kith_status load_graph(struct lists *l)
{
	struct hnsw *hnsw = l->hnsw;
	struct graph *graph = &hnsw->graph;
	struct graph_head head;
	struct graph_fault fault;
	kith_status status = graph_load_head(graph, &head, l->r);
	if (status == KITH_OK && (head.nodes != graph->n || head.rows != graph->rows ||
	                             head.seed != graph->seed || head.mapped != hnsw->mapped))
		status = blob_fail(l->r, "GRPH", "is of another graph");
	if (status == KITH_OK)
		status = read_nodes(l);
	if (status == KITH_OK)
		status = read_counts(l);
	if (status == KITH_OK)
		status = take_lists(l);
	if (status)
		return status;
	graph->entry = head.entry;
	hnsw->unconnected = head.unconnected;
	hnsw->fars = 0;
	status = hnsw_load_keys(hnsw, l->r);
	if (status)
		return status;
	if (hnsw->mapped && hnsw->free > 0 && hnsw_check_free(hnsw, &fault))
		status = blob_fail(l->r, "EDGS", "references a node that was removed");
	return status;
}

static kith_status log_load_end(kith_index *index, struct blob_reader *r)
{
	struct lists l = {.hnsw = hnsw_of(index), .r = r};
	struct hnsw_log *log = l.hnsw->log;
	kith_status status = KITH_OK;
	if (log->next_event < log->n_events)
		status = fail_event("had more vectors added");
	if (status == KITH_OK && log->n_events > 0)
		status = load_graph(&l);
	log->replays = false;
	buffer_free(&l.nodes);
	buffer_free(&l.counts);
	buffer_free(&l.edges);
	return status;
}

const struct graph_log_ops hnsw_log_ops = {
    .begin = log_begin,
    .changed = log_changed,
    .lost = log_lost,
    .save = log_save,
    .load_begin = log_load_begin,
    .load_end = log_load_end,
};
