/* The scan: a few queries over rows, as search.c and lists.c run it. */
#ifndef KITH_SEARCH_SCAN_H
#define KITH_SEARCH_SCAN_H

#include "lib/search/search.h"

/* One query on its way. */
struct scan {
	struct task *t;
	int64_t number; /* in the task */
	const void *q;  /* floats, bytes, or what the codec makes of them */
	double qnorm;
	struct pool *pool;
	float key[ROWS_BLOCK]; /* of the rows in work */
	struct slack slack;    /* of the keys */
	double constant;       /* of the list: added to the keys of codes */
	bool residual;         /* codes are residuals; q was begun for inner products */
};

/* Load the task's queries (at most SCAN_QUERIES) into scratch->queries. */
void scan_begin(struct task *t, struct scan *scans);

/* Pass the rows of t->base over them. False: stopped. */
bool scan_pass(struct task *t, struct scan *scans);

#endif
