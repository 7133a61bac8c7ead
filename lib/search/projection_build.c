/* Building projections: learn the axes (projection_axes.c), cluster the z of the rows, sort the rows of each
 * cluster by their distance from its centroid, and pack them in blocks of 64.
 */
#include "lib/search/projection.h"

#include "kernels/kernels.h"
#include "lib/base/alloc.h"
#include "lib/base/arena.h"
#include "lib/base/progress.h"
#include "lib/base/rounding.h"
#include "lib/base/status.h"
#include "lib/base/threads.h"
#include "lib/learn/kmeans.h"
#include "lib/tile/nearest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
	CLUSTER_ROWS = 4096, /* about so many in a cluster */
	FORCED_ROWS = 150,   /* the same if a test forces projections */
	MAX_CLUSTERS = 256,
	CLUSTER_SAMPLE = 64, /* rows for each cluster */
	TASK_BLOCKS = 4,     /* that a task packs at a time */
	TASK_ROWS = TASK_BLOCKS * TILE_ROWS,
	SEED = 12,
	SERIAL_WORK = 1 << 20, /* components below which threads cost more than they save */
};

void projection_free(struct projection *projection)
{
	if (!projection)
		return;
	axes_free(&projection->axes);
	mem_free(projection->memory);
	mem_free(projection->heads);
	mem_free(projection);
}

size_t projection_memory(const struct projection *p)
{
	return p ? sizeof *p + p->bytes + axes_memory(&p->axes) : 0;
}

/* ---- clusters ---- */

static kith_status find_centroids(struct projection *p, const struct rows *rows, int threads)
{
	int64_t n = p->clusters * CLUSTER_SAMPLE, wide = p->axes.p + 1;
	n = n < rows->n ? n : rows->n;
	kith_kmeans_options options = {.size = sizeof options,
	    .threads = threads,
	    .iterations = 8,
	    .restarts = 1,
	    .tolerance = 0.001,
	    .max_points = 256,
	    .fewer = 1,
	    .seed = SEED};
	uint32_t *which;
	kith_status status = projection_draw(rows, 3, n, &which);
	if (status)
		return status;
	float *z = mem_alloc((size_t)n * (size_t)(wide + 1), sizeof *z);
	status = z ? axes_apply(&p->axes, rows, 0, which, n, z, z + n * wide)
	           : fail_nomem("a projection", (size_t)(n * wide) * sizeof *z);
	if (status == KITH_OK)
		status =
		    kmeans_run(wide, n, z, p->clusters, p->centroids, NULL, &p->clusters, NULL, &options);
	mem_free(z);
	mem_free(which);
	return status;
}

/* ---- packing ---- */

/* The memory of a worker. */
struct packer {
	float *z, *err; /* [TASK_ROWS × (p + 1)], [TASK_ROWS] */
	double *key;    /* [TASK_ROWS] */
	int8_t *bytes;  /* [TILE_ROWS × (p + 1)] */
};

/* A row, to be sorted. */
struct place {
	float from_centroid;
	uint32_t row;
};

struct build {
	struct projection *p;
	const struct rows *rows;
	struct packer *packers;
	int32_t *label;       /* [n] the cluster of each row; p->clusters if its z is unknown */
	float *distance;      /* [n] from the centroid */
	struct place *places; /* [n] rows sorted by cluster */
	int64_t *begin;       /* [clusters + 3] the first place of each cluster */
	_Atomic int status;
};

static void take_packer(const struct projection *p, struct packer *w, struct arena *arena)
{
	int64_t wide = p->axes.p + 1;
	w->z = arena_take(arena, TASK_ROWS * wide, sizeof *w->z);
	w->err = arena_take(arena, TASK_ROWS, sizeof *w->err);
	w->key = arena_take(arena, TASK_ROWS, sizeof *w->key);
	w->bytes = arena_take(arena, TILE_ROWS * wide, 1);
}

/* Project n rows, given as to projection_apply, into the memory of the worker. */
static bool project_rows(struct build *b, struct packer *w, int64_t first, const uint32_t *which, int64_t n)
{
	kith_status status = axes_apply(&b->p->axes, b->rows, first, which, n, w->z, w->err);
	if (status)
		atomic_store(&b->status, (int)status);
	return status == KITH_OK;
}

static void label_task(void *arg, int64_t task, int worker)
{
	struct build *b = arg;
	struct packer *w = &b->packers[worker];
	int64_t first = task * TASK_ROWS, n = b->rows->n - first < TASK_ROWS ? b->rows->n - first : TASK_ROWS;
	if (atomic_load(&b->status) || !project_rows(b, w, first, NULL, n))
		return;
	struct nearest what = {.rows = b->p->centroids,
	    .k = b->p->clusters,
	    .dim = b->p->axes.p + 1,
	    .metric = &metric_l2,
	    .threads = 1};
	struct rows z = rows_of_array(KITH_F32, n, b->p->axes.p + 1, w->z, 0);
	kith_status status = nearest_find(&what, &z, NULL, b->label + first, w->key);
	if (status)
		atomic_store(&b->status, (int)status);
	for (int64_t i = 0; i < n; i++) {
		b->distance[first + i] = (float)sqrt(w->key[i]);
		if (!(w->err[i] < TILE_HUGE))
			b->label[first + i] = (int32_t)b->p->clusters;
	}
}

/* Set p->first for clusters of count[c] rows. */
static void place_clusters(struct projection *p, const int64_t *count)
{
	int64_t blocks = 0;
	for (int64_t c = 0; c <= p->clusters + 1; c++) {
		p->first[c] = blocks;
		blocks += c <= p->clusters ? (count[c] + TILE_ROWS - 1) / TILE_ROWS : 0;
	}
}

static int by_distance(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	if (x->from_centroid != y->from_centroid)
		return x->from_centroid < y->from_centroid ? -1 : 1;
	return x->row < y->row ? -1 : x->row > y->row;
}

/* Pack n rows with these z and errors into block number `at`. */
static void pack_block(struct projection *p, struct packer *w, const float *center, const float *z,
    const float *err, int64_t n, int64_t at)
{
	struct projection_block *block = &p->block[at];
	int64_t wide = p->axes.p + 1;
	double max = 0, worst = 0, longest = 0, far = 0;
	for (int64_t i = 0; i < n * wide; i++)
		max = greater(max, fabs((double)z[i] - (double)center[i % wide]));
	double scale = max > 0 ? (double)(float)(max / 127) : 1;
	if (!(scale > 0))
		scale = 1;
	memset(w->bytes, 0, (size_t)(TILE_ROWS * wide));
	for (int64_t i = 0; i < n; i++) {
		double off = 0, distance = 0;
		int64_t squares = 0;
		for (int64_t j = 0; j < wide; j++) {
			double x = (double)z[i * wide + j] - (double)center[j], steps = x / scale;
			int8_t q = (int8_t)lrint(steps > 127 ? 127 : steps < -127 ? -127 : steps);
			w->bytes[i * wide + j] = q;
			squares += q * q;
			distance += x * x;
			off += (x - scale * q) * (x - scale * q);
		}
		p->normsq[at * TILE_ROWS + i] = (float)(scale * scale * (double)squares);
		far = greater(far, sqrt(distance) * (1 + 1e-12) + (double)err[i]);
		worst = greater(worst, (double)err[i] + sqrt(off) * (1 + 1e-12));
		longest = greater(longest, (double)squares);
	}
	for (int64_t i = n; i < TILE_ROWS; i++)
		p->normsq[at * TILE_ROWS + i] = 0;
	*block = (struct projection_block){.scale = (float)scale,
	    .err = float_up(worst),
	    .norm = float_up(scale * sqrt(longest) * (1 + 1e-12)),
	    .far = float_up(far),
	    .count = (int32_t)n};
	p->form.kern->pack(
	    w->bytes, (size_t)wide, n, wide, 0x80808080, p->panels + at * p->form.depth * TILE_ROWS);
}

/* Sort and pack the rows of cluster c. */
static void pack_task(void *arg, int64_t c, int worker)
{
	struct build *b = arg;
	struct projection *p = b->p;
	struct packer *w = &b->packers[worker];
	struct place *place = b->places + b->begin[c];
	int64_t n = b->begin[c + 1] - b->begin[c], wide = p->axes.p + 1;
	const float *center = p->centroids + c * wide;
	p->radius[c] = 0;
	qsort(place, (size_t)n, sizeof *place, by_distance);
	for (int64_t i = 0; i < n; i++)
		p->row[p->first[c] * TILE_ROWS + i] = place[i].row;
	for (int64_t i = 0; i < n && !atomic_load(&b->status); i += TASK_ROWS) {
		int64_t count = n - i < TASK_ROWS ? n - i : TASK_ROWS, at = p->first[c] + i / TILE_ROWS;
		if (!project_rows(b, w, 0, p->row + at * TILE_ROWS, count))
			return;
		for (int64_t j = 0; j < count; j += TILE_ROWS, at++) {
			pack_block(p, w, center, w->z + j * wide, w->err + j,
			    count - j < TILE_ROWS ? count - j : TILE_ROWS, at);
			p->radius[c] = fmaxf(p->radius[c], p->block[at].far);
		}
	}
	double squares = kernels()->ip_exact(center, center, wide);
	p->length[c] = float_up(sqrt(squares) * (1 + 1e-12));
}

/* Set p->bounds. */
static void find_bounds(struct projection *p, const struct rows *rows)
{
	for (int64_t c = 0; rows->bounds && c <= p->clusters; c++) {
		struct rows_bound *bound = &p->bounds[c];
		for (int64_t block = p->first[c]; block < p->first[c + 1]; block++)
			for (int32_t i = 0; i < p->block[block].count; i++) {
				uint32_t row = p->row[block * TILE_ROWS + i];
				struct rows_bound own = rows->bounds[row / ROWS_BLOCK];
				bound->err = own.err > bound->err ? own.err : bound->err;
				bound->norm = own.norm > bound->norm ? own.norm : bound->norm;
			}
	}
}

static void take_heads(struct projection *p, bool bounds, struct arena *arena)
{
	p->centroids = arena_take(arena, (p->clusters + 1) * (p->axes.p + 1), sizeof *p->centroids);
	p->length = arena_take(arena, p->clusters + 1, sizeof *p->length);
	p->radius = arena_take(arena, p->clusters + 1, sizeof *p->radius);
	p->first = arena_take(arena, p->clusters + 2, sizeof *p->first);
	p->bounds = bounds ? arena_take(arena, p->clusters + 1, sizeof *p->bounds) : NULL;
}

static void take_blocks(struct projection *p, int64_t blocks, struct arena *arena)
{
	int64_t rows = blocks * TILE_ROWS;
	p->panels = arena_take(arena, rows * p->form.depth, sizeof *p->panels);
	p->row = arena_take(arena, rows, sizeof *p->row);
	p->normsq = arena_take(arena, rows, sizeof *p->normsq);
	p->block = arena_take(arena, blocks, sizeof *p->block);
}

static kith_status take_heads_alone(struct projection *p, bool bounds)
{
	struct arena arena = {NULL, 0};
	take_heads(p, bounds, &arena);
	p->heads = arena.memory = mem_zalloc(arena.used, 1);
	p->bytes = arena.used;
	arena.used = 0;
	if (!p->heads)
		return fail_nomem("a projection", p->bytes);
	take_heads(p, bounds, &arena);
	return KITH_OK;
}

static kith_status take_all_blocks(struct projection *p)
{
	struct arena arena = {NULL, 0};
	int64_t blocks = projection_blocks(p);
	take_blocks(p, blocks, &arena);
	p->memory = arena.memory = mem_alloc(arena.used, 1);
	p->bytes += arena.used;
	arena.used = 0;
	if (!p->memory)
		return fail_nomem("a projection", p->bytes);
	take_blocks(p, blocks, &arena);
	return KITH_OK;
}

/* Sort rows by cluster. */
static void sort_rows(struct build *b)
{
	struct projection *p = b->p;
	memset(b->begin, 0, (size_t)(p->clusters + 3) * sizeof *b->begin);
	for (int64_t i = 0; i < p->n; i++)
		b->begin[b->label[i] + 2]++;
	place_clusters(p, b->begin + 2);
	for (int64_t c = 2; c <= p->clusters + 2; c++)
		b->begin[c] += b->begin[c - 1];
	for (int64_t i = 0; i < p->n; i++)
		b->places[b->begin[b->label[i] + 1]++] = (struct place){b->distance[i], (uint32_t)i};
}

static kith_status pack_all(struct build *b, int threads)
{
	struct projection *p = b->p;
	threads_run(threads, (p->n + TASK_ROWS - 1) / TASK_ROWS, label_task, b);
	kith_status status = (kith_status)atomic_load(&b->status);
	if (status)
		return status;
	sort_rows(b);
	status = take_all_blocks(p);
	if (status)
		return status;
	threads_run(threads, p->clusters + 1, pack_task, b);
	find_bounds(p, b->rows);
	return (kith_status)atomic_load(&b->status);
}

static void take_build(struct build *b, int threads, struct arena *arena)
{
	b->packers = arena_take(arena, threads, sizeof *b->packers);
	b->label = arena_take(arena, b->p->n, sizeof *b->label);
	b->distance = arena_take(arena, b->p->n, sizeof *b->distance);
	b->places = arena_take(arena, b->p->n, sizeof *b->places);
	b->begin = arena_take(arena, b->p->clusters + 3, sizeof *b->begin);
	for (int i = 0; i < threads; i++) {
		struct packer counted;
		take_packer(b->p, arena->memory ? &b->packers[i] : &counted, arena);
	}
}

static kith_status run_build(struct build *b, int threads)
{
	struct arena arena = {NULL, 0};
	take_build(b, threads, &arena);
	size_t bytes = arena.used;
	arena = (struct arena){mem_alloc(bytes, 1), 0};
	if (!arena.memory)
		return fail_nomem("a projection", bytes);
	take_build(b, threads, &arena);
	kith_status status = find_centroids(b->p, b->rows, threads);
	if (status == KITH_OK)
		status = pack_all(b, threads);
	mem_free(arena.memory);
	return status ? status : progress_status();
}

static kith_status build(
    struct projection *p, const struct rows *rows, const struct metric *metric, int threads)
{
	struct build b = {.p = p, .rows = rows};
	kith_status status = projection_learn(p, rows, metric, threads);
	if (status || p->axes.p == 0)
		return status;
	p->clusters = p->n / (projection_forced_axes() ? FORCED_ROWS : CLUSTER_ROWS) + 1;
	p->clusters = p->clusters < MAX_CLUSTERS ? p->clusters : MAX_CLUSTERS;
	status = take_heads_alone(p, rows->bounds != NULL);
	return status ? status : run_build(&b, threads);
}

kith_status projection_build(
    struct projection **out, const struct rows *rows, const struct metric *metric, int threads)
{
	*out = NULL;
	if (!projection_can_pay(rows, metric))
		return KITH_OK;
	struct projection *p = mem_zalloc(1, sizeof *p);
	if (!p)
		return fail_nomem("a projection", sizeof *p);
	struct rows whole = *rows; /* whole blocks only, so that the rows after them begin with a block */
	whole.n = p->n = rows->n / ROWS_BLOCK * ROWS_BLOCK;
	p->axes.dim = rows->dim;
	p->product = metric->product == PRODUCT_IP;
	bool small = (double)p->n * (double)p->axes.dim < SERIAL_WORK;
	kith_status status = build(p, &whole, metric, small ? 1 : threads_resolve(threads));
	if (status || p->axes.p == 0) {
		projection_free(p);
		return status;
	}
	*out = p;
	return KITH_OK;
}
