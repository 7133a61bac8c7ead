/* Searching one part, by its index if it has one. */
#ifndef KITH_SQLITE_SEARCH_PART_H
#define KITH_SQLITE_SEARCH_PART_H

#include "scan.h"

/* Offer the nearest of a part's n rows to h, which has room for k of them. */
int search_part(
    struct table *t, const struct plan *p, struct query *q, int64_t part, int64_t n, struct hits *h);

#endif
