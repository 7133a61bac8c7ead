/* Flat: every vector is a candidate. Codes in one growing array, ids beside them; removal closes the gaps
 * and keeps the order. */
#include "lib/structure/structure.h"

#include "lib/base/progress.h"
#include "lib/base/status.h"
#include "lib/search/filter.h"
#include "lib/search/search.h"
#include "lib/structure/ids.h"

struct flat {
	struct kith_index base;
	struct codec *codec;
	struct codes codes;
	struct ids ids;
};

static struct flat *flat_of(kith_index *index)
{
	return (struct flat *)(void *)index;
}

static const struct flat *flat_of_const(const kith_index *index)
{
	return (const struct flat *)(const void *)index;
}

static struct rows flat_rows(const struct flat *flat)
{
	struct rows rows = codes_rows(&flat->codes);
	rows.ids = ids_list(&flat->ids);
	return rows;
}

static kith_status flat_check(const kith_index *index, kith_type type, int64_t n, const void *x)
{
	return flat_of_const(index)->codec->ops->check(index->dim, type, n, x);
}

static kith_status flat_train(kith_index *index, int64_t n, const float *x, const kith_add_options *options)
{
	struct flat *flat = flat_of(index);
	if (!flat->codec->ops->train)
		return KITH_OK;
	if (flat->codes.n > 0)
		return fail(KITH_INVALID, "index '%s' holds vectors already; train it while it is empty",
		    index->spec);
	kith_status status = train_whole(index, flat->codec, n, x, options);
	index->trained = flat->codec->trained;
	return status;
}

static float *new_scratch(const kith_index *index)
{
	float *scratch = mem_alloc(CODES_SCRATCH(index->dim), sizeof *scratch);
	if (!scratch)
		fail_nomem("encoding", CODES_SCRATCH(index->dim) * sizeof *scratch);
	return scratch;
}

/* Write vectors behind the last one, chunk by chunk, until done or cancelled. */
static kith_status append_chunks(struct flat *flat, kith_type type, int64_t n, const void *x, float *scratch,
    const kith_add_options *options)
{
	enum { CHUNK = 4096 };
	struct progress progress;
	size_t row = (size_t)flat->base.dim * kith_type_size(type);
	progress_begin(&progress, options->progress, options->progress_data, "add", n);
	for (int64_t i = 0, count; i < n && !progress_cancelled(&progress); i += count) {
		count = n - i < CHUNK ? n - i : CHUNK;
		codes_append(&flat->codes, type, count, (const char *)x + (size_t)i * row, scratch);
		progress_add(&progress, count);
	}
	return progress_end(&progress);
}

static kith_status flat_add(kith_index *index, kith_type type, int64_t n, const void *x, const int64_t *ids,
    const kith_add_options *options)
{
	struct flat *flat = flat_of(index);
	int64_t before = flat->codes.n;
	if (n > IDS_MAX - before)
		return fail(KITH_INVALID, "n is %lld: an index holds at most %lld vectors", (long long)n,
		    (long long)IDS_MAX);
	float *scratch = new_scratch(index);
	if (!scratch)
		return KITH_NOMEM;
	kith_status status = codes_reserve(&flat->codes, before + n, 4);
	if (status == KITH_OK)
		status = append_chunks(flat, type, n, x, scratch, options);
	if (status == KITH_OK)
		status = ids_append(&flat->ids, n, ids);
	if (status)
		flat->codes.n = before;
	mem_free(scratch);
	return status;
}

static kith_status flat_update(
    kith_index *index, kith_type type, int64_t n, const void *x, const int64_t *ids)
{
	struct flat *flat = flat_of(index);
	float *scratch = new_scratch(index);
	if (!scratch)
		return KITH_NOMEM;
	size_t row = (size_t)index->dim * kith_type_size(type);
	for (int64_t i = 0; i < n; i++)
		codes_replace(&flat->codes, ids_find(&flat->ids, ids[i]), type,
		    (const char *)x + (size_t)i * row, scratch);
	mem_free(scratch);
	return KITH_OK;
}

static kith_status flat_remove(kith_index *index, const kith_filter *which, int64_t *removed)
{
	struct flat *flat = flat_of(index);
	struct rows rows = flat_rows(flat);
	size_t words = (size_t)(rows.n + 63) / 64;
	uint64_t *bits = mem_zalloc(words, sizeof *bits);
	if (!bits)
		return fail_nomem("a removal", words * sizeof *bits);
	int64_t n = filter_rows(which, &rows, 1, bits);
	kith_status status = n ? ids_prepare_remove(&flat->ids) : KITH_OK;
	if (status == KITH_OK && n) {
		for (size_t i = 0; i < words; i++)
			bits[i] = ~bits[i];
		codes_keep(&flat->codes, bits);
		ids_keep(&flat->ids, bits);
	}
	mem_free(bits);
	*removed = status == KITH_OK ? n : 0;
	return status;
}

static kith_status flat_reserve(kith_index *index, int64_t n)
{
	struct flat *flat = flat_of(index);
	kith_status status = codes_reserve(&flat->codes, n, 0);
	return status ? status : ids_reserve(&flat->ids, n);
}

static kith_status flat_search(
    const kith_index *index, const struct rows *query, struct sink *sink, const kith_search_options *options)
{
	const struct flat *flat = flat_of_const(index);
	struct rows rows = flat_rows(flat), converted = *query;
	void *bytes = NULL;
	bytes = rows_as_bytes(&converted, index->type);
	kith_status status = search_exact(&rows, &converted, index->metric != KITH_L2, false, sink, options);
	mem_free(bytes);
	return status;
}

static int64_t flat_find(const kith_index *index, int64_t id)
{
	return ids_find(&flat_of_const(index)->ids, id);
}

static int64_t flat_id_at(const kith_index *index, int64_t position)
{
	return ids_at(&flat_of_const(index)->ids, position);
}

static kith_status flat_read(const kith_index *index, int64_t n, const int64_t *positions, float *x)
{
	for (int64_t i = 0; i < n; i++)
		codes_read(&flat_of_const(index)->codes, positions[i], x + i * index->dim);
	return KITH_OK;
}

static int64_t flat_size(const kith_index *index)
{
	return flat_of_const(index)->codes.n;
}

static size_t flat_memory(const kith_index *index)
{
	const struct flat *flat = flat_of_const(index);
	return sizeof *flat + flat->codec->ops->memory(flat->codec) + codes_memory(&flat->codes) +
	       ids_memory(&flat->ids);
}

static void flat_free(kith_index *index)
{
	struct flat *flat = flat_of(index);
	codes_free(&flat->codes);
	codec_free(flat->codec);
	ids_free(&flat->ids);
	mem_free(flat);
}

static kith_status flat_clone(kith_index **out, const kith_index *index)
{
	const struct flat *from = flat_of_const(index);
	struct flat *to = mem_zalloc(1, sizeof *to);
	if (!to)
		return fail_nomem("an index", sizeof *to);
	to->base = from->base;
	kith_status status = codec_clone(&to->codec, from->codec);
	if (status == KITH_OK)
		status = codes_copy(&to->codes, &from->codes, to->codec);
	if (status == KITH_OK)
		status = ids_copy(&to->ids, &from->ids);
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
	codec_save(flat->codec, w);
	ids_save(&flat->ids, w);
	codes_save(&flat->codes, sizeof flat->codes, 1, w);
}

static kith_status flat_load(kith_index *index, int64_t n, bool trained, struct blob_reader *r)
{
	struct flat *flat = flat_of(index);
	kith_status status = codec_load(flat->codec, trained, r);
	index->trained = flat->codec->trained;
	if (status == KITH_OK)
		status = ids_load(&flat->ids, n, r);
	return status ? status : codes_load(&flat->codes, sizeof flat->codes, 1, &n, r);
}

static kith_status flat_settle(kith_index *index)
{
	struct flat *flat = flat_of(index);
	kith_status status = ids_settle(&flat->ids);
	return status ? status : codes_settle(&flat->codes);
}

static const struct structure_ops flat_ops = {
    .check = flat_check,
    .train = flat_train,
    .add = flat_add,
    .update = flat_update,
    .remove = flat_remove,
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
    .settle = flat_settle,
};

kith_status flat_new(kith_index **out, kith_metric metric, struct codec *take_codec)
{
	struct flat *flat = mem_zalloc(1, sizeof *flat);
	if (!flat)
		return fail_nomem("an index", sizeof *flat);
	flat->base = (struct kith_index){.ops = &flat_ops,
	    .dim = take_codec->dim,
	    .metric = metric,
	    .type = take_codec->ops->type,
	    .trained = take_codec->trained};
	take_codec->ops->word(take_codec, flat->base.spec);
	flat->codec = take_codec;
	codes_init(&flat->codes, take_codec);
	*out = &flat->base;
	return KITH_OK;
}
