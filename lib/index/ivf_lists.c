/* The lists of an inverted file, for training, adding, merging and files: which list a vector goes into, and
 * where each slot is. */
#include "lib/index/ivf.h"

#include "lib/base/status.h"
#include "lib/search/search.h"
#include "lib/tile/nearest.h"

bool ivf_has_code_norms(const struct ivf *ivf)
{
	return ivf->residual && !ivf->base.metric->similarity && ivf->codec->ops->in_scan;
}

kith_status ivf_compare_all(
    const struct ivf *ivf, const float *centroids, const struct rows *x, int threads, struct sink *sink)
{
	struct rows rows = rows_of_array(KITH_F32, ivf->nlist, ivf->base.dim, centroids, 0);
	kith_search_options options = KITH_SEARCH_OPTIONS;
	options.threads = threads;
	return search_exact(&rows, x, ivf->base.metric, false, sink, &options);
}

/* ivf_assign by a scan, which needs no preparation. */
static kith_status assign_few(
    const struct ivf *ivf, const float *centroids, const struct rows *x, int threads, int32_t *labels)
{
	struct sink sink;
	kith_status status = sink_init_topk(&sink, x->n, 1);
	if (status)
		return status;
	status = ivf_compare_all(ivf, centroids, x, threads, &sink);
	for (int64_t i = 0; status == KITH_OK && i < x->n; i++)
		labels[i] = (int32_t)sink.best[i].id;
	sink_free(&sink);
	return status;
}

kith_status ivf_assign(
    const struct ivf *ivf, const float *centroids, const struct rows *x, int threads, int32_t *labels)
{
	enum { FEW = 12 };
	if (x->n < FEW || ivf->base.metric->product == PRODUCT_NONE)
		return assign_few(ivf, centroids, x, threads, labels);
	struct nearest nearest = {.rows = centroids,
	    .k = ivf->nlist,
	    .dim = ivf->base.dim,
	    .metric = ivf->base.metric,
	    .threads = threads};
	return nearest_find(&nearest, x, NULL, labels, NULL);
}

kith_status ivf_make_lists(struct ivf *ivf)
{
	size_t cells = (size_t)ivf->nlist * (size_t)ivf->base.dim;
	float *centroids = mem_zalloc((size_t)ivf->nlist, (size_t)ivf->base.dim * sizeof *centroids);
	struct list *lists = mem_zalloc((size_t)ivf->nlist, sizeof *lists);
	int64_t *start = mem_zalloc((size_t)ivf->nlist + 1, sizeof *start);
	if (!centroids || !lists || !start) {
		mem_free(centroids);
		mem_free(lists);
		mem_free(start);
		return fail_nomem("centroids and lists", cells * sizeof *centroids);
	}
	ivf->centroids = centroids;
	ivf->lists = lists;
	ivf->start = start;
	for (int64_t l = 0; l < ivf->nlist; l++) {
		codes_init(&lists[l].codes, ivf->codec);
		if (ivf->residual)
			lists[l].codes.center = centroids + l * ivf->base.dim;
	}
	return KITH_OK;
}

int64_t ivf_position(const struct list *list, uint32_t slot)
{
	const uint32_t *slots = list_slots(list);
	int64_t i = 0;
	while (slots[i] != slot)
		i++;
	return i;
}

void ivf_count(struct ivf *ivf)
{
	for (int64_t l = 0; l < ivf_lists(ivf); l++)
		ivf->start[l + 1] = ivf->start[l] + ivf->lists[l].codes.n;
}

void ivf_renumber(struct ivf *ivf)
{
	ivf_count(ivf);
	for (int64_t l = 0; !ivf->unvalidated && l < ivf_lists(ivf); l++) {
		const struct list *list = &ivf->lists[l];
		for (int64_t i = 0; i < list->codes.n; i++)
			ivf_put_number(ivf, ivf->list_of.data, list_slots(list)[i], l);
	}
}
