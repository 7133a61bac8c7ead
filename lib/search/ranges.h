/* The result object of range searches. */
#ifndef KITH_SEARCH_RANGES_H
#define KITH_SEARCH_RANGES_H

#include <kith/ranges.h>

struct kith_ranges {
	int64_t nq;
	int64_t *begin; /* [nq + 1] query q has neighbours begin[q] … begin[q + 1] − 1 */
	float *dist;
	int64_t *ids;
};

/* Allocate a result for `total` neighbours of nq queries; NULL: no memory. */
kith_ranges *ranges_new(int64_t nq, int64_t total);

#endif
