/* Transforms: vectors are mapped on their way to the child, and mapped back when they are read.
 *
 * The map is linear (principal components, a rotation that suits product quantizers, a random rotation), or
 * normalises to unit length, or appends zeros. Ids and distances are the child's: under L2 those in the
 * child's space, which are the true ones for a rotation and smaller where dimensions are dropped.
 *
 * Metrics. Principal components are taken about the mean under L2 only: it cancels out of differences, not
 * out of inner products. Cosine is inner product over unit vectors, and a linear map does not keep lengths;
 * so vectors are normalised before the map, once, and the child compares inner products.
 *
 * Inverse. get returns Aᵀy + mean for orthonormal A (the point of the kept space nearest to x, as precisely
 * as the child keeps y), undoes whitening, and cuts padding off; unit length is not undone.
 *
 * A call that adds or trains transforms all its vectors first, so that the child accepts or refuses them
 * together; a search transforms SEARCH_BYTES of queries at a time.
 */
#include "lib/index/structure.h"

#include "kernels/kernels.h"
#include "lib/base/progress.h"
#include "lib/base/status.h"
#include "lib/base/threads.h"
#include "lib/index/mapping.h"
#include "lib/index/parts.h"
#include "lib/index/wrapper.h"
#include "lib/learn/linear.h"
#include "lib/learn/opq.h"
#include "lib/learn/pca.h"
#include "lib/learn/rotation.h"

#include <stdio.h>
#include <string.h>

enum {
	SEARCH_BYTES = 64 << 20,
	MIN_QUERIES = 4096, /* but at least so many queries, a batch that is efficient to search */
	COPIED = 256        /* rows that a task copies */
};

struct transform {
	struct kith_index base;
	struct mapping mapping;
	struct linear forward, inverse; /* linear kinds, once learnt */
	bool given;                     /* training does not learn them anew */
	kith_index *child;
};

static struct transform *transform_of(kith_index *index)
{
	return (struct transform *)(void *)index;
}

static const struct transform *transform_of_const(const kith_index *index)
{
	return (const struct transform *)(const void *)index;
}

static bool is_linear(const struct mapping *mapping)
{
	return mapping->kind != MAP_UNIT && mapping->kind != MAP_PAD;
}

/* ---- mapping vectors ---- */

struct copying {
	const struct rows *x;
	int64_t out;
	float *y;
};

static void copy_rows(void *arg, int64_t number, int worker)
{
	(void)worker;
	const struct copying *c = arg;
	if (progress_stopped())
		return;
	int64_t dim = c->x->dim, end = (number + 1) * COPIED < c->x->n ? (number + 1) * COPIED : c->x->n;
	for (int64_t i = number * COPIED; i < end; i++) {
		float *y = c->y + i * c->out;
		const float *row = rows_load(c->x, i, y);
		if (row != y)
			memcpy(y, row, (size_t)dim * sizeof *y);
		memset(y + dim, 0, (size_t)(c->out - dim) * sizeof *y);
	}
}

/* Map rows into y [x->n × out]. INVALID names the first vector of argument `name` that overflows. */
static kith_status map_rows(const struct mapping *mapping, const struct linear *forward, const char *name,
    const struct rows *x, int threads, float *y)
{
	if (!is_linear(mapping)) {
		struct rows from = *x;
		from.normalize |= mapping->kind == MAP_UNIT;
		struct copying c = {&from, mapping->out, y};
		threads_run(threads_resolve(threads), (x->n + COPIED - 1) / COPIED, copy_rows, &c);
		return KITH_OK;
	}
	kith_status status = linear_apply(forward, x, threads, y);
	if (status)
		return status;
	int64_t bad = kernels()->find_nonfinite(y, x->n * mapping->out);
	if (bad >= 0)
		return fail(KITH_INVALID, "%s: vector %lld is too large: it overflows when transformed", name,
		    (long long)(bad / mapping->out));
	return KITH_OK;
}

/* Vectors as the index sees them: at unit length under cosine. */
static struct rows rows_of(const kith_index *index, kith_type type, int64_t n, const void *x)
{
	struct rows rows = rows_of_array(type, n, index->dim, x, 0);
	rows.normalize = index->metric->unit;
	return rows;
}

/* A new array of n vectors mapped; NULL on failure. */
static float *map_array(const struct transform *t, const struct linear *forward, kith_type type, int64_t n,
    const void *x, const kith_add_options *options, kith_status *status)
{
	size_t cells = (size_t)n * (size_t)t->mapping.out;
	float *y = mem_alloc(cells, sizeof *y);
	struct rows rows = rows_of(&t->base, type, n, x);
	struct progress progress;
	progress_begin(&progress, options->progress, options->progress_data, "transform", n);
	*status = y ? map_rows(&t->mapping, forward, "x", &rows, options->threads, y)
	            : fail_nomem("transformed vectors", cells * sizeof *y);
	*status = progress_end_with(&progress, *status);
	if (*status == KITH_OK)
		return y;
	mem_free(y);
	return NULL;
}

/* ---- training ---- */

/* The status of a step of learning that ended with `status`; the maps are freed if it was cancelled at its
 * end. */
static kith_status end(
    struct progress *progress, kith_status status, struct linear *forward, struct linear *inverse)
{
	kith_status told = progress_end(progress);
	if (status == KITH_OK && told) {
		linear_free(forward);
		linear_free(inverse);
	}
	return status == KITH_OK || told == KITH_CANCELLED ? told : status;
}

static kith_status learn(const struct transform *t, int64_t n, const float *x,
    const kith_add_options *options, struct linear *forward, struct linear *inverse)
{
	const struct mapping *m = &t->mapping;
	struct rows rows = rows_of(&t->base, KITH_F32, n, x);
	struct progress progress;
	if (m->kind == MAP_LINEAR)
		return fail(KITH_UNSUPPORTED,
		    "'%s' begins with a map that is not learnt; it comes with an imported index",
		    t->base.spec);
	int64_t min = m->kind == MAP_PCA ? m->out : m->kind == MAP_OPQ ? OPQ_MIN : 0;
	if (n < min)
		return fail(KITH_INVALID, "n is %lld training vector%s; '%s' needs at least %lld",
		    (long long)n, PLURAL(n), t->base.spec, (long long)min);
	if (m->kind == MAP_PCA) {
		struct pca pca = {.out = m->out,
		    .centred = !t->base.metric->similarity,
		    .whiten = m->whiten,
		    .rotate = m->rotate,
		    .seed = options->seed,
		    .threads = options->threads};
		progress_begin(&progress, options->progress, options->progress_data, "PCA", 1);
		return end(&progress, pca_learn(&pca, &rows, forward, inverse), forward, inverse);
	}
	if (m->kind == MAP_OPQ) {
		struct opq opq = {.out = m->out,
		    .m = m->m,
		    .seed = options->seed,
		    .threads = options->threads,
		    .progress = options->progress,
		    .progress_data = options->progress_data};
		return opq_learn(&opq, &rows, forward, inverse);
	}
	if (m->kind == MAP_ROTATION) {
		progress_begin(&progress, options->progress, options->progress_data, "rotation", 1);
		return end(&progress,
		    rotation_learn(m->in, m->out, options->seed, options->threads, forward, inverse), forward,
		    inverse);
	}
	return KITH_OK;
}

static kith_status transform_train(
    kith_index *index, int64_t n, const float *x, const kith_add_options *options)
{
	struct transform *t = transform_of(index);
	struct linear forward = {0}, inverse = {0};
	if (is_linear(&t->mapping) && !t->given && t->child->ops->size(t->child) > 0)
		return fail(KITH_INVALID, "index '%s' holds vectors already; train it while it is empty",
		    index->spec);
	kith_status status =
	    t->given ? linear_copy(&forward, &t->forward) : learn(t, n, x, options, &forward, &inverse);
	if (status == KITH_OK && t->given)
		status = linear_copy(&inverse, &t->inverse);
	if (status) {
		linear_free(&forward);
		return status;
	}
	float *y = map_array(t, &forward, KITH_F32, n, x, options, &status);
	if (status == KITH_OK)
		status = t->child->ops->train(t->child, n, y, options);
	mem_free(y);
	if (status) {
		linear_free(&forward);
		linear_free(&inverse);
		return status;
	}
	linear_free(&t->forward);
	linear_free(&t->inverse);
	t->forward = forward;
	t->inverse = inverse;
	index->trained = t->child->trained;
	return KITH_OK;
}

/* ---- changes ---- */

static kith_status transform_check(const kith_index *index, kith_type type, int64_t n, const void *x)
{
	return codec_check_domain(index->metric->domain, index->dim, type, n, x);
}

/* INVALID if the child cannot keep one of n mapped vectors. */
static kith_status check_mapped(const struct transform *t, int64_t n, const float *y)
{
	char word[32], cause[400];
	kith_status status = t->child->ops->check(t->child, KITH_F32, n, y);
	if (status != KITH_INVALID)
		return status;
	mapping_word(&t->mapping, word);
	snprintf(cause, sizeof cause, "%s", kith_last_error());
	return fail(status, "%s, after '%s'", cause, word);
}

static kith_status transform_add(kith_index *index, kith_type type, int64_t n, const void *x,
    const int64_t *ids, const kith_add_options *options)
{
	struct transform *t = transform_of(index);
	kith_status status;
	float *y = map_array(t, &t->forward, type, n, x, options, &status);
	if (status == KITH_OK)
		status = check_mapped(t, n, y);
	if (status == KITH_OK)
		status = t->child->ops->add(t->child, KITH_F32, n, y, ids, options);
	mem_free(y);
	return status;
}

static kith_status transform_update(
    kith_index *index, kith_type type, int64_t n, const void *x, const int64_t *ids)
{
	struct transform *t = transform_of(index);
	kith_status status;
	kith_add_options options = KITH_ADD_OPTIONS;
	float *y = map_array(t, &t->forward, type, n, x, &options, &status);
	if (status == KITH_OK)
		status = check_mapped(t, n, y);
	if (status == KITH_OK)
		status = t->child->ops->update(t->child, KITH_F32, n, y, ids);
	mem_free(y);
	return status;
}

static kith_status transform_merge(kith_index *into, kith_index *from, const int64_t *ids)
{
	struct transform *a = transform_of(into), *b = transform_of(from);
	if (!linear_same(&a->forward, &b->forward))
		return merge_unlike(into);
	return merge_children(a->child, b->child, from, ids);
}

/* ---- searching ---- */

struct asking {
	const struct transform *t;
	float *y; /* room for the queries of a chunk, transformed */
};

static kith_status search_some(
    void *arg, const struct rows *query, struct sink *sink, const kith_search_options *options)
{
	const struct asking *asking = arg;
	const struct transform *t = asking->t;
	kith_status status = map_rows(&t->mapping, &t->forward, "q", query, options->threads, asking->y);
	struct rows mapped = rows_of_array(KITH_F32, query->n, t->mapping.out, asking->y, 0);
	return status ? status : t->child->ops->search(t->child, &mapped, sink, options);
}

static kith_status transform_search(
    const kith_index *index, const struct rows *query, struct sink *sink, const kith_search_options *options)
{
	const struct transform *t = transform_of_const(index);
	int64_t max = SEARCH_BYTES / (t->mapping.out * (int64_t)sizeof(float));
	max = max > MIN_QUERIES ? max : MIN_QUERIES;
	max = max < query->n ? max : query->n;
	struct asking asking = {t, mem_alloc((size_t)max * (size_t)t->mapping.out, sizeof *asking.y)};
	if (!asking.y)
		return fail_nomem(
		    "transformed queries", (size_t)max * (size_t)t->mapping.out * sizeof *asking.y);
	kith_status status = wrapper_search_chunks(query, sink, options, max, search_some, &asking);
	mem_free(asking.y);
	return status;
}

/* ---- the rest ---- */

static kith_status transform_read(const kith_index *index, int64_t n, const int64_t *positions, float *x)
{
	const struct transform *t = transform_of_const(index);
	if (t->mapping.kind == MAP_UNIT)
		return t->child->ops->read(t->child, n, positions, x);
	float *y = mem_alloc((size_t)n * (size_t)t->mapping.out, sizeof *y);
	if (!y)
		return fail_nomem("transformed vectors", (size_t)n * (size_t)t->mapping.out * sizeof *y);
	kith_status status = t->child->ops->read(t->child, n, positions, y);
	if (status == KITH_OK && t->mapping.kind == MAP_PAD) {
		for (int64_t i = 0; i < n; i++)
			memcpy(x + i * index->dim, y + i * t->mapping.out, (size_t)index->dim * sizeof *x);
	} else if (status == KITH_OK) {
		struct rows rows = rows_of_array(KITH_F32, n, t->mapping.out, y, 0);
		status = linear_apply(&t->inverse, &rows, 0, x);
	}
	mem_free(y);
	return status;
}

static size_t transform_memory(const kith_index *index)
{
	const struct transform *t = transform_of_const(index);
	return sizeof *t + linear_memory(&t->forward) + linear_memory(&t->inverse) +
	       wrapper_child_memory(index);
}

static void transform_free(kith_index *index)
{
	struct transform *t = transform_of(index);
	linear_free(&t->forward);
	linear_free(&t->inverse);
	structure_free(t->child);
	mem_free(t);
}

static kith_status transform_clone(kith_index **out, const kith_index *index)
{
	const struct transform *from = transform_of_const(index);
	struct transform *to = mem_zalloc(1, sizeof *to);
	if (!to)
		return fail_nomem("an index", sizeof *to);
	index_head_copy(&to->base, &from->base);
	to->mapping = from->mapping;
	to->given = from->given;
	kith_status status = linear_copy(&to->forward, &from->forward);
	if (status == KITH_OK)
		status = linear_copy(&to->inverse, &from->inverse);
	if (status == KITH_OK)
		status = structure_clone(&to->child, from->child);
	if (status) {
		transform_free(&to->base);
		return status;
	}
	*out = &to->base;
	return KITH_OK;
}

static void transform_save(const kith_index *index, struct blob_writer *w)
{
	const struct transform *t = transform_of_const(index);
	if (t->forward.panels) {
		linear_save(&t->forward, "MAP0", "SHI0", w);
		linear_save(&t->inverse, "MAP1", "SHI1", w);
	}
	structure_save_child(t->child, w);
}

static kith_status transform_load(kith_index *index, int64_t n, bool trained, struct blob_reader *r)
{
	(void)n; /* structure_load compares it with the size of the child */
	struct transform *t = transform_of(index);
	const struct mapping *m = &t->mapping;
	kith_status status = KITH_OK;
	if (is_linear(m) && (trained || blob_has(r, "MAP0"))) {
		t->given = !trained;
		status = linear_load(&t->forward, m->in, m->out, "MAP0", "SHI0", r);
		if (status == KITH_OK)
			status = linear_load(&t->inverse, m->out, m->in, "MAP1", "SHI1", r);
	}
	if (status == KITH_OK)
		status = structure_load_child(t->child, r);
	index->trained = t->child->trained && (t->forward.panels || !is_linear(m));
	return status;
}

static kith_index *transform_child(const kith_index *index, int64_t i)
{
	return i == 0 ? transform_of_const(index)->child : NULL;
}

static kith_status transform_set_centroids(kith_index *index, int64_t nlist, const float *centroids)
{
	struct transform *t = transform_of(index);
	kith_status status = structure_set_centroids(t->child, nlist, centroids);
	index->trained = t->child->trained && (!is_linear(&t->mapping) || t->forward.panels);
	return status;
}

static const struct structure_ops transform_ops = {
    .check = transform_check,
    .train = transform_train,
    .set_centroids = transform_set_centroids,
    .add = transform_add,
    .update = transform_update,
    .remove = wrapper_remove,
    .merge = transform_merge,
    .compact = wrapper_compact,
    .reorder = wrapper_reorder,
    .trim = wrapper_trim,
    .reserve = wrapper_reserve,
    .search = transform_search,
    .find = wrapper_find,
    .id_at = wrapper_id_at,
    .read = transform_read,
    .size = wrapper_size,
    .count_lists = wrapper_count_lists,
    .memory = transform_memory,
    .clone = transform_clone,
    .free = transform_free,
    .child = transform_child,
    .save = transform_save,
    .load = transform_load,
    .validate = wrapper_validate,
};

/* ---- making one ---- */

static kith_status check_child(
    const struct mapping *m, const char *word, const struct metric *metric, const kith_index *child)
{
	if (child->dim != m->out)
		return fail(KITH_INVALID, "'%s' gives vectors of dimension %lld, but '%s' has %lld", word,
		    (long long)m->out, child->spec, (long long)child->dim);
	if (child->type != KITH_F32)
		return fail(KITH_INVALID, "'%s' gives floats, but '%s' keeps %s", word, child->spec,
		    kith_type_name(child->type));
	if (metric->domain == DOMAIN_MISSING)
		return fail(KITH_UNSUPPORTED,
		    "'%s' would change vectors, of which under %s elements may be missing", word,
		    metric->name);
	if (child->metric != metric_of_unit(metric))
		return fail(KITH_INVALID, "metric is %s; the index '%s' below '%s' must have metric %s",
		    metric->name, child->spec, word, metric_of_unit(metric)->name);
	return KITH_OK;
}

/* Wrap a child that may hold vectors. */
static kith_status wrap(struct transform **out, const struct metric *metric, const struct mapping *mapping,
    kith_index *take_child)
{
	char word[32];
	mapping_word(mapping, word);
	kith_status status = mapping_check(mapping, word);
	if (status == KITH_OK)
		status = check_child(mapping, word, metric, take_child);
	if (status)
		return status;
	struct transform *t = mem_zalloc(1, sizeof *t);
	if (!t)
		return fail_nomem("an index", sizeof *t);
	t->base = (struct kith_index){
	    .ops = &transform_ops, .dim = mapping->in, .metric = metric, .type = KITH_F32};
	t->base.trained = take_child->trained && !is_linear(mapping);
	bool group = is_refine(take_child);
	int length = snprintf(t->base.spec, sizeof t->base.spec, "%s,%s%s%s", word, group ? "(" : "",
	    take_child->spec, group ? ")" : "");
	if (length >= (int)sizeof t->base.spec) {
		mem_free(t);
		return fail(
		    KITH_INVALID, "'%s' before '%s' is too long a specification", word, take_child->spec);
	}
	t->mapping = *mapping;
	t->child = take_child;
	*out = t;
	return KITH_OK;
}

kith_status transform_new(
    kith_index **out, const struct metric *metric, const struct mapping *mapping, kith_index *take_child)
{
	struct transform *t = NULL;
	char word[32];
	mapping_word(mapping, word);
	if (take_child->ops->size(take_child) > 0)
		return fail(KITH_INVALID, "'%s' holds vectors already, and none of them went through '%s'",
		    take_child->spec, word);
	kith_status status = wrap(&t, metric, mapping, take_child);
	if (status == KITH_OK)
		*out = &t->base;
	return status;
}

kith_status transform_from_components(kith_index **out, const struct metric *metric,
    const struct mapping *mapping, struct linear *take_forward, struct linear *take_inverse, bool given,
    kith_index *take_child)
{
	struct transform *t = NULL;
	kith_status status = wrap(&t, metric, mapping, take_child);
	if (status)
		return status;
	if (is_linear(mapping)) {
		t->forward = *take_forward;
		t->inverse = *take_inverse;
	}
	t->given = given;
	t->base.trained = take_child->trained;
	*out = &t->base;
	return KITH_OK;
}

bool transform_components(const kith_index *index, struct transform_components *parts)
{
	if (index->ops != &transform_ops)
		return false;
	const struct transform *t = transform_of_const(index);
	bool linear = is_linear(&t->mapping);
	*parts = (struct transform_components){
	    &t->mapping, linear ? &t->forward : NULL, linear ? &t->inverse : NULL, t->child};
	return true;
}
