/* Sorting and selecting: integers (keys with a number in their lower bits) and floats. */
#ifndef KITH_BASE_SORT_H
#define KITH_BASE_SORT_H

#include <stdint.h>

/* Ascending; a [n] distinct. */
void sort_u64(uint64_t *a, int64_t n);

/* Move the k smallest of a [n], which are distinct, to the front in any order; 0 <= k <= n. */
void select_u64(uint64_t *a, int64_t n, int64_t k);

/* The k-th smallest (from 0) of x [n], none of which is NaN; reorders x. */
float select_kth(float *x, int64_t n, int64_t k);

#endif
