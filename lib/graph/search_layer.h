/* Searching a graph: the best-first search of the paper (Algorithm 2), for searches and for building.
 *
 * A scratch has all the memory of one search. Idle ones are kept in a pool of the index, so that searches
 * allocate nothing once there are as many as run at the same time. */
#ifndef KITH_GRAPH_SEARCH_LAYER_H
#define KITH_GRAPH_SEARCH_LAYER_H

#include <pthread.h>

#include "lib/graph/graph.h"

/* The mark of nodes in the pool of a search whose neighbours have been visited (expanded nodes). */
#define EXPANDED UINT32_C(0x80000000)

/* So that the mark fits into a node's number. */
#define GRAPH_MAX_NODES (INT64_C(1) << 31)

enum { DESCENT_LEVELS = 3, VISITED_LOG = 8192 };

struct graph_scratch {
	const struct graph *graph;
	const struct graph_space *space;
	void *origin;           /* graph_origin_bytes */
	struct candidate *pool; /* [max_pool] the nearest nodes that were visited, ascending */
	int64_t n;              /* number of candidates in the pool */
	struct candidate *copy; /* [max_pool] copies of nodes of the pool, not in it, ascending */
	int64_t copies, max_copies;
	const uint64_t
	    *live;     /* a bit per node; only those with it can represent copies that have it; NULL: all */
	int64_t pairs; /* number of distances computed */
	bool damaged;  /* since scratch_take, an invalid list of an unvalidated graph was treated as empty */

	uint64_t *visited;     /* a bit per node, max_visited in all: visited by this search */
	uint32_t *visited_log; /* [VISITED_LOG] the last nodes visited; the i-th at i % VISITED_LOG */
	int64_t visited_count;
	int64_t max_visited, max_pool, max_batch;

	/* Nodes where a search of level 0 begins as well; or, if seeds_hidden, nodes that it must not
	 * visit. */
	const uint32_t *seeds;
	int64_t seed_count;
	bool seeds_hidden;

	/* A bit per node, set for those that are far from all others (hnsw_far.c): a search that begins at
	 * seeds visits these first, and with far_only no others. NULL: it visits all. */
	const uint64_t *far, *only;
	bool far_only;

	/* The nodes at which the last descent left levels DESCENT_LEVELS … 1; 0 for levels that do not
	 * exist. */
	uint32_t path[DESCENT_LEVELS];
	size_t origin_bytes;
	uint32_t *batch; /* [max_batch] nodes to compare, and their keys */
	float *key;
	struct buffer spill; /* struct candidate: results of range searches, not limited */
	struct graph_scratch *next;
};

struct graph_scratch_pool {
	pthread_mutex_t lock;
	struct graph_scratch *idle;
};

void scratch_pool_init(struct graph_scratch_pool *scratch_pool);
/* Free idle scratches; no search may take one at the same time. */
void scratch_pool_clear(struct graph_scratch_pool *scratch_pool);
void scratch_pool_free(struct graph_scratch_pool *scratch_pool);
size_t scratch_pool_memory(struct graph_scratch_pool *scratch_pool);

/* A scratch for this graph with room for `ef` candidates in its pool, and for batches of `batch` nodes, or of
 * a whole list if that is longer. NULL: no memory. */
struct graph_scratch *scratch_take(struct graph_scratch_pool *scratch_pool, const struct graph *graph,
    const struct graph_space *space, int64_t ef, int64_t batch);
void scratch_return(struct graph_scratch_pool *scratch_pool, struct graph_scratch *scratch);

/* Mark all nodes as not visited. */
void visited_clear(struct graph_scratch *w);

/* Mark a node as visited; returns whether it was before. */
static inline bool visited_test_set(struct graph_scratch *w, uint32_t node)
{
	uint64_t *word = &w->visited[node / 64], bit = UINT64_C(1) << (node % 64);
	bool batch = *word & bit;
	*word |= bit;
	w->visited_log[w->visited_count % VISITED_LOG] = node;
	w->visited_count += !batch;
	return batch;
}

/* Insert a candidate into an array of *n, at most `max`, ascending by key, behind those with the same key.
 * Returns its index; `max`: it was not inserted. */
static inline int64_t candidate_insert(
    struct candidate *pool, int64_t *n, int64_t max, struct candidate candidate)
{
	if (*n == max && !(candidate.key < pool[*n - 1].key))
		return max;
	int64_t at = *n == max ? *n - 1 : (*n)++;
	for (; at > 0 && candidate.key < pool[at - 1].key; at--)
		pool[at] = pool[at - 1];
	pool[at] = candidate;
	return at;
}

/* The node at which a greedy descent through the levels from the top to `to` + 1 ends. The origin is in
 * w->origin. */
struct candidate search_upper_layers(struct graph_scratch *w, int to);

/* Search a level from one node, whose key is known, for the ef nearest that can be reached: w->pool. Of nodes
 * whose vectors are stored as the same bytes only one is in the pool, so that copies do not take the places
 * of different vectors; the nearest of the other copies, up to ef of them, are in w->copy. */
void search_layer(struct graph_scratch *w, int level, struct candidate from, int64_t ef);

/* Search level 0 likewise, but include copies as far as they are among the want >= 1 nearest: copies lead to
 * one another, and as many of these edges are followed as necessary. w->pool has up to ef nodes. */
void search_base_layer(struct graph_scratch *w, struct candidate from, int64_t ef, int64_t want);

/* Visit the nodes in a list of level 0 that were not visited yet, and compute their keys: w->batch, w->key.
 * Returns how many there are. */
int64_t visit_neighbours(struct graph_scratch *w, const uint32_t *list);

/* Put a node with its key into w->pool or w->copy, if it is near enough. Returns its index in the pool; ef:
 * it is not there. */
int64_t offer_candidate(struct graph_scratch *w, struct candidate c, int64_t ef);

/* The list of a node on level 0. */
const uint32_t *search_links(struct graph_scratch *w, uint32_t node);

PREFETCH_INLINE void graph_prefetch(const struct graph *graph, uint32_t node)
{
	const char *list = (const char *)graph_links(graph, node, 0);
	for (size_t b = 0; b < (size_t)graph->stride * sizeof(uint32_t); b += 64)
		__builtin_prefetch(list + b);
}

/* filtered.c: search level 0 from one node for the nearest that pass (a bit per node): found [n, at most ef],
 * ascending. */
struct filtering {
	const uint64_t *pass;
	double share;            /* the share of the nodes that pass */
	struct candidate *found; /* [ef] */
	int64_t n;
	/* The number of first steps, how many nodes were compared in these, and how many of the expanded
	 * nodes have copies. */
	int64_t steps, scored, copied;
};
void search_filtered(struct graph_scratch *w, struct candidate from, int64_t ef, struct filtering *f);

/* The size of the pool and of the batches that search_filtered needs in its scratch. */
int64_t filtered_max_pool(int64_t ef);
int64_t filtered_max_batch(const struct graph *graph);

/* Search from one node, of level 1 if there is one, and from the entry of the graph for every node with a key
 * of at most `bound` that can be reached over such nodes and over the ef nearest of the others. Afterwards
 * w->spill has exactly these, *n of them, and w->pool the nearest of the others. Given up when more than
 * `max` nodes were compared. */
enum range_end { RANGE_DONE, RANGE_GIVEN_UP, RANGE_NO_MEMORY };
enum range_end search_range(
    struct graph_scratch *w, struct candidate from, float bound, int64_t ef, int64_t max, int64_t *n);

#endif
