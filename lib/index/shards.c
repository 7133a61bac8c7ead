/* Shards: one index over several. An id is in one of them; a search asks them one after another, each with
 * all threads, into one sink, so that the results of the first ones bound the work of the others.
 *
 * Added vectors fill up the smallest shards, each with a run of the input. Where they go depends on the sizes
 * alone. Positions count through the shards in turn. Nothing is kept per vector here: an id is looked for in
 * every shard.
 *
 * Changes go from shard to shard. Faults of the arguments are found before the first; if a shard then fails
 * (no memory, or cancelled), an add is undone in the others. A removal or an update stays made as far as it
 * went, and can be called again.
 */
#include "lib/index/structure.h"

#include "lib/base/status.h"
#include "lib/index/ids.h"
#include "lib/index/wrapper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct shards {
	struct kith_index base;
	int64_t n;
	int64_t next;       /* 1 + the largest id ever given */
	kith_index **child; /* [n] */
};

static struct shards *shards_of(kith_index *index)
{
	return (struct shards *)(void *)index;
}

static const struct shards *shards_of_const(const kith_index *index)
{
	return (const struct shards *)(const void *)index;
}

static int64_t size_of(const kith_index *index)
{
	return index->ops->size(index);
}

/* ---- training ---- */

static kith_status shards_check(const kith_index *index, kith_type type, int64_t n, const void *x)
{
	const struct shards *shards = shards_of_const(index);
	kith_status status = KITH_OK;
	for (int64_t s = 0; status == KITH_OK && s < shards->n; s++)
		status = shards->child[s]->ops->check(shards->child[s], type, n, x);
	return status;
}

/* A trained copy of shard s. Shards with the same description learn the same, so only one of them is
 * trained. */
static kith_status train_copy(const struct shards *shards, int64_t s, kith_index **trained, int64_t n,
    const float *x, const kith_add_options *options)
{
	for (int64_t t = 0; t < s; t++)
		if (strcmp(trained[t]->spec, shards->child[s]->spec) == 0)
			return structure_clone(&trained[s], trained[t]);
	kith_status status = structure_clone(&trained[s], shards->child[s]);
	return status ? status : trained[s]->ops->train(trained[s], n, x, options);
}

static kith_status shards_train(kith_index *index, int64_t n, const float *x, const kith_add_options *options)
{
	struct shards *shards = shards_of(index);
	if (wrapper_size(index) > 0)
		return fail(KITH_INVALID, "index '%s' holds vectors already; train it while it is empty",
		    index->spec);
	kith_index **trained = mem_zalloc((size_t)shards->n, sizeof(kith_index *));
	if (!trained)
		return fail_nomem("shards", (size_t)shards->n * sizeof(kith_index *));
	kith_status status = KITH_OK;
	for (int64_t s = 0; status == KITH_OK && s < shards->n; s++)
		status = train_copy(shards, s, trained, n, x, options);
	kith_index **old = trained;
	if (status == KITH_OK) {
		old = shards->child;
		shards->child = trained;
		index->trained = wrapper_children_trained(index);
	}
	for (int64_t s = 0; s < shards->n; s++)
		structure_free(old[s]);
	mem_free(old);
	return status;
}

/* ---- adding ---- */

static int compare_ids(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* INVALID unless ids [n] are distinct and in no shard. sorted [n]: room */
static kith_status check_ids(const struct shards *shards, int64_t n, const int64_t *ids, int64_t *sorted)
{
	for (int64_t i = 0; i < n; i++) {
		if (ids[i] < 0 || ids[i] == INT64_MAX)
			return fail(KITH_INVALID, "ids[%lld] is %lld; ids are 0 … 2^63 − 2", (long long)i,
			    (long long)ids[i]);
		if (wrapper_find(&shards->base, ids[i]) >= 0)
			return fail(KITH_INVALID, "ids[%lld] is %lld, which is in the index already",
			    (long long)i, (long long)ids[i]);
		sorted[i] = ids[i];
	}
	qsort(sorted, (size_t)n, sizeof *sorted, compare_ids);
	for (int64_t i = 1; i < n; i++)
		if (sorted[i] == sorted[i - 1])
			return fail(KITH_INVALID, "ids: %lld is there more than once", (long long)sorted[i]);
	return KITH_OK;
}

/* How many vectors are missing until every shard has `level`. */
static int64_t missing(const struct shards *shards, int64_t level)
{
	int64_t sum = 0;
	for (int64_t s = 0; s < shards->n; s++)
		sum += level > size_of(shards->child[s]) ? level - size_of(shards->child[s]) : 0;
	return sum;
}

/* Distribute n vectors to the smallest shards: shard s gets count[s]. */
static void deal(const struct shards *shards, int64_t n, int64_t *count)
{
	int64_t low = 0, high = wrapper_size(&shards->base) + n + 1;
	while (high - low > 1) {
		int64_t level = low + (high - low) / 2;
		if (missing(shards, level) <= n)
			low = level;
		else
			high = level;
	}
	int64_t rest = n - missing(shards, low);
	for (int64_t s = 0; s < shards->n; s++) {
		int64_t size = size_of(shards->child[s]);
		bool one_more = size <= low && rest > 0;
		count[s] = (low > size ? low - size : 0) + one_more;
		rest -= one_more;
	}
}

/* An add, shard by shard. */
struct adding {
	int64_t *count;          /* [shards] */
	int64_t *ids;            /* [n] */
	kith_filter *taken_back; /* passes the ids of the call */
};

static kith_status adding_init(struct adding *a, const struct shards *shards, int64_t n, const int64_t *ids)
{
	*a = (struct adding){.count = mem_alloc((size_t)shards->n, sizeof *a->count)};
	a->ids = mem_alloc((size_t)n, sizeof *a->ids);
	if (!a->count || !a->ids)
		return fail_nomem("ids", (size_t)n * sizeof *a->ids);
	if (ids) {
		kith_status status = check_ids(shards, n, ids, a->ids);
		if (status)
			return status;
		memcpy(a->ids, ids, (size_t)n * sizeof *ids);
	} else if (n > INT64_MAX - shards->next) {
		return fail(KITH_INVALID, "ids: no free ids above %lld", (long long)shards->next);
	}
	for (int64_t i = 0; !ids && i < n; i++)
		a->ids[i] = shards->next + i;
	deal(shards, n, a->count);
	return kith_filter_ids(&a->taken_back, n, a->ids);
}

static void adding_free(struct adding *a)
{
	mem_free(a->count);
	mem_free(a->ids);
	kith_filter_free(a->taken_back);
}

static kith_status shards_add(kith_index *index, kith_type type, int64_t n, const void *x, const int64_t *ids,
    const kith_add_options *options)
{
	struct shards *shards = shards_of(index);
	struct adding a;
	struct sub_progress sub;
	kith_add_options child = *options;
	sub_progress_begin(&sub, &child.progress, &child.progress_data, n);
	size_t row = (size_t)index->dim * kith_type_size(type);
	kith_status status = adding_init(&a, shards, n, ids);
	int64_t s = 0, from = 0;
	for (; status == KITH_OK && s < shards->n; s++) {
		kith_index *shard = shards->child[s];
		sub.done = from;
		sub.part = a.count[s];
		if (a.count[s])
			status = shard->ops->add(shard, type, a.count[s],
			    (const char *)x + (size_t)from * row, a.ids + from, &child);
		from += a.count[s];
	}
	for (int64_t t = 0, removed; status && t + 1 < s; t++)
		if (a.count[t])
			shards->child[t]->ops->remove(shards->child[t], a.taken_back, &removed);
	for (int64_t i = 0; status == KITH_OK && i < n; i++)
		shards->next = a.ids[i] >= shards->next ? a.ids[i] + 1 : shards->next;
	adding_free(&a);
	return status;
}

/* ---- other changes ---- */

/* Update those of a call's vectors that are in this shard. rows, chosen: room for n vectors and ids */
static kith_status update_shard(kith_index *shard, kith_type type, int64_t n, const char *x,
    const int64_t *ids, char *rows, int64_t *chosen)
{
	size_t row = (size_t)shard->dim * kith_type_size(type);
	int64_t count = 0;
	for (int64_t i = 0; i < n; i++) {
		if (shard->ops->find(shard, ids[i]) < 0)
			continue;
		memcpy(rows + (size_t)count * row, x + (size_t)i * row, row);
		chosen[count++] = ids[i];
	}
	return count ? shard->ops->update(shard, type, count, rows, chosen) : KITH_OK;
}

static kith_status shards_update(
    kith_index *index, kith_type type, int64_t n, const void *x, const int64_t *ids)
{
	struct shards *shards = shards_of(index);
	size_t row = (size_t)index->dim * kith_type_size(type);
	char *rows = mem_alloc((size_t)n, row);
	int64_t *chosen = mem_alloc((size_t)n, sizeof *chosen);
	kith_status status = rows && chosen ? KITH_OK : fail_nomem("an update", (size_t)n * row);
	for (int64_t s = 0; status == KITH_OK && s < shards->n; s++)
		status = update_shard(shards->child[s], type, n, x, ids, rows, chosen);
	mem_free(rows);
	mem_free(chosen);
	return status;
}

/* ---- searching and reading ---- */

static kith_status shards_search(
    const kith_index *index, const struct rows *query, struct sink *sink, const kith_search_options *options)
{
	const struct shards *shards = shards_of_const(index);
	struct sub_progress sub;
	kith_search_options child = *options;
	sub_progress_begin(&sub, &child.progress, &child.progress_data, query->n * shards->n);
	sub.part = query->n;
	kith_status status = KITH_OK;
	for (int64_t s = 0; status == KITH_OK && s < shards->n; s++) {
		sub.done = s * query->n;
		status = shards->child[s]->ops->search(shards->child[s], query, sink, &child);
	}
	return status;
}

static kith_status shards_read(const kith_index *index, int64_t n, const int64_t *positions, float *x)
{
	kith_status status = KITH_OK;
	for (int64_t i = 0; status == KITH_OK && i < n; i++) {
		int64_t position = positions[i];
		const kith_index *shard = wrapper_child_at(index, &position);
		status = shard->ops->read(shard, 1, &position, x + i * index->dim);
	}
	return status;
}

static size_t shards_memory(const kith_index *index)
{
	const struct shards *shards = shards_of_const(index);
	return sizeof *shards + (size_t)shards->n * sizeof(kith_index *) + wrapper_child_memory(index);
}

static void shards_free(kith_index *index)
{
	struct shards *shards = shards_of(index);
	for (int64_t s = 0; shards->child && s < shards->n; s++)
		structure_free(shards->child[s]);
	mem_free(shards->child);
	mem_free(shards);
}

static kith_status shards_clone(kith_index **out, const kith_index *index)
{
	const struct shards *from = shards_of_const(index);
	struct shards *to = mem_zalloc(1, sizeof *to);
	if (!to)
		return fail_nomem("an index", sizeof *to);
	index_head_copy(&to->base, &from->base);
	to->n = from->n;
	to->next = from->next;
	to->child = mem_zalloc((size_t)from->n, sizeof(kith_index *));
	kith_status status =
	    to->child ? KITH_OK : fail_nomem("shards", (size_t)from->n * sizeof(kith_index *));
	for (int64_t s = 0; status == KITH_OK && s < from->n; s++)
		status = structure_clone(&to->child[s], from->child[s]);
	if (status) {
		shards_free(&to->base);
		return status;
	}
	*out = &to->base;
	return KITH_OK;
}

/* ---- making one ---- */

static kith_status check_alike(int64_t n, kith_index *const *children)
{
	const kith_index *first = children[0];
	for (int64_t s = 0; s < n; s++) {
		const kith_index *child = children[s];
		if (child->dim != first->dim || child->metric != first->metric || child->type != first->type)
			return fail(KITH_INVALID,
			    "shard %lld has dimension %lld, %s, %s; shard 0 has %lld, %s, %s", (long long)s,
			    (long long)child->dim, child->metric->name, kith_type_name(child->type),
			    (long long)first->dim, first->metric->name, kith_type_name(first->type));
		for (int64_t t = 0; t < s; t++)
			if (children[t] == child)
				return fail(KITH_INVALID, "shards %lld and %lld are one index", (long long)t,
				    (long long)s);
	}
	return KITH_OK;
}

/* INVALID if a later shard has an id of shard s, too; *next grows beyond all ids of the shard. */
static kith_status check_apart(int64_t n, kith_index *const *children, int64_t s, int64_t *next)
{
	for (int64_t i = 0; i < size_of(children[s]); i++) {
		int64_t id = children[s]->ops->id_at(children[s], i);
		*next = id >= *next ? id + 1 : *next;
		for (int64_t t = s + 1; t < n; t++)
			if (children[t]->ops->find(children[t], id) >= 0)
				return fail(KITH_INVALID, "id %lld is in shards %lld and %lld", (long long)id,
				    (long long)s, (long long)t);
	}
	return KITH_OK;
}

/* ---- files ---- */

static void shards_save(const kith_index *index, struct blob_writer *w)
{
	const struct shards *shards = shards_of_const(index);
	const char *first = shards->child[0]->spec;
	for (int64_t s = 0; s < shards->n && w->status == KITH_OK; s++)
		if (strcmp(shards->child[s]->spec, first) != 0 || strstr(first, "Shards"))
			w->status = fail(KITH_UNSUPPORTED,
			    "shards of '%s' and '%s': only shards of one kind can be saved", first,
			    shards->child[s]->spec);
	blob_write(w, "NEXT", &shards->next, sizeof shards->next);
	for (int64_t s = 0; s < shards->n; s++)
		structure_save_child(shards->child[s], w);
}

/* Check the ids of all shards together: NULL, or what is wrong, and in which section. */
static const char *find_fault(const struct shards *shards, const char **tag)
{
	int64_t next = 0;
	*tag = "NODE";
	for (int64_t s = 0; s < shards->n; s++)
		if (check_apart(shards->n, shards->child, s, &next))
			return "has one id in several shards";
	*tag = "NEXT";
	return shards->next < next ? "is not above all ids" : NULL;
}

static kith_status shards_load(kith_index *index, int64_t n, bool trained, struct blob_reader *r)
{
	(void)n;
	struct shards *shards = shards_of(index);
	const char *tag = NULL;
	kith_status status = blob_read(r, "NEXT", &shards->next, sizeof shards->next);
	for (int64_t s = 0; status == KITH_OK && s < shards->n; s++)
		status = structure_load_child(shards->child[s], r);
	const char *fault = status || r->lazy ? NULL : find_fault(shards, &tag);
	if (fault)
		status = blob_fail(r, tag, "%s", fault);
	index->trained = trained && wrapper_children_trained(index);
	return status;
}

static kith_status shards_validate(kith_index *index)
{
	struct shards *shards = shards_of(index);
	const char *tag = NULL;
	kith_status status = wrapper_validate(index);
	const char *fault = status ? NULL : find_fault(shards, &tag);
	return fault ? fail(KITH_FORMAT, "the index file is damaged: section %s %s", tag, fault) : status;
}

static kith_index *shards_child(const kith_index *index, int64_t i)
{
	return i < shards_of_const(index)->n ? shards_of_const(index)->child[i] : NULL;
}

static const struct structure_ops shards_ops = {
    .check = shards_check,
    .train = shards_train,
    .add = shards_add,
    .update = shards_update,
    .remove = wrapper_remove,
    .compact = wrapper_compact,
    .reorder = wrapper_reorder,
    .trim = wrapper_trim,
    .reserve = wrapper_reserve,
    .search = shards_search,
    .find = wrapper_find,
    .id_at = wrapper_id_at,
    .read = shards_read,
    .size = wrapper_size,
    .count_lists = wrapper_count_lists,
    .memory = shards_memory,
    .clone = shards_clone,
    .free = shards_free,
    .child = shards_child,
    .save = shards_save,
    .load = shards_load,
    .validate = shards_validate,
};

kith_status shards_new(kith_index **out, int64_t n, kith_index **take_children)
{
	int64_t next = 0;
	kith_status status = check_alike(n, take_children);
	for (int64_t s = 0; status == KITH_OK && s < n; s++)
		status = check_apart(n, take_children, s, &next);
	if (status)
		return status;
	struct shards *shards = mem_zalloc(1, sizeof *shards);
	kith_index **child = mem_alloc((size_t)n, sizeof(kith_index *));
	if (!shards || !child) {
		mem_free(shards);
		mem_free(child);
		return fail_nomem("shards", (size_t)n * sizeof(kith_index *));
	}
	index_head_copy(&shards->base, take_children[0]);
	shards->base.ops = &shards_ops;
	shards->base.state = NULL;
	shards->n = n;
	shards->next = next;
	shards->child = memcpy(child, take_children, (size_t)n * sizeof(kith_index *));
	shards->base.trained = wrapper_children_trained(&shards->base);
	int length = snprintf(
	    shards->base.spec, sizeof shards->base.spec, "Shards%lld(%s)", (long long)n, child[0]->spec);
	if (length >= (int)sizeof shards->base.spec) {
		mem_free(shards);
		mem_free(child);
		return fail(KITH_INVALID, "%lld shards of '%s' are too long a description", (long long)n,
		    take_children[0]->spec);
	}
	*out = &shards->base;
	return KITH_OK;
}
