/* The coarse quantizer of an inverted file as a graph: a way to the nearest centroids that does not look at
 * all of them. */
#ifndef KITH_INDEX_COARSE_H
#define KITH_INDEX_COARSE_H

#include <kith/index.h>

#include "lib/search/sink.h"
#include "lib/graph/graph.h"
#include "lib/tile/rows.h"

struct blob_reader;
struct blob_writer;
struct coarse;

/* What it is over: [n] finite rows of floats. They are the caller's, and given again with each search. Under
 * a similarity they should be about as long as each other, as those of spherical k-means are. */
struct centroids {
	const float *x; /* [n × dim] */
	int64_t n, dim;
	const struct metric *metric;
};

/* Build a graph of at most 2 M neighbours a node; the same whatever the threads. NOMEM, CANCELLED. */
kith_status coarse_build(
    struct coarse **out, const struct centroids *centroids, int M, const kith_add_options *options);

/* From a graph of as many nodes, which is empty afterwards if that succeeds. NOMEM. */
kith_status coarse_new(struct coarse **out, const struct centroids *centroids, struct graph *take_graph);

kith_status coarse_clone(struct coarse **out, const struct coarse *coarse, const struct centroids *centroids);
void coarse_free(struct coarse *coarse);
size_t coarse_memory(const struct coarse *coarse);
const struct graph *coarse_graph(const struct coarse *coarse);

/* Candidates of a walk for the k nearest: efSearch, at least k; where it is 0, as many as find nearly all. */
int64_t coarse_ef(int64_t efSearch, int64_t k);

/* Whether a walk with ef candidates is quicker than comparing each of nq queries with all n centroids. */
bool coarse_pays(const struct centroids *centroids, int M, int64_t nq, int64_t ef);

/* The sink's k nearest centroids of each query, by exact distances: of those that the walk came by, so some
 * may be others, or missing. Threads: safe. NOMEM. */
kith_status coarse_search(const struct coarse *coarse, const struct centroids *centroids,
    const struct rows *query, int64_t ef, int threads, struct sink *sink);

/* As sections of the present node. load believes nothing: FORMAT. */
void coarse_save(const struct coarse *coarse, struct blob_writer *w);
kith_status coarse_load(struct coarse **out, const struct centroids *centroids, int M, struct blob_reader *r);

#endif
