/* Indexes out of parts, and parts of an index.
 *
 * kith_index_new makes a whole index from a factory string, and training and adding go through all of it. The
 * first calls below put an index together as its words would. A program that trains or fills the parts by
 * themselves (as those written for FAISS do) uses those after them.
 */
#ifndef KITH_PARTS_H
#define KITH_PARTS_H

#include <stdint.h>

#include <kith/index.h>
#include <kith/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- empty parts ---- */

/* Transform vectors on their way to an index and back: a new index for vectors of dimension dim.
 *
 *   take_child  empty, over floats, of the dimension that comes out; its metric is the new one, or KITH_IP
 *               under KITH_COSINE: vectors are then normalised before the transform
 *   transform   "PCA64"      the 64 principal components (under L2 about the mean, else about the origin);
 *                            a W after PCA scales them to unit variance, an R rotates them at random
 *               "OPQ16"      the rotation that suits a product quantizer of 16 parts best, "OPQ16_64"
 *                            to dimension 64 (Ge, He, Ke & Sun, CVPR 2013)
 *               "RR"         a random rotation, "RR64" to dimension 64
 *               "L2norm"     to unit length
 *               "Pad128"     with zeros to dimension 128
 *
 * Distances are the child's, between transformed vectors. kith_index_get maps back: orthonormal maps by their
 * transpose (and the mean), whitening by its inverse; unit length stays. PCA, OPQ and RR must be trained, PCA
 * with as many vectors as components, OPQ with 256.
 * Each vector is transformed by itself: to the same bits whatever the threads and whatever else is in a call.
 * take_child belongs to the new index after success, to the caller after failure.
 * Errors: INVALID (dimensions, metrics or types that do not fit, a child with vectors), NOMEM. */
KITH_API kith_status kith_index_wrap_transform(
    kith_index **out, kith_index *take_child, int64_t dim, kith_metric metric, const char *transform);

/* Re-rank what an index finds: a new index of the same dimension and metric that keeps all vectors in a
 * second, finer codec ("Flat", "SQ8", …; see kith_index_new). A search asks the child for k ·
 * options->k_factor candidates and ranks them by exact distances to the finer codes. A range search ranks
 * those that the child takes to be within the radius, so it misses what the child thinks too far.
 *
 *   take_child  empty; belongs to the new index after success, to the caller after failure
 *
 * Errors: INVALID, UNSUPPORTED (codec), NOMEM. */
KITH_API kith_status kith_index_wrap_refine(kith_index **out, kith_index *take_child, const char *codec);

/* Make one index out of n >= 1 of the same dimension, metric and element type, whose ids differ. They may
 * hold vectors. What is added goes to the smallest; an id lives in one of them. kith_index_ids goes through
 * them one after another. Unlike other indexes, a change that fails for memory may have been made in part: a
 * removal or an update as far as it went (it can be repeated), an add if no memory was left to take it back.
 *
 *   take_children  [n] belong to the new index after success, to the caller after failure; out may not be
 *                  one of its places
 *
 * Errors: INVALID, NOMEM. */
KITH_API kith_status kith_index_wrap_shards(kith_index **out, int64_t n, kith_index **take_children);

/* ---- parts that are trained or filled ---- */

/* A part of an index: depth 0 is the index itself, 1 what it wraps (what is behind its first transform, what
 * it refines), 2 what that wraps, and so on. NULL: there is no such part; shards are not parts.
 *
 * The part belongs to the index, and may be used by calls that take a const kith_index *, as long as no call
 * changes the index. Its ids are those of the index; vectors are as the part sees them, transformed. */
KITH_API_DRAFT const kith_index *kith_index_part(const kith_index *index, int64_t depth);

/* What a refinement ranks candidates by: a flat index of the vectors in their finer codes, under the same
 * ids. It is used as other parts are. NULL: the index is no refinement (though a part of it may be). */
KITH_API_DRAFT const kith_index *kith_index_fine(const kith_index *index);

/* The index of the centroids by which an inverted file with a quantizer in parentheses ("IVF1024(SQ8),Flat")
 * finds its lists: its ids are numbers of lists. It is used as other parts are, until the index is trained
 * anew. NULL: the index is no such inverted file (though a part of it may be), or not trained. */
KITH_API_DRAFT const kith_index *kith_index_quantizer(const kith_index *index);

/* Put the transform that `like` begins with, as it was learnt, before an index, which may be trained and hold
 * vectors: they went through that transform already.
 *
 *   take_child  as in kith_index_wrap_transform, but trained and filled or not
 *   metric      of the new index
 *   like        a trained index that begins with a transform, e.g. "PCA64,Flat"; it stays what it is
 *
 * take_child belongs to the new index after success, to the caller after failure.
 * Errors: INVALID (dimensions or metrics that do not fit, no transform), UNTRAINED (like), NOMEM. */
KITH_API_DRAFT kith_status kith_index_wrap_like(
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
KITH_API_DRAFT kith_status kith_index_wrap_fine(
    kith_index **out, kith_index *take_child, kith_index *take_fine);

/* Give the inverted file in an empty index the centroids that it is to have.
 *
 *   centroids  [nlist × dim], finite, dim being the inverted file's own
 *
 * If that is all that it has to learn ("IVF1024,Flat"), it is trained then. Otherwise kith_index_train learns
 * the rest with these centroids, again and again, and needs as many vectors as that takes.
 * Errors: INVALID (there is no inverted file, or it holds vectors; centroids that are not finite), NOMEM. */
KITH_API_DRAFT kith_status kith_index_set_centroids(kith_index *index, int64_t nlist, const float *centroids);

/* Number the vectors 0 … n − 1 in the order of kith_index_ids: those are their ids afterwards, and the next
 * one counts on from there. Labels (preset.h) are not looked at.
 * Errors: INVALID, UNSUPPORTED (shards), NOMEM. Cost: O(1); of a refinement O(size). */
KITH_API_DRAFT kith_status kith_index_renumber(kith_index *index);

#ifdef __cplusplus
}
#endif
#endif
