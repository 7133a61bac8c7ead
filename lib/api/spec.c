/* Factory strings: FAISS's index-factory grammar.
 *
 *   spec      := [ "IDMap," | "IDMap2," ] { transform "," } core { "," refine }
 *   transform := "PCA" [ "W" ] [ "R" ] n | "OPQ" m [ "_" n ] | "RR" [ n ] | "L2norm" | "Pad" n
 *   core      := codec | "IVF" n [ quantizer ] [ "_whole" ] "," codec | "HNSW" [ m ] [ "," codec ]
 *              | "(" spec ")" | "Shards" n "(" spec ")"
 *   quantizer := "_HNSW" [ m ] | "(" spec ")"
 *   codec     := "Flat" | "SQ" kind | "PQ" m [ "x" bits ] [ "fs" ] | "RaBitQ" | …
 *   refine    := "RFlat" | "Refine(" codec ")"
 *
 * The spec is cut at its commas and each word is looked up in a table of what kith builds, then in a
 * table of what FAISS knows and kith does not build yet, so that a misspelling and a wish get different
 * answers. Only parentheses recurse; they are kith's own, so that every index has a spec.
 *
 * An index is then built from the inside out: the core, the transforms from last to first, the refinement
 * around all of them, so that it ranks by the vectors as the caller knows them.
 */
#include "lib/api/spec.h"

#include "lib/api/codecs.h"
#include "lib/api/words.h"
#include "lib/base/status.h"
#include "lib/graph/graph.h"
#include "lib/index/structure.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SPEC = 255, MAX_WORDS = 16 };

struct words {
	char text[MAX_SPEC + 1];
	const char *word[MAX_WORDS];
	int n;
};

/* What words of FAISS's factory begin with; no further letter may follow. */
static const char *const known_words[] = {"IVF", "HNSW", "NSG", "PQ", "ITQ", "SQ", "RaBitQ", "LSH", "IMI",
    "RQ", "LSQ", "PRQ", "PLSQ", "ZnLattice", "Residual"};

/* The first comma outside of parentheses, NULL: none. */
static char *find_comma(char *at)
{
	int depth = 0;
	for (; *at; at++) {
		depth += (*at == '(') - (*at == ')');
		if (*at == ',' && depth <= 0)
			return at;
	}
	return NULL;
}

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
		char *comma = find_comma(at);
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

static bool is_known(const char *word)
{
	for (size_t i = 0; i < sizeof known_words / sizeof *known_words; i++) {
		size_t n = strlen(known_words[i]);
		if (strncmp(word, known_words[i], n) == 0 && !isalpha((unsigned char)word[n]))
			return true;
	}
	return false;
}

/* "SQ9": a scalar quantizer of bits that neither kith nor FAISS has. */
static bool has_odd_bits(const char *word)
{
	char *end;
	if (strncmp(word, "SQ", 2) != 0 || !isdigit((unsigned char)word[2]))
		return false;
	long bits = strtol(word + 2, &end, 10);
	return (*end == '\0' || *end == '_') && (bits < 1 || bits > 8 || bits == 3 || bits == 5 || bits == 7);
}

static kith_status refuse_bits(const char *word)
{
	return fail(KITH_INVALID,
	    "spec: '%s': a scalar quantizer has 8, 6 or 4 bits a component: SQ8, SQ6 or SQ4, "
	    "and SQfp16 and SQbf16 have 16",
	    word);
}

/* "RFlat" or "Refine(codec)". */
static bool is_refinement(const char *word)
{
	size_t n = strlen(word);
	return strcmp(word, "RFlat") == 0 ||
	       (n > 8 && strncmp(word, "Refine(", 7) == 0 && word[n - 1] == ')');
}

/* "IVF1024…" or "HNSW…". */
static bool is_structure(const char *word)
{
	return (strncmp(word, "IVF", 3) == 0 && isdigit((unsigned char)word[3])) ||
	       (strncmp(word, "HNSW", 4) == 0 && !isalpha((unsigned char)word[4]));
}

/* The error for word i, from which nothing could be built. */
static kith_status refuse(const struct words *words, int i)
{
	const char *word = words->word[i];
	char guess[MAX_SPEC + 1];
	if (is_refinement(word) && i == 0)
		return fail(
		    KITH_INVALID, "spec: '%s' needs an index before it, as in \"Flat,%s\"", word, word);
	if (i > 0 &&
	    (codec_word_like(word) || word_like_mapping(word) || is_refinement(word) || is_structure(word)))
		return fail(
		    KITH_INVALID, "spec: '%s' (word %d) cannot follow '%s'", word, i + 1, words->word[i - 1]);
	if (has_odd_bits(word))
		return refuse_bits(word);
	if (is_known(word))
		return fail(KITH_UNSUPPORTED,
		    "spec: '%s' (word %d) is not built yet; this version has the codecs " CODEC_WORDS, word,
		    i + 1);
	if (word_guess(word, guess, sizeof guess))
		return fail(KITH_INVALID, "spec: unknown word '%s' (word %d); did you mean '%s'?", word,
		    i + 1, guess);
	return fail(KITH_INVALID,
	    "spec: unknown word '%s' (word %d); this version has the codecs " CODEC_WORDS, word, i + 1);
}

static kith_status spec_codec(struct codec **out, int64_t dim, const struct metric *metric, const char *word)
{
	if (has_odd_bits(word))
		return refuse_bits(word);
	if (!codec_word_like(word) && is_known(word))
		return fail(KITH_UNSUPPORTED,
		    "spec: '%s' is not built yet; this version has the codecs " CODEC_WORDS, word);
	char guess[MAX_SPEC + 1];
	if (!codec_word_like(word) && word_guess(word, guess, sizeof guess) && codec_word_like(guess))
		return fail(KITH_INVALID, "spec: '%s' is no codec; did you mean '%s'?", word, guess);
	kith_status status = codec_of_word(out, dim, metric, word);
	if (status == KITH_OK) {
		status = codec_take_metric(*out, metric);
		if (status)
			codec_free(*out);
	}
	return status;
}

/* The word of the codec in the word of a refinement. */
static void refinement_codec(const char *word, char name[MAX_SPEC + 1])
{
	size_t n = strlen(word);
	if (strcmp(word, "RFlat") == 0)
		strcpy(name, "Flat");
	else
		snprintf(name, MAX_SPEC + 1, "%.*s", (int)(n - strlen("Refine()")), word + strlen("Refine("));
}

kith_status spec_refine(kith_index **out, const char *codec_word, kith_index *take_child)
{
	struct codec *codec;
	kith_status status = spec_codec(&codec, take_child->dim, take_child->metric, codec_word);
	if (status)
		return status;
	status = refine_new(out, codec, take_child);
	if (status)
		codec_free(codec);
	return status;
}

kith_status spec_mapping(struct mapping *out, int64_t dim, const char *word)
{
	if (word_mapping(word, dim, out))
		return KITH_OK;
	if (word_like_mapping(word))
		return fail(KITH_INVALID, "'%s' needs its numbers, each 1 … %d", word, KITH_MAX_DIM);
	return fail(KITH_INVALID, "'%s' is no transform; try \"PCA64\"", word);
}

enum { DEFAULT_M = 32 };

/* M in "HNSW32", 32 in "HNSW"; *codec gets the word in "HNSW32_SQ8", else NULL. −1: no such word. */
static int64_t graph_degree(const char *word, const char **codec)
{
	char *end = (char *)word + strlen("HNSW");
	*codec = NULL;
	if (strncmp(word, "HNSW", strlen("HNSW")) != 0)
		return -1;
	long long M = isdigit((unsigned char)*end) ? strtoll(end, &end, 10) : DEFAULT_M;
	if (*end == '_')
		*codec = end + 1;
	return *end == '\0' || *end == '_' ? M : -1;
}

/* A spec, taken apart. */
struct plan {
	const struct words *words;
	const struct metric *metric;
	struct mapping mappings[MAX_WORDS];
	int transforms;
	int64_t dim;                  /* of the core */
	int64_t nlist;                /* −1: no inverted file */
	bool whole;                   /* whose codes are not of residuals */
	int64_t coarse_M;             /* of the graph over its centroids; 0: none */
	char quantizer[MAX_SPEC + 1]; /* spec of another index of them; "": none */
	int64_t M;                    /* −1: no graph */
	int codec; /* number of the word before the refinements: the codec's, the group's or the graph's */
	const char *codec_word;
	int refinements; /* words after that */
	bool group;      /* the core is a spec in parentheses */
	int64_t shards;  /* "Shards4(…)": their number; 0: the group is not of shards */
	char inner[MAX_SPEC + 1];
};

/* "(HNSW32,Flat)" at *at, which moves behind it. */
static kith_status plan_quantizer(struct plan *plan, const char *word, char **at)
{
	size_t n = word_parentheses(*at);
	if (n < 3)
		return fail(KITH_INVALID,
		    "spec: '%s' needs an index of the centroids in its parentheses, as in \"IVF1024(SQ8)\"",
		    word);
	snprintf(plan->quantizer, sizeof plan->quantizer, "%.*s", (int)n - 2, *at + 1);
	*at += n;
	return KITH_OK;
}

/* "IVF1024_HNSW32_whole": lists, the index of their centroids, whether codes are of whole vectors. */
static kith_status plan_lists(struct plan *plan, const char *word)
{
	enum { MAX_LISTS = 1 << 24 };
	char *end;
	plan->nlist = -1;
	if (strncmp(word, "IVF", 3) != 0 || isalpha((unsigned char)word[3]))
		return KITH_OK;
	if (!isdigit((unsigned char)word[3]))
		return fail(KITH_INVALID, "spec: '%s' lacks the number of lists, as in \"IVF1024\"", word);
	plan->nlist = strtoll(word + 3, &end, 10);
	if (plan->nlist < 1 || plan->nlist > MAX_LISTS)
		return fail(KITH_INVALID, "spec: '%s': the number of lists must be 1 … %d", word, MAX_LISTS);
	const char *graph = end;
	if (*graph == '(') {
		kith_status status = plan_quantizer(plan, word, &end);
		if (status)
			return status;
	}
	if (strncmp(graph, "_HNSW", 5) == 0) {
		plan->coarse_M = isdigit((unsigned char)graph[5]) ? strtoll(graph + 5, &end, 10) : DEFAULT_M;
		end = end > graph ? end : end + 5;
		if (plan->coarse_M < GRAPH_MIN_M || plan->coarse_M > GRAPH_MAX_M)
			return fail(KITH_INVALID, "spec: '%s': M of the graph must be %d … %d", word,
			    GRAPH_MIN_M, GRAPH_MAX_M);
	}
	plan->whole = strcmp(end, "_whole") == 0;
	if (*end == '\0' || plan->whole)
		return KITH_OK;
	return fail(KITH_UNSUPPORTED,
	    "spec: '%s': there is no '%s' for inverted files; lists are found among all centroids, with "
	    "'_HNSW32' by a graph over them, or by any index of them: IVF1024(SQ8)",
	    word, end);
}

/* The codec, or a group in its place, at word *at. */
static kith_status plan_codec(struct plan *plan, int *at)
{
	const struct words *words = plan->words;
	if (*at == words->n)
		return fail(KITH_INVALID, "spec: '%s' needs a codec after it, as in \"%s,Flat\"",
		    words->word[*at - 1], words->word[*at - 1]);
	plan->codec = (*at)++;
	plan->codec_word = words->word[plan->codec];
	plan->group = plan->nlist < 0 && plan->M < 0 &&
	              word_group(plan->codec_word, &plan->shards, plan->inner, sizeof plan->inner);
	if (!plan->group && !codec_word_like(plan->codec_word))
		return refuse(words, plan->codec);
	return KITH_OK;
}

static kith_status make_plan(struct plan *plan, int64_t dim)
{
	const struct words *words = plan->words;
	int at = 0;
	/* IDMap changes nothing, since every index of kith keeps ids. */
	if (words->n > 1 && (strcmp(words->word[0], "IDMap") == 0 || strcmp(words->word[0], "IDMap2") == 0))
		at = 1;
	for (; at < words->n && word_like_mapping(words->word[at]); at++) {
		struct mapping *mapping = &plan->mappings[plan->transforms++];
		kith_status status = spec_mapping(mapping, dim, words->word[at]);
		if (status)
			return status;
		dim = mapping->out;
	}
	plan->dim = dim;
	plan->nlist = -1;
	kith_status status = at < words->n ? plan_lists(plan, words->word[at]) : KITH_OK;
	if (status)
		return status;
	plan->M = at < words->n ? graph_degree(words->word[at], &plan->codec_word) : -1;
	at += plan->nlist >= 0 || plan->M >= 0;
	/* A graph without a codec keeps floats. */
	if (plan->M >= 0 && !plan->codec_word && (at == words->n || is_refinement(words->word[at])))
		plan->codec_word = "Flat";
	if (plan->M >= 0 && plan->codec_word) {
		plan->codec = at - 1;
		char guess[MAX_SPEC + 1];
		if (!codec_word_like(plan->codec_word) && word_guess(plan->codec_word, guess, sizeof guess) &&
		    codec_word_like(guess))
			return fail(KITH_INVALID, "spec: unknown codec '%s' in '%s'; did you mean '%s'?",
			    plan->codec_word, words->word[at - 1], guess);
		if (!codec_word_like(plan->codec_word))
			return fail(KITH_INVALID,
			    "spec: unknown codec '%s' in '%s'; this version has " CODEC_WORDS,
			    plan->codec_word, words->word[at - 1]);
	} else {
		status = plan_codec(plan, &at);
		if (status)
			return status;
	}
	plan->refinements = words->n - at;
	for (; at < words->n; at++)
		if (!is_refinement(words->word[at]))
			return refuse(words, at);
	return KITH_OK;
}

static kith_status build_shards(kith_index **out, const struct plan *plan, const struct metric *metric)
{
	if (strstr(plan->inner, "Shards"))
		return fail(KITH_INVALID, "spec: shards of shards, in '%s'", plan->words->word[plan->codec]);
	kith_index **children = mem_zalloc((size_t)plan->shards, sizeof(kith_index *));
	if (!children)
		return fail_nomem("shards", (size_t)plan->shards * sizeof(kith_index *));
	kith_status status = KITH_OK;
	for (int64_t s = 0; status == KITH_OK && s < plan->shards; s++)
		status = spec_build(&children[s], plan->dim, metric, plan->inner);
	if (status == KITH_OK)
		status = shards_new(out, plan->shards, children);
	for (int64_t s = 0; status && s < plan->shards && children[s]; s++)
		children[s]->ops->free(children[s]);
	mem_free(children);
	return status;
}

static kith_status build_ivf(
    kith_index **out, const struct plan *plan, const struct metric *metric, struct codec *codec)
{
	kith_index *quantizer;
	kith_status status = ivf_new(out, metric, plan->nlist, (int)plan->coarse_M, codec);
	if (status)
		return status;
	if (plan->whole)
		ivf_code_whole(*out);
	if (!plan->quantizer[0])
		return KITH_OK;
	status = spec_build(&quantizer, plan->dim, metric_of_unit(metric), plan->quantizer);
	if (status == KITH_OK) {
		status = ivf_set_kind(*out, quantizer);
		if (status)
			structure_free(quantizer);
	}
	return status;
}

static kith_status build_core(kith_index **out, const struct plan *plan)
{
	/* Below transforms vectors have unit length already. */
	const struct metric *metric = plan->transforms ? metric_of_unit(plan->metric) : plan->metric;
	if (plan->group && plan->shards)
		return build_shards(out, plan, metric);
	if (plan->group)
		return spec_build(out, plan->dim, metric, plan->inner);
	struct codec *codec;
	kith_status status = spec_codec(&codec, plan->dim, metric, plan->codec_word);
	if (status)
		return status;
	if (plan->M >= 0)
		status = hnsw_new(out, metric, plan->M > INT32_MAX ? -1 : (int)plan->M, codec);
	else if (plan->nlist >= 0)
		status = build_ivf(out, plan, metric, codec);
	else
		status = flat_new(out, metric, codec);
	if (status && !*out)
		codec_free(codec);
	return status;
}

static kith_status add_transform(kith_index **index, const struct plan *plan, int number)
{
	const struct metric *below = (*index)->metric;
	return transform_new(index, number ? below : plan->metric, &plan->mappings[number], *index);
}

kith_status spec_build(kith_index **out, int64_t dim, const struct metric *metric, const char *spec)
{
	struct words words = {.n = 0};
	struct plan plan = {.words = &words, .metric = metric};
	kith_index *index = NULL;
	kith_status status = split_words(spec, &words);
	if (status == KITH_OK)
		status = make_plan(&plan, dim);
	if (status == KITH_OK)
		status = build_core(&index, &plan);
	for (int i = plan.transforms - 1; status == KITH_OK && i >= 0; i--)
		status = add_transform(&index, &plan, i);
	for (int i = 1; status == KITH_OK && i <= plan.refinements; i++) {
		char name[MAX_SPEC + 1];
		refinement_codec(words.word[plan.codec + i], name);
		status = spec_refine(&index, name, index);
	}
	if (status && index)
		index->ops->free(index);
	else if (status == KITH_OK)
		*out = index;
	return status;
}
