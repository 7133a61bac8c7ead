/* Running a query with MATCH, exactly or by indexes. */
#ifndef KITH_SQLITE_SEARCH_H
#define KITH_SQLITE_SEARCH_H

#include "scan.h"

/* Find the h->k nearest rows; if the query has no k, maybe more. *complete: whether there are no further
 * ones. */
int search_run(struct table *t, const struct plan *p, struct query *q, struct hits *h, int *complete);

#endif
