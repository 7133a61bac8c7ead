/* Flat: every vector is a candidate (vectors.c keeps them). */
#include "lib/index/structure.h"

#include "lib/base/progress.h"
#include "lib/base/status.h"
#include "lib/index/parts.h"
#include "lib/index/vectors.h"
#include "lib/search/search.h"

struct flat {
	struct kith_index base;
	struct vectors vectors;
};

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

static kith_status flat_add(kith_index *index, kith_type type, int64_t n, const void *x, const int64_t *ids,
    const kith_add_options *options)
{
	struct vectors *v = &flat_of(index)->vectors;
	int64_t before = v->ids.n, next = v->ids.next;
	struct encoder encoder;
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
	if (*removed)
		vectors_retain(v, retained);
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
	if (status == KITH_OK)
		vectors_merge(v, others);
	return status;
}

static kith_status flat_reserve(kith_index *index, int64_t n)
{
	return vectors_reserve(&flat_of(index)->vectors, n);
}

static kith_status flat_search(
    const kith_index *index, const struct rows *query, struct sink *sink, const kith_search_options *options)
{
	struct rows rows = vectors_rows(&flat_of_const(index)->vectors), converted = *query;
	void *bytes = rows_as_bytes(&converted, index->type);
	kith_status status = search_exact(&rows, &converted, index->metric, false, sink, options);
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
	return sizeof(struct flat) + vectors_memory(&flat_of_const(index)->vectors);
}

static void flat_free(kith_index *index)
{
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
