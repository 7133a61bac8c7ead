/* Counting the calls of an index. */
#ifndef KITH_API_MONITOR_H
#define KITH_API_MONITOR_H

#include <kith/monitor.h>

#include "lib/index/structure.h"

/* Every index is allocated, never a constant object: writing to this member is defined. */
static inline struct monitor *monitor_of(const kith_index *index)
{
	return (struct monitor *)(uintptr_t)&index->monitor;
}

/* count.c: nanoseconds since some fixed moment. */
int64_t monitor_now(void);

/* A search of nq queries that began at `began` has ended; stats: what it did. */
void monitor_count(
    const kith_index *index, int64_t began, int64_t nq, kith_status status, const kith_search_stats *stats);

#endif
