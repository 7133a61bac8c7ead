/* Factory strings: FAISS's index-factory grammar.
 *
 *   spec      := [ "IDMap," | "IDMap2," ] { transform "," } core { "," refine }
 *   transform := "PCA" n | "PCAR" n | "PCAW" n | "OPQ" m [ "_" n ] | "RR" n | "L2norm" | "ITQ" n | "Pad" n
 *   core      := codec | "IVF" n [ "_HNSW" m ] "," codec | "HNSW" [ m ] [ "," codec ]
 *   codec     := "Flat" | "SQ" kind | "PQ" m [ "x" bits ] [ "fs" ] | "RaBitQ" | …
 *   refine    := "RFlat" | "Refine(" codec ")"
 *
 * The spec is cut at its commas and each word is looked up in a table of what kith builds, then in a
 * table of what FAISS knows and kith does not build yet, so that a misspelling and a wish get different
 * answers. Parsing recurses nowhere and allocates nothing.
 */
#include "lib/api/spec.h"

#include "lib/base/status.h"
#include "lib/structure/structure.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SPEC = 255, MAX_WORDS = 16 };

struct words {
	char text[MAX_SPEC + 1];
	const char *word[MAX_WORDS];
	int n;
};

static const struct {
	const char *word;
	kith_status (*make)(struct codec **out, int64_t dim, bool cosine);
} codec_words[] = {
    {"Flat", codec_new_fp32},
    {"SQ8_direct", codec_new_u8},
    {"U8", codec_new_u8},
    {"SQ8_direct_signed", codec_new_i8},
    {"I8", codec_new_i8},
};

/* First letters of words that FAISS's factory knows; a number, an option or the end must follow. */
static const char *const known_words[] = {"IVF", "HNSW", "NSG", "PQ", "OPQ", "PCAR", "PCAW", "PCA", "RR",
    "L2norm", "ITQ", "Pad", "SQ", "RaBitQ", "RFlat", "Refine", "LSH", "IMI", "RQ", "LSQ", "PRQ", "PLSQ",
    "ZnLattice", "Residual"};

static kith_status split_words(const char *spec, struct words *words)
{
	size_t length = strlen(spec);
	if (length == 0)
		return fail(KITH_INVALID, "spec is empty; try \"Flat\"");
	if (length > MAX_SPEC)
		return fail(KITH_INVALID, "spec has %zu characters; at most %d", length, MAX_SPEC);
	for (size_t i = 0; i <= length; i++) {
		if (spec[i] != '\0' && !isgraph((unsigned char)spec[i]))
			return fail(KITH_INVALID, "spec: character %zu is blank or not printable", i + 1);
		words->text[i] = spec[i];
	}
	words->n = 0;
	for (char *at = words->text; at;) {
		char *comma = strchr(at, ',');
		if (comma)
			*comma = '\0';
		if (words->n == MAX_WORDS)
			return fail(KITH_INVALID, "spec has more than %d words", MAX_WORDS);
		if (*at == '\0')
			return fail(KITH_INVALID, "spec \"%s\": word %d is empty", spec, words->n + 1);
		words->word[words->n++] = at;
		at = comma ? comma + 1 : NULL;
	}
	return KITH_OK;
}

/* Number of the word in codec_words, −1: not there. */
static int find_codec(const char *word)
{
	for (size_t i = 0; i < sizeof codec_words / sizeof *codec_words; i++)
		if (strcmp(word, codec_words[i].word) == 0)
			return (int)i;
	return -1;
}

static bool is_known(const char *word)
{
	for (size_t i = 0; i < sizeof known_words / sizeof *known_words; i++) {
		size_t n = strlen(known_words[i]);
		if (strncmp(word, known_words[i], n) == 0 && !isalpha((unsigned char)word[n]))
			return true;
	}
	return false;
}

/* What is wrong with word i, which nothing could be built from. */
static kith_status refuse(const struct words *words, int i)
{
	const char *word = words->word[i];
	if (find_codec(word) >= 0)
		return fail(
		    KITH_INVALID, "spec: '%s' (word %d) cannot follow '%s'", word, i + 1, words->word[i - 1]);
	if (is_known(word))
		return fail(KITH_UNSUPPORTED,
		    "spec: '%s' (word %d) is not built yet; this version has Flat, SQ8_direct and "
		    "SQ8_direct_signed",
		    word, i + 1);
	return fail(KITH_INVALID,
	    "spec: unknown word '%s' (word %d); this version has Flat, SQ8_direct and SQ8_direct_signed",
	    word, i + 1);
}

/* A codec word. */
static kith_status make_codec(
    struct codec **out, int64_t dim, kith_metric metric, const struct words *words, int at)
{
	int number = find_codec(words->word[at]);
	return number < 0 ? refuse(words, at) : codec_words[number].make(out, dim, metric == KITH_COSINE);
}

/* The number in "IVF1024" or −1. */
static int64_t list_count(const char *word)
{
	enum { MOST_LISTS = 1 << 24 };
	char *end;
	if (strncmp(word, "IVF", 3) != 0 || !isdigit((unsigned char)word[3]))
		return -1;
	long long n = strtoll(word + 3, &end, 10);
	return *end == '\0' && n >= 1 && n <= MOST_LISTS ? n : -1;
}

kith_status spec_build(kith_index **out, int64_t dim, kith_metric metric, const char *spec)
{
	struct words words;
	kith_status status = split_words(spec, &words);
	if (status)
		return status;
	int at = 0;
	/* Every kith index keeps ids. */
	if (words.n > 1 && (strcmp(words.word[0], "IDMap") == 0 || strcmp(words.word[0], "IDMap2") == 0))
		at = 1;
	int64_t nlist = list_count(words.word[at]);
	if (nlist >= 0 && ++at == words.n)
		return fail(KITH_INVALID, "spec: '%s' needs a codec after it, as in \"%s,Flat\"",
		    words.word[at - 1], words.word[at - 1]);
	struct codec *codec;
	status = make_codec(&codec, dim, metric, &words, at);
	if (status)
		return status;
	if (at + 1 < words.n)
		status = refuse(&words, at + 1);
	else
		status = nlist >= 0 ? ivf_new(out, metric, nlist, codec) : flat_new(out, metric, codec);
	if (status)
		codec_free(codec);
	return status;
}
