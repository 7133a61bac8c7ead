/* k-means: the choice of training points, several starts, and the results.
 *
 * If there are more than max_points points per centroid, a sample is used, as more would not help. Points of
 * weight 0 are not in it unless they are needed to make up k. The sample is a copy; without one, points are
 * used where they are. Results are computed in separate memory and copied at the end, so that a failure
 * leaves the caller's arrays as they were.
 */
#include "lib/learn/kmeans.h"

#include "lib/base/alloc.h"
#include "lib/base/status.h"
#include "lib/base/threads.h"
#include "lib/learn/lloyd.h"
#include "lib/tile/nearest.h"

#include <math.h>
#include <string.h>

/* From this number of centroids on, training in two levels is the default. */
static const int64_t HIERARCHICAL_FROM = 16384;

enum { LOOK = 1024 }; /* number of points that are copied between two checks for a cancel */

struct kmeans {
	const kith_kmeans_options *options;
	struct points all;
	struct lloyd l;   /* over all points or the sample */
	int64_t eligible; /* number of points that the sample is drawn from; 0: there is no sample */
	bool positive;    /* whether these are the points of positive weight */
	bool two_levels;
	bool wants_labels, wants_objective;
	float *sample, *sample_weights;
	float *best;              /* [k × dim] centroids of the best start so far */
	double *objectives;       /* [2 × iterations] of the best start, and of the present one */
	kith_kmeans_stats *stats; /* the same; NULL: not wanted */
	int32_t *labels;          /* [n] if they are wanted and there is a sample, else NULL */
	double *keys;             /* [n] if the objective is wanted, too, else NULL */
	double objective;         /* of the best start, and at the end the final one */
	struct progress progress;
};

/* Draw l.points.n of the eligible points at random, in their order (as random_sample does). */
static bool take_sample(struct kmeans *m)
{
	const struct points *p = &m->all;
	int64_t wanted = m->l.points.n, eligible = m->eligible;
	struct random random = random_begin(m->options->seed, 0);
	m->sample = mem_alloc((size_t)wanted, (size_t)p->dim * sizeof *m->sample);
	if (p->weights)
		m->sample_weights = mem_alloc((size_t)wanted, sizeof *m->sample_weights);
	if (!m->sample || (p->weights && !m->sample_weights))
		return false;
	int64_t taken = 0;
	for (int64_t i = 0; taken < wanted; i++) {
		if (i % LOOK == LOOK - 1 && progress_stopped())
			break; /* the caller checks for this, too */
		bool left_out = m->positive && p->weights && !(p->weights[i] > 0);
		if (left_out || random_below(&random, eligible--) >= wanted - taken)
			continue;
		memcpy(m->sample + taken * p->dim, point_at(p, i), (size_t)p->dim * sizeof *m->sample);
		if (p->weights)
			m->sample_weights[taken] = p->weights[i];
		taken++;
	}
	m->l.points =
	    (struct points){.n = wanted, .dim = p->dim, .x = m->sample, .weights = m->sample_weights};
	return true;
}

/* The number of training points; also decides from which points a sample is drawn. */
static int64_t count_points(struct kmeans *m)
{
	const struct points *p = &m->all;
	int64_t max;
	if (m->options->max_points == 0 || __builtin_mul_overflow(m->l.k, m->options->max_points, &max) ||
	    p->n <= max)
		return p->n;
	for (int64_t i = 0; p->weights && i < p->n; i++)
		m->eligible += p->weights[i] > 0;
	m->positive = p->weights && m->eligible >= m->l.k;
	if (!m->positive)
		m->eligible = p->n;
	return m->eligible < max ? m->eligible : max;
}

static void end(struct kmeans *m)
{
	lloyd_end(&m->l);
	mem_free(m->sample);
	mem_free(m->sample_weights);
	mem_free(m->l.centroids);
	mem_free(m->best);
	mem_free(m->objectives);
	mem_free(m->stats);
	mem_free(m->labels);
	mem_free(m->keys);
}

/* The largest number of distances that may be computed. */
static int64_t count_steps(const struct kmeans *m)
{
	double k = (double)m->l.k, pass = (double)m->l.points.n * k;
	double one = m->two_levels ? levels_steps(&m->l, m->options) : m->options->iterations * pass;
	if (m->options->restarts > 1)
		one += pass;
	double all = m->options->restarts * one + (m->wants_labels ? (double)m->all.n * k : pass);
	return all < 9e18 ? (int64_t)all : INT64_MAX;
}

static kith_status begin(struct kmeans *m)
{
	size_t cells = (size_t)m->l.k * (size_t)m->all.dim;
	bool ready = !m->eligible || take_sample(m);
	m->l.centroids = mem_alloc(cells, sizeof *m->l.centroids);
	m->best = mem_alloc(cells, sizeof *m->best);
	m->objectives = mem_alloc(2 * (size_t)m->options->iterations, sizeof *m->objectives);
	if (m->options->stats)
		m->stats = mem_zalloc(2 * (size_t)m->options->iterations, sizeof *m->stats);
	ready = ready && m->l.centroids && m->best && m->objectives && (m->stats || !m->options->stats);
	if (ready && m->wants_labels && m->sample) {
		m->labels = mem_alloc((size_t)m->all.n, sizeof *m->labels);
		m->keys = m->wants_objective ? mem_alloc((size_t)m->all.n, sizeof *m->keys) : NULL;
		ready = m->labels && (m->keys || !m->wants_objective);
	}
	if (!ready)
		return fail(KITH_NOMEM, "no memory for k-means: %lld centroid%s of %lld point%s",
		    (long long)m->l.k, PLURAL(m->l.k), (long long)m->all.n, PLURAL(m->all.n));
	return lloyd_begin(&m->l);
}

static void forget_objectives(const kith_kmeans_options *options)
{
	for (int t = 0; options->objectives && t < options->iterations; t++)
		options->objectives[t] = NAN;
}

/* Run one start, and keep its results if it is the best so far. */
static kith_status run_start(struct kmeans *m, int start, const float *given)
{
	struct lloyd *l = &m->l;
	size_t bytes = (size_t)l->k * (size_t)l->points.dim * sizeof(float);
	double objective = NAN, *objectives = m->objectives + m->options->iterations;
	struct random random = random_begin(m->options->seed, (uint64_t)start + 1);
	if (m->options->init == KITH_KMEANS_GIVEN)
		memcpy(l->centroids, given, bytes);
	for (int64_t i = 0; i < l->points.n; i++)
		l->labels[i] = -1;
	forget_objectives(m->options);
	kith_kmeans_stats *stats = m->stats ? m->stats + m->options->iterations : NULL;
	kith_status status =
	    (m->two_levels ? levels_run : lloyd_run)(l, m->options, random, objectives, stats);
	if (status == KITH_OK && m->options->restarts > 1)
		status = lloyd_assign(l, &objective);
	if (status || (start > 0 && !(objective < m->objective)))
		return status;
	m->objective = objective;
	memcpy(m->best, l->centroids, bytes);
	memcpy(m->objectives, objectives, (size_t)m->options->iterations * sizeof *objectives);
	if (stats)
		memcpy(m->stats, stats, (size_t)m->options->iterations * sizeof *stats);
	return KITH_OK;
}

/* Find the labels and the objective of the best centroids. */
static kith_status evaluate(struct kmeans *m)
{
	struct lloyd *l = &m->l;
	memcpy(l->centroids, m->best, (size_t)l->k * (size_t)l->points.dim * sizeof(float));
	if (!m->labels)
		return m->wants_labels || m->wants_objective ? lloyd_assign(l, &m->objective) : KITH_OK;
	struct nearest what = {
	    .rows = l->centroids, .k = l->k, .dim = l->points.dim, .metric = lloyd_metric(l)};
	what.threads = l->threads;
	what.progress = l->progress;
	what.step = l->k;
	struct rows rows = rows_of_array(KITH_F32, m->all.n, m->all.dim, m->all.x, 0);
	kith_status status = nearest_find(&what, &rows, NULL, m->labels, m->keys);
	m->objective = 0;
	for (int64_t i = 0; m->keys && i < m->all.n; i++)
		m->objective += weight_at(&m->all, i) * m->keys[i];
	return status;
}

static kith_status run(struct kmeans *m, const float *given)
{
	forget_objectives(m->options);
	m->l.points = m->all;
	m->l.points.n = count_points(m);
	progress_begin(
	    &m->progress, m->options->progress, m->options->progress_data, "k-means", count_steps(m));
	m->l.progress = &m->progress;
	kith_status status = begin(m);
	for (int start = 0; status == KITH_OK && start < m->options->restarts; start++)
		status = run_start(m, start, given);
	if (status == KITH_OK)
		status = evaluate(m);
	return progress_end_with(&m->progress, status);
}

/* Copy what the caller asked for. */
static void hand_out(const struct kmeans *m, float *centroids, int32_t *labels, double *objective)
{
	const struct lloyd *l = &m->l;
	const int32_t *found = m->labels ? m->labels : l->labels;
	memcpy(centroids, m->best, (size_t)l->k * (size_t)l->points.dim * sizeof *centroids);
	for (int64_t i = 0; labels && i < m->all.n; i++)
		labels[i] = found[i];
	if (objective)
		*objective = m->objective;
	for (int t = 0; m->options->objectives && t < m->options->iterations; t++)
		m->options->objectives[t] = m->objectives[t];
	for (int t = 0; m->stats && t < m->options->iterations; t++)
		m->options->stats[t] = m->stats[t];
}

/* The results without points, which is allowed and gives no centroids. */
static void hand_out_nothing(const kith_kmeans_options *options, double *objective)
{
	if (objective)
		*objective = 0;
	forget_objectives(options);
}

kith_status kmeans_run(int64_t dim, int64_t n, const float *x, int64_t k, float *centroids, int32_t *labels,
    int64_t *found, double *objective, const kith_kmeans_options *options)
{
	struct kmeans m = {.options = options};
	m.all = (struct points){.n = n, .dim = dim, .x = x, .weights = options->weights};
	m.l.k = m.l.step = n < k ? n : k;
	m.l.spherical = options->spherical;
	m.l.threads = threads_resolve(options->threads);
	m.wants_labels = labels != NULL;
	m.wants_objective = objective != NULL;
	bool many = options->hierarchical > 0 || (options->hierarchical < 0 && k >= HIERARCHICAL_FROM);
	m.two_levels = many && options->init != KITH_KMEANS_GIVEN && m.l.k > 1;
	kith_status status = KITH_OK;
	if (n == 0) {
		hand_out_nothing(options, objective);
	} else {
		status = run(&m, centroids);
		if (status == KITH_OK)
			hand_out(&m, centroids, labels, objective);
		end(&m);
	}
	if (status == KITH_OK && found)
		*found = m.l.k;
	return status;
}
