/* Exact search: compare queries with rows and put the results into a sink. Many queries are compared by
 * tile.c, few by scan.c; both find candidates, whose exact keys rerank.c computes.
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
#include "lib/search/projection.h"
#include "lib/search/pool.h"
#include "lib/search/sink.h"
#include "lib/tile/rows.h"

/* Compare all rows of `base` that pass options->filter with all queries, and put the results into the sink.
 * Rows with `normalize` are compared as unit vectors. Queries must be finite; with `check`, the base need not
 * be, and INVALID names the first row that is not. options may be NULL. After a failure the sink can only be
 * freed. */
kith_status search_exact(const struct rows *base, const struct rows *query, const struct metric *metric,
    bool check, struct sink *sink, const kith_search_options *options);

/* The same by way of a projection of the first rows of base (projection.h); NULL: there is none. */
kith_status search_projected(const struct rows *base, const struct projection *projection,
    const struct rows *query, const struct metric *metric, struct sink *sink,
    const kith_search_options *options);

/* Add the numbers in *done to options->stats, if there are any. */
void search_count(const kith_search_options *options, const kith_search_stats *done);

/* ---- for the files of this folder only ---- */
/* The form of rows and queries in the tile pass. */
enum tile_kind {
	TILE_F32,   /* floats, centred */
	TILE_BLAS,  /* the same, multiplied by a BLAS */
	TILE_ROUGH, /* floats of the rough form of rows, which are half of the bytes to read */
	TILE_I8,    /* quantized to int8 */
	TILE_BYTES  /* bytes as they are stored */
};

/* The largest number of queries in a scan. */
enum { SCAN_QUERIES = 16 };

/* The rows that a scan loads at once, if no kernel reads them as they are. */
enum { SCAN_LOADED = 8 };

/* What an inverted file keeps beside the codes of a list if they are residuals, else all zero. */
struct residuals {
	const float *code_norms; /* L2: [n] ‖r‖² + 2⟨center, r⟩ for a code that decodes to r; NULL: none */
	float max_norm;          /* >= ‖center + r‖ of all rows */
};

/* Rows in lists, as in an inverted file. All lists have base's form, codec and dimension. */
struct lists {
	int64_t n;
	const int64_t *start; /* [n + 1] the number of each list's first row, counted over all lists */
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
	bool bytes;                       /* rows and queries are bytes of one type, compared as integers */
	const struct comparison *compare; /* for scans; NULL: rows are loaded one by one */
	bool check;
	bool shared; /* several tasks have the same queries and merge under the sink's lock */
	struct sink *sink;
	const uint64_t *pass;      /* a bit for each row of base that may be returned; NULL: all may */
	const struct lists *lists; /* NULL: the rows are those of base */
	const kith_filter *filter; /* with lists: to be tested when a list is searched */
	enum tile_kind kind;
	float *mean;       /* [dim] the centre of rows and, for L2, of queries */
	float query_shift; /* inner product: queries are centred on this constant */
	/* Used instead of the plan of search_run; NULL: nothing is. */
	kith_status (*run)(struct search *s, int threads, const kith_search_options *options);
	const struct projection *projection; /* of all rows of base; NULL: there is none */
	int64_t capacity;                    /* of pools */
	int64_t block;                       /* the most queries in a task */
	struct progress progress;
	_Atomic int status; /* the kith_status of the first failure */
	_Atomic int64_t pairs, exact;
	int64_t tested, passed; /* with lists: rows that the filter tested and let pass; set at the end */
};

/* The memory of a worker, in one allocation. */
struct scratch {
	void *memory;
	float *x, *y;                /* [dim] each, and padding */
	char *queries;               /* [SCAN_QUERIES × scan_query_bytes], for scans */
	float *loaded;               /* [SCAN_LOADED × dim], for scans */
	float *select;               /* [capacity] for pool_tighten */
	struct pool *pools;          /* [block] and their arrays */
	struct tile *tile;           /* NULL: for a scan */
	struct projected *projected; /* NULL: there is no projection */
	int64_t tested, passed;      /* rows that s->filter tested and let pass */
};

/* A task: compare queries q0 … q0 + nq − 1 with rows r0 … r1 − 1. */
struct task {
	struct search *s;
	struct scratch *scratch;
	const struct rows *base;    /* s->base, or one list of it */
	struct residuals residuals; /* of that list */
	int64_t offset;             /* row i of base has number offset + i in pools */
	struct pool *pools;         /* that of query q is pools[map ? map[q] : q] */
	const uint32_t *map;  /* NULL, or [nq]: query q of the task is q0 + map[q] of the search, and other
	                         threads may add to its pool at the same time */
	const uint64_t *pass; /* a bit for each row of base that s->filter lets pass; NULL: not tested yet */
	int64_t q0, nq, r0, r1;
	int64_t exact; /* number of distances that were computed exactly */
};

static inline struct pool *task_pool(const struct task *t, int64_t q)
{
	return &t->pools[t->map ? t->map[q] : q];
}

/* The number of a task's query in the search. */
static inline int64_t task_query(const struct task *t, int64_t q)
{
	return t->q0 + (t->map ? t->map[q] : q);
}

/* search_exact, with base, query, metric and sink given in *s. */
kith_status search_run(struct search *s, bool check, const kith_search_options *options);

/* Fill in what follows from base, query, metric and sink: kernels, capacity, bytes, compare, kind. */
void search_setup(struct search *s);

/* Whether the key in a tile is minus the product; else it is a squared distance. */
static inline bool search_by_product(const struct search *s)
{
	return s->metric->product == PRODUCT_IP;
}

/* Allocate the memory of a worker, with npools pools, and for a scan or a tile of s->block queries (and a
 * projection, if there is one). False: no memory. The caller frees scratch->memory. */
bool scratch_init(const struct search *s, bool scan, int64_t npools, struct scratch *scratch);

/* The most that a float sum of `dim` squares can lose by underflow. */
static inline double search_underflow(int64_t dim)
{
	return (double)dim * 0x1p-149;
}

/* task.c: let the search fail with this status, unless it has failed already. */
void search_fail(struct search *s, kith_status status);

static inline bool search_stopped(struct search *s)
{
	return atomic_load_explicit(&s->status, memory_order_relaxed) != KITH_OK;
}

/* Count pairs and check for a cancel. False: stop. */
bool search_advance(struct search *s, int64_t pairs);

/* The bits of those of rows row … row + n − 1, of one block, of the task's base that may be returned. */
uint64_t task_mask(const struct task *t, int64_t row, int64_t n);

/* The rows that contain the row with this number in pools, and its place among them, *row; *list is memory
 * for the view of a list. */
const struct rows *search_locate(const struct search *s, int64_t number, struct rows *list, int64_t *row);

/* Begin the pools of a task, with the bounds of the sink. */
void task_begin_pools(struct task *t);

/* Tighten the pool of the task's query q, and rerank its candidates if it is still too full. */
void task_make_room(struct task *t, int64_t q);

/* Compute the exact keys of all candidates of query q and move them to the sink. */
void task_rerank(struct task *t, int64_t q);

/* scan.c, tile.c: whether rows can be scanned, the memory of a worker, and running a task. */
bool scan_can(const struct search *s);
size_t scan_query_bytes(const struct search *s);
void scan_task(struct task *t);
size_t tile_scratch_bytes(const struct search *s);
void tile_scratch_init(const struct search *s, struct scratch *scratch);
void tile_task(struct task *t);

/* center.c: choose mean and query_shift from a sample of the rows (of all lists). */
void search_choose_mean(struct search *s, float *scratch);

#endif
