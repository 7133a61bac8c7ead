/* Kernels over rows: one query against rows that stream from memory, stay in the L2 cache, or lie at random.
 *
 * What bounds them is how fast the rows arrive, so they are held against the read bandwidth of where the
 * rows lie. A stream walks a buffer much larger than any cache in chunks and never meets a chunk again
 * before it was driven out.
 */
#include <stdlib.h>

#include "bench.h"

enum { GATHER = 256, POSITIONS = 1 << 18, CHUNK = 1 << 20 };

struct rows {
	const char *base;
	size_t chunk, chunks, stride;
	int64_t n, d;
	const void *q;
	kernel_f32_fn *f32;
	kernel_i32_fn *i32;
	kernel_f32_gather_fn *f32_gather;
	kernel_i32_gather_fn *i32_gather;
	void (*norm_f32)(const void *rows, size_t stride, int64_t n, int64_t d, float *out);
	void (*norm_i32)(const void *rows, size_t stride, int64_t n, int64_t d, int32_t *out);
	const uint32_t *pos;
	void *out;
};

static void run_rows(void *context, int64_t round)
{
	const struct rows *r = context;
	const char *rows = r->base + (size_t)round % r->chunks * r->chunk;
	if (r->f32 != NULL)
		r->f32(r->q, rows, r->stride, r->n, r->d, r->out);
	else if (r->i32 != NULL)
		r->i32(r->q, rows, r->stride, r->n, r->d, r->out);
	else if (r->norm_f32 != NULL)
		r->norm_f32(rows, r->stride, r->n, r->d, r->out);
	else
		r->norm_i32(rows, r->stride, r->n, r->d, r->out);
}

static void run_gather(void *context, int64_t round)
{
	const struct rows *r = context;
	const uint32_t *pos = r->pos + (size_t)round % (POSITIONS / GATHER) * GATHER;
	if (r->f32_gather != NULL)
		r->f32_gather(r->q, r->base, r->stride, pos, GATHER, r->d, r->out);
	else
		r->i32_gather(r->q, r->base, r->stride, pos, GATHER, r->d, r->out);
}

static void stream(struct bench *bench, const char *name, struct rows *r)
{
	const struct buffers *b = &bench->buffers;
	for (int in_l2 = 0; in_l2 < 2; in_l2++) {
		const size_t most = in_l2 ? b->l2_bytes : CHUNK;
		r->n = (int64_t)(most / r->stride);
		r->chunk = (size_t)r->n * r->stride;
		r->chunks = in_l2 ? 1 : b->big_bytes / r->chunk;
		const double seconds = measure(&bench->settings, run_rows, r);
		report(bench, &(struct result){.kernel = name,
		                  .isa = bench->limits.isa,
		                  .data = in_l2 ? "L2" : "DRAM",
		                  .per = "row",
		                  .d = r->d,
		                  .seconds = seconds / (double)r->n,
		                  .amount = (double)r->stride,
		                  .limit = in_l2 ? LIMIT_L2 : LIMIT_DRAM});
	}
}

static void gather(struct bench *bench, const char *name, struct rows *r, uint32_t *pos)
{
	const uint64_t rows = bench->buffers.big_bytes / r->stride;
	uint64_t state = 0x9e3779b97f4a7c15;
	for (int i = 0; i < POSITIONS; i++) {
		state = state * 6364136223846793005 + 1442695040888963407;
		pos[i] = (uint32_t)((state >> 33) * rows >> 31);
	}
	r->pos = pos;
	const double seconds = measure(&bench->settings, run_gather, r);
	report(bench, &(struct result){.kernel = name,
	                  .isa = bench->limits.isa,
	                  .data = "random",
	                  .per = "row",
	                  .d = r->d,
	                  .seconds = seconds / GATHER,
	                  .amount = (double)r->stride,
	                  .limit = LIMIT_DRAM});
}

void bench_rows(struct bench *bench, const struct kernels *k, int64_t d)
{
	const struct {
		const char *name;
		int64_t width;
		kernel_f32_fn *f32;
		kernel_i32_fn *i32;
		kernel_f32_gather_fn *f32_gather;
		kernel_i32_gather_fn *i32_gather;
	} cases[] = {
	    {"l2sq_f32", 4, k->l2sq_f32, NULL, NULL, NULL},
	    {"ip_f32", 4, k->ip_f32, NULL, NULL, NULL},
	    {"l2sq_bf16", 2, k->l2sq_bf16, NULL, NULL, NULL},
	    {"ip_bf16", 2, k->ip_bf16, NULL, NULL, NULL},
	    {"l2sq_u8", 1, NULL, k->l2sq_u8, NULL, NULL},
	    {"ip_u8", 1, NULL, k->ip_u8, NULL, NULL},
	    {"l2sq_i8", 1, NULL, k->l2sq_i8, NULL, NULL},
	    {"ip_i8", 1, NULL, k->ip_i8, NULL, NULL},
	    {"l2sq_f32_gather", 4, NULL, NULL, k->l2sq_f32_gather, NULL},
	    {"ip_f32_gather", 4, NULL, NULL, k->ip_f32_gather, NULL},
	    {"l2sq_bf16_gather", 2, NULL, NULL, k->l2sq_bf16_gather, NULL},
	    {"ip_bf16_gather", 2, NULL, NULL, k->ip_bf16_gather, NULL},
	    {"l2sq_u8_gather", 1, NULL, NULL, NULL, k->l2sq_u8_gather},
	    {"ip_u8_gather", 1, NULL, NULL, NULL, k->ip_u8_gather},
	    {"l2sq_i8_gather", 1, NULL, NULL, NULL, k->l2sq_i8_gather},
	    {"ip_i8_gather", 1, NULL, NULL, NULL, k->ip_i8_gather},
	};
	struct rows r = {.base = bench->buffers.big, .d = d, .q = bench->buffers.big};
	uint32_t *pos = malloc(sizeof(*pos) * POSITIONS);
	r.out = malloc(bench->buffers.l2_bytes * 4 + CHUNK * 4);
	for (size_t i = 0; pos != NULL && r.out != NULL && i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (!wanted(bench, cases[i].name))
			continue;
		r.stride = (size_t)(d * cases[i].width);
		r.f32 = cases[i].f32;
		r.i32 = cases[i].i32;
		r.f32_gather = cases[i].f32_gather;
		r.i32_gather = cases[i].i32_gather;
		if (r.f32_gather != NULL || r.i32_gather != NULL)
			gather(bench, cases[i].name, &r, pos);
		else
			stream(bench, cases[i].name, &r);
	}
	const struct rows plain = {.base = r.base, .d = d, .out = r.out};
	if (r.out != NULL && wanted(bench, "normsq_f32")) {
		r = plain;
		r.stride = (size_t)d * 4;
		r.norm_f32 = k->normsq_f32;
		stream(bench, "normsq_f32", &r);
	}
	if (r.out != NULL && wanted(bench, "normsq_u8")) {
		r = plain;
		r.stride = (size_t)d;
		r.norm_i32 = k->normsq_u8;
		stream(bench, "normsq_u8", &r);
	}
	free(r.out);
	free(pos);
}
