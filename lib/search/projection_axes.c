/* The axes of a projection: learnt from a sample, and as many as a trial finds to pay.
 *
 * How many. A few rows of the data are searched for among all others, exactly, which gives the distances that
 * queries end up with; of some other rows it is counted how many the bound would let through for 15, 31, …
 * axes.
 */
#include "lib/search/projection.h"

#include "kernels/kernels.h"
#include "lib/base/alloc.h"
#include "lib/base/random.h"
#include "lib/base/rounding.h"
#include "lib/base/status.h"
#include "lib/learn/sample.h"
#include "lib/learn/subspace.h"
#include "lib/search/search.h"

#include <math.h>
#include <string.h>

enum {
	MIN_ROWS = 8192,
	MIN_DIM = 64,
	MAX_DIM = 2048,
	ROWS_PER_DIM = 16,      /* below it learning takes longer than searches gain */
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

/* Bytes of z that a row may take. */
static int64_t max_axes(int64_t dim)
{
	return (dim < 256 ? dim / 4 : dim * 6 / 10 - 8) - 1;
}

bool projection_can_pay(const struct rows *rows, const struct metric *metric)
{
	bool possible = metric->product != PRODUCT_NONE && rows->n < UINT32_MAX && !rows->form->blocked &&
	                !rows->center && !rows->inverse; /* no bound of what is divided */
	if (forced_axes)
		return possible && rows->n >= ROWS_BLOCK && rows->dim > 1 && rows->dim <= MAX_FORCED_DIM;
	return possible && kernels()->i8_is_fast && rows->n >= MIN_ROWS && rows->dim >= MIN_DIM &&
	       rows->dim <= MAX_DIM && rows->n >= ROWS_PER_DIM * rows->dim && max_axes(rows->dim) >= AXES[0];
}

/* ---- the map ---- */

static double departure(const struct projection *p, const float *axes)
{
	double sum = 0;
	for (int64_t i = 0; i < p->p; i++)
		for (int64_t j = 0; j <= i; j++) {
			double product = kernels()->ip_exact(axes + i * p->dim, axes + j * p->dim, p->dim);
			double off = product - (i == j);
			sum += (i == j ? 1 : 2) * off * off;
		}
	return sqrt(sum) + 1e-12 * (double)p->p;
}

/* The first p axes become the map, which frees the one before. */
static kith_status set_map(struct projection *p, const double *axes, int64_t count)
{
	size_t floats = (size_t)(count * p->dim);
	float *rounded = mem_alloc(floats, sizeof *rounded);
	if (!rounded)
		return fail_nomem("a projection", floats * sizeof *rounded);
	for (size_t i = 0; i < floats; i++)
		rounded[i] = (float)axes[i];
	linear_free(&p->map);
	p->p = count;
	double omega = departure(p, rounded);
	double gamma = (double)(p->dim + 8) * 0x1p-24 * sqrt((double)count) + 0x1p-23;
	p->map_error = (omega + gamma) * (1 + omega);
	p->form = tile_form_of(count + 1, NULL, true);
	mem_free(rounded);
	return linear_init(&p->map, p->dim, count, axes, NULL);
}

/* ---- how many axes ---- */

struct trial {
	float *queries, *rows; /* [TRIAL_QUERIES × dim], [TRIAL_ROWS × dim] */
	float *zq, *zx, *err;  /* [× (p + 1)], [TRIAL_ROWS] */
	float *bound;          /* [TRIAL_QUERIES] keys that queries end up with */
	int64_t nq, n;
};

/* Whether row x passes for query q by the first `count` axes of p; rounding to int8 included, about. */
static bool passes(const struct projection *p, const float *q, const float *x, int64_t count, float bound)
{
	double sum = 0, product = 0, rest_q = 0, rest_x = 0, max_q = 0, max_x = 0;
	for (int64_t i = 0; i < count; i++) {
		double a = (double)q[i], b = (double)x[i];
		sum += (a - b) * (a - b);
		product += a * b;
		max_q = greater(max_q, fabs(a));
		max_x = greater(max_x, fabs(b));
	}
	for (int64_t i = count; i <= p->p; i++) {
		rest_q += (double)q[i] * (double)q[i];
		rest_x += (double)x[i] * (double)x[i];
	}
	double rq = sqrt(rest_q), rx = sqrt(rest_x), root = 0.29 * sqrt((double)count + 1) / 127;
	double eq = root * greater(max_q, rq), ex = root * greater(max_x, rx);
	if (p->product) {
		double nq = sqrt(rest_q), nx = sqrt(rest_x);
		for (int64_t i = 0; i < count; i++) {
			nq = hypot(nq, (double)q[i]);
			nx = hypot(nx, (double)x[i]);
		}
		return -(product + rq * rx) - ex * nq - eq * nx <= (double)bound;
	}
	return sqrt(sum + (rq - rx) * (rq - rx)) - eq - ex <= sqrt(greater((double)bound, 0));
}

static double share_that_passes(const struct projection *p, const struct trial *t, int64_t count)
{
	int64_t passed = 0;
	for (int64_t q = 0; q < t->nq; q++)
		for (int64_t i = 0; i < t->n; i++)
			passed +=
			    passes(p, t->zq + q * (p->p + 1), t->zx + i * (p->p + 1), count, t->bound[q]);
	return (double)passed / (double)(t->nq * t->n);
}

/* The keys that k nearest neighbours have, a query's own row not counted. */
static kith_status find_trial_bounds(
    const struct trial *t, const struct rows *rows, const struct metric *metric, int threads)
{
	struct rows query = rows_of_array(KITH_F32, t->nq, rows->dim, t->queries, 0);
	kith_search_options options = {.size = sizeof options, .threads = threads};
	struct sink sink;
	kith_status status = sink_init_topk(&sink, t->nq, TRIAL_K + 1);
	if (status)
		return status;
	status = search_exact(rows, &query, metric, false, &sink, &options);
	for (int64_t q = 0; q < t->nq && status == KITH_OK; q++)
		t->bound[q] = (float)sink_bound(&sink, q);
	sink_free(&sink);
	return status;
}

static bool trial_init(struct trial *t, int64_t dim, int64_t wide)
{
	t->queries = mem_alloc((size_t)((TRIAL_QUERIES + TRIAL_ROWS) * (dim + wide + 1) + TRIAL_QUERIES), 4);
	if (!t->queries)
		return false;
	t->rows = t->queries + TRIAL_QUERIES * dim;
	t->zq = t->rows + TRIAL_ROWS * dim;
	t->zx = t->zq + TRIAL_QUERIES * wide;
	t->err = t->zx + TRIAL_ROWS * wide;
	t->bound = t->err + TRIAL_ROWS + TRIAL_QUERIES;
	return true;
}

bool projection_sample(const struct rows *rows, uint64_t stream, int64_t n, float *x)
{
	int64_t *chosen = mem_alloc((size_t)n, sizeof *chosen);
	if (!chosen)
		return false;
	struct random random = random_begin(SEED, stream);
	random_sample(&random, rows->n, n, chosen);
	for (int64_t i = 0; i < n; i++) {
		float *to = x + i * rows->dim;
		const float *row = rows_load(rows, chosen[i], to);
		if (row != to)
			memcpy(to, row, (size_t)rows->dim * sizeof *to);
	}
	mem_free(chosen);
	return true;
}

static kith_status run_trial(const struct projection *p, struct trial *t, const struct rows *rows,
    const struct metric *metric, int threads, int64_t *best)
{
	if (!projection_sample(rows, 1, t->nq, t->queries) || !projection_sample(rows, 2, t->n, t->rows))
		return fail_nomem("a trial of projections", 0);
	struct rows queries = rows_of_array(KITH_F32, t->nq, rows->dim, t->queries, 0),
	            others = rows_of_array(KITH_F32, t->n, rows->dim, t->rows, 0);
	kith_status status = projection_apply(p, &queries, t->nq, t->zq, t->err);
	if (status == KITH_OK)
		status = projection_apply(p, &others, t->n, t->zx, t->err);
	if (status == KITH_OK)
		status = find_trial_bounds(t, rows, metric, threads);
	if (status)
		return status;
	double least = 0.9 * projection_plain_cost(rows->dim);
	*best = 0;
	for (size_t i = 0; i < sizeof AXES / sizeof *AXES && AXES[i] <= p->p; i++) {
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
	struct trial t = {.nq = TRIAL_QUERIES, .n = TRIAL_ROWS};
	if (!trial_init(&t, p->dim, p->p + 1))
		return fail_nomem("a trial of projections", (size_t)(TRIAL_ROWS * p->dim) * 4);
	kith_status status = run_trial(p, &t, rows, metric, threads, best);
	mem_free(t.queries);
	return status;
}

kith_status projection_learn(
    struct projection *p, const struct rows *rows, const struct metric *metric, int threads)
{
	struct sample sample;
	int64_t max = max_axes(p->dim), count = 0, best = 0;
	for (size_t i = 0; i < sizeof AXES / sizeof *AXES && AXES[i] <= max; i++)
		count = AXES[i];
	if (forced_axes)
		count = forced_axes < p->dim ? forced_axes : p->dim - 1;
	int64_t n = AXES_SAMPLE * p->dim > MIN_AXES_SAMPLE ? AXES_SAMPLE * p->dim : MIN_AXES_SAMPLE;
	kith_status status = sample_init(&sample, rows, n, SEED, !p->product);
	if (status)
		return status;
	double *axes = mem_alloc((size_t)(count * p->dim), sizeof *axes);
	status = axes ? leading_axes(&sample, count, threads, axes)
	              : fail_nomem("a projection", (size_t)(count * p->dim) * sizeof *axes);
	for (int64_t j = 0; j < p->dim && status == KITH_OK; j++)
		p->mean[j] = isfinite((float)sample.mean[j]) ? (float)sample.mean[j] : 0;
	if (status == KITH_OK)
		status = set_map(p, axes, count);
	if (status == KITH_OK && forced_axes)
		best = count;
	else if (status == KITH_OK)
		status = choose_axes(p, rows, metric, threads, &best);
	if (status == KITH_OK && best > 0)
		status = set_map(p, axes, best);
	p->p = best;
	mem_free(axes);
	sample_free(&sample);
	return status;
}
