/* Counting the calls of an index. */
#ifndef KITH_API_MONITOR_H
#define KITH_API_MONITOR_H

#include <kith/monitor.h>

#include "lib/index/structure.h"

/* The counters, for calls to which the index is const. No index lies in read-only memory. */
static inline struct monitor *monitor_of(const kith_index *index)
{
	return (struct monitor *)(uintptr_t)&index->monitor;
}

/* count.c: count a search of nq queries that began at `began` (clock_ns) and has just ended. */
void monitor_count(
    const kith_index *index, int64_t began, int64_t nq, kith_status status, const kith_search_stats *stats);

#endif
