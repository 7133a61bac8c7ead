/* The tile kernels: panels of 64 rows in the L2 cache against a block of queries in L1, as a batch search
 * runs them. No key passes its threshold, so this is the arithmetic alone, held against the peak of
 * multiply-add (floats) or of the instruction set's byte dot product.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

struct tile {
	const struct kernels *k;
	const uint32_t *panels;
	int64_t count, depth; /* panels, dwords of each */
	const char *q;
	size_t qstride; /* elements */
	float low[TILE_ROWS], scale[TILE_ROWS], qscale[TILE_QUERIES], thr[TILE_QUERIES];
	int32_t qbias[TILE_QUERIES];
	uint64_t mask[TILE_QUERIES];
	float keys[TILE_QUERIES * TILE_ROWS];
};

static void run_tile_f32(void *context, int64_t round)
{
	struct tile *t = context;
	(void)round;
	for (int64_t i = 0; i < t->count; i++)
		t->k->tile_f32((const float *)t->panels + i * t->depth * TILE_ROWS, t->depth,
		    (const float *)t->q, t->qstride, TILE_QUERIES, t->low, t->thr, t->mask, t->keys);
}

static void run_tile_i8(void *context, int64_t round)
{
	struct tile *t = context;
	(void)round;
	for (int64_t i = 0; i < t->count; i++)
		t->k->tile_i8(t->panels + i * t->depth * TILE_ROWS, t->depth, (const int8_t *)t->q,
		    t->qstride, TILE_QUERIES, t->low, t->scale, t->qscale, t->qbias, t->thr, t->mask,
		    t->keys);
}

static void bench_tile(
    struct bench *bench, struct tile *t, const char *name, work_fn *work, int64_t d, enum limit limit)
{
	const int64_t bytes = t->depth * TILE_ROWS * 4;
	t->count = (int64_t)bench->buffers.l2_bytes / bytes;
	if (t->count < 1)
		t->count = 1;
	const double seconds = measure(&bench->settings, work, t) / (double)t->count;
	report(bench, &(struct result){.kernel = name,
	                  .isa = bench->limits.isa,
	                  .data = "L2",
	                  .per = "tile",
	                  .d = d,
	                  .seconds = seconds,
	                  .amount = 2.0 * TILE_ROWS * TILE_QUERIES * (double)d,
	                  .limit = limit});
}

void bench_tiles(struct bench *bench, const struct kernels *k, int64_t d)
{
	struct tile t = {.k = k, .panels = (const uint32_t *)bench->buffers.big};
	char *q = calloc(TILE_QUERIES, (size_t)d * sizeof(float) + 64);
	if (q == NULL)
		return;
	for (int r = 0; r < TILE_ROWS; r++)
		t.scale[r] = 1;
	for (int j = 0; j < TILE_QUERIES; j++) {
		t.qscale[j] = 1;
		t.thr[j] = -INFINITY;
	}
	t.q = q;
	if (wanted(bench, "tile_f32")) {
		t.depth = d;
		t.qstride = (size_t)d;
		memcpy(q, bench->buffers.big, t.qstride * sizeof(float) * TILE_QUERIES);
		bench_tile(bench, &t, "tile_f32", run_tile_f32, d, LIMIT_F32);
	}
	if (wanted(bench, "tile_i8")) {
		t.depth = (d + 3) / 4;
		t.qstride = (size_t)t.depth * 4;
		bench_tile(bench, &t, "tile_i8", run_tile_i8, d, LIMIT_I8);
	}
	free(q);
}
