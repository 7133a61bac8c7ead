/* What the files bulk*.c share. A struct bulk is the work on one level of the graph; its points 0 … n − 1 are
 * the nodes of that level, in ascending order. */
#ifndef KITH_GRAPH_BULK_H
#define KITH_GRAPH_BULK_H

#include <stdatomic.h>
#include <string.h>

#include "lib/graph/graph.h"
#include "lib/tile/form.h"

enum {
	BULK_OVERLAP_FIRST = 4, /* leaves that a point is in, unless too few (bulk_trial.c) */
	BULK_OVERLAP = 8        /* the most leaves that a point can be in */
};

/* Leaves: sets of points that are near one another. */
struct leaves {
	int64_t k;
	int overlap;      /* number of leaves that a point is in */
	uint32_t *of;     /* [n × overlap] the leaves that each point is in, ascending */
	int64_t *begin;   /* [k + 1] */
	uint32_t *member; /* [n × overlap] the points in leaf l begin at begin[l], ascending */
	uint32_t *order;  /* [n] all points, in an order in which near ones are near each other */
};

struct bulk {
	struct graph *graph;
	const struct graph_space *space;
	const struct graph_building *how;
	struct graph_rule rule; /* with the alpha that was chosen */
	int level;
	int64_t degree;        /* the most neighbours of a point */
	int64_t max;           /* the most candidates of a point */
	int64_t n;             /* number of points */
	const uint32_t *nodes; /* [n] their nodes, ascending; NULL: all nodes */
	uint32_t *lists;       /* [n × degree] for a sample of the nodes; NULL: lists are in the graph */
	uint64_t *copies;      /* [copies_n] nodes that have copies: see copies.h */
	int64_t copies_n;
	uint64_t *represented; /* a bit per node, set if a copy represents it; NULL: no copies */
	int overlap;           /* number of leaves that a point is in, if there are as many */
	int64_t batch;         /* number of points in a task */
	const struct kernels *kern;
	int64_t dim; /* of loaded vectors */
	float *mean; /* [dim] */
	float scale; /* by which loaded vectors are multiplied, a power of two */
	struct tile_form form;
	struct leaves leaves;
	_Atomic bool stopped; /* cancelled */
};

/* Whether to stop. Call it no more often than every few microseconds. */
static inline bool bulk_stopped(struct bulk *b)
{
	if (!atomic_load_explicit(&b->stopped, memory_order_relaxed) && progress_stopped())
		atomic_store(&b->stopped, true);
	return atomic_load_explicit(&b->stopped, memory_order_relaxed);
}

/* The status to return from a step that is complete or was stopped. */
static inline kith_status bulk_status(const struct bulk *b)
{
	return atomic_load(&b->stopped) ? fail_cancelled() : KITH_OK;
}

static inline uint32_t bulk_node(const struct bulk *b, int64_t point)
{
	return b->nodes ? b->nodes[point] : (uint32_t)point;
}

/* The point of a node; for a node that has none, any point. */
static inline uint32_t bulk_point(const struct bulk *b, uint32_t node)
{
	if (!b->nodes)
		return node;
	int64_t low = 0, high = b->n - 1;
	while (low < high) {
		int64_t middle = (low + high) / 2;
		if (b->nodes[middle] < node)
			low = middle + 1;
		else
			high = middle;
	}
	return (uint32_t)low;
}

/* The list of a point: [degree]. */
static inline uint32_t *bulk_list(const struct bulk *b, int64_t point)
{
	return b->lists ? b->lists + point * b->degree : graph_links(b->graph, bulk_node(b, point), b->level);
}

/* The number of tasks; and the points of a task: from *first on, as many as bulk_task returns. */
static inline int64_t bulk_tasks(const struct bulk *b)
{
	return (b->n + b->batch - 1) / b->batch;
}

static inline int64_t bulk_task(const struct bulk *b, int64_t task, int64_t *first)
{
	*first = task * b->batch;
	return b->n - *first < b->batch ? b->n - *first : b->batch;
}

/* bulk_form.c: choose the batch for the form. */
void bulk_choose_batch(struct bulk *b);

/* A neighbour of a point as an integer that sorts by key: the bits of the key, which is not negative, above
 * the difference of the two numbers. So among equally near neighbours of a point the first are those with the
 * following numbers, and a thousand equal vectors get different neighbours. */
static inline uint64_t bulk_entry(float key, uint32_t point, uint32_t neighbour)
{
	uint32_t bits;
	memcpy(&bits, &key, sizeof bits);
	return (uint64_t)bits << 32 | (uint32_t)(neighbour - point);
}

static inline struct candidate bulk_candidate(uint64_t entry, uint32_t point)
{
	struct candidate c = {.node = point + (uint32_t)entry};
	uint32_t bits = (uint32_t)(entry >> 32);
	memcpy(&c.key, &bits, sizeof c.key);
	return c;
}

/* bulk_form.c: the vector of a point, transformed so that edges can be chosen by squared L2, and scaled:
 * x [dim]. */
void bulk_load(const struct bulk *b, int64_t point, float *x);

/* Prefetch what bulk_load will read. */
static inline void bulk_prefetch(const struct bulk *b, int64_t point)
{
	rows_prefetch(&b->space->rows, bulk_node(b, point));
}

/* The i-th of `count` evenly spread points. */
int64_t bulk_spread(const struct bulk *b, int64_t i, int64_t count);

/* Choose the scale, the mean and the form of low-precision copies; and, when there are leaves, whether that
 * form distinguishes members of leaves that are near each other. */
kith_status bulk_choose_form(struct bulk *b);
kith_status bulk_try_form(struct bulk *b, bool *holds);

/* bulk_leaves.c: make the leaves and the order of the points. Call bulk_free_leaves also after a failure. */
kith_status bulk_make_leaves(struct bulk *b);
void bulk_free_leaves(struct bulk *b);

/* bulk_near.c: the candidates of a batch of points. */
struct near_points;
size_t near_bytes(const struct bulk *b);

/* Set up a worker's memory of near_bytes. */
struct near_points *near_init(const struct bulk *b, void *memory);

/* Find the candidates of points order[first … first + count − 1]; not of all of them if the build is
 * stopped. */
void near_find(struct bulk *b, struct near_points *near, int64_t first, int64_t count);

/* Write the candidates of the i-th of these points into out [b->max], ascending by key, with points in the
 * place of nodes; returns how many there are. */
int64_t near_take(const struct bulk *b, struct near_points *near, int64_t i, struct candidate *out);

/* bulk_copies.c: find the nodes that are represented by others; and give those of a level their lists, when
 * the others have theirs. */
kith_status bulk_find_copies(struct bulk *b);
void bulk_link_copies(struct bulk *b);

/* bulk_null.c: the direction that a zero vector gets to be linked by: x [dim]; and edges to zero vectors, on
 * level 0. */
void bulk_set_direction(float *x, int64_t dim);
kith_status bulk_link_null(struct bulk *b);

/* bulk_edges.c: make a list for every point. */
kith_status bulk_link(struct bulk *b);

/* bulk_repair.c: make every point reachable from the entry on this level. */
kith_status bulk_connect(struct bulk *b);

/* bulk_far.c: add edges between the points of samples on level 0, if searches miss much without.
 * UNSUPPORTED: they still do. */
kith_status bulk_link_far(const struct bulk *b);

/* bulk_trial.c: whether points are in enough leaves. */
kith_status bulk_try_leaves(const struct bulk *b, bool *enough);

/* How many neighbours of queries of several kinds searches of the whole graph miss, of `tried` for each kind.
 * doubtful: searches may lack ways; lost: they certainly do; helped: they miss far less after edges were
 * added.
 */
enum { WAY_KINDS = 3 };
struct ways {
	int64_t tried, brief[WAY_KINDS], lengthy[WAY_KINDS]; /* missed by short and by long searches */
};
kith_status bulk_try_ways(const struct bulk *b, struct ways *ways);
bool bulk_ways_doubtful(const struct ways *ways);
bool bulk_ways_lost(const struct ways *ways);
bool bulk_ways_helped(const struct ways *before, const struct ways *after);

#endif
