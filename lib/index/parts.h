/* Indexes made of parts that others have learnt and coded, and what parts an index has: for files of other
 * libraries. Parts were checked by whoever gives them: finite, and as many as belong together. */
#ifndef KITH_INDEX_PARTS_H
#define KITH_INDEX_PARTS_H

#include "lib/graph/graph.h"
#include "lib/index/structure.h"
#include "lib/index/vectors.h"
#include "lib/learn/linear.h"

/* Each takes what is named so if it succeeds; codecs are trained. */

kith_status flat_from_components(kith_index **out, const struct metric *metric, struct vectors *take);

/* The vectors of a flat index, which may be taken out of it before it is freed; NULL: it is not flat. */
struct vectors *flat_vectors(kith_index *index);

/* The child may hold vectors. INVALID (see refine_new; its ids are others than the store's), NOMEM. */
kith_status refine_from_components(kith_index **out, struct vectors *take, kith_index *take_child);

/* The maps are taken only if the mapping is linear; given: training does not learn them again. INVALID (see
 * transform_new, but the child may hold vectors), NOMEM. */
kith_status transform_from_components(kith_index **out, const struct metric *metric,
    const struct mapping *mapping, struct linear *take_there, struct linear *take_back, bool given,
    kith_index *take_child);

/* ivf_parts.c: give an empty index of ivf_new, with a trained codec, its centroids [nlist × dim] and its ids
 * [n] (NULL: 0 …); then, if it is of a spec with one, the graph over the
 * centroids, of its M, which is empty afterwards if that succeeds; then its lists, each once: n codes as in
 * codes_append_plain, and their numbers among the ids, each of which must be in one list; then it is trained.
 * After a failure the index is only freed. */
kith_status ivf_begin_components(kith_index *index, const float *centroids, int64_t n, const int64_t *ids);
kith_status ivf_take_graph(kith_index *index, struct graph *take);
kith_status ivf_put_list(
    kith_index *index, int64_t list, int64_t n, const void *codes, const uint32_t *numbers);
void ivf_end_components(kith_index *index);

/* hnsw_parts.c: a graph index of vectors, whose codes are gathered (codec.h), and the graph over them. Both
 * are empty afterwards if that succeeds. INVALID (M), NOMEM. */
kith_status hnsw_from_components(
    kith_index **out, const struct metric *metric, struct vectors *take, struct graph *take_graph);

/* ---- what there is ---- */

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
