/* Searches by a projection: divide the work into tasks, and run them.
 *
 * Queries are divided into blocks that fit the L2 cache beside a panel of rows. For few queries, the blocks
 * of rows are divided among the threads as well. If the projection would exclude too few rows for a block of
 * queries, the block is searched without it at the end.
 */
#include "lib/search/projected.h"

#include "lib/base/alloc.h"
#include "lib/base/status.h"
#include "lib/base/threads.h"

enum {
	MAX_QUERIES = 2048, /* the most in a task */
	MIN_QUERIES = 16,   /* the fewest in a task, if there are several */
	MIN_BLOCKS = 64,    /* the fewest blocks of rows in a task, about */
};

struct run {
	struct search *s;
	int64_t blocks, splits;  /* of queries × ranges of rows */
	struct scratch *scratch; /* [threads] */
	_Atomic bool *declined;  /* [blocks] */
};

static void run_task(void *arg, int64_t number, int worker)
{
	struct run *run = arg;
	struct search *s = run->s;
	if (search_stopped(s))
		return;
	int64_t block = number % run->blocks, split = number / run->blocks;
	int64_t rows = s->base.n / ROWS_BLOCK;
	struct task t = {.s = s, .scratch = &run->scratch[worker], .base = &s->base, .q0 = block * s->block};
	t.pools = t.scratch->pools;
	t.nq = s->query.n - t.q0 < s->block ? s->query.n - t.q0 : s->block;
	t.r0 = rows * split / run->splits * ROWS_BLOCK;
	t.r1 = rows * (split + 1) / run->splits * ROWS_BLOCK;
	if (!projected_task(&t))
		run->declined[block] = true; /* all tasks of the block do */
	atomic_fetch_add(&s->exact, t.exact);
}

static void cut(struct run *run, int threads)
{
	struct search *s = run->s;
	int64_t nq = s->query.n, most = (nq + threads - 1) / threads;
	s->block = most < MIN_QUERIES ? MIN_QUERIES : most > MAX_QUERIES ? MAX_QUERIES : most;
	s->block = s->block < nq ? s->block : nq;
	run->blocks = (nq + s->block - 1) / s->block;
	int64_t splits = (threads + run->blocks - 1) / run->blocks;
	int64_t most_splits = projection_blocks(s->projection) / MIN_BLOCKS + 1;
	run->splits = run->blocks >= threads ? 1 : splits < most_splits ? splits : most_splits;
	s->shared = run->splits > 1;
}

/* Search for the queries of a block without the projection. */
static kith_status search_plainly(struct search *s, int64_t block, const kith_search_options *options)
{
	int64_t from = block * s->block, n = s->query.n - from < s->block ? s->query.n - from : s->block;
	struct rows query = rows_part(&s->query, from, n);
	struct sink part;
	sink_part(&part, s->sink, from, n);
	kith_search_options quiet = options ? *options : (kith_search_options){.size = sizeof quiet};
	quiet.progress = NULL; /* that of s is told, and asked for a cancel */
	kith_status status = search_exact(&s->base, &query, s->metric, false, &part, &quiet);
	search_advance(s, n * s->base.n);
	return status;
}

/* Run all tasks, and then search for the declined blocks. */
static kith_status run_ready(struct run *run, int threads, const kith_search_options *options)
{
	struct search *s = run->s;
	threads_run(threads, run->blocks * run->splits, run_task, run);
	kith_status status = (kith_status)atomic_load(&s->status);
	for (int64_t block = 0; block < run->blocks && status == KITH_OK; block++)
		if (run->declined[block])
			status = search_plainly(s, block, options);
	return status;
}

static kith_status run_blocks(struct search *s, int threads, const kith_search_options *options)
{
	struct run run = {.s = s};
	cut(&run, threads);
	int64_t tasks = run.blocks * run.splits;
	threads = tasks < threads ? (int)tasks : threads;
	run.scratch = mem_zalloc((size_t)threads, sizeof *run.scratch);
	run.declined = mem_zalloc((size_t)run.blocks, sizeof *run.declined);
	bool ready = run.scratch && run.declined;
	for (int i = 0; ready && i < threads; i++)
		ready = scratch_init(s, true, s->block, &run.scratch[i]);
	kith_status status = KITH_NOMEM;
	if (ready)
		status = run_ready(&run, threads, options);
	for (int i = 0; run.scratch && i < threads; i++)
		mem_free(run.scratch[i].memory);
	mem_free(run.declined);
	mem_free(run.scratch);
	return status;
}

/* A search in two parts, whose progress is told as that of one. */
struct parts {
	kith_progress fn;
	void *data;
	int64_t before, total; /* pairs of the parts before this one, and of all */
};

static int tell_part(void *data, const char *stage, int64_t done, int64_t total)
{
	const struct parts *parts = data;
	(void)total;
	return parts->fn(parts->data, stage, parts->before + done, parts->total);
}

/* Search in the projected rows, and then in those that were added since. */
static kith_status search_parts(struct search *s, const struct rows *rest, const kith_search_options *options)
{
	kith_search_options part = options ? *options : (kith_search_options){.size = sizeof part};
	struct parts parts = {.fn = part.progress, .data = part.progress_data};
	parts.total = s->query.n * (s->base.n + rest->n);
	if (parts.fn && rest->n > 0) {
		part.progress = tell_part;
		part.progress_data = &parts;
	}
	kith_status status = search_run(s, false, &part);
	parts.before = s->query.n * s->base.n;
	return status ? status : search_exact(rest, &s->query, s->metric, false, s->sink, &part);
}

kith_status search_projected(const struct rows *base, const struct projection *projection,
    const struct rows *query, const struct metric *metric, struct sink *sink,
    const kith_search_options *options)
{
	if (base->n == 0 || query->n == 0)
		return KITH_OK;
	if (!projection || base->n < projection->n || !compare_in_scan(base, query, metric))
		return search_exact(base, query, metric, false, sink, options);
	struct rows rest = rows_part(base, projection->n, base->n - projection->n);
	struct search s = {.base = *base,
	    .query = *query,
	    .metric = metric,
	    .sink = sink,
	    .run = run_blocks,
	    .projection = projection};
	s.base.n = projection->n;
	return search_parts(&s, &rest, options);
}
