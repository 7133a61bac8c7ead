/* Training a product quantizer: one k-means for each sub-space, all with the same points.
 *
 * If there are more points than k-means would use, a sample is drawn once for all sub-spaces. Each
 * sub-quantizer is trained by one thread. Only if there are fewer sub-quantizers than threads, they are
 * trained one after another, each by all threads. k-means gives the same bits either way.
 */
#include "lib/codec/pq.h"

#include "lib/base/progress.h"
#include "lib/base/random.h"
#include "lib/base/status.h"
#include "lib/base/threads.h"
#include "lib/learn/kmeans.h"

#include <stdatomic.h>
#include <string.h>

enum {
	STEPS = 1000, /* steps of progress of a sub-quantizer */
	LOOK = 4096   /* number of vectors that are copied between two checks for a cancel */
};

struct training {
	const struct pq *pq;
	int64_t n;
	const float *x;
	int64_t *drawn; /* [n] numbers of the training points; NULL: all of x */
	kith_kmeans_options options;
	float *parts;     /* [workers × n × sub] */
	float *centroids; /* [m × k × sub] */
	struct progress progress;
	_Atomic int status; /* the first failure */
};

/* Turns the progress of one k-means into a part of the whole. */
struct share {
	struct progress *progress;
	int64_t counted; /* steps of the whole */
};

static int count_share(void *data, const char *stage, int64_t done, int64_t total)
{
	(void)stage;
	struct share *share = data;
	int64_t now = total > 0 ? (int64_t)((double)STEPS * (double)done / (double)total) : 0;
	now = now > STEPS ? STEPS : now;
	int64_t more = now > share->counted ? now - share->counted : 0;
	share->counted += more;
	return !progress_add(share->progress, more);
}

static void train_part(void *arg, int64_t i, int worker)
{
	struct training *t = arg;
	if (atomic_load(&t->status) != KITH_OK)
		return;
	int64_t sub = t->pq->sub;
	float *part = t->parts + (size_t)worker * (size_t)t->n * (size_t)sub;
	for (int64_t v = 0; v < t->n && (v % LOOK || !progress_stopped()); v++) {
		int64_t row = t->drawn ? t->drawn[v] : v;
		memcpy(part + v * sub, t->x + row * t->pq->dim + i * sub, (size_t)sub * sizeof *part);
	}
	struct share share = {.progress = &t->progress};
	kith_kmeans_options options = t->options;
	options.progress = options.progress ? count_share : NULL;
	options.progress_data = &share;
	kith_status status = kmeans_run(
	    sub, t->n, part, t->pq->k, t->centroids + i * t->pq->k * sub, NULL, NULL, NULL, &options);
	progress_add(&t->progress, STEPS - share.counted);
	int ok = KITH_OK;
	if (status)
		atomic_compare_exchange_strong(&t->status, &ok, (int)status);
}

/* Draw the training points. If they have weights, this is left to k-means, whose sample depends on
 * weights. */
static bool draw(struct training *t)
{
	int64_t max, per = t->options.max_points;
	if (per == 0 || t->options.weights || __builtin_mul_overflow(t->pq->k, per, &max) || t->n <= max)
		return true;
	t->drawn = mem_alloc((size_t)max, sizeof *t->drawn);
	if (!t->drawn)
		return false;
	struct random random = random_begin(t->options.seed, 0);
	random_sample(&random, t->n, max, t->drawn);
	t->n = max;
	return true;
}

static bool make_room(struct training *t, int workers)
{
	const struct pq *pq = t->pq;
	size_t part;
	if (!draw(t) || !size_mul((size_t)t->n, (size_t)pq->sub * sizeof(float), &part))
		return false;
	t->parts = mem_alloc((size_t)workers, part);
	t->centroids = mem_alloc(pq_cells(pq), sizeof(float));
	if (t->parts && t->centroids && t->options.init == KITH_KMEANS_GIVEN)
		memcpy(t->centroids, pq->centroids, pq_cells(pq) * sizeof(float));
	return t->parts && t->centroids;
}

kith_status pq_train(struct pq *pq, int64_t n, const float *x, const kith_kmeans_options *options)
{
	if (n < pq->k)
		return fail(KITH_INVALID, "n is %lld training vector%s; %d bits a number take %lld at least",
		    (long long)n, PLURAL(n), pq->bits, (long long)pq->k);
	struct training t = {.pq = pq, .n = n, .x = x, .options = *options};
	int threads = threads_resolve(options->threads);
	int workers = threads <= pq->m ? threads : 1;
	t.options.threads = workers > 1 ? 1 : threads;
	kith_status status = KITH_OK;
	if (make_room(&t, workers)) {
		progress_begin(
		    &t.progress, options->progress, options->progress_data, "codebooks", pq->m * STEPS);
		threads_run(workers, pq->m, train_part, &t);
		status = progress_end_with(&t.progress, (kith_status)t.status);
	} else {
		status = KITH_NOMEM;
	}
	/* Messages of other threads are not seen by this one. */
	if (status == KITH_NOMEM)
		fail(KITH_NOMEM, "no memory to train a product quantizer on %lld vector%s", (long long)n,
		    PLURAL(n));
	if (status == KITH_OK)
		status = pq_set(pq, t.centroids);
	mem_free(t.drawn);
	mem_free(t.parts);
	mem_free(t.centroids);
	return status;
}
