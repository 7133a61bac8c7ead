/* Making indexes of parts that were learnt and encoded elsewhere, and taking them apart: for files of other
 * libraries. The caller has checked that the parts are finite and that their sizes fit together. */
#ifndef KITH_INDEX_PARTS_H
#define KITH_INDEX_PARTS_H

#include "lib/graph/graph.h"
#include "lib/index/structure.h"
#include "lib/index/vectors.h"
#include "lib/learn/linear.h"

/* Each function takes the arguments named `take` if it succeeds; codecs are trained. */

kith_status flat_from_components(kith_index **out, const struct metric *metric, struct vectors *take);

/* The vectors of a flat index, which may be taken out of it before it is freed; NULL: it is not flat. */
struct vectors *flat_vectors(kith_index *index);

/* The child may hold vectors. INVALID (see refine_new; its ids differ from those of the vectors), NOMEM. */
kith_status refine_from_components(kith_index **out, struct vectors *take, kith_index *take_child);

/* The maps are taken only if the mapping is linear; given: training does not learn them anew. INVALID (see
 * transform_new, but the child may hold vectors), NOMEM. */
kith_status transform_from_components(kith_index **out, const struct metric *metric,
    const struct mapping *mapping, struct linear *take_forward, struct linear *take_inverse, bool given,
    kith_index *take_child);

/* ivf_parts.c: fill an empty index of ivf_new that has a trained codec. First its centroids [nlist × dim] and
 * ids [n] (NULL: 0 … n − 1); then, if its spec has one, the graph over the centroids, of the same M, which is
 * empty afterwards if the call succeeds; then each list once: n codes as in codes_append_plain and their
 * numbers among the ids, each of which must be in one list; at the end the index is trained. After a failure
 * the index can only be freed. */
kith_status ivf_begin_components(kith_index *index, const float *centroids, int64_t n, const int64_t *ids);
kith_status ivf_take_graph(kith_index *index, struct graph *take);
kith_status ivf_put_list(
    kith_index *index, int64_t list, int64_t n, const void *codes, const uint32_t *numbers);
void ivf_end_components(kith_index *index);

/* hnsw_parts.c: a graph index of vectors, whose codes are gathered (codec.h), and of the graph over them.
 * Both are empty afterwards if the call succeeds. INVALID (M), NOMEM. */
kith_status hnsw_from_components(
    kith_index **out, const struct metric *metric, struct vectors *take, struct graph *take_graph);

/* ---- taking apart ---- */

struct stored_components {
	const struct codec *codec;
	const struct codes *codes;
	const struct ids *ids;
};

struct transform_components {
	const struct mapping *mapping;
	const struct linear *forward, *inverse; /* NULL: not linear */
	const kith_index *child;
};

/* Whether it is such an index; if so, its parts. */
bool flat_components(const kith_index *index, struct stored_components *parts);
bool refine_components(const kith_index *index, struct stored_components *parts, const kith_index **child);
const kith_index *refine_fine(const kith_index *index); /* what ranks candidates; NULL: it is no refinement */
bool transform_components(const kith_index *index, struct transform_components *parts);
bool is_ivf(const kith_index *index);
const struct graph *ivf_graph(const kith_index *index); /* over the centroids; NULL: none */
bool is_hnsw(const kith_index *index);

#endif
