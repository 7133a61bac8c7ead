/* Searching a graph: the best-first search of the paper (Algorithm 2), for searches and for building.
 *
 * A scratch has all the memory of one search at a time. Those that are idle wait in a pool of the index, so
 * that a search allocates nothing once there are as many as run at the same time. */
#ifndef KITH_GRAPH_SEARCH_LAYER_H
#define KITH_GRAPH_SEARCH_LAYER_H

#include <pthread.h>

#include "lib/graph/graph.h"

/* Mark in the pool of a search, for nodes whose neighbours were looked at. */
#define EXPANDED UINT32_C(0x80000000)

/* So that it fits. */
#define GRAPH_MAX_NODES (INT64_C(1) << 31)

enum { DESCENT_LEVELS = 3, VISITED_LOG = 8192 };

struct graph_scratch {
	const struct graph *graph;
	const struct graph_space *space;
	void *origin;           /* graph_origin_bytes */
	struct candidate *pool; /* [max_pool] ascending: the best nodes that were visited */
	int64_t n;              /* in the pool */
	struct candidate *copy; /* [max_pool] ascending: copies of nodes of the pool, which are not in it */
	int64_t copies, max_copies;
	const uint64_t *live; /* a bit per node: one without it stands for none that has it; NULL: all do */
	int64_t pairs;        /* distances computed */
	bool damaged; /* the graph was unvalidated, and a list is invalid: it was taken for empty since
	                 scratch_take */

	uint64_t *visited; /* a bit per node, of max_visited: visited by this search */
	uint32_t *
	    visited_log; /* [VISITED_LOG] the last nodes visited; number i of the search at i % VISITED_LOG */
	int64_t visited_count;
	int64_t max_visited, max_pool, max_batch;

	/* Nodes where a search of level 0 begins, too; or, hidden, that it does not see. */
	const uint32_t *seeds;
	int64_t seed_count;
	bool seeds_hidden;

	/* A bit per node, of those that are far from all others (hnsw_far.c): a search that begins at seeds
	 * goes over these first; and with far_only over no others. NULL: over all. */
	const uint64_t *far, *only;
	bool far_only;

	/* Where the last descent left levels DESCENT_LEVELS … 1; 0 for those that the graph lacks. */
	uint32_t path[DESCENT_LEVELS];
	size_t origin_bytes;
	uint32_t *batch; /* [max_batch]: nodes to score, and their keys */
	float *key;
	struct buffer spill; /* struct candidate: of searches without a limit */
	struct graph_scratch *next;
};

struct graph_scratch_pool {
	pthread_mutex_t lock;
	struct graph_scratch *idle;
};

void scratch_pool_init(struct graph_scratch_pool *scratch_pool);
/* Give the memory of those that wait back; nobody takes one meanwhile. */
void scratch_pool_clear(struct graph_scratch_pool *scratch_pool);
void scratch_pool_free(struct graph_scratch_pool *scratch_pool);
size_t scratch_pool_memory(struct graph_scratch_pool *scratch_pool);

/* Scratch for this graph whose pool takes `ef` candidates, and batches of `batch` nodes where a list
 * is shorter. NULL: no memory. */
struct graph_scratch *scratch_take(struct graph_scratch_pool *scratch_pool, const struct graph *graph,
    const struct graph_space *space, int64_t ef, int64_t batch);
void scratch_return(struct graph_scratch_pool *scratch_pool, struct graph_scratch *scratch);

/* Forget what was visited. */
void visited_clear(struct graph_scratch *w);

/* Whether a node had been visited; it is now. */
static inline bool visited_test_set(struct graph_scratch *w, uint32_t node)
{
	uint64_t *word = &w->visited[node / 64], bit = UINT64_C(1) << (node % 64);
	bool batch = *word & bit;
	*word |= bit;
	w->visited_log[w->visited_count % VISITED_LOG] = node;
	w->visited_count += !batch;
	return batch;
}

/* Put a candidate in its place in an array of *n, ascending by key, of at most `most`: behind those with the
 * same key. Returns where it is now; `most`: nowhere. */
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

/* The node that a greedy descent of the levels from the top to `to` + 1 comes to. The origin is in w->origin.
 */
struct candidate search_upper_layers(struct graph_scratch *w, int to);

/* From one node, whose key is known, to the ef nearest of a level that there is a way to: w->pool. Of nodes
 * whose vectors are stored as the same bytes one is in the pool, so that copies do not crowd out what is
 * different; the nearest of the others, up to ef of them, are in w->copy. */
void search_layer(struct graph_scratch *w, int level, struct candidate from, int64_t ef);

/* The same on level 0, copies included, as far as they are among the want >= 1 nearest: copies lead to one
 * another, and as many of these ways are followed as it takes. w->pool has up to ef nodes. */
void search_base_layer(struct graph_scratch *w, struct candidate from, int64_t ef, int64_t want);

/* Visit the nodes of a list of level 0 that were not visited yet: how many; w->batch has them, w->key their
 * keys. */
int64_t visit_neighbours(struct graph_scratch *w, const uint32_t *list);

/* One more node, which was scored, for w->pool and w->copy. Its place in the pool; ef: it is not there. */
int64_t offer_candidate(struct graph_scratch *w, struct candidate c, int64_t ef);

/* The list of a node on level 0. */
const uint32_t *search_links(struct graph_scratch *w, uint32_t node);

PREFETCH_INLINE void graph_prefetch(const struct graph *graph, uint32_t node)
{
	const char *list = (const char *)graph_links(graph, node, 0);
	for (size_t b = 0; b < (size_t)graph->stride * sizeof(uint32_t); b += 64)
		__builtin_prefetch(list + b);
}

/* filtered.c: from one node to the nearest on level 0 that `pass` (a bit per node): found [*n, at most
 * ef], ascending. */
struct filtering {
	const uint64_t *pass;
	double share;            /* of the nodes, that pass */
	struct candidate *found; /* [ef] */
	int64_t n;
	/* The first nodes that were gone to, how many were scored from there, and how many of them have
	 * copies. */
	int64_t steps, scored, copied;
};
void search_filtered(struct graph_scratch *w, struct candidate from, int64_t ef, struct filtering *f);

/* Size of the pool and of the batches that it wants of its scratch. */
int64_t filtered_max_pool(int64_t ef);
int64_t filtered_max_batch(const struct graph *graph);

/* From one node, of level 1 if there is one, and from the entry of the graph to every node with a key of at
 * most `bound` that there is a way to over such nodes and over the ef nearest of the others: w->spill has all
 * of them (but no others) afterwards, *n of them, and w->pool the nearest of the others. Given up when more
 * than `most` nodes were scored. */
enum range_end { RANGE_DONE, RANGE_GIVEN_UP, RANGE_NO_MEMORY };
enum range_end search_range(
    struct graph_scratch *w, struct candidate from, float bound, int64_t ef, int64_t max, int64_t *n);

#endif
