/* Inverted files made of parts: centroids, then lists that were filled elsewhere. */
#include "lib/index/ivf.h"

#include "lib/base/status.h"
#include "lib/index/parts.h"

#include <stdio.h>
#include <string.h>

void ivf_code_whole(kith_index *index)
{
	struct ivf *ivf = ivf_of(index);
	if (!ivf->residual)
		return;
	ivf->residual = false;
	ivf_name(ivf);
}

kith_status ivf_set_kind(kith_index *index, kith_index *take_quantizer)
{
	struct ivf *ivf = ivf_of(index);
	struct stored_components flat;
	char spec[sizeof index->spec];
	const char *codec = strrchr(index->spec, ',') + 1;
	if (take_quantizer->ops->size(take_quantizer) > 0 || take_quantizer->type != KITH_F32 ||
	    take_quantizer->dim != index->dim || take_quantizer->metric != ivf_quantizer_metric(ivf))
		return fail(KITH_INVALID,
		    "the quantizer '%s' must be empty, of floats, and of dimension %lld",
		    take_quantizer->spec, (long long)index->dim);
	if (flat_components(take_quantizer, &flat) && codec_is_fp32(flat.codec)) {
		structure_free(take_quantizer);
		return KITH_OK;
	}
	if (is_hnsw(take_quantizer) && codec_is_fp32(hnsw_quantizer_codec(take_quantizer))) {
		ivf->M = hnsw_quantizer_graph(take_quantizer)->M;
		structure_free(take_quantizer);
		ivf_name(ivf);
		return KITH_OK;
	}
	int length = snprintf(
	    spec, sizeof spec, "IVF%lld(%s)_whole,%s", (long long)ivf->nlist, take_quantizer->spec, codec);
	if (length >= (int)sizeof spec)
		return fail(KITH_INVALID, "'%s' as the quantizer of '%s' is too long a specification",
		    take_quantizer->spec, index->spec);
	ivf->kind = take_quantizer;
	ivf_name(ivf);
	return KITH_OK;
}

kith_status ivf_begin_components(kith_index *index, const float *centroids, int64_t n, const int64_t *ids)
{
	struct ivf *ivf = ivf_of(index);
	kith_status status = ivf_make_lists(ivf);
	if (status)
		return status;
	memcpy(ivf->centroids, centroids, (size_t)ivf->nlist * (size_t)index->dim * sizeof *centroids);
	status = ivf_reserve_numbers(ivf, n, 0);
	return status ? status : ids_append(&ivf->ids, n, ids);
}

kith_status ivf_take_graph(kith_index *index, struct graph *take)
{
	struct ivf *ivf = ivf_of(index);
	return hnsw_quantizer_from_components(
	    &ivf->quantizer, ivf_quantizer_metric(ivf), index->dim, ivf->centroids, take);
}

kith_status ivf_put_list(
    kith_index *index, int64_t number, int64_t n, const void *codes, const uint32_t *numbers)
{
	struct ivf *ivf = ivf_of(index);
	struct list *list = &ivf->lists[number];
	kith_status status = ivf_reserve_list(ivf, list, n);
	float *scratch = mem_alloc(2 * (size_t)index->dim, sizeof *scratch);
	if (status == KITH_OK && !scratch)
		status = fail_nomem("a list", 2 * (size_t)index->dim * sizeof *scratch);
	if (status == KITH_OK && n > 0) {
		codes_append_plain(&list->codes, n, codes, scratch);
		memcpy(list_slots(list), numbers, (size_t)n * sizeof *numbers);
		for (int64_t i = 0; i < n; i++)
			ivf_describe_row(ivf, list, i, scratch);
	}
	mem_free(scratch);
	return status;
}

void ivf_end_components(kith_index *index)
{
	ivf_renumber(ivf_of(index));
	index->trained = true;
}

const struct graph *ivf_graph(const kith_index *index)
{
	const struct ivf *ivf = ivf_of_const(index);
	return ivf->quantizer && ivf->M ? hnsw_quantizer_graph(ivf->quantizer) : NULL;
}

bool is_ivf(const kith_index *index)
{
	return index->ops->train == ivf_train;
}
