/* Functions of wrappers that only pass a call on to each of their children (ops->child): transform.c and
 * refine.c have one, shards.c has several.
 */
#include "lib/index/wrapper.h"

#include "lib/base/progress.h"
#include "lib/base/status.h"
#include "lib/base/threads.h"
#include "lib/search/search.h"

enum {
	CANDIDATE_BYTES = 64 << 20, /* of a chunk of queries that are reranked */
	RANGE_QUERIES = 4096,       /* the same, for range searches */
	CHUNK_QUERIES = 8           /* at least */
};

static kith_index *child_of(const kith_index *index, int64_t i)
{
	return index->ops->child(index, i);
}

/* ---- changes ---- */

kith_status wrapper_remove(kith_index *index, const kith_filter *which, int64_t *removed)
{
	kith_status status = KITH_OK;
	*removed = 0;
	for (int64_t i = 0; status == KITH_OK && child_of(index, i); i++) {
		int64_t count = 0;
		status = child_of(index, i)->ops->remove(child_of(index, i), which, &count);
		*removed += count;
	}
	return status;
}

kith_status wrapper_compact(kith_index *index, const kith_add_options *options)
{
	kith_status status = KITH_OK;
	for (int64_t i = 0; status == KITH_OK && child_of(index, i); i++)
		if (child_of(index, i)->ops->compact)
			status = child_of(index, i)->ops->compact(child_of(index, i), options);
	return status;
}

kith_status wrapper_reorder(kith_index *index, const kith_add_options *options)
{
	struct sub_progress sub;
	if (!child_of(index, 1))
		return structure_reorder(child_of(index, 0), options);
	kith_add_options each = *options;
	sub_progress_begin(&sub, &each.progress, &each.progress_data, wrapper_size(index));
	kith_status status = KITH_OK;
	for (int64_t i = 0; status == KITH_OK && child_of(index, i); i++) {
		kith_index *child = child_of(index, i);
		sub.done += sub.part;
		sub.part = child->ops->size(child);
		status = structure_reorder(child, &each);
	}
	return status;
}

void wrapper_trim(kith_index *index)
{
	for (int64_t i = 0; child_of(index, i); i++)
		structure_trim(child_of(index, i));
}

/* Shards get vectors evenly; there is at least one child. */
kith_status wrapper_reserve(kith_index *index, int64_t n)
{
	int64_t children = 1;
	while (child_of(index, children))
		children++;
	int64_t each = n / children + (n % children != 0);
	kith_status status = KITH_OK;
	for (int64_t i = 0; status == KITH_OK && i < children; i++)
		status = child_of(index, i)->ops->reserve(child_of(index, i), each);
	return status;
}

kith_status wrapper_validate(kith_index *index)
{
	kith_status status = KITH_OK;
	for (int64_t i = 0; status == KITH_OK && child_of(index, i); i++)
		status = structure_validate(child_of(index, i));
	return status;
}

/* ---- reading ---- */

int64_t wrapper_size(const kith_index *index)
{
	int64_t size = 0;
	for (int64_t i = 0; child_of(index, i); i++)
		size += child_of(index, i)->ops->size(child_of(index, i));
	return size;
}

int64_t wrapper_find(const kith_index *index, int64_t id)
{
	int64_t before = 0;
	for (int64_t i = 0; child_of(index, i); i++) {
		const kith_index *child = child_of(index, i);
		int64_t position = child->ops->find(child, id);
		if (position >= 0)
			return before + position;
		before += child->ops->size(child);
	}
	return -1;
}

const kith_index *wrapper_child_at(const kith_index *index, int64_t *position)
{
	int64_t i = 0, size;
	while (*position >= (size = child_of(index, i)->ops->size(child_of(index, i)))) {
		*position -= size;
		i++;
	}
	return child_of(index, i);
}

int64_t wrapper_id_at(const kith_index *index, int64_t position)
{
	const kith_index *child = wrapper_child_at(index, &position);
	return child->ops->id_at(child, position);
}

void wrapper_count_lists(const kith_index *index, struct list_count *count)
{
	for (int64_t i = 0; child_of(index, i); i++)
		if (child_of(index, i)->ops->count_lists)
			child_of(index, i)->ops->count_lists(child_of(index, i), count);
}

size_t wrapper_child_memory(const kith_index *index)
{
	size_t bytes = 0;
	for (int64_t i = 0; child_of(index, i); i++)
		bytes += child_of(index, i)->ops->memory(child_of(index, i));
	return bytes;
}

bool wrapper_children_trained(const kith_index *index)
{
	bool trained = true;
	for (int64_t i = 0; child_of(index, i); i++)
		trained &= child_of(index, i)->trained;
	return trained;
}

/* ---- progress ---- */

/* A kith_progress with a struct sub_progress as its data. */
static int tell(void *data, const char *stage, int64_t done, int64_t total)
{
	const struct sub_progress *sub = data;
	double share = total > 0 ? (double)done / (double)total : 1;
	return sub->fn(sub->data, stage, sub->done + (int64_t)(share * (double)sub->part), sub->total);
}

void sub_progress_begin(struct sub_progress *sub, kith_progress *fn, void **data, int64_t total)
{
	*sub = (struct sub_progress){.fn = *fn, .data = *data, .total = total};
	if (*fn) {
		*fn = tell;
		*data = sub;
	}
}

kith_status wrapper_search_chunks(const struct rows *query, struct sink *sink,
    const kith_search_options *options, int64_t max, search_chunk_fn *search, void *arg)
{
	struct sub_progress sub;
	kith_search_options chunk = *options;
	if (max < query->n)
		sub_progress_begin(&sub, &chunk.progress, &chunk.progress_data, query->n);
	kith_status status = KITH_OK;
	for (int64_t from = 0; status == KITH_OK && from < query->n; from += max) {
		struct rows some = *query;
		struct sink part;
		some.a += (size_t)from * query->stride;
		some.n = query->n - from < max ? query->n - from : max;
		sub.done = from;
		sub.part = some.n;
		sink_part(&part, sink, from, some.n);
		status = search(arg, &some, &part, &chunk);
	}
	return status;
}

/* ---- reranking ---- */

struct rerank_call {
	const kith_index *child;
	const struct rerank *how;
	int64_t count; /* candidates of each query; 0: a range */
};

/* Rerank the candidates of every query into how->sink. */
static kith_status rerank_all(const struct rerank *how, const struct rows *query,
    const struct sink *candidates, const kith_search_options *options)
{
	struct progress progress;
	int64_t exact = 0;
	progress_begin(&progress, options->progress, options->progress_data, "search", query->n);
	bool ok = rerank_found(how, query, candidates, threads_resolve(options->threads), &exact);
	kith_status told = progress_end(&progress);
	search_count(options, &(kith_search_stats){.exact = exact});
	if (!ok)
		return fail(KITH_NOMEM, "no memory to rerank the candidates of %lld %s", (long long)query->n,
		    QUERIES(query->n));
	return told;
}

static kith_status search_rerank_chunk(
    void *arg, const struct rows *query, struct sink *sink, const kith_search_options *options)
{
	const struct rerank_call *call = arg;
	struct rerank how = *call->how;
	struct sink candidates;
	how.sink = sink;
	kith_status status = call->count ? sink_init_topk(&candidates, query->n, call->count)
	                                 : sink_init_range(&candidates, query->n, sink->radius);
	if (status)
		return status;
	candidates.rough = true;
	status = call->child->ops->search(call->child, query, &candidates, options);
	if (status == KITH_OK)
		status = rerank_all(&how, query, &candidates, options);
	sink_free(&candidates);
	return status;
}

kith_status wrapper_search_rerank(const kith_index *child, const struct rows *query, struct sink *sink,
    int64_t count, const struct rerank *how, const kith_search_options *options)
{
	struct rerank_call call = {child, how, count};
	int64_t queries = count ? CANDIDATE_BYTES / (count * (int64_t)sizeof(struct found)) : RANGE_QUERIES;
	queries = queries > CHUNK_QUERIES ? queries : CHUNK_QUERIES;
	return wrapper_search_chunks(query, sink, options, queries, search_rerank_chunk, &call);
}
