/* An index: vectors with ids that can be searched for nearest neighbours.
 *
 * Threads: functions that take `const kith_index *` may run beside each other on one index; train, add,
 * update, remove, compact, reorder, reserve, merge, append and tag_set need it for themselves, and so do the
 * wrap functions, which take it over. A call that cannot have the index fails with KITH_BUSY, at once and
 * without harm, so that it can be tried again. The same goes for calls that a callback (a filter, progress,
 * what writes a stream) makes on the index of the call that it serves.
 * Of the functions that return no status, those about what never changes (dim, metric, type, describe, uses)
 * can be called at any time. The others (size, trained, has, memory, note, tag, tag_at) may run beside const
 * calls, but like free they are the caller's to keep apart from changes.
 *
 * Failure: an index is unchanged by a call that fails; every out pointer is then NULL or zero.
 */
#ifndef KITH_INDEX_H
#define KITH_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include <kith/filter.h>
#include <kith/library.h>
#include <kith/ranges.h>
#include <kith/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kith_index kith_index;

/* What a search did; filled when the options point to one. */
typedef struct kith_search_stats {
	size_t size;    /* sizeof(kith_search_stats) */
	int64_t pairs;  /* (query, vector) pairs that were looked at in any precision: codes scanned */
	int64_t exact;  /* pairs whose distance was computed exactly */
	int64_t lists;  /* inverted files: (query, list) pairs */
	int64_t tested; /* vectors that the filter was asked about */
	int64_t passed; /* of them, those that it let pass */
} kith_search_stats;

/* Options of a search. Start from KITH_SEARCH_OPTIONS so that new members get their defaults. */
typedef struct kith_search_options {
	size_t size;               /* sizeof(kith_search_options) */
	int threads;               /* 0: OpenMP's default */
	const kith_filter *filter; /* only ids that pass; NULL: all */
	kith_progress progress;    /* NULL: none */
	void *progress_data;
	kith_search_stats *stats; /* out; NULL: none */
	int64_t nprobe;           /* inverted files: lists to look at; 0: 8; more than nlist: all */
	int64_t max_codes;        /* inverted files: no further list after so many vectors of a query's lists,
	                             whether or not they pass the filter; 0: no limit */
	float k_factor;           /* refining: candidates per result, >= 1; 0: 4 */
	int64_t efSearch;         /* graphs: candidates kept on the way, at least k; 0: 64. Graphs over the
	                             lists of an inverted file ("IVF65536_HNSW32,…"): the same, at least nprobe;
	                             0: lists are found by the graph or by comparing all, whichever is quicker */
	int exact_range; /* range searches: 1: find everything within the radius (see kith_index_range), for
	                    the price of comparing all; 0: what the index's own search finds */
	const int32_t *probes; /* inverted files: [nq × nprobe] numbers of the lists to look at, -1: none; a
	                          repeated one counts once. nprobe must be set, at most the number of lists.
	                          NULL: the nearest. Other indexes refuse it */
} kith_search_options;
#define KITH_SEARCH_OPTIONS                                                                                  \
	{                                                                                                    \
		sizeof(kith_search_options), 0, NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, NULL                  \
	}

/* Options of training, adding and updating. */
typedef struct kith_add_options {
	size_t size;            /* sizeof(kith_add_options) */
	int threads;            /* 0: OpenMP's default */
	kith_progress progress; /* NULL: none */
	void *progress_data;
	uint64_t seed;          /* of training and of graphs: the same seed gives the same index, whatever the
	                           number of threads */
	int64_t efConstruction; /* graphs: candidates for the neighbours of a new vector; 0: 200 */
	int no_projection;      /* flat indexes: non-zero: never keep projections of their vectors, which make
	                           searches faster and take up to a tenth of the memory beside them (15% from 256
	                           dimensions on); 0: where it pays, once there have been some hundred queries */
} kith_add_options;
#define KITH_ADD_OPTIONS                                                                                     \
	{                                                                                                    \
		sizeof(kith_add_options), 0, NULL, NULL, 1234, 0, 0                                          \
	}

/* Make an empty index from a FAISS index-factory string.
 *
 *   dim     1 … KITH_MAX_DIM
 *   spec    "Flat": exact search over floats, stored losslessly
 *           "SQ8_direct" (or "U8"), "SQ8_direct_signed" (or "I8"): exact search over byte vectors,
 *           one byte a dimension
 *           "SQfp16", "SQbf16": floats rounded to 16 bits, of which 11 and 8 are significant: values that
 *           differ by less than 0.05% and 0.4% of themselves become equal, whatever finds them; where an
 *           offset is large against the spread, subtract it first, or refine ("SQbf16,RFlat"). SQfp16 refuses
 *           values beyond ±65504, also where a transform or the distance from a centroid makes them so
 *           "SQ8", "SQ6", "SQ4": each element as a number of so many bits, from the least to the greatest
 *           value that the element had in training; "SQ8_uniform": one range for all elements (FAISS's
 *           QT_8bit_uniform); "SQ8_quantile", "SQ8_uniform_quantile": without the 4^-bits most extreme values
 *           on either side, where outliers would make the steps coarse. These words are kith's own.
 *           "PQ16", "PQ16x10": product quantizer of 16 numbers of 8 (or 4 … 12) bits; 16 divides dim
 *           "RaBitQ", "RaBitQ2" … "RaBitQ8": so many bits a dimension (1 where it is not said) of the vector
 *           turned at random, and 4 bytes more, 8 from 2 bits on (Gao & Long 2024). Nothing is learnt but the
 *           mean. "fs" and a block size behind ("RaBitQfs4_64", FAISS's words) change nothing
 *           "IVF1024,Flat" and any other codec: an inverted file of 1024 lists
 *           "IVF65536_HNSW32,Flat": lists are found by a graph over their centroids (M = 32 where it is not
 *           said), which pays where there are thousands and queries come few at a time; with many queries
 *           at once, and for adding, all centroids are compared
 *           "IVF65536(IVF256,Flat),PQ16": any index of the centroids finds the lists, with its own default
 *           options but for efSearch; "IVF1024(Flat)" is IVF1024, "IVF1024(HNSW32,Flat)" is IVF1024_HNSW32.
 *           Where it only keeps something like the centroids ("IVF1024(SQ8)"), that is what they are then
 *           "IVF1024_whole,PQ16": codes of whole vectors instead of residuals
 *           "HNSW32" and "HNSW32,SQ8" (or "HNSW32_SQ8", any codec): a graph with up to 64 neighbours a
 *           vector (32 on the upper levels), searched approximately (Malkov & Yashunin 2016). Floats are
 *           compared by as many of their bits as the vectors need, which is measured while they are added
 *           "IDMap,…" and "IDMap2,…" are accepted: every index keeps ids
 *
 * Before it, transforms of the vectors, each with a comma (kith_index_wrap_transform says what they are):
 *           "PCA64", "PCAW64", "PCAR64", "PCAWR64", "OPQ16", "OPQ16_64", "RR64", "L2norm", "Pad128"
 *
 * After it, ",RFlat" or ",Refine(SQ8)" (any codec): kith_index_wrap_refine, around transforms too
 *
 * In its place, kith's own: "Shards4(…)" is four of an index (kith_index_wrap_shards), "PCA64,(PQ16,RFlat)"
 *           refines below the transform
 *
 * KITH_L1, KITH_LINF and all metrics after them are for vectors that are kept as floats ("Flat",
 * "IVF1024,Flat", "HNSW32", and what is around them). They are compared one by one, where the other metrics
 * compare many at once.
 *
 * Errors: INVALID (dim, metric, a word of spec that is unknown or impossible: the message names it),
 * UNSUPPORTED (a word that kith does not build yet, or not for this metric), NOMEM. */
KITH_API kith_status kith_index_new(kith_index **out, int64_t dim, kith_metric metric, const char *spec);

/* Independent copy. Errors: INVALID, NOMEM. Cost: O(bytes). */
KITH_API kith_status kith_index_clone(kith_index **out, const kith_index *index);

/* Free; NULL is allowed. */
KITH_API void kith_index_free(kith_index *index);

/* Learn what the index needs from x [n × dim]. A flat index needs nothing and only checks x.
 * Errors: INVALID (non-finite x, too few vectors), NOMEM, CANCELLED. */
KITH_API kith_status kith_index_train(
    kith_index *index, int64_t n, const float *x, const kith_add_options *options);

/* Add vectors.
 *
 *   x    [n × dim] row-major, finite
 *   ids  [n] distinct, >= 0, not in the index yet; NULL: count on from the largest id so far
 *
 * The _as form takes elements of any type: bytes go into a float index as their values, and into a
 * byte index as they are; floats go into a byte index only if all of them are its integers.
 * Errors: INVALID (non-finite or out-of-range x, repeated or negative ids), UNTRAINED, NOMEM,
 * CANCELLED. Cost: O(n · dim); graph: some microseconds a vector in large numbers to a small index, else as
 * much as a search with efConstruction candidates, and now and then a pass over all that is there. */
KITH_API kith_status kith_index_add(
    kith_index *index, int64_t n, const float *x, const int64_t *ids, const kith_add_options *options);
KITH_API kith_status kith_index_add_as(kith_index *index, kith_type type, int64_t n, const void *x,
    const int64_t *ids, const kith_add_options *options);

/* Replace the vectors of ids [n] (all present; of a repeated id the last counts) by x [n × dim].
 * Errors: as add, and NOTFOUND (an id is not in the index). */
KITH_API kith_status kith_index_update(kith_index *index, int64_t n, const float *x, const int64_t *ids);
KITH_API kith_status kith_index_update_as(
    kith_index *index, kith_type type, int64_t n, const void *x, const int64_t *ids);

/* Remove all vectors whose ids pass; removed (may be NULL) gets their number. The order of the others
 * is kept. Errors: INVALID (NULL filter), NOMEM. Cost: O(size · dim). */
KITH_API kith_status kith_index_remove(kith_index *index, const kith_filter *which, int64_t *removed);

/* Move all vectors of `from` behind those of `into`: two indexes of one kind that learnt the same (clones of
 * one trained index, say, filled on two machines; loading one file twice gives such too). Inverted lists,
 * codes and transforms move as they are: nothing is encoded again.
 *
 *   from   is empty afterwards, trained as before, and the caller's to free; its next ids count from 0
 *   shift  is added to the ids that move; 0: they must not be in `into`
 *
 * Errors: INVALID (other dimension, metric, description or training; ids taken or out of range), UNTRAINED,
 * UNSUPPORTED (graphs, whose edges would have to be chosen anew: add the vectors of one to the other; shards:
 * kith_index_wrap_shards takes them all), NOMEM; both are then unchanged.
 * Cost: O(bytes of from). */
KITH_API kith_status kith_index_merge(kith_index *into, kith_index *from, int64_t shift);

/* Clear away what removals and updates have left behind, and free its memory and all spare room. A graph is
 * linked around the vectors that were removed and searched as fast as a new one afterwards; other indexes
 * only free memory, of which they hold up to half as much again after many small adds. Ids, vectors and their
 * order stay. options: threads, progress (which takes a copy of a graph, for a cancel to go back to);
 * NULL: defaults.
 * Errors: INVALID, NOMEM, CANCELLED (shards: those that were done stay so). Cost: O(size), and inserting the
 * neighbours of what was removed. */
KITH_API kith_status kith_index_compact(kith_index *index, const kith_add_options *options);

/* Renumber the nodes of graphs so that neighbours lie near each other in memory: a last step after building
 * one. Ids, vectors and the order of kith_index_ids stay; searches take the same ways and find the same, but
 * for the choice among equally near vectors. Other indexes (flat ones, inverted files and the graphs over
 * their lists) have nothing to reorder; wrappers pass the call on to what is inside them.
 *
 *   options  progress; NULL: defaults
 *
 * It pays for large graphs that were filled in no order: searching a million vectors of 128 floats became
 * faster by 4–9% with 64 candidates and 11–20% with 200, by 3–5% where the search goes over bytes
 * ("SQ8,RFlat"). A graph that fits the caches gains nothing. Vectors that are added later lie behind the
 * others, until it is called again. Removed vectors keep their nodes: call kith_index_compact before. Memory:
 * 8 bytes a vector more from then on (4 in a file), as after a removal; at its peak another 8, and one copy
 * of the upper levels. Of an index that was opened with KITH_MMAP, whatever moves is then held in memory.
 * Errors: INVALID, NOMEM, CANCELLED (shards: those that were done stay so). Cost: O(size), about a second for
 * a million vectors, on one thread. The same index gives the same bytes. */
KITH_API kith_status kith_index_reorder(kith_index *index, const kith_add_options *options);

/* Make room for n vectors in all, so that adding them grows nothing. Errors: INVALID, NOMEM. */
KITH_API kith_status kith_index_reserve(kith_index *index, int64_t n);

/* Find the k nearest stored vectors of each query.
 *
 *   q     [nq × dim] row-major, finite
 *   k     1 … KITH_MAX_K; may exceed the number of vectors
 *   dist  [nq × k] out: the value of the metric (kith_metric; L2 is squared); best first, ties by id. Codes
 *         are not quite of unit length: a cosine is divided by the length of what the code stands for, for
 *         which all but graphs keep 4 bytes a vector. RaBitQ, whose products are right on average, and
 *         what is behind a transform (OPQ16,IVF1024,PQ16) give the inner product with what codes stand for
 *   ids   [nq × k] out: −1 where fewer than k were found (dist: +∞ for distances, −∞ for similarities)
 *
 * On failure dist and ids are untouched or partly written.
 * Errors: INVALID (k, nq < 0, non-finite q), UNTRAINED, NOMEM, CANCELLED.
 * Cost: flat: nq · n · dim; graph: nq · efSearch · M · dim, about. Exact indexes give the same bits on every
 * CPU, batch size and number of threads: distances are computed in double precision and rounded once. So do
 * inverted files; but with a graph over the lists, which of them are found may depend on the batch size (a
 * search misses one in a thousand or so), unless efSearch is given. */
KITH_API kith_status kith_index_search(const kith_index *index, int64_t nq, const float *q, int64_t k,
    float *dist, int64_t *ids, const kith_search_options *options);
KITH_API kith_status kith_index_search_as(const kith_index *index, kith_type type, int64_t nq, const void *q,
    int64_t k, float *dist, int64_t *ids, const kith_search_options *options);

/* Find all stored vectors within a radius of each query: distance <= radius for L2 (squared!), L1 and other
 * distances, similarity >= radius for inner product, cosine and Jaccard.
 *
 *   out  the lists; free with kith_ranges_free
 *
 * A flat index finds them all; others do with options->exact_range = 1, whatever the other options are, at
 * the cost of comparing each query with all vectors that pass the filter. Without it
 *   an inverted file  finds those in the nprobe lists that are nearest to the query;
 *   a graph           goes on from all vectors within the radius and from the efSearch nearest outside it.
 *                     Copies of a vector are found together. It may miss some where the answer lies in parts
 *                     that are far from each other. Where the answer is so large a share of the index that
 *                     comparing all costs no more, it does that and finds them all;
 *   refinement        ranks what its child finds. With exact_range it compares its own, finer codes.
 *
 * "Within the radius" is said of vectors as they are stored: of codes, the vectors that they decode to.
 *
 * Errors: as search, and INVALID (radius NaN). */
KITH_API kith_status kith_index_range(const kith_index *index, int64_t nq, const float *q, float radius,
    kith_ranges **out, const kith_search_options *options);
KITH_API kith_status kith_index_range_as(const kith_index *index, kith_type type, int64_t nq, const void *q,
    float radius, kith_ranges **out, const kith_search_options *options);

/* Reconstruct: x [n × dim] gets the vectors of ids [n], as the index keeps them (a cosine index over
 * floats keeps them at unit length). Errors: NOTFOUND (names the id), INVALID. */
KITH_API kith_status kith_index_get(const kith_index *index, int64_t n, const int64_t *ids, float *x);

/* 1 if id is in the index, else 0. */
KITH_API int kith_index_has(const kith_index *index, int64_t id);

/* Ids in storage order: ids [kith_index_size]. */
KITH_API kith_status kith_index_ids(const kith_index *index, int64_t *ids);

/* The smallest and the largest id; of an empty index 0 and −1. They are 0 and size − 1 if and only if the
 * vectors are numbered without gaps, as those added without ids are. Errors: INVALID. Cost: O(size). */
KITH_API kith_status kith_index_id_range(const kith_index *index, int64_t *min, int64_t *max);

/* What it is. All safe on NULL (0, KITH_L2, KITH_F32). */
KITH_API int64_t kith_index_dim(const kith_index *index);
KITH_API int64_t kith_index_size(const kith_index *index);
KITH_API kith_metric kith_index_metric(const kith_index *index);
KITH_API kith_type kith_index_type(const kith_index *index); /* elements stored: f32, u8, i8 */
KITH_API int kith_index_trained(const kith_index *index);

/* Bytes held for vectors, ids and everything else, spare capacity included. */
KITH_API size_t kith_index_memory(const kith_index *index);

/* How vectors are spread over the lists of an inverted file (or of shards of them). Set size. */
typedef struct kith_lists_info {
	size_t size; /* sizeof(kith_lists_info) */
	int64_t lists, empty;
	int64_t shortest, longest; /* vectors in a list */
	double mean;
	double imbalance; /* lists · Σ length² / (Σ length)²: how many times longer a search takes than with
	                     lists of one length, if queries are spread as vectors are; 1 at best */
} kith_lists_info;

/* Errors: INVALID, UNSUPPORTED (no inverted lists, or not trained yet). Cost: O(lists). */
KITH_API kith_status kith_index_lists(const kith_index *index, kith_lists_info *info);

/* Canonical factory string, e.g. "Flat"; belongs to the index. "" for NULL. */
KITH_API const char *kith_index_describe(const kith_index *index);

#ifdef __cplusplus
}
#endif
#endif
