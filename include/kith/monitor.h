/* Watching indexes that live long: what an index was asked, how long that took, how much memory it holds.
 *
 * Every index counts its own searches, always: the cost is two looks at the clock and some ten relaxed atomic
 * additions a call, whatever the number of its queries, and no allocation. Counts are of calls through the
 * API; what an index asks of its children is counted with it, not with them.
 */
#ifndef KITH_MONITOR_H
#define KITH_MONITOR_H

#include <stddef.h>
#include <stdint.h>

#include <kith/index.h>
#include <kith/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bounds of the latency histogram: bucket i counts calls of at most 2^i microseconds that no bucket before it
 * counts; the last one counts all the longer ones. 2^26 µs are 67 seconds. */
#define KITH_LATENCY_BUCKETS 28

/* Counted since the index was made, opened or cloned, or since the last reset. */
typedef struct kith_index_counters {
	size_t size;          /* sizeof(kith_index_counters) */
	int64_t searches;     /* calls of kith_index_search and kith_index_range that succeeded */
	int64_t queries;      /* of those calls */
	int64_t failures;     /* calls that failed, wrong arguments and cancelled ones included */
	int64_t codes;        /* vectors looked at, in any precision */
	int64_t exact;        /* of them, distances computed exactly */
	int64_t filter_tests; /* vectors that a filter was asked about */
	int64_t filter_hits;  /* of them, those that it let pass */
	double seconds;       /* time spent in successful calls, added up over threads */
	int64_t latency[KITH_LATENCY_BUCKETS]; /* successful calls by duration */

	/* The present state, which no reset changes. */
	int64_t vectors;
	int64_t memory; /* bytes: kith_index_memory */
} kith_index_counters;

/* Read the counters; counters->size must be set. While searches run, they are each exact, but not all of one
 * moment. Errors: INVALID. Threads: as a const call, so BUSY while the index is being changed.
 * Cost: O(1), and that of kith_index_memory. */
KITH_API kith_status kith_index_stats(const kith_index *index, kith_index_counters *counters);

/* Start counting at zero. Threads: safe beside any call; searches that run meanwhile are counted before or
 * after it, in each counter for itself. Errors: INVALID (NULL). */
KITH_API kith_status kith_index_stats_reset(const kith_index *index);

/* The duration that a share of the counted calls did not exceed, in seconds: share 0.99 is the 99th
 * percentile. Between the bounds of a bucket it is interpolated, so it is right to a factor of two at worst.
 * NaN where nothing was counted, or for a share outside 0 … 1. */
KITH_API double kith_latency_quantile(const kith_index_counters *counters, double share);

/* The counters in Prometheus's text format, version 0.0.4, each labelled index="name".
 *
 *   text    [size] out: NUL-terminated; may be NULL with size 0 to ask for the length
 *   length  out: bytes without the NUL, also when they did not fit; may be NULL
 *
 * Errors: INVALID (index, name or text NULL, size too small: the message says how much is needed; text is
 * then ""). Threads: as a const call. */
KITH_API kith_status kith_index_stats_text(
    const kith_index *index, const char *name, char *text, size_t size, size_t *length);

#ifdef __cplusplus
}
#endif
#endif
