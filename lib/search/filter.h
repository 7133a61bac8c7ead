/* Filters as the searches use them. */
#ifndef KITH_SEARCH_FILTER_H
#define KITH_SEARCH_FILTER_H

#include <kith/filter.h>

#include "lib/tile/rows.h"

/* Which of n <= 64 ids pass: bit i for ids[i]. NULL lets all pass. */
uint64_t filter_block(const kith_filter *filter, const int64_t *ids, int64_t n);

/* Bits [ceil(n / 64)] of the rows whose ids pass: row i is bits[i / 64] >> (i % 64) & 1, bits past n are
 * zero. Returns how many pass. Filter is not NULL. */
int64_t filter_rows(const kith_filter *filter, const struct rows *rows, int threads, uint64_t *bits);

#endif
