/* Codes: the bytes that an index keeps of a vector, without the index.
 *
 * A flat index, an inverted file or a graph has one codec ("Flat", "SQ8", "PQ16", …); what it has learnt
 * turns any vector into a code and a code into the vector that it stands for, whether that vector is in the
 * index or not. A code is a row of kith_index_code_size bytes: floats or bytes as they are, numbers of a few
 * bits one after another, the first in the lowest bits.
 *
 * An inverted file over residuals encodes what is left of a vector when the centroid of its list is taken
 * away: that is what the calls below take and give.
 */
#ifndef KITH_CODES_H
#define KITH_CODES_H

#include <stddef.h>
#include <stdint.h>

#include <kith/index.h>
#include <kith/library.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of a code; 0 for an index without codes of its own, such as a wrapper (kith_index_part gives what it
 * wraps).
 * Threads: safe at any time. */
KITH_API_DRAFT size_t kith_index_code_size(const kith_index *index);

/* The codes of n vectors.
 *
 *   x      [n × dim]  finite
 *   codes  [n × kith_index_code_size]  out
 *
 * Under cosine a codec that stores unit vectors (Flat) encodes x / ‖x‖.
 * Errors:  INVALID (n < 0, a vector that the index could not keep), UNSUPPORTED (no codes of its own),
 *          UNTRAINED, BUSY, NOMEM
 * Threads: safe beside other const calls
 * Cost:    that of adding without the lists or the graph; uses all threads */
KITH_API_DRAFT kith_status kith_index_encode(
    const kith_index *index, int64_t n, const float *x, uint8_t *codes);

/* The vectors [n × dim] that codes [n × kith_index_code_size] stand for. Any bytes are a code; floats that
 * are not finite come back as they are.
 * Errors:  INVALID (n < 0), UNSUPPORTED, UNTRAINED, BUSY
 * Threads: safe beside other const calls */
KITH_API_DRAFT kith_status kith_index_decode(
    const kith_index *index, int64_t n, const uint8_t *codes, float *x);

#ifdef __cplusplus
}
#endif
#endif
