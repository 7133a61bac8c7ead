/* The index API: checks arguments, then calls the structure. Directions end here: below, a smaller key is
 * nearer (a distance itself, minus a similarity). */
#include <kith/index.h>

#include "lib/api/check.h"
#include "lib/api/guard.h"
#include "lib/api/journal.h"
#include "lib/api/monitor.h"
#include "lib/api/origin.h"
#include "lib/api/preset.h"
#include "lib/api/spec.h"
#include "lib/api/tags.h"
#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/status.h"
#include "lib/index/structure.h"
#include "lib/search/sink.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

kith_status kith_index_new(kith_index **out, int64_t dim, kith_metric metric, const char *spec)
{
	if (!out)
		return fail(KITH_INVALID, "out is NULL");
	*out = NULL;
	if (!spec)
		return fail(KITH_INVALID, "spec is NULL; try \"Flat\"");
	kith_status status = check_dim(dim);
	if (status == KITH_OK)
		status = check_metric(metric);
	return status ? status : spec_build(out, dim, metric_of(metric), spec);
}

kith_status kith_index_clone(kith_index **out, const kith_index *index)
{
	if (!out)
		return fail(KITH_INVALID, "out is NULL");
	*out = NULL;
	if (!index)
		return fail(KITH_INVALID, "index is NULL");
	kith_status status = read_begin(index);
	if (status)
		return status;
	status = structure_clone(out, index);
	if (status == KITH_OK)
		status = structure_validate(*out);
	if (status == KITH_OK)
		status = tags_copy(*out, index);
	if (status == KITH_OK)
		status = origin_copy(*out, index);
	if (status == KITH_OK)
		status = preset_copy(*out, index);
	read_end(index);
	if (status) {
		structure_free(*out);
		*out = NULL;
	}
	return status;
}

void kith_index_free(kith_index *index)
{
	structure_free(index);
}

kith_status kith_index_train(kith_index *index, int64_t n, const float *x, const kith_add_options *options)
{
	kith_add_options full;
	if (!index)
		return fail(KITH_INVALID, "index is NULL");
	kith_status status = check_add_options(options, &full);
	if (status == KITH_OK)
		status = check_vectors("x", n, index->dim, KITH_F32, x);
	if (status == KITH_OK)
		status = write_begin(index);
	if (status)
		return status;
	status = index->ops->check(index, KITH_F32, n, x);
	if (status == KITH_OK)
		status = index->ops->train(index, n, x, &full);
	if (status == KITH_OK)
		change_unrecorded(index, "it was trained anew");
	write_end(index);
	return status;
}

static kith_status add_recorded(
    kith_index *index, const struct change *change, const kith_add_options *options)
{
	if (!index->trained)
		return fail(
		    KITH_UNTRAINED, "index '%s' must be trained before vectors are added", index->spec);
	kith_status status = index->ops->check(index, change->type, change->n, change->x);
	if (status || change->n == 0)
		return status;
	status = change_begin(index, change);
	if (status)
		return status;
	status = index->ops->add(index, change->type, change->n, change->x, change->ids, options);
	change_end(index, status);
	return status;
}

kith_status kith_index_add_as(kith_index *index, kith_type type, int64_t n, const void *x, const int64_t *ids,
    const kith_add_options *options)
{
	kith_add_options full;
	if (!index)
		return fail(KITH_INVALID, "index is NULL");
	kith_status status = check_add_options(options, &full);
	if (status == KITH_OK)
		status = check_vector_type(type);
	if (status == KITH_OK)
		status = check_vectors("x", n, index->dim, type, x);
	if (status == KITH_OK)
		status = write_begin(index);
	if (status)
		return status;
	struct change change = {.kind = CHANGE_ADD, .type = type, .n = n, .x = x, .ids = ids};
	change.seed = full.seed;
	status = add_recorded(index, &change, &full);
	write_end(index);
	return status;
}

kith_status kith_index_add(
    kith_index *index, int64_t n, const float *x, const int64_t *ids, const kith_add_options *options)
{
	return kith_index_add_as(index, KITH_F32, n, x, ids, options);
}

/* NOTFOUND names the first of ids that is not in the index. */
static kith_status check_present(const kith_index *index, int64_t n, const int64_t *ids)
{
	for (int64_t i = 0; i < n; i++)
		if (index->ops->find(index, ids[i]) < 0)
			return fail(KITH_NOTFOUND, "ids[%lld] is %lld, which is not in the index",
			    (long long)i, (long long)ids[i]);
	return KITH_OK;
}

static kith_status update_recorded(kith_index *index, const struct change *change)
{
	kith_status status = index->ops->check(index, change->type, change->n, change->x);
	if (status == KITH_OK)
		status = check_present(index, change->n, change->ids);
	if (status || change->n == 0)
		return status;
	status = change_begin(index, change);
	if (status)
		return status;
	status = index->ops->update(index, change->type, change->n, change->x, change->ids);
	change_end(index, status);
	return status;
}

kith_status kith_index_update_as(
    kith_index *index, kith_type type, int64_t n, const void *x, const int64_t *ids)
{
	if (!index)
		return fail(KITH_INVALID, "index is NULL");
	kith_status status = check_vector_type(type);
	if (status == KITH_OK)
		status = check_vectors("x", n, index->dim, type, x);
	if (status == KITH_OK && n > 0 && !ids)
		status =
		    fail(KITH_INVALID, "ids is NULL, with %lld vector%s to update", (long long)n, PLURAL(n));
	if (status == KITH_OK)
		status = write_begin(index);
	if (status)
		return status;
	struct change change = {.kind = CHANGE_UPDATE, .type = type, .n = n, .x = x, .ids = ids};
	status = update_recorded(index, &change);
	write_end(index);
	return status;
}

kith_status kith_index_update(kith_index *index, int64_t n, const float *x, const int64_t *ids)
{
	return kith_index_update_as(index, KITH_F32, n, x, ids);
}

/* The ids that pass: int64_t [*n]. */
static kith_status passing_ids(
    const kith_index *index, const kith_filter *which, int64_t *n, struct buffer *ids)
{
	for (int64_t i = 0; i < index->ops->size(index); i++) {
		int64_t id = index->ops->id_at(index, i);
		if (!kith_filter_test(which, id))
			continue;
		if (!buffer_reserve(ids, (size_t)(*n + 1) * sizeof id, 8))
			return fail_nomem("ids", (size_t)(*n + 1) * sizeof id);
		((int64_t *)(void *)ids->data)[(*n)++] = id;
	}
	return KITH_OK;
}

/* A removal is recorded by the ids that it takes, since a filter may be any function. */
static kith_status remove_recorded(kith_index *index, const kith_filter *which, int64_t *removed)
{
	struct buffer ids = {0};
	kith_filter *taken = NULL;
	int64_t n = 0;
	kith_status status = passing_ids(index, which, &n, &ids);
	const int64_t *list = (const int64_t *)(const void *)ids.data;
	if (status == KITH_OK && n > 0)
		status = kith_filter_ids(&taken, n, list);
	if (status == KITH_OK && n > 0) {
		struct change change = {.kind = CHANGE_REMOVE, .n = n, .ids = list};
		status = change_begin(index, &change);
		if (status == KITH_OK) {
			status = index->ops->remove(index, taken, removed);
			change_end(index, status);
		}
	}
	kith_filter_free(taken);
	buffer_free(&ids);
	return status;
}

kith_status kith_index_remove(kith_index *index, const kith_filter *which, int64_t *removed)
{
	int64_t count = 0;
	if (removed)
		*removed = 0;
	if (!index)
		return fail(KITH_INVALID, "index is NULL");
	if (!which)
		return fail(KITH_INVALID, "which is NULL; to remove everything use the range 0 … INT64_MAX");
	kith_status status = write_begin(index);
	if (status)
		return status;
	if (is_journalled(index))
		status = remove_recorded(index, which, &count);
	else
		status = index->ops->remove(index, which, &count);
	write_end(index);
	if (removed)
		*removed = count;
	return status;
}

/* Lay the vectors out anew, by an operation that not every structure has. */
static kith_status lay_out(kith_index *index, const kith_add_options *options, bool trim,
    kith_status (*operation)(kith_index *index, const kith_add_options *options), const char *what)
{
	kith_add_options full;
	kith_status status = check_add_options(options, &full);
	if (status == KITH_OK)
		status = write_begin(index);
	if (status)
		return status;
	if (trim)
		structure_trim(index);
	if (operation) {
		status = operation(index, &full);
		if (status == KITH_OK)
			change_unrecorded(index, what);
	}
	write_end(index);
	return status;
}

kith_status kith_index_compact(kith_index *index, const kith_add_options *options)
{
	if (!index)
		return fail(KITH_INVALID, "index is NULL");
	return lay_out(index, options, true, index->ops->compact, "it was compacted");
}

kith_status kith_index_reorder(kith_index *index, const kith_add_options *options)
{
	if (!index)
		return fail(KITH_INVALID, "index is NULL");
	return lay_out(index, options, false, index->ops->reorder, "it was reordered");
}

kith_status kith_index_reserve(kith_index *index, int64_t n)
{
	if (!index)
		return fail(KITH_INVALID, "index is NULL");
	if (n < 0)
		return fail(KITH_INVALID, "n is %lld; it cannot be negative", (long long)n);
	kith_status status = write_begin(index);
	if (status)
		return status;
	status = index->ops->reserve(index, n);
	write_end(index);
	return status;
}

/* The ids of an index, each plus shift; NULL on failure. */
static int64_t *shifted_ids(const kith_index *index, int64_t shift, kith_status *status)
{
	int64_t n = index->ops->size(index), *ids = mem_alloc((size_t)n, sizeof *ids);
	*status = ids ? KITH_OK : fail_nomem("ids", (size_t)n * sizeof *ids);
	for (int64_t i = 0; *status == KITH_OK && i < n; i++) {
		int64_t id = index->ops->id_at(index, i);
		if (__builtin_add_overflow(id, shift, &ids[i]) || ids[i] < 0 || ids[i] == INT64_MAX)
			*status = fail(KITH_INVALID, "shift is %lld, which moves id %lld out of 0 … 2^63 − 2",
			    (long long)shift, (long long)id);
	}
	if (*status == KITH_OK)
		return ids;
	mem_free(ids);
	return NULL;
}

static kith_status merge_all(kith_index *into, kith_index *from, int64_t shift)
{
	kith_status status;
	if (!into->trained || !from->trained)
		return fail(KITH_UNTRAINED, "index '%s' must be trained before it is merged", into->spec);
	int64_t *ids = shifted_ids(from, shift, &status);
	if (status == KITH_OK)
		status = structure_merge(into, from, ids);
	mem_free(ids);
	if (status == KITH_OK) {
		change_unrecorded(into, "another was merged into it");
		change_unrecorded(from, "it was merged into another");
	}
	return status;
}

kith_status kith_index_merge(kith_index *into, kith_index *from, int64_t shift)
{
	if (!into || !from)
		return fail(KITH_INVALID, "%s is NULL", into ? "from" : "into");
	if (into == from)
		return fail(KITH_INVALID, "into and from are the same index");
	if (into->dim != from->dim || into->metric != from->metric)
		return fail(KITH_INVALID, "from has dimension %lld, metric %s; into has %lld, %s",
		    (long long)from->dim, from->metric->name, (long long)into->dim, into->metric->name);
	kith_status status = write_begin(into);
	if (status)
		return status;
	status = write_begin(from);
	if (status == KITH_OK) {
		status = merge_all(into, from, shift);
		write_end(from);
	}
	write_end(into);
	return status;
}

kith_status kith_index_lists(const kith_index *index, kith_lists_info *info)
{
	if (!index || !info)
		return fail(KITH_INVALID, "%s is NULL", index ? "info" : "index");
	if (info->size != sizeof *info)
		return fail(KITH_INVALID, "info->size is %zu; set it to sizeof", info->size);
	struct list_count count = {.shortest = INT64_MAX};
	kith_status status = read_begin(index);
	if (status)
		return status;
	bool trained = index->trained;
	if (index->ops->count_lists)
		index->ops->count_lists(index, &count);
	read_end(index);
	if (count.lists == 0)
		return fail(KITH_UNSUPPORTED, "index '%s' has no inverted lists%s", index->spec,
		    trained ? "" : " before it is trained");
	double n = (double)count.vectors;
	*info = (kith_lists_info){.size = sizeof *info,
	    .lists = count.lists,
	    .empty = count.empty,
	    .shortest = count.shortest,
	    .longest = count.longest,
	    .mean = n / (double)count.lists,
	    .imbalance = n > 0 ? (double)count.lists * count.squares / (n * n) : 1};
	return KITH_OK;
}

static struct rows query_rows(const kith_index *index, kith_type type, int64_t nq, const void *q)
{
	struct rows query = rows_of_array(type, nq, index->dim, q, 0);
	query.normalize = index->metric->unit;
	return query;
}

static kith_status check_search(const kith_index *index, kith_type type, int64_t nq, const void *q)
{
	if (!index)
		return fail(KITH_INVALID, "index is NULL");
	kith_status status = check_vector_type(type);
	return status ? status : check_queries(nq, index->dim, type, q, index->metric);
}

/* read_begin, and UNTRAINED. */
static kith_status search_begin(const kith_index *index)
{
	kith_status status = read_begin(index);
	if (status || index->trained)
		return status;
	read_end(index);
	return fail(KITH_UNTRAINED, "index '%s' must be trained before it is searched", index->spec);
}

static kith_status search_topk(const kith_index *index, kith_type type, int64_t nq, const void *q, int64_t k,
    float *dist, int64_t *ids, const kith_search_options *options)
{
	struct rows query = query_rows(index, type, nq, q);
	struct sink sink = {0};
	kith_status status = search_begin(index);
	if (status)
		return status;
	/* Room for no more results than there can be. */
	int64_t size = index->ops->size(index);
	status = sink_init_topk(&sink, nq, size < k ? (size ? size : 1) : k);
	if (status == KITH_OK) {
		status = index->ops->search(index, &query, &sink, options);
		if (status == KITH_OK)
			sink_write_topk(&sink, k, index->metric, dist, ids);
		sink_free(&sink);
	}
	read_end(index);
	return status;
}

/* The caller's options, complete, with statistics that go to *own; *theirs is where the caller wants them. */
static kith_status counted_options(const kith_search_options *options, kith_search_options *full,
    kith_search_stats *own, kith_search_stats **theirs)
{
	kith_status status = check_search_options(options, full);
	*theirs = full->stats;
	full->stats = own;
	return status;
}

/* Count a search that has ended, for the index and for the caller, who may know fewer members of stats. */
static void count_search(const kith_index *index, int64_t began, int64_t nq, kith_status status,
    kith_search_stats *theirs, const kith_search_stats *own)
{
	if (status == KITH_OK && theirs)
		memcpy(&theirs->pairs, &own->pairs, theirs->size - offsetof(kith_search_stats, pairs));
	if (index)
		monitor_count(index, began, nq, status, own);
}

kith_status kith_index_search_as(const kith_index *index, kith_type type, int64_t nq, const void *q,
    int64_t k, float *dist, int64_t *ids, const kith_search_options *options)
{
	kith_search_options full;
	kith_search_stats own = {.size = sizeof own}, *theirs = NULL;
	int64_t began = clock_ns();
	kith_status status = check_search(index, type, nq, q);
	if (status == KITH_OK)
		status = check_k(k);
	if (status == KITH_OK)
		status = counted_options(options, &full, &own, &theirs);
	if (status == KITH_OK)
		status = check_probes(index, &full);
	if (status == KITH_OK && nq > 0 && (!dist || !ids))
		status = fail(KITH_INVALID, "%s is NULL, with %lld result%s to write", dist ? "ids" : "dist",
		    (long long)nq, PLURAL(nq));
	if (status == KITH_OK)
		status = search_topk(index, type, nq, q, k, dist, ids, &full);
	count_search(index, began, nq, status, theirs, &own);
	return status;
}

kith_status kith_index_search(const kith_index *index, int64_t nq, const float *q, int64_t k, float *dist,
    int64_t *ids, const kith_search_options *options)
{
	return kith_index_search_as(index, KITH_F32, nq, q, k, dist, ids, options);
}

static kith_status search_range(const kith_index *index, const struct rows *query, float radius,
    kith_ranges **out, const kith_search_options *options)
{
	struct sink sink;
	kith_status status = search_begin(index);
	if (status)
		return status;
	status = sink_init_scores(&sink, query->n, index->metric, radius);
	if (status == KITH_OK) {
		status = index->ops->search(index, query, &sink, options);
		if (status == KITH_OK)
			status = sink_take_ranges(&sink, index->metric, radius, out);
		sink_free(&sink);
	}
	read_end(index);
	return status;
}

kith_status kith_index_range_as(const kith_index *index, kith_type type, int64_t nq, const void *q,
    float radius, kith_ranges **out, const kith_search_options *options)
{
	kith_search_options full;
	kith_search_stats own = {.size = sizeof own}, *theirs = NULL;
	int64_t began = clock_ns();
	if (!out)
		return fail(KITH_INVALID, "out is NULL");
	*out = NULL;
	kith_status status = check_search(index, type, nq, q);
	if (status == KITH_OK && isnan(radius))
		status = fail(KITH_INVALID, "radius is NaN");
	if (status == KITH_OK)
		status = counted_options(options, &full, &own, &theirs);
	if (status == KITH_OK)
		status = check_probes(index, &full);
	if (status == KITH_OK) {
		struct rows query = query_rows(index, type, nq, q);
		status = search_range(index, &query, radius, out, &full);
	}
	count_search(index, began, nq, status, theirs, &own);
	return status;
}

kith_status kith_index_range(const kith_index *index, int64_t nq, const float *q, float radius,
    kith_ranges **out, const kith_search_options *options)
{
	return kith_index_range_as(index, KITH_F32, nq, q, radius, out, options);
}

kith_status kith_index_get(const kith_index *index, int64_t n, const int64_t *ids, float *x)
{
	if (!index)
		return fail(KITH_INVALID, "index is NULL");
	if (n < 0 || (n > 0 && (!ids || !x)))
		return fail(KITH_INVALID, "n is %lld, ids %s, x %s", (long long)n, ids ? "given" : "NULL",
		    x ? "given" : "NULL");
	int64_t positions[256];
	enum { AT_ONCE = sizeof positions / sizeof *positions };
	kith_status status = read_begin(index);
	if (status)
		return status;
	status = check_present(index, n, ids);
	for (int64_t from = 0; status == KITH_OK && from < n; from += AT_ONCE) {
		int64_t count = n - from < AT_ONCE ? n - from : AT_ONCE;
		for (int64_t i = 0; i < count; i++)
			positions[i] = index->ops->find(index, ids[from + i]);
		status = index->ops->read(index, count, positions, x + from * index->dim);
	}
	read_end(index);
	return status;
}

int64_t kith_index_dim(const kith_index *index)
{
	return index ? index->dim : 0;
}

int64_t kith_index_size(const kith_index *index)
{
	return index ? index->ops->size(index) : 0;
}

kith_metric kith_index_metric(const kith_index *index)
{
	return index ? index->metric->id : KITH_L2;
}

kith_type kith_index_type(const kith_index *index)
{
	return index ? index->type : KITH_F32;
}

int kith_index_trained(const kith_index *index)
{
	return index && index->trained;
}

size_t kith_index_memory(const kith_index *index)
{
	return index ? index->ops->memory(index) : 0;
}

const char *kith_index_describe(const kith_index *index)
{
	return index ? index->spec : "";
}
