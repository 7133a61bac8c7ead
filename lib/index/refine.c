/* Refine: the child finds candidates by its coarse codes, and a second, finer store of the vectors reranks
 * them.
 *
 * Top-k: the child is asked for k · k_factor candidates, whose distances are then computed exactly from the
 * store. Range: the child finds the vectors within the radius by its own distances, and of those the ones
 * that really are within it stay; vectors that the child takes for too far are missed.
 *
 * Memory: the child, a code per vector, and the ids, which both keep (for vectors that are numbered in order
 * they take nothing). The store is in the order of adding, which the child's need not be, and is a flat
 * index, so that it can be searched by itself.
 */
#include "lib/index/structure.h"

#include "lib/base/alloc.h"
#include "lib/base/progress.h"
#include "lib/base/status.h"
#include "lib/base/threads.h"
#include "lib/index/parts.h"
#include "lib/index/vectors.h"
#include "lib/index/wrapper.h"
#include "lib/search/rerank.h"
#include "lib/search/search.h"

#include <math.h>
#include <stdio.h>

enum { DEFAULT_K_FACTOR = 4 };

struct refine {
	struct kith_index base;
	kith_index *child;
	kith_index *fine;      /* the store as a flat index, which can be searched by itself */
	struct vectors *store; /* its vectors */
};

static struct refine *refine_of(kith_index *index)
{
	return (struct refine *)(void *)index;
}

static const struct refine *refine_of_const(const kith_index *index)
{
	return (const struct refine *)(const void *)index;
}

/* ---- training and changes ---- */

static kith_status refine_check(const kith_index *index, kith_type type, int64_t n, const void *x)
{
	const struct refine *refine = refine_of_const(index);
	kith_status status = refine->child->ops->check(refine->child, type, n, x);
	return status ? status : codec_check(refine->store->codec, type, n, x);
}

/* A copy of the codec is trained first, so that nothing has changed if the child then fails. */
static kith_status train_both(
    struct refine *refine, int64_t n, const float *x, const kith_add_options *options)
{
	struct codec *trained;
	kith_status status = codec_clone(&trained, refine->store->codec);
	if (status)
		return status;
	status = train_whole(&refine->base, trained, n, x, options);
	if (status == KITH_OK)
		status = refine->child->ops->train(refine->child, n, x, options);
	if (status) {
		codec_free(trained);
		return status;
	}
	codec_free(refine->store->codec);
	vectors_init(refine->store, trained);
	refine->fine->trained = trained->trained;
	return KITH_OK;
}

static kith_status refine_train(kith_index *index, int64_t n, const float *x, const kith_add_options *options)
{
	struct refine *refine = refine_of(index);
	bool learns = refine->store->codec->ops->train != NULL;
	if (learns && refine->store->codes.n > 0)
		return fail(KITH_INVALID, "index '%s' holds vectors already; train it while it is empty",
		    index->spec);
	kith_status status = learns ? train_both(refine, n, x, options)
	                            : refine->child->ops->train(refine->child, n, x, options);
	index->trained = refine->child->trained && refine->store->codec->trained;
	return status;
}

/* The ids of n vectors that are added without ids. */
static int64_t *number(const struct ids *ids, int64_t n)
{
	int64_t *numbers = mem_alloc((size_t)n, sizeof *numbers);
	for (int64_t i = 0; numbers && i < n; i++)
		numbers[i] = ids->next + i;
	if (!numbers)
		fail_nomem("ids", (size_t)n * sizeof *numbers);
	return numbers;
}

/* The store comes first, since it is easier to undo. The child has the same ids, so it finds any fault in
 * them. */
static kith_status add_both(struct refine *refine, const struct encoder *encoder, kith_type type, int64_t n,
    const void *x, const int64_t *ids, const kith_add_options *options)
{
	enum { SHARE = 8 }; /* of the steps of progress: the store's */
	struct sub_progress sub;
	struct progress progress;
	kith_add_options child = *options;
	sub_progress_begin(&sub, &child.progress, &child.progress_data, n);
	sub.part = n / SHARE;
	progress_begin(&progress, child.progress, child.progress_data, "add", n);
	vectors_encode(refine->store, encoder, type, n, x, &progress);
	kith_status status = progress_end(&progress);
	sub.done = sub.part;
	sub.part = n - sub.part;
	return status ? status : refine->child->ops->add(refine->child, type, n, x, ids, &child);
}

static kith_status refine_add(kith_index *index, kith_type type, int64_t n, const void *x, const int64_t *ids,
    const kith_add_options *options)
{
	struct refine *refine = refine_of(index);
	int64_t *numbers = NULL, before = refine->store->codes.n;
	struct encoder encoder;
	kith_status status = vectors_prepare(refine->store, &encoder, n, ids, options->threads);
	if (status == KITH_OK && !ids) {
		ids = numbers = number(&refine->store->ids, n);
		status = numbers ? KITH_OK : KITH_NOMEM;
	}
	if (status == KITH_OK)
		status = add_both(refine, &encoder, type, n, x, ids, options);
	if (status == KITH_OK) {
		ids_append(&refine->store->ids, n, ids);
	} else {
		codes_truncate(&refine->store->codes, before);
		ids_unprepare(&refine->store->ids);
	}
	encoder_free(&encoder);
	mem_free(numbers);
	return status;
}

static kith_status refine_update(
    kith_index *index, kith_type type, int64_t n, const void *x, const int64_t *ids)
{
	struct refine *refine = refine_of(index);
	float *scratch = mem_alloc(CODES_SCRATCH(index->dim), sizeof *scratch);
	if (!scratch)
		return fail_nomem("encoding", CODES_SCRATCH(index->dim) * sizeof *scratch);
	kith_status status = refine->child->ops->update(refine->child, type, n, x, ids);
	if (status == KITH_OK)
		vectors_replace(refine->store, type, n, x, ids, scratch);
	mem_free(scratch);
	return status;
}

static kith_status refine_remove(kith_index *index, const kith_filter *which, int64_t *removed)
{
	struct refine *refine = refine_of(index);
	uint64_t *retained = vectors_to_retain(refine->store, which, removed);
	if (!retained)
		return KITH_NOMEM;
	kith_status status = *removed ? ids_prepare_remove(&refine->store->ids) : KITH_OK;
	if (status == KITH_OK && *removed)
		status = refine->child->ops->remove(refine->child, which, removed);
	if (status)
		*removed = 0;
	if (*removed)
		vectors_retain(refine->store, retained);
	mem_free(retained);
	return status;
}

static kith_status refine_merge(kith_index *into, kith_index *from, const int64_t *ids)
{
	struct refine *a = refine_of(into), *b = refine_of(from);
	if (!vectors_alike(a->store, b->store))
		return merge_unlike(into);
	int64_t n = b->store->codes.n;
	kith_status status = codes_reserve(&a->store->codes, a->store->codes.n + n, 4);
	if (status == KITH_OK)
		status = ids_prepare_append(&a->store->ids, n, ids);
	if (status == KITH_OK)
		status = merge_children(a->child, b->child, from, ids);
	/* The child has accepted the ids, so this cannot fail. */
	if (status == KITH_OK) {
		ids_append(&a->store->ids, n, ids);
		vectors_merge(a->store, b->store);
	}
	return status;
}

static void refine_trim(kith_index *index)
{
	vectors_trim(refine_of(index)->store);
	wrapper_trim(index);
}

static kith_status refine_reserve(kith_index *index, int64_t n)
{
	struct refine *refine = refine_of(index);
	kith_status status = vectors_reserve(refine->store, n);
	return status ? status : refine->child->ops->reserve(refine->child, n);
}

/* ---- searching ---- */

/* The vectors that candidates are reranked by. */
struct finer {
	const struct vectors *store;
	struct rows rows;
};

/* A candidate has no row only in a damaged file that is not validated yet. */
static struct row_place locate_candidate(
    const void *owner, const void *candidates, int64_t i, struct rows *list)
{
	const struct finer *finer = owner;
	int64_t at = ids_find(&finer->store->ids, ((const struct found *)candidates)[i].id);
	(void)list;
	return (struct row_place){at < 0 ? NULL : &finer->rows, at};
}

/* Candidates for k results. */
static int64_t count_candidates(const struct refine *refine, int64_t k, float k_factor)
{
	double wanted = ceil((double)k * (k_factor != 0 ? (double)k_factor : DEFAULT_K_FACTOR));
	return wanted < (double)refine->store->codes.n ? (int64_t)wanted : refine->store->codes.n;
}

static kith_status refine_search(
    const kith_index *index, const struct rows *query, struct sink *sink, const kith_search_options *options)
{
	const struct refine *refine = refine_of_const(index);
	struct finer finer = {refine->store, vectors_rows(refine->store)};
	struct rerank how = {
	    .exact.score = metric_kernels(index->metric), .locate = locate_candidate, .owner = &finer};
	if (refine->store->codes.n == 0)
		return KITH_OK;
	if (!sink->k && options->exact_range)
		return search_exact(&finer.rows, query, index->metric, false, sink, options);
	int64_t count = sink->k ? count_candidates(refine, sink->k, options->k_factor) : 0;
	return wrapper_search_rerank(refine->child, query, sink, count, &how, options);
}

/* ---- the rest ---- */

static int64_t refine_find(const kith_index *index, int64_t id)
{
	return ids_find(&refine_of_const(index)->store->ids, id);
}

static int64_t refine_id_at(const kith_index *index, int64_t position)
{
	return ids_at(&refine_of_const(index)->store->ids, position);
}

static kith_status refine_read(const kith_index *index, int64_t n, const int64_t *positions, float *x)
{
	vectors_read(refine_of_const(index)->store, n, positions, x);
	return KITH_OK;
}

static int64_t refine_size(const kith_index *index)
{
	return refine_of_const(index)->store->codes.n;
}

static size_t refine_memory(const kith_index *index)
{
	const struct refine *refine = refine_of_const(index);
	return sizeof *refine + refine->fine->ops->memory(refine->fine) + wrapper_child_memory(index);
}

static void refine_free(kith_index *index)
{
	struct refine *refine = refine_of(index);
	structure_free(refine->fine);
	structure_free(refine->child);
	mem_free(refine);
}

static kith_status refine_clone(kith_index **out, const kith_index *index)
{
	const struct refine *from = refine_of_const(index);
	struct refine *to = mem_zalloc(1, sizeof *to);
	if (!to)
		return fail_nomem("an index", sizeof *to);
	index_head_copy(&to->base, &from->base);
	kith_status status = structure_clone(&to->fine, from->fine);
	if (status == KITH_OK)
		status = structure_clone(&to->child, from->child);
	if (status) {
		refine_free(&to->base);
		return status;
	}
	to->store = flat_vectors(to->fine);
	*out = &to->base;
	return KITH_OK;
}

static void refine_save(const kith_index *index, struct blob_writer *w)
{
	const struct refine *refine = refine_of_const(index);
	if (index->trained)
		codec_save(refine->store->codec, w);
	vectors_save(refine->store, w);
	structure_save_child(refine->child, w);
}

/* The child must have the same ids, by which its findings are looked up here. Returns NULL, or what is
 * wrong. */
static const char *compare_ids(const struct refine *refine)
{
	const kith_index *child = refine->child;
	if (child->ops->size(child) != refine->store->ids.n)
		return "has another number of ids than the node below";
	for (int64_t i = 0; i < refine->store->ids.n; i++)
		if (ids_find(&refine->store->ids, child->ops->id_at(child, i)) < 0)
			return "lacks an id that the node below has";
	return NULL;
}

static kith_status refine_load(kith_index *index, int64_t n, bool trained, struct blob_reader *r)
{
	struct refine *refine = refine_of(index);
	kith_status status = codec_load(refine->store->codec, trained, r);
	refine->fine->trained = refine->store->codec->trained;
	if (status == KITH_OK)
		status = vectors_load(refine->store, n, r);
	if (status == KITH_OK)
		status = structure_load_child(refine->child, r);
	index->trained = refine->child->trained && refine->store->codec->trained;
	const char *wrong = status || r->lazy ? NULL : compare_ids(refine);
	return wrong ? blob_fail(r, "IDS0", "%s", wrong) : status;
}

static kith_status refine_validate(kith_index *index)
{
	struct refine *refine = refine_of(index);
	kith_status status = ids_validate(&refine->store->ids);
	if (status == KITH_OK)
		status = codes_validate(&refine->store->codes);
	if (status == KITH_OK)
		status = wrapper_validate(index);
	const char *wrong = status ? NULL : compare_ids(refine);
	return wrong ? fail(KITH_FORMAT, "the index file is damaged: section IDS0 %s", wrong) : status;
}

static kith_index *refine_child(const kith_index *index, int64_t i)
{
	return i == 0 ? refine_of_const(index)->child : NULL;
}

/* Both sides get the same ids; the child may have its vectors in another order. */
static kith_status refine_renumber(kith_index *index, const int64_t *ids)
{
	struct refine *refine = refine_of(index);
	kith_index *child = refine->child;
	int64_t n = refine->store->ids.n, *below = mem_alloc((size_t)n, sizeof *below);
	bool in_order = !ids;
	struct ids made = {.n = n};
	kith_status status = below ? ids_replace(&made, ids) : fail_nomem("ids", (size_t)n * sizeof *below);
	for (int64_t i = 0; status == KITH_OK && i < n; i++) {
		int64_t at = ids_find(&refine->store->ids, child->ops->id_at(child, i));
		below[i] = ids ? ids[at] : at;
		in_order &= at == i;
	}
	if (status == KITH_OK)
		status = structure_renumber(child, in_order ? NULL : below);
	mem_free(below);
	if (status) {
		ids_free(&made);
		return status;
	}
	ids_free(&refine->store->ids);
	refine->store->ids = made;
	return KITH_OK;
}

static kith_status refine_set_centroids(kith_index *index, int64_t nlist, const float *centroids)
{
	struct refine *refine = refine_of(index);
	kith_status status = structure_set_centroids(refine->child, nlist, centroids);
	index->trained = refine->child->trained && refine->store->codec->trained;
	return status;
}

static const struct structure_ops refine_ops = {
    .check = refine_check,
    .train = refine_train,
    .set_centroids = refine_set_centroids,
    .add = refine_add,
    .update = refine_update,
    .remove = refine_remove,
    .merge = refine_merge,
    .renumber = refine_renumber,
    .compact = wrapper_compact,
    .reorder = wrapper_reorder,
    .trim = refine_trim,
    .reserve = refine_reserve,
    .search = refine_search,
    .find = refine_find,
    .id_at = refine_id_at,
    .read = refine_read,
    .size = refine_size,
    .count_lists = wrapper_count_lists,
    .memory = refine_memory,
    .clone = refine_clone,
    .free = refine_free,
    .child = refine_child,
    .save = refine_save,
    .load = refine_load,
    .validate = refine_validate,
};

bool is_refine(const kith_index *index)
{
	return index->ops == &refine_ops;
}

static kith_status wrap(struct refine **out, struct codec *take_codec, kith_index *take_child)
{
	char suffix[48] = "RFlat", spec[sizeof take_child->spec];
	if (!codec_is_fp32(take_codec))
		snprintf(suffix, sizeof suffix, "Refine(%s)", take_codec->word);
	int length = snprintf(spec, sizeof spec, "%s,%s", take_child->spec, suffix);
	if (length >= (int)sizeof spec)
		return fail(
		    KITH_INVALID, "'%s' with a refinement is too long a specification", take_child->spec);
	struct refine *refine = mem_zalloc(1, sizeof *refine);
	if (!refine)
		return fail_nomem("an index", sizeof *refine);
	kith_status status = flat_new(&refine->fine, take_child->metric, take_codec);
	if (status) {
		mem_free(refine);
		return status;
	}
	refine->base = (struct kith_index){.ops = &refine_ops,
	    .dim = take_child->dim,
	    .metric = take_child->metric,
	    .type = take_codec->ops->type};
	refine->base.trained = take_child->trained && take_codec->trained;
	memcpy(refine->base.spec, spec, sizeof spec);
	refine->child = take_child;
	refine->store = flat_vectors(refine->fine);
	*out = refine;
	return KITH_OK;
}

kith_status refine_new(kith_index **out, struct codec *take_codec, kith_index *take_child)
{
	struct refine *refine;
	if (take_child->ops->size(take_child) > 0)
		return fail(KITH_INVALID, "'%s' holds vectors already, and refining needs them all",
		    take_child->spec);
	kith_status status = wrap(&refine, take_codec, take_child);
	if (status == KITH_OK)
		*out = &refine->base;
	return status;
}

kith_status refine_from_components(kith_index **out, struct vectors *take, kith_index *take_child)
{
	struct refine *refine;
	int64_t n = take->ids.n;
	bool same = take_child->ops->size(take_child) == n;
	for (int64_t i = 0; same && i < n; i++)
		same = ids_find(&take->ids, take_child->ops->id_at(take_child, i)) >= 0;
	if (!same)
		return fail(KITH_INVALID, "'%s' and its refinement have other vectors", take_child->spec);
	kith_status status = wrap(&refine, take->codec, take_child);
	if (status)
		return status;
	*refine->store = *take;
	*out = &refine->base;
	return KITH_OK;
}

kith_status refine_join(kith_index **out, kith_index *take_child, kith_index *from)
{
	struct vectors *fine = flat_vectors(from);
	if (!fine)
		return fail(KITH_INVALID, "'%s' cannot refine: it is no flat index", from->spec);
	kith_status status = refine_from_components(out, fine, take_child);
	if (status)
		return status;
	*fine = (struct vectors){0}; /* the caller frees it, empty */
	return KITH_OK;
}

bool refine_components(const kith_index *index, struct stored_components *parts, const kith_index **child)
{
	if (index->ops != &refine_ops)
		return false;
	const struct refine *refine = refine_of_const(index);
	*parts = (struct stored_components){refine->store->codec, &refine->store->codes, &refine->store->ids};
	*child = refine->child;
	return true;
}

const kith_index *refine_fine(const kith_index *index)
{
	return index->ops == &refine_ops ? refine_of_const(index)->fine : NULL;
}
