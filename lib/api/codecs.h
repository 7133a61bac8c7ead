/* Words of factory strings that name codecs. */
#ifndef KITH_API_CODECS_H
#define KITH_API_CODECS_H

#include <stdbool.h>

#include "lib/codec/codec.h"

/* The words there are, for messages. */
#define CODEC_WORDS                                                                                          \
	"Flat, SQ8, SQ6, SQ4 (and _uniform, _quantile), SQfp16, SQbf16, SQ8_direct, SQ8_direct_signed, "     \
	"RaBitQ, RaBitQ4 and PQ16"

/* Whether word begins as a codec does, whatever its numbers. */
bool codec_word_like(const char *word);

/* The codec that word names. Errors: INVALID (no codec; numbers that are impossible for dim: the message says
 * why), NOMEM. */
kith_status codec_of_word(struct codec **out, int64_t dim, const struct metric *metric, const char *word);

#endif
