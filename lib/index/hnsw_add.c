/* Adding to and updating a graph index. Everything that can fail comes first: memory, then the ids. Steps
 * that can be cancelled work on a copy of the graph, or are undone from one.
 *
 * Vectors take free nodes first, in their order, then new ones. An update gives a slot another node. A large
 * add to a small index links all nodes anew in bulk, which is several times faster than inserting them.
 */
#include "lib/index/hnsw.h"
#include "lib/index/hnsw_log.h"

#include "kernels/kernels.h"
#include "lib/base/status.h"
#include "lib/base/threads.h"

#include <string.h>

enum {
	REPAIR_SHARE = 8,  /* an eighth of the nodes are dead: replace edges to them and reuse them */
	CONNECT_SHARE = 16 /* a sixteenth of the nodes are new: make sure that all can be reached */
};

struct filling {
	struct hnsw *hnsw;
	kith_type type;
	const char *x;
	int64_t n;             /* vectors to place */
	const uint32_t *input; /* [n] their rows in x; NULL: all */
	int64_t rows;          /* of x, with input */
	const uint32_t *slot;  /* [n] of updated ones; NULL: new ones */
	uint32_t *node;        /* [n] */
	int64_t reused;        /* the first so many of these were free */
	int64_t nodes, slots;  /* before the call */
	int64_t next;          /* id */
	uint64_t seed;
	int encoders;
	float *scratch;            /* [encoders × CODES_SCRATCH] */
	int64_t far, fars;         /* far ones among the vectors, at most; in the index before the call */
	int64_t measured, changed; /* as in struct hnsw, before anything is written */
	enum key_precision keys, linked;
	uint64_t *linkable, *far_bits; /* see hnsw_linkable, hnsw_far_bits; to be freed */
	bool bulk, can_cancel;
	struct graph graph; /* bulk: the new one; else a copy of the old one, if a cancel may need it */
	bool copied;
	kith_index *before; /* a copy of the index if it was put in order first; NULL: it was not */
	struct graph_space space;
	struct graph_building how;
	struct progress progress;
	struct builder builder;
};

/* ---- memory first ---- */

/* Free nodes first, then new ones. */
static kith_status choose_nodes(struct filling *f)
{
	const struct hnsw *hnsw = f->hnsw;
	f->node = mem_alloc((size_t)f->n, sizeof *f->node);
	if (!f->node)
		return fail_nomem("adding", (size_t)f->n * sizeof *f->node);
	f->reused = f->bulk ? 0 : f->n < hnsw->free ? f->n : hnsw->free;
	for (int64_t i = 0, found = 0; found < f->reused; i++)
		if (hnsw_slot_of(hnsw)[i] == SLOT_FREE)
			f->node[found++] = (uint32_t)i;
	for (int64_t i = f->reused; i < f->n; i++)
		f->node[i] = (uint32_t)(f->nodes + i - f->reused);
	return KITH_OK;
}

static kith_status prepare_graph(struct filling *f)
{
	struct hnsw *hnsw = f->hnsw;
	int64_t nodes = f->nodes + f->n - f->reused;
	f->space = hnsw_space(hnsw);
	graph_init(&f->graph, hnsw->graph.M);
	if (f->bulk) {
		f->graph.seed = hnsw->graph.seed;
		return graph_grow(&f->graph, nodes);
	}
	kith_status status = KITH_OK;
	if (f->can_cancel && f->nodes > 0) {
		status = graph_copy(&f->graph, &hnsw->graph);
		f->copied = status == KITH_OK;
	}
	if (status == KITH_OK)
		status = graph_grow(&hnsw->graph, nodes);
	if (status == KITH_OK && !hnsw_log_replays(hnsw))
		status = builder_begin(
		    &f->builder, &hnsw->graph, &f->space, &f->how, hnsw->scratch_pool, f->node, f->n);
	return status;
}

static bool must_repair(const struct hnsw *hnsw)
{
	return hnsw->dead * REPAIR_SHARE > hnsw->graph.n;
}

/* Keys that are too coarse for the new vectors are renewed first, and dead nodes are cleared away. A
 * cancelled call undoes that as well, for which a copy of everything is needed: dead nodes are used again. */
static kith_status put_in_order(struct filling *f, const kith_add_options *options)
{
	struct hnsw *hnsw = f->hnsw;
	bool compacts = f->bulk && hnsw->graph.n > hnsw->ids.n;
	bool renews = !f->bulk && hnsw_keys_due(hnsw, f->n, f->far);
	kith_status status = KITH_OK;
	if (!compacts && !renews && !must_repair(hnsw))
		return KITH_OK;
	if (f->can_cancel)
		status = hnsw->base.ops->clone(&f->before, &hnsw->base);
	if (status == KITH_OK && renews)
		status = hnsw_renew_keys(hnsw, f->n, f->far, options);
	if (status == KITH_OK && compacts)
		status = hnsw_compact(&hnsw->base, options);
	else if (status == KITH_OK && must_repair(hnsw))
		status = hnsw_repair(hnsw, options);
	return status;
}

/* Decide how to link the new vectors, and put the index in order before. */
static kith_status decide(struct filling *f, const kith_add_options *options)
{
	struct hnsw *hnsw = f->hnsw;
	int64_t live = hnsw->ids.n;
	f->far = hnsw_count_far(hnsw, f->type, f->slot ? f->rows : f->n, f->x);
	if (hnsw_log_replays(hnsw))
		return hnsw_log_decided(hnsw, &f->bulk);
	/* If graph_bulk does not serve, all nodes are inserted one by one: linking the old ones anew takes as
	 * long as the first time. */
	bool inserts = !graph_bulk_serves(hnsw_space(hnsw).edges);
	f->bulk = !f->slot && graph_bulk_pays(live + f->n) && f->n >= (inserts ? live : live / 2) &&
	          (!inserts || hnsw->graph.n == live);
	return put_in_order(f, options);
}

static kith_status prepare(struct filling *f, const kith_add_options *options)
{
	struct hnsw *hnsw = f->hnsw;
	int64_t live = hnsw->ids.n;
	f->how = hnsw_building(hnsw, options);
	f->how.progress = &f->progress;
	kith_status status = decide(f, options);
	if (status)
		return status;
	f->nodes = hnsw->graph.n;
	f->slots = live;
	f->next = hnsw->ids.next;
	if (f->n > GRAPH_MAX_NODES - f->nodes)
		return fail(KITH_INVALID, "n is %lld: a graph has at most %lld vectors", (long long)f->n,
		    (long long)GRAPH_MAX_NODES);
	if (f->nodes == 0)
		hnsw->graph.seed = options->seed;
	f->encoders = codes_useful_threads(f->n, f->how.threads);
	size_t floats = (size_t)f->encoders * CODES_SCRATCH(hnsw->base.dim);
	f->scratch = mem_alloc(floats, sizeof *f->scratch);
	if (!f->scratch)
		return fail_nomem("encoding", floats * sizeof *f->scratch);
	f->fars = hnsw->fars;
	f->keys = hnsw->keys;
	f->linked = hnsw->linked;
	f->measured = hnsw->measured;
	f->changed = hnsw->changed;
	status = hnsw_reserve_far(hnsw, f->fars + f->far);
	if (status == KITH_OK)
		status = choose_nodes(f);
	if (status == KITH_OK)
		status = hnsw_make_room(hnsw, f->nodes + f->n - f->reused, f->slot ? live : live + f->n,
		    hnsw->mapped || f->slot != NULL, 4);
	return status ? status : prepare_graph(f);
}

/* ---- vectors ---- */

static const char *input_row(const struct filling *f, int64_t i)
{
	size_t row = (size_t)f->hnsw->base.dim * kith_type_size(f->type);
	return f->x + (size_t)(f->input ? f->input[i] : i) * row;
}

/* False: cancelled. */
static bool write_codes(struct filling *f)
{
	struct codes *codes = &f->hnsw->codes;
	for (int64_t i = 0; i < f->reused; i++)
		codes_replace(codes, f->node[i], f->type, input_row(f, i), f->scratch);
	if (f->input) { /* rows of x in any order: one at a time */
		for (int64_t i = f->reused; i < f->n; i++)
			codes_append(codes, f->type, 1, input_row(f, i), f->scratch);
		return true;
	}
	return f->reused == f->n || codes_append_parallel(codes, f->type, f->n - f->reused,
	                                input_row(f, f->reused), f->encoders, f->scratch, NULL);
}

/* Compute the lengths of the new vectors, if they are kept. False: cancelled. */
static bool measure(struct filling *f)
{
	enum { LOOK = 1024 };
	for (int64_t i = 0; i < f->n && hnsw_measures(f->hnsw); i++) {
		if (i % LOOK == LOOK - 1 && progress_stopped())
			return false;
		hnsw_measure(f->hnsw, f->node[i], f->node[i] + 1);
	}
	return true;
}

static void set_live(struct hnsw *hnsw, uint32_t node, bool live)
{
	uint64_t *word = &hnsw_live(hnsw)[node / 64], bit = UINT64_C(1) << (node % 64);
	*word = live ? *word | bit : *word & ~bit;
}

/* Connect slots with the new nodes; the old node of an updated slot is dead. */
static void write_maps(struct filling *f)
{
	struct hnsw *hnsw = f->hnsw;
	if (f->slot)
		hnsw_map(hnsw);
	if (!hnsw->mapped)
		return;
	for (int64_t word = (f->nodes + 63) / 64; word * 64 < hnsw->graph.n; word++)
		hnsw_live(hnsw)[word] = 0;
	for (int64_t i = 0; i < f->n; i++) {
		uint32_t slot = f->slot ? f->slot[i] : (uint32_t)(f->slots + i);
		if (f->slot) {
			uint32_t old = hnsw_node_of(hnsw)[slot];
			hnsw_slot_of(hnsw)[old] = SLOT_DEAD;
			set_live(hnsw, old, false);
			hnsw->dead++;
		}
		hnsw_node_of(hnsw)[slot] = f->node[i];
		hnsw_slot_of(hnsw)[f->node[i]] = slot;
		set_live(hnsw, f->node[i], true);
	}
	hnsw->free -= f->reused;
}

static void undo(struct filling *f)
{
	struct hnsw *hnsw = f->hnsw;
	if (f->copied) {
		graph_swap(&hnsw->graph, &f->graph);
	} else if (!f->bulk) {
		graph_shrink(&hnsw->graph, f->nodes);
	}
	codes_truncate(&hnsw->codes, f->nodes);
	hnsw->fars = f->fars;
	hnsw->keys = f->keys;
	hnsw->linked = f->linked;
	hnsw->measured = f->measured;
	hnsw->changed = f->changed;
	ids_truncate(&hnsw->ids, f->slots, f->next);
	for (int64_t i = 0; hnsw->mapped && i < f->n; i++) {
		set_live(hnsw, f->node[i], false);
		if (f->node[i] < f->nodes)
			hnsw_slot_of(hnsw)[f->node[i]] = SLOT_FREE;
	}
	hnsw->free += f->reused;
}

/* ---- edges ---- */

/* Replace the graph by the new one. */
static void take_graph(struct filling *f)
{
	struct hnsw *hnsw = f->hnsw;
	graph_free(&hnsw->graph);
	hnsw->graph = f->graph;
	graph_init(&f->graph, hnsw->graph.M);
	hnsw->unconnected = 0;
	hnsw_log_grow(hnsw);
}

/* Move far nodes that stay out of the graph to the end of f->node; returns how many others there are. */
static int64_t linked_nodes(struct filling *f)
{
	int64_t n = 0;
	for (int64_t i = 0; i < f->n; i++)
		if (graph_is_live(f->builder.live, f->node[i])) {
			uint32_t node = f->node[i];
			f->node[i] = f->node[n];
			f->node[n++] = node;
		}
	return n;
}

static kith_status link_all(struct filling *f)
{
	uint32_t seeds[HNSW_SEEDS];
	struct hnsw *hnsw = f->hnsw;
	kith_status status = KITH_OK;
	bool connect = !f->bulk && (hnsw->unconnected + f->n) * CONNECT_SHARE >= hnsw->graph.n;
	if (hnsw_log_replays(hnsw)) { /* edges are read from the log later */
		if (f->bulk)
			take_graph(f);
		return progress_end(&f->progress);
	}
	hnsw_log_grow(hnsw);
	f->builder.changed = hnsw_log_bits(hnsw);
	int64_t n = f->n;
	f->space = hnsw_space(hnsw);
	if (!f->bulk) {
		status = hnsw_linkable(hnsw, &f->linkable, &f->builder.live);
		if (status == KITH_OK)
			status = hnsw_far_bits(hnsw, hnsw->graph.n, &f->far_bits);
		if (status) {
			progress_end(&f->progress);
			return status;
		}
		f->builder.far = f->far_bits;
		n = linked_nodes(f);
		graph_shuffle(&hnsw->graph, f->node, n);
		f->builder.seeds = seeds;
		f->builder.seed_count = hnsw_seeds(hnsw, f->fars, seeds);
	}
	if (f->bulk)
		status = hnsw_link(hnsw, &f->graph, &f->how);
	else if (builder_insert(&f->builder, f->node, n) && connect)
		builder_connect(&f->builder);
	status = progress_end_with(&f->progress, status);
	if (status)
		return status;
	hnsw_log_event(hnsw, f->bulk ? EVENT_BULK : EVENT_INSERT);
	if (f->bulk) { /* hnsw_link has connected it */
		take_graph(f);
		return KITH_OK;
	}
	hnsw->changed += f->n;
	hnsw->unconnected = connect ? 0 : hnsw->unconnected + f->n;
	return KITH_OK;
}

static kith_status fill(struct filling *f, const int64_t *ids, const kith_add_options *options)
{
	struct hnsw *hnsw = f->hnsw;
	f->nodes = hnsw->graph.n;
	f->seed = hnsw->graph.seed;
	f->can_cancel = options->progress || progress_current();
	kith_status status = prepare(f, options);
	if (status == KITH_OK && !f->slot)
		status = ids_append(&hnsw->ids, f->n, ids);
	if (status == KITH_OK) {
		progress_begin(&f->progress, options->progress, options->progress_data, "add",
		    f->n + (f->bulk ? f->nodes : 0));
		bool written = write_codes(f) && measure(f);
		hnsw_forget_far(hnsw, f->node, f->reused);
		f->fars = hnsw->fars;
		if (written)
			hnsw_note_far(hnsw, f->node, f->n, f->far, f->scratch);
		write_maps(f);
		status = written ? link_all(f) : progress_end(&f->progress);
		if (status)
			undo(f);
	} else {
		graph_shrink(&hnsw->graph, f->nodes);
	}
	if (status)
		hnsw_log_failed(hnsw);
	builder_end(&f->builder);
	if (status)
		hnsw->graph.seed = f->seed;
	if (status && f->before)
		hnsw_swap(hnsw, hnsw_of(f->before));
	if (f->before)
		hnsw->base.ops->free(f->before);
	graph_free(&f->graph);
	mem_free(f->scratch);
	mem_free(f->node);
	mem_free(f->linkable);
	mem_free(f->far_bits);
	return status;
}

kith_status hnsw_add(kith_index *index, kith_type type, int64_t n, const void *x, const int64_t *ids,
    const kith_add_options *options)
{
	struct filling f = {.hnsw = hnsw_of(index), .type = type, .x = x, .n = n};
	return fill(&f, ids, options);
}

/* The slots of ids [n] and, for each slot, the last row with its id. Returns their number. */
static int64_t last_of_each(
    const struct hnsw *hnsw, int64_t n, const int64_t *ids, uint32_t *slot, uint32_t *input, uint64_t *seen)
{
	int64_t count = 0;
	for (int64_t i = n - 1; i >= 0; i--) {
		uint32_t at = (uint32_t)ids_find(&hnsw->ids, ids[i]);
		if (seen[at / 64] >> (at % 64) & 1)
			continue;
		seen[at / 64] |= UINT64_C(1) << (at % 64);
		slot[count] = at;
		input[count++] = (uint32_t)i;
	}
	return count;
}

kith_status hnsw_update(kith_index *index, kith_type type, int64_t n, const void *x, const int64_t *ids)
{
	struct hnsw *hnsw = hnsw_of(index);
	if (n > GRAPH_MAX_NODES)
		return fail(KITH_INVALID, "n is %lld: a graph has at most %lld vectors", (long long)n,
		    (long long)GRAPH_MAX_NODES);
	uint32_t *slot = mem_alloc((size_t)n, sizeof *slot), *input = mem_alloc((size_t)n, sizeof *input);
	uint64_t *seen = mem_zalloc((size_t)(hnsw->ids.n + 63) / 64, sizeof *seen);
	kith_status status = slot && input && seen ? KITH_OK : fail_nomem("an update", (size_t)n * 8);
	if (status == KITH_OK) {
		kith_add_options options = KITH_ADD_OPTIONS;
		int64_t count = last_of_each(hnsw, n, ids, slot, input, seen);
		struct filling f = {
		    .hnsw = hnsw, .type = type, .x = x, .n = count, .input = input, .rows = n, .slot = slot};
		status = fill(&f, NULL, &options);
	}
	mem_free(slot);
	mem_free(input);
	mem_free(seen);
	return status;
}
