/* Result of a range search: for each query a list of neighbours of its own length. */
#ifndef KITH_RANGES_H
#define KITH_RANGES_H

#include <stdint.h>

#include <kith/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kith_ranges kith_ranges;

/* Neighbours of query `query`, nearest first, ties by id.
 *
 *   n     out: how many
 *   dist  out: [n] as kith_index_search; belongs to `ranges`
 *   ids   out: [n]; belongs to `ranges`
 *
 * Any of the out pointers may be NULL. Errors: INVALID (ranges NULL, query outside 0 … nq − 1).
 * Threads: safe. Cost: O(1). */
KITH_API kith_status kith_ranges_get(
    const kith_ranges *ranges, int64_t query, int64_t *n, const float **dist, const int64_t **ids);

/* Number of queries, and of neighbours over all queries; 0 for NULL. */
KITH_API int64_t kith_ranges_queries(const kith_ranges *ranges);
KITH_API int64_t kith_ranges_total(const kith_ranges *ranges);

/* Free; NULL is allowed. */
KITH_API void kith_ranges_free(kith_ranges *ranges);

#ifdef __cplusplus
}
#endif
#endif
