/* Functions of wrappers that only pass a call on to their children (ops->child), one or several, in a fixed
 * order. */
#ifndef KITH_INDEX_WRAPPER_H
#define KITH_INDEX_WRAPPER_H

#include "lib/index/structure.h"
#include "lib/search/rerank.h"

/* Members of structure_ops. Positions count through the children in turn; an id is in one of them. */
kith_status wrapper_remove(kith_index *index, const kith_filter *which, int64_t *removed);
kith_status wrapper_compact(kith_index *index, const kith_add_options *options);
kith_status wrapper_reorder(kith_index *index, const kith_add_options *options);
void wrapper_trim(kith_index *index);
kith_status wrapper_reserve(kith_index *index, int64_t n);
int64_t wrapper_find(const kith_index *index, int64_t id);
int64_t wrapper_id_at(const kith_index *index, int64_t position);
int64_t wrapper_size(const kith_index *index);
void wrapper_count_lists(const kith_index *index, struct list_count *count);
kith_status wrapper_validate(kith_index *index);

/* Bytes of all children, whether all of them are trained, and the child at a position of the wrapper, which
 * becomes the one within the child. */
size_t wrapper_child_memory(const kith_index *index);
bool wrapper_children_trained(const kith_index *index);
const kith_index *wrapper_child_at(const kith_index *index, int64_t *position);

/* Progress of a wrapper: its children's calls, one after another, as parts of one. */
struct sub_progress {
	kith_progress fn; /* of the caller; NULL: none */
	void *data;
	int64_t done, part, total; /* steps before this part, of this part, of all */
};

/* Let the progress of a call's options go through *sub. Before each call of a child done and part are to be
 * set. */
void sub_progress_begin(struct sub_progress *sub, kith_progress *fn, void **data, int64_t total);

/* Search for at most `max` queries at a time: `search` gets the queries of a chunk and their part of the
 * sink. */
typedef kith_status search_chunk_fn(
    void *arg, const struct rows *query, struct sink *sink, const kith_search_options *options);
kith_status wrapper_search_chunks(const struct rows *query, struct sink *sink,
    const kith_search_options *options, int64_t max, search_chunk_fn *search, void *arg);

/* Search the child for `count` candidates a query by its own keys (0: for all that it finds within the sink's
 * radius), and rerank them into the sink; how->sink is set here. Queries are searched in chunks whose
 * candidates take 64 MB. */
kith_status wrapper_search_rerank(const kith_index *child, const struct rows *query, struct sink *sink,
    int64_t count, const struct rerank *how, const kith_search_options *options);

#endif
