/* What structures learn from. */
#include "lib/structure/structure.h"

#include "lib/base/status.h"

#include <string.h>

const float *training_sample(
    const kith_index *index, int64_t n, const float *x, int64_t most, int64_t *count, float **owned)
{
	*owned = NULL;
	*count = n < most ? n : most;
	if (n <= most && index->metric != KITH_COSINE)
		return x;
	int64_t dim = index->dim;
	*owned = mem_alloc((size_t)*count * (size_t)dim, sizeof **owned);
	for (int64_t i = 0; *owned && i < *count; i++) {
		/* i · n / count without overflow. */
		int64_t from = (int64_t)((__int128)i * n / *count);
		memcpy(*owned + i * dim, x + from * dim, (size_t)dim * sizeof *x);
		if (index->metric == KITH_COSINE)
			vector_normalize(*owned + i * dim, dim);
	}
	return *owned;
}

kith_status train_whole(
    const kith_index *index, struct codec *codec, int64_t n, const float *x, const kith_add_options *options)
{
	/* Under cosine a copy at unit length is learnt from, of no more vectors than that is worth. */
	enum { MOST = 262144 };
	int64_t count;
	float *owned;
	if (n < 1)
		return fail(KITH_INVALID, "n is 0 training vectors; '%s' needs some", index->spec);
	const float *some =
	    training_sample(index, n, x, index->metric == KITH_COSINE ? MOST : n, &count, &owned);
	if (!some)
		return fail(KITH_NOMEM, "no memory for a training sample");
	kith_status status = codec->ops->train(codec, count, some, options);
	mem_free(owned);
	return status;
}
