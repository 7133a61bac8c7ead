/* The parts of the projected pass: projected.c has the overview. */
#ifndef KITH_SEARCH_PROJECTED_H
#define KITH_SEARCH_PROJECTED_H

#include "lib/search/projection.h"
#include "lib/search/scan.h"

/* The memory of a worker, beside that of a scan. */
size_t projected_scratch_bytes(const struct search *s);
void projected_scratch_init(const struct search *s, struct scratch *scratch);

/* Run a task. False: it was declined, as the projection would exclude too few rows. */
bool projected_task(struct task *t);

/* ---- between the files of the pass ---- */

/* The most rows that are collected for a query. */
enum { PROJECTED_HITS = 2 * TILE_ROWS };

/* The queries of a cluster. */
struct slots {
	struct tile_vectors v; /* z_q − μ; for products z_q */
	uint32_t *query;       /* its number in the task */
	float *unit;           /* IP: keys are divided by it */
	float *from;   /* the least distance from the centroid of rows that are near enough to this query or
	                          a later one */
	float *thr;    /* the threshold of tile keys */
	float *radius; /* L2: >= r + ε; IP: 1; 0 if there is no threshold yet */
	double *add, *add_err; /* IP: ⟨μ, z_q⟩ and its error */
};

struct projected {
	struct slots slots;
	float *z, *zerr, *znorm; /* [block × (p + 1)], [block] of queries */
	float *near;             /* [clusters + 1 × block] ‖z_q − μ‖ or ⟨μ, z_q⟩ */
	uint32_t *active;        /* [block] queries that get a slot, */
	float *from;             /* [block] and the least distance from the centroid of rows near enough */
	uint8_t *bucket;         /* [block] for sorting by it */
	struct scan *scans;      /* [block] */
	char *states;
	struct rows view; /* base, with the bounds of clusters in place of blocks */
	float *keys;      /* [TILE_QUERIES × TILE_ROWS] */
	uint32_t *hits;   /* [block × PROJECTED_HITS] rows collected for each slot */
	int32_t *count;   /* [block] their number */
	float low[TILE_ROWS], scale[TILE_ROWS], look[ROWS_BLOCK];
	bool fetched; /* the rows of the panel were prefetched */
	float *own;   /* [clusters + 1] keys of centroids, of one query */
	float *seed_key, *seed_select;
	uint32_t *seed_row; /* [seed_capacity] */
};

/* projected_begin.c: set z, near and the first threshold of all queries of the task. False: the search
 * failed. */
bool projected_begin(struct task *t);

/* projected_slots.c. fill_slot: put query q into slot i of cluster c. set_threshold: update a slot from its
 * query's pool. enter: put all queries to which rows of cluster c may be near enough into slots, sorted by
 * slots.from, and return their number. */
void projected_fill_slot(const struct task *t, int64_t c, int64_t i, int64_t q);
void projected_set_threshold(const struct task *t, int64_t i);
int64_t projected_enter(const struct task *t, int64_t c);

/* Compute the keys of n <= 64 scattered rows for query q in w->look. */
void projected_compare(const struct task *t, int64_t q, const uint32_t *row, int64_t n);

/* A bit for each row of a block that may be returned. */
uint64_t projected_valid(const struct task *t, int64_t block);

#endif
