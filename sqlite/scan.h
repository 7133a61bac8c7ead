/* Exact search: the rows that pass, compared one by one. */
#ifndef KITH_SQLITE_SCAN_H
#define KITH_SQLITE_SCAN_H

#include "query.h"

struct hit {
	double distance;
	int64_t rowid;
	int64_t position;
};

/* The k nearest of what was offered so far, a heap with the farthest on top. */
struct hits {
	int64_t n, room, k;
	struct hit *items;
};

/* Offer one. 0: out of memory. */
int hits_offer(struct hits *h, double distance, int64_t rowid, int64_t position);

/* The distance above which nothing is wanted any more. */
double hits_bound(const struct hits *h);

/* Nearest first, ties by rowid. */
void hits_sort(struct hits *h);
void hits_free(struct hits *h);

/* Compare the query with all rows that pass its conditions: of one part, which has n rows (−1: not known),
 * or of all (part −1). */
int scan_search(
    struct table *t, const struct plan *p, struct query *q, int64_t part, int64_t n, struct hits *h);

/* Compare it with the rows at the positions of `rows`. */
int scan_compare(struct table *t, struct query *q, struct hits *rows, struct hits *h);

#endif
