/* Exact k nearest neighbours without an index.
 *
 * kith_knn is one call over arrays in memory. kith_knn_stream_* takes the base in pieces, so that a
 * base larger than memory can be searched: the queries stay, the base passes by once.
 */
#ifndef KITH_KNN_H
#define KITH_KNN_H

#include <stddef.h>
#include <stdint.h>

#include <kith/index.h>
#include <kith/library.h>
#include <kith/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Find for each query the k nearest rows of x.
 *
 *   x     [n × dim], q [nq × dim]: elements of `type` (f32, u8 or i8), row-major, finite
 *   dist  [nq × k], ids [nq × k] out: as kith_index_search; ids are row numbers
 *
 * Errors, cost, exactness: as kith_index_search on a flat index; nothing of x is copied. */
KITH_API kith_status kith_knn(int64_t dim, kith_metric metric, kith_type type, int64_t n, const void *x,
    int64_t nq, const void *q, int64_t k, float *dist, int64_t *ids, const kith_search_options *options);

/* Threads: get may run beside get; feed needs the stream for itself. A call that cannot have it, also from a
 * callback, fails with KITH_BUSY at once and without harm. */
typedef struct kith_knn_stream kith_knn_stream;

/* Begin a search: q [nq × dim] of `type` is copied. options as for a search; its filter and progress must
 * outlive the stream. Memory: O(nq · (dim + k)). */
KITH_API kith_status kith_knn_stream_new(kith_knn_stream **out, int64_t dim, kith_metric metric,
    kith_type type, int64_t nq, const void *q, int64_t k, const kith_search_options *options);

/* Search the next n rows. Row i begins at x + i · stride bytes (any alignment; stride 0: dense) and
 * gets the next id: 0, 1, 2 … over all pieces. x is not kept.
 * Errors: INVALID (non-finite x: the message names the row), NOMEM, CANCELLED; after an error only
 * kith_knn_stream_free may follow. */
KITH_API kith_status kith_knn_stream_feed(kith_knn_stream *stream, int64_t n, const void *x, size_t stride);

/* Results so far: dist, ids [nq × k] as kith_index_search. More rows may be fed afterwards. */
KITH_API kith_status kith_knn_stream_get(const kith_knn_stream *stream, float *dist, int64_t *ids);

/* Free; NULL is allowed. */
KITH_API void kith_knn_stream_free(kith_knn_stream *stream);

#ifdef __cplusplus
}
#endif
#endif
