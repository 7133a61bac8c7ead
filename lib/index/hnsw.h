/* The graph index, for its files: hnsw.c (table of functions), hnsw_nodes.c (memory of nodes), hnsw_add.c
 * (add, update), hnsw_remove.c (remove, compact), hnsw_repair.c, hnsw_reorder.c, hnsw_search.c, hnsw_keys.c,
 * hnsw_far.c, hnsw_file.c, hnsw_log.c, hnsw_note.c, hnsw_parts.c, hnsw_quantizer.c. */
#ifndef KITH_INDEX_HNSW_H
#define KITH_INDEX_HNSW_H

#include "lib/graph/build.h"
#include "lib/index/ids.h"
#include "lib/index/structure.h"

/* In slot_of: a removed node that searches still pass through; a node without edges to or from it, to be used
 * again. */
#define SLOT_DEAD UINT32_MAX
#define SLOT_FREE (UINT32_MAX - 1)

struct lazy;

struct hnsw {
	struct kith_index base;
	struct codec *codec;
	bool quantizer;     /* of an inverted file, which reranks candidates itself: see hnsw_quantizer.c */
	struct codes codes; /* by node */
	struct graph graph;
	struct ids ids; /* by slot: in the order of adding, without removed ones */

	/* Maps between slots and nodes. Not mapped: they are the same, and the members down to `free` are
	 * unused. */
	bool mapped;
	struct buffer node_of; /* uint32_t [ids.n] */
	struct buffer slot_of; /* uint32_t [graph.n] */
	struct buffer live;    /* uint64_t: a bit per node */
	int64_t dead, free;    /* nodes of that kind */

	/* Not NULL: the graph is unvalidated. slot_of is that of the file; this holds node_of and live, made
	 * when they are first needed; dead and free are not known. */
	struct lazy *unvalidated;

	struct buffer inverse; /* float [graph.n], bytes under cosine: 1 / ‖x‖ */

	/* The precision of keys in searches, and that by which edges were chosen: see hnsw_keys.c. */
	enum key_precision keys, linked;
	int64_t measured, changed; /* nodes when that was last decided, and nodes written since */

	/* Nodes of vectors that are far from everything (hnsw_far.c): uint32_t [fars]. Some may be dead, or
	 * used again by other vectors. */
	struct buffer far;
	int64_t fars;

	int64_t unconnected; /* nodes linked since all nodes were last made reachable */
	struct graph_scratch_pool *scratch_pool;

	/* Changes noted for a log; NULL: they are not noted. Code that writes lists sets the bits of
	 * hnsw_log_bits; code that moves nodes or links all of them anew calls hnsw_log_event. */
	struct hnsw_log *log;
};

static inline struct hnsw *hnsw_of(kith_index *index)
{
	return (struct hnsw *)(void *)index;
}

static inline const struct hnsw *hnsw_of_const(const kith_index *index)
{
	return (const struct hnsw *)(const void *)index;
}

static inline uint32_t *hnsw_node_of(const struct hnsw *hnsw)
{
	return (uint32_t *)(void *)hnsw->node_of.data;
}

static inline uint32_t *hnsw_slot_of(const struct hnsw *hnsw)
{
	return (uint32_t *)(void *)hnsw->slot_of.data;
}

/* Maps that may not exist yet: both NULL if slots are nodes and all are live. */
struct hnsw_maps {
	const uint32_t *node_of;
	const uint64_t *live;
};

/* hnsw_file.c. Errors: FORMAT, NOMEM. */
kith_status hnsw_find_maps(const struct hnsw *hnsw, struct hnsw_maps *maps);

/* The bits of live nodes of a validated index. NULL: all nodes are live. */
static inline uint64_t *hnsw_live(const struct hnsw *hnsw)
{
	return hnsw->mapped ? (uint64_t *)(void *)hnsw->live.data : NULL;
}

static inline int64_t hnsw_node(const struct hnsw *hnsw, int64_t slot)
{
	return hnsw->mapped ? hnsw_node_of(hnsw)[slot] : slot;
}

/* Whether stored rows are not at unit length under cosine, so that their lengths are kept. */
static inline bool hnsw_measures(const struct hnsw *hnsw)
{
	return hnsw->codec->cosine && !hnsw->codec->ops->normalizes;
}

struct graph_space hnsw_space(const struct hnsw *hnsw);

/* Make room for n nodes and `slots` slots in all that is kept of them; map: in the maps, too. */
kith_status hnsw_make_room(struct hnsw *hnsw, int64_t n, int64_t slots, bool map, int spare);

/* Begin to keep maps, for which there is room. */
void hnsw_map(struct hnsw *hnsw);

/* After the maps changed: drop them if slots are nodes again. */
void hnsw_unmap(struct hnsw *hnsw);

/* Set `inverse` of nodes from … to − 1. */
void hnsw_measure(struct hnsw *hnsw, int64_t from, int64_t to);

/* Let dead nodes become free. */
static inline void hnsw_free_dead(struct hnsw *hnsw)
{
	for (int64_t i = 0; hnsw->dead && i < hnsw->graph.n; i++)
		if (hnsw_slot_of(hnsw)[i] == SLOT_DEAD)
			hnsw_slot_of(hnsw)[i] = SLOT_FREE;
	hnsw->free += hnsw->dead;
	hnsw->dead = 0;
	hnsw->unconnected = 0;
}

/* Replace edges to dead nodes, which are free then, and connect all others. NOMEM: nothing changed. */
kith_status hnsw_repair(struct hnsw *hnsw, const kith_add_options *options);

static inline uint32_t *hnsw_far(const struct hnsw *hnsw)
{
	return (uint32_t *)(void *)hnsw->far.data;
}

/* Whether far vectors are kept out of the graph. */
static inline bool hnsw_far_outside(const struct hnsw *hnsw)
{
	return hnsw->fars > 0 && hnsw->keys != KEYS_WIDE;
}

/* hnsw_far.c: whether a vector of that norm is far; whether the list would be too long with `more` far ones
 * among n vectors in all. */
bool hnsw_far_norm(double norm);
bool hnsw_too_many_far(const struct hnsw *hnsw, int64_t more, int64_t n);

/* How many of x are far; make room for so many in all; take nodes that are used again off the list; put those
 * of n nodes that are far on it, at most `far` of them: x [dim] is scratch. */
int64_t hnsw_count_far(const struct hnsw *hnsw, kith_type type, int64_t n, const void *x);
kith_status hnsw_reserve_far(struct hnsw *hnsw, int64_t n);
void hnsw_forget_far(struct hnsw *hnsw, const uint32_t *nodes, int64_t n);
void hnsw_note_far(struct hnsw *hnsw, const uint32_t *nodes, int64_t n, int64_t far, float *x);

/* Find the far nodes of a file that does not name them. NOMEM. */
kith_status hnsw_find_far(struct hnsw *hnsw);

/* After nodes got other numbers; live: the nodes that have one, NULL: all. */
void hnsw_renumber_far(struct hnsw *hnsw, const uint32_t *number, const uint64_t *live);

/* The nodes that may have edges: live ones that are not kept out of the graph. NULL: all. *owned is to be
 * freed. */
kith_status hnsw_linkable(const struct hnsw *hnsw, uint64_t **owned, const uint64_t **live);

/* Choose some of the first `fars` far nodes, evenly spread, at which searches begin, too; returns how
 * many. */
enum { HNSW_SEEDS = 256 };
int64_t hnsw_seeds(const struct hnsw *hnsw, int64_t fars, uint32_t seeds[HNSW_SEEDS]);

/* If searches begin at far nodes: a bit for each of n nodes that is far, to be freed; else NULL. NOMEM. */
kith_status hnsw_far_bits(const struct hnsw *hnsw, int64_t n, uint64_t **bits);

/* hnsw_keys.c. Before `more` vectors are written, of which `far` are far: if it is due, decide anew how to
 * compare vectors, and link all of them anew if their edges were chosen by keys that cannot tell them apart.
 * NOMEM,
 * CANCELLED: nothing changed but the order of nodes. */
kith_status hnsw_renew_keys(struct hnsw *hnsw, int64_t more, int64_t far, const kith_add_options *options);
bool hnsw_keys_due(const struct hnsw *hnsw, int64_t more, int64_t far);

/* The same when compacting: link anew if edges were chosen by keys that are too coarse. */
kith_status hnsw_relink(struct hnsw *hnsw, const kith_add_options *options);

/* Decide by the present vectors, and link all nodes of a new graph (graph_grow made them). NOMEM, CANCELLED:
 * lists hold anything. */
kith_status hnsw_link(struct hnsw *hnsw, struct graph *graph, const struct graph_building *how);

/* The same by the keys that were decided on; how->only is set here. */
kith_status hnsw_link_all(struct hnsw *hnsw, struct graph *graph, const struct graph_building *how);

/* Decide for a graph that was linked elsewhere by keys of precision `linked`, using its lists. NOMEM. */
kith_status hnsw_find_keys(struct hnsw *hnsw, enum key_precision linked);

/* To a file and back; old files do not have this section. */
void hnsw_save_keys(const struct hnsw *hnsw, struct blob_writer *w);
kith_status hnsw_load_keys(struct hnsw *hnsw, struct blob_reader *r);

/* How graphs are built with these options, without progress. */
struct graph_building hnsw_building(const struct hnsw *hnsw, const kith_add_options *options);

/* Remove all vectors. */
void hnsw_clear(struct hnsw *hnsw);

kith_status hnsw_add(kith_index *index, kith_type type, int64_t n, const void *x, const int64_t *ids,
    const kith_add_options *options);
kith_status hnsw_update(kith_index *index, kith_type type, int64_t n, const void *x, const int64_t *ids);
kith_status hnsw_remove(kith_index *index, const kith_filter *which, int64_t *removed);
kith_status hnsw_compact(kith_index *index, const kith_add_options *options);

/* Exchange everything but the head and the log with a copy of the index. */
void hnsw_swap(struct hnsw *hnsw, struct hnsw *copy);
kith_status hnsw_reorder(kith_index *index, const kith_add_options *options);
kith_status hnsw_search(
    const kith_index *index, const struct rows *query, struct sink *sink, const kith_search_options *options);
void hnsw_save(const kith_index *index, struct blob_writer *w);
kith_status hnsw_validate(kith_index *index);
kith_status hnsw_load(kith_index *index, int64_t n, bool trained, struct blob_reader *r);

#endif
