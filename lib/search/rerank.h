/* Reranking: candidates get their exact keys. Every search ends with this, however candidates were found.
 *
 * A key is computed in double precision from the vector as it is stored, by kernels that give the same bits
 * everywhere; for bytes it is an integer. So a result depends only on the data, and not on the CPU, the
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
	bool bytes;                  /* rows and queries are bytes of one type */
	/* The key is minus the cosine: the product is divided by the length of the vector that a code stands
	 * for, which is about 1. Otherwise the rounding of that length would be most of the error for vectors
	 * near the query. */
	bool divide;
	const char *zero; /* with divide: the code of a zero vector, whose key is 0 */
};

/* The exact key of a row. q [dim]: floats, or bytes if how->bytes; scratch [dim]. */
double exact_key(
    const struct exact *how, const void *q, const struct rows *rows, int64_t row, float *scratch);

/* Where a candidate is. */
struct row_place {
	const struct rows *rows; /* NULL: the candidate is left out */
	int64_t row;
};

struct rerank {
	struct exact exact;
	struct sink *sink;
	bool shared; /* others merge into the same queries, so that the sink's lock is needed */
	/* Find candidate i of `candidates`; *list is memory for a view that is made for it. */
	struct row_place (*locate)(const void *owner, const void *candidates, int64_t i, struct rows *list);
	const void *owner;
};

/* Compute the exact keys of n candidates of query number `number` and merge them into the sink. q: as in
 * exact_key; scratch [dim]. False: no memory. Several threads may do this, for different queries unless
 * how->shared.
 */
bool rerank(const struct rerank *how, int64_t number, const void *q, const void *candidates, int64_t n,
    float *scratch);

/* Compute the exact keys of all results of another search, `candidates`, and merge them into how->sink;
 * how->locate gets an array of struct found. *exact: how many there were. False: no memory. After a cancel
 * (progress_stopped) some are missing. */
bool rerank_found(const struct rerank *how, const struct rows *query, const struct sink *candidates,
    int threads, int64_t *exact);

#endif
