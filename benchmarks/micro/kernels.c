/* The benchmarks of kernels. Each line of kernels.def becomes a function that calls its kernel once, and a
 * case that describes the data. The benchmark that the line names, for example rows(32), is defined by two
 * macros: RUN_rows is the call, and CASE_rows the kind of measurement and the bits of an element that are
 * read and written.
 *
 *   stream    one query and rows from DRAM, in chunks of a buffer much larger than any cache, so that each
 *             chunk has left the caches before it is used again; then rows in the L2 cache
 *   gather    one query and rows at random positions in that buffer
 *   plane     from one array to another, both in the L2 cache
 *   others    are described beside their macros
 *
 * A kernel that moves data is compared with the read bandwidth of the level of memory, by the bytes that it
 * reads and writes; all others with the peak arithmetic rate, where a multiply-add counts as two operations.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum {
	GATHER = 256,
	POSITIONS = 1 << 18,
	CHUNK = 1 << 20,
	BOOK = 256, /* centroids of a sub-space, whose dimension is SUB */
	SUB = 4,
	VECTORS = 64 /* vectors that are encoded at once */
};

/* The arguments with which kernels are called. */
struct work {
	const struct kernels *k;
	const void *in;    /* the big buffer: numbers in [0.5, 2) */
	const void *rows;  /* this round's rows in it */
	const void *lower; /* the lower halves of split rows */
	size_t chunk, chunks, stride;
	int64_t n, d;             /* n rows of d elements, unless a case says something else */
	const uint32_t *pos;      /* this round's positions */
	uint32_t *positions;      /* [POSITIONS] */
	uint32_t *list;           /* [d] 0, 1, 2, … */
	float *mean, *low, *step; /* [d] */
	int16_t *query;           /* [sq_lanes] for codes */
	void *out, *out2;
	const void *q; /* for tiles */
	uint32_t flip;
	struct quantized info;
	float thr[TILE_QUERIES], zeros[BOOK], ones[TILE_QUERIES];
	int32_t bias[TILE_QUERIES];
	uint64_t mask[TILE_QUERIES];
	float keys[TILE_QUERIES * TILE_ROWS];
};

static volatile double sink;

/* ---- calls ---- */

#define EACH                for (int64_t i = 0; i < w->n; i++)
#define SUBSPACES           for (int64_t s = 0; s < (w->d + SUB - 1) / SUB; s++)
#define FLOATS(i)           ((const float *)w->in + (i)*w->d)
#define CODE(i, bits)       ((i) * ((w->d * (bits) + 7) / 8))
#define PANEL(type, i)      ((const type *)w->in + (i)*TILE_ROWS * (int64_t)(w->stride / 4))
#define BOOKS(s)            ((const float *)w->in + (s)*BOOK * SUB)
#define ROWS                w->rows, w->stride, w->n, w->d, w->out
#define GATHERED            w->stride, w->pos, GATHER, w->d, w->out
#define CODES               w->query, (const uint16_t *)w->query

#define RUN_rows(bits)      kernel(w->in, ROWS)
#define RUN_lp()            kernel(w->in, w->rows, w->stride, w->n, w->d, 1.75F, w->out)
#define RUN_lp_exact()      EACH sink = kernel(FLOATS(0), FLOATS(i), w->d, 1.75F)
#define RUN_norms(bits)     kernel(ROWS)
#define RUN_gather(bits)    kernel(w->in, w->in, GATHERED)
#define RUN_split_gather()  kernel(w->in, w->in, w->lower, GATHERED)
#define RUN_exact()         EACH sink = kernel(FLOATS(0), FLOATS(i), w->d)
#define RUN_find()          sink = (double)kernel(w->in, w->n * w->d)
#define RUN_list()          EACH sink = kernel(w->list, w->d, 1u << 31, 1u << 30)
#define RUN_select()        sink = (double)kernel(w->in, w->n * w->d, 0.515625F, w->out)
#define RUN_split()         kernel(w->in, w->n * w->d, w->out, w->out2)
#define RUN_join()          kernel(w->in, (const void *)FLOATS(w->n), w->n * w->d, w->out)
#define RUN_map(from, to)   kernel(w->in, w->n * w->d, w->out)
#define RUN_quantize()      EACH kernel(FLOATS(i), w->mean, w->d, (int8_t *)w->out + i * w->d, &w->info)
#define RUN_sq_encode(bits) EACH kernel(FLOATS(i), w->low, w->step, w->d, (uint8_t *)w->out + CODE(i, bits))
#define RUN_sq_decode(bits)                                                                                  \
	EACH kernel((const uint8_t *)w->in + CODE(i, bits), w->low, w->step, w->d, (float *)w->out + i * w->d)
#define RUN_sq_l2sq(bits)        kernel(CODES, ROWS)
#define RUN_sq_ip(bits)          kernel(w->query, ROWS)
#define RUN_sq_l2sq_gather(bits) kernel(CODES, w->in, GATHERED)
#define RUN_sq_ip_gather(bits)   kernel(w->query, w->in, GATHERED)
#define RUN_pq_table()           SUBSPACES kernel(w->low, SUB, BOOKS(s), BOOK, (float *)w->out + s * BOOK)
#define RUN_pq_range()           EACH kernel((const float *)w->in + i * BOOK, BOOK, w->out, w->out2)
#define RUN_pq_bytes()                                                                                       \
	EACH kernel((const float *)w->in + i * BOOK, BOOK, 0.5F, 170, (uint8_t *)w->out + i * BOOK)
#define RUN_pq_nearest()                                                                                     \
	SUBSPACES kernel(w->q, (size_t)w->d, VECTORS, SUB, BOOKS(s), w->zeros, BOOK, w->out2, w->out, w->keys)
#define RUN_pq_find(bits)                                                                                    \
	sink = (double)kernel(&(struct pq_find){.codes = w->in,                                              \
	                          .n = w->n,                                                                 \
	                          .bytes = (w->d + SUB - 1) / SUB,                                           \
	                          .tables = w->q,                                                            \
	                          .scale = 1,                                                                \
	                          .limit = -1},                                                              \
	    w->out)
#define RUN_hadamard() EACH kernel(w->out, TILE_ROWS)
/* Codes of one bit. */
#define RUN_rabitq_find()                                                                                    \
	sink = (double)kernel(&(struct rabitq_find){.codes = w->in,                                          \
	                          .n = w->n,                                                                 \
	                          .groups = (w->d + SUB - 1) / SUB - 4,                                      \
	                          .bytes = (w->d + SUB - 1) / SUB,                                           \
	                          .bits = 1,                                                                 \
	                          .tables = w->q,                                                            \
	                          .scale = 1,                                                                \
	                          .limit = -1e30F},                                                          \
	    w->out, w->out2)
#define RUN_pack()                                                                                           \
	for (int64_t i = 0; i < w->n; i += TILE_ROWS)                                                        \
	kernel((const char *)w->in + (size_t)i * w->stride, w->stride, TILE_ROWS, (int64_t)w->stride,        \
	    w->flip, (uint32_t *)w->out + i * (int64_t)((w->stride + 3) / 4))
#define RUN_tile_f32()                                                                                       \
	EACH kernel(                                                                                         \
	    PANEL(float, i), w->d, w->q, (size_t)w->d, TILE_QUERIES, w->zeros, w->thr, w->mask, w->keys)
#define RUN_tile_i8()                                                                                        \
	EACH kernel(PANEL(uint32_t, i), (int64_t)(w->stride / 4), w->q, w->stride, TILE_QUERIES, w->zeros,   \
	    w->ones, w->ones, w->bias, w->thr, w->mask, w->keys)

#define KERNEL(name, type, test, bench, ...)                                                                 \
	static void run_##name(void *context, int64_t round)                                                 \
	{                                                                                                    \
		struct work *w = context;                                                                    \
		type *kernel = w->k->name;                                                                   \
		begin(w, round);                                                                             \
		RUN_##bench;                                                                                 \
	}

static void begin(struct work *w, int64_t round)
{
	w->rows = (const char *)w->in + (size_t)round % w->chunks * w->chunk;
	w->pos = w->positions + round % (POSITIONS / GATHER) * GATHER;
}

#include "kernels/kernels.def"

/* ---- cases ---- */

struct bench_case {
	const char *name;
	work_fn *run;
	void (*measure)(struct bench *bench, const struct bench_case *c, struct work *w);
	int in, out; /* the bits read and written for each element */
};

/* Measure work that consists of `times` units, and report the time and the amount of one unit. */
static void measure_case(struct bench *bench, const struct bench_case *c, struct work *w, const char *data,
    const char *per, int64_t times, double amount, enum limit limit)
{
	const double seconds = measure(&bench->settings, c->run, w) / (double)times;
	report(bench, &(struct result){.kernel = c->name,
	                  .isa = bench->limits.isa,
	                  .data = data,
	                  .per = per,
	                  .d = w->d,
	                  .seconds = seconds,
	                  .amount = amount,
	                  .limit = limit});
}

static void stream(struct bench *bench, const struct bench_case *c, struct work *w)
{
	const struct buffers *b = &bench->buffers;
	w->stride = (size_t)(w->d * c->in + 7) / 8;
	for (int in_l2 = 0; in_l2 < 2; in_l2++) {
		w->n = (int64_t)((in_l2 ? b->l2_bytes : CHUNK) / w->stride);
		w->chunk = (size_t)w->n * w->stride;
		w->chunks = in_l2 ? 1 : b->big_bytes / w->chunk;
		measure_case(bench, c, w, in_l2 ? "L2" : "DRAM", "row", w->n, (double)w->stride,
		    in_l2 ? LIMIT_L2 : LIMIT_DRAM);
	}
}

/* Rows in one plane, or in two planes that share the buffer. */
static void gather_planes(struct bench *bench, const struct bench_case *c, struct work *w, size_t planes)
{
	const size_t plane = bench->buffers.big_bytes / planes, bytes = (size_t)(w->d * c->in + 7) / 8;
	w->stride = bytes / planes;
	w->lower = (const char *)w->in + plane;
	const uint64_t rows = plane / w->stride;
	uint64_t state = 0x9e3779b97f4a7c15;
	for (int i = 0; i < POSITIONS; i++) {
		state = state * 6364136223846793005 + 1442695040888963407;
		w->positions[i] = (uint32_t)((state >> 33) * rows >> 31);
	}
	measure_case(bench, c, w, "random", "row", GATHER, (double)bytes, LIMIT_DRAM);
}

static void gather(struct bench *bench, const struct bench_case *c, struct work *w)
{
	gather_planes(bench, c, w, 1);
}

static void gather_split(struct bench *bench, const struct bench_case *c, struct work *w)
{
	gather_planes(bench, c, w, 2);
}

/* Rows that fit into L2 together with the results. They are whole tiles of 64 rows, as pack requires, and at
 * least one tile, even if it does not fit. */
static void fit_rows(struct bench *bench, const struct bench_case *c, struct work *w)
{
	const int64_t rows = (int64_t)bench->buffers.l2_bytes * 8 / (w->d * (c->in + c->out));
	w->n = rows < TILE_ROWS ? TILE_ROWS : rows / TILE_ROWS * TILE_ROWS;
}

static void plane(struct bench *bench, const struct bench_case *c, struct work *w)
{
	fit_rows(bench, c, w);
	measure_case(bench, c, w, "L2", "row", w->n, (double)(w->d * (c->in + c->out)) / 8, LIMIT_L2);
}

static void pairs(struct bench *bench, const struct bench_case *c, struct work *w)
{
	fit_rows(bench, c, w);
	measure_case(bench, c, w, "L2", "pair", w->n, 2 * (double)w->d, LIMIT_F64);
}

/* Measure rows of floats, and rows of bytes. */
static void packs(struct bench *bench, const struct bench_case *c, struct work *w)
{
	struct bench_case each[] = {{"pack_f32", c->run, plane, 32, 32}, {"pack_i8", c->run, plane, 8, 8}};
	for (int i = 0; i < 2; i++) {
		w->stride = (size_t)(w->d * each[i].in) / 8;
		w->flip = i ? 0x80808080 : 0;
		if (wanted(bench, each[i].name))
			plane(bench, &each[i], w);
	}
}

/* Panels of 64 rows in L2 and a block of queries in L1, as in a batch search. No key passes its threshold, so
 * only the arithmetic is measured. */
static void tiles(struct bench *bench, const struct bench_case *c, struct work *w)
{
	w->stride = (size_t)(w->d * c->in / 8 + 3) / 4 * 4;
	w->n = (int64_t)(bench->buffers.l2_bytes / (w->stride * TILE_ROWS));
	w->n = w->n < 1 ? 1 : w->n;
	measure_case(bench, c, w, "L2", "tile", w->n, 2.0 * TILE_ROWS * TILE_QUERIES * (double)w->d,
	    c->in == 32 ? LIMIT_F32 : LIMIT_I8);
}

/* The tables of a query, or the codes of some vectors, for all sub-spaces: pairs of vector and centroid. */
static void tables(struct bench *bench, const struct bench_case *c, struct work *w)
{
	measure_case(bench, c, w, "L2", "query", 1, 2.0 * BOOK * (double)w->d, LIMIT_F32);
}

static void nearest(struct bench *bench, const struct bench_case *c, struct work *w)
{
	measure_case(bench, c, w, "L2", "row", VECTORS, 2.0 * BOOK * (double)w->d, LIMIT_F32);
}

/* Tables of BOOK entries. */
static void entries(struct bench *bench, const struct bench_case *c, struct work *w)
{
	w->n = (int64_t)bench->buffers.l2_bytes * 8 / (BOOK * (c->in + c->out));
	measure_case(bench, c, w, "L2", "table", w->n, BOOK * (c->in + c->out) / 8.0, LIMIT_L2);
}

/* Codes with a byte for each sub-space. */
static void codes(struct bench *bench, const struct bench_case *c, struct work *w)
{
	const int64_t bytes = (w->d + SUB - 1) / SUB, n = (int64_t)bench->buffers.l2_bytes / bytes;
	w->n = n < PQ_BLOCK ? PQ_BLOCK : n / PQ_BLOCK * PQ_BLOCK;
	measure_case(bench, c, w, "L2", "code", w->n, (double)bytes, LIMIT_L2);
}

#define CASE_rows(bits)           stream, bits, 0
#define CASE_norms(bits)          stream, bits, 0
#define CASE_gather(bits)         gather, bits, 0
#define CASE_split_gather()       gather_split, 32, 0
#define CASE_exact()              pairs, 32, 0
#define CASE_lp()                 stream, 32, 0
#define CASE_lp_exact()           pairs, 32, 0
#define CASE_find()               plane, 32, 0
#define CASE_list()               plane, 32, 0
#define CASE_select()             plane, 32, 0
#define CASE_split()              plane, 32, 32
#define CASE_join()               plane, 32, 32
#define CASE_map(from, to)        plane, from, to
#define CASE_quantize()           plane, 32, 8
#define CASE_sq_encode(bits)      plane, 32, bits
#define CASE_sq_decode(bits)      plane, bits, 32
#define CASE_sq_l2sq(bits)        stream, bits, 0
#define CASE_sq_ip(bits)          stream, bits, 0
#define CASE_sq_l2sq_gather(bits) gather, bits, 0
#define CASE_sq_ip_gather(bits)   gather, bits, 0
#define CASE_pq_table()           tables, 32, 32
#define CASE_pq_range()           entries, 32, 0
#define CASE_pq_bytes()           entries, 32, 8
#define CASE_pq_nearest()         nearest, 32, 16
#define CASE_pq_find(bits)        codes, 8, 0
#define CASE_hadamard()           plane, 32, 32
#define CASE_rabitq_find()        codes, 8, 0
#define CASE_pack()               packs, 32, 32
#define CASE_tile_f32()           tiles, 32, 0
#define CASE_tile_i8()            tiles, 8, 0

static const struct bench_case CASES[] = {
#define KERNEL(name, type, test, bench, ...) {#name, run_##name, CASE_##bench},
#include "kernels/kernels.def"
};

/* Allocate everything that a kernel reads and writes apart from the big buffer, in one piece. Returns 0 if
 * out of memory. */
static int make_work(const struct buffers *b, struct work *w)
{
	const size_t d = (size_t)w->d + 4 * SQ_LANES;
	const size_t room = b->l2_bytes * 4 + CHUNK * 8 + TILE_ROWS * 4 * d + BOOK * 4 * d;
	w->in = b->big;
	w->q = b->big + b->l2_bytes;
	w->positions = malloc(POSITIONS * sizeof(*w->positions));
	w->list = malloc(d * 4 * sizeof(float) + d * sizeof(*w->query));
	w->out = malloc(room);
	w->out2 = malloc(room);
	if (w->positions == NULL || w->list == NULL || w->out == NULL || w->out2 == NULL)
		return 0;
	w->mean = (float *)(w->list + d);
	w->low = w->mean + d;
	w->step = w->low + d;
	w->query = (int16_t *)(w->step + d);
	memset(w->positions, 0, POSITIONS * sizeof(*w->positions));
	for (size_t i = 0; i < d; i++) {
		w->list[i] = (uint32_t)i;
		w->mean[i] = 1.1F;
		w->low[i] = 0.5F;
		w->step[i] = 1.5F / 256;
		w->query[i] = 1;
	}
	for (int j = 0; j < TILE_QUERIES; j++) {
		w->ones[j] = 1;
		w->thr[j] = -INFINITY;
	}
	w->chunks = 1;
	return 1;
}

void bench_kernels(struct bench *bench, const struct kernels *k, int64_t d)
{
	struct work w = {.k = k, .d = d};
	const size_t count = sizeof(CASES) / sizeof(CASES[0]);
	if (make_work(&bench->buffers, &w))
		for (size_t i = 0; i < count; i++)
			if (CASES[i].measure == packs || wanted(bench, CASES[i].name))
				CASES[i].measure(bench, &CASES[i], &w);
	free(w.positions);
	free(w.list);
	free(w.out);
	free(w.out2);
}
