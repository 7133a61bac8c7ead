/* Ranking candidates by a finer store. A task takes a few queries; the vectors of a query's candidates lie
 * all over the store, so they are asked for AHEAD of their use. */
#include "lib/structure/refine_rank.h"

#include "kernels/kernels.h"
#include "lib/base/alloc.h"
#include "lib/base/progress.h"
#include "lib/base/status.h"
#include "lib/base/threads.h"

#include <math.h>

enum { AHEAD = 8 };

/* Exact keys of n candidates in place of the child's. */
static void rank_again(
    const struct ranking *r, const float *q, float *scratch, struct found *found, int64_t n)
{
	const struct kernels *kern = kernels();
	int64_t dim = r->store.dim, asked = 0, ring[AHEAD]; /* positions of candidates i … asked − 1 */
	for (int64_t i = 0; i < n; i++) {
		for (; asked < n && asked < i + AHEAD; asked++) {
			ring[asked % AHEAD] = ids_find(r->ids, found[asked].id);
			if (ring[asked % AHEAD] >= 0)
				rows_prefetch(&r->store, ring[asked % AHEAD]);
		}
		/* Only in a damaged file that nobody has looked at; sinks take no NaN. */
		if (ring[i % AHEAD] < 0) {
			found[i].key = NAN;
			continue;
		}
		const float *x = rows_load(&r->store, ring[i % AHEAD], scratch);
		found[i].key = r->ip ? -kern->ip_exact(q, x, dim) : kern->l2sq_exact(q, x, dim);
	}
}

static void rank_task(void *arg, int64_t number, int worker)
{
	struct ranking *r = arg;
	float *scratch = r->scratch[worker];
	int64_t end = (number + 1) * RANK_QUERIES, exact = 0;
	end = end < r->query.n ? end : r->query.n;
	for (int64_t q = number * RANK_QUERIES; q < end && !progress_stopped(); q++) {
		const struct sink *c = r->candidates;
		struct found *found = c->k ? c->best + q * c->k : c->lists[q].items;
		int64_t n = c->k ? c->count[q] : c->lists[q].n;
		rank_again(r, rows_load(&r->query, q, scratch), scratch + r->store.dim, found, n);
		exact += n;
		if (!sink_merge(r->sink, q, found, n))
			atomic_store(&r->failed, true);
	}
	atomic_fetch_add(&r->exact, exact);
}

kith_status rank_candidates(struct ranking *r, const kith_search_options *options)
{
	int64_t tasks = (r->query.n + RANK_QUERIES - 1) / RANK_QUERIES;
	int threads = threads_resolve(options->threads);
	threads = tasks < threads ? (int)tasks : threads;
	r->scratch = mem_zalloc((size_t)threads, sizeof *r->scratch);
	bool ok = r->scratch != NULL;
	for (int i = 0; ok && i < threads; i++) {
		r->scratch[i] = mem_alloc(2 * (size_t)r->store.dim, sizeof **r->scratch);
		ok = r->scratch[i] != NULL;
	}
	struct progress progress;
	progress_begin(&progress, options->progress, options->progress_data, "search", r->query.n);
	if (ok)
		threads_run(threads, tasks, rank_task, r);
	kith_status told = progress_end(&progress);
	for (int i = 0; r->scratch && i < threads; i++)
		mem_free(r->scratch[i]);
	mem_free(r->scratch);
	search_count(options, &(kith_search_stats){.exact = r->exact});
	if (!ok || r->failed)
		return fail(KITH_NOMEM, "no memory to refine the results of %lld %s", (long long)r->query.n,
		    QUERIES(r->query.n));
	return told;
}
