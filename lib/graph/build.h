/* Building a graph step by step, and keeping it whole. */
#ifndef KITH_GRAPH_BUILD_H
#define KITH_GRAPH_BUILD_H

#include "lib/graph/search_layer.h"

/* Candidates of a repair beside those of the list, and nodes in a task of it. */
enum { REPAIR_MAX = 256, REPAIR_NODES = 256 };

/* Where edges follow the inner product, one place in NEAR_SHARE of a list may be for near vectors: one in
 * NEAR_KEPT in any case, the others if there is room. */
enum { NEAR_SHARE = 4, NEAR_KEPT = 16 };

/* What a thread works with. */
struct worker {
	struct graph_scratch *scratch;
	struct candidate *candidates; /* of one list: those in it, then others */
	struct candidate *others;     /* as many */
	void *prune;
};

struct round;

/* A piece of building. All memory is there before anything changes. */
struct builder {
	struct graph *graph;
	const struct graph_space *space;
	struct graph_building how;
	const uint64_t *live;  /* a bit per node; NULL: all. New edges lead to these only */
	uint64_t *changed;     /* a bit per node: set where a list is written; NULL: nobody asks */
	const uint32_t *seeds; /* [seed_count] where searches begin, too */
	int64_t seed_count;
	const uint64_t *far; /* a bit per node, of those that are far from all others; NULL: nothing is */
	/* Under inner product (hnsw_keys.c): edges to near vectors come from elsewhere, and their share of a
	 * list stays free until then. */
	bool near_later;

	struct graph_scratch_pool *scratch_pool;
	int workers;
	struct worker *worker; /* [workers] */
	struct round *round;
	uint64_t *reached; /* bit per node */
	uint64_t *copies;  /* [n] */
	uint32_t *queue;   /* [n] the same memory */
	_Atomic bool stopped;
};

/* A list of the node is written; by any thread. */
static inline void builder_changes(struct builder *b, uint32_t node)
{
	if (b->changed)
		__atomic_fetch_or(&b->changed[node / 64], UINT64_C(1) << (node % 64), __ATOMIC_RELAXED);
}

/* For up to n nodes that are in the graph (graph_grow) and not linked yet. builder_end must follow, also
 * after a failure. NOMEM. */
kith_status builder_begin(struct builder *b, struct graph *graph, const struct graph_space *space,
    const struct graph_building *how, struct graph_scratch_pool *scratch_pool, const uint32_t *nodes,
    int64_t n);
void builder_end(struct builder *b);

/* Link the nodes that builder_begin was given, in their order. False: cancelled; lists are valid, but not
 * what they were. */
bool builder_insert(struct builder *b, const uint32_t *nodes, int64_t n);

/* Lead from the entry to every live node on level 0, and from each to its copies. False: cancelled; lists are
 * valid. */
bool builder_connect(struct builder *b);

/* Lead from live nodes to live nodes only: in the stead of removed ones to their neighbours. Lists of removed
 * nodes are empty afterwards, and the entry is a live node. False: cancelled; the graph is good for nothing
 * but to be freed. */
bool builder_repair(struct builder *b);

/* Choose the list of a node anew among what is in it and `extra` candidates, which stand at
 * worker[number].candidates + stride. degree, keep: as for graph_prune. */
void builder_choose(
    struct builder *b, int number, uint32_t node, int level, int64_t extra, int64_t degree, bool keep);

/* In the order of candidate_before. */
void candidates_sort(struct candidate *candidates, int64_t n);

#endif
