/* What is the same for every codec. */
#include "lib/codec/codec.h"

#include "kernels/kernels.h"
#include "lib/base/status.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

kith_status codec_new_plain(struct codec **out, const struct codec_ops *ops, int64_t dim, bool cosine)
{
	struct codec *codec = mem_zalloc(1, sizeof *codec);
	if (!codec)
		return fail_nomem("a codec", sizeof *codec);
	*codec = (struct codec){.ops = ops,
	    .dim = dim,
	    .cosine = cosine,
	    .trained = true,
	    .row_bytes = (size_t)dim * ops->element,
	    .memory = sizeof *codec};
	strcpy(codec->word, ops->word);
	*out = codec;
	return KITH_OK;
}

void codec_free(struct codec *codec)
{
	if (codec && codec->ops->release)
		codec->ops->release(codec);
	mem_free(codec);
}

kith_status codec_clone(struct codec **out, const struct codec *codec)
{
	const struct codec_ops *ops = codec->ops;
	size_t bytes;
	if (!ops->train)
		return codec_new_plain(out, ops, codec->dim, codec->cosine);
	*out = NULL;
	kith_status status = ops->fresh(out, codec);
	if (status == KITH_OK && codec->trained)
		status = ops->take(*out, ops->learnt(codec, &bytes));
	if (status) {
		codec_free(*out);
		*out = NULL;
	}
	return status;
}

bool codec_same(const struct codec *a, const struct codec *b)
{
	size_t bytes = 0;
	if (a->ops != b->ops || a->dim != b->dim || a->cosine != b->cosine || a->trained != b->trained ||
	    strcmp(a->word, b->word) != 0)
		return false;
	if (!a->ops->train || !a->trained)
		return true;
	const float *learnt = a->ops->learnt(a, &bytes);
	return memcmp(learnt, b->ops->learnt(b, &bytes), bytes) == 0;
}

/* ---- files ---- */

void codec_save(const struct codec *codec, struct blob_writer *w)
{
	size_t bytes;
	if (w->status || !codec->trained || !codec->ops->train)
		return;
	const float *learnt = codec->ops->learnt(codec, &bytes);
	blob_write(w, codec->ops->tag, learnt, bytes);
}

kith_status codec_load(struct codec *codec, bool trained, struct blob_reader *r)
{
	size_t bytes;
	if (!trained || codec->trained)
		return KITH_OK;
	const char *tag = codec->ops->tag;
	codec->ops->learnt(codec, &bytes);
	kith_status status = blob_expect(r, tag, bytes);
	if (status)
		return status;
	float *learnt = mem_alloc(bytes, 1);
	if (!learnt)
		return fail_nomem("what a codec learnt", bytes);
	status = blob_read(r, tag, learnt, bytes);
	if (status == KITH_OK)
		status = codec->ops->take(codec, learnt);
	if (status == KITH_INVALID)
		status = blob_fail(r, tag, "holds a value that is not finite, or out of range");
	mem_free(learnt);
	return status;
}

/* ---- checking vectors ---- */

static _Thread_local bool clamps;

void codec_clamps(bool allowed)
{
	clamps = allowed;
}

int64_t codec_find_beyond(const struct codec *codec, const float *x, int64_t n)
{
	enum { CHUNK = 1024 };
	float limit = codec->ops->limit;
	if (limit == 0 || clamps)
		return kernels()->find_nonfinite(x, n);
	for (int64_t from = 0; from < n; from += CHUNK) {
		int64_t to = from + CHUNK < n ? from + CHUNK : n;
		/* Set if an element is not finite or too large; without branches in the loop. */
		int beyond = 0;
		for (int64_t i = from; i < to; i++)
			beyond |= !(fabsf(x[i]) <= limit);
		for (int64_t i = from; beyond && i < to; i++)
			if (!(fabsf(x[i]) <= limit))
				return i;
	}
	return -1;
}

kith_status codec_fail_beyond(const struct codec *codec, const char *what, double value)
{
	if (!isfinite(value))
		return fail(KITH_INVALID, "%s is %g; vectors must be finite", what, value);
	return fail(KITH_INVALID, "%s is %.9g; %s keeps values from %g to %g: use SQbf16, or scale the data",
	    what, value, codec->word, -(double)codec->ops->limit, (double)codec->ops->limit);
}

static kith_status fail_component(enum metric_domain domain, int64_t i, int64_t j, double value)
{
	return fail(KITH_INVALID, "x: vector %lld, component %lld is %g; vectors must be %s", (long long)i,
	    (long long)j, value, metric_wanted(domain));
}

static kith_status check_bytes(enum metric_domain domain, int64_t dim, int64_t n, const int8_t *x)
{
	for (int64_t i = 0; domain == DOMAIN_NOT_NEGATIVE && i < n * dim; i++)
		if (x[i] < 0)
			return fail_component(domain, i / dim, i % dim, x[i]);
	return KITH_OK;
}

kith_status codec_check_domain(
    enum metric_domain domain, int64_t dim, kith_type type, int64_t n, const void *x)
{
	if (type == KITH_I8)
		return check_bytes(domain, dim, n, x);
	/* One row at a time, so that n · dim cannot overflow. */
	for (int64_t i = 0; type == KITH_F32 && i < n; i++) {
		const float *row = (const float *)x + (size_t)i * (size_t)dim;
		int64_t bad = metric_find_bad(domain, row, dim);
		if (bad >= 0)
			return fail_component(domain, i, bad, (double)row[bad]);
	}
	return KITH_OK;
}

/* Check that all elements are integers of the codec's byte type, which NaN is not. */
static kith_status check_integers(const struct codec *codec, kith_type type, int64_t n, const void *x)
{
	int min = codec->ops->type == KITH_U8 ? 0 : -128, max = min + 255;
	for (int64_t i = 0; i < n * codec->dim; i++) {
		double v = type == KITH_U8   ? ((const uint8_t *)x)[i]
		           : type == KITH_I8 ? ((const int8_t *)x)[i]
		                             : (double)((const float *)x)[i];
		if (!(v >= min && v <= max) || v != (double)(int)v)
			return fail(KITH_INVALID,
			    "x: vector %lld, component %lld is %g; this index keeps integers %d … %d",
			    (long long)(i / codec->dim), (long long)(i % codec->dim), v, min, max);
	}
	return KITH_OK;
}

/* With cosine, vectors are stored at unit length, so that the limit does not matter. */
kith_status codec_check(const struct codec *codec, kith_type type, int64_t n, const void *x)
{
	if (codec->ops->type != KITH_F32)
		return type == codec->ops->type ? KITH_OK : check_integers(codec, type, n, x);
	if (codec->ops->limit == 0 || codec->cosine)
		return codec_check_domain(codec->domain, codec->dim, type, n, x);
	for (int64_t i = 0; type == KITH_F32 && i < n; i++) {
		const float *row = (const float *)x + (size_t)i * (size_t)codec->dim;
		int64_t bad = codec_find_beyond(codec, row, codec->dim);
		char what[80];
		if (bad < 0)
			continue;
		snprintf(what, sizeof what, "x: vector %lld, component %lld", (long long)i, (long long)bad);
		return codec_fail_beyond(codec, what, (double)row[bad]);
	}
	return KITH_OK;
}

kith_status codec_take_metric(struct codec *codec, const struct metric *metric)
{
	codec->domain = metric->domain;
	if (metric->product != PRODUCT_NONE || codec->ops->any_metric)
		return KITH_OK;
	return fail(KITH_UNSUPPORTED,
	    "'%s' compares vectors by l2, ip and cosine; for metric %s keep them as 'Flat' does", codec->word,
	    metric->name);
}
