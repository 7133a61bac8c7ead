/* The graph of an HNSW index (Malkov & Yashunin 2016): which nodes each node leads to, and how near stored
 * vectors are to one another. graph.c keeps it, space.c measures, prune.c selects edges,
 * bulk.c and insert.c build, search_layer.c searches. Node i is position i of the codes; nothing
 * here knows ids.
 *
 * Geometry. Edges are chosen by keys between stored vectors: distances, under cosine squared L2 between unit
 * vectors; under inner product −⟨x, y⟩, which is no distance, but leads to the long vectors that are asked
 * for (Morozov & Babenko 2018). A sphere through one more component makes it one, and was far worse: 0.18
 * instead of 0.99 of the nearest found where lengths differ.
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

/* No node: what fills the rest of a list. Lists have no gaps, no repeats and not the node itself. */
#define GRAPH_NONE UINT32_MAX

enum { GRAPH_MAX_LEVEL = 15, GRAPH_MIN_M = 2, GRAPH_MAX_M = 512 };

struct graph {
	int M;      /* most neighbours on the upper levels */
	int stride; /* 2 M: most neighbours on level 0 */
	int64_t n;
	uint64_t seed;        /* of the levels */
	uint32_t entry;       /* a node of the highest level; GRAPH_NONE: no nodes */
	struct buffer links0; /* uint32_t [n × stride] */
	struct buffer level;  /* uint8_t [n] */
	struct buffer rank;   /* uint32_t [n / GRAPH_RANK, up]: rows of `upper` before each so many nodes */
	struct buffer upper; /* uint32_t [rows × M]: level 1 of a node, level 2 … in rows one after another */
	int64_t rows;
	bool
	    unvalidated; /* all that is of a mapped file and was not looked at: use graph_unvalidated_links */
};

enum { GRAPH_RANK = 64 };

static inline int graph_level(const struct graph *graph, int64_t node)
{
	return ((const uint8_t *)graph->level.data)[node];
}

/* Highest level that has a node; −1: no nodes. */
static inline int graph_top(const struct graph *graph)
{
	return graph->entry == GRAPH_NONE ? -1 : graph_level(graph, graph->entry);
}

/* Entries of a list. */
static inline int graph_width(const struct graph *graph, int level)
{
	return level == 0 ? graph->stride : graph->M;
}

static inline uint32_t *graph_ranks(const struct graph *graph)
{
	return (uint32_t *)(void *)graph->rank.data;
}

/* First row of a node in `upper`, if it has any. */
static inline int64_t graph_row(const struct graph *graph, int64_t node)
{
	int64_t row = graph_ranks(graph)[node / GRAPH_RANK];
	for (int64_t i = node / GRAPH_RANK * GRAPH_RANK; i < node; i++)
		row += graph_level(graph, i);
	return row;
}

/* List of a node on a level that it has: [graph_width], GRAPH_NONE behind the last. */
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

/* The same of an unvalidated graph, whatever its bytes are; NULL: it is damaged there. */
const uint32_t *graph_unvalidated_links(const struct graph *graph, int64_t node, int level);

void graph_init(struct graph *graph, int M);
void graph_free(struct graph *graph);
kith_status graph_copy(struct graph *to, const struct graph *from);
void graph_swap(struct graph *a, struct graph *b);
size_t graph_memory(const struct graph *graph);

/* Add nodes up to n in all, on the levels that (seed, number of the node) gives, with empty lists. The entry
 * stays: whoever links a node of a higher level makes it the entry. NOMEM: nothing changed. */
kith_status graph_grow(struct graph *graph, int64_t n);

/* Bytes of `rank` for n nodes. Note the rows before a node, where it is one that this is kept of. */
size_t graph_rank_bytes(int64_t n);
void graph_rank(struct graph *graph, int64_t node, int64_t row);

/* Fill an empty graph with n nodes of these levels [n] and with empty lists. entry: a node of the highest
 * level, GRAPH_NONE for n = 0. NOMEM: nothing changed. */
kith_status graph_begin(struct graph *graph, int64_t n, const uint8_t *levels, uint32_t entry);

/* Room for n nodes with so many rows on upper levels. spare: as codes_reserve. */
kith_status graph_reserve(struct graph *graph, int64_t n, int64_t rows, int spare);

/* Take the nodes from n on away again; nothing leads to them. */
void graph_shrink(struct graph *graph, int64_t n);

/* Empty a node's lists. */
void graph_clear_node(struct graph *graph, int64_t node);

/* Only the live nodes, in their order; lists lead to no others. number [n]: what each of them is then. */
void graph_compact(struct graph *graph, const uint64_t *live, const uint32_t *number);

/* order.c: the nodes in an order in which neighbours lie near each other, a function of the graph
 * alone: order [n]. Scratch: path [n], marks [n / 64, up]. A step of progress for each node; false:
 * cancelled. */
bool graph_order(
    const struct graph *graph, uint32_t *order, uint32_t *path, uint64_t *marks, struct progress *progress);

/* Let node i be what node p->order[i] was; number [n]: the other way round. p->spare holds a list of level 0.
 * NOMEM: nothing changed. */
kith_status graph_permute(struct graph *graph, const struct permutation *p, const uint32_t *number);

/* Give memory back that holds no nodes. */
void graph_trim(struct graph *graph);

/* live: a bit for each node that was not removed; NULL: none was. */
static inline bool graph_is_live(const uint64_t *live, uint32_t node)
{
	return !live || (live[node / 64] >> (node % 64) & 1);
}

/* Make the first live node of the highest level the entry. */
void graph_choose_entry(struct graph *graph, const uint64_t *live);

/* Level of node number `node`: a function of the arguments alone. P(level >= l) = M^-l. */
int graph_draw_level(uint64_t seed, int64_t node, int M);

/* ---- how near vectors are ---- */

struct graph_space {
	struct rows rows;            /* of the codes, not blocked */
	const float *inverse;        /* rows that normalize: [n] 1 / ‖x‖, 0 for a zero row */
	const struct metric *metric; /* of queries */
	const struct metric *edges;  /* of nodes */
	bool unit;                   /* nodes have length 1, but for zero vectors: cosine */
	/* Searches under cosine by squared L2, where all origins are queries: [rows.stride] code of the zero
	 * vector; else NULL. */
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

/* Ask for what graph_keys reads of a node. */
PREFETCH_INLINE void graph_space_prefetch(const struct graph_space *space, int64_t node)
{
	const struct rows *rows = &space->rows;
	rows_prefetch_plane(rows, rows->a, node);
	if (rows->b && space->precision != KEYS_CODED)
		rows_prefetch_plane(rows, rows->b, node);
}

/* Vector of a node, decoded, at unit length under cosine: x [dim]. */
void graph_space_load(const struct graph_space *space, int64_t node, float *x);

/* Whether it is a zero vector among vectors of length 1. It has no direction, but by squared L2 it is
 * nearer to all others than they are to one another: a neighbour of everyone that stands in the way of
 * every other one. So it stands in nobody's way (insert.c), or gets a direction (bulk_null.c).
 * x [dim]: scratch. */
bool graph_space_is_null(const struct graph_space *space, int64_t node, float *x);

/* One vector against many nodes. An origin is made from a node (edges) or from a query (searches) in `state`,
 * graph_origin_bytes of memory, 64-byte aligned. Keys come from compressed forms, good to about 1%: from the
 * upper halves of floats, from bytes, from tables; or from all that is stored, see space->precision. The
 * nodes' codes are fetched in one go: give whole lists.
 *
 *   edges     of space->edges
 *   searches  of space->metric; q [dim], at unit length under cosine
 *
 * With KEYS_WIDE it is wide_key of that.
 *
 * Cosine. Of unit vectors both ask for the same neighbours: ‖q − x‖² = 2 − 2⟨q, x⟩. But what rounding makes
 * of the inner product is in proportion to the lengths, and of the distance in proportion to the distance:
 * among near vectors the distance tells apart what the inner product does not. So queries are compared by
 * squared L2 where codes stand for unit vectors. Rows of bytes are made so by their inverse lengths, and keep
 * to the inner product. A zero vector has no direction and the inner product 0 with all; its key is that of a
 * right angle, 2, where squared L2 would put it among the near ones.
 */
size_t graph_origin_bytes(const struct graph_space *space);
void graph_origin_node(const struct graph_space *space, int64_t node, void *state);
void graph_origin_query(const struct graph_space *space, const float *q, void *state);
void graph_keys(const struct graph_space *space, void *state, const uint32_t *nodes, int64_t n, float *key);

/* The key of such a search that stands for a key of the metric, and back. */
static inline float graph_key_of(const struct graph_space *space, double key)
{
	return space->precision == KEYS_WIDE ? wide_key(key) : (float)key;
}

static inline double graph_key_value(const struct graph_space *space, float key)
{
	return space->precision == KEYS_WIDE ? wide_value(key) : (double)key;
}

/* keys.c: the exactly nearest nodes of vectors x [n × dim], removed ones included, into a sink for as
 * many. */
struct sink;
kith_status graph_nearest_exact(const struct graph_space *space, int64_t n, const float *x,
    const struct metric *metric, int threads, struct sink *sink);

/* keys.c: the precision at which keys tell near neighbours apart, by a sample of the nodes (of those
 * with a bit in `only`; NULL: of all) and their
 * exact neighbours among all, or (graph not NULL, and never changed since it was made or opened) among those
 * that its lists lead to. Depends on the vectors and on that graph alone. Errors: NOMEM. */
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
	float alpha; /* on squared distances, >= 1: a candidate c of p is dropped if a kept s has
	                alpha · key(c, s) < key(c, p); under inner product if key(c, s) < key(c, p).
	                Vectors equal to p drop only each other, and no more than a quarter of a list are.
	                0: graph_bulk chooses it by the data */
	bool keep;   /* fill up with the nearest that were dropped */
};

/* Memory for selections among up to `most` candidates. */
size_t graph_prune_bytes(const struct graph_space *space, int64_t max);

/* Select at most `degree` neighbours of a node (Algorithm 4 of the paper) among n candidates, ascending,
 * distinct, without the node itself; keys are distances to it. Of copies of the node, those with the nearest
 * numbers are preferred. The selected move to the front, ascending; returns their number. scratch:
 * graph_prune_bytes, 64-byte aligned. Threads: safe. */
int64_t graph_prune(const struct graph_space *space, const struct graph_rule *rule, uint32_t node,
    struct candidate *candidates, int64_t n, int64_t degree, void *scratch);

/* How far the numbers of two nodes are apart, on a circle; the same both ways, and different for all others.
 * Copies lead to those with the nearest numbers: a ring. */
static inline uint64_t number_distance(uint32_t node, uint32_t other)
{
	uint32_t ahead = other - node, behind = node - other;
	return ahead <= behind ? 2 * (uint64_t)ahead : 2 * (uint64_t)behind + 1;
}

/* ---- building ---- */

struct graph_building {
	struct graph_rule rule;
	const uint64_t *only; /* a bit for each node that is to be linked; NULL: all are */
	int64_t ef;           /* efConstruction */
	int threads;
	struct progress *progress; /* a step for each node */
};

/* Whether graph_bulk can choose edges by this metric, and well; whether so many nodes of an empty graph are
 * better built by it. */
static inline bool graph_bulk_serves(const struct metric *edges)
{
	return edges->product == PRODUCT_L2;
}
bool graph_bulk_pays(int64_t n);

/* Link all nodes of a graph that has none linked yet (graph_grow made them), on every level, and choose the
 * entry. The graph depends on vectors, rule, ef and seed alone. NOMEM, CANCELLED, UNSUPPORTED (values so far
 * apart that no form of them serves; insertion does): lists hold anything. */
kith_status graph_bulk(
    struct graph *graph, const struct graph_space *space, const struct graph_building *how);

#endif
