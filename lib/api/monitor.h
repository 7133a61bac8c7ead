/* Counting the calls of an index. */
#ifndef KITH_API_MONITOR_H
#define KITH_API_MONITOR_H

#include <kith/monitor.h>

/* Nanoseconds since some fixed moment. */
int64_t monitor_now(void);

/* A search of nq queries that began at `began` has ended; stats: what it did. */
void monitor_count(
    const kith_index *index, int64_t began, int64_t nq, kith_status status, const kith_search_stats *stats);

#endif
