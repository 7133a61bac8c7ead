/* The axes of a projection: learnt from a sample, and as many as a trial finds to pay.
 *
 * The trial. Some rows are used as queries of an exact search, which gives the distances of the neighbours
 * that queries of this kind have. For 15, 23, … axes it is then counted how many of some other rows the bound
 * does not exclude, and the number of axes with the least cost is taken.
 */
#include "lib/search/projection.h"

#include "kernels/kernels.h"
#include "lib/base/alloc.h"
#include "lib/base/random.h"
#include "lib/base/rounding.h"
#include "lib/base/status.h"
#include "lib/search/search.h"

#include <math.h>
#include <string.h>

enum {
	MIN_ROWS = 8192,
	MIN_DIM = 64,
	MAX_DIM = 2048,
	ROWS_PER_DIM = 16,      /* with fewer rows, learning the axes takes longer than it saves */
	MAX_FORCED_DIM = 512,   /* where tests force projections */
	AXES_SAMPLE = 16,       /* rows for each dimension, */
	MIN_AXES_SAMPLE = 8192, /* and at least */
	TRIAL_QUERIES = 48,
	TRIAL_ROWS = 2048,
	TRIAL_K = 10,
	SEED = 12,
};

static _Atomic int64_t forced_axes;

void projection_force_axes(int64_t count)
{
	forced_axes = count;
}

int64_t projection_forced_axes(void)
{
	return forced_axes;
}

static const int64_t AXES[] = {15, 23, 31, 39, 47, 63, 79, 95, 127};

/* The most axes for which z takes as many bytes as it may: a quarter of a byte per dimension, and less than
 * 15 % of floats from 256 dimensions on. */
static int64_t max_axes(int64_t dim)
{
	return (dim < 256 ? dim / 4 : dim * 6 / 10 - 8) - 1;
}

bool projection_can_pay(const struct rows *rows, const struct metric *metric)
{
	bool possible = metric->product != PRODUCT_NONE && rows->n < UINT32_MAX && !rows->form->blocked &&
	                !rows->center && !rows->inverse; /* divided products have another bound */
	if (forced_axes)
		return possible && rows->n >= ROWS_BLOCK && rows->dim > 1 && rows->dim <= MAX_FORCED_DIM;
	return possible && kernels()->i8_is_fast && rows->n >= MIN_ROWS && rows->dim >= MIN_DIM &&
	       rows->dim <= MAX_DIM && rows->n >= ROWS_PER_DIM * rows->dim && max_axes(rows->dim) >= AXES[0];
}

/* ---- how many axes ---- */

struct trial {
	float *queries;       /* [TRIAL_QUERIES × dim] */
	float *zq, *zx, *err; /* [TRIAL_QUERIES × (p + 1)], [TRIAL_ROWS × (p + 1)], [TRIAL_ROWS] */
	float *bound;         /* [TRIAL_QUERIES] the greatest keys of their answers */
};

/* Whether the bound by the first `count` axes of p lets row x through for query q. The error of int8 is
 * estimated. */
static bool passes(const struct projection *p, const float *q, const float *x, int64_t count, float bound)
{
	double sum = 0, product = 0, kept_q = 0, kept_x = 0, rest_q = 0, rest_x = 0, max_q = 0, max_x = 0;
	for (int64_t i = 0; i < count; i++) {
		double a = (double)q[i], b = (double)x[i];
		sum += (a - b) * (a - b);
		product += a * b;
		kept_q += a * a;
		kept_x += b * b;
		max_q = greater(max_q, fabs(a));
		max_x = greater(max_x, fabs(b));
	}
	for (int64_t i = count; i <= p->axes.p; i++) {
		rest_q += (double)q[i] * (double)q[i];
		rest_x += (double)x[i] * (double)x[i];
	}
	double rq = sqrt(rest_q), rx = sqrt(rest_x), root = 0.29 * sqrt((double)count + 1) / 127;
	double eq = root * greater(max_q, rq), ex = root * greater(max_x, rx);
	if (!p->product)
		return sqrt(sum + (rq - rx) * (rq - rx)) - eq - ex <= sqrt(greater((double)bound, 0));
	double off = ex * sqrt(kept_q + rest_q) + eq * sqrt(kept_x + rest_x);
	return -(product + rq * rx) - off <= (double)bound;
}

static double share_that_passes(const struct projection *p, const struct trial *t, int64_t count)
{
	int64_t passed = 0;
	for (int64_t q = 0; q < TRIAL_QUERIES; q++)
		for (int64_t i = 0; i < TRIAL_ROWS; i++)
			passed += passes(
			    p, t->zq + q * (p->axes.p + 1), t->zx + i * (p->axes.p + 1), count, t->bound[q]);
	return (double)passed / (double)(TRIAL_QUERIES * TRIAL_ROWS);
}

/* Set t->bound to the keys of the TRIAL_K-th neighbours, where the first neighbour is the query itself. */
static kith_status find_trial_bounds(
    const struct trial *t, const struct rows *rows, const struct metric *metric, int threads)
{
	struct rows query = rows_of_array(KITH_F32, TRIAL_QUERIES, rows->dim, t->queries, 0);
	kith_search_options options = {.size = sizeof options, .threads = threads};
	struct sink sink;
	kith_status status = sink_init_topk(&sink, TRIAL_QUERIES, TRIAL_K + 1);
	if (status)
		return status;
	status = search_exact(rows, &query, metric, false, &sink, &options);
	for (int64_t q = 0; q < TRIAL_QUERIES && status == KITH_OK; q++)
		t->bound[q] = (float)sink_bound(&sink, q);
	sink_free(&sink);
	return status;
}

static bool trial_init(struct trial *t, int64_t dim, int64_t wide)
{
	t->queries = mem_alloc(
	    (size_t)(TRIAL_QUERIES * (dim + wide + 1) + TRIAL_ROWS * (wide + 1)), sizeof *t->queries);
	if (!t->queries)
		return false;
	t->zq = t->queries + TRIAL_QUERIES * dim;
	t->zx = t->zq + TRIAL_QUERIES * wide;
	t->err = t->zx + TRIAL_ROWS * wide;
	t->bound = t->err + TRIAL_ROWS;
	return true;
}

kith_status projection_draw(const struct rows *rows, uint64_t stream, int64_t n, uint32_t **which)
{
	size_t bytes = (size_t)n * (sizeof(int64_t) + sizeof **which);
	int64_t *chosen = mem_alloc((size_t)n, sizeof *chosen);
	*which = mem_alloc((size_t)n, sizeof **which);
	if (!chosen || !*which) {
		mem_free(chosen);
		mem_free(*which);
		return fail_nomem("a projection's sample", bytes);
	}
	struct random random = random_begin(SEED, stream);
	random_sample(&random, rows->n, n, chosen);
	for (int64_t i = 0; i < n; i++)
		(*which)[i] = (uint32_t)chosen[i];
	mem_free(chosen);
	return KITH_OK;
}

/* Draw n rows and project them; their floats are written to x [n × dim] unless it is NULL. */
static kith_status draw_and_project(const struct projection *p, const struct rows *rows, uint64_t stream,
    int64_t n, float *x, float *z, float *err)
{
	uint32_t *which;
	kith_status status = projection_draw(rows, stream, n, &which);
	if (status)
		return status;
	for (int64_t i = 0; x && i < n; i++) {
		const float *row = rows_load(rows, which[i], x + i * rows->dim);
		if (row != x + i * rows->dim)
			memcpy(x + i * rows->dim, row, (size_t)rows->dim * sizeof *x);
	}
	status = axes_apply(&p->axes, rows, 0, which, n, z, err);
	mem_free(which);
	return status;
}

static kith_status run_trial(const struct projection *p, struct trial *t, const struct rows *rows,
    const struct metric *metric, int threads, int64_t *best)
{
	kith_status status = draw_and_project(p, rows, 1, TRIAL_QUERIES, t->queries, t->zq, t->err);
	if (status == KITH_OK)
		status = draw_and_project(p, rows, 2, TRIAL_ROWS, NULL, t->zx, t->err);
	if (status == KITH_OK)
		status = find_trial_bounds(t, rows, metric, threads);
	if (status)
		return status;
	double least = 0.9 * projection_plain_cost(rows->dim);
	*best = 0;
	for (size_t i = 0; i < sizeof AXES / sizeof *AXES && AXES[i] <= p->axes.p; i++) {
		double cost = projection_cost(AXES[i], rows->dim, 1, share_that_passes(p, t, AXES[i]));
		if (cost < least) {
			least = cost;
			*best = AXES[i];
		}
	}
	return KITH_OK;
}

static kith_status choose_axes(
    struct projection *p, const struct rows *rows, const struct metric *metric, int threads, int64_t *best)
{
	struct trial t;
	if (!trial_init(&t, p->axes.dim, p->axes.p + 1))
		return fail_nomem("a trial of projections", (size_t)(TRIAL_ROWS * p->axes.p) * sizeof *t.zx);
	kith_status status = run_trial(p, &t, rows, metric, threads, best);
	mem_free(t.queries);
	return status;
}

kith_status projection_learn(
    struct projection *p, const struct rows *rows, const struct metric *metric, int threads)
{
	int64_t max = max_axes(p->axes.dim), count = 0, best = 0;
	for (size_t i = 0; i < sizeof AXES / sizeof *AXES && AXES[i] <= max; i++)
		count = AXES[i];
	if (forced_axes)
		count = forced_axes < p->axes.dim ? forced_axes : p->axes.dim - 1;
	int64_t n = AXES_SAMPLE * p->axes.dim > MIN_AXES_SAMPLE ? AXES_SAMPLE * p->axes.dim : MIN_AXES_SAMPLE;
	double *w = NULL;
	kith_status status = axes_learn(&p->axes, rows, n, !p->product, count, threads, &w);
	if (status == KITH_OK && forced_axes)
		best = count;
	else if (status == KITH_OK)
		status = choose_axes(p, rows, metric, threads, &best);
	if (status == KITH_OK && best > 0)
		status = axes_set(&p->axes, w, best);
	p->axes.p = best;
	p->form = tile_form_of(best + 1, NULL, true);
	mem_free(w);
	return status;
}
