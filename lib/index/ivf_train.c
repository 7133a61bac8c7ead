/* Training an inverted file: k-means for the centroids, then the codec on residuals of a sample.
 *
 * Under inner product k-means is spherical: centroids are directions, whose common length only matters for
 * residuals. Those are smallest on average if the length is the mean of ⟨x, direction⟩. Residuals from unit
 * vectors would be dominated by the centroid where vectors are short, and hardly smaller than the vectors
 * where they are long.
 */
#include "lib/index/ivf.h"

#include "kernels/kernels.h"
#include "lib/base/progress.h"
#include "lib/base/status.h"
#include "lib/base/threads.h"
#include "lib/learn/kmeans.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Vectors that a codec learns from, at most: 256 for each of 256 centroids of a product quantizer. */
enum { CODEC_SAMPLE = 65536 };

/* The nearest centroid of each of n vectors. */
static kith_status assign(const struct ivf *ivf, const float *centroids, int64_t n, const float *x,
    const kith_add_options *options, int32_t *labels)
{
	struct rows rows = rows_of_array(KITH_F32, n, ivf->base.dim, x, 0);
	struct progress progress;
	progress_begin(&progress, options->progress, options->progress_data, "residuals", n);
	kith_status status = ivf_assign(ivf, centroids, &rows, threads_resolve(options->threads), labels);
	return progress_end_with(&progress, status);
}

/* Give unit centroids the length at which they are nearest to the vectors that are assigned to them. If x is
 * scaled by a power of two, so is the length, exactly. */
static kith_status fit_length(
    const struct ivf *ivf, int64_t n, const float *x, float *centroids, const kith_add_options *options)
{
	const struct kernels *kern = kernels();
	int64_t dim = ivf->base.dim;
	double sum = 0;
	int32_t *labels = mem_alloc((size_t)n, sizeof *labels);
	if (!labels)
		return fail_nomem("labels", (size_t)n * sizeof *labels);
	kith_status status = assign(ivf, centroids, n, x, options, labels);
	for (int64_t i = 0; status == KITH_OK && i < n; i++)
		sum += kern->ip_exact(x + i * dim, centroids + labels[i] * dim, dim);
	mem_free(labels);
	float length = (float)(sum / (double)n);
	if (status || !(length > 0 && isnormal(length)))
		return status;
	for (int64_t i = 0; i < ivf->nlist * dim; i++)
		centroids[i] *= length;
	return KITH_OK;
}

static kith_status train_centroids(
    struct ivf *ivf, int64_t n, const float *x, float *centroids, const kith_add_options *options)
{
	kith_kmeans_options k = KITH_KMEANS_OPTIONS;
	k.threads = options->threads;
	k.progress = options->progress;
	k.progress_data = options->progress_data;
	k.iterations = 10;
	k.seed = options->seed;
	k.spherical = ivf->base.metric->similarity;
	kith_status status = kmeans_run(ivf->base.dim, n, x, ivf->nlist, centroids, NULL, NULL, NULL, &k);
	if (status == KITH_OK && ivf->residual && k.spherical && !ivf->base.metric->unit)
		status = fit_length(ivf, n, x, centroids, options);
	return status;
}

/* Subtract from each vector its nearest centroid. */
static kith_status make_residuals(const struct ivf *ivf, const float *centroids,
    const struct training_sample *some, float *residuals, const kith_add_options *options)
{
	int64_t dim = ivf->base.dim, n = some->n;
	const float *x = some->x;
	int32_t *labels = mem_alloc((size_t)n, sizeof *labels);
	if (!labels)
		return fail_nomem("labels", (size_t)n * sizeof *labels);
	kith_status status = assign(ivf, centroids, n, x, options, labels);
	for (int64_t i = 0; status == KITH_OK && i < n; i++)
		for (int64_t j = 0; j < dim; j++)
			residuals[i * dim + j] = x[i * dim + j] - centroids[labels[i] * dim + j];
	mem_free(labels);
	return status;
}

static kith_status train_codec(
    struct ivf *ivf, const float *centroids, int64_t n, const float *x, const kith_add_options *options)
{
	if (!ivf->codec->ops->train)
		return KITH_OK;
	struct training_sample some;
	float *residuals = NULL;
	kith_status status = training_sample(&some, &ivf->base, n, x, CODEC_SAMPLE, options);
	if (status == KITH_OK && ivf->residual) {
		size_t cells = (size_t)some.n * (size_t)ivf->base.dim;
		residuals = mem_alloc(cells, sizeof *residuals);
		status = residuals ? make_residuals(ivf, centroids, &some, residuals, options)
		                   : fail_nomem("residuals", cells * sizeof *residuals);
	}
	if (status == KITH_OK)
		status = ivf->codec->ops->train(ivf->codec, some.n, residuals ? residuals : some.x, options);
	mem_free(residuals);
	mem_free(some.owned);
	return status;
}

kith_status ivf_train(kith_index *index, int64_t n, const float *x, const kith_add_options *options)
{
	struct ivf *ivf = ivf_of(index);
	if (ivf->ids.n > 0)
		return fail(KITH_INVALID, "index '%s' holds vectors already; train it while it is empty",
		    index->spec);
	if (n < ivf->nlist && !ivf->given)
		return fail(KITH_INVALID, "n is %lld training vector%s; '%s' needs at least %lld",
		    (long long)n, PLURAL(n), index->spec, (long long)ivf->nlist);
	int64_t max = ivf->nlist > INT64_MAX / 256 ? INT64_MAX : ivf->nlist * 256;
	struct training_sample some;
	float *centroids;
	kith_index *quantizer = NULL;
	size_t bytes = (size_t)ivf->nlist * (size_t)index->dim * sizeof *centroids;
	centroids = mem_alloc(bytes, 1);
	if (!centroids)
		return fail_nomem("training", bytes);
	kith_status status = training_sample(&some, index, n, x, max, options);
	if (status == KITH_OK && ivf->given)
		memcpy(centroids, ivf->given, bytes);
	else if (status == KITH_OK)
		status = train_centroids(ivf, some.n, some.x, centroids, options);
	if (status == KITH_OK)
		status = quantizer_build(&quantizer, ivf, centroids, options);
	if (status == KITH_OK)
		status = train_codec(ivf, centroids, n, x, options);
	if (status == KITH_OK && !ivf->lists)
		status = ivf_make_lists(ivf);
	if (status == KITH_OK) {
		memcpy(ivf->centroids, centroids, bytes);
		structure_free(ivf->quantizer);
		ivf->quantizer = quantizer;
		index->trained = true;
	} else {
		structure_free(quantizer);
	}
	mem_free(some.owned);
	mem_free(centroids);
	return status;
}

kith_status ivf_give(struct ivf *ivf, const float *centroids)
{
	size_t bytes = (size_t)ivf->nlist * (size_t)ivf->base.dim * sizeof *centroids;
	float *given = mem_alloc(bytes, 1);
	if (!given)
		return fail_nomem("centroids", bytes);
	memcpy(given, centroids, bytes);
	mem_free(ivf->given);
	ivf->given = given;
	return KITH_OK;
}

kith_status ivf_set_centroids(kith_index *index, int64_t nlist, const float *centroids)
{
	struct ivf *ivf = ivf_of(index);
	if (nlist != ivf->nlist)
		return fail(KITH_INVALID, "nlist is %lld; '%s' has %lld list%s", (long long)nlist,
		    index->spec, (long long)ivf->nlist, PLURAL(ivf->nlist));
	if (ivf->ids.n > 0)
		return fail(
		    KITH_INVALID, "index '%s' holds vectors already; their lists would change", index->spec);
	for (int64_t i = 0; i < nlist * index->dim; i++)
		if (!(fabsf(centroids[i]) <= FLT_MAX / 4))
			return fail(KITH_INVALID, "centroids: element %lld of centroid %lld is %g",
			    (long long)(i % index->dim), (long long)(i / index->dim), (double)centroids[i]);
	kith_status status = ivf_give(ivf, centroids);
	if (status || ivf->codec->ops->train)
		return status;
	kith_add_options options = KITH_ADD_OPTIONS;
	return ivf_train(index, 0, centroids, &options);
}
