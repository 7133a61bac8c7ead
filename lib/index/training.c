/* Training: samples of vectors, and codecs of whole vectors. */
#include "lib/index/structure.h"

#include "lib/base/progress.h"
#include "lib/base/status.h"

#include <math.h>
#include <string.h>

/* Replace missing values by the mean of those that the component has, 0 if it has none. */
static void fill_missing(float *x, int64_t n, int64_t dim)
{
	for (int64_t j = 0; j < dim; j++) {
		double total = 0;
		int64_t there = 0;
		for (int64_t i = 0; i < n; i++) {
			bool missing = isnan(x[i * dim + j]);
			total += missing ? 0 : (double)x[i * dim + j];
			there += !missing;
		}
		float mean = there ? (float)(total / (double)there) : 0;
		for (int64_t i = 0; i < n; i++)
			if (isnan(x[i * dim + j]))
				x[i * dim + j] = mean;
	}
}

kith_status training_sample(struct training_sample *sample, const kith_index *index, int64_t n,
    const float *x, int64_t max, const kith_add_options *options)
{
	enum { LOOK = 1024 };
	int64_t dim = index->dim, count = n < max ? n : max;
	*sample = (struct training_sample){.n = count, .x = x};
	bool missing = index->metric->domain == DOMAIN_MISSING;
	if (n <= max && !index->metric->unit && !missing)
		return KITH_OK;
	float *copy = mem_alloc((size_t)count * (size_t)dim, sizeof *copy);
	if (!copy)
		return fail_nomem("a training sample", (size_t)count * (size_t)dim * sizeof *copy);
	sample->x = sample->owned = copy;
	struct progress progress;
	progress_begin(&progress, options->progress, options->progress_data, "sample", count);
	for (int64_t i = 0; i < count; i++) {
		if (i % LOOK == LOOK - 1 && !progress_add(&progress, LOOK))
			break;
		/* i · n / count without overflow. */
		int64_t from = (int64_t)((__int128)i * n / count);
		memcpy(copy + i * dim, x + from * dim, (size_t)dim * sizeof *x);
		if (index->metric->unit)
			vector_normalize(copy + i * dim, dim);
	}
	kith_status status = progress_end(&progress);
	if (status == KITH_OK && missing)
		fill_missing(copy, count, dim);
	return status;
}

kith_status train_whole(
    const kith_index *index, struct codec *codec, int64_t n, const float *x, const kith_add_options *options)
{
	/* Under cosine a copy at unit length is needed, so it is limited to a sample. */
	enum { MAX = 262144 };
	struct training_sample some;
	if (n < 1)
		return fail(KITH_INVALID, "n is 0 training vectors; '%s' needs some", index->spec);
	kith_status status = training_sample(&some, index, n, x, index->metric->unit ? MAX : n, options);
	if (status == KITH_OK)
		status = codec->ops->train(codec, some.n, some.x, options);
	mem_free(some.owned);
	return status;
}

kith_status train_codec_alone(
    kith_index *index, struct codec *codec, int64_t n, const float *x, const kith_add_options *options)
{
	if (!codec->ops->train)
		return KITH_OK;
	if (index->ops->size(index) > 0)
		return fail(KITH_INVALID, "index '%s' holds vectors already; train it while it is empty",
		    index->spec);
	kith_status status = train_whole(index, codec, n, x, options);
	index->trained = codec->trained;
	return status;
}
