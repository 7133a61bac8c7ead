/* Exact search: queries × rows → sink. This is the whole interface of the engine; below it are
 * tile.c (many queries), scan.c (one query), and rerank.c (exact keys of what they let through).
 */
#ifndef KITH_SEARCH_SEARCH_H
#define KITH_SEARCH_SEARCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <kith/index.h>

#include "kernels/kernels.h"
#include "lib/base/progress.h"
#include "lib/codec/compare.h"
#include "lib/metric/metric.h"
#include "lib/search/pool.h"
#include "lib/search/sink.h"
#include "lib/tile/rows.h"

/* Compare all rows of `base` (that pass options->filter) with all `query` rows and put the findings into the
 * sink. Rows that normalize are compared as unit vectors.
 * Queries are finite; check: base may not be, and INVALID names the row. options may be NULL.
 * On failure the sink is good for nothing but sink_free. */
kith_status search_exact(const struct rows *base, const struct rows *query, const struct metric *metric,
    bool check, struct sink *sink, const kith_search_options *options);

/* Add to options->stats, if there are any: (query, vector) pairs that were looked at, those computed exactly,
 * (query, list) pairs. */
void search_count(const kith_search_options *options, const kith_search_stats *done);

/* ---- below this line: for the files of the engine only ---- */

/* How the tile pass sees rows and queries. */
enum tile_kind {
	TILE_F32,   /* floats, centred */
	TILE_BLAS,  /* the same, multiplied by BLAS */
	TILE_ROUGH, /* floats, from the rough form of rows: half the memory traffic */
	TILE_I8,    /* quantised to int8 */
	TILE_BYTES  /* bytes as they are */
};

/* Most queries of a scan. */
enum { SCAN_QUERIES = 16 };

/* What an inverted file keeps beside the codes of a list: with centers, else it is empty. */
struct residuals {
	const float
	    *code_norms; /* L2: [n] ‖r‖² + 2⟨center, r⟩, r what a code decodes to; NULL: there are none */
	float max_norm; /* >= ‖center + r‖ of all rows */
};

/* Rows in lists: an inverted file as the engine sees it. All lists have base's form, codec and dimension. */
struct lists {
	int64_t n;
	const int64_t *start; /* [n + 1] number of each list's first row over all lists */
	void (*view)(const struct lists *lists, int64_t list, struct rows *rows);
	struct residuals (*residuals)(const struct lists *lists, int64_t list);
	const void *owner;
};

/* One call of search_exact, shared by its tasks. */
struct search {
	const struct kernels *kern;
	struct rows base, query;
	const struct metric *metric;
	struct metric_kernels score;      /* of the metric */
	bool bytes;                       /* rows and queries are bytes of one type, compared in integers */
	const struct comparison *compare; /* in scans; NULL: rows are loaded one by one */
	bool check;
	bool shared; /* several tasks have the same queries: merge under the sink's lock */
	struct sink *sink;
	const uint64_t *pass;      /* bit per row of base, NULL: all */
	const struct lists *lists; /* NULL: base is all there is */
	const kith_filter *filter; /* with lists: tested row by row */
	enum tile_kind kind;
	float *mean;       /* [dim] rows (and, for L2, queries) are centred on it before quantising */
	float query_shift; /* inner product: queries are centred on this constant */
	int64_t capacity;  /* of pools */
	int64_t block;     /* queries in a task at most */
	struct progress progress;
	_Atomic int status; /* kith_status of the first failure */
	_Atomic int64_t pairs, exact;
	int64_t tested, passed; /* with lists: what the filter was asked, once the search has ended */
};

/* What a worker needs, carved from one allocation. */
struct scratch {
	void *memory;
	float *x, *y;           /* [dim] each, and padding */
	char *queries;          /* [SCAN_QUERIES × scan_query_bytes], scan only */
	float *select;          /* [capacity] */
	struct pool *pools;     /* [block] and their arrays */
	struct tile *tile;      /* NULL: scan only */
	int64_t tested, passed; /* rows that s->filter was asked about, and let pass */
};

/* A task: queries q0 … q0 + nq − 1 against rows r0 … r1 − 1. */
struct task {
	struct search *s;
	struct scratch *scratch;
	const struct rows *base;    /* s->base, or one list of it */
	struct residuals residuals; /* of that list */
	int64_t offset;             /* what to add to a row of base for its number in pools */
	struct pool *pools;         /* of the queries, number q at pools[map ? map[q] : q] */
	const uint32_t *map; /* NULL, or [nq]: query q of the task is q0 + map[q] of the search, and others
	                        may add to its pool at the same time */
	const uint64_t
	    *pass; /* bit per row of base, of those that s->filter lets pass; NULL: not tested yet */
	int64_t q0, nq, r0, r1;
	int64_t exact; /* distances computed exactly */
};

static inline struct pool *task_pool(const struct task *t, int64_t q)
{
	return &t->pools[t->map ? t->map[q] : q];
}

/* Number of a task's query in the search. */
static inline int64_t task_query(const struct task *t, int64_t q)
{
	return t->q0 + (t->map ? t->map[q] : q);
}

/* Fill in what follows from base, query, metric and sink: kernels, capacity, bytes, kind. */
void search_setup(struct search *s);

/* In tiles: minus the product is the key; else a squared distance is made of it. */
static inline bool search_by_product(const struct search *s)
{
	return s->metric->product == PRODUCT_IP;
}

/* One allocation for a worker: vectors, selection, findings, npools pools; scan: queries' states, else the
 * tile for s->block queries. Free scratch->memory. */
bool scratch_init(const struct search *s, bool scan, int64_t npools, struct scratch *scratch);

/* What a float sum of `dim` squares may lose to underflow: rows of 1e-25 have norms too. */
static inline double search_underflow(int64_t dim)
{
	return (double)dim * 0x1p-149;
}

/* task.c: end with that status, unless there is one already. */
void search_fail(struct search *s, kith_status status);

static inline bool search_stopped(struct search *s)
{
	return atomic_load_explicit(&s->status, memory_order_relaxed) != KITH_OK;
}

/* Count pairs and look for a cancel; false: stop. */
bool search_advance(struct search *s, int64_t pairs);

/* Bits of rows row … row + n − 1 (of one block of 64) of the task's base: which may be returned. */
uint64_t task_mask(const struct task *t, int64_t row, int64_t n);

/* The rows that hold the row with this number in pools, and which of them it is; *list is room for the view
 * of a list. */
const struct rows *search_locate(const struct search *s, int64_t number, struct rows *list, int64_t *row);

/* Pools of a task begin with what the sink knows. */
void task_begin_pools(struct task *t);

/* Make room in the pool of query q (of the task) when fewer than 64 places are left, or tighten its
 * bound for the first time. */
void task_make_room(struct task *t, int64_t q);

/* Compute the exact keys of all candidates of query q and move them to the sink. */
void task_rerank(struct task *t, int64_t q);

/* scan.c, tile.c: run a task. */
bool scan_can(const struct search *s);
size_t scan_query_bytes(const struct search *s);
void scan_task(struct task *t);
size_t tile_scratch_bytes(const struct search *s);
void tile_scratch_init(const struct search *s, struct scratch *scratch);
void tile_task(struct task *t);

/* center.c: choose mean and query_shift from a sample of the rows (of all lists). */
void search_choose_mean(struct search *s, float *scratch);

#endif
