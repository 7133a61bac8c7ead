/* IVF: an inverted file (Sivic & Zisserman 2003; Jégou, Douze & Schmid 2011).
 *
 * k-means cuts space into nlist cells; a vector is kept in the list of its nearest centroid, and a query
 * searches the nprobe lists whose centroids are nearest to it. Codecs that approximate encode the residual,
 * the vector less its centroid. This file knows lists of rows, not what is in them: it works with any codec.
 *
 * Centroids can have an index of their own (quantizer.h), which finds lists for a query without comparing
 * all. Added vectors go into the list of the nearest of all centroids nevertheless: tiles find it quickly for
 * many vectors, and the index does not depend on the batches in which they were added.
 *
 * Memory. A list holds codes, a 32-bit slot per vector (its number in the table of ids) and, for residual
 * codes under L2, one float per vector that lets a query's look-up table serve all lists (scan.c). list_of
 * holds the list of each slot, so a vector is found, updated or removed without a pass over everything.
 * Lists grow by an eighth, so adding in batches costs no second copy of the data.
 */
#include "lib/index/ivf.h"

#include "lib/base/progress.h"
#include "lib/base/status.h"
#include "lib/base/threads.h"
#include "lib/search/search.h"
#include "lib/tile/nearest.h"

#include <stdio.h>
#include <string.h>

/* Nearest lists of each query, by the quantizer with ef candidates, or (ef = 0) among all: probes
 * [query->n × nprobe], −1 where none was found; *missing: there is such a place. */
static kith_status find_lists(const struct ivf *ivf, const struct rows *query, int64_t nprobe, int64_t ef,
    int threads, int32_t *probes, bool *missing)
{
	struct sink sink;
	kith_status status = sink_init_topk(&sink, query->n, nprobe);
	if (status)
		return status;
	if (ef)
		status = quantizer_search(ivf, query, ef, threads_resolve(threads), &sink);
	else
		status = ivf_compare_all(ivf, ivf->centroids, query, threads, &sink);
	*missing = false;
	for (int64_t q = 0; status == KITH_OK && q < query->n; q++) {
		for (int64_t i = 0; i < nprobe; i++)
			probes[q * nprobe + i] =
			    i < sink.count[q] ? (int32_t)sink.best[q * nprobe + i].id : -1;
		*missing |= sink.count[q] < nprobe;
	}
	sink_free(&sink);
	return status;
}

/* Find the lists to search: by the quantizer if efSearch is given, else in whichever way is quicker. */
static kith_status probe(const struct ivf *ivf, const struct rows *query, int64_t nprobe,
    const kith_search_options *options, int32_t *probes)
{
	int64_t ef = quantizer_ef(options->efSearch, nprobe);
	bool missing = true;
	kith_status status = KITH_OK;
	if (ivf->quantizer && (ivf->M || nprobe < ivf->nlist) &&
	    (options->efSearch || quantizer_pays(ivf, query->n, ef)))
		status = find_lists(ivf, query, nprobe, ef, options->threads, probes, &missing);
	if (status || !missing)
		return status;
	if (nprobe == 1)
		return ivf_assign(ivf, ivf->centroids, query, threads_resolve(options->threads), probes);
	return find_lists(ivf, query, nprobe, 0, options->threads, probes, &missing);
}

/* Take the lists that the caller names, each once. */
static kith_status take_probes(
    const struct ivf *ivf, int64_t nq, int64_t nprobe, const int32_t *given, int32_t *probes)
{
	uint64_t *visited = mem_alloc((size_t)(ivf->nlist + 63) / 64, sizeof *visited);
	if (!visited)
		return fail_nomem("the lists of a query", (size_t)ivf->nlist / 8);
	memset(visited, 0, (size_t)(ivf->nlist + 63) / 64 * sizeof *visited);
	kith_status status = KITH_OK;
	for (int64_t q = 0; q < nq && status == KITH_OK; q++) {
		const int32_t *from = given + q * nprobe;
		for (int64_t i = 0; i < nprobe && status == KITH_OK; i++) {
			int32_t list = from[i], *to = &probes[q * nprobe + i];
			if (list < -1 || list >= ivf->nlist)
				status = fail(KITH_INVALID,
				    "options: probes[%lld][%lld] is %d; it must be -1 … %lld", (long long)q,
				    (long long)i, list, (long long)ivf->nlist - 1);
			else if (list < 0 || visited[list / 64] >> list % 64 & 1)
				*to = -1;
			else {
				visited[list / 64] |= UINT64_C(1) << list % 64;
				*to = list;
			}
		}
		for (int64_t i = 0; i < nprobe && status == KITH_OK; i++)
			if (from[i] >= 0)
				visited[from[i] / 64] = 0;
	}
	mem_free(visited);
	return status;
}

static void ivf_view(const struct lists *lists, int64_t number, struct rows *rows)
{
	const struct ivf *ivf = lists->owner;
	const struct list *list = &ivf->lists[number];
	*rows = codes_rows(&list->codes);
	rows->ids = ids_list(&ivf->ids);
	rows->slots = list_slots(list);
}

static struct residuals ivf_residuals(const struct lists *lists, int64_t number)
{
	const struct ivf *ivf = lists->owner;
	const struct list *list = &ivf->lists[number];
	return (struct residuals){ivf_has_code_norms(ivf) ? list_code_norms(list) : NULL, list->max_norm};
}

/* Cut the probes of each query after max_codes vectors. */
static void limit_codes(const struct ivf *ivf, int64_t nq, int64_t nprobe, int64_t max_codes, int32_t *probes)
{
	for (int64_t q = 0; q < nq; q++) {
		int64_t seen = 0;
		for (int64_t i = 0; i < nprobe; i++) {
			int32_t *list = &probes[q * nprobe + i];
			if (*list >= 0 && seen >= max_codes)
				*list = -1;
			else if (*list >= 0)
				seen += ivf->lists[*list].codes.n;
		}
	}
}

/* The lists to search for each query. Those of an unvalidated index are checked. */
static kith_status choose_lists(const struct ivf *ivf, const struct rows *query, int64_t nprobe,
    const kith_search_options *options, int32_t *probes)
{
	struct progress progress;
	progress_begin(&progress, options->progress, options->progress_data, "search", query->n);
	kith_status status = options->probes ? take_probes(ivf, query->n, nprobe, options->probes, probes)
	                                     : probe(ivf, query, nprobe, options, probes);
	for (int64_t i = 0; ivf->unvalidated && status == KITH_OK && i < query->n * nprobe; i++) {
		status = probes[i] < 0 ? KITH_OK : ivf_check_list(ivf, probes[i]);
		if (status == KITH_OK && progress_stopped())
			status = KITH_CANCELLED;
	}
	return progress_end_with(&progress, status);
}

static kith_status ivf_search(
    const kith_index *index, const struct rows *query, struct sink *sink, const kith_search_options *options)
{
	enum { DEFAULT_NPROBE = 8 };
	const struct ivf *ivf = ivf_of_const(index);
	bool all = !sink->k && options->exact_range && !options->probes;
	int64_t nprobe = options->nprobe ? options->nprobe : DEFAULT_NPROBE;
	nprobe = nprobe < ivf->nlist && !all ? nprobe : ivf->nlist;
	if (options->probes && (options->nprobe < 1 || options->nprobe > ivf->nlist))
		return fail(KITH_INVALID, "options: nprobe is %lld; with probes it must be 1 … %lld",
		    (long long)options->nprobe, (long long)ivf->nlist);
	if (ivf->ids.n == 0)
		return KITH_OK;
	int32_t *probes = mem_alloc((size_t)query->n * (size_t)nprobe, sizeof *probes);
	if (!probes)
		return fail_nomem("the lists to probe", (size_t)query->n * (size_t)nprobe * sizeof *probes);
	kith_status status = choose_lists(ivf, query, nprobe, options, probes);
	if (status == KITH_OK) {
		if (options->max_codes && !all)
			limit_codes(ivf, query->n, nprobe, options->max_codes, probes);
		struct lists lists = {.n = ivf->nlist,
		    .start = ivf->start,
		    .view = ivf_view,
		    .residuals = ivf_residuals,
		    .owner = ivf};
		struct rows base, converted = *query;
		void *bytes = rows_as_bytes(&converted, index->type);
		ivf_view(&lists, 0, &base);
		status =
		    search_lists(&base, &lists, &converted, index->metric, probes, nprobe, sink, options);
		mem_free(bytes);
	}
	mem_free(probes);
	return status;
}

/* Positions, for the API, are slots. */

static int64_t ivf_find(const kith_index *index, int64_t id)
{
	return ids_find(&ivf_of_const(index)->ids, id);
}

static int64_t ivf_id_at(const kith_index *index, int64_t position)
{
	return ids_at(&ivf_of_const(index)->ids, position);
}

static kith_status ivf_read(const kith_index *index, int64_t n, const int64_t *positions, float *x)
{
	const struct ivf *ivf = ivf_of_const(index);
	const void *list_of = ivf->list_of.data;
	kith_status status = ivf->unvalidated ? ivf_find_lists(ivf, &list_of) : KITH_OK;
	for (int64_t i = 0; status == KITH_OK && i < n; i++) {
		uint32_t slot = (uint32_t)positions[i];
		const struct list *list = &ivf->lists[ivf_list_at(ivf, list_of, slot)];
		codes_read(&list->codes, ivf_position(list, slot), x + i * index->dim);
	}
	return status;
}

static kith_status ivf_check(const kith_index *index, kith_type type, int64_t n, const void *x)
{
	/* Whether a residual can be kept is known only with its list: see ivf_add.c. */
	const struct ivf *ivf = ivf_of_const(index);
	return ivf->residual ? codec_check_domain(index->metric->domain, index->dim, type, n, x)
	                     : codec_check(ivf->codec, type, n, x);
}

static int64_t ivf_size(const kith_index *index)
{
	return ivf_of_const(index)->ids.n;
}

static kith_status ivf_reserve(kith_index *index, int64_t n)
{
	/* How many vectors each list will get is not known, so only what is kept per vector is reserved. */
	struct ivf *ivf = ivf_of(index);
	if (n > IDS_MAX)
		return fail(KITH_INVALID, "n is %lld: an index holds at most %lld vectors", (long long)n,
		    (long long)IDS_MAX);
	kith_status status = ivf_reserve_numbers(ivf, n, 0);
	return status ? status : ids_reserve(&ivf->ids, n);
}

static size_t ivf_memory(const kith_index *index)
{
	const struct ivf *ivf = ivf_of_const(index);
	size_t bytes = sizeof *ivf + ids_memory(&ivf->ids) + buffer_memory(&ivf->list_of);
	bytes += ivf->codec->memory;
	bytes += ivf->quantizer ? ivf->quantizer->ops->memory(ivf->quantizer) : 0;
	bytes += ivf->kind ? ivf->kind->ops->memory(ivf->kind) : 0;
	bytes += (size_t)ivf_lists(ivf) *
	         ((size_t)index->dim * sizeof(float) + sizeof *ivf->lists + sizeof *ivf->start);
	for (int64_t l = 0; l < ivf_lists(ivf); l++) {
		const struct list *list = &ivf->lists[l];
		bytes += codes_memory(&list->codes) + buffer_memory(&list->slots) +
		         buffer_memory(&list->code_norms);
	}
	return bytes;
}

static void ivf_count_lists(const kith_index *index, struct list_count *count)
{
	const struct ivf *ivf = ivf_of_const(index);
	for (int64_t l = 0; l < ivf_lists(ivf); l++) {
		int64_t n = ivf->lists[l].codes.n;
		count->lists++;
		count->empty += n == 0;
		count->vectors += n;
		count->shortest = n < count->shortest ? n : count->shortest;
		count->longest = n > count->longest ? n : count->longest;
		count->squares += (double)n * (double)n;
	}
}

static void ivf_free(kith_index *index)
{
	struct ivf *ivf = ivf_of(index);
	for (int64_t l = 0; l < ivf_lists(ivf); l++) {
		codes_free(&ivf->lists[l].codes);
		buffer_free(&ivf->lists[l].slots);
		buffer_free(&ivf->lists[l].code_norms);
	}
	mem_free(ivf->lists);
	mem_free(ivf->start);
	mem_free(ivf->centroids);
	mem_free(ivf->given);
	structure_free(ivf->quantizer);
	structure_free(ivf->kind);
	codec_free(ivf->codec);
	ids_free(&ivf->ids);
	buffer_free(&ivf->list_of);
	ivf_free_blocks(ivf);
	ivf_free_unvalidated(ivf);
	mem_free(ivf);
}

static kith_status copy_list(const struct ivf *to, struct list *copy, const struct list *list)
{
	const float *center = copy->codes.center;
	kith_status status = codes_copy(&copy->codes, &list->codes, to->codec);
	copy->codes.center = center;
	copy->max_norm = list->max_norm;
	size_t n = (size_t)list->codes.n;
	if (status == KITH_OK)
		status = buffer_copy(&copy->slots, &list->slots, n * sizeof(uint32_t), "a copy");
	if (status == KITH_OK && ivf_has_code_norms(to))
		status = buffer_copy(&copy->code_norms, &list->code_norms, n * sizeof(float), "a copy");
	return status;
}

static kith_status copy_lists(struct ivf *to, const struct ivf *from)
{
	kith_status status = ivf_make_lists(to);
	if (status)
		return status;
	size_t row = (size_t)from->base.dim * sizeof *to->centroids;
	memcpy(to->centroids, from->centroids, (size_t)from->nlist * row);
	memcpy(to->start, from->start, (size_t)(from->nlist + 1) * sizeof *to->start);
	if (from->quantizer)
		status = structure_clone(&to->quantizer, from->quantizer);
	for (int64_t l = 0; status == KITH_OK && l < from->nlist; l++)
		status = copy_list(to, &to->lists[l], &from->lists[l]);
	return status;
}

static kith_status ivf_clone(kith_index **out, const kith_index *index)
{
	const struct ivf *from = ivf_of_const(index);
	struct ivf *to = mem_zalloc(1, sizeof *to);
	if (!to)
		return fail_nomem("an index", sizeof *to);
	index_head_copy(&to->base, &from->base);
	to->nlist = from->nlist;
	to->M = from->M;
	to->residual = from->residual;
	kith_status status = codec_clone(&to->codec, from->codec);
	if (status == KITH_OK && from->kind)
		status = structure_clone(&to->kind, from->kind);
	if (status == KITH_OK && from->given)
		status = ivf_give(to, from->given);
	if (status == KITH_OK && from->lists)
		status = copy_lists(to, from);
	if (status == KITH_OK && from->unvalidated)
		status = ivf_new_unvalidated(to);
	else if (status == KITH_OK)
		status = buffer_copy(
		    &to->list_of, &from->list_of, (size_t)from->ids.n * ivf_number_bytes(from), "a copy");
	if (status == KITH_OK)
		status = ids_copy(&to->ids, &from->ids);
	if (status) {
		ivf_free(&to->base);
		return status;
	}
	*out = &to->base;
	return KITH_OK;
}

static kith_status ivf_renumber_ids(kith_index *index, const int64_t *ids)
{
	return ids_replace(&ivf_of(index)->ids, ids);
}

static const struct codec *ivf_codec(const kith_index *index)
{
	return ivf_of_const(index)->codec;
}

static const kith_index *ivf_quantizer(const kith_index *index)
{
	const struct ivf *ivf = ivf_of_const(index);
	return ivf->kind ? ivf->quantizer : NULL;
}

static const struct structure_ops ivf_ops = {
    .codec = ivf_codec,
    .check = ivf_check,
    .train = ivf_train,
    .set_centroids = ivf_set_centroids,
    .add = ivf_add,
    .update = ivf_update,
    .remove = ivf_remove,
    .merge = ivf_merge,
    .renumber = ivf_renumber_ids,
    .trim = ivf_trim,
    .reserve = ivf_reserve,
    .search = ivf_search,
    .find = ivf_find,
    .id_at = ivf_id_at,
    .read = ivf_read,
    .quantizer = ivf_quantizer,
    .size = ivf_size,
    .count_lists = ivf_count_lists,
    .memory = ivf_memory,
    .clone = ivf_clone,
    .free = ivf_free,
    .save = ivf_save,
    .load = ivf_load,
    .validate = ivf_validate,
};

void ivf_name(struct ivf *ivf)
{
	char quantizer[sizeof ivf->base.spec] = "";
	if (ivf->M)
		snprintf(quantizer, sizeof quantizer, "_HNSW%d", ivf->M);
	if (ivf->kind)
		snprintf(quantizer, sizeof quantizer, "(%.*s)", (int)sizeof quantizer - 3, ivf->kind->spec);
	bool whole = !ivf->residual && codec_encodes(ivf->codec);
	size_t size = sizeof ivf->base.spec;
	int n = snprintf(ivf->base.spec, size, "IVF%lld", (long long)ivf->nlist);
	n += snprintf(ivf->base.spec + n, size - (size_t)n, "%s", quantizer);
	if (n < (int)size) /* always: see ivf_set_kind */
		snprintf(
		    ivf->base.spec + n, size - (size_t)n, "%s,%s", whole ? "_whole" : "", ivf->codec->word);
}

kith_status ivf_new(
    kith_index **out, const struct metric *metric, int64_t nlist, int M, struct codec *take_codec)
{
	struct ivf *ivf = mem_zalloc(1, sizeof *ivf);
	if (!ivf)
		return fail_nomem("an index", sizeof *ivf);
	ivf->base = (struct kith_index){
	    .ops = &ivf_ops, .dim = take_codec->dim, .metric = metric, .type = take_codec->ops->type};
	ivf->nlist = nlist;
	ivf->residual = codec_encodes(take_codec);
	ivf->codec = take_codec;
	ivf->M = M;
	ivf_name(ivf);
	*out = &ivf->base;
	return KITH_OK;
}
