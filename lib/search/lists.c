/* Searching lists, in one of two orders:
 *
 * Query by query, for few queries: each query scans its lists one after another, the nearest first.
 *
 * List by list, for batches: a list is compared with all queries that probe it, so that it is read once. This
 * is done by tiles, for which the list is packed once. If codes are scanned faster than they could be decoded
 * and multiplied, the queries scan the list one after another instead. Queries are prepared once, and what
 * tiles need of them is copied for each list. Several threads may add to the pool of a query, so that it has
 * a lock, which is taken only for hits. The nearest list of each query is searched first, in a separate pass,
 * after which thresholds are tight and other lists give few candidates. Exact distances are computed at the
 * end.
 *
 * The result is that of comparing all rows of all probed lists, so that both orders and any number of threads
 * give the same bits.
 */
#include "lib/search/lists.h"

#include "lib/base/alloc.h"
#include "lib/base/status.h"
#include "lib/base/threads.h"
#include "lib/codec/codec.h"
#include "lib/search/filter.h"
#include "lib/search/scan.h"
#include "lib/search/tile.h"

#include <math.h>
#include <string.h>

enum {
	LIST_QUERIES = 768, /* the most queries of a list that are compared together */
	SHARED_BY = 6,      /* from this number of queries per list on, the order is list by list */
	POOLS = 96 << 20,   /* bytes of the pools of a batch */
	STATES = 16 << 20,  /* bytes of the tables of a batch */
	RERANK_CHUNK = 64   /* queries in a task of the last step */
};

struct batch {
	struct search *s;
	const int32_t *probes; /* [nq × nprobe] the lists of each query */
	int64_t nprobe, nq, q0;
	struct scratch *scratch; /* [threads] */
	struct scratch all;      /* pools, and the queries in tile form, of the whole batch */
	struct scan *scans;      /* [block] of the queries, if lists are scanned; NULL: tiles are used */
	char *states;            /* [block × state_bytes] what a scan reads of each query */
	size_t state_bytes;
	bool primed;    /* whether the nearest lists have been searched */
	uint64_t *pass; /* [threads × pass_words] which rows of a list the filter lets pass; NULL: all */
	size_t pass_words;
	int64_t *begin; /* [lists + 1] the queries of list l are query[begin[l]] … query[begin[l + 1] − 1] */
	uint32_t *query;
	int threads;
};

/* ---- query by query ---- */

static void query_task(void *arg, int64_t q, int worker)
{
	struct batch *b = arg;
	struct search *s = b->s;
	struct rows list;
	struct scan scan;
	if (search_stopped(s))
		return;
	struct task t = {.s = s, .scratch = &b->scratch[worker], .base = &list, .q0 = q, .nq = 1};
	t.pools = t.scratch->pools;
	task_begin_pools(&t);
	scan_begin(&t, &scan);
	for (int64_t i = 0; i < b->nprobe; i++) {
		int32_t number = b->probes[q * b->nprobe + i];
		if (number < 0)
			continue;
		s->lists->view(s->lists, number, &list);
		t.residuals = s->lists->residuals(s->lists, number);
		t.offset = s->lists->start[number];
		t.r1 = list.n;
		/* task_rerank may have overwritten y, so that the query is loaded again. */
		scan_enter_list(&scan, scan.residual ? rows_load(&s->query, q, t.scratch->y) : NULL);
		if (!scan_pass(&t, &scan))
			return;
		scan.primed = true;
	}
	pool_tighten(&t.pools[0], s->sink->k, t.scratch->select);
	task_rerank(&t, 0);
	atomic_fetch_add(&s->exact, t.exact);
}

/* ---- list by list ---- */

/* Whether lists are scanned even for many queries, because looking up the bytes of a code takes less time
 * than multiplying or decoding its vector. */
static bool scan_always(const struct search *s)
{
	enum { COMPONENTS_PER_BYTE = 4 };
	if (!s->compare || !s->compare->scan)
		return false;
	return s->compare->scan_always || (int64_t)s->base.stride * COMPONENTS_PER_BYTE <= s->base.dim;
}

/* For each list, collect the queries that have it among their probes from … to − 1. */
static void invert(struct batch *b, int64_t from, int64_t to)
{
	int64_t nlist = b->s->lists->n;
	memset(b->begin, 0, (size_t)(nlist + 1) * sizeof *b->begin);
	for (int64_t q = 0; q < b->nq; q++)
		for (int64_t i = from; i < to; i++)
			if (b->probes[q * b->nprobe + i] >= 0)
				b->begin[b->probes[q * b->nprobe + i] + 1]++;
	for (int64_t l = 0; l < nlist; l++)
		b->begin[l + 1] += b->begin[l];
	for (int64_t q = 0; q < b->nq; q++)
		for (int64_t i = from; i < to; i++)
			if (b->probes[q * b->nprobe + i] >= 0)
				b->query[b->begin[b->probes[q * b->nprobe + i]]++] = (uint32_t)q;
	memmove(b->begin + 1, b->begin, (size_t)nlist * sizeof *b->begin);
	b->begin[0] = 0;
}

/* Copy the prepared queries map[0 … nq − 1] into the worker's block. */
static void gather_queries(struct task *t, const struct query_block *all)
{
	struct tile *tile = t->scratch->tile;
	struct query_block *q = &tile->q;
	for (int64_t j = 0; j < t->nq; j++) {
		uint32_t from = t->map[j];
		tile_copy(&tile->form, &q->v, j, &all->v, from);
		q->v.norm[j] = all->v.norm[from];
		q->v.err[j] = all->v.err[from];
		q->unit[j] = all->unit[from];
		q->offset[j] = all->offset[from];
		q->thr[j] = INFINITY;
		block_threshold(t, j);
	}
}

/* Begin a task over one list, still without queries. False: no query probes the list. */
static bool begin_list(struct batch *b, int64_t number, int worker, struct rows *list, struct task *t)
{
	struct search *s = b->s;
	if (search_stopped(s) || b->begin[number] == b->begin[number + 1])
		return false;
	s->lists->view(s->lists, number, list);
	*t = (struct task){.s = s,
	    .scratch = &b->scratch[worker],
	    .base = list,
	    .residuals = s->lists->residuals(s->lists, number),
	    .offset = s->lists->start[number],
	    .r1 = list->n,
	    .q0 = b->q0,
	    .pools = b->all.pools};
	return true;
}

static void tile_list_task(void *arg, int64_t number, int worker)
{
	struct batch *b = arg;
	struct search *s = b->s;
	struct rows list;
	struct task t;
	if (!begin_list(b, number, worker, &list, &t))
		return;
	tile_prepare(&t, s->kind);
	for (int64_t at = b->begin[number]; at < b->begin[number + 1] && list.n; at += t.nq) {
		t.map = b->query + at;
		t.nq = b->begin[number + 1] - at < LIST_QUERIES ? b->begin[number + 1] - at : LIST_QUERIES;
		gather_queries(&t, &b->all.tile->q);
		if (!tile_pass(&t))
			break;
	}
	atomic_fetch_add(&s->exact, t.exact);
}

/* Prefetch what the scan will read of a query: its tables, or the first part of them. */
static void prefetch_query(const struct batch *b, uint32_t query)
{
	enum { MAX = 8192 };
	const char *state = b->states + query * b->state_bytes;
	size_t bytes = b->state_bytes < MAX ? b->state_bytes : MAX;
	for (size_t i = 0; i < bytes; i += 64)
		__builtin_prefetch(state + i, 0, 2);
}

/* Test the rows of a list once for all its queries. */
static void test_list(const struct batch *b, struct task *t, int worker)
{
	uint64_t *pass = b->pass + (size_t)worker * b->pass_words;
	for (int64_t row = 0; row < t->r1; row += ROWS_BLOCK)
		pass[row / ROWS_BLOCK] =
		    task_mask(t, row, t->r1 - row < ROWS_BLOCK ? t->r1 - row : ROWS_BLOCK);
	t->pass = pass;
}

/* Scan a list for its queries one after another. */
static void scan_list_task(void *arg, int64_t number, int worker)
{
	struct batch *b = arg;
	struct search *s = b->s;
	struct rows list;
	struct task t;
	if (!begin_list(b, number, worker, &list, &t))
		return;
	t.nq = 1;
	if (b->pass)
		test_list(b, &t, worker);
	for (int64_t at = b->begin[number]; at < b->begin[number + 1] && list.n; at++) {
		struct scan scan = b->scans[b->query[at]];
		if (at + 1 < b->begin[number + 1])
			prefetch_query(b, b->query[at + 1]);
		t.map = b->query + at;
		scan.t = &t;
		scan.primed = b->primed;
		if (scan.residual)
			scan_enter_list(&scan, rows_load(&s->query, task_query(&t, 0), t.scratch->y));
		if (!scan_pass(&t, &scan))
			break;
	}
	atomic_fetch_add(&s->exact, t.exact);
}

/* Prepare a query for scanning. Its tables are made in a worker's scratch, and what scanning reads of them is
 * copied to the batch. */
static void begin_scan_task(void *arg, int64_t q, int worker)
{
	struct batch *b = arg;
	struct task t = {
	    .s = b->s, .scratch = &b->scratch[worker], .q0 = b->q0 + q, .nq = 1, .pools = b->all.pools + q};
	struct scan *scan = &b->scans[q];
	scan_begin(&t, scan);
	scan->state = memcpy(b->states + (size_t)q * b->state_bytes, scan->state, b->state_bytes);
}

/* Begin the pools of the whole batch, and prepare its queries. */
static void prepare(struct batch *b)
{
	struct task t = {.s = b->s, .scratch = &b->all, .q0 = b->q0, .nq = b->nq, .pools = b->all.pools};
	task_begin_pools(&t);
	if (b->scans) {
		threads_run(b->threads, b->nq, begin_scan_task, b);
	} else {
		tile_prepare(&t, b->s->kind);
		block_fill(&t);
	}
}

static void rerank_task(void *arg, int64_t chunk, int worker)
{
	struct batch *b = arg;
	struct search *s = b->s;
	struct task t = {.s = s, .scratch = &b->scratch[worker], .q0 = b->q0, .pools = b->all.pools};
	int64_t from = chunk * RERANK_CHUNK, to = from + RERANK_CHUNK < b->nq ? from + RERANK_CHUNK : b->nq;
	for (int64_t q = from; q < to && !search_stopped(s); q++) {
		pool_tighten(&t.pools[q], s->sink->k, t.scratch->select);
		task_rerank(&t, q);
	}
	atomic_fetch_add(&s->exact, t.exact);
}

static void run_lists(struct batch *b)
{
	int64_t nlist = b->s->lists->n;
	b->primed = false;
	prepare(b);
	invert(b, 0, 1);
	threads_run(b->threads, nlist, b->scans ? scan_list_task : tile_list_task, b);
	if (b->nprobe > 1) {
		b->primed = true;
		invert(b, 1, b->nprobe);
		threads_run(b->threads, nlist, b->scans ? scan_list_task : tile_list_task, b);
	}
	threads_run(b->threads, (b->nq + RERANK_CHUNK - 1) / RERANK_CHUNK, rerank_task, b);
}

/* ---- both ---- */

static kith_status alloc_batch(struct batch *b, bool by_list)
{
	struct search *s = b->s;
	int64_t whole = s->block;
	bool scan = !by_list || b->state_bytes > 0;
	b->scratch = mem_zalloc((size_t)b->threads, sizeof *b->scratch);
	bool ok = b->scratch != NULL;
	s->block = by_list ? LIST_QUERIES : 1;
	for (int i = 0; ok && i < b->threads; i++)
		ok = scratch_init(s, scan, by_list ? 0 : 1, &b->scratch[i]);
	/* The arrays of pools follow s->block pool structs; query by query, a worker has one pool. */
	s->block = by_list ? whole : 1;
	if (ok && by_list) {
		b->begin = mem_alloc((size_t)s->lists->n + 1, sizeof *b->begin);
		b->query = mem_alloc((size_t)(whole * b->nprobe), sizeof *b->query);
		ok = b->begin && b->query && scratch_init(s, scan, whole, &b->all);
	}
	if (ok && b->state_bytes) {
		b->scans = mem_alloc((size_t)whole, sizeof *b->scans);
		b->states = mem_alloc((size_t)whole, b->state_bytes);
		ok = b->scans && b->states;
	}
	if (ok && b->scans && s->filter) {
		int64_t max = 0;
		for (int64_t l = 0; l < s->lists->n; l++)
			max = s->lists->start[l + 1] - s->lists->start[l] > max
			          ? s->lists->start[l + 1] - s->lists->start[l]
			          : max;
		b->pass_words = (size_t)(max + ROWS_BLOCK - 1) / ROWS_BLOCK;
		b->pass = mem_alloc((size_t)b->threads * b->pass_words, sizeof *b->pass);
		ok = b->pass != NULL;
	}
	return ok ? KITH_OK : fail_nomem_search(s->query.n);
}

static void free_batch(struct batch *b)
{
	for (int i = 0; b->scratch && i < b->threads; i++) {
		b->s->tested += b->scratch[i].tested;
		b->s->passed += b->scratch[i].passed;
		mem_free(b->scratch[i].memory);
	}
	mem_free(b->scratch);
	mem_free(b->all.memory);
	mem_free(b->begin);
	mem_free(b->query);
	mem_free(b->scans);
	mem_free(b->pass);
	mem_free(b->states);
}

/* Whether the filter lets few rows pass in a sample of the n lists that are probed. Then tiles, which are
 * made of the passing rows alone, are faster than the scan, which reads whole blocks. */
static bool few_pass(const struct search *s, const int32_t *probes, int64_t n)
{
	enum { LISTS = 32, SHARE = 4 };
	int64_t seen = 0, passed = 0, step = n / LISTS + 1;
	for (int64_t i = 0; s->filter && i < n; i += step) {
		struct rows list;
		int64_t ids[ROWS_BLOCK];
		if (probes[i] < 0)
			continue;
		s->lists->view(s->lists, probes[i], &list);
		int64_t rows = list.n < ROWS_BLOCK ? list.n : ROWS_BLOCK;
		rows_ids(&list, 0, rows, ids);
		passed += __builtin_popcountll(filter_block(s->filter, ids, rows));
		seen += rows;
	}
	return passed * SHARE < seen;
}

static kith_status run(struct search *s, const int32_t *probes, int64_t nprobe, int threads, bool by_list)
{
	struct batch b = {.s = s, .nprobe = nprobe, .threads = threads};
	int64_t nq = s->query.n;
	if (by_list && scan_always(s) && !few_pass(s, probes, nq * nprobe)) {
		b.state_bytes = s->compare->kept_bytes(&s->base);
		int64_t max = (int64_t)(STATES / b.state_bytes);
		s->block = max < 64 ? 64 : max < s->block ? max : s->block;
		s->block = s->block < nq ? s->block : nq;
	}
	kith_status status = alloc_batch(&b, by_list);
	if (status == KITH_OK && by_list && !b.scans)
		search_choose_mean(s, b.scratch[0].x);
	for (int64_t q = 0; status == KITH_OK && q < nq && !search_stopped(s); q += s->block) {
		b.q0 = by_list ? q : 0;
		b.nq = by_list ? (nq - q < s->block ? nq - q : s->block) : nq;
		b.probes = probes + b.q0 * nprobe;
		if (!by_list) {
			threads_run(threads, nq, query_task, &b);
			break;
		}
		run_lists(&b);
	}
	free_batch(&b);
	return status ? status : (kith_status)atomic_load(&s->status);
}

static int64_t count_probes(const int32_t *probes, int64_t n)
{
	int64_t count = 0;
	for (int64_t i = 0; i < n; i++)
		count += probes[i] >= 0;
	return count;
}

kith_status search_lists(const struct rows *base, const struct lists *lists, const struct rows *query,
    const struct metric *metric, const int32_t *probes, int64_t nprobe, struct sink *sink,
    const kith_search_options *options)
{
	if (lists->start[lists->n] == 0 || query->n == 0)
		return KITH_OK;
	struct search s = {.base = *base, .query = *query, .metric = metric, .lists = lists, .sink = sink};
	search_setup(&s);
	size_t per_query = pool_bytes(s.capacity) + sizeof(struct pool) + (size_t)base->dim * sizeof(float);
	s.block = (int64_t)(POOLS / per_query) < 64 ? 64 : (int64_t)(POOLS / per_query);
	s.block = s.block < query->n ? s.block : query->n;
	s.filter = options ? options->filter : NULL;
	s.mean = mem_zalloc((size_t)base->dim, sizeof *s.mean);
	if (!s.mean)
		return fail_nomem("a search", (size_t)base->dim * sizeof *s.mean);
	bool by_list =
	    !scan_can(&s) || (metric->product != PRODUCT_NONE && query->n * nprobe >= SHARED_BY * lists->n);
	int threads = threads_resolve(options ? options->threads : 0);
	progress_begin(&s.progress, options ? options->progress : NULL,
	    options ? options->progress_data : NULL, "search",
	    query->n * nprobe * (lists->start[lists->n] / lists->n + 1));
	kith_status status = progress_end_with(&s.progress, run(&s, probes, nprobe, threads, by_list));
	mem_free(s.mean);
	search_count(options, &(kith_search_stats){.pairs = s.pairs,
	                          .exact = s.exact,
	                          .lists = count_probes(probes, query->n * nprobe),
	                          .tested = s.tested,
	                          .passed = s.passed});
	return status == KITH_NOMEM ? fail_nomem_search(query->n) : status;
}
