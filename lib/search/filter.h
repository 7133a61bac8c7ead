/* Filters as the searches use them. */
#ifndef KITH_SEARCH_FILTER_H
#define KITH_SEARCH_FILTER_H

#include <kith/filter.h>

#include "lib/tile/rows.h"

/* Which of n <= 64 ids pass: bit i is for ids[i]. Without a filter (NULL) all pass. */
uint64_t filter_block(const kith_filter *filter, const int64_t *ids, int64_t n);

/* Test the ids of all rows: bit i % 64 of bits[i / 64] is set if row i passes, and bits beyond the last row
 * are zero. bits [ceil(n / 64)]. Returns how many pass. The filter must not be NULL. */
int64_t filter_rows(const kith_filter *filter, const struct rows *rows, int threads, uint64_t *bits);

#endif
