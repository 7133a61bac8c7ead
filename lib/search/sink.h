/* Sinks: the results of a search, either the k best of each query or all within a radius.
 *
 * A sink holds exact keys (lib/metric/metric.h) in double precision, ordered by (key, id).
 */
#ifndef KITH_SEARCH_SINK_H
#define KITH_SEARCH_SINK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <kith/library.h>
#include <kith/ranges.h>

#include "lib/metric/metric.h"

struct found {
	double key;
	int64_t id;
};

struct found_list {
	struct found *items;
	int64_t n, capacity;
};

struct sink {
	int64_t nq;
	int64_t k;                /* 0: range sink */
	bool rough;               /* top-k: a later step ranks the results, so that keys need not be exact */
	double radius;            /* range sink: keys that round to a greater float are not kept */
	struct found *best;       /* top-k: [nq × k], each list ascending */
	int64_t *count;           /* top-k: [nq] */
	struct found_list *lists; /* range: [nq], not sorted */
	pthread_mutex_t lock;     /* for tasks that share queries */
};

kith_status sink_init_topk(struct sink *sink, int64_t nq, int64_t k);
kith_status sink_init_range(struct sink *sink, int64_t nq, double radius);
void sink_free(struct sink *sink);

/* Make *part a sink of queries from … from + n − 1 of another one, which gets its results. It must not be
 * freed. */
void sink_part(struct sink *part, const struct sink *sink, int64_t from, int64_t n);

/* The bound of query q: greater keys are not kept. +∞ while the list is not full. */
double sink_bound(const struct sink *sink, int64_t q);

/* Add n neighbours, whose ids must not be in the sink yet; `items` is reordered. False: no memory. The caller
 * must hold the lock if others may merge into the same query. */
bool sink_merge(struct sink *sink, int64_t q, struct found *items, int64_t n);

/* Write a top-k sink as kith_index_search documents it, with scores of the metric, padded to k >= sink->k
 * columns. */
void sink_write_topk(
    const struct sink *sink, int64_t k, const struct metric *metric, float *dist, int64_t *ids);

/* Make a range sink for scores within a radius of the metric; and copy its results to a result object,
 * sorted. */
kith_status sink_init_scores(struct sink *sink, int64_t nq, const struct metric *metric, float radius);
kith_status sink_take_ranges(struct sink *sink, const struct metric *metric, float radius, kith_ranges **out);

#endif
