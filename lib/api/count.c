/* Counting what an index is asked. The counters lie in the index itself and are changed by relaxed atomic
 * additions, a few per call and none per query or vector, so that they can stay on. */
#include "lib/api/monitor.h"

#include "lib/base/clock.h"

static void add(_Atomic int64_t *counter, int64_t value)
{
	if (value)
		atomic_fetch_add_explicit(counter, value, memory_order_relaxed);
}

/* The first bucket whose bound, 2^i microseconds, is not below the duration. */
static int bucket_of(int64_t nanoseconds)
{
	uint64_t us = (uint64_t)(nanoseconds > 0 ? nanoseconds + 999 : 0) / 1000;
	int bucket = us <= 1 ? 0 : 64 - __builtin_clzll(us - 1);
	return bucket < KITH_LATENCY_BUCKETS ? bucket : KITH_LATENCY_BUCKETS - 1;
}

void monitor_count(
    const kith_index *index, int64_t began, int64_t nq, kith_status status, const kith_search_stats *stats)
{
	struct monitor *m = monitor_of(index);
	if (status != KITH_OK) {
		add(&m->failures, 1);
		return;
	}
	int64_t took = clock_ns() - began;
	add(&m->searches, 1);
	add(&m->queries, nq);
	add(&m->codes, stats->pairs);
	add(&m->exact, stats->exact);
	add(&m->filter_tests, stats->tested);
	add(&m->filter_hits, stats->passed);
	add(&m->nanoseconds, took);
	add(&m->latency[bucket_of(took)], 1);
}
