/* Argument checks that several calls share. Each returns KITH_OK or fails with a message. */
#ifndef KITH_API_CHECK_H
#define KITH_API_CHECK_H

#include <kith/index.h>
#include <kith/kmeans.h>

#include "lib/tile/rows.h"

kith_status check_dim(int64_t dim);
kith_status check_metric(kith_metric id);
kith_status check_vector_type(kith_type type);

/* n vectors of argument `name`: n >= 0, a pointer where n > 0, n · dim elements addressable. */
kith_status check_vectors(const char *name, int64_t n, int64_t dim, kith_type type, const void *x);

/* Queries: as check_vectors, and finite. */
struct metric;
kith_status check_queries(
    int64_t nq, int64_t dim, kith_type type, const void *q, const struct metric *metric);

kith_status check_k(int64_t k);

/* The options' size is one that this library knows, threads >= 0. NULL is fine. On success *full is a
 * complete copy with defaults for what an older caller does not know. n: points that options->weights has one
 * of each. */
kith_status check_search_options(const kith_search_options *options, kith_search_options *full);
kith_status check_add_options(const kith_add_options *options, kith_add_options *full);
/* options->probes is NULL unless there is an inverted file behind the index's transforms and refinement. */
kith_status check_probes(const kith_index *index, const kith_search_options *options);
kith_status check_kmeans_options(const kith_kmeans_options *options, int64_t n, kith_kmeans_options *full);

#endif
