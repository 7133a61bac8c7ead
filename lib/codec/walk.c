/* Comparing by decoding: for codecs that cannot score gathered rows, and for queries that a codec's own way
 * does not take. A row is decoded and compared in float.
 *
 * Wide keys. The square of a float is a float only between 1e-22 and 1e19; outside of that squared distances
 * are all infinite, or all 0, and order nothing. They are computed in double then, which has room for the
 * square of any float, and the fourth root of that is kept as a float: monotone, never infinite, and of 24
 * bits, which resolve a squared distance to 2^-22 of itself. About three times slower than float keys. */
#include "lib/codec/codec.h"

#include <math.h>
#include <string.h>

/* What is begun: this, then the query and room for a row, `lanes` floats each. */
struct decoding {
	struct metric_kernels score;
	_Alignas(64) float q[];
};

static size_t lanes(const struct codec *codec)
{
	return ((size_t)codec->dim + 15) / 16 * 16;
}

static size_t decoding_bytes(const struct codec *codec)
{
	return sizeof(struct decoding) + 2 * lanes(codec) * sizeof(float);
}

static void decoding_begin(
    const struct codec *codec, const float *q, const struct metric *metric, void *state)
{
	struct decoding *d = state;
	d->score = metric_kernels(metric);
	memcpy(d->q, q, (size_t)codec->dim * sizeof *q);
}

static void decoding_begin_row(
    const struct codec *codec, const struct rows *rows, int64_t row, const struct metric *metric, void *state)
{
	struct decoding *d = state;
	const float *x = rows_load(rows, row, d->q);
	if (x != d->q)
		memcpy(d->q, x, (size_t)codec->dim * sizeof *x);
	d->score = metric_kernels(metric);
}

static void decoding_keys(const struct codec *codec, void *state, const struct rows *rows,
    const uint32_t *pos, int64_t n, float *key)
{
	struct decoding *d = state;
	for (int64_t i = 0; i < n; i++)
		d->score.f32(d->q, rows_load(rows, pos[i], d->q + lanes(codec)), 0, 1, codec->dim, &key[i]);
	metric_keys(&d->score, key, n);
}

const struct codec_walk walk_decoding = {decoding_bytes, decoding_begin, decoding_begin_row, decoding_keys};

/* ---- wide keys ---- */

float wide_key(double key)
{
	float root = (float)sqrt(sqrt(fabs(key)));
	return key < 0 ? -root : root;
}

double wide_value(float key)
{
	double x = (double)key, square = x * x;
	return x < 0 ? -square * square : square * square;
}

static void wide_keys(const struct codec *codec, void *state, const struct rows *rows, const uint32_t *pos,
    int64_t n, float *key)
{
	struct decoding *d = state;
	for (int64_t i = 0; i < n; i++) {
		const float *x = rows_load(rows, pos[i], d->q + lanes(codec));
		key[i] = wide_key(metric_exact(&d->score, d->q, x, codec->dim));
	}
}

const struct codec_walk walk_wide = {decoding_bytes, decoding_begin, decoding_begin_row, wide_keys};
