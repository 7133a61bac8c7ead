/* The pass over projections, before any row is looked at. */
#ifndef KITH_SEARCH_PROJECTED_H
#define KITH_SEARCH_PROJECTED_H

#include "lib/search/projection.h"
#include "lib/search/scan.h"

/* What a worker needs for it, beside pools and scratch of a scan. */
size_t projected_scratch_bytes(const struct search *s);
void projected_scratch_init(const struct search *s, struct scratch *scratch);

/* Run a task. False: nothing was done, since too many rows would pass for its queries. */
bool projected_task(struct task *t);

/* ---- between the files of the pass ---- */

/* Rows of one query that wait for a look at most. */
enum { PROJECTED_HITS = 2 * TILE_ROWS };

/* Queries as a cluster sees them. */
struct slots {
	struct tile_vectors v; /* z_q − μ; for products z_q */
	uint32_t *query;       /* of the task */
	float *unit;           /* keys of products are divided by it */
	float *from;   /* [block] least distance of rows from the centroid that are of use to this slot or a
	                           later one */
	float *thr;    /* threshold of tile keys */
	float *radius; /* L2: >= r + ε; IP: 1; 0 while there is no threshold */
	double *add, *add_err; /* IP: ⟨μ, z_q⟩, and what it may be off by */
};

struct projected {
	struct slots slots;
	float *z, *zerr, *znorm; /* [block × (p + 1)], [block] of queries */
	float *near;             /* [clusters + 1 × block] ‖z_q − μ‖ or ⟨μ, z_q⟩ */
	uint32_t *active;        /* [block] queries that a cluster is for, */
	float *from;             /* [block] and from which distance to the centroid on */
	uint8_t *bucket;         /* [block] */
	struct scan *scans;      /* [block] */
	char *states;
	struct rows view; /* base, with the bounds of panels */
	float *keys;      /* [TILE_QUERIES × TILE_ROWS] */
	uint32_t *hits;   /* [block × PROJECTED_HITS] rows that wait for a look, by slots */
	int32_t *count;   /* [block] of them */
	float low[TILE_ROWS], scale[TILE_ROWS], look[ROWS_BLOCK];
	bool fetched; /* the rows of the panel are in cache */
	float *own;   /* [clusters + 1] */
	float *seed_key, *seed_select;
	uint32_t *seed_row; /* [seed_capacity] */
};

/* projected_begin.c: queries of the task: z, distances to centroids, first thresholds. False: the search has
 * failed. */
bool projected_begin(struct task *t);

/* projected_slots.c: put query q into slot i for cluster c; the threshold of a slot from its query's pool;
 * put all queries into slots that rows of cluster c may be near enough to, in the order of which rows those
 * are, and return how many. */
void projected_fill_slot(const struct task *t, int64_t c, int64_t i, int64_t q);
void projected_set_threshold(const struct task *t, int64_t i);
int64_t projected_enter(const struct task *t, int64_t c);

/* Rows of a block that may be returned. */
uint64_t projected_valid(const struct task *t, int64_t block);

#endif
