/* Product quantization (Jégou, Douze & Schmid, PAMI 2011), for research code: the quantizer on its own.
 * Indexes use it through the factory words "PQ16", "PQ16x4", … .
 *
 * A vector of dim components is cut into M sub-vectors of dim / M; each is replaced by the number of its
 * nearest centroid of 2^nbits. A code is M numbers of nbits bits, packed little-endian without gaps:
 * number m occupies bits m · nbits … (m + 1) · nbits − 1; code_size = ceil(M · nbits / 8) bytes.
 *
 * Threads: functions that take `const kith_pq *` may run beside each other; train and set_centroids need the
 * quantizer for themselves. A call that cannot have it, also from a progress callback, fails with KITH_BUSY
 * at once and without harm. kith_pq_centroids and free are the caller's to keep apart from train and
 * set_centroids; what never changes (dim, m, nbits, code_size) can be asked at any time.
 */
#ifndef KITH_PQ_H
#define KITH_PQ_H

#include <stddef.h>
#include <stdint.h>

#include <kith/kmeans.h>
#include <kith/library.h>
#include <kith/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kith_pq kith_pq;

/* A quantizer to be trained. dim 1 … KITH_MAX_DIM, M divides dim, nbits 4 … 12.
 * Errors: INVALID, NOMEM. */
KITH_API kith_status kith_pq_new(kith_pq **out, int64_t dim, int64_t M, int nbits);
KITH_API void kith_pq_free(kith_pq *pq);

/* Learn the codebooks from x [n × dim], n >= 2^nbits. options: of each of the M k-means runs (NULL:
 * defaults), which share the threads; objectives must be NULL, progress is told for all of them together
 * (stage "codebooks"), KITH_KMEANS_GIVEN goes on from the present codebooks. On failure pq is unchanged.
 * Errors: INVALID (too few points, non-finite x, bad options), NOMEM, CANCELLED. */
KITH_API kith_status kith_pq_train(
    kith_pq *pq, int64_t n, const float *x, const kith_kmeans_options *options);

/* dim, M, nbits, bytes of a code, centroids per sub-quantizer; 0 for NULL. */
KITH_API int64_t kith_pq_dim(const kith_pq *pq);
KITH_API int64_t kith_pq_m(const kith_pq *pq);
KITH_API int kith_pq_nbits(const kith_pq *pq);
KITH_API size_t kith_pq_code_size(const kith_pq *pq);

/* Codebooks [M × 2^nbits × dim / M], belonging to pq until it gets others; NULL before training. Set copies
 * them in. Errors: INVALID (NULL, not finite), NOMEM; pq is then unchanged. */
KITH_API const float *kith_pq_centroids(const kith_pq *pq);
KITH_API kith_status kith_pq_set_centroids(kith_pq *pq, const float *centroids);

/* x [n × dim] to codes [n × code_size] (nearest centroid, the lower number on a tie) and back.
 * Errors: INVALID, UNTRAINED. threads 0: OpenMP's default. */
KITH_API kith_status kith_pq_encode(
    const kith_pq *pq, int64_t n, const float *x, uint8_t *codes, int threads);
KITH_API kith_status kith_pq_decode(const kith_pq *pq, int64_t n, const uint8_t *codes, float *x);

/* Look-up tables of nq queries q [nq × dim]: tables [nq × M × 2^nbits], squared distances (KITH_L2) or inner
 * products (KITH_IP) between sub-vectors and centroids. */
KITH_API kith_status kith_pq_tables(
    const kith_pq *pq, kith_metric metric, int64_t nq, const float *q, float *tables);

/* Asymmetric distances of one query's table to n codes, and symmetric ones (squared L2) between codes a and b
 * [n × code_size] pairwise: out [n], sums over m ascending in float. */
KITH_API kith_status kith_pq_distances(
    const kith_pq *pq, const float *table, int64_t n, const uint8_t *codes, float *out);
KITH_API kith_status kith_pq_symmetric(
    const kith_pq *pq, int64_t n, const uint8_t *a, const uint8_t *b, float *out);

#ifdef __cplusplus
}
#endif
#endif
