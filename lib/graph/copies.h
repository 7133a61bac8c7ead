/* Copies: nodes whose vectors are stored as the same bytes. */
#ifndef KITH_GRAPH_COPIES_H
#define KITH_GRAPH_COPIES_H

#include "lib/graph/graph.h"

/* Find the live nodes among the first n that have copies among these: entry [n] gets number of the group <<
 * 32 | node, ascending. Returns how many there are. live: a bit per node; NULL: all are live. */
int64_t copies_find(const struct graph_space *space, const uint64_t *live, int64_t n, uint64_t *entry);

static inline uint32_t copies_node(uint64_t entry)
{
	return (uint32_t)entry;
}

/* Where the group ends that begins at `from`, of n entries. */
static inline int64_t copies_end(const uint64_t *entry, int64_t from, int64_t n)
{
	int64_t to = from + 1;
	while (to < n && entry[to] >> 32 == entry[from] >> 32)
		to++;
	return to;
}

/* How many other copies each of n copies leads to: the next, the one before, the next but one … in the order
 * of their numbers, so that each can be reached from each. */
int64_t copies_ring(int64_t n, int64_t degree);

/* Write the list of the i-th of a group of n copies into own [degree]: its neighbours in the ring, then those
 * in `list` [degree] (GRAPH_NONE behind the last), as far as there is room. */
void copies_write_list(
    const uint64_t *entry, int64_t n, int64_t i, const uint32_t *list, int64_t degree, uint32_t *own);

#endif
