/* The coarse quantizer of an inverted file: an index of its centroids, which are vectors 0 … nlist − 1. It
 * finds candidates for the lists nearest to a query; the inverted file compares these with the centroids
 * exactly. */
#ifndef KITH_INDEX_QUANTIZER_H
#define KITH_INDEX_QUANTIZER_H

#include "lib/graph/graph.h"
#include "lib/index/structure.h"

/* hnsw_quantizer.c: build a graph over n finite centroids [n × dim], of at most 2 M neighbours a node; it
 * does not depend on the number of threads. Under a similarity centroids should have about one length, as
 * those of spherical k-means have. NOMEM, CANCELLED. */
kith_status hnsw_quantizer_build(kith_index **out, const struct metric *metric, int M, int64_t n, int64_t dim,
    const float *centroids, const kith_add_options *options);

/* The same with a given graph of as many nodes as there are centroids, which is empty afterwards if the call
 * succeeds. NOMEM. */
kith_status hnsw_quantizer_from_components(kith_index **out, const struct metric *metric, int64_t dim,
    const float *centroids, struct graph *take_graph);

const struct codec *hnsw_quantizer_codec(const kith_index *quantizer);

/* Its graph, and that as sections of the present node. load trusts nothing: FORMAT. */
const struct graph *hnsw_quantizer_graph(const kith_index *quantizer);
void hnsw_quantizer_save(const kith_index *quantizer, struct blob_writer *w);
kith_status hnsw_quantizer_load(kith_index **out, const struct metric *metric, int M, int64_t n, int64_t dim,
    const float *centroids, struct blob_reader *r);

struct ivf;

/* ivf_quantizer.c: make the quantizer of new centroids [nlist × dim]; *out is NULL if there is to be none. A
 * quantizer with a lossy codec changes the centroids to what its codes decode to. NOMEM, CANCELLED, INVALID
 * (the quantizer cannot learn from them). */
kith_status quantizer_build(
    kith_index **out, const struct ivf *ivf, float *centroids, const kith_add_options *options);

/* Candidates of a search of the quantizer for the k nearest: efSearch, at least k; where it is 0, as many as
 * find nearly all. */
int64_t quantizer_ef(int64_t efSearch, int64_t k);

/* Whether the quantizer with ef candidates is quicker than comparing nq queries with all centroids. */
bool quantizer_pays(const struct ivf *ivf, int64_t nq, int64_t ef);

/* Find the k nearest centroids of each query among the candidates, with exact keys, into the sink; some may
 * be missed. Threads: safe. NOMEM. */
kith_status quantizer_search(
    const struct ivf *ivf, const struct rows *query, int64_t ef, int threads, struct sink *sink);

/* Save and load a quantizer that is an index of any kind, as a node below the present one; graphs and flat
 * ones have no node. load trusts nothing: FORMAT. */
void quantizer_save(const struct ivf *ivf, struct blob_writer *w);
kith_status quantizer_load(struct ivf *ivf, struct blob_reader *r);

#endif
