/* Leaves: clusters by k-means, where every point is in the few leaves whose centroids are nearest to it.
 *
 * So two points that are near each other, but on different sides of a border between clusters, are compared
 * if they have one leaf in common (PiPNN, arXiv 2602.21247). Therefore the clustering can be rough: a few
 * iterations on a sample, and assignment by low-precision copies. A cluster that is much too large (for
 * example of equal vectors) is cut into parts, so that work is linear in the number of points.
 *
 * Inner products. A query looks for long vectors in its direction, and few of these are near any other
 * vector. So vectors are transformed: x / ‖x‖^1.5 moves the long ones into the middle, near each other and on
 * the path of all searches. With the exponent 2, an inversion, neighbours by inner product become neighbours
 * by distance (Zhou et al., Möbius Transformation for Fast Inner Product Search on Graph, NeurIPS 2019); 1.5
 * had the same recall with fewer distances, in 48 and 64 dimensions, with lengths that differ little or much.
 *
 * Clusters are numbered by a clustering of their centroids, so that near clusters have near numbers: tasks
 * are ranges of points in the order of leaves, and near leaves share members. */
#include "lib/graph/bulk.h"

#include "kernels/kernels.h"
#include "lib/base/status.h"
#include "lib/base/threads.h"
#include "lib/learn/kmeans.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum {
	LEAF = 400,                            /* points per centroid */
	ONE_LEAF = 1600,                       /* up to so many points are one leaf */
	PER_LEAF = 24,                         /* points per centroid to learn from */
	MAX_MEMBERS = 4 * BULK_OVERLAP * LEAF, /* the most members of a leaf */
	STEP = 4096                            /* vectors between two checks whether to stop */
};

/* ---- centroids ---- */

/* A progress callback for k-means that returns whether the build was cancelled. */
static int ask(void *progress, const char *stage, int64_t done, int64_t total)
{
	(void)stage;
	(void)done;
	(void)total;
	return !progress_add(progress, 0);
}

static kith_kmeans_options rough_kmeans(const struct bulk *b)
{
	kith_kmeans_options options = KITH_KMEANS_OPTIONS;
	options.threads = b->how->threads;
	options.iterations = 5;
	options.seed = b->graph->seed;
	options.progress = b->how->progress ? ask : NULL;
	options.progress_data = b->how->progress;
	return options;
}

/* Reorder centroids [k × dim] so that near ones have near numbers. scratch [k × dim]. */
static kith_status arrange(const struct bulk *b, float *centroids, float *scratch, int64_t k)
{
	enum { TOGETHER = 16 };
	int64_t groups = (k + TOGETHER - 1) / TOGETHER, to = 0;
	size_t row = (size_t)b->dim * sizeof(float);
	kith_kmeans_options options = rough_kmeans(b);
	int32_t *labels = mem_alloc((size_t)k, sizeof *labels);
	kith_status status =
	    labels ? kmeans_run(b->dim, k, centroids, groups, scratch, labels, NULL, NULL, &options)
	           : fail_nomem("labels", (size_t)k * sizeof *labels);
	for (int64_t g = 0; status == KITH_OK && g < groups; g++)
		for (int64_t c = 0; c < k; c++)
			if (labels[c] == g)
				memcpy(scratch + to++ * b->dim, centroids + c * b->dim, row);
	if (status == KITH_OK)
		memcpy(centroids, scratch, (size_t)k * row);
	mem_free(labels);
	return status;
}

/* Learn k centroids [k × dim] from a sample. */
static kith_status train(struct bulk *b, int64_t k, float **centroids)
{
	int64_t n = k * PER_LEAF < b->n ? k * PER_LEAF : b->n;
	size_t cells;
	float *x = size_mul((size_t)n, (size_t)b->dim, &cells) ? mem_alloc(cells, sizeof *x) : NULL;
	*centroids = x ? mem_alloc((size_t)k, (size_t)b->dim * sizeof **centroids) : NULL;
	kith_status status = *centroids ? KITH_OK : fail_nomem("a sample of vectors", 0);
	for (int64_t i = 0; status == KITH_OK && i < n; i++) {
		bulk_load(b, bulk_spread(b, i, n), x + i * b->dim);
		if (i % STEP == 0 && bulk_stopped(b))
			status = bulk_status(b);
	}
	kith_kmeans_options options = rough_kmeans(b);
	if (status == KITH_OK)
		status = kmeans_run(b->dim, n, x, k, *centroids, NULL, NULL, NULL, &options);
	if (status == KITH_OK)
		status = arrange(b, *centroids, x, k);
	mem_free(x);
	return status;
}

/* ---- assignment ---- */

struct assign {
	struct bulk *b;
	int64_t k;
	struct tile_panel *panel; /* [ceil(k / 64)] */
	uint32_t *primary;        /* [n] the result: the leaf with the nearest centroid of each point */
	char **scratch;           /* [threads] */
	size_t vectors;           /* bytes of scratch before the keys of a tile and a vector */
};

enum { TILE_KEYS = TILE_QUERIES * TILE_ROWS };

struct nearest_leaves {
	float key[BULK_OVERLAP]; /* ascending */
	uint32_t leaf[BULK_OVERLAP];
};

static void insert_leaf(struct nearest_leaves *near, int overlap, float key, uint32_t leaf)
{
	int at = overlap - 1;
	if (!(key < near->key[at]))
		return;
	for (; at > 0 && key < near->key[at - 1]; at--) {
		near->key[at] = near->key[at - 1];
		near->leaf[at] = near->leaf[at - 1];
	}
	near->key[at] = key;
	near->leaf[at] = leaf;
}

/* The nearest leaves of points q … q + nq − 1 of a batch. keys: scratch for those of a tile. */
static void assign_few(const struct assign *a, const struct tile_vectors *points, int64_t q, int nq,
    struct nearest_leaves *near, float *keys)
{
	int overlap = a->b->leaves.overlap;
	float thr[TILE_QUERIES];
	uint64_t mask[TILE_QUERIES];
	for (int64_t first = 0; first < a->k; first += TILE_ROWS) {
		const struct tile_panel *panel = &a->panel[first / TILE_ROWS];
		for (int j = 0; j < nq; j++)
			thr[j] = near[j].key[overlap - 1];
		if (!tile_multiply(&a->b->form, panel->data, panel->normsq, panel->scale, points, q, nq, thr,
		        mask, keys))
			continue;
		for (int j = 0; j < nq; j++)
			for (uint64_t hits = mask[j]; hits; hits &= hits - 1) {
				int r = __builtin_ctzll(hits);
				insert_leaf(
				    &near[j], overlap, keys[j * TILE_ROWS + r], (uint32_t)(first + r));
			}
	}
}

/* Store the leaves of a point in `of`, ascending. */
static void keep_leaves(const struct assign *a, int64_t point, struct nearest_leaves *near)
{
	int overlap = a->b->leaves.overlap;
	a->primary[point] = near->leaf[0];
	uint32_t *of = a->b->leaves.of + point * overlap;
	for (int i = 0; i < overlap; i++) {
		uint32_t leaf = near->leaf[i];
		int at = i;
		for (; at > 0 && of[at - 1] > leaf; at--)
			of[at] = of[at - 1];
		of[at] = leaf;
	}
}

static void assign_batch(void *arg, int64_t task, int worker)
{
	const struct assign *a = arg;
	struct bulk *b = a->b;
	enum { AHEAD = 8 };
	struct tile_vectors points = tile_vectors_at(&b->form, b->batch, a->scratch[worker]);
	float *keys = (float *)(void *)(a->scratch[worker] + a->vectors), *x = keys + TILE_KEYS;
	int64_t first, n = bulk_task(b, task, &first);
	if (bulk_stopped(b))
		return;
	for (int64_t i = 0; i < n; i++) {
		if (i + AHEAD < n)
			bulk_prefetch(b, first + i + AHEAD);
		bulk_load(b, first + i, x);
		tile_set_copy(&b->form, &points, i, x);
	}
	for (int64_t q = 0; q < n && !bulk_stopped(b); q += TILE_QUERIES) {
		int nq = n - q < TILE_QUERIES ? (int)(n - q) : TILE_QUERIES;
		struct nearest_leaves near[TILE_QUERIES];
		for (int j = 0; j < nq; j++)
			for (int i = 0; i < BULK_OVERLAP; i++) {
				/* These stay for a vector without finite distances. */
				near[j].key[i] = FLT_MAX;
				near[j].leaf[i] = (uint32_t)i;
			}
		assign_few(a, &points, q, nq, near, keys);
		for (int j = 0; j < nq; j++)
			keep_leaves(a, first + q + j, &near[j]);
	}
}

/* Make low-precision copies of centroids [k × dim], and pack them. */
static bool pack_centroids(struct assign *a, const float *centroids)
{
	struct bulk *b = a->b;
	int64_t panels = (a->k + TILE_ROWS - 1) / TILE_ROWS;
	size_t panel = tile_panel_bytes(&b->form);
	a->panel = mem_zalloc((size_t)panels, sizeof *a->panel);
	char *memory = mem_alloc(tile_vectors_bytes(&b->form, TILE_ROWS) + panel, 1);
	char *data = mem_alloc((size_t)panels, panel);
	bool ready = a->panel && memory && data;
	for (int64_t p = 0; ready && p < panels; p++) {
		struct tile_vectors rows = tile_vectors_at(&b->form, TILE_ROWS, memory);
		int64_t n = a->k - p * TILE_ROWS < TILE_ROWS ? a->k - p * TILE_ROWS : TILE_ROWS;
		for (int64_t r = 0; r < n; r++)
			tile_set_copy(&b->form, &rows, r, centroids + (p * TILE_ROWS + r) * b->dim);
		a->panel[p].data = (uint32_t *)(void *)(data + (size_t)p * panel);
		tile_pack(
		    &b->form, &rows, 0, n, memory + tile_vectors_bytes(&b->form, TILE_ROWS), &a->panel[p]);
	}
	mem_free(memory);
	if (!ready)
		mem_free(data);
	return ready;
}

static kith_status assign_points(struct bulk *b, int64_t k, const float *centroids, uint32_t *primary)
{
	struct assign a = {.b = b, .k = k, .primary = primary};
	a.vectors = tile_vectors_bytes(&b->form, b->batch);
	size_t bytes = a.vectors + (TILE_KEYS + (size_t)b->dim) * sizeof(float);
	a.scratch = mem_zalloc((size_t)b->how->threads, sizeof *a.scratch);
	bool ready = a.scratch && pack_centroids(&a, centroids);
	for (int t = 0; ready && t < b->how->threads; t++) {
		a.scratch[t] = mem_alloc(bytes, 1);
		ready = a.scratch[t] != NULL;
	}
	if (ready)
		threads_run(b->how->threads, bulk_tasks(b), assign_batch, &a);
	for (int t = 0; a.scratch && t < b->how->threads; t++)
		mem_free(a.scratch[t]);
	mem_free(a.scratch);
	if (a.panel)
		mem_free(a.panel[0].data);
	mem_free(a.panel);
	if (!ready)
		return fail_nomem("an assignment", bytes);
	return bulk_status(b);
}

/* ---- leaves from assignments ---- */

/* Cut leaves that are too large into parts: renumber `of`, and return the number of leaves. parts [k + 1] and
 * seen [k], zeroed: scratch. */
static int64_t cut_leaves(struct bulk *b, int64_t k, int64_t *parts, int64_t *seen)
{
	struct leaves *l = &b->leaves;
	int64_t total = b->n * l->overlap, leaves = 0;
	for (int64_t i = 0; i < total; i++)
		seen[l->of[i]]++;
	for (int64_t c = 0; c < k; c++) {
		parts[c] = leaves;
		leaves += seen[c] <= MAX_MEMBERS ? 1 : (seen[c] + MAX_MEMBERS / 4 - 1) / (MAX_MEMBERS / 4);
		seen[c] = 0;
	}
	parts[k] = leaves;
	if (leaves == k)
		return k;
	for (int64_t i = 0; i < total; i++) {
		uint32_t c = l->of[i];
		int64_t part = parts[c + 1] - parts[c] > 1 ? seen[c]++ / (MAX_MEMBERS / 4) : 0;
		l->of[i] = (uint32_t)(parts[c] + part);
	}
	return leaves;
}

/* Make `begin` and `member` from `of`, and `order` from the primary leaves. */
static kith_status list_members(struct bulk *b, int64_t k, const uint32_t *primary)
{
	struct leaves *l = &b->leaves;
	int64_t *parts = mem_zalloc((size_t)k + 1, sizeof *parts),
	        *seen = mem_zalloc((size_t)k, sizeof *seen);
	bool ready = parts && seen;
	if (ready) {
		l->k = cut_leaves(b, k, parts, seen);
		l->begin = mem_zalloc((size_t)l->k + 2, sizeof *l->begin);
		ready = l->begin != NULL;
	}
	if (ready) {
		/* While leaves are filled, begin[l + 1] is where the next member of leaf l goes. */
		int64_t *next = l->begin + 1;
		for (int64_t i = 0; i < b->n * l->overlap; i++)
			next[l->of[i] + 1]++;
		for (int64_t c = 0; c < l->k; c++)
			next[c + 1] += next[c];
		for (int64_t i = 0; i < b->n * l->overlap; i++)
			l->member[next[l->of[i]]++] = (uint32_t)(i / l->overlap);
		memset(parts, 0, ((size_t)k + 1) * sizeof *parts);
		for (int64_t i = 0; i < b->n; i++)
			parts[primary[i] + 1]++;
		for (int64_t c = 0; c < k; c++)
			parts[c + 1] += parts[c];
		for (int64_t i = 0; i < b->n; i++)
			l->order[parts[primary[i]]++] = (uint32_t)i;
	}
	mem_free(parts);
	mem_free(seen);
	return ready ? KITH_OK : fail_nomem("leaves", (size_t)k * sizeof *seen);
}

static kith_status cluster(struct bulk *b, int64_t k)
{
	uint32_t *primary = mem_alloc((size_t)b->n, sizeof *primary);
	float *centroids = NULL;
	kith_status status = primary ? KITH_OK : fail_nomem("labels", (size_t)b->n * sizeof *primary);
	if (status == KITH_OK && k > 1) {
		status = train(b, k, &centroids);
		if (status == KITH_OK)
			status = assign_points(b, k, centroids, primary);
	} else if (status == KITH_OK) {
		memset(primary, 0, (size_t)b->n * sizeof *primary);
		memset(b->leaves.of, 0, (size_t)b->n * sizeof *b->leaves.of);
	}
	mem_free(centroids);
	if (status == KITH_OK)
		status = list_members(b, k, primary);
	mem_free(primary);
	return status;
}

kith_status bulk_make_leaves(struct bulk *b)
{
	struct leaves *l = &b->leaves;
	int64_t k = b->n <= ONE_LEAF ? 1 : (b->n + LEAF - 1) / LEAF;
	l->overlap = k < b->overlap ? (int)k : b->overlap;
	size_t cells = (size_t)b->n * (size_t)l->overlap;
	l->of = mem_alloc(cells, sizeof *l->of);
	l->member = mem_alloc(cells, sizeof *l->member);
	l->order = mem_alloc((size_t)b->n, sizeof *l->order);
	if (!l->of || !l->member || !l->order)
		return fail_nomem("leaves", cells * sizeof *l->of);
	return cluster(b, k);
}

void bulk_free_leaves(struct bulk *b)
{
	mem_free(b->leaves.of);
	mem_free(b->leaves.begin);
	mem_free(b->leaves.member);
	mem_free(b->leaves.order);
	b->leaves = (struct leaves){0};
}
