/* Trials on what was built so far, with exact neighbours to compare with.
 *
 * Leaves. In hard data (many dimensions that are all alike) many neighbours of a point are in leaves that the
 * point is not in, so the recall of a graph made from few leaves is a few percent lower than that of one
 * built by insertion. If too many of the nearest neighbours of a sample share no leaf with their points,
 * every point is put into more leaves.
 *
 * Ways. Queries that are not like the vectors have neighbours in several regions, and a graph may lack ways
 * (paths that searches find) from one region to another: see bulk_far.c. Three kinds of queries are tried:
 * midpoints of two vectors, which are between or beside most vectors; vectors whose components get random
 * signs; and vectors with the opposite direction. Ways may be missing if a longer search finds hardly more
 * than a short one (so what is missed cannot be reached by searching longer), or if many neighbours of
 * midpoints are missed, since midpoints are among the vectors. The same may happen with data that is hard for
 * other reasons. So far edges are kept only if far more is found with them. Without and with far edges: of
 * midpoints in 50 clusters, 150 and 43 of 640 neighbours were missed; of opposite directions of a short arc,
 * 151 and 31. With SIFT, words and gaussian vectors, where far edges would be of no use, none or few
 * neighbours of midpoints are missed, and long searches find most of the others.
 *
 * The neighbours to be found are by squared L2, or for unit vectors by the inner product, which gives the
 * same order. If edges follow the inner product, there are no trials.
 */
#include "lib/graph/bulk.h"

#include "lib/base/random.h"
#include "lib/base/status.h"
#include "lib/graph/search_layer.h"
#include "lib/search/sink.h"

#include <math.h>

enum { TRIED = 64, NEIGHBOURS = 64, WANTED = 10 };

/* efSearch of short and of long searches; ways are not in doubt if less than one neighbour in LOST_SHARE is
 * missed. */
enum { SHORT = 64, LONG = 256, LOST_SHARE = 50 };

/* The kinds of queries: midpoints, random signs, opposite directions. */
enum way { WAY_BETWEEN, WAY_ASIDE, WAY_BEHIND };

struct trial {
	const struct bulk *b;
	int64_t n;
	float *x; /* [n × dim] */
	struct sink near;
};

static kith_status trial_begin(struct trial *t, const struct bulk *b)
{
	size_t cells;
	*t = (struct trial){.b = b, .n = b->n < TRIED ? b->n : TRIED};
	t->x = size_mul((size_t)t->n, (size_t)b->dim, &cells) ? mem_alloc(cells, sizeof *t->x) : NULL;
	if (!t->x)
		return fail_nomem("a trial", 0);
	kith_status status = sink_init_topk(&t->near, t->n, NEIGHBOURS);
	if (status)
		mem_free(t->x);
	return status;
}

static void trial_end(struct trial *t)
{
	sink_free(&t->near);
	mem_free(t->x);
}

static kith_status find_near(struct trial *t)
{
	const struct graph_space *space = t->b->space;
	return graph_nearest_exact(space, t->n, t->x, space->metric, t->b->how->threads, &t->near);
}

/* ---- leaves ---- */

static bool share_leaf(const struct bulk *b, int64_t p, int64_t q)
{
	const uint32_t *x = b->leaves.of + p * b->leaves.overlap, *y = b->leaves.of + q * b->leaves.overlap;
	for (int i = 0; i < b->leaves.overlap; i++)
		for (int j = 0; j < b->leaves.overlap; j++)
			if (x[i] == y[j])
				return true;
	return false;
}

kith_status bulk_try_leaves(const struct bulk *b, bool *enough)
{
	enum { UNSHARED_SHARE = 10 };
	struct trial t;
	*enough = true;
	if (b->space->edges->similarity || b->leaves.k <= b->leaves.overlap)
		return KITH_OK;
	kith_status status = trial_begin(&t, b);
	if (status)
		return status;
	for (int64_t i = 0; i < t.n; i++)
		graph_space_load(b->space, bulk_node(b, bulk_spread(b, i, t.n)), t.x + i * b->dim);
	status = find_near(&t);
	int64_t lost = 0, tried = 0;
	for (int64_t i = 0; status == KITH_OK && i < t.n; i++) {
		int64_t p = bulk_spread(b, i, t.n), wanted = 0;
		for (int64_t j = 0; j < t.near.count[i] && wanted < WANTED; j++) {
			uint32_t node = (uint32_t)t.near.best[i * t.near.k + j].id;
			int64_t q = bulk_point(b, node);
			if (q == p || bulk_node(b, q) != node)
				continue;
			wanted++;
			tried++;
			lost += !share_leaf(b, p, q);
		}
	}
	*enough = lost * UNSHARED_SHARE <= tried;
	trial_end(&t);
	return status;
}

/* ---- ways ---- */

static void make_midpoint(struct trial *t, int64_t i, float *x, float *y)
{
	const struct bulk *b = t->b;
	/* 29 and the number of them have no divisor in common. */
	int64_t p = bulk_spread(b, i, t->n), q = bulk_spread(b, (i * 29 + 11) % t->n, t->n);
	graph_space_load(b->space, bulk_node(b, p), x);
	graph_space_load(b->space, bulk_node(b, q), y);
	for (int64_t j = 0; j < b->dim; j++)
		x[j] = x[j] / 2 + y[j] / 2;
}

/* y [dim]: scratch. */
static void make_queries(struct trial *t, enum way kind, float *y)
{
	const struct bulk *b = t->b;
	struct random random = random_begin(0, 0);
	for (int64_t i = 0; i < t->n; i++) {
		float *x = t->x + i * b->dim;
		if (kind == WAY_BETWEEN) {
			make_midpoint(t, i, x, y);
			continue;
		}
		graph_space_load(b->space, bulk_node(b, bulk_spread(b, i, t->n)), x);
		for (int64_t j = 0; j < b->dim; j++)
			if (kind == WAY_BEHIND || random_next(&random) & 1)
				x[j] = -x[j];
	}
}

/* How many of the WANTED nearest neighbours of query i a search misses. Other vectors may be as near as the
 * last of these, copies for example: so found vectors are counted that are at least as near. x [dim]:
 * scratch.
 */
static int64_t count_missed(const struct trial *t, struct graph_scratch *w, int64_t i, int64_t ef, float *x)
{
	struct metric_kernels score = metric_kernels(t->b->space->metric);
	const struct found *near = t->near.best + i * t->near.k;
	int64_t dim = t->b->dim, wanted = 0, found = 0;
	double last = -INFINITY;
	for (int64_t j = 0; j < t->near.count[i] && wanted < WANTED; j++)
		if (graph_is_live(t->b->how->only, (uint32_t)near[j].id)) {
			wanted++;
			last = near[j].key;
		}
	graph_origin_query(t->b->space, t->x + i * dim, w->origin);
	search_base_layer(w, search_upper_layers(w, 0), ef, WANTED);
	for (int64_t f = 0; f < w->n && found < wanted; f++) {
		graph_space_load(t->b->space, w->pool[f].node & ~EXPANDED, x);
		found += metric_exact(&score, t->x + i * dim, x, dim) <= last;
	}
	return wanted - found;
}

/* How many neighbours of all queries searches miss. */
static int64_t count_all_missed(const struct trial *t, struct graph_scratch *w, int64_t ef, float *x)
{
	int64_t missed = 0;
	for (int64_t i = 0; i < t->n; i++)
		missed += count_missed(t, w, i, ef, x);
	return missed;
}

/* Try short searches with every kind of queries, and long ones if the short ones miss much. */
static kith_status try_queries(struct trial *t, struct graph_scratch *w, float *y, struct ways *ways)
{
	for (int kind = 0; kind < WAY_KINDS; kind++) {
		make_queries(t, kind, y);
		memset(t->near.count, 0, (size_t)t->n * sizeof *t->near.count);
		kith_status status = find_near(t);
		if (status)
			return status;
		ways->brief[kind] = count_all_missed(t, w, SHORT, y);
		ways->lengthy[kind] =
		    ways->brief[kind] * LOST_SHARE >= ways->tried ? count_all_missed(t, w, LONG, y) : 0;
	}
	return KITH_OK;
}

kith_status bulk_try_ways(const struct bulk *b, struct ways *ways)
{
	struct trial t;
	struct graph_scratch_pool scratch_pool;
	*ways = (struct ways){0};
	if (b->space->edges->similarity)
		return KITH_OK;
	kith_status status = trial_begin(&t, b);
	if (status)
		return status;
	ways->tried = t.n * WANTED;
	scratch_pool_init(&scratch_pool);
	struct graph_scratch *w = scratch_take(&scratch_pool, b->graph, b->space, LONG, 0);
	float *y = mem_alloc((size_t)b->dim, sizeof *y);
	status = w && y ? try_queries(&t, w, y, ways) : fail_nomem("a trial", 0);
	if (w)
		scratch_return(&scratch_pool, w);
	scratch_pool_free(&scratch_pool);
	mem_free(y);
	trial_end(&t);
	return status;
}

/* Whether ways may be missing for queries of one kind. */
static bool is_doubtful(const struct ways *ways, int kind)
{
	enum { TIMES_BETWEEN = 4, TIMES = 2, MANY_SHARE = 10 };
	int64_t brief = ways->brief[kind], lengthy = ways->lengthy[kind];
	int64_t times = kind == WAY_BETWEEN ? TIMES_BETWEEN : TIMES;
	return (lengthy * LOST_SHARE >= ways->tried && lengthy * times >= brief) ||
	       (kind == WAY_BETWEEN && brief * MANY_SHARE >= ways->tried);
}

bool bulk_ways_doubtful(const struct ways *ways)
{
	bool doubtful = false;
	for (int kind = 0; ways->tried && kind < WAY_KINDS; kind++)
		doubtful |= is_doubtful(ways, kind);
	return doubtful;
}

bool bulk_ways_helped(const struct ways *before, const struct ways *after)
{
	int64_t missed[2] = {0, 0};
	for (int kind = 0; kind < WAY_KINDS; kind++) {
		missed[0] += before->brief[kind];
		missed[1] += after->brief[kind];
	}
	return 2 * missed[1] <= missed[0];
}

bool bulk_ways_lost(const struct ways *ways)
{
	enum { MANY_SHARE = 20 };
	bool lost = false;
	for (int kind = 0; kind < WAY_KINDS; kind++)
		lost |= ways->lengthy[kind] * MANY_SHARE >= ways->tried && ways->tried &&
		        ways->lengthy[kind] * 4 >= ways->brief[kind] * 3;
	return lost;
}
