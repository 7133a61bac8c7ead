/* The coarse quantizer of an inverted file: finds the lists near a query without comparing all centroids. Its
 * keys are good to about a percent, so it is asked for some more candidates than are wanted; these are
 * reranked by the centroids, so keys are exact and only the choice is approximate.
 *
 * Kinds. Without a quantizer all centroids are compared. A graph over them (hnsw_quantizer.c) is used where
 * it is quicker than that. Any other index was chosen by the caller for its memory or speed and is always
 * used. It learns from the centroids, as FAISS's quantizers do, and the centroids become what it decodes to,
 * so that residuals are relative to what the quantizer knows, here and in files of FAISS.
 */
#include "lib/index/ivf.h"
#include "lib/index/wrapper.h"

#include "lib/base/status.h"
#include "lib/search/rerank.h"
#include "lib/search/search.h"

#include <stdio.h>

enum { DEFAULT_EF = 64 };

/* ---- making one ---- */

/* Reword an error of the quantizer's about vectors that the caller has not seen. */
static kith_status fail_kind(kith_status status, const struct ivf *ivf)
{
	char why[256];
	if (status != KITH_INVALID)
		return status;
	snprintf(why, sizeof why, "%s", kith_last_error());
	return fail(status, "the %lld centroids are too few or not fit for the quantizer '%s': %s",
	    (long long)ivf->nlist, ivf->kind->spec, why);
}

static kith_status build_kind(
    kith_index *quantizer, const struct ivf *ivf, float *centroids, const kith_add_options *options)
{
	int64_t n = ivf->nlist;
	kith_status status = quantizer->ops->train(quantizer, n, centroids, options);
	if (status == KITH_OK)
		status = quantizer->ops->check(quantizer, KITH_F32, n, centroids);
	if (status == KITH_OK)
		status = quantizer->ops->add(quantizer, KITH_F32, n, centroids, NULL, options);
	for (int64_t i = 0; status == KITH_OK && i < n; i++) {
		int64_t at = quantizer->ops->find(quantizer, i);
		status = quantizer->ops->read(quantizer, 1, &at, centroids + i * ivf->base.dim);
	}
	structure_trim(quantizer);
	return fail_kind(status, ivf);
}

kith_status quantizer_build(
    kith_index **out, const struct ivf *ivf, float *centroids, const kith_add_options *options)
{
	kith_index *quantizer;
	*out = NULL;
	if (ivf->M)
		return hnsw_quantizer_build(
		    out, ivf_quantizer_metric(ivf), ivf->M, ivf->nlist, ivf->base.dim, centroids, options);
	if (!ivf->kind)
		return KITH_OK;
	kith_status status = structure_clone(&quantizer, ivf->kind);
	if (status)
		return status;
	status = build_kind(quantizer, ivf, centroids, options);
	if (status)
		structure_free(quantizer);
	else
		*out = quantizer;
	return status;
}

/* ---- searching ---- */

int64_t quantizer_ef(int64_t efSearch, int64_t k)
{
	int64_t ef = efSearch ? efSearch : 2 * k > DEFAULT_EF ? 2 * k : DEFAULT_EF;
	return ef > k ? ef : k;
}

/* Costs are counted in comparisons of one query with one centroid. Measured (SIFT, 128 dimensions, M = 32, ef
 * = 64, 8 lists found, AVX-512 without AMX), µs a query:
 *
 *   centroids  graph   all, alone   in batches of 64, 256, 1000
 *       4,096     25       47          22     17     16
 *      16,384     43      222          69     43     37
 *      65,536     64    2,395         178     98     81
 *
 * Where both cost about the same all are compared, which misses nothing. */
bool quantizer_pays(const struct ivf *ivf, int64_t nq, int64_t ef)
{
	if (!ivf->M)
		return true;
	double graph = 1.5 * ivf->M * (double)ef;
	double tiles = nq < 32 ? 1 : nq < 128 ? 3 : nq < 512 ? 8 : 24;
	return graph * tiles < (double)ivf->nlist;
}

/* A candidate has no row only in a damaged file that is not validated yet. */
static struct row_place locate(const void *owner, const void *candidates, int64_t i, struct rows *list)
{
	const struct rows *centroids = owner;
	int64_t number = ((const struct found *)candidates)[i].id;
	(void)list;
	return (struct row_place){number >= 0 && number < centroids->n ? centroids : NULL, number};
}

kith_status quantizer_search(
    const struct ivf *ivf, const struct rows *query, int64_t ef, int threads, struct sink *sink)
{
	kith_search_options options = KITH_SEARCH_OPTIONS;
	int64_t candidates = sink->k + sink->k / 2 + 8;
	candidates = candidates < ef ? candidates : ef;
	candidates = candidates < ivf->nlist ? candidates : ivf->nlist;
	struct rows centroids = rows_of_array(KITH_F32, ivf->nlist, ivf->base.dim, ivf->centroids, 0);
	struct rerank how = {
	    .exact.score = metric_kernels(ivf->base.metric), .locate = locate, .owner = &centroids};
	options.threads = threads;
	options.efSearch = ef;
	return wrapper_search_rerank(ivf->quantizer, query, sink, candidates, &how, &options);
}

/* ---- files ---- */

void quantizer_save(const struct ivf *ivf, struct blob_writer *w)
{
	if (ivf->kind)
		structure_save_child(ivf->quantizer, w);
}

kith_status quantizer_load(struct ivf *ivf, struct blob_reader *r)
{
	if (!ivf->kind)
		return KITH_OK;
	kith_status status = structure_clone(&ivf->quantizer, ivf->kind);
	if (status == KITH_OK)
		status = structure_load_child(ivf->quantizer, r);
	if (status == KITH_OK && ivf->quantizer->ops->size(ivf->quantizer) != ivf->nlist)
		status = blob_fail(r, "NODE", "has a quantizer with another number of centroids");
	return status;
}
