/* Searching: by comparing all, or by the indexes of the parts. */
#ifndef KITH_SQLITE_SEARCH_H
#define KITH_SQLITE_SEARCH_H

#include "scan.h"

/* The h->k nearest rows, or, where k is open, at least h->k of them. *complete: there are no others. */
int search_run(struct table *t, const struct plan *p, struct query *q, struct hits *h, int *complete);

#endif
