/* u8 and i8: byte vectors as they are, one byte a dimension. Distances between them are integers, so
 * every search over them is exact; floats are taken only where they are such integers. */
#include "lib/codec/codec.h"

#include "lib/base/status.h"

#include <string.h>

static size_t byte_row_bytes(int64_t dim)
{
	return (size_t)dim;
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
static void byte_write(struct codes *codes, int64_t at, kith_type type, int64_t n, const void *x)
{
	char *out = codes->plane[0].data + (size_t)at * (size_t)codes->dim;
	size_t count = (size_t)n * (size_t)codes->dim;
	if (type != KITH_F32 && count) {
		memcpy(out, x, count);
		return;
	}
	for (size_t i = 0; i < count; i++)
		out[i] = (char)(int)((const float *)x)[i];
}

const struct codec_ops codec_u8 = {
    .word = "SQ8_direct",
    .type = KITH_U8,
    .row_bytes = byte_row_bytes,
    .planes = 1,
    .check = u8_check,
    .write = byte_write,
    .kind = ROWS_U8,
};

const struct codec_ops codec_i8 = {
    .word = "SQ8_direct_signed",
    .type = KITH_I8,
    .row_bytes = byte_row_bytes,
    .planes = 1,
    .check = i8_check,
    .write = byte_write,
    .kind = ROWS_I8,
};
