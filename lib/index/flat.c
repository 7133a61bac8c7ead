/* Flat: every vector is a candidate (vectors.c keeps them). After some hundred queries the vectors are
 * projected if that pays, and searches exclude most of them by their projections
 * (lib/search/projection.h). */
#include "lib/index/structure.h"

#include "lib/base/progress.h"
#include "lib/base/status.h"
#include "lib/index/parts.h"
#include "lib/index/vectors.h"
#include "lib/search/projection.h"
#include "lib/search/search.h"

/* The number of queries after which vectors are projected: searches have then taken about as long as
 * projecting takes. A query of a small call takes longer and counts FEW_COUNT times. */
enum { PROJECT_AFTER = 256, FEW_COUNT = 8 };
static const int64_t NO_MORE = INT64_MIN / 2;

struct flat {
	struct kith_index base;
	struct vectors vectors;

	/* Made by a search; freed by changes after which it would be wrong. */
	_Atomic(struct projection *) projection;
	bool unprojected;        /* none is to be made: no_projection */
	_Atomic int64_t queries; /* so far; < 0: a search is making it, or it would not pay */
};

static void forget_projection(struct flat *flat)
{
	projection_free(atomic_exchange(&flat->projection, NULL));
	atomic_store(&flat->queries, 0);
}

static struct flat *flat_of(kith_index *index)
{
	return (struct flat *)(void *)index;
}

static const struct flat *flat_of_const(const kith_index *index)
{
	return (const struct flat *)(const void *)index;
}

static kith_status flat_check(const kith_index *index, kith_type type, int64_t n, const void *x)
{
	const struct codec *codec = flat_of_const(index)->vectors.codec;
	return codec_check(codec, type, n, x);
}

static kith_status flat_train(kith_index *index, int64_t n, const float *x, const kith_add_options *options)
{
	return train_codec_alone(index, flat_of(index)->vectors.codec, n, x, options);
}

static kith_status encode(struct vectors *v, const struct encoder *encoder, kith_type type, int64_t n,
    const void *x, const kith_add_options *options)
{
	struct progress progress;
	progress_begin(&progress, options->progress, options->progress_data, "add", n);
	vectors_encode(v, encoder, type, n, x, &progress);
	return progress_end(&progress);
}

/* Vectors added later are searched without the projection, until there are many. */
static void projection_after_adding(struct flat *flat)
{
	const struct projection *p = atomic_load(&flat->projection);
	int64_t n = flat->vectors.codes.n;
	if (p ? n > p->n + p->n / 4 : atomic_load(&flat->queries) < 0)
		forget_projection(flat);
}

static kith_status flat_add(kith_index *index, kith_type type, int64_t n, const void *x, const int64_t *ids,
    const kith_add_options *options)
{
	struct vectors *v = &flat_of(index)->vectors;
	int64_t before = v->ids.n, next = v->ids.next;
	struct encoder encoder;
	if (options->no_projection) {
		flat_of(index)->unprojected = true;
		forget_projection(flat_of(index));
	}
	kith_status status = vectors_prepare(v, &encoder, n, ids, options->threads);
	if (status == KITH_OK)
		status = ids_append(&v->ids, n, ids);
	if (status == KITH_OK) {
		status = encode(v, &encoder, type, n, x, options);
		if (status) {
			codes_truncate(&v->codes, before);
			ids_truncate(&v->ids, before, next);
		}
	}
	if (status)
		ids_unprepare(&v->ids);
	else
		projection_after_adding(flat_of(index));
	encoder_free(&encoder);
	return status;
}

static kith_status flat_update(
    kith_index *index, kith_type type, int64_t n, const void *x, const int64_t *ids)
{
	float *scratch = mem_alloc(CODES_SCRATCH(index->dim), sizeof *scratch);
	if (!scratch)
		return fail_nomem("encoding", CODES_SCRATCH(index->dim) * sizeof *scratch);
	vectors_replace(&flat_of(index)->vectors, type, n, x, ids, scratch);
	mem_free(scratch);
	forget_projection(flat_of(index));
	return KITH_OK;
}

static kith_status flat_remove(kith_index *index, const kith_filter *which, int64_t *removed)
{
	struct vectors *v = &flat_of(index)->vectors;
	uint64_t *retained = vectors_to_retain(v, which, removed);
	if (!retained)
		return KITH_NOMEM;
	kith_status status = *removed ? ids_prepare_remove(&v->ids) : KITH_OK;
	if (status)
		*removed = 0;
	if (*removed) {
		vectors_retain(v, retained);
		forget_projection(flat_of(index));
	}
	mem_free(retained);
	return status;
}

static kith_status flat_merge(kith_index *into, kith_index *from, const int64_t *ids)
{
	struct vectors *v = &flat_of(into)->vectors, *others = &flat_of(from)->vectors;
	if (!vectors_alike(v, others))
		return merge_unlike(into);
	kith_status status = codes_reserve(&v->codes, v->codes.n + others->codes.n, 4);
	if (status == KITH_OK)
		status = ids_append(&v->ids, others->codes.n, ids);
	if (status == KITH_OK) {
		vectors_merge(v, others);
		projection_after_adding(flat_of(into));
		forget_projection(flat_of(from));
	}
	return status;
}

static kith_status flat_reserve(kith_index *index, int64_t n)
{
	return vectors_reserve(&flat_of(index)->vectors, n);
}

/* Projects the rows. If that fails, the index stays without a projection; only a cancel is reported, and then
 * a later search tries again. */
static kith_status project(
    struct flat *flat, const struct rows *rows, int64_t nq, const kith_search_options *options)
{
	struct projection *projection = NULL;
	struct progress progress;
	progress_begin(&progress, options ? options->progress : NULL, options ? options->progress_data : NULL,
	    "project", nq);
	projection_build(&projection, rows, flat->base.metric, options ? options->threads : 0);
	kith_status status = progress_end(&progress);
	atomic_store(&flat->projection, projection);
	if (status)
		atomic_store(&flat->queries, 0);
	return status;
}

/* The projection of the rows, NULL if there is none yet. If there have been enough queries, one search makes
 * it first, and the others of that time go on without. */
static kith_status find_projection(const struct flat *flat, const struct rows *rows, int64_t nq,
    const kith_search_options *options, const struct projection **projection)
{
	struct flat *own = (struct flat *)(uintptr_t)flat; /* for its atomic members */
	kith_status status = KITH_OK;
	int64_t count = nq < PROJECTION_FEW ? nq * FEW_COUNT : nq;
	int64_t enough = projection_forced_axes() ? 1 : PROJECT_AFTER;
	if (!flat->unprojected && projection_can_pay(rows, flat->base.metric) &&
	    !atomic_load(&own->projection) && atomic_load(&own->queries) >= 0 &&
	    atomic_fetch_add(&own->queries, count) + count >= enough &&
	    atomic_exchange(&own->queries, NO_MORE) >= 0)
		status = project(own, rows, nq, options);
	*projection = atomic_load(&own->projection);
	return status;
}

static kith_status flat_search(
    const kith_index *index, const struct rows *query, struct sink *sink, const kith_search_options *options)
{
	const struct flat *flat = flat_of_const(index);
	struct rows rows = vectors_rows(&flat->vectors), converted = *query;
	void *bytes = rows_as_bytes(&converted, index->type);
	const struct projection *projection;
	kith_status status = find_projection(flat, &rows, query->n, options, &projection);
	if (status == KITH_OK)
		status = search_projected(&rows, projection, &converted, index->metric, sink, options);
	mem_free(bytes);
	return status;
}

static int64_t flat_find(const kith_index *index, int64_t id)
{
	return ids_find(&flat_of_const(index)->vectors.ids, id);
}

static int64_t flat_id_at(const kith_index *index, int64_t position)
{
	return ids_at(&flat_of_const(index)->vectors.ids, position);
}

static kith_status flat_read(const kith_index *index, int64_t n, const int64_t *positions, float *x)
{
	vectors_read(&flat_of_const(index)->vectors, n, positions, x);
	return KITH_OK;
}

static int64_t flat_size(const kith_index *index)
{
	return flat_of_const(index)->vectors.codes.n;
}

static size_t flat_memory(const kith_index *index)
{
	const struct flat *flat = flat_of_const(index);
	return sizeof *flat + vectors_memory(&flat->vectors) +
	       projection_memory(atomic_load(&((struct flat *)(uintptr_t)flat)->projection));
}

static void flat_free(kith_index *index)
{
	forget_projection(flat_of(index));
	vectors_free(&flat_of(index)->vectors);
	mem_free(index);
}

static kith_status flat_clone(kith_index **out, const kith_index *index)
{
	const struct flat *from = flat_of_const(index);
	struct flat *to = mem_zalloc(1, sizeof *to);
	if (!to)
		return fail_nomem("an index", sizeof *to);
	index_head_copy(&to->base, &from->base);
	to->unprojected = from->unprojected;
	kith_status status = vectors_copy(&to->vectors, &from->vectors);
	if (status) {
		flat_free(&to->base);
		return status;
	}
	*out = &to->base;
	return KITH_OK;
}

static void flat_save(const kith_index *index, struct blob_writer *w)
{
	const struct flat *flat = flat_of_const(index);
	codec_save(flat->vectors.codec, w);
	vectors_save(&flat->vectors, w);
}

static kith_status flat_load(kith_index *index, int64_t n, bool trained, struct blob_reader *r)
{
	struct vectors *v = &flat_of(index)->vectors;
	kith_status status = codec_load(v->codec, trained, r);
	index->trained = v->codec->trained;
	return status ? status : vectors_load(v, n, r);
}

static kith_status flat_validate(kith_index *index)
{
	struct flat *flat = flat_of(index);
	kith_status status = ids_validate(&flat->vectors.ids);
	return status ? status : codes_validate(&flat->vectors.codes);
}

static void flat_trim(kith_index *index)
{
	vectors_trim(&flat_of(index)->vectors);
}

static kith_status flat_renumber(kith_index *index, const int64_t *ids)
{
	return ids_replace(&flat_of(index)->vectors.ids, ids);
}

static const struct codec *flat_codec(const kith_index *index)
{
	return flat_of_const(index)->vectors.codec;
}

static const struct structure_ops flat_ops = {
    .codec = flat_codec,
    .check = flat_check,
    .train = flat_train,
    .add = flat_add,
    .update = flat_update,
    .remove = flat_remove,
    .merge = flat_merge,
    .renumber = flat_renumber,
    .trim = flat_trim,
    .reserve = flat_reserve,
    .search = flat_search,
    .find = flat_find,
    .id_at = flat_id_at,
    .read = flat_read,
    .size = flat_size,
    .memory = flat_memory,
    .clone = flat_clone,
    .free = flat_free,
    .save = flat_save,
    .load = flat_load,
    .validate = flat_validate,
};

kith_status flat_new(kith_index **out, const struct metric *metric, struct codec *take_codec)
{
	struct flat *flat = mem_zalloc(1, sizeof *flat);
	if (!flat)
		return fail_nomem("an index", sizeof *flat);
	flat->base = (struct kith_index){.ops = &flat_ops,
	    .dim = take_codec->dim,
	    .metric = metric,
	    .type = take_codec->ops->type,
	    .trained = take_codec->trained};
	strcpy(flat->base.spec, take_codec->word);
	vectors_init(&flat->vectors, take_codec);
	*out = &flat->base;
	return KITH_OK;
}

kith_status flat_from_components(kith_index **out, const struct metric *metric, struct vectors *take)
{
	kith_status status = flat_new(out, metric, take->codec);
	if (status)
		return status;
	struct flat *flat = flat_of(*out);
	flat->vectors = *take;
	return KITH_OK;
}

struct vectors *flat_vectors(kith_index *index)
{
	return index->ops == &flat_ops ? &flat_of(index)->vectors : NULL;
}

bool flat_components(const kith_index *index, struct stored_components *parts)
{
	if (index->ops != &flat_ops)
		return false;
	const struct flat *flat = flat_of_const(index);
	*parts = (struct stored_components){flat->vectors.codec, &flat->vectors.codes, &flat->vectors.ids};
	return true;
}
