/* The graph of an HNSW index (Malkov & Yashunin 2016): which nodes each node leads to, and how near stored
 * vectors are to one another. graph.c stores it, space.c computes keys, prune.c selects edges, bulk.c and
 * insert.c build, search_layer.c searches. Node i is position i of the codes; ids are not known here.
 *
 * Geometry. Edges are chosen by keys between stored vectors: by distances, which under cosine are squared L2
 * between unit vectors; under inner product by −⟨x, y⟩, which is not a distance, but leads to the long
 * vectors that queries look for (Morozov & Babenko 2018). One more component, which puts all vectors on a
 * sphere, turns it into a distance, but was far worse: recall 0.18 instead of 0.99 if lengths differ.
 */
#ifndef KITH_GRAPH_GRAPH_H
#define KITH_GRAPH_GRAPH_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/alloc.h"
#include "lib/base/permute.h"
#include "lib/base/progress.h"
#include "lib/codec/codec.h"
#include "lib/tile/rows.h"

/* No node: it fills the rest of a list. Lists have no gaps and no repeats, and do not contain the node
 * itself. */
#define GRAPH_NONE UINT32_MAX

enum { GRAPH_MAX_LEVEL = 15, GRAPH_MIN_M = 2, GRAPH_MAX_M = 512 };

struct graph {
	int M;      /* the most neighbours on the upper levels */
	int stride; /* 2 M: the most neighbours on level 0 */
	int64_t n;
	uint64_t seed;        /* from which levels are drawn */
	uint32_t entry;       /* a node of the highest level; GRAPH_NONE: no nodes */
	struct buffer links0; /* uint32_t [n × stride] */
	struct buffer level;  /* uint8_t [n] */
	struct buffer rank;   /* uint32_t [n / GRAPH_RANK, up]: rows of `upper` before each so many nodes */
	struct buffer upper; /* uint32_t [rows × M]: level 1 of a node, level 2 … in rows one after another */
	int64_t rows;
	bool unvalidated; /* it is in a mapped file and was not checked: use graph_unvalidated_links */
};

enum { GRAPH_RANK = 64 };

static inline int graph_level(const struct graph *graph, int64_t node)
{
	return ((const uint8_t *)graph->level.data)[node];
}

/* The highest level that has a node; −1: there are no nodes. */
static inline int graph_top(const struct graph *graph)
{
	return graph->entry == GRAPH_NONE ? -1 : graph_level(graph, graph->entry);
}

/* The number of entries of a list. */
static inline int graph_width(const struct graph *graph, int level)
{
	return level == 0 ? graph->stride : graph->M;
}

static inline uint32_t *graph_ranks(const struct graph *graph)
{
	return (uint32_t *)(void *)graph->rank.data;
}

/* The first row of a node in `upper`, if it has any. */
static inline int64_t graph_row(const struct graph *graph, int64_t node)
{
	int64_t row = graph_ranks(graph)[node / GRAPH_RANK];
	for (int64_t i = node / GRAPH_RANK * GRAPH_RANK; i < node; i++)
		row += graph_level(graph, i);
	return row;
}

/* The list of a node on a level that it has: [graph_width], GRAPH_NONE behind the last. */
static inline uint32_t *graph_links(const struct graph *graph, int64_t node, int level)
{
	if (level == 0)
		return (uint32_t *)(void *)graph->links0.data + (size_t)node * (size_t)graph->stride;
	size_t row = (size_t)graph_row(graph, node) + (size_t)level - 1;
	return (uint32_t *)(void *)graph->upper.data + row * (size_t)graph->M;
}

/* How many nodes a list of `width` entries has. */
static inline int64_t graph_list_length(const uint32_t *list, int64_t width)
{
	int64_t n = 0;
	while (n < width && list[n] != GRAPH_NONE)
		n++;
	return n;
}

/* Whether a node is among the first n entries of a list. */
static inline bool graph_list_has(const uint32_t *list, int64_t n, uint32_t node)
{
	for (int64_t i = 0; i < n; i++)
		if (list[i] == node)
			return true;
	return false;
}

/* The list of a node in an unvalidated graph, safe whatever its bytes are; NULL: the list is damaged. */
const uint32_t *graph_unvalidated_links(const struct graph *graph, int64_t node, int level);

void graph_init(struct graph *graph, int M);
void graph_free(struct graph *graph);
kith_status graph_copy(struct graph *to, const struct graph *from);
void graph_swap(struct graph *a, struct graph *b);
size_t graph_memory(const struct graph *graph);

/* Add nodes until there are n, on the levels that follow from the seed and the number of the node, with empty
 * lists. The entry stays the same: linking a node of a higher level makes that the entry. NOMEM: nothing
 * changed. */
kith_status graph_grow(struct graph *graph, int64_t n);

/* The bytes of `rank` for n nodes; and recording the rows before a node, which does something only for every
 * 64th node. */
size_t graph_rank_bytes(int64_t n);
void graph_rank(struct graph *graph, int64_t node, int64_t row);

/* Fill an empty graph with n nodes of these levels [n] and with empty lists. entry: a node of the highest
 * level, GRAPH_NONE for n = 0. NOMEM: nothing changed. */
kith_status graph_begin(struct graph *graph, int64_t n, const uint8_t *levels, uint32_t entry);

/* Reserve memory for n nodes with so many rows on upper levels. spare: as in codes_reserve. */
kith_status graph_reserve(struct graph *graph, int64_t n, int64_t rows, int spare);

/* Remove the nodes from n on again, which no edge leads to. */
void graph_shrink(struct graph *graph, int64_t n);

/* Empty a node's lists. */
void graph_clear_node(struct graph *graph, int64_t node);

/* Keep only the live nodes, in their order; their lists must lead to no others. number [n]: the new number of
 * each. */
void graph_compact(struct graph *graph, const uint64_t *live, const uint32_t *number);

/* order.c: the nodes in an order in which neighbours are near each other, which depends on the graph alone:
 * order [n]. Scratch: path [n], marks [n / 64, rounded up]. Progress counts nodes. False: cancelled. */
bool graph_order(
    const struct graph *graph, uint32_t *order, uint32_t *path, uint64_t *marks, struct progress *progress);

/* Make node p->order[i] node i; number [n] is the inverse of p->order. p->spare has room for a list of level
 * 0.
 * NOMEM: nothing changed. */
kith_status graph_permute(struct graph *graph, const struct permutation *p, const uint32_t *number);

/* Free memory that is reserved for more nodes. */
void graph_trim(struct graph *graph);

/* live: a bit for each node, set if it was not removed; NULL: none was. */
static inline bool graph_is_live(const uint64_t *live, uint32_t node)
{
	return !live || (live[node / 64] >> (node % 64) & 1);
}

/* Make the first live node of the highest level the entry. */
void graph_choose_entry(struct graph *graph, const uint64_t *live);

/* The level of node number `node`, which depends on the arguments alone: P(level >= l) = M^-l. */
int graph_draw_level(uint64_t seed, int64_t node, int M);

/* ---- how near vectors are ---- */

struct graph_space {
	struct rows rows;     /* rows of the codes, not in blocks */
	const float *inverse; /* [n] 1 / ‖x‖, or 0, if rows are normalized when loaded; else NULL */
	const struct metric *metric; /* the metric of queries */
	const struct metric *edges;  /* the metric by which edges between nodes are chosen */
	bool unit;                   /* cosine: nodes have length 1, except zero vectors */
	/* For searches under cosine by squared L2, where all origins are queries: the code of the zero vector
	 * [rows.stride]; else NULL. */
	const char *zero;
	enum key_precision precision;
};

/* The same nodes by squared L2. */
static inline struct graph_space graph_space_l2(const struct graph_space *space)
{
	struct graph_space l2 = *space;
	l2.metric = l2.edges = &metric_l2;
	return l2;
}

/* Prefetch what graph_keys reads of a node. */
PREFETCH_INLINE void graph_space_prefetch(const struct graph_space *space, int64_t node)
{
	const struct rows *rows = &space->rows;
	rows_prefetch_plane(rows, rows->a, node);
	if (rows->b && space->precision != KEYS_CODED)
		rows_prefetch_plane(rows, rows->b, node);
}

/* The decoded vector of a node, at unit length under cosine: x [dim]. */
void graph_space_load(const struct graph_space *space, int64_t node, float *x);

/* Whether a node is a zero vector among vectors of length 1. It has no direction, but by squared L2 it is
 * nearer to all others than they are to one another: it would be a neighbour of every node and cover every
 * other candidate. So it must not cover any (insert.c), or gets a direction (bulk_null.c). x [dim]:
 * scratch. */
bool graph_space_is_null(const struct graph_space *space, int64_t node, float *x);

/* Keys of many nodes from one vector, the origin. An origin is made from a node (for edges) or from a query
 * (for searches) in `state`, graph_origin_bytes of memory, 64-byte aligned. Keys are computed from compressed
 * forms, with errors of about 1%: from the upper halves of floats, from bytes, from tables; or from
 * everything that is stored: see space->precision. The codes of all nodes of a call are prefetched together,
 * so pass whole lists.
 *
 *   edges     of space->edges
 *   searches  of space->metric; q [dim], at unit length under cosine
 *
 * With KEYS_WIDE a key is wide_key of that.
 *
 * Cosine. For unit vectors, squared L2 and the inner product give the same neighbours: ‖q − x‖² = 2 − 2⟨q,
 * x⟩. But the rounding error of the inner product is proportional to the lengths, and that of the distance to
 * the distance: so the distance distinguishes near vectors better. Therefore queries are compared by squared
 * L2 if the codes are those of unit vectors. Rows of bytes, which only get length 1 by their inverse lengths,
 * are compared by inner product. A zero vector has no direction, and its inner product with all others is 0:
 * so its key is that of a right angle, 2, while by squared L2 it would be among the near ones.
 */
size_t graph_origin_bytes(const struct graph_space *space);
void graph_origin_node(const struct graph_space *space, int64_t node, void *state);
void graph_origin_query(const struct graph_space *space, const float *q, void *state);
void graph_keys(const struct graph_space *space, void *state, const uint32_t *nodes, int64_t n, float *key);

/* Convert a key of the metric into the key of such a search, and back. */
static inline float graph_key_of(const struct graph_space *space, double key)
{
	return space->precision == KEYS_WIDE ? wide_key(key) : (float)key;
}

static inline double graph_key_value(const struct graph_space *space, float key)
{
	return space->precision == KEYS_WIDE ? wide_value(key) : (double)key;
}

/* keys.c: find the exactly nearest nodes of vectors x [n × dim], removed ones included, into a sink for n
 * queries. */
struct sink;
kith_status graph_nearest_exact(const struct graph_space *space, int64_t n, const float *x,
    const struct metric *metric, int threads, struct sink *sink);

/* keys.c: the precision at which keys distinguish near neighbours. It is tried with a sample of the nodes (of
 * those with a bit in `only`; NULL: of all) and their exact neighbours among all nodes or, if graph is not
 * NULL (it must not have changed since it was made or opened), among those that its lists lead to. The result
 * depends on the vectors and on that graph alone. Errors: NOMEM. */
kith_status graph_choose_keys(const struct graph_space *space, const struct graph *graph,
    const uint64_t *only, int threads, enum key_precision *precision);

/* ---- edges ---- */

struct candidate {
	float key;
	uint32_t node;
};

/* The order of candidates: by key, then by node. */
static inline bool candidate_before(struct candidate a, struct candidate b)
{
	return a.key < b.key || (a.key == b.key && a.node < b.node);
}

struct graph_rule {
	float alpha; /* for squared distances, >= 1: a candidate c of p is dropped if a kept s has
                alpha · key(c, s) < key(c, p); under inner product if key(c, s) < key(c, p).
                Vectors equal to p drop only each other, and get at most a quarter of a list.
                0: graph_bulk chooses alpha by the data */
	bool keep;   /* fill the list up with the nearest that were dropped */
};

/* Bytes of memory for selections among up to `max` candidates. */
size_t graph_prune_bytes(const struct graph_space *space, int64_t max);

/* Select at most `degree` neighbours of a node (Algorithm 4 of the paper) among n candidates, which are
 * ascending and distinct and do not contain the node; their keys are distances to it. Of copies of the node,
 * those with the nearest numbers are preferred. The selected ones are moved to the front, ascending; returns
 * their number. scratch: graph_prune_bytes, 64-byte aligned. Threads: safe. */
int64_t graph_prune(const struct graph_space *space, const struct graph_rule *rule, uint32_t node,
    struct candidate *candidates, int64_t n, int64_t degree, void *scratch);

/* The same with longer edges, where they are distances: far candidates are selected by themselves, and near
 * ones by a larger alpha if that leaves room. rule->keep: exactly the same. others [n]: scratch. */
int64_t graph_prune_far(const struct graph_space *space, const struct graph_rule *rule, uint32_t node,
    struct candidate *candidates, int64_t n, int64_t degree, struct candidate *others, void *scratch);

/* How far the numbers of two nodes are apart on a circle. It is symmetric, and different for all other nodes.
 * Copies lead to those with the nearest numbers, so they form a ring. */
static inline uint64_t number_distance(uint32_t node, uint32_t other)
{
	uint32_t ahead = other - node, behind = node - other;
	return ahead <= behind ? 2 * (uint64_t)ahead : 2 * (uint64_t)behind + 1;
}

/* ---- building ---- */

struct graph_building {
	struct graph_rule rule;
	const uint64_t *only; /* a bit for each node, set if it is to be linked; NULL: all are */
	int64_t ef;           /* efConstruction */
	int threads;
	struct progress *progress; /* counts nodes */
};

/* Whether graph_bulk can choose good edges by this metric; and whether it is faster than insertion for so
 * many nodes of an empty graph. */
static inline bool graph_bulk_serves(const struct metric *edges)
{
	return edges->product == PRODUCT_L2;
}
bool graph_bulk_pays(int64_t n);

/* Link all nodes of a graph, made by graph_grow, of which none is linked yet, on every level, and choose the
 * entry. The graph depends on vectors, rule, ef and seed alone. Errors: NOMEM, CANCELLED, UNSUPPORTED (values
 * too different for any form of low-precision copies, so insertion has to be used); after an error, the
 * content of lists is undefined. */
kith_status graph_bulk(
    struct graph *graph, const struct graph_space *space, const struct graph_building *how);

#endif
