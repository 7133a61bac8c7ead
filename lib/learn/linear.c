/* Linear maps by the tile kernels instead of a BLAS. They are nearly as fast, need no setting for their
 * number of threads, and have a fixed order of summation. A BLAS divides its work by the number of threads
 * and sums the edges of a matrix in another way than its middle, so that an index built with it would depend
 * on both.
 *
 * A panel is 64 rows of A with their components interleaved, so that a tile of 48 vectors × 64 outputs is one
 * kernel call. For a sum of outer products, component j of a vector is row j of the panel, and the depth of a
 * tile is the number of vectors. A panel is then a slice of 64 columns of y as they are in memory; only x
 * must be transposed.
 */
#include "lib/learn/linear.h"

#include "kernels/kernels.h"
#include "lib/base/alloc.h"
#include "lib/base/progress.h"
#include "lib/base/status.h"
#include "lib/base/threads.h"
#include "lib/learn/matrix.h"
#include "lib/learn/vector.h"

#include <math.h>
#include <string.h>

enum {
	VECTORS = TILE_QUERIES / 2, /* number of vectors in a task, for which a panel is read once */
	SUMMED = 512,               /* number of vectors whose products are summed in float */
	SERIAL_WORK = 1 << 20,      /* multiplications below which threads cost more than they save */
};

static int64_t panels_of(int64_t rows)
{
	return (rows + TILE_ROWS - 1) / TILE_ROWS;
}

/* One tile: the products of nq <= VECTORS vectors with a panel. They are sums of fused multiply-adds that
 * begin with zero, and so the same bits on every instruction set that has those. */
static void multiply(const float *panel, int64_t k, const float *q, size_t qstride, int nq, float *products)
{
	static const float zeros[TILE_ROWS];
	uint64_t mask[VECTORS];
	float all[VECTORS];
	for (int j = 0; j < nq; j++)
		all[j] = INFINITY;
	kernels()->tile_f32(panel, k, q, qstride, nq, zeros, all, mask, products);
	/* A row of products that is all NaN is not below infinity, and was not written. */
	for (int j = 0; j < nq; j++)
		for (int r = 0; !mask[j] && r < TILE_ROWS; r++)
			products[j * TILE_ROWS + r] = NAN;
}

kith_status linear_init(struct linear *map, int64_t in, int64_t out, const double *a, const double *b)
{
	int64_t rows = panels_of(out) * TILE_ROWS;
	*map = (struct linear){.in = in, .out = out};
	map->panels = mem_zalloc((size_t)rows * (size_t)in, sizeof *map->panels);
	map->shift = mem_zalloc((size_t)rows, sizeof *map->shift);
	if (!map->panels || !map->shift) {
		linear_free(map);
		return fail_nomem("a linear map", (size_t)rows * (size_t)in * sizeof *map->panels);
	}
	for (int64_t i = 0; i < out; i++) {
		float *panel = map->panels + i / TILE_ROWS * TILE_ROWS * in;
		for (int64_t j = 0; j < in; j++)
			panel[j * TILE_ROWS + i % TILE_ROWS] = (float)a[i * in + j];
		map->shift[i] = b ? (float)b[i] : 0;
	}
	return KITH_OK;
}

void linear_get(const struct linear *map, float *a, float *b)
{
	for (int64_t i = 0; i < map->out; i++) {
		const float *panel = map->panels + i / TILE_ROWS * TILE_ROWS * map->in;
		for (int64_t j = 0; j < map->in; j++)
			a[i * map->in + j] = panel[j * TILE_ROWS + i % TILE_ROWS];
		b[i] = map->shift[i];
	}
}

kith_status linear_init_both(struct linear *forward, struct linear *inverse_map, int64_t in, int64_t out,
    const double *a, const double *inverse, const double *mean)
{
	*forward = *inverse_map = (struct linear){0};
	size_t cells = (size_t)in * (size_t)out;
	double *transposed = mem_alloc(inverse ? 0 : cells, sizeof *transposed);
	double *shift = mem_zalloc((size_t)out, sizeof *shift);
	if (!transposed || !shift) {
		mem_free(transposed);
		mem_free(shift);
		return fail_nomem("a linear map", cells * sizeof *transposed);
	}
	if (!inverse)
		matrix_transpose(out, in, a, transposed);
	for (int64_t i = 0; mean && i < out; i++)
		shift[i] = -vector_dot(in, a + i * in, mean);
	kith_status status = linear_init(forward, in, out, a, shift);
	if (status == KITH_OK)
		status = linear_init(inverse_map, out, in, inverse ? inverse : transposed, mean);
	if (status)
		linear_free(forward);
	mem_free(transposed);
	mem_free(shift);
	return status;
}

kith_status linear_copy(struct linear *to, const struct linear *from)
{
	*to = (struct linear){.in = from->in, .out = from->out};
	if (!from->panels)
		return KITH_OK;
	size_t rows = (size_t)(panels_of(from->out) * TILE_ROWS), cells = rows * (size_t)from->in;
	to->panels = mem_alloc(cells, sizeof *to->panels);
	to->shift = mem_alloc(rows, sizeof *to->shift);
	if (!to->panels || !to->shift) {
		linear_free(to);
		return fail_nomem("a linear map", cells * sizeof *to->panels);
	}
	memcpy(to->panels, from->panels, cells * sizeof *to->panels);
	memcpy(to->shift, from->shift, rows * sizeof *to->shift);
	return KITH_OK;
}

/* The number of floats in `shift`, and in `panels` for each input dimension. */
static size_t padded(const struct linear *map)
{
	return (size_t)(panels_of(map->out) * TILE_ROWS);
}

void linear_save(const struct linear *map, const char *matrix, const char *shift, struct blob_writer *w)
{
	blob_write(w, matrix, map->panels, padded(map) * (size_t)map->in * sizeof *map->panels);
	blob_write(w, shift, map->shift, padded(map) * sizeof *map->shift);
}

/* Read `count` finite floats; *out must be freed also after a failure. */
static kith_status load_floats(float **out, const char *tag, size_t count, struct blob_reader *r)
{
	size_t bytes = count * sizeof **out;
	kith_status status = blob_expect(r, tag, bytes);
	if (status)
		return status;
	*out = mem_alloc(bytes, 1);
	if (!*out)
		return fail_nomem("a linear map", bytes);
	status = blob_read(r, tag, *out, bytes);
	if (status == KITH_OK && kernels()->find_nonfinite(*out, (int64_t)count) >= 0)
		status = blob_fail(r, tag, "holds a number that is not finite");
	return status;
}

kith_status linear_load(
    struct linear *map, int64_t in, int64_t out, const char *matrix, const char *shift, struct blob_reader *r)
{
	*map = (struct linear){.in = in, .out = out};
	kith_status status = load_floats(&map->panels, matrix, padded(map) * (size_t)in, r);
	if (status == KITH_OK)
		status = load_floats(&map->shift, shift, padded(map), r);
	if (status)
		linear_free(map);
	return status;
}

size_t linear_memory(const struct linear *map)
{
	size_t rows = (size_t)(panels_of(map->out) * TILE_ROWS);
	return map->panels ? rows * ((size_t)map->in + 1) * sizeof *map->panels : 0;
}

bool linear_same(const struct linear *a, const struct linear *b)
{
	size_t rows = (size_t)(panels_of(a->out) * TILE_ROWS);
	if (a->in != b->in || a->out != b->out || !a->panels != !b->panels)
		return false;
	return !a->panels || (memcmp(a->panels, b->panels, rows * (size_t)a->in * sizeof *a->panels) == 0 &&
	                         memcmp(a->shift, b->shift, rows * sizeof *a->shift) == 0);
}

void linear_free(struct linear *map)
{
	mem_free(map->panels);
	mem_free(map->shift);
	*map = (struct linear){0};
}

/* One buffer per worker. */
struct buffers {
	float **of; /* [n] */
	int n;
};

static void buffers_free(struct buffers *b)
{
	for (int i = 0; b->of && i < b->n; i++)
		mem_free(b->of[i]);
	mem_free(b->of);
}

static bool buffers_init(struct buffers *b, int n, size_t floats)
{
	b->n = n;
	b->of = mem_zalloc((size_t)n, sizeof *b->of);
	bool ok = b->of != NULL;
	for (int i = 0; ok && i < n; i++) {
		b->of[i] = mem_alloc(floats, sizeof **b->of);
		ok = b->of[i] != NULL;
	}
	return ok;
}

static int useful_threads(int threads, double multiplications)
{
	return multiplications < SERIAL_WORK ? 1 : threads_resolve(threads);
}

/* ---- y = A x + b ---- */

struct apply {
	const struct linear *map;
	const struct rows *x;
	float *y;
	struct buffers inputs;
};

static void apply_task(void *arg, int64_t number, int worker)
{
	struct apply *a = arg;
	const struct linear *map = a->map;
	int64_t from = number * VECTORS, n = a->x->n - from < VECTORS ? a->x->n - from : VECTORS;
	float *inputs = a->inputs.of[worker], products[VECTORS * TILE_ROWS];
	if (progress_stopped())
		return;
	for (int64_t i = 0; i < n; i++) {
		const float *row = rows_load(a->x, from + i, inputs + i * map->in);
		if (row != inputs + i * map->in)
			memcpy(inputs + i * map->in, row, (size_t)map->in * sizeof *row);
	}
	for (int64_t first = 0; first < map->out; first += TILE_ROWS) {
		int64_t count = map->out - first < TILE_ROWS ? map->out - first : TILE_ROWS;
		multiply(map->panels + first * map->in, map->in, inputs, (size_t)map->in, (int)n, products);
		for (int64_t i = 0; i < n; i++)
			for (int64_t r = 0; r < count; r++)
				a->y[(from + i) * map->out + first + r] =
				    products[i * TILE_ROWS + r] + map->shift[first + r];
	}
}

kith_status linear_apply(const struct linear *map, const struct rows *x, int threads, float *y)
{
	struct apply a = {.map = map, .x = x, .y = y};
	int64_t tasks = (x->n + VECTORS - 1) / VECTORS;
	threads = useful_threads(threads, (double)x->n * (double)map->in * (double)map->out);
	threads = tasks < threads ? (int)tasks : threads;
	size_t floats = (size_t)(x->n < VECTORS ? x->n : VECTORS) * (size_t)map->in;
	bool ok = buffers_init(&a.inputs, threads, floats);
	if (ok)
		threads_run(threads, tasks, apply_task, &a);
	buffers_free(&a.inputs);
	return ok ? progress_status() : fail_nomem("transforming vectors", floats * sizeof(float));
}

/* ---- sums of outer products ---- */

struct outer {
	int64_t p, q;
	const float *x, *y; /* the vectors that are summed now */
	int64_t n;          /* their number */
	bool symmetric;
	float *columns; /* [p × SUMMED] x transposed */
	float *panels;  /* [ceil(q / 64) × SUMMED × 64] */
	double *sums;
};

static void outer_columns(void *arg, int64_t number, int worker)
{
	(void)worker;
	struct outer *o = arg;
	int64_t from = number * VECTORS, to = from + VECTORS < o->p ? from + VECTORS : o->p;
	for (int64_t i = 0; i < o->n; i++)
		for (int64_t j = from; j < to; j++)
			o->columns[j * SUMMED + i] = o->x[i * o->p + j];
}

static void outer_panel(void *arg, int64_t number, int worker)
{
	(void)worker;
	struct outer *o = arg;
	int64_t from = number * TILE_ROWS, count = o->q - from < TILE_ROWS ? o->q - from : TILE_ROWS;
	float *panel = o->panels + from * SUMMED;
	for (int64_t i = 0; i < o->n; i++) {
		memcpy(panel + i * TILE_ROWS, o->y + i * o->q + from, (size_t)count * sizeof *panel);
		memset(panel + i * TILE_ROWS + count, 0, (size_t)(TILE_ROWS - count) * sizeof *panel);
	}
}

static void outer_rows(void *arg, int64_t number, int worker)
{
	(void)worker;
	struct outer *o = arg;
	float products[VECTORS * TILE_ROWS];
	int64_t from = number * VECTORS, to = from + VECTORS < o->p ? from + VECTORS : o->p;
	if (progress_stopped())
		return;
	for (int64_t first = 0; first < o->q; first += TILE_ROWS) {
		if (o->symmetric && first + TILE_ROWS <= from)
			continue;
		int64_t count = o->q - first < TILE_ROWS ? o->q - first : TILE_ROWS;
		multiply(o->panels + first * SUMMED, o->n, o->columns + from * SUMMED, SUMMED,
		    (int)(to - from), products);
		for (int64_t i = from; i < to; i++)
			for (int64_t r = 0; r < count; r++)
				o->sums[i * o->q + first + r] += (double)products[(i - from) * TILE_ROWS + r];
	}
}

kith_status linear_outer(
    int64_t n, int64_t p, const float *x, int64_t q, const float *y, int threads, double *sums)
{
	struct outer o = {.p = p, .q = q, .symmetric = x == y && p == q, .sums = sums};
	int64_t row_tasks = (p + VECTORS - 1) / VECTORS, panels = panels_of(q);
	threads = useful_threads(threads, (double)(n < SUMMED ? n : SUMMED) * (double)p * (double)q);
	o.columns = mem_alloc((size_t)p * SUMMED, sizeof *o.columns);
	o.panels = mem_alloc((size_t)panels * TILE_ROWS * SUMMED, sizeof *o.panels);
	bool ok = o.columns && o.panels;
	memset(sums, 0, (size_t)p * (size_t)q * sizeof *sums);
	for (int64_t i = 0; ok && i < n; i += SUMMED) {
		o.x = x + i * p;
		o.y = y + i * q;
		o.n = n - i < SUMMED ? n - i : SUMMED;
		threads_run(threads, row_tasks, outer_columns, &o);
		threads_run(threads, panels, outer_panel, &o);
		threads_run(threads, row_tasks, outer_rows, &o);
	}
	for (int64_t i = 0; o.symmetric && i < p; i++)
		for (int64_t j = 0; j < i; j++)
			sums[i * q + j] = sums[j * q + i];
	mem_free(o.columns);
	mem_free(o.panels);
	return ok ? progress_status()
	          : fail_nomem("sums of products", (size_t)(p + panels * TILE_ROWS) * SUMMED * sizeof(float));
}
