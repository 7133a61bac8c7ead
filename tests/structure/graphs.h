/* What the suites of graph indexes share. */
#ifndef KITH_TESTS_STRUCTURE_GRAPHS_H
#define KITH_TESTS_STRUCTURE_GRAPHS_H

#include "lib/graph/graph.h"

#include "tests/support/bytes.h"
#include "tests/support/support.h"

/* Clustered integers of 0 … 200 (−50 … 50), which every codec takes. */
float *make_integers(uint64_t seed, int64_t n, int64_t dim, bool is_signed);

/* Trained and filled; never NULL. */
kith_index *make_graph(int64_t dim, kith_metric metric, const char *spec, int64_t n, const float *x,
    const kith_add_options *options);

/* The k best, by brute force in double precision over the vectors as kith_index_get gives them back, among
 * ids with id % modulus == rest: share of them that the search with these options finds. Distances and order
 * of what it finds are checked on the way; there must be as many as there can be. */
double check_recall(const kith_index *index, int64_t nq, const float *q, int64_t k,
    const kith_search_options *options, int64_t modulus, int64_t rest);

/* An index as a file would hold it, and its saved bytes compared. */
kith_status index_of_bytes(kith_index **out, const struct bytes *bytes, bool verify);
bool same_bytes(const kith_index *a, const kith_index *b);

/* A node's list on a level: within bounds, other nodes of that level, each once, the rest empty. */
void check_list(const struct graph *graph, int64_t node, int level);

/* [n] which nodes can be reached from the entry on a level; the caller frees it. */
char *reach(const struct graph *graph, int level);

/* Of a graph that no wrapper is around: lists are in order; free nodes are out of the way; with `whole`,
 * every live node can be reached. */
void check_graph(const kith_index *index, bool whole);

/* Remove ids with min <= id < max. */
void remove_ids(kith_index *index, int64_t min, int64_t max);

#endif
