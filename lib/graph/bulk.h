/* Bulk building from the inside: what bulk*.c share. One struct bulk is one level of the graph; its
 * points 0 … n − 1 are the nodes of that level, in ascending order. */
#ifndef KITH_GRAPH_BULK_H
#define KITH_GRAPH_BULK_H

#include <stdatomic.h>
#include <string.h>

#include "lib/graph/graph.h"
#include "lib/tile/form.h"

enum {
	BULK_OVERLAP_FIRST = 4, /* leaves of a point, unless these are too few (bulk_trial.c) */
	BULK_OVERLAP = 8        /* leaves of a point, at most */
};

/* Leaves: sets of points that are near one another. */
struct leaves {
	int64_t k;
	int overlap;      /* leaves of a point */
	uint32_t *of;     /* [n × overlap] leaves of each point, ascending */
	int64_t *begin;   /* [k + 1] */
	uint32_t *member; /* [n × overlap] points of leaf l from begin[l] on, ascending */
	uint32_t *order;  /* [n] all points, near ones near each other */
};

struct bulk {
	struct graph *graph;
	const struct graph_space *space;
	const struct graph_building *how;
	struct graph_rule rule; /* alpha is chosen */
	int level;
	int64_t degree;        /* most neighbours */
	int64_t max;           /* candidates of a point */
	int64_t n;             /* points */
	const uint32_t *nodes; /* [n] their nodes, ascending; NULL: all nodes */
	uint32_t *lists;  /* [n × degree] of a sample of the nodes; NULL: the points' lists in the graph */
	uint64_t *copies; /* [copies_n] nodes that have copies: see copies.h */
	int64_t copies_n;
	uint64_t *represented; /* bit per node: a copy of it stands for it; NULL: there are no copies */
	int overlap;           /* leaves of a point, where there are as many */
	int64_t batch;         /* points in a task */
	const struct kernels *kern;
	int64_t dim; /* of loaded vectors */
	float *mean; /* [dim] */
	float scale; /* of loaded vectors, a power of two */
	struct tile_form form;
	struct leaves leaves;
	_Atomic bool stopped; /* cancelled */
};

/* Whether to stop; for a few microseconds of work at least. */
static inline bool bulk_stopped(struct bulk *b)
{
	if (!atomic_load_explicit(&b->stopped, memory_order_relaxed) && progress_stopped())
		atomic_store(&b->stopped, true);
	return atomic_load_explicit(&b->stopped, memory_order_relaxed);
}

/* What a step returns that has come to its end, or has been stopped. */
static inline kith_status bulk_status(const struct bulk *b)
{
	return atomic_load(&b->stopped) ? fail_cancelled() : KITH_OK;
}

static inline uint32_t bulk_node(const struct bulk *b, int64_t point)
{
	return b->nodes ? b->nodes[point] : (uint32_t)point;
}

/* Point that a node of the level is; another one where it is none. */
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

/* List of a point: [degree]. */
static inline uint32_t *bulk_list(const struct bulk *b, int64_t point)
{
	return b->lists ? b->lists + point * b->degree : graph_links(b->graph, bulk_node(b, point), b->level);
}

/* Tasks, and the points of one: first … first + return value − 1. */
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

/* A neighbour of a point as an integer that sorts by key: the key's bits (it is not negative) above the
 * difference of the two numbers. Among equally near ones each point so begins with those that follow it, and
 * a thousand equal vectors have different neighbours. */
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

/* bulk_form.c: vector of a point where edges are chosen by squared L2, scaled: x [dim]. */
void bulk_load(const struct bulk *b, int64_t point, float *x);

/* Ask for it ahead. */
static inline void bulk_prefetch(const struct bulk *b, int64_t point)
{
	rows_prefetch(&b->space->rows, bulk_node(b, point));
}

/* i-th of `count` evenly spread points. */
int64_t bulk_spread(const struct bulk *b, int64_t i, int64_t count);

/* Scale, mean and form of low-precision copies; whether the form tells near members of the leaves apart. */
kith_status bulk_choose_form(struct bulk *b);
kith_status bulk_try_form(struct bulk *b, bool *holds);

/* bulk_leaves.c: leaves and order of the points. bulk_free_leaves also after a failure. */
kith_status bulk_make_leaves(struct bulk *b);
void bulk_free_leaves(struct bulk *b);

/* bulk_near.c: candidates of a batch of points. */
struct near_points;
size_t near_bytes(const struct bulk *b);

/* A worker's memory of near_bytes. */
struct near_points *near_init(const struct bulk *b, void *memory);

/* Find candidates of points order[first … first + count − 1]; not of all once the build is stopped. */
void near_find(struct bulk *b, struct near_points *near, int64_t first, int64_t count);

/* Those of the i-th of them: [b->most] ascending by key, nodes are points; returns how many. */
int64_t near_take(const struct bulk *b, struct near_points *near, int64_t i, struct candidate *out);

/* bulk_copies.c: find the nodes that others stand for. Give those of a level their lists, when the
 * others have theirs. */
kith_status bulk_find_copies(struct bulk *b);
void bulk_link_copies(struct bulk *b);

/* bulk_null.c: what a zero vector is linked by: x [dim]. Lead to zero vectors, on level 0. */
void bulk_set_direction(float *x, int64_t dim);
kith_status bulk_link_null(struct bulk *b);

/* bulk_edges.c: a list for every point. */
kith_status bulk_link(struct bulk *b);

/* bulk_repair.c: make every point reachable from the entry on this level. */
kith_status bulk_connect(struct bulk *b);

/* bulk_far.c: edges of a sample of the points of level 0 to others of the sample, where searches get lost
 * without. UNSUPPORTED: they get lost all the same. */
kith_status bulk_link_far(const struct bulk *b);

/* bulk_trial.c: whether points have enough leaves. */
kith_status bulk_try_leaves(const struct bulk *b, bool *enough);

/* What searches of the whole graph miss of the neighbours of some queries of several kinds: `tried` of each.
 * Whether they may get lost; whether they did, for they miss far less `after` edges were added; whether they
 * do for certain. */
enum { WAY_KINDS = 3 };
struct ways {
	int64_t tried, brief[WAY_KINDS], lengthy[WAY_KINDS]; /* of short and of long searches */
};
kith_status bulk_try_ways(const struct bulk *b, struct ways *ways);
bool bulk_ways_doubtful(const struct ways *ways);
bool bulk_ways_lost(const struct ways *ways);
bool bulk_ways_helped(const struct ways *before, const struct ways *after);

#endif
