/* Building a graph by insertion, and keeping it connected. */
#ifndef KITH_GRAPH_BUILD_H
#define KITH_GRAPH_BUILD_H

#include "lib/graph/search_layer.h"

/* The most candidates of a repair in addition to those in the list; and the nodes in one task of it. */
enum { REPAIR_MAX = 256, REPAIR_NODES = 256 };

/* If edges follow the inner product, one place in NEAR_SHARE of a list may be used for near vectors: one in
 * NEAR_KEPT in any case if they are close, the others if there is room. */
enum { NEAR_SHARE = 4, NEAR_KEPT = 16 };

/* The memory of one thread. */
struct worker {
	struct graph_scratch *scratch;
	struct candidate *candidates; /* for one list: the nodes in it, then others */
	struct candidate *others;     /* as many */
	void *prune;
};

struct round;

/* Building or repairing a graph. All memory is allocated before anything changes. */
struct builder {
	struct graph *graph;
	const struct graph_space *space;
	struct graph_building how;
	const uint64_t *live;  /* a bit per node; NULL: all are live. New edges lead only to live nodes */
	uint64_t *changed;     /* a bit per node, set when a list of it is written; NULL: not recorded */
	const uint32_t *seeds; /* [seed_count] nodes where searches begin as well */
	int64_t seed_count;
	const uint64_t *far; /* a bit per node, set for those that are far from all others; NULL: none is */
	/* Under inner product (hnsw_keys.c): edges to near vectors are added later, by the caller. */
	bool near_later;

	struct graph_scratch_pool *scratch_pool;
	int workers;
	struct worker *worker; /* [workers] */
	struct round *round;
	uint64_t *reached; /* a bit per node */
	uint64_t *copies;  /* [n] */
	uint32_t *queue;   /* [n] the same memory as copies */
	_Atomic bool stopped;
};

/* Record that a list of the node is written. Any thread may call it. */
static inline void builder_changes(struct builder *b, uint32_t node)
{
	if (b->changed)
		__atomic_fetch_or(&b->changed[node / 64], UINT64_C(1) << (node % 64), __ATOMIC_RELAXED);
}

/* Put nodes that are to be linked into random order, a function of the seed and of how many nodes
 * there are. Vectors often come sorted, and nodes that are linked one cluster after another find no
 * others to keep edges to while their lists have room. */
void graph_shuffle(const struct graph *graph, uint32_t *nodes, int64_t n);

/* Prepare for up to n nodes that are in the graph (graph_grow) and not linked yet. Call builder_end
 * afterwards, also after a failure. Errors: NOMEM. */
kith_status builder_begin(struct builder *b, struct graph *graph, const struct graph_space *space,
    const struct graph_building *how, struct graph_scratch_pool *scratch_pool, const uint32_t *nodes,
    int64_t n);
void builder_end(struct builder *b);

/* Link nodes that builder_begin was given, in the order they have here. False: cancelled; lists are
 * valid, but not what they were. */
bool builder_insert(struct builder *b, const uint32_t *nodes, int64_t n);

/* Make every live node reachable from the entry on level 0, and the copies of each reachable from it. False:
 * cancelled; lists are valid. */
bool builder_connect(struct builder *b);

/* Replace edges from live nodes to removed ones by edges to the neighbours of these. Lists of removed nodes
 * are empty afterwards, and the entry is a live node. False: cancelled; the graph can only be freed. */
bool builder_repair(struct builder *b);

/* Choose the list of a node again, among the nodes in it and `extra` candidates, which are at
 * worker[number].candidates + stride. degree, keep: as for graph_prune. */
void builder_choose(
    struct builder *b, int number, uint32_t node, int level, int64_t extra, int64_t degree, bool keep);

/* near.c: append near nodes to a node's list, which has `n` nodes and room for `width`: at most `max` of the
 * `count` in `near`, the nearest first, without those that it has. If it is full, some that are close replace
 * the last in it. Returns how many nodes there are then. scratch [2 × dim]. */
int64_t graph_append_near(const struct graph_space *space, uint32_t node, uint32_t *list, int64_t n,
    int64_t width, const uint32_t *near, int64_t count, int64_t max, float *scratch);

/* Sort in the order of candidate_before. */
void candidates_sort(struct candidate *candidates, int64_t n);

#endif
