/* Kernels that work on single vectors or turn one array into another, on data in the L2 cache.
 *
 * The conversions are held against L2's read bandwidth by the bytes that they read and write together;
 * the exact distances against double-precision arithmetic, two operations an element.
 */
#include <stdlib.h>

#include "bench.h"

/* Room for one kernel's input and output together: a third is left for whatever else lives in the cache. */
struct plane {
	const struct kernels *k;
	const char *in;
	char *out;
	int64_t n, d; /* n elements or rows of d */
	const float *mean;
	uint32_t *pos;
};

static volatile double sink;

static void run_l2sq_exact(void *context, int64_t round)
{
	const struct plane *p = context;
	double sum = 0;
	(void)round;
	for (int64_t i = 0; i < p->n; i++)
		sum += p->k->l2sq_exact((const float *)p->in, (const float *)p->in + i * p->d, p->d);
	sink = sum;
}

static void run_ip_exact(void *context, int64_t round)
{
	const struct plane *p = context;
	double sum = 0;
	(void)round;
	for (int64_t i = 0; i < p->n; i++)
		sum += p->k->ip_exact((const float *)p->in, (const float *)p->in + i * p->d, p->d);
	sink = sum;
}

static void run_find_nonfinite(void *context, int64_t round)
{
	const struct plane *p = context;
	(void)round;
	sink = (double)p->k->find_nonfinite((const float *)p->in, p->n * p->d);
}

static void run_split(void *context, int64_t round)
{
	const struct plane *p = context;
	uint16_t *hi = (uint16_t *)p->out;
	(void)round;
	p->k->split((const float *)p->in, p->n * p->d, hi, hi + p->n * p->d);
}

static void run_join(void *context, int64_t round)
{
	const struct plane *p = context;
	const uint16_t *hi = (const uint16_t *)p->in;
	(void)round;
	p->k->join(hi, hi + p->n * p->d, p->n * p->d, (float *)p->out);
}

static void run_widen_u8(void *context, int64_t round)
{
	const struct plane *p = context;
	(void)round;
	p->k->widen_u8((const uint8_t *)p->in, p->n * p->d, (float *)p->out);
}

static void run_widen_i8(void *context, int64_t round)
{
	const struct plane *p = context;
	(void)round;
	p->k->widen_i8((const int8_t *)p->in, p->n * p->d, (float *)p->out);
}

/* The bound lets one key in 64 pass. */
static void run_select_le(void *context, int64_t round)
{
	const struct plane *p = context;
	(void)round;
	sink = (double)p->k->select_le((const float *)p->in, p->n * p->d, 0.515625F, p->pos);
}

static void run_quantize(void *context, int64_t round)
{
	const struct plane *p = context;
	struct quantized info = {0};
	(void)round;
	for (int64_t i = 0; i < p->n; i++) {
		const float *x = (const float *)p->in + i * p->d;
		p->k->quantize(x, p->mean, p->d, (int8_t *)p->out + i * p->d, &info);
	}
	sink = info.err;
}

static void pack_rows(const struct plane *p, int64_t width, uint32_t flip)
{
	const int64_t bytes = p->d * width, panel = (bytes + 3) / 4 * TILE_ROWS;
	for (int64_t i = 0; i + TILE_ROWS <= p->n; i += TILE_ROWS)
		p->k->pack(p->in + i * bytes, (size_t)bytes, TILE_ROWS, bytes, flip,
		    (uint32_t *)p->out + i / TILE_ROWS * panel);
}

static void run_pack_f32(void *context, int64_t round)
{
	(void)round;
	pack_rows(context, 4, 0);
}

static void run_pack_i8(void *context, int64_t round)
{
	(void)round;
	pack_rows(context, 1, 0x80808080);
}

struct plane_case {
	const char *name, *per;
	work_fn *work;
	int64_t in, out; /* bytes read and written for an element */
	enum limit limit;
};

static const struct plane_case CASES[] = {
    {"l2sq_exact", "pair", run_l2sq_exact, 4, 0, LIMIT_F64},
    {"ip_exact", "pair", run_ip_exact, 4, 0, LIMIT_F64},
    {"find_nonfinite", "row", run_find_nonfinite, 4, 0, LIMIT_L2},
    {"split", "row", run_split, 4, 4, LIMIT_L2},
    {"join", "row", run_join, 4, 4, LIMIT_L2},
    {"widen_u8", "row", run_widen_u8, 1, 4, LIMIT_L2},
    {"widen_i8", "row", run_widen_i8, 1, 4, LIMIT_L2},
    {"select_le", "row", run_select_le, 4, 0, LIMIT_L2},
    {"quantize", "row", run_quantize, 4, 1, LIMIT_L2},
    {"pack_f32", "row", run_pack_f32, 4, 4, LIMIT_L2},
    {"pack_i8", "row", run_pack_i8, 1, 1, LIMIT_L2},
};

static void bench_plane(struct bench *bench, const struct plane_case *c, struct plane *p)
{
	const int64_t rows = (int64_t)bench->buffers.l2_bytes / (p->d * (c->in + c->out));
	/* Whole tiles of 64 rows, as pack wants them; one tile at least, even where it leaves the cache. */
	p->n = rows < TILE_ROWS ? TILE_ROWS : rows / TILE_ROWS * TILE_ROWS;
	const double seconds = measure(&bench->settings, c->work, p) / (double)p->n;
	const int64_t amount = c->limit == LIMIT_F64 ? 2 * p->d : (c->in + c->out) * p->d;
	report(bench, &(struct result){.kernel = c->name,
	                  .isa = bench->limits.isa,
	                  .data = "L2",
	                  .per = c->per,
	                  .d = p->d,
	                  .seconds = seconds,
	                  .amount = (double)amount,
	                  .limit = c->limit});
}

void bench_planes(struct bench *bench, const struct kernels *k, int64_t d)
{
	const size_t room = bench->buffers.l2_bytes * 4 + (size_t)(TILE_ROWS * 4 * (d + 4));
	struct plane p = {.k = k, .in = bench->buffers.big, .d = d};
	float *mean = malloc(sizeof(*mean) * (size_t)d);
	p.out = malloc(room);
	p.pos = malloc(room);
	if (p.out != NULL && p.pos != NULL && mean != NULL) {
		for (int64_t i = 0; i < d; i++)
			mean[i] = 1.1F;
		p.mean = mean;
		for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
			if (wanted(bench, CASES[i].name))
				bench_plane(bench, &CASES[i], &p);
	}
	free(p.pos);
	free(p.out);
	free(mean);
}
