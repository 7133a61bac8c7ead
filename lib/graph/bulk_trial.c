/* Trials on what was built so far, with exact neighbours to compare with.
 *
 * Leaves. Of hard data (many dimensions that are all alike) neighbours lie in leaves that a point is not in,
 * so a graph from few leaves finds a few percent less than one by insertion. Where too many of the nearest of
 * some points share no leaf with them, every point gets more leaves.
 *
 * Ways. Queries that are not like the vectors have neighbours in several places, and a graph may lack ways
 * from one to another (bulk_far.c). It shows where a longer search finds hardly more than a short one:
 * what is missed is lost, not left out. The queries are midpoints of two vectors. Where the vectors are easy
 * to search, neither search misses anything worth mentioning.
 *
  * Neighbours are those that a search finds: by squared L2, or of unit vectors by the inner product, which
 * is the same. Where edges follow the inner product nothing is asked.
 */
#include "lib/graph/bulk.h"

#include "lib/base/status.h"
#include "lib/graph/search_layer.h"
#include "lib/search/sink.h"

enum { TRIED = 64, NEIGHBOURS = 64, WANTED = 10 };

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
	enum { LOST_SHARE = 10 };
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
	*enough = lost * LOST_SHARE <= tried;
	trial_end(&t);
	return status;
}

/* ---- ways ---- */

static void make_midpoints(struct trial *t, float *y)
{
	const struct bulk *b = t->b;
	for (int64_t i = 0; i < t->n; i++) {
		/* 29 and the number of them have no divisor in common. */
		int64_t p = bulk_spread(b, i, t->n), q = bulk_spread(b, (i * 29 + 11) % t->n, t->n);
		float *x = t->x + i * b->dim;
		graph_space_load(b->space, bulk_node(b, p), x);
		graph_space_load(b->space, bulk_node(b, q), y);
		for (int64_t j = 0; j < b->dim; j++)
			x[j] = x[j] / 2 + y[j] / 2;
	}
}

/* Neighbours of midpoint i that a search misses. */
static int64_t count_missed(const struct trial *t, struct graph_scratch *w, int64_t i, int64_t ef)
{
	const struct found *near = t->near.best + i * t->near.k;
	int64_t missed = 0, wanted = 0;
	graph_origin_query(t->b->space, t->x + i * t->b->dim, w->origin);
	search_base_layer(w, search_upper_layers(w, 0), ef, WANTED);
	for (int64_t j = 0; j < t->near.count[i] && wanted < WANTED; j++) {
		bool found = false;
		if (!graph_is_live(t->b->how->only, (uint32_t)near[j].id))
			continue;
		wanted++;
		for (int64_t f = 0; f < w->n; f++)
			found |= (w->pool[f].node & ~EXPANDED) == near[j].id;
		missed += !found;
	}
	return missed;
}

kith_status bulk_try_ways(const struct bulk *b, bool *enough)
{
	enum { SHORT = 64, LONG = 256, SHARE = 50, TIMES = 4 };
	struct trial t;
	struct graph_scratch_pool scratch_pool;
	*enough = true;
	if (b->space->edges->similarity)
		return KITH_OK;
	kith_status status = trial_begin(&t, b);
	if (status)
		return status;
	scratch_pool_init(&scratch_pool);
	struct graph_scratch *w = scratch_take(&scratch_pool, b->graph, b->space, LONG, 0);
	float *y = mem_alloc((size_t)b->dim, sizeof *y);
	if (!w || !y)
		status = fail_nomem("a trial", 0);
	if (status == KITH_OK) {
		make_midpoints(&t, y);
		status = find_near(&t);
	}
	int64_t missed[2] = {0, 0};
	for (int64_t i = 0; status == KITH_OK && i < t.n; i++) {
		missed[0] += count_missed(&t, w, i, SHORT);
		missed[1] += count_missed(&t, w, i, LONG);
	}
	*enough = missed[1] * SHARE < t.n * WANTED || missed[1] * TIMES < missed[0];
	if (w)
		scratch_return(&scratch_pool, w);
	scratch_pool_free(&scratch_pool);
	mem_free(y);
	trial_end(&t);
	return status;
}
