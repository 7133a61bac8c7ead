/* What a scalar quantizer has learnt, for files of FAISS. */
#ifndef KITH_CODEC_SQ_H
#define KITH_CODEC_SQ_H

#include "lib/codec/codec.h"

/* Value x of element i is encoded as c = ⌊(x − low[i]) / diff[i] · (2^bits − 1)⌋, limited to 0 … 2^bits − 1,
 * and c is decoded as low[i] + (c + 1/2) / (2^bits − 1) · diff[i]. low and diff are vmin and vdiff in FAISS,
 * where a uniform quantizer has one of each. */
struct sq_ranges {
	int bits;
	bool uniform;
	const float *low, *diff; /* [dim] each, which belong to the codec */
};

/* Whether this is a scalar quantizer; if so, *ranges is filled in, unless it is NULL. */
bool codec_sq_ranges(const struct codec *codec, struct sq_ranges *ranges);

/* Make it trained with low, diff [dim]. INVALID, and nothing changes, unless they and all values that codes
 * can stand for are finite, and diff >= 0. */
kith_status codec_sq_set_ranges(struct codec *codec, const float *low, const float *diff);

#endif
