/* Exact search: comparing the query with all rows that pass its conditions. */
#ifndef KITH_SQLITE_SCAN_H
#define KITH_SQLITE_SCAN_H

#include "query.h"

struct hit {
	double distance;
	int64_t rowid;
	int64_t position;
};

/* The k nearest of the hits offered so far: a heap with the farthest at the top. */
struct hits {
	int64_t n, room, k;
	struct hit *items;
};

/* Offer a hit, which is added if it is among the k nearest. Returns 0 if out of memory. */
int hits_offer(struct hits *h, double distance, int64_t rowid, int64_t position);

/* The distance above which no hit can be among the k nearest. */
double hits_bound(const struct hits *h);

/* Sort hits by distance, equal distances by rowid. */
void hits_sort(struct hits *h);
void hits_free(struct hits *h);

/* Compare the query with all rows that pass its conditions, in one part, which has n rows, or in all parts
 * (part and n −1). */
int scan_search(
    struct table *t, const struct plan *p, struct query *q, int64_t part, int64_t n, struct hits *h);

/* Compare the query with the rows at the positions of `rows`. */
int scan_compare(struct table *t, struct query *q, struct hits *rows, struct hits *h);

#endif
