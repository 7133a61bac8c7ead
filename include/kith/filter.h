/* Filters: which ids a search may return, or a removal takes.
 *
 * A filter is a small expression tree over ids. It is immutable after it was made, so one filter can
 * serve many threads at once (a callback filter as far as its callback can). Free it when no call uses it.
 *
 * Memory: kith_filter_not/and/or take their operands: after success the operands belong to the new
 * filter, after failure they still belong to the caller.
 */
#ifndef KITH_FILTER_H
#define KITH_FILTER_H

#include <stdint.h>

#include <kith/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kith_filter kith_filter;

/* Return non-zero to let `id` pass. May be called from several threads at once. */
typedef int (*kith_filter_fn)(void *data, int64_t id);

/* Ids with min <= id < max. Errors: INVALID (min > max), NOMEM. Cost: O(1) a test. */
KITH_API kith_status kith_filter_range(kith_filter **out, int64_t min, int64_t max);

/* The ids listed: ids [n], any order, repeats allowed; copied. Cost: O(n log n) to make and up to 16
 * bytes an id; O(1) a test where the ids lie close together, and for nearly all others, else O(log n).
 * Errors: INVALID (n < 0, ids NULL with n > 0), NOMEM. */
KITH_API kith_status kith_filter_ids(kith_filter **out, int64_t n, const int64_t *ids);

/* Ids i in [0, nbits) whose bit is set: bits[i / 8] >> (i % 8) & 1; copied. Cost: O(1) a test.
 * Errors: INVALID (nbits < 0, bits NULL with nbits > 0), NOMEM. */
KITH_API kith_status kith_filter_bitmap(kith_filter **out, int64_t nbits, const uint8_t *bits);

/* Ids for which fn(data, id) is non-zero. Errors: INVALID (fn NULL), NOMEM. */
KITH_API kith_status kith_filter_callback(kith_filter **out, kith_filter_fn fn, void *data);

/* Negation, intersection, union. They take their operands (see above). Expressions may nest 64 deep.
 * Errors: INVALID (an operand NULL, a and b the same filter, too deep), NOMEM. */
KITH_API kith_status kith_filter_not(kith_filter **out, kith_filter *take_a);
KITH_API kith_status kith_filter_and(kith_filter **out, kith_filter *take_a, kith_filter *take_b);
KITH_API kith_status kith_filter_or(kith_filter **out, kith_filter *take_a, kith_filter *take_b);

/* 1 if id passes, else 0; a NULL filter lets everything pass. Threads: safe. */
KITH_API int kith_filter_test(const kith_filter *filter, int64_t id);

/* Free a filter with its operands; NULL is allowed. */
KITH_API void kith_filter_free(kith_filter *filter);

#ifdef __cplusplus
}
#endif
#endif
