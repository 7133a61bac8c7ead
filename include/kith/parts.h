/* Indexes out of parts that exist already, and parts of an index.
 *
 * kith_index_new makes a whole index from a factory string, and training and adding go through all of it. A
 * program that trains or fills the parts by themselves (as those written for FAISS do) puts them together
 * with the calls below.
 */
#ifndef KITH_PARTS_H
#define KITH_PARTS_H

#include <stdint.h>

#include <kith/index.h>
#include <kith/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A part of an index: depth 0 is the index itself, 1 what it wraps (what is behind its first transform, what
 * it refines), 2 what that wraps, and so on. NULL: there is no such part; shards are not parts.
 *
 * The part belongs to the index, and may be used by calls that take a const kith_index *, as long as no call
 * changes the index. Its ids are those of the index; vectors are as the part sees them, transformed. */
KITH_API const kith_index *kith_index_part(const kith_index *index, int64_t depth);

/* What a refinement ranks candidates by: a flat index of the vectors in their finer codes, under the same
 * ids. It is used as other parts are. NULL: the index is no refinement (though a part of it may be). */
KITH_API const kith_index *kith_index_fine(const kith_index *index);

/* Put the transform that `like` begins with, as it was learnt, before an index, which may be trained and hold
 * vectors: they went through that transform already.
 *
 *   take_child  as in kith_index_wrap_transform, but trained and filled or not
 *   metric      of the new index
 *   like        a trained index that begins with a transform, e.g. "PCA64,Flat"; it stays what it is
 *
 * take_child belongs to the new index after success, to the caller after failure.
 * Errors: INVALID (dimensions or metrics that do not fit, no transform), UNTRAINED (like), NOMEM. */
KITH_API kith_status kith_index_wrap_like(
    kith_index **out, kith_index *take_child, kith_metric metric, const kith_index *like);

/* Re-rank what one index finds by the vectors of another: kith_index_wrap_refine for indexes that hold
 * vectors.
 *
 *   take_child  finds candidates
 *   take_fine   a flat index ("Flat", "SQ8", "PQ16", …) of the same dimension and metric, which holds vectors
 *               under the same ids
 *
 * Both belong to the new index after success, to the caller after failure.
 * Errors: INVALID (other ids, dimension or metric; take_fine is not flat), NOMEM. */
KITH_API kith_status kith_index_wrap_fine(kith_index **out, kith_index *take_child, kith_index *take_fine);

/* Give the inverted file in an empty index the centroids that it is to have.
 *
 *   centroids  [nlist × dim], finite, dim being the inverted file's own
 *
 * If that is all that it has to learn ("IVF1024,Flat"), it is trained then. Otherwise kith_index_train learns
 * the rest with these centroids, again and again, and needs as many vectors as that takes.
 * Errors: INVALID (there is no inverted file, or it holds vectors; centroids that are not finite), NOMEM. */
KITH_API kith_status kith_index_set_centroids(kith_index *index, int64_t nlist, const float *centroids);

/* Number the vectors 0 … n − 1 in the order of kith_index_ids: those are their ids afterwards, and the next
 * one counts on from there. Labels (preset.h) are not looked at.
 * Errors: INVALID, UNSUPPORTED (shards), NOMEM. Cost: O(1); of a refinement O(size). */
KITH_API kith_status kith_index_renumber(kith_index *index);

#ifdef __cplusplus
}
#endif
#endif
