/* The graph index, as its files share it: hnsw.c (life), hnsw_fill.c (add, update, remove, compact),
 * hnsw_search.c, hnsw_file.c. */
#ifndef KITH_STRUCTURE_HNSW_H
#define KITH_STRUCTURE_HNSW_H

#include "lib/structure/graph_build.h"
#include "lib/structure/ids.h"
#include "lib/structure/structure.h"

/* In slot_of: a node that was removed and is still walked over; one that nothing leads to, to be used again.
 */
#define SLOT_DEAD UINT32_MAX
#define SLOT_FREE (UINT32_MAX - 1)

struct lazy;

struct hnsw {
	struct kith_index base;
	struct codec *codec;
	struct codes codes; /* by node */
	struct graph graph;
	struct ids ids; /* by slot: in the order of adding, without those removed */

	/* As long as nothing was removed, slots are nodes and there is none of this. */
	bool mapped;
	struct buffer node_of; /* uint32_t [ids.n] */
	struct buffer slot_of; /* uint32_t [graph.n] */
	struct buffer live;    /* uint64_t: a bit per node */
	int64_t dead, free;    /* nodes of that kind */

	/* Not NULL: the graph is unseen. slot_of is the file's; node_of and live are in here, made when they
	 * are first needed; dead and free are not known. */
	struct lazy *unseen;

	struct buffer inverse; /* float [graph.n], bytes under cosine: 1 / ‖x‖ */

	int64_t unsettled; /* nodes linked since all were last seen to be reachable */
	struct walkers *walkers;

	/* What changed, for a log; NULL: nobody asks. Whoever writes lists tells builder_changes; whoever
	 * moves nodes or links all of them anew tells hnsw_log_event; what else an index decides by itself
	 * goes into hnsw_log.c's sections. */
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

/* What may not have been made yet: both NULL where slots are nodes and all are live. */
struct hnsw_maps {
	const uint32_t *node_of;
	const uint64_t *live;
};

/* hnsw_file.c. Errors: FORMAT, NOMEM. */
kith_status hnsw_find_maps(const struct hnsw *hnsw, struct hnsw_maps *maps);

/* Of an index that is settled. NULL: all nodes are live. */
static inline uint64_t *hnsw_live(const struct hnsw *hnsw)
{
	return hnsw->mapped ? (uint64_t *)(void *)hnsw->live.data : NULL;
}

static inline int64_t hnsw_node(const struct hnsw *hnsw, int64_t slot)
{
	return hnsw->mapped ? hnsw_node_of(hnsw)[slot] : slot;
}

/* Whether rows normalize, so that their lengths are kept. */
static inline bool hnsw_measures(const struct hnsw *hnsw)
{
	return hnsw->codec->cosine && !hnsw->codec->ops->normalizes;
}

struct graph_space hnsw_space(const struct hnsw *hnsw);

/* Room for n nodes and `slots` slots in all that is kept of them. map: in the maps too. */
kith_status hnsw_make_room(struct hnsw *hnsw, int64_t n, int64_t slots, bool map, int spare);

/* Begin to keep maps; room is there. */
void hnsw_map(struct hnsw *hnsw);

/* After the maps changed: drop them where they say nothing. */
void hnsw_unmap(struct hnsw *hnsw);

/* 1 / ‖x‖ of nodes from … to − 1. */
void hnsw_measure(struct hnsw *hnsw, int64_t from, int64_t to);

/* Lead ways around dead nodes, which are free then, and to all others. NOMEM: nothing changed. */
kith_status hnsw_repair(struct hnsw *hnsw, const kith_add_options *options);

/* Without vectors, as a new one. */
void hnsw_clear(struct hnsw *hnsw);

kith_status hnsw_add(kith_index *index, kith_type type, int64_t n, const void *x, const int64_t *ids,
    const kith_add_options *options);
kith_status hnsw_update(kith_index *index, kith_type type, int64_t n, const void *x, const int64_t *ids);
kith_status hnsw_remove(kith_index *index, const kith_filter *which, int64_t *removed);
kith_status hnsw_compact(kith_index *index, const kith_add_options *options);
kith_status hnsw_reorder(kith_index *index, const kith_add_options *options);
kith_status hnsw_search(
    const kith_index *index, const struct rows *query, struct sink *sink, const kith_search_options *options);
void hnsw_save(const kith_index *index, struct blob_writer *w);
kith_status hnsw_settle(kith_index *index);
kith_status hnsw_load(kith_index *index, int64_t n, bool trained, struct blob_reader *r);

#endif
