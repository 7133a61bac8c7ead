/* OPQ, non-parametric: learn the rotation R with which the error of a product quantizer is smallest. Repeat:
 *
 *   train the quantizer for a few iterations on y = R x, and let ŷ be the quantized y;
 *   let R be the rotation that brings x nearest to ŷ: the polar factor of Σ ŷ xᵀ.
 *
 * Neither step can increase the error. The start is the parametric solution: principal axes, distributed over
 * the sub-spaces so that the products of their variances are about equal. This is close already, and also
 * right if dimensions are dropped. Codebooks are trained on from where they were before R changed.
 */
#include "lib/learn/opq.h"

#include "lib/base/alloc.h"
#include "lib/base/progress.h"
#include "lib/base/status.h"
#include "lib/learn/kmeans.h"
#include "lib/learn/matrix.h"
#include "lib/learn/sample.h"

#include <math.h>
#include <string.h>

enum {
	CENTROIDS = OPQ_MIN,
	POINTS = 256 * CENTROIDS, /* the largest number of training vectors */
	ROUNDS = 50,
	LLOYD_FIRST = 10, /* iterations of k-means in the first round */
	LLOYD_NEXT = 4    /* iterations of k-means in the other rounds */
};

/* A round that reduces the error by a smaller share than this is the last one. */
static const double MIN_GAIN = 3e-4;

struct learner {
	const struct opq *opq;
	struct sample sample;
	int64_t in, out, sub;  /* sub = out / m */
	double *a;             /* [out × in] the rotation */
	float *y;              /* [n × out] */
	float *part;           /* [n × sub] */
	float *centroids;      /* [m × CENTROIDS × sub] */
	int32_t *labels;       /* [n] */
	double *values, *axes; /* [in], [in × in] */
	double *weight;        /* [m] the logarithm of the product of a sub-space's variances */
	int64_t *filled;       /* [m] the number of its dimensions in use */
	struct progress progress;
};

static void learner_free(struct learner *l)
{
	sample_free(&l->sample);
	mem_free(l->a);
	mem_free(l->y);
	mem_free(l->part);
	mem_free(l->centroids);
	mem_free(l->labels);
	mem_free(l->values);
	mem_free(l->axes);
	mem_free(l->weight);
	mem_free(l->filled);
}

static kith_status learner_init(struct learner *l, const struct rows *rows)
{
	const struct opq *opq = l->opq;
	l->in = rows->dim;
	l->out = opq->out;
	l->sub = opq->out / opq->m;
	kith_status status = sample_init(&l->sample, rows, POINTS, opq->seed, true);
	if (status)
		return status;
	size_t n = (size_t)l->sample.n, in = (size_t)l->in, out = (size_t)l->out, m = (size_t)opq->m;
	l->a = mem_zalloc(out * in, sizeof *l->a);
	l->y = mem_alloc(n * out, sizeof *l->y);
	l->part = mem_alloc(n * (size_t)l->sub, sizeof *l->part);
	l->centroids = mem_alloc(CENTROIDS * out, sizeof *l->centroids);
	l->labels = mem_alloc(n, sizeof *l->labels);
	l->values = mem_alloc(in, sizeof *l->values);
	l->axes = mem_alloc(in * in, sizeof *l->axes);
	l->weight = mem_zalloc(m, sizeof *l->weight);
	l->filled = mem_zalloc(m, sizeof *l->filled);
	if (!l->a || !l->y || !l->part || !l->centroids || !l->labels || !l->values || !l->axes ||
	    !l->weight || !l->filled)
		return fail_nomem("OPQ", n * out * sizeof *l->y);
	return KITH_OK;
}

/* The sub-space with the smallest product of variances among those that are not full. */
static int64_t next_subspace(const struct learner *l)
{
	int64_t best = -1;
	for (int64_t s = 0; s < l->opq->m; s++)
		if (l->filled[s] < l->sub && (best < 0 || l->weight[s] < l->weight[best]))
			best = s;
	return best;
}

/* Start with the parametric solution. */
static kith_status start(struct learner *l)
{
	kith_status status = sample_axes(&l->sample, l->opq->threads, l->values, l->axes);
	int64_t count = l->in < l->out ? l->in : l->out;
	/* Variances are relative to the smallest, so that no logarithm is negative. */
	double min = fmax(l->values[count - 1], l->values[0] * 1e-9);
	for (int64_t i = 0; status == KITH_OK && i < count; i++) {
		int64_t s = next_subspace(l), row = s * l->sub + l->filled[s]++;
		l->weight[s] += min > 0 ? log(fmax(l->values[i] / min, 1)) : 0;
		memcpy(l->a + row * l->in, l->axes + i * l->in, (size_t)l->in * sizeof *l->a);
	}
	return status;
}

static kith_status rotate_sample(struct learner *l)
{
	struct linear map;
	struct rows x = rows_of_array(KITH_F32, l->sample.n, l->in, l->sample.x, 0);
	kith_status status = linear_init(&map, l->in, l->out, l->a, NULL);
	if (status)
		return status;
	status = linear_apply(&map, &x, l->opq->threads, l->y);
	linear_free(&map);
	return status;
}

/* Train sub-quantizer s and replace its part of y by the quantized one. Its error is added to *error. */
static kith_status quantize_part(struct learner *l, int64_t s, int round, double *error)
{
	int64_t n = l->sample.n, sub = l->sub;
	float *centroids = l->centroids + s * CENTROIDS * sub;
	for (int64_t i = 0; i < n; i++)
		memcpy(l->part + i * sub, l->y + i * l->out + s * sub, (size_t)sub * sizeof *l->part);
	kith_kmeans_options k = KITH_KMEANS_OPTIONS;
	k.threads = l->opq->threads;
	k.init = round ? KITH_KMEANS_GIVEN : KITH_KMEANS_RANDOM;
	k.iterations = round ? LLOYD_NEXT : LLOYD_FIRST;
	k.tolerance = 0;
	k.max_points = 0;
	k.hierarchical = 0;
	k.seed = l->opq->seed + (uint64_t)s;
	double objective = 0;
	kith_status status =
	    kmeans_run(sub, n, l->part, CENTROIDS, centroids, l->labels, NULL, &objective, &k);
	*error += objective;
	for (int64_t i = 0; status == KITH_OK && i < n; i++)
		memcpy(
		    l->y + i * l->out + s * sub, centroids + l->labels[i] * sub, (size_t)sub * sizeof *l->y);
	return status;
}

static kith_status quantize(struct learner *l, int round, double *error)
{
	kith_status status = KITH_OK;
	*error = 0;
	for (int64_t s = 0; status == KITH_OK && s < l->opq->m; s++) {
		status = quantize_part(l, s, round, error);
		if (status == KITH_OK && !progress_add(&l->progress, 1))
			status = KITH_CANCELLED;
	}
	return status;
}

static kith_status alternate(struct learner *l)
{
	double before = INFINITY, error = 0;
	for (int round = 0; round < ROUNDS; round++) {
		kith_status status = rotate_sample(l);
		if (status == KITH_OK)
			status = quantize(l, round, &error);
		if (status)
			return status;
		if (!(error < before * (1 - MIN_GAIN)))
			break;
		before = error;
		status = linear_outer(l->sample.n, l->out, l->y, l->in, l->sample.x, l->opq->threads, l->a);
		if (status == KITH_OK && progress_stopped())
			status = KITH_CANCELLED;
		if (status == KITH_OK)
			status = matrix_polar(l->out, l->in, l->a, l->opq->threads);
		if (status)
			return status;
	}
	return KITH_OK;
}

kith_status opq_learn(
    const struct opq *opq, const struct rows *rows, struct linear *forward, struct linear *inverse)
{
	struct learner l = {.opq = opq};
	progress_begin(&l.progress, opq->progress, opq->progress_data, "OPQ", ROUNDS * opq->m);
	kith_status status = learner_init(&l, rows);
	if (status == KITH_OK)
		status = start(&l);
	if (status == KITH_OK)
		status = alternate(&l);
	/* After a cancel, a step may have failed because it was not completed. */
	kith_status ended = progress_end(&l.progress);
	if (status == KITH_OK || ended == KITH_CANCELLED)
		status = ended;
	if (status == KITH_OK) /* a cancel cannot interrupt this any more */
		status = linear_init_both(forward, inverse, l.in, l.out, l.a, NULL, NULL);
	learner_free(&l);
	return status;
}
