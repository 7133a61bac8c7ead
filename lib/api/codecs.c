/* Codec words: a table of plain ones, scalar quantizers, "RaBitQ" and "PQ" with their numbers. A new codec
 * adds a line. */
#include "lib/api/codecs.h"

#include "lib/base/status.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *word;
	kith_status (*make)(struct codec **out, int64_t dim, bool cosine);
} plain[] = {
    {"Flat", codec_new_fp32},
    {"SQfp16", codec_new_fp16},
    {"SQbf16", codec_new_bf16},
    {"SQ8_direct", codec_new_u8},
    {"U8", codec_new_u8},
    {"SQ8_direct_signed", codec_new_i8},
    {"I8", codec_new_i8},
};

struct sq_word {
	int bits;
	bool uniform;
	enum sq_range range;
};

/* "SQ8", "SQ6" and "SQ4", each with "_uniform", "_quantile" or both in this order. False: not of that form.
 */
static bool parse_sq(const char *word, struct sq_word *sq)
{
	static const char uniform[] = "_uniform", quantile[] = "_quantile";
	if (strncmp(word, "SQ", 2) != 0 || !strchr("864", word[2]) || !word[2])
		return false;
	*sq = (struct sq_word){.bits = word[2] - '0', .range = SQ_MINMAX};
	word += 3;
	if (strncmp(word, uniform, sizeof uniform - 1) == 0) {
		sq->uniform = true;
		word += sizeof uniform - 1;
	}
	if (strcmp(word, quantile) == 0) {
		sq->range = SQ_QUANTILE;
		return true;
	}
	return *word == '\0';
}

/* "PQ16", "PQ16x10", "PQ32x4fs": M, and bits (8 where none are given). "fs", fast scan, is how kith scans
 * anyway. False: not of that form. */
static bool parse_pq(const char *word, int64_t *M, int *bits)
{
	char *end;
	if (strncmp(word, "PQ", 2) != 0 || !isdigit((unsigned char)word[2]))
		return false;
	*M = strtoll(word + 2, &end, 10);
	*bits = 8;
	if (*end == 'x' && isdigit((unsigned char)end[1])) {
		long n = strtol(end + 1, &end, 10);
		*bits = n > 99 ? 99 : (int)n;
	}
	return *end == '\0' || strcmp(end, "fs") == 0;
}

/* "RaBitQ", "RaBitQ4", "RaBitQfs", "RaBitQfs4_64": bits, 1 where none are given. "fs" and the size of FAISS's
 * blocks are of no account: codes are always scanned fast. False: not of that form. */
static bool parse_rabitq(const char *word, int *bits)
{
	static const char name[] = "RaBitQ";
	if (strncmp(word, name, sizeof name - 1) != 0)
		return false;
	word += sizeof name - 1;
	bool fast = strncmp(word, "fs", 2) == 0;
	word += fast ? 2 : 0;
	*bits = isdigit((unsigned char)*word) ? *word++ - '0' : 1;
	if (fast && *word == '_' && isdigit((unsigned char)word[1]))
		word += 1 + strspn(word + 1, "0123456789");
	return *word == '\0';
}

bool codec_word_like(const char *word)
{
	int64_t M;
	int bits;
	struct sq_word sq;
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
		if (strcmp(word, plain[i].word) == 0)
			return true;
	return parse_sq(word, &sq) || parse_rabitq(word, &bits) || parse_pq(word, &M, &bits);
}

kith_status codec_of_word(struct codec **out, int64_t dim, const struct metric *metric, const char *word)
{
	bool cosine = metric->unit;
	int64_t M;
	int bits;
	struct sq_word sq;
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
		if (strcmp(word, plain[i].word) == 0)
			return plain[i].make(out, dim, cosine);
	if (parse_sq(word, &sq))
		return codec_new_sq(out, dim, cosine, sq.bits, sq.range, sq.uniform);
	if (parse_rabitq(word, &bits))
		return codec_new_rabitq(out, dim, cosine, bits, metric->product == PRODUCT_IP);
	if (!parse_pq(word, &M, &bits))
		return fail(KITH_INVALID, "spec: '%s' is no codec; there are %s", word, CODEC_WORDS);
	if (bits < 4 || bits > 12)
		return fail(KITH_INVALID, "spec: '%s' has %d bits a number; product quantizers have 4 … 12",
		    word, bits);
	if (M < 1 || dim % M != 0)
		return fail(KITH_INVALID, "spec: '%s': %lld sub-quantizers do not divide the dimension %lld",
		    word, (long long)M, (long long)dim);
	return codec_new_pq(out, dim, cosine, M, bits);
}
