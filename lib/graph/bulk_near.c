/* Candidates of points: their nearest among the members of their leaves.
 *
 * A task is a batch of points that are next to each other in the order of leaves, so that together they are
 * in few leaves. For each of these leaves, the members are rounded and packed, 64 at a time, and compared by
 * tiles with all points of the batch that are in the leaf. A point's candidates are complete after the last
 * leaf: nothing is merged between tasks, and no candidates of points outside the batch are stored.
 *
 * Memory: a point's pool is a plain array that is cut to the nearest when it is full; its threshold is set
 * when it is cut.
 *
 * A neighbour that shares several leaves with the point is found several times, but only taken in the first
 * of these leaves. Whether two points share an earlier leaf is first tested by signatures of 64 bits, which
 * answer no for most pairs. */
#include "lib/graph/bulk.h"

#include "lib/base/arena.h"
#include "lib/base/sort.h"

#include <float.h>
#include <math.h>
#include <string.h>

struct near_points {
	float *x;                   /* [dim] */
	struct tile_vectors own;    /* [b->batch] the points of the batch */
	struct tile_vectors inside; /* [b->batch] those of them that are in the leaf */
	struct tile_vectors rows;   /* [64] members of the leaf */
	struct tile_panel panel;
	void *temp;
	float *keys;      /* [TILE_QUERIES × TILE_ROWS] */
	uint64_t *visit;  /* [b->batch × overlap] leaf << 32 | number in the batch */
	uint32_t *point;  /* [b->batch] */
	uint64_t *shared; /* [b->batch] signatures of the leaves before, for those in the leaf */
	float *radius;    /* [b->batch] the threshold: only smaller keys are taken */
	int32_t *count;   /* [b->batch] */
	uint64_t *pool;   /* [b->batch × capacity] */
	int64_t capacity;
};

static struct tile_vectors take_vectors(struct arena *c, const struct tile_form *form, int64_t n)
{
	char *memory = arena_take(c, 1, tile_vectors_bytes(form, n));
	struct tile_vectors none = {0};
	return memory ? tile_vectors_at(form, n, memory) : none;
}

static void carve_near(const struct bulk *b, struct near_points *near, struct arena *c)
{
	int64_t batch = b->batch;
	near->capacity = 2 * b->max + TILE_ROWS;
	near->x = arena_take(c, b->dim, sizeof(float));
	near->own = take_vectors(c, &b->form, b->batch);
	near->inside = take_vectors(c, &b->form, b->batch);
	near->rows = take_vectors(c, &b->form, TILE_ROWS);
	near->panel.data = arena_take(c, 1, tile_panel_bytes(&b->form));
	near->temp = arena_take(c, 1, tile_panel_bytes(&b->form));
	near->keys = arena_take(c, TILE_QUERIES * TILE_ROWS, sizeof(float));
	near->visit = arena_take(c, batch * b->leaves.overlap, sizeof(uint64_t));
	near->point = arena_take(c, batch, sizeof(uint32_t));
	near->shared = arena_take(c, batch, sizeof(uint64_t));
	near->radius = arena_take(c, batch, sizeof(float));
	near->count = arena_take(c, batch, sizeof(int32_t));
	near->pool = arena_take(c, batch * near->capacity, sizeof(uint64_t));
}

size_t near_bytes(const struct bulk *b)
{
	struct near_points near;
	struct arena c = {NULL, align64(sizeof near)};
	carve_near(b, &near, &c);
	return c.used;
}

struct near_points *near_init(const struct bulk *b, void *memory)
{
	struct near_points *near = memory;
	struct arena c = {memory, align64(sizeof *near)};
	carve_near(b, near, &c);
	return near;
}

/* ---- pools ---- */

/* Cut a pool to the nearest. */
static void cut(const struct bulk *b, struct near_points *near, int64_t i)
{
	uint64_t *pool = near->pool + i * near->capacity;
	if (near->count[i] <= b->max)
		return;
	select_u64(pool, near->count[i], b->max);
	near->count[i] = (int32_t)b->max;
	uint64_t last = 0;
	for (int64_t j = 0; j < b->max; j++)
		last = pool[j] > last ? pool[j] : last;
	near->radius[i] = bulk_candidate(last, near->point[i]).key;
}

int64_t near_take(const struct bulk *b, struct near_points *near, int64_t i, struct candidate *out)
{
	cut(b, near, i);
	uint64_t *pool = near->pool + i * near->capacity;
	sort_u64(pool, near->count[i]);
	for (int64_t j = 0; j < near->count[i]; j++)
		out[j] = bulk_candidate(pool[j], near->point[i]);
	return near->count[i];
}

/* ---- leaves ---- */

static const uint32_t *leaves_of(const struct bulk *b, uint32_t point)
{
	return b->leaves.of + (size_t)point * (size_t)b->leaves.overlap;
}

/* A bit for every leaf that the point is in and that comes before `leaf`. */
static uint64_t signature(const struct bulk *b, uint32_t point, uint32_t leaf)
{
	const uint32_t *of = leaves_of(b, point);
	uint64_t bits = 0;
	for (int i = 0; i < b->leaves.overlap && of[i] < leaf; i++)
		bits |= UINT64_C(1) << (of[i] % 64);
	return bits;
}

static bool visited_before(const struct bulk *b, uint32_t p, uint32_t c, uint32_t leaf)
{
	const uint32_t *x = leaves_of(b, p), *y = leaves_of(b, c);
	for (int i = 0; i < b->leaves.overlap && x[i] < leaf; i++)
		for (int j = 0; j < b->leaves.overlap && y[j] <= x[i]; j++)
			if (x[i] == y[j])
				return true;
	return false;
}

/* What a call of a tile found: the members `hits` of the panel for point number i of the batch. */
struct found {
	uint32_t leaf;
	const uint32_t *member; /* [64] members in the panel */
	const uint64_t *shared; /* [64] their signatures */
};

static void take_hits(const struct bulk *b, struct near_points *near, const struct found *found, int64_t i,
    uint64_t shared, uint64_t hits, const float *keys)
{
	uint64_t *pool = near->pool + i * near->capacity;
	uint32_t p = near->point[i];
	float normsq = near->own.normsq[i], min = normsq * 0x1p-20f;
	int64_t count = near->count[i];
	for (; hits; hits &= hits - 1) {
		int r = __builtin_ctzll(hits);
		uint32_t c = found->member[r];
		if (c == p || ((shared & found->shared[r]) && visited_before(b, p, c, found->leaf)))
			continue;
		float key = keys[r] + normsq;
		pool[count++] = bulk_entry(key > min ? key : 0, p, c);
	}
	near->count[i] = (int32_t)count;
	if (count + TILE_ROWS > near->capacity)
		cut(b, near, i);
}

/* Compare the members in the panel with the points of the batch that are in the leaf, visits [count]. */
static void pass_panel(const struct bulk *b, struct near_points *near, const struct found *found,
    const uint64_t *visit, int64_t count)
{
	float thr[TILE_QUERIES], *keys = near->keys;
	uint64_t mask[TILE_QUERIES];
	for (int64_t q = 0; q < count; q += TILE_QUERIES) {
		int nq = count - q < TILE_QUERIES ? (int)(count - q) : TILE_QUERIES;
		for (int j = 0; j < nq; j++)
			thr[j] = near->radius[(uint32_t)visit[q + j]] - near->inside.normsq[q + j];
		if (!tile_multiply(&b->form, near->panel.data, near->panel.normsq, near->panel.scale,
		        &near->inside, q, nq, thr, mask, keys))
			continue;
		for (int j = 0; j < nq; j++)
			if (mask[j])
				take_hits(b, near, found, (uint32_t)visit[q + j], near->shared[q + j],
				    mask[j], keys + j * TILE_ROWS);
	}
}

/* Compare the members of a leaf with the points of the batch that are in it. Members that are in the batch
 * would need no second low-precision copy, but finding them takes longer than making it. */
static void pass_leaf(
    const struct bulk *b, struct near_points *near, uint32_t leaf, const uint64_t *visit, int64_t count)
{
	enum { AHEAD = 16 };
	uint64_t shared[TILE_ROWS];
	int64_t end = b->leaves.begin[leaf + 1];
	for (int64_t j = 0; j < count; j++) {
		int64_t i = (uint32_t)visit[j];
		tile_copy(&b->form, &near->inside, j, &near->own, i);
		near->shared[j] = signature(b, near->point[i], leaf);
	}
	for (int64_t at = b->leaves.begin[leaf]; at < end; at += TILE_ROWS) {
		const uint32_t *member = b->leaves.member + at;
		int64_t n = end - at < TILE_ROWS ? end - at : TILE_ROWS;
		struct found found = {.leaf = leaf, .member = member, .shared = shared};
		for (int64_t r = 0; r < n; r++) {
			if (at + r + AHEAD < end) {
				bulk_prefetch(b, member[r + AHEAD]);
				__builtin_prefetch(leaves_of(b, member[r + AHEAD]));
			}
			bulk_load(b, member[r], near->x);
			tile_set_copy(&b->form, &near->rows, r, near->x);
			shared[r] = signature(b, member[r], leaf);
		}
		tile_pack(&b->form, &near->rows, 0, n, near->temp, &near->panel);
		pass_panel(b, near, &found, visit, count);
	}
}

void near_find(struct bulk *b, struct near_points *near, int64_t first, int64_t count)
{
	int overlap = b->leaves.overlap;
	int64_t visits = 0;
	for (int64_t i = 0; i < count; i++) {
		uint32_t p = b->leaves.order[first + i];
		near->point[i] = p;
		near->count[i] = 0;
		near->radius[i] = FLT_MAX;
		bulk_load(b, p, near->x);
		tile_set_copy(&b->form, &near->own, i, near->x);
		for (int j = 0; j < overlap; j++)
			near->visit[visits++] = (uint64_t)leaves_of(b, p)[j] << 32 | (uint64_t)i;
	}
	sort_u64(near->visit, visits);
	for (int64_t at = 0, to; at < visits && !bulk_stopped(b); at = to) {
		uint32_t leaf = (uint32_t)(near->visit[at] >> 32);
		for (to = at; to < visits && near->visit[to] >> 32 == leaf;)
			to++;
		pass_leaf(b, near, leaf, near->visit + at, to - at);
	}
}
