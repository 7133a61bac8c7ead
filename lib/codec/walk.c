/* Walking by decoding: for codecs that cannot score gathered rows, and for queries that a codec's own way
 * does not take. A row is decoded and compared in float. */
#include "lib/codec/codec.h"

#include "kernels/kernels.h"

#include <string.h>

/* What is begun: this, then the query and room for a row, `lanes` floats each. */
struct decoding {
	bool ip;
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

static void decoding_begin(const struct codec *codec, const float *q, bool ip, void *state)
{
	struct decoding *d = state;
	d->ip = ip;
	memcpy(d->q, q, (size_t)codec->dim * sizeof *q);
}

static void decoding_begin_row(const struct codec *codec, const struct rows *rows, int64_t row, void *state)
{
	struct decoding *d = state;
	const float *x = rows_load(rows, row, d->q);
	if (x != d->q)
		memcpy(d->q, x, (size_t)codec->dim * sizeof *x);
	d->ip = false;
}

static void decoding_keys(const struct codec *codec, void *state, const struct rows *rows,
    const uint32_t *pos, int64_t n, float *key)
{
	struct decoding *d = state;
	const struct kernels *kern = kernels();
	for (int64_t i = 0; i < n; i++) {
		const float *x = rows_load(rows, pos[i], d->q + lanes(codec));
		(d->ip ? kern->ip_f32 : kern->l2sq_f32)(d->q, x, 0, 1, codec->dim, &key[i]);
		if (d->ip)
			key[i] = -key[i];
	}
}

const struct codec_walk walk_decoding = {decoding_bytes, decoding_begin, decoding_begin_row, decoding_keys};
