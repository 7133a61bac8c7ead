/* Exact search: choose between tiles and scan, divide the work into tasks, and run them.
 *
 * A task is a block of queries and a range of rows. Many queries are divided into as many blocks as there are
 * threads, or more if the pools of a block would take too much memory, and each block is compared with all
 * rows. For few queries, the rows are divided among the threads, which merge into one sink.
 */
#include "lib/search/search.h"

#include "lib/base/alloc.h"
#include "lib/base/arena.h"
#include "lib/base/status.h"
#include "lib/base/threads.h"
#include "lib/codec/codec.h"
#include "lib/tile/blas.h"
#include "lib/search/filter.h"
#include "lib/search/projected.h"
#include "lib/search/tile.h"

#include <string.h>

enum {
	FEW_QUERIES = 16,       /* with fewer queries, quantizing a row costs more than it saves */
	SCAN_BELOW = 9,         /* with fewer queries, floats are scanned and not packed into tiles */
	MAX_QUERIES = 16384,    /* the most queries in a task */
	MIN_ROWS = 4096,        /* the fewest rows in a task */
	POOL_BUDGET = 48 << 20, /* bytes of pools and queries in a task */
	SERIAL_WORK = 1 << 20,  /* multiplications below which threads cost more than they save */
};

void search_count(const kith_search_options *options, const kith_search_stats *done)
{
	kith_search_stats *stats = options ? options->stats : NULL;
	if (!stats)
		return;
	stats->pairs += done->pairs;
	stats->exact += done->exact;
	if (stats->size < sizeof *stats) /* a caller of an older version has no more members */
		return;
	stats->lists += done->lists;
	stats->tested += done->tested;
	stats->passed += done->passed;
}

static enum tile_kind choose_kind(const struct search *s)
{
	if (s->kern->blas_is_faster && blas_load())
		return TILE_BLAS;
	if (s->bytes)
		return s->kern->i8_is_fast ? TILE_BYTES : TILE_F32;
	if (s->query.n < FEW_QUERIES && s->base.form->load_rough && !s->base.normalize)
		return TILE_ROUGH;
	return s->kern->i8_is_fast ? TILE_I8 : TILE_F32;
}

/* How the work is divided. */
struct plan {
	int threads;
	bool scan;
	int64_t blocks, splits; /* blocks of queries × ranges of rows */
};

/* The number of queries below which scanning is faster than tiles. Packing a row takes about 150 ns longer
 * than scoring it once; codes are scored in a few hundredths of a nanosecond per byte, without being
 * decoded. */
static int64_t scan_below(const struct search *s)
{
	enum { CODE_BYTES = 4096, MAX_CODES = 256 };
	if (!rows_are_codes(&s->base))
		return SCAN_BELOW;
	int64_t below = CODE_BYTES / (int64_t)s->base.stride;
	return below < SCAN_BELOW ? SCAN_BELOW : below > MAX_CODES ? MAX_CODES : below;
}

static struct plan make_plan(struct search *s, int threads)
{
	bool tiles = s->metric->product != PRODUCT_NONE && s->query.n >= scan_below(s);
	struct plan plan = {.threads = threads, .scan = !tiles && scan_can(s)};
	if (s->kind == TILE_BLAS && !plan.scan)
		plan.threads = blas_search_threads(threads);
	int64_t nq = s->query.n, n = s->base.n;
	if ((double)nq * (double)n * (double)s->base.dim < SERIAL_WORK)
		plan.threads = 1;
	size_t per_query =
	    pool_bytes(s->capacity) + sizeof(struct pool) + (size_t)s->base.dim * sizeof(float) + 64;
	int64_t max = (int64_t)(POOL_BUDGET / per_query);
	max = max < TILE_QUERIES ? TILE_QUERIES : max > MAX_QUERIES ? MAX_QUERIES : max;
	if (plan.scan && max > SCAN_QUERIES)
		max = SCAN_QUERIES;
	plan.blocks = (nq + max - 1) / max;
	if (nq >= (int64_t)plan.threads * FEW_QUERIES)
		plan.blocks = (plan.blocks + plan.threads - 1) / plan.threads * plan.threads;
	s->block = (nq + plan.blocks - 1) / plan.blocks;
	plan.blocks = (nq + s->block - 1) / s->block;
	plan.splits = plan.blocks >= plan.threads ? 1 : (plan.threads + plan.blocks - 1) / plan.blocks;
	int64_t max_splits = (n + MIN_ROWS - 1) / MIN_ROWS;
	plan.splits = plan.splits > max_splits ? max_splits : plan.splits;
	s->shared = plan.splits > 1;
	int64_t tasks = plan.blocks * plan.splits;
	if (plan.threads > tasks)
		plan.threads = (int)tasks;
	return plan;
}

struct run {
	struct search *s;
	struct plan plan;
	struct scratch *scratch; /* [threads] */
};

static void run_task(void *arg, int64_t number, int worker)
{
	struct run *run = arg;
	struct search *s = run->s;
	if (search_stopped(s))
		return;
	int64_t block = number % run->plan.blocks, split = number / run->plan.blocks;
	struct task t = {.s = s, .scratch = &run->scratch[worker], .base = &s->base, .q0 = block * s->block};
	t.pools = t.scratch->pools;
	t.nq = s->query.n - t.q0 < s->block ? s->query.n - t.q0 : s->block;
	/* Divide between blocks of rows. */
	int64_t row_blocks = (s->base.n + ROWS_BLOCK - 1) / ROWS_BLOCK;
	t.r0 = row_blocks * split / run->plan.splits * ROWS_BLOCK;
	t.r1 = row_blocks * (split + 1) / run->plan.splits * ROWS_BLOCK;
	t.r1 = t.r1 < s->base.n ? t.r1 : s->base.n;
	if (run->plan.scan)
		scan_task(&t);
	else
		tile_task(&t);
	atomic_fetch_add(&s->exact, t.exact);
}

static void take_scratch(
    const struct search *s, bool scan, int64_t npools, struct scratch *scratch, struct arena *arena)
{
	int64_t vector = s->base.dim + 16;
	scratch->x = arena_take(arena, vector, sizeof(float));
	scratch->y = arena_take(arena, vector, sizeof(float));
	scratch->select = arena_take(arena, s->capacity, sizeof *scratch->select);
	scratch->pools = arena_take(arena, npools, sizeof(struct pool) + pool_bytes(s->capacity));
	if (scan)
		scratch->queries = arena_take(arena, SCAN_QUERIES, scan_query_bytes(s));
	if (scan && !s->compare)
		scratch->loaded = arena_take(arena, SCAN_LOADED * s->base.dim, sizeof(float));
	if (!scan)
		scratch->tile = arena_take(arena, 1, tile_scratch_bytes(s));
	if (s->projection)
		scratch->projected = arena_take(arena, 1, projected_scratch_bytes(s));
}

bool scratch_init(const struct search *s, bool scan, int64_t npools, struct scratch *scratch)
{
	struct arena arena = {NULL, 0};
	*scratch = (struct scratch){.memory = NULL};
	take_scratch(s, scan, npools, scratch, &arena);
	scratch->memory = mem_alloc(arena.used, 1);
	if (!scratch->memory)
		return false;
	arena = (struct arena){scratch->memory, 0};
	take_scratch(s, scan, npools, scratch, &arena);
	if (!scan)
		tile_scratch_init(s, scratch);
	if (s->projection)
		projected_scratch_init(s, scratch);
	return true;
}

static kith_status run_plan(struct search *s, struct plan plan)
{
	struct run run = {.s = s, .plan = plan};
	run.scratch = mem_zalloc((size_t)plan.threads, sizeof *run.scratch);
	bool ready = run.scratch != NULL;
	for (int i = 0; ready && i < plan.threads; i++)
		ready = scratch_init(s, plan.scan, s->block, &run.scratch[i]);
	if (!ready)
		search_fail(s, KITH_NOMEM);
	if (ready && !plan.scan)
		search_choose_mean(s, run.scratch[0].x);
	if (ready)
		threads_run(plan.threads, plan.blocks * plan.splits, run_task, &run);
	for (int i = 0; run.scratch && i < plan.threads; i++)
		mem_free(run.scratch[i].memory);
	mem_free(run.scratch);
	return (kith_status)atomic_load(&s->status);
}

/* Set the error message of a failure that happened on some worker. */
static kith_status explain(struct search *s, kith_status status)
{
	if (status == KITH_NOMEM)
		return fail_nomem_search(s->query.n);
	if (status != KITH_INVALID)
		return status;
	float *scratch = mem_alloc((size_t)s->base.dim, sizeof *scratch);
	int64_t row = scratch ? rows_find_bad(&s->base, s->metric, 0, s->base.n, scratch) : -1;
	mem_free(scratch);
	if (s->metric->domain != DOMAIN_FINITE)
		return fail(KITH_INVALID, "x: row %lld: elements must be %s",
		    (long long)(s->base.first_id + row), metric_wanted(s->metric->domain));
	return fail(KITH_INVALID, "x: row %lld holds a NaN or an infinity; vectors must be finite",
	    (long long)(s->base.first_id + row));
}

static kith_status search_rows(struct search *s, int threads, const kith_search_options *options)
{
	uint64_t *pass = NULL;
	s->mean = mem_alloc((size_t)s->base.dim, sizeof *s->mean);
	if (!s->mean)
		return fail_nomem("a search", (size_t)s->base.dim * sizeof *s->mean);
	if (options && options->filter) {
		size_t words = (size_t)(s->base.n + 63) / 64;
		pass = mem_zalloc(words, sizeof *pass);
		if (!pass) {
			mem_free(s->mean);
			return fail_nomem("a filter's bits", words * sizeof *pass);
		}
		s->pass = pass;
	}
	progress_begin(&s->progress, options ? options->progress : NULL,
	    options ? options->progress_data : NULL, "search", s->query.n * s->base.n);
	kith_status status = KITH_OK;
	int64_t passed = pass ? filter_rows(options->filter, &s->base, threads, pass) : s->base.n;
	if (pass)
		search_count(options, &(kith_search_stats){.tested = s->base.n, .passed = passed});
	if (passed > 0)
		status = s->run ? s->run(s, threads, options) : run_plan(s, make_plan(s, threads));
	status = progress_end_with(&s->progress, status);
	mem_free(pass);
	mem_free(s->mean);
	return explain(s, status);
}

void search_setup(struct search *s)
{
	s->kern = kernels();
	s->score = metric_kernels(s->metric);
	s->capacity = pool_capacity(s->sink->k);
	s->bytes = compare_as_bytes(&s->base, &s->query, s->metric);
	s->compare = compare_in_scan(&s->base, &s->query, s->metric);
	s->kind = choose_kind(s);
}

kith_status search_run(struct search *s, bool check, const kith_search_options *options)
{
	if (s->base.n == 0 || s->query.n == 0)
		return KITH_OK;
	if (s->base.n > UINT32_MAX)
		return fail(
		    KITH_INVALID, "%lld rows in one search; at most 4294967295", (long long)s->base.n);
	search_setup(s);
	s->check = check && (rows_are_floats(&s->base) || s->metric->domain == DOMAIN_NOT_NEGATIVE);
	kith_status status = search_rows(s, threads_resolve(options ? options->threads : 0), options);
	search_count(options, &(kith_search_stats){.pairs = s->pairs, .exact = s->exact});
	return status;
}

kith_status search_exact(const struct rows *base, const struct rows *query, const struct metric *metric,
    bool check, struct sink *sink, const kith_search_options *options)
{
	struct search s = {.base = *base, .query = *query, .metric = metric, .sink = sink};
	return search_run(&s, check, options);
}
