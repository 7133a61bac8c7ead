/* Reachability: every node of a level can be reached from the entry along edges.
 *
 * Pruning leaves a few nodes that no edge leads to, and clusters far apart share no leaf. A breadth-first
 * search from the entry marks the nodes that it reaches, and for each the edge by which it was reached first.
 * A node that is not reached gets an edge from a reached one near it: from one of its own neighbours if any
 * is reached, else from one that a search for it finds. If the list of that one is full, its longest edge is
 * replaced by which no node was reached first, so that all reached nodes stay reachable. There are fewer such
 * first edges than places in lists, so a reached node with a place to use exists.
 *
 * One thread does this in the order of nodes, so that the edges do not depend on the number of threads.
 * Memory: 8 bytes a node.
 */
#include "lib/graph/bulk.h"

#include "lib/base/status.h"

enum {
	WIDTH = 48, /* size of the pool of a search */
	LOOK = 1024 /* nodes between two checks whether to stop */
};

struct found {
	struct candidate near;
	bool expanded;
};

struct repair {
	struct bulk *b;
	uint32_t *parent; /* [n] the point from which each point was reached first; GRAPH_NONE: not reached */
	uint32_t *queue;  /* [n] reached points, in the order in which they were reached */
	int64_t reached, expanded;
	uint64_t *visited; /* a bit per point: visited by the present search */
	void *origin;      /* of the search */
	uint32_t *some;    /* [degree] */
	float *key;        /* [degree] */
	struct found pool[WIDTH + 1];
	int64_t found;
};

static void reach(struct repair *r, uint32_t point, uint32_t from)
{
	r->parent[point] = from;
	r->queue[r->reached++] = point;
}

/* Mark all points that can be reached from those that are reached. */
static void spread_out(struct repair *r)
{
	struct bulk *b = r->b;
	for (; r->expanded < r->reached; r->expanded++) {
		if (r->expanded % LOOK == 0 && bulk_stopped(b))
			return;
		uint32_t p = r->queue[r->expanded];
		const uint32_t *list = bulk_list(b, p);
		for (int64_t i = 0; i < b->degree && list[i] != GRAPH_NONE; i++) {
			uint32_t c = bulk_point(b, list[i]);
			if (r->parent[c] == GRAPH_NONE)
				reach(r, c, p);
		}
	}
}

/* Make an edge from host to point, in a free place or instead of an edge by which nothing was reached
 * first. */
static bool attach(struct repair *r, uint32_t host, uint32_t point)
{
	const struct bulk *b = r->b;
	uint32_t *list = bulk_list(b, host);
	int64_t n = graph_list_length(list, b->degree);
	if (n == b->degree) {
		while (n > 0 && r->parent[bulk_point(b, list[n - 1])] == host)
			n--;
		if (n == 0)
			return false;
		n--;
	}
	list[n] = bulk_node(b, point);
	reach(r, point, host);
	return true;
}

static bool mark(uint64_t *bits, uint32_t i)
{
	uint64_t bit = UINT64_C(1) << (i % 64);
	bool fresh = !(bits[i / 64] & bit);
	bits[i / 64] |= bit;
	return fresh;
}

static void insert(struct repair *r, struct candidate c)
{
	int64_t at = r->found;
	if (at == WIDTH && !candidate_before(c, r->pool[at - 1].near))
		return;
	for (; at > 0 && candidate_before(c, r->pool[at - 1].near); at--)
		r->pool[at] = r->pool[at - 1];
	r->pool[at] = (struct found){c, false};
	r->found += r->found < WIDTH;
}

/* Put those of the points that the search has not visited into its pool. */
static void visit(struct repair *r, const uint32_t *nodes, int64_t n)
{
	int64_t fresh = 0;
	for (int64_t i = 0; i < n; i++)
		if (mark(r->visited, bulk_point(r->b, nodes[i])))
			r->some[fresh++] = nodes[i];
	graph_keys(r->b->space, r->origin, r->some, fresh, r->key);
	for (int64_t i = 0; i < fresh; i++)
		insert(r, (struct candidate){r->key[i], r->some[i]});
}

/* Search from the entry for the reached points nearest to a point: they are in the pool afterwards. */
static void search(struct repair *r, uint32_t point)
{
	const struct bulk *b = r->b;
	uint32_t entry = bulk_node(b, r->queue[0]);
	memset(r->visited, 0, (size_t)(b->n + 63) / 64 * sizeof *r->visited);
	r->found = 0;
	graph_origin_node(b->space, bulk_node(b, point), r->origin);
	visit(r, &entry, 1);
	for (int64_t at = 0; at < r->found;) {
		if (r->pool[at].expanded) {
			at++;
			continue;
		}
		r->pool[at].expanded = true;
		const uint32_t *list = graph_links(b->graph, r->pool[at].near.node, b->level);
		visit(r, list, graph_list_length(list, b->degree));
		at = 0;
	}
}

static void connect_point(struct repair *r, uint32_t point)
{
	const struct bulk *b = r->b;
	const uint32_t *list = bulk_list(b, point);
	for (int64_t i = 0; i < b->degree && list[i] != GRAPH_NONE; i++) {
		uint32_t host = bulk_point(b, list[i]);
		if (r->parent[host] != GRAPH_NONE && attach(r, host, point))
			return;
	}
	search(r, point);
	for (int64_t i = 0; i < r->found; i++)
		if (attach(r, bulk_point(b, r->pool[i].near.node), point))
			return;
	for (int64_t i = r->reached - 1; i >= 0; i--)
		if (attach(r, r->queue[i], point))
			return;
}

kith_status bulk_connect(struct bulk *b)
{
	size_t n = (size_t)b->n;
	struct repair r = {.b = b};
	r.parent = mem_alloc(n, sizeof *r.parent);
	r.queue = mem_alloc(n, sizeof *r.queue);
	r.visited = mem_alloc((n + 63) / 64, sizeof *r.visited);
	r.origin = mem_alloc(graph_origin_bytes(b->space), 1);
	r.some = mem_alloc((size_t)b->degree, sizeof *r.some);
	r.key = mem_alloc((size_t)b->degree, sizeof *r.key);
	bool ready = r.parent && r.queue && r.visited && r.origin && r.some && r.key;
	if (ready) {
		uint32_t entry = bulk_point(b, b->graph->entry);
		memset(r.parent, 0xff, n * sizeof *r.parent);
		reach(&r, entry, entry);
		spread_out(&r);
		for (int64_t p = 0; p < b->n && r.reached < b->n; p++) {
			if (r.parent[p] != GRAPH_NONE)
				continue;
			if (bulk_stopped(b))
				break;
			connect_point(&r, (uint32_t)p);
			spread_out(&r);
		}
	}
	mem_free(r.parent);
	mem_free(r.queue);
	mem_free(r.visited);
	mem_free(r.origin);
	mem_free(r.some);
	mem_free(r.key);
	return ready ? bulk_status(b) : fail_nomem("a search of the graph", 2 * n * sizeof *r.parent);
}
