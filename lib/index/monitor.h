/* What an index counts about its searches: kith/monitor.h says what each is. */
#ifndef KITH_INDEX_MONITOR_H
#define KITH_INDEX_MONITOR_H

#include <stdatomic.h>
#include <stdint.h>

#include <kith/monitor.h>

struct monitor {
	_Atomic int64_t searches, queries, failures, codes, exact, filter_tests, filter_hits;
	_Atomic int64_t nanoseconds;
	_Atomic int64_t latency[KITH_LATENCY_BUCKETS];
};

#endif
