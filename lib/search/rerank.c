/* Reranking. The vectors of a query's candidates are in random places, so that each is prefetched AHEAD
 * candidates before its use. Keys are merged into the sink PART at a time.
 */
#include "lib/search/rerank.h"

#include "kernels/kernels.h"
#include "lib/base/alloc.h"
#include "lib/base/progress.h"
#include "lib/base/threads.h"

#include <math.h>
#include <stdatomic.h>

enum { AHEAD = 8, PART = 64, TASK_QUERIES = 8 };

static double key_of_bytes(const struct exact *how, const void *q, const struct rows *rows, int64_t row)
{
	int32_t score;
	(rows->form->type == KITH_U8 ? how->score.u8 : how->score.i8)(
	    q, rows_at(rows, row), 0, 1, rows->dim, &score);
	return how->score.negate ? -(double)score : (double)score;
}

/* Minus the cosine, with the length of the vector that the code stands for. */
static double divided_key(
    const struct exact *how, const float *q, const float *x, const struct rows *rows, int64_t row)
{
	const struct kernels *kern = kernels();
	double nsq = kern->ip_exact(x, x, rows->dim);
	if (!(nsq > 0) || memcmp(rows_at(rows, row), how->zero, rows->stride) == 0)
		return 0;
	return -kern->ip_exact(q, x, rows->dim) / sqrt(nsq);
}

double exact_key(const struct exact *how, const void *q, const struct rows *rows, int64_t row, float *scratch)
{
	if (how->bytes)
		return key_of_bytes(how, q, rows, row);
	const float *x = rows_load(rows, row, scratch);
	if (how->divide)
		return divided_key(how, q, x, rows, row);
	return metric_exact(&how->score, q, x, rows->dim);
}

static bool merge(const struct rerank *how, int64_t number, struct found *found, int64_t n)
{
	if (how->shared)
		pthread_mutex_lock(&how->sink->lock);
	bool merged = sink_merge(how->sink, number, found, n);
	if (how->shared)
		pthread_mutex_unlock(&how->sink->lock);
	return merged;
}

bool rerank(const struct rerank *how, int64_t number, const void *q, const void *candidates, int64_t n,
    float *scratch)
{
	struct rows list[AHEAD];
	struct row_place ring[AHEAD]; /* the places of candidates i … asked − 1 */
	struct found part[PART];
	int64_t asked = 0, count = 0;
	bool ok = true;
	for (int64_t i = 0; i < n && ok; i++) {
		for (; asked < n && asked < i + AHEAD; asked++) {
			int64_t at = asked % AHEAD;
			ring[at] = how->locate(how->owner, candidates, asked, &list[at]);
			if (ring[at].rows)
				rows_prefetch(ring[at].rows, ring[at].row);
		}
		struct row_place at = ring[i % AHEAD];
		if (at.rows)
			part[count++] = (struct found){
			    exact_key(&how->exact, q, at.rows, at.row, scratch), rows_id(at.rows, at.row)};
		if (count == PART || (i == n - 1 && count)) {
			ok = merge(how, number, part, count);
			count = 0;
		}
	}
	return ok;
}

/* ---- candidates of many queries ---- */

struct job {
	const struct rerank *how;
	const struct rows *query;
	const struct sink *candidates;
	float *scratch; /* [threads × each] */
	int64_t each;   /* at least 2 × dim; rounded up so that threads share no cache line */
	_Atomic int64_t exact;
	_Atomic bool failed;
};

static void rerank_task(void *arg, int64_t number, int worker)
{
	struct job *job = arg;
	const struct sink *c = job->candidates;
	int64_t dim = job->query->dim, end = (number + 1) * TASK_QUERIES, exact = 0;
	float *scratch = job->scratch + worker * job->each;
	end = end < job->query->n ? end : job->query->n;
	for (int64_t q = number * TASK_QUERIES; q < end && !progress_stopped(); q++) {
		const struct found *found = c->k ? c->best + q * c->k : c->lists[q].items;
		int64_t n = c->k ? c->count[q] : c->lists[q].n;
		exact += n;
		if (!rerank(job->how, q, rows_load(job->query, q, scratch), found, n, scratch + dim))
			atomic_store(&job->failed, true);
	}
	atomic_fetch_add(&job->exact, exact);
}

bool rerank_found(const struct rerank *how, const struct rows *query, const struct sink *candidates,
    int threads, int64_t *exact)
{
	struct job job = {.how = how, .query = query, .candidates = candidates};
	int64_t tasks = (query->n + TASK_QUERIES - 1) / TASK_QUERIES;
	threads = tasks < threads ? (int)tasks : threads;
	*exact = 0;
	job.each = (2 * query->dim + 15) / 16 * 16;
	job.scratch = mem_alloc((size_t)threads * (size_t)job.each, sizeof *job.scratch);
	if (!job.scratch)
		return false;
	threads_run(threads, tasks, rerank_task, &job);
	mem_free(job.scratch);
	*exact = job.exact;
	return !job.failed;
}
