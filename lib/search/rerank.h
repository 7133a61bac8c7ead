/* Rerank: candidates get their exact keys. Every search ends here, whatever found the candidates.
 *
 * A key is computed in double precision by kernels that give the same bits everywhere, from the vector as it
 * is stored; for bytes it is an integer. So an answer is a function of the data alone: not of the CPU, the
 * low-precision pass, the batch or the threads.
 */
#ifndef KITH_SEARCH_RERANK_H
#define KITH_SEARCH_RERANK_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/metric/metric.h"
#include "lib/search/sink.h"
#include "lib/tile/rows.h"

/* How exact keys are computed. */
struct exact {
	struct metric_kernels score; /* of the metric */
	bool bytes;                  /* rows and queries are bytes of one kind */
	bool
	    divide; /* minus the cosine: by the length of what the row stands for, which is about 1. Without that most of
	                what rounding has done to a vector near the query would count: the part along the vector */
	const char *zero; /* divide: the code that stands for a zero vector, whose key is 0 */
};

/* The exact key of a row. q [dim]: floats, or bytes where how->bytes; scratch [dim]. */
double exact_key(
    const struct exact *how, const void *q, const struct rows *rows, int64_t row, float *scratch);

/* Where a candidate lies. */
struct row_place {
	const struct rows *rows; /* NULL: nowhere */
	int64_t row;
};

struct rerank {
	struct exact exact;
	struct sink *sink;
	bool shared; /* others merge into the same queries: under the sink's lock */

	/* Where candidate i of `candidates` lies; *list is room for rows that are made up for it. */
	struct row_place (*locate)(const void *owner, const void *candidates, int64_t i, struct rows *list);
	const void *owner;
};

/* Exact keys of n candidates of query `number`, into the sink. q as in exact_key; scratch [dim]. False: no
 * memory. Threads: safe beside others, with queries of their own unless shared. */
bool rerank(const struct rerank *how, int64_t number, const void *q, const void *candidates, int64_t n,
    float *scratch);

/* Exact keys of all that a search left in `candidates`, of each query into its place in how->sink;
 * how->locate gets struct found. *exact: how many there were. False: no memory. Some are missing after
 * progress_stopped(). */
bool rerank_found(const struct rerank *how, const struct rows *query, const struct sink *candidates,
    int threads, int64_t *exact);

#endif
