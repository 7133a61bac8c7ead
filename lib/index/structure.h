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

/* Inverted lists, counted. */
struct list_count {
	int64_t lists, empty, vectors, shortest, longest;
	double squares; /* of their lengths, summed */
};

/* Arguments were checked by the caller: n >= 0, pointers there where needed, queries finite; vectors by
 * check. */
struct structure_ops {
	/* Whether n vectors of `type` can be kept; INVALID names the first that cannot. */
	kith_status (*check)(const kith_index *index, kith_type type, int64_t n, const void *x);

	kith_status (*train)(kith_index *index, int64_t n, const float *x, const kith_add_options *options);
	/* The centroids [nlist × dim of the inverted file] that training is to take. INVALID, NOMEM. NULL:
	 * there is no inverted file. */
	kith_status (*set_centroids)(kith_index *index, int64_t nlist, const float *centroids);
	kith_status (*add)(kith_index *index, kith_type type, int64_t n, const void *x, const int64_t *ids,
	    const kith_add_options *options);
	kith_status (*update)(kith_index *index, kith_type type, int64_t n, const void *x,
	    const int64_t *ids); /* all present */
	kith_status (*remove)(kith_index *index, const kith_filter *which, int64_t *removed);

	/* All vectors of `from`, an index of the same ops and spec, under ids [size, in the order of
	 * positions] behind those of `into`; from is empty afterwards. On failure both are unchanged; INVALID
	 * where they learnt different things (merge_unlike), or ids are in the index already. NULL:
	 * UNSUPPORTED. */
	kith_status (*merge)(kith_index *into, kith_index *from, const int64_t *ids);

	/* Give all vectors other ids, by position; NULL: 0 … n − 1, which only a refinement can fail to do.
	 * INVALID (repeated or negative), NOMEM; unchanged on failure. NULL: its only child does it, or
	 * UNSUPPORTED. */
	kith_status (*renumber)(kith_index *index, const int64_t *ids);

	/* Put in order what changes have left behind, and trim. NULL: they leave nothing. */
	kith_status (*compact)(kith_index *index, const kith_add_options *options);

	/* Let what is read together lie together; positions stay. NULL: nothing is read in an order of its
	 * own. */
	kith_status (*reorder)(kith_index *index, const kith_add_options *options);

	/* Give back memory that holds nothing: a file of the index stays the same. NULL: only compact can. */
	void (*trim)(kith_index *index);

	kith_status (*reserve)(kith_index *index, int64_t n);

	/* Findings into the sink; query rows are of any type, normalised where the metric wants it. */
	kith_status (*search)(const kith_index *index, const struct rows *query, struct sink *sink,
	    const kith_search_options *options);

	int64_t (*find)(const kith_index *index, int64_t id); /* position or −1 */
	int64_t (*id_at)(const kith_index *index, int64_t position);
	/* x [n × dim] gets the vectors at n positions. Errors: NOMEM. */
	kith_status (*read)(const kith_index *index, int64_t n, const int64_t *positions, float *x);
	int64_t (*size)(const kith_index *index);
	/* Add inverted lists to the count; NULL: there are none. */
	void (*count_lists)(const kith_index *index, struct list_count *count);
	/* In which vectors are kept; NULL: what the index wraps keeps them. */
	const struct codec *(*codec)(const kith_index *index);
	size_t (*memory)(const kith_index *index);
	kith_status (*clone)(kith_index **out, const kith_index *index);
	void (*free)(kith_index *index);

	/* To a file (blob.h), and back into a new index of the same spec: n vectors, trained or not. load
	 * believes nothing; after a failure the index is only freed. NULL: cannot be saved. */
	void (*save)(const kith_index *index, struct blob_writer *w);
	kith_status (*load)(kith_index *index, int64_t n, bool trained, struct blob_reader *r);

	/* Child number i of a wrapper, in the order of files; NULL: there are no more. NULL: it has none. */
	kith_index *(*child)(const kith_index *index, int64_t i);

	/* Of an inverted file the coarse quantizer, where it is a node of files; NULL: it is not. NULL: no
	 * inverted file. */
	const kith_index *(*quantizer)(const kith_index *index);

	/* What a log has of a graph (index_log.h). NULL: changes made anew give the same index. */
	const struct graph_log_ops *log;

	/* What load left out because r->lazy: validate what the file gave and make what follows from it.
	 * Before the first change of an index, which is the caller's alone by then (lib/api/guard.h), since
	 * it frees what searches use; until then searches, get, clone, save and the like must be safe with
	 * whatever the bytes are. FORMAT, NOMEM. NULL: load leaves nothing out. */
	kith_status (*validate)(kith_index *index);
};

/* Wrappers are structures that own a child. They keep nothing of their own that the child could get out of
 * step with: a change is checked and prepared, then the child makes it or refuses it, then it cannot fail. */

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
	struct guard guard; /* lib/api/guard.h */
	bool readonly;      /* as it was opened; never changes */
	struct index_state
	    *state; /* index_state.h: what only an index that a caller holds can have; NULL: nothing */
};

/* The head of a copy, which has no keep and has counted nothing yet: others may count in `from` meanwhile. */
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

/* index_file.c: an index with all its parts as sections of the present node, and of those below it. */
void structure_save(const kith_index *index, struct blob_writer *w);
kith_status structure_load(kith_index *index, struct blob_reader *r);

/* The same for a child, in a node of its own. Both sides take children in the same order. */
void structure_save_child(const kith_index *child, struct blob_writer *w);
kith_status structure_load_child(kith_index *child, struct blob_reader *r);

/* merge.c: merge what has the same description; UNSUPPORTED names what cannot be merged. */
kith_status structure_merge(kith_index *into, kith_index *from, const int64_t *ids);

/* The failure of a merge whose two sides learnt different things. */
kith_status merge_unlike(const kith_index *into);

/* The same for children of wrappers. The child of `from` may have its vectors in another order: ids are those
 * of from_parent's positions. */
kith_status merge_children(
    kith_index *into, kith_index *from, const kith_index *from_parent, const int64_t *ids);

/* set_centroids of an index; INVALID: there is no inverted file in it. */
kith_status structure_set_centroids(kith_index *index, int64_t nlist, const float *centroids);

/* What an index learns from, x [n × dim]; `owned` is to be freed, also after a failure. */
struct training_sample {
	int64_t n;
	const float *x;
	float *owned; /* NULL: x is the caller's */
};

/* training.c: at most `most` rows of x, evenly spread, as the index will see them: at unit length under
 * cosine. NOMEM, CANCELLED. */
kith_status training_sample(struct training_sample *sample, const kith_index *index, int64_t n,
    const float *x, int64_t max, const kith_add_options *options);

/* Train a codec that is to keep whole vectors (no residuals), as the index will see them. INVALID (n < 1),
 * and the codec's errors. */
kith_status train_whole(
    const kith_index *index, struct codec *codec, int64_t n, const float *x, const kith_add_options *options);

/* What an index wraps; NULL: nothing, or several. */
static inline kith_index *structure_only_child(const kith_index *index)
{
	if (!index->ops->child || index->ops->child(index, 1))
		return NULL;
	return index->ops->child(index, 0);
}

/* The index of an inverted file's centroids; NULL: all of them are compared, or there are no lists. */
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

/* ivf_parts.c: let an inverted file that was not trained yet find its lists by an index like this one, of
 * its dimension and of floats, without vectors, whose metric is the same, or inner product for cosine. A flat
 * index of floats: all centroids are compared; a graph over floats is what M means. INVALID (the index, or
 * their descriptions are too long together). */
kith_status ivf_set_kind(kith_index *index, kith_index *take_quantizer);

/* ivf_parts.c: let codes of an inverted file that was not trained yet be of whole vectors, not of residuals.
 */
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
	MAP_LINEAR    /* any linear map: not learnt, but taken over (parts.h) */
};

struct mapping {
	enum mapping_kind kind;
	int64_t in, out;
	bool whiten, rotate; /* PCA */
	int64_t m;           /* OPQ */
};

/* transform.c: what wraps a child, an empty index of floats of dimension mapping->out whose metric is the
 * same, or inner product for cosine. INVALID (the child, or numbers that do not go together), NOMEM. */
kith_status transform_new(
    kith_index **out, const struct metric *metric, const struct mapping *mapping, kith_index *take_child);

/* refine.c: the child finds candidates, their codes in a codec of their own decide. The codec is for the
 * child's dimension and metric. INVALID (the child holds vectors), NOMEM. */
kith_status refine_new(kith_index **out, struct codec *take_codec, kith_index *take_child);

/* The child, which may hold vectors and is taken, and what a flat index of the same ids holds, whose codes
 * decide: that index is only freed afterwards. INVALID (other ids, `from` is not flat), NOMEM. */
kith_status refine_join(kith_index **out, kith_index *take_child, kith_index *from);

/* Whether an index refines: its spec needs parentheses below a transform. */
bool is_refine(const kith_index *index);

/* shards.c: one index made of n, of one dimension, metric and type. INVALID (they differ, or have ids in
 * common), NOMEM. */
kith_status shards_new(kith_index **out, int64_t n, kith_index **take_children);

#endif
