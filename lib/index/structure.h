/* Structures: which candidates a search looks at. The API talks to an index through this table only. */
#ifndef KITH_INDEX_STRUCTURE_H
#define KITH_INDEX_STRUCTURE_H

#include <stddef.h>
#include <string.h>

#include <kith/index.h>

#include "lib/base/guard.h"
#include "lib/codec/codec.h"
#include "lib/index/monitor.h"
#include "lib/metric/metric.h"
#include "lib/search/sink.h"
#include "lib/tile/rows.h"

/* Statistics of inverted lists. */
struct list_count {
	int64_t lists, empty, vectors, shortest, longest;
	double squares; /* of their lengths, summed */
};

/* The caller has checked arguments: n >= 0, pointers are given where needed, queries are finite, vectors
 * passed `check`. */
struct structure_ops {
	/* Whether n vectors of `type` can be kept; INVALID names the first that cannot. */
	kith_status (*check)(const kith_index *index, kith_type type, int64_t n, const void *x);

	kith_status (*train)(kith_index *index, int64_t n, const float *x, const kith_add_options *options);
	/* Set the centroids [nlist × dim of the inverted file] that training is to use. INVALID, NOMEM. NULL:
	 * there is no inverted file. */
	kith_status (*set_centroids)(kith_index *index, int64_t nlist, const float *centroids);
	kith_status (*add)(kith_index *index, kith_type type, int64_t n, const void *x, const int64_t *ids,
	    const kith_add_options *options);
	kith_status (*update)(kith_index *index, kith_type type, int64_t n, const void *x,
	    const int64_t *ids); /* all present */
	kith_status (*remove)(kith_index *index, const kith_filter *which, int64_t *removed);

	/* Append all vectors of `from`, an index of the same ops and spec, to `into` under ids [size, in the
	 * order of positions]; from is empty afterwards. On failure both are unchanged; INVALID if they
	 * learnt different things (merge_unlike) or an id is in the index already. NULL: UNSUPPORTED. */
	kith_status (*merge)(kith_index *into, kith_index *from, const int64_t *ids);

	/* Give all vectors other ids, by position; ids NULL: 0 … n − 1, which can fail only in a refinement.
	 * INVALID (repeated or negative), NOMEM; unchanged on failure. NULL: its only child does it, or
	 * UNSUPPORTED. */
	kith_status (*renumber)(kith_index *index, const int64_t *ids);

	/* Clear away what changes have left behind, and trim. NULL: they leave nothing. */
	kith_status (*compact)(kith_index *index, const kith_add_options *options);

	/* Renumber nodes so that neighbours lie near each other in memory; positions stay. NULL: there are no
	 * graphs. */
	kith_status (*reorder)(kith_index *index, const kith_add_options *options);

	/* Free spare memory, which changes nothing in a file of the index. NULL: only compact can. */
	void (*trim)(kith_index *index);

	kith_status (*reserve)(kith_index *index, int64_t n);

	/* Search into the sink; query rows are of any type, normalised if the metric wants that. */
	kith_status (*search)(const kith_index *index, const struct rows *query, struct sink *sink,
	    const kith_search_options *options);

	int64_t (*find)(const kith_index *index, int64_t id); /* position or −1 */
	int64_t (*id_at)(const kith_index *index, int64_t position);
	/* x [n × dim] gets the vectors at n positions. Errors: NOMEM. */
	kith_status (*read)(const kith_index *index, int64_t n, const int64_t *positions, float *x);
	int64_t (*size)(const kith_index *index);
	/* Add inverted lists to the count; NULL: there are none. */
	void (*count_lists)(const kith_index *index, struct list_count *count);
	/* The codec of the index's own codes; NULL: a child keeps the vectors. */
	const struct codec *(*codec)(const kith_index *index);
	size_t (*memory)(const kith_index *index);
	kith_status (*clone)(kith_index **out, const kith_index *index);
	void (*free)(kith_index *index);

	/* Write to a file (blob.h), and read into a new index of the same spec: n vectors, trained or not.
	 * load trusts nothing; after a failure the index can only be freed. NULL: it cannot be saved. */
	void (*save)(const kith_index *index, struct blob_writer *w);
	kith_status (*load)(kith_index *index, int64_t n, bool trained, struct blob_reader *r);

	/* Child number i of a wrapper, in the order of files; NULL: there are no more. NULL: it has none. */
	kith_index *(*child)(const kith_index *index, int64_t i);

	/* The coarse quantizer of an inverted file if it is a node of files, else NULL. NULL: this is no
	 * inverted file. */
	const kith_index *(*quantizer)(const kith_index *index);

	/* What a graph adds to a log (index_log.h). NULL: repeating the changes gives the same index. */
	const struct graph_log_ops *log;

	/* Do what load left out because r->lazy: validate the content of the file and compute what follows
	 * from it. Called before the first change, when no other call uses the index (lib/api/guard.h), since
	 * it frees what searches use. Until then searches, get, clone, save and the like must be safe
	 * whatever the bytes are. FORMAT, NOMEM. NULL: load leaves nothing out. */
	kith_status (*validate)(kith_index *index);
};

/* Wrappers are structures that own children. Their own data cannot get out of step with a child's: a change
 * is checked and prepared, then the child makes or refuses it, and what follows cannot fail. */

struct index_state;

/* What every index begins with. */
struct kith_index {
	const struct structure_ops *ops;
	int64_t dim;
	const struct metric *metric;
	kith_type type; /* of the elements that are kept */
	bool trained;
	char spec[128];
	struct monitor monitor;
	struct guard guard;        /* lib/api/guard.h */
	bool readonly;             /* opened so; never changes */
	struct index_state *state; /* index_state.h; NULL: none */
};
/* Copy the head of an index up to its counters and state, which a copy does not share; others may count in
 * `from` meanwhile. */
static inline void index_head_copy(struct kith_index *to, const struct kith_index *from)
{
	memcpy(to, from, offsetof(struct kith_index, monitor));
}

/* Free an index with its state; NULL is allowed. Clone one, without its state. Validate one; trim one. */
void structure_free(kith_index *index);
kith_status structure_clone(kith_index **out, const kith_index *index);
kith_status structure_validate(kith_index *index);
void structure_trim(kith_index *index);
kith_status structure_reorder(kith_index *index, const kith_add_options *options);
kith_status structure_renumber(kith_index *index, const int64_t *ids);

/* index_file.c: save and load an index with all its parts, as sections of the present node and those
 * below. */
void structure_save(const kith_index *index, struct blob_writer *w);
kith_status structure_load(kith_index *index, struct blob_reader *r);

/* The same for a child, in a node of its own. Both sides take children in the same order. */
void structure_save_child(const kith_index *child, struct blob_writer *w);
kith_status structure_load_child(kith_index *child, struct blob_reader *r);

/* merge.c: merge indexes of the same description; UNSUPPORTED names one that cannot be merged. */
kith_status structure_merge(kith_index *into, kith_index *from, const int64_t *ids);

/* The error of merging indexes that learnt different things. */
kith_status merge_unlike(const kith_index *into);

/* The same for children of wrappers. The child of `from` may have its vectors in another order: ids are those
 * of from_parent's positions. */
kith_status merge_children(
    kith_index *into, kith_index *from, const kith_index *from_parent, const int64_t *ids);

/* set_centroids of an index; INVALID: there is no inverted file in it. */
kith_status structure_set_centroids(kith_index *index, int64_t nlist, const float *centroids);

/* The vectors x [n × dim] that an index learns from; `owned` is to be freed, also after a failure. */
struct training_sample {
	int64_t n;
	const float *x;
	float *owned; /* NULL: x is the caller's */
};

/* training.c: at most `max` rows of x, evenly spread, as the index will see them: at unit length under
 * cosine. NOMEM, CANCELLED. */
kith_status training_sample(struct training_sample *sample, const kith_index *index, int64_t n,
    const float *x, int64_t max, const kith_add_options *options);

/* Train a codec that is to keep whole vectors (no residuals), as the index will see them. INVALID (n < 1),
 * and the codec's errors. */
kith_status train_whole(
    const kith_index *index, struct codec *codec, int64_t n, const float *x, const kith_add_options *options);
/* Train an index that learns nothing but its codec. INVALID (it holds vectors), and as train_whole. */
kith_status train_codec_alone(
    kith_index *index, struct codec *codec, int64_t n, const float *x, const kith_add_options *options);

/* The only child of an index; NULL: it has none, or several. */
static inline kith_index *structure_only_child(const kith_index *index)
{
	if (!index->ops->child || index->ops->child(index, 1))
		return NULL;
	return index->ops->child(index, 0);
}

/* The coarse quantizer of an inverted file if it is a node of files; NULL: it is not, or there are no
 * lists. */
static inline const kith_index *structure_quantizer(const kith_index *index)
{
	return index->ops->quantizer ? index->ops->quantizer(index) : NULL;
}

/* flat.c: all vectors, one after another. Takes the codec if it succeeds. */
kith_status flat_new(kith_index **out, const struct metric *metric, struct codec *take_codec);

/* ivf.c: an inverted file of nlist lists; M: the graph over their centroids has at most 2 M neighbours a
 * node, 0: there is none. Takes the codec if it succeeds. */
kith_status ivf_new(
    kith_index **out, const struct metric *metric, int64_t nlist, int M, struct codec *take_codec);

/* ivf_parts.c: let an inverted file that is not trained yet find its lists by an index like take_quantizer,
 * which must be empty, of floats, of the same dimension and metric (inner product for cosine). For a flat
 * index of floats all centroids are compared; a graph over floats sets M. INVALID (the index, or the two
 * descriptions together are too long). */
kith_status ivf_set_kind(kith_index *index, kith_index *take_quantizer);

/* ivf_parts.c: let codes of an inverted file that is not trained yet be of whole vectors, not of
 * residuals. */
void ivf_code_whole(kith_index *index);

/* hnsw.c: a graph whose nodes have at most 2 M neighbours. Takes the codec if it succeeds. INVALID (M),
 * NOMEM. */
kith_status hnsw_new(kith_index **out, const struct metric *metric, int M, struct codec *take_codec);

/* What a transform does to vectors before its child sees them. */
enum mapping_kind {
	MAP_PCA,      /* principal components; about the mean under L2, about the origin otherwise */
	MAP_OPQ,      /* the rotation that suits a product quantizer of m parts best */
	MAP_ROTATION, /* a random one */
	MAP_UNIT,     /* to unit length */
	MAP_PAD,      /* with zeros */
	MAP_LINEAR    /* any linear map: not learnt here, but given (parts.h) */
};

struct mapping {
	enum mapping_kind kind;
	int64_t in, out;
	bool whiten, rotate; /* PCA */
	int64_t m;           /* OPQ */
};

/* transform.c: wrap a child, which must be an empty index of floats of dimension mapping->out with the same
 * metric (inner product for cosine). INVALID (the child, or numbers that do not fit together), NOMEM. */
kith_status transform_new(
    kith_index **out, const struct metric *metric, const struct mapping *mapping, kith_index *take_child);

/* refine.c: wrap a child, whose candidates are reranked by codes of another codec for the same dimension and
 * metric. INVALID (the child holds vectors), NOMEM. */
kith_status refine_new(kith_index **out, struct codec *take_codec, kith_index *take_child);

/* The same with a child that may hold vectors, and with the codes that the flat index `from` holds under the
 * same ids; `from` is empty afterwards and can only be freed. INVALID (other ids, `from` is not flat),
 * NOMEM. */
kith_status refine_join(kith_index **out, kith_index *take_child, kith_index *from);

/* Whether an index refines: its spec needs parentheses below a transform. */
bool is_refine(const kith_index *index);

/* shards.c: make one index of n, of the same dimension, metric and type. INVALID (they differ, or have ids in
 * common), NOMEM. */
kith_status shards_new(kith_index **out, int64_t n, kith_index **take_children);

#endif
