/* What a scalar quantiser has learnt, for files. */
#ifndef KITH_CODEC_SQ_H
#define KITH_CODEC_SQ_H

#include "lib/codec/codec.h"

/* Value x of element i becomes code c = ⌊(x − low[i]) / diff[i] · (2^bits − 1)⌋, cut to 0 … 2^bits − 1, and c
 * becomes low[i] + (c + 1/2) / (2^bits − 1) · diff[i]. These are vmin and vdiff of FAISS, where a uniform
 * quantiser keeps one of each. */
struct sq_ranges {
	int bits;
	bool uniform;
	const float *low, *diff; /* [dim] each; owned by the codec */
};

/* Whether this is a scalar quantiser; if so, *ranges (NULL: not asked for). */
bool codec_sq_ranges(const struct codec *codec, struct sq_ranges *ranges);

/* Take these for trained: low, diff [dim]. INVALID unless they are finite, diff >= 0, and so is every value
 * that a code can stand for; then nothing changed. */
kith_status codec_sq_set_ranges(struct codec *codec, const float *low, const float *diff);

#endif
