/* The scan: a few queries over rows, as search.c and lists.c run it. */
#ifndef KITH_SEARCH_SCAN_H
#define KITH_SEARCH_SCAN_H

#include "lib/search/search.h"

/* One query on its way. */
struct scan {
	struct task *t;
	int64_t number; /* in the task */
	void *state;    /* what s->compare makes of the query; the query itself where rows are loaded */
	double qnorm;
	struct pool *pool;
	float key[ROWS_BLOCK]; /* of the rows in work */

	/* What is compared is factor · key + constant, off by at most error_bound. */
	double factor, constant;
	struct error_bound error_bound;
	float bound, limit; /* greatest key of interest while the pool has this bound */

	bool residual; /* codes are residuals; the query is bound for inner products */
	bool primed;   /* rows were passed before: the pool's bound is about what it will be */
	double beside; /* >= |constant| + |what is kept of a row and added to its key| */
};

/* Load the task's queries (at most SCAN_QUERIES) into scratch->queries. */
void scan_begin(struct task *t, struct scan *scans);

/* Pass the rows of t->base over them. False: stopped. */
bool scan_pass(struct task *t, struct scan *scans);

/* For the error bound of the keys in work: the limit, which is computed anew only where something has
 * changed. */
void scan_limit(struct scan *scan, struct error_bound error_bound);

/* Add a row of the task's base to the pool, by its key. Where others may too, hold the pool's lock. */
void scan_add(struct scan *scan, float key, int64_t row);

/* scan_codes.c: come to a list, the task's base. */
void scan_enter_list(struct scan *scan, const float *query);

/* The greatest that the exact key of a row with this key can be. */
float scan_highest(const struct scan *scan, float key);

/* Complete keys of rows first … first + n − 1 of one block: what is kept of row first + pos[i] comes to key i
 * (pos NULL: of row first + i, n of them), and the limit is made for them. */
void scan_finish_keys(struct scan *scan, int64_t first, int64_t n, const uint32_t *pos, int64_t keys);

/* With s->compare->scan: give pools that have no bound one, by a look at the task's first rows; then take
 * rows, so many at once, from the start of a block on. mask: of one block, or all. */
void scan_first_limits(struct task *t, struct scan *scans);
int64_t scan_part_rows(const struct task *t, const struct scan *scans, int64_t row);
void scan_part(struct scan *scan, int64_t row, int64_t n, uint64_t mask);

#endif
