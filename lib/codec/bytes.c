/* u8 and i8: byte vectors as they are, one byte a dimension. Distances between them are integers, so
 * every search over them is exact; floats are taken only where they are such integers. */
#include "lib/codec/codec.h"

#include "lib/base/status.h"

#include <string.h>

static size_t byte_row_bytes(const struct codec *codec)
{
	return (size_t)codec->dim;
}

static void byte_word(const struct codec *codec, char *word)
{
	strcpy(word, codec->ops->type == KITH_U8 ? "SQ8_direct" : "SQ8_direct_signed");
}

/* Value i of x; NaN stays NaN. */
static double value_at(kith_type type, const void *x, int64_t i)
{
	switch (type) {
	case KITH_U8:
		return ((const uint8_t *)x)[i];
	case KITH_I8:
		return ((const int8_t *)x)[i];
	default:
		return (double)((const float *)x)[i];
	}
}

static kith_status check_range(int64_t dim, kith_type type, int64_t n, const void *x, int least, int most)
{
	for (int64_t i = 0; i < n * dim; i++) {
		double v = value_at(type, x, i);
		if (!(v >= least && v <= most) || v != (double)(int)v)
			return fail(KITH_INVALID,
			    "x: vector %lld, component %lld is %g; this index keeps integers %d … %d",
			    (long long)(i / dim), (long long)(i % dim), v, least, most);
	}
	return KITH_OK;
}

static kith_status u8_check(int64_t dim, kith_type type, int64_t n, const void *x)
{
	return type == KITH_U8 ? KITH_OK : check_range(dim, type, n, x, 0, 255);
}

static kith_status i8_check(int64_t dim, kith_type type, int64_t n, const void *x)
{
	return type == KITH_I8 ? KITH_OK : check_range(dim, type, n, x, -128, 127);
}

/* Both kinds keep the low byte of the integer. */
static void byte_write(
    struct codes *codes, int64_t at, kith_type type, int64_t n, const void *x, float *scratch)
{
	(void)scratch;
	char *out = codes->plane[0].data + (size_t)at * (size_t)codes->codec->dim;
	size_t count = (size_t)n * (size_t)codes->codec->dim;
	if (type != KITH_F32 && count) {
		memcpy(out, x, count);
		return;
	}
	for (size_t i = 0; i < count; i++)
		out[i] = (char)(int)((const float *)x)[i];
}

static const struct codec_ops u8_ops = {
    .type = KITH_U8,
    .kind = ROWS_U8,
    .planes = 1,
    .word = byte_word,
    .row_bytes = byte_row_bytes,
    .clone = codec_clone_plain,
    .free = codec_free_plain,
    .memory = codec_memory_plain,
    .check = u8_check,
    .write = byte_write,
};

static const struct codec_ops i8_ops = {
    .type = KITH_I8,
    .kind = ROWS_I8,
    .planes = 1,
    .word = byte_word,
    .row_bytes = byte_row_bytes,
    .clone = codec_clone_plain,
    .free = codec_free_plain,
    .memory = codec_memory_plain,
    .check = i8_check,
    .write = byte_write,
};

kith_status codec_new_u8(struct codec **out, int64_t dim, bool cosine)
{
	return codec_new_plain(out, &u8_ops, dim, cosine);
}

kith_status codec_new_i8(struct codec **out, int64_t dim, bool cosine)
{
	return codec_new_plain(out, &i8_ops, dim, cosine);
}
