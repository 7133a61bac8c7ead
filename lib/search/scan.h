/* The scan of a few queries over rows, for search.c and lists.c. */
#ifndef KITH_SEARCH_SCAN_H
#define KITH_SEARCH_SCAN_H

#include "lib/search/search.h"

/* One query of a scan. */
struct scan {
	struct task *t;
	int64_t number; /* of the query in the task */
	void *state;    /* what s->compare made of the query; the query itself if rows are loaded */
	double qnorm;
	struct pool *pool;
	float key[ROWS_BLOCK]; /* of the rows of a block */
	/* The compared value is factor · key + constant, with an error of at most error_bound. */
	double factor, constant;
	struct error_bound error_bound;
	float bound, limit; /* greatest key of interest while the pool has this bound */

	bool residual; /* codes are residuals; the query is bound for inner products */
	bool primed;   /* rows were passed before: the pool's bound is about what it will be */
	double beside; /* >= |constant| + |what is kept of a row and added to its key| */
	double
	    shift; /* cosine of codes: comes to a key before it is divided by the length; constant is 0 then */
};

/* Prepare one scan, for query q of the task; state [scan_query_bytes]. */
void scan_open(struct task *t, struct scan *scan, int64_t q, void *state);

/* Prepare the task's queries (at most SCAN_QUERIES) in scratch->queries. */
void scan_begin(struct task *t, struct scan *scans);

/* Scan the rows of t->base for them. False: the search was stopped. */
bool scan_pass(struct task *t, struct scan *scans);

/* Set the limit for keys with this error bound. It is computed again only if something has changed. */
void scan_limit(struct scan *scan, struct error_bound error_bound);

/* Add a row of the task's base to the pool by its key. If other threads may add to it, hold the pool's
 * lock. */
void scan_add(struct scan *scan, float key, int64_t row);

/* scan_codes.c: begin with a list, the task's base. */
void scan_enter_list(struct scan *scan, const float *query);

/* scan_codes.c: the greatest errors of the keys of n rows, numbers first + pos[i]. */
struct error_bound scan_bound_of_rows(const struct scan *scan, int64_t first, const uint32_t *pos, int64_t n);

/* The greatest that the exact key of a row with this key can be. */
float scan_highest(const struct scan *scan, float key);

/* Complete the keys of rows of a block, first … first + n − 1: half of the code norm of row first + pos[i] is
 * added to key i (pos NULL: row first + i), and the limit is set for these rows. */
void scan_finish_keys(struct scan *scan, int64_t first, int64_t n, const uint32_t *pos, int64_t keys);

/* If s->compare->scan exists: give pools without a bound one from the task's first rows; the number of rows
 * from `row` on to scan at once; scan n rows from the begin of a block on. mask: of one block, or all
 * bits. */
void scan_first_limits(struct task *t, struct scan *scans);
int64_t scan_part_rows(const struct task *t, const struct scan *scans, int64_t row);
void scan_part(struct scan *scan, int64_t row, int64_t n, uint64_t mask);

#endif
