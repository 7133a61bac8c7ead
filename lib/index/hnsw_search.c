/* Searching a graph index.
 *
 * A query descends to level 0, searches it with efSearch candidates, and the best of them are reranked by
 * what is stored, in double precision: distances are exact, only the choice of the vectors is approximate.
 * The queries of a batch are sorted by their paths down to level 0, so that consecutive ones read the same
 * nodes; each query is searched by one thread.
 *
 * Filters. If a fifth or more of the vectors pass, the search visits all nodes and gathers those that pass;
 * below that it goes from one that passes to the next, through the nodes between them, and visits all nodes
 * if that finds few. If very few pass they are all compared. Removed vectors are nodes that do not pass. If a
 * search finds fewer than k although more pass, all are compared, so no result is missing.
 *
 * Range. The search visits every node within the radius that it finds, and the efSearch nearest beyond it,
 * from which it may come back within. Nodes found beyond are compared exactly, too: if keys are so coarse
 * that some of them are within after all, the search is repeated with a wider bound. When it has scored a
 * large share of the nodes all are compared instead, which costs no more and misses nothing. With exact_range
 * all are compared at once.
 */
#include "lib/index/hnsw.h"

#include "kernels/kernels.h"
#include "lib/base/progress.h"
#include "lib/base/rounding.h"
#include "lib/base/status.h"
#include "lib/base/threads.h"
#include "lib/search/filter.h"
#include "lib/search/rerank.h"
#include "lib/search/search.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
	DEFAULT_EF = 64,
	TASK_QUERIES = 8,
	SORT_FROM = 64,   /* sorting pays from so many queries on */
	SCAN_SHARE = 100, /* fewer than a hundredth of the nodes pass: compare all that pass */
	SCAN_EF = 8,      /* also if fewer than 8 efSearch pass */
	RANGE_SHARE = 8,  /* ranges: compare all once an eighth of the nodes were scored */
	PART = 64
};

/* Where a query enters level 0, and its path down to there. */
struct start {
	uint32_t path[DESCENT_LEVELS];
	struct candidate from;
	int64_t query;
};

struct call {
	const struct hnsw *hnsw;
	struct graph_space space, wide; /* wide: for queries that are far from everything */
	uint32_t seeds[HNSW_SEEDS];
	int64_t seed_count;
	uint64_t *far; /* see hnsw_far_bits */
	const struct rows *query;
	struct sink *sink;
	int64_t ef;
	struct rerank rerank;
	bool scan; /* compare all that pass */
	struct hnsw_maps maps;
	const uint64_t *pass;           /* bit per node; NULL: all */
	int64_t passing;                /* nodes */
	struct start *start;            /* [query->n] sorted; NULL: in the order of the queries */
	struct graph_scratch **scratch; /* [threads] */
	struct thread *thread;          /* [threads] */
	struct progress progress;
	_Atomic bool failed;
	bool damaged; /* a search found that the graph is damaged */
	_Atomic int64_t pairs, exact;
};

/* The memory of a thread, beside the scratch of its searches. */
struct thread {
	float *query, *row;      /* [dim] */
	double norm;             /* of the query, where something is far */
	struct candidate *found; /* [ef], under a filter */
};

/* ---- exact keys ---- */

static struct row_place locate(const void *owner, const void *candidates, int64_t i, struct rows *list)
{
	const struct call *c = owner;
	(void)list;
	return (struct row_place){&c->space.rows, ((const struct candidate *)candidates)[i].node};
}

/* Rerank candidates into the sink. */
static void rerank_candidates(struct call *c, struct thread *thread, const void *q, int64_t number,
    const struct candidate *candidates, int64_t n)
{
	if (!rerank(&c->rerank, number, q, candidates, n, thread->row))
		atomic_store(&c->failed, true);
	atomic_fetch_add_explicit(&c->exact, n, memory_order_relaxed);
}

/* The metric's key from that of the space: under cosine the space may compare by squared L2. */
static double key_of_metric(const struct call *c, double key)
{
	return c->space.zero ? key / 2 - 1 : key;
}

static double key_of_space(const struct call *c, double key)
{
	return c->space.zero ? 2 + 2 * key : key;
}

/* Put candidates into the sink with the keys of the search. */
static void add_rough(struct call *c, const struct graph_scratch *w, int64_t number,
    const struct candidate *candidates, int64_t n)
{
	struct found part[PART];
	for (int64_t from = 0, count; from < n; from += count) {
		count = n - from < PART ? n - from : PART;
		for (int64_t i = 0; i < count; i++)
			part[i] = (struct found){
			    key_of_metric(c, graph_key_value(w->space, candidates[from + i].key)),
			    rows_id(&c->space.rows, candidates[from + i].node)};
		if (!sink_merge(c->sink, number, part, count))
			atomic_store(&c->failed, true);
	}
}

/* Which of the 64 nodes from `from` on pass. */
static uint64_t passing_word(const struct call *c, int64_t from)
{
	int64_t left = c->space.rows.n - from;
	uint64_t all = left < 64 ? (UINT64_C(1) << left) - 1 : UINT64_MAX;
	return c->pass ? c->pass[from / 64] & all : all;
}

/* Compare all nodes that pass. */
static void scan(struct call *c, struct thread *thread, const void *q, int64_t number)
{
	struct candidate part[PART];
	int64_t n = 0, count = c->space.rows.n;
	for (int64_t from = 0; from < count; from += 64) {
		uint64_t word = passing_word(c, from);
		for (; word; word &= word - 1) {
			part[n++].node = (uint32_t)(from + __builtin_ctzll(word));
			if (n == PART) {
				rerank_candidates(c, thread, q, number, part, n);
				n = 0;
			}
		}
	}
	rerank_candidates(c, thread, q, number, part, n);
	atomic_fetch_add_explicit(&c->pairs, c->passing, memory_order_relaxed);
}

/* Compare the far vectors that are not in the graph (hnsw_far.c), unless the results are certainly nearer. */
static void rerank_far(struct call *c, struct thread *thread, const void *q, int64_t number)
{
	struct candidate part[PART];
	int64_t n = 0;
	if (!hnsw_far_outside(c->hnsw))
		return;
	double bound = c->sink->k ? sink_bound(c->sink, number) : c->sink->radius;
	if (!hnsw_far_norm(thread->norm + c->space.metric->radius(bound, c->space.rows.dim)))
		return;
	for (int64_t i = 0; i < c->hnsw->fars; i++) {
		uint32_t node = hnsw_far(c->hnsw)[i];
		if (graph_is_live(c->pass, node))
			part[n++].node = node;
		if (n == PART) {
			rerank_candidates(c, thread, q, number, part, n);
			n = 0;
		}
	}
	rerank_candidates(c, thread, q, number, part, n);
	atomic_fetch_add_explicit(&c->pairs, c->hnsw->fars, memory_order_relaxed);
}

/* Far queries are compared by wide keys. They, and under inner product all queries, begin at far vectors,
 * too. Returns whether the query is far. */
static bool prepare_far(const struct call *c, struct graph_scratch *w, struct thread *thread, const float *q)
{
	w->space = &c->space;
	w->seed_count = 0;
	w->far = c->space.metric->similarity ? NULL : c->far;
	if (c->rerank.exact.bytes || c->hnsw->codec->cosine)
		return false;
	thread->norm = sqrt(kernels()->ip_exact(q, q, c->space.rows.dim));
	bool far = hnsw_far_norm(thread->norm);
	if (far)
		w->space = &c->wide;
	w->seeds_hidden = hnsw_far_outside(c->hnsw);
	w->seeds = w->seeds_hidden ? hnsw_far(c->hnsw) : c->seeds;
	if (w->seeds_hidden || far || c->space.metric->similarity)
		w->seed_count = w->seeds_hidden ? c->hnsw->fars : c->seed_count;
	return far;
}

/* ---- one query ---- */

/* How many candidates to rerank for k results: keys are good to about a percent. */
static int64_t candidates_for(int64_t k, int64_t n)
{
	int64_t max = k + k / 2 + 8;
	return max < n ? max : n;
}

/* The bound by keys that includes all nodes found so far that really are within the radius; it is `bound`
 * itself if keys told them correctly. */
static float true_bound(const struct call *c, const struct graph_scratch *w, const struct thread *thread,
    const void *q, float bound)
{
	enum { LOOSE = 64 };
	float widest = bound;
	for (int64_t i = 0; i < w->n; i++) {
		struct candidate near = w->pool[i];
		if (graph_is_live(c->pass, near.node) && near.key > widest &&
		    (float)exact_key(&c->rerank.exact, q, &c->space.rows, near.node, thread->row) <=
		        (float)c->sink->radius)
			widest = near.key;
	}
	return widest > bound ? widest + fabsf(widest) / LOOSE : bound;
}

/* How many of n > k candidates, ascending, to rerank for k results: candidates_for, and those after it whose
 * keys are as good as the k-th. For a query far from a plane on which all vectors lie, hundreds have keys
 * that upper halves cannot tell apart. */
static int64_t candidates_near(const struct candidate *found, int64_t k, int64_t n)
{
	const float off = 0x1p-8f; /* relative error of a key, at most */
	int64_t max = candidates_for(k, n);
	float limit = found[k - 1].key + fabsf(found[k - 1].key) * off;
	while (max < n && found[max].key <= limit)
		max++;
	return max;
}

static void range_query(struct call *c, struct graph_scratch *w, struct thread *thread, struct candidate from,
    const void *q, int64_t number)
{
	enum { LOOSE = 64, TRIES = 4 };
	double loose = c->sink->radius + fabs(c->sink->radius) / LOOSE;
	float bound = float_up((double)graph_key_of(w->space, key_of_space(c, loose))), wider = bound;
	int64_t n, kept = 0, max = c->space.rows.n / RANGE_SHARE;
	enum range_end end = RANGE_DONE;
	w->live = c->pass;
	for (int tries = 0; tries == 0 || (end == RANGE_DONE && wider > bound); tries++) {
		bound = wider;
		end = tries < TRIES ? search_range(w, from, bound, c->ef, max, &n) : RANGE_GIVEN_UP;
		if (end == RANGE_DONE)
			wider = true_bound(c, w, thread, q, bound);
	}
	if (end == RANGE_NO_MEMORY)
		atomic_store(&c->failed, true);
	if (end == RANGE_GIVEN_UP)
		scan(c, thread, q, number);
	if (end != RANGE_DONE)
		return;
	struct candidate *found = (struct candidate *)(void *)w->spill.data;
	for (int64_t i = 0; i < n; i++)
		if (graph_is_live(c->pass, found[i].node))
			found[kept++] = found[i];
	rerank_candidates(c, thread, q, number, found, kept);
	rerank_far(c, thread, q, number);
}

static void search_query(struct call *c, struct graph_scratch *w, struct thread *thread,
    struct candidate from, const void *q, int64_t number)
{
	int64_t k = c->sink->k, n, min = k < c->passing ? k : c->passing;
	const struct candidate *found = w->pool;
	if (!k) {
		range_query(c, w, thread, from, q, number);
		return;
	}
	if (!c->pass) {
		search_base_layer(w, from, c->ef, c->hnsw->quantizer ? k : candidates_for(k, c->ef));
		n = w->n;
		min = c->hnsw->quantizer ? 0 : min;
	} else {
		struct filtering f = {.pass = c->pass,
		    .share = (double)c->passing / (double)c->space.rows.n,
		    .found = thread->found};
		search_filtered(w, from, c->ef, &f);
		found = f.found;
		n = f.n;
	}
	if (n < min)
		scan(c, thread, q, number);
	else if (c->sink->rough)
		add_rough(c, w, number, found, k < n ? k : n);
	else
		rerank_candidates(c, thread, q, number, found, k < n ? candidates_near(found, k, n) : n);
	if (n >= min)
		rerank_far(c, thread, q, number);
}

/* start: where the query enters level 0; NULL: it has not descended yet. */
static void run_query(
    struct call *c, struct graph_scratch *w, struct thread *thread, const struct start *start, int64_t number)
{
	const float *q = rows_load(c->query, number, thread->query);
	const void *exact = c->rerank.exact.bytes ? (const void *)rows_at(c->query, number) : q;
	if (c->scan) {
		scan(c, thread, exact, number);
		return;
	}
	w->pairs = 0;
	if (prepare_far(c, w, thread, q))
		start = NULL;
	graph_origin_query(w->space, q, w->origin);
	search_query(c, w, thread, start ? start->from : search_upper_layers(w, 0), exact, number);
	atomic_fetch_add_explicit(&c->pairs, w->pairs, memory_order_relaxed);
}

static void run_task(void *arg, int64_t task, int worker)
{
	struct call *c = arg;
	int64_t from = task * TASK_QUERIES, to = from + TASK_QUERIES;
	to = to < c->query->n ? to : c->query->n;
	for (int64_t i = from; i < to && !atomic_load(&c->failed) && !progress_cancelled(&c->progress); i++) {
		const struct start *start = c->start ? &c->start[i] : NULL;
		run_query(c, c->scratch[worker], &c->thread[worker], start, start ? start->query : i);
		progress_add(&c->progress, 1);
	}
}

/* ---- the order of queries ---- */

static void descend_task(void *arg, int64_t task, int worker)
{
	struct call *c = arg;
	struct graph_scratch *w = c->scratch[worker];
	int64_t from = task * TASK_QUERIES, to = from + TASK_QUERIES;
	to = to < c->query->n ? to : c->query->n;
	w->pairs = 0;
	w->space = &c->space;
	for (int64_t q = from; q < to; q++) {
		graph_origin_query(&c->space, rows_load(c->query, q, c->thread[worker].query), w->origin);
		c->start[q] = (struct start){.from = search_upper_layers(w, 0), .query = q};
		memcpy(c->start[q].path, w->path, sizeof w->path);
	}
	atomic_fetch_add_explicit(&c->pairs, w->pairs, memory_order_relaxed);
}

static int compare_starts(const void *a, const void *b)
{
	const struct start *x = a, *y = b;
	for (int i = 0; i < DESCENT_LEVELS; i++)
		if (x->path[i] != y->path[i])
			return x->path[i] < y->path[i] ? -1 : 1;
	return x->query < y->query ? -1 : x->query > y->query;
}

/* Sort the queries by their paths; without memory for that they are searched in their own order. */
static void sort_queries(struct call *c, int threads)
{
	int64_t n = c->query->n;
	if (c->scan || n < SORT_FROM || graph_top(&c->hnsw->graph) < 2)
		return;
	c->start = mem_alloc((size_t)n, sizeof *c->start);
	if (!c->start)
		return;
	threads_run(threads, (n + TASK_QUERIES - 1) / TASK_QUERIES, descend_task, c);
	qsort(c->start, (size_t)n, sizeof *c->start, compare_starts);
}

/* ---- a call ---- */

/* Find the nodes that pass the filter; *owned is to be freed. */
static kith_status apply_filter(struct call *c, const kith_filter *filter, int threads, uint64_t **owned)
{
	const struct hnsw *hnsw = c->hnsw;
	struct rows slots = {.n = hnsw->ids.n, .ids = ids_list(&hnsw->ids)};
	c->pass = c->maps.live;
	c->passing = hnsw->ids.n;
	if (hnsw->mapped && hnsw->graph.n == hnsw->ids.n)
		c->pass = NULL;
	if (!filter)
		return KITH_OK;
	size_t words = (size_t)(hnsw->graph.n + 63) / 64;
	uint64_t *bits = mem_zalloc(words, sizeof *bits);
	*owned = bits;
	if (!bits)
		return fail_nomem("a filter's bits", words * sizeof *bits);
	if (!hnsw->mapped) {
		c->passing = filter_rows(filter, &slots, threads, bits);
	} else {
		uint64_t *by_slot = mem_zalloc(words, sizeof *by_slot);
		if (!by_slot)
			return fail_nomem("a filter's bits", words * sizeof *bits);
		c->passing = filter_rows(filter, &slots, threads, by_slot);
		for (int64_t from = 0; from < slots.n; from += 64)
			for (uint64_t word = by_slot[from / 64]; word; word &= word - 1) {
				uint32_t node = c->maps.node_of[from + __builtin_ctzll(word)];
				bits[node / 64] |= UINT64_C(1) << (node % 64);
			}
		mem_free(by_slot);
	}
	c->pass = bits;
	return KITH_OK;
}

/* Under cosine, if codes stand for unit vectors, queries are compared by squared L2: set the code of the zero
 * vector, which is to be freed. */
static kith_status set_zero(struct call *c, char **zero)
{
	const struct codec *codec = c->hnsw->codec;
	if (!c->space.unit || c->space.metric->similarity)
		return KITH_OK;
	size_t dim = (size_t)codec->dim, stride = c->space.rows.stride;
	float *x = mem_zalloc(dim, sizeof *x);
	*zero = mem_zalloc(1, stride);
	if (x && *zero && codec->ops->encode) /* others keep floats: zeros are zeros */
		codec->ops->encode(codec, 1, x, (uint8_t *)*zero);
	bool ready = x && *zero;
	mem_free(x);
	c->space.zero = *zero;
	c->rerank.exact.zero = *zero;
	c->rerank.exact.divide = codec->ops->encode != NULL;
	return ready ? KITH_OK : fail_nomem("a search", dim * sizeof *x + stride);
}

/* Whether to compare all: that is exact, and no slower if few pass or most are wanted. */
static bool scan_pays(const struct call *c, const kith_search_options *options)
{
	int64_t n = c->space.rows.n;
	if (c->hnsw->quantizer) /* an inverted file compares all centroids itself, by tiles */
		return false;
	if (!c->sink->k)
		return options->exact_range || (c->pass && c->passing * SCAN_SHARE <= n);
	int64_t far = hnsw_far_outside(c->hnsw) ? c->hnsw->fars : 0;
	return c->passing <= n / SCAN_SHARE || c->passing - far <= SCAN_EF * c->ef;
}

static bool thread_init(const struct call *c, struct thread *thread)
{
	size_t dim = ((size_t)c->space.rows.dim + 15) / 16 * 16;
	thread->query = mem_alloc(2 * dim, sizeof *thread->query);
	thread->row = thread->query ? thread->query + dim : NULL;
	thread->found = c->pass && !c->scan ? mem_alloc((size_t)c->ef, sizeof *thread->found) : NULL;
	return thread->query && (thread->found || !c->pass || c->scan);
}

/* Get the scratch of each thread. */
static bool begin_threads(struct call *c, int threads)
{
	int64_t ef = c->ef, max_batch = 0;
	if (c->scan)
		ef = 1;
	else if (c->pass) {
		int64_t wide = filtered_max_pool(ef);
		ef = wide > ef ? wide : ef;
		max_batch = filtered_max_batch(&c->hnsw->graph);
		max_batch = max_batch > HNSW_SEEDS + 1 ? max_batch : HNSW_SEEDS + 1;
	}
	const struct graph_space *larger =
	    graph_origin_bytes(&c->wide) > graph_origin_bytes(&c->space) ? &c->wide : &c->space;
	c->scratch = mem_zalloc((size_t)threads, sizeof(struct graph_scratch *));
	c->thread = mem_zalloc((size_t)threads, sizeof *c->thread);
	bool ok = c->scratch && c->thread;
	for (int i = 0; ok && i < threads; i++) {
		ok = thread_init(c, &c->thread[i]);
		if (ok && !c->scan) {
			c->scratch[i] =
			    scratch_take(c->hnsw->scratch_pool, &c->hnsw->graph, larger, ef, max_batch);
			ok = c->scratch[i] != NULL;
		}
	}
	return ok;
}

static void end_threads(struct call *c, int threads)
{
	for (int i = 0; i < threads; i++) {
		if (c->scratch && c->scratch[i]) {
			c->damaged |= c->scratch[i]->damaged;
			scratch_return(c->hnsw->scratch_pool, c->scratch[i]);
		}
		if (!c->thread)
			continue;
		mem_free(c->thread[i].query);
		mem_free(c->thread[i].found);
	}
	mem_free(c->scratch);
	mem_free(c->thread);
	mem_free(c->start);
}

static kith_status run(struct call *c, int threads, const kith_search_options *options)
{
	int64_t tasks = (c->query->n + TASK_QUERIES - 1) / TASK_QUERIES;
	threads = tasks < threads ? (int)tasks : threads;
	bool ok = begin_threads(c, threads);
	kith_status status = KITH_OK;
	if (ok) {
		progress_begin(
		    &c->progress, options->progress, options->progress_data, "search", c->query->n);
		sort_queries(c, threads);
		threads_run(threads, tasks, run_task, c);
		status = progress_end(&c->progress);
	}
	end_threads(c, threads);
	if (!ok || c->failed)
		return fail_nomem_search(c->query->n);
	if (c->damaged)
		return fail(KITH_FORMAT,
		    "the index file is damaged: section LNK0 or LNK1 references a node that does not exist");
	search_count(options, &(kith_search_stats){.pairs = c->pairs, .exact = c->exact});
	return status;
}

/* Set the members that follow from the index, the queries and the options. */
static void begin_call(struct call *c, const kith_index *index, const kith_search_options *options)
{
	const struct hnsw *hnsw = c->hnsw;
	c->space = c->wide = hnsw_space(hnsw);
	c->wide.precision = KEYS_WIDE;
	c->space.rows.ids = ids_list(&hnsw->ids);
	c->space.rows.slots = hnsw->mapped ? hnsw_slot_of(hnsw) : NULL;
	c->seed_count = hnsw_seeds(hnsw, hnsw->fars, c->seeds);
	c->ef = options->efSearch ? options->efSearch : DEFAULT_EF;
	c->ef = c->ef > c->sink->k ? c->ef : c->sink->k;
	c->ef = c->ef < hnsw->graph.n ? c->ef : hnsw->graph.n;
	c->rerank = (struct rerank){.sink = c->sink, .locate = locate, .owner = c};
	c->rerank.exact.score = metric_kernels(index->metric);
	c->rerank.exact.bytes = compare_as_bytes(&c->space.rows, c->query, index->metric);
}

kith_status hnsw_search(
    const kith_index *index, const struct rows *query, struct sink *sink, const kith_search_options *options)
{
	const struct hnsw *hnsw = hnsw_of_const(index);
	if (hnsw->ids.n == 0 || query->n == 0)
		return KITH_OK;
	struct rows converted = *query;
	void *bytes = rows_as_bytes(&converted, index->type);
	struct call c = {.hnsw = hnsw, .query = &converted, .sink = sink};
	int threads = threads_resolve(options->threads);
	uint64_t *owned = NULL;
	char *zero = NULL;
	begin_call(&c, index, options);
	kith_status status = hnsw_find_maps(hnsw, &c.maps);
	if (status == KITH_OK)
		status = set_zero(&c, &zero);
	if (status == KITH_OK)
		status = hnsw_far_bits(hnsw, hnsw->graph.n, &c.far);
	if (status == KITH_OK)
		status = apply_filter(&c, options->filter, threads, &owned);
	if (status == KITH_OK && options->filter)
		search_count(options, &(kith_search_stats){.tested = hnsw->ids.n, .passed = c.passing});
	if (status == KITH_OK && c.passing > 0) {
		c.scan = scan_pays(&c, options);
		status = run(&c, threads, options);
	}
	mem_free(zero);
	mem_free(owned);
	mem_free(c.far);
	mem_free(bytes);
	return status;
}
