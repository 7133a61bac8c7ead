/* Words: letters, then numbers. Each kind of transform is a row of a table that says which numbers it
 * takes. */
#include "lib/api/words.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What follows the letters. */
enum numbers {
	NONE,
	DIM,          /* the dimension that comes out */
	MAYBE_DIM,    /* the same; without it, the one that goes in */
	PARTS_AND_DIM /* a number of parts and, after '_', a dimension; without it, the one that goes in */
};

static const struct {
	const char *letters;
	enum mapping_kind kind;
	enum numbers numbers;
	bool whiten, rotate;
} transforms[] = {
    {"PCA", MAP_PCA, DIM, false, false},
    {"PCAW", MAP_PCA, DIM, true, false},
    {"PCAR", MAP_PCA, DIM, false, true},
    {"PCAWR", MAP_PCA, DIM, true, true},
    {"OPQ", MAP_OPQ, PARTS_AND_DIM, false, false},
    {"RR", MAP_ROTATION, MAYBE_DIM, false, false},
    {"L2norm", MAP_UNIT, NONE, false, false},
    {"Pad", MAP_PAD, DIM, false, false},
    {"Linear", MAP_LINEAR, DIM, false, false},
};

/* A number from 1 to KITH_MAX_DIM at *at, which moves behind it. */
static bool take_number(const char **at, int64_t *number)
{
	char *end;
	if (!isdigit((unsigned char)**at))
		return false;
	long long value = strtoll(*at, &end, 10);
	*at = end;
	*number = value;
	return value >= 1 && value <= KITH_MAX_DIM;
}

static bool take_numbers(const char *at, enum numbers numbers, struct mapping *mapping)
{
	if (numbers == PARTS_AND_DIM) {
		if (!take_number(&at, &mapping->m))
			return false;
		if (*at == '\0')
			return true;
		if (*at++ != '_')
			return false;
	}
	if (numbers != NONE && !(numbers == MAYBE_DIM && *at == '\0') && !take_number(&at, &mapping->out))
		return false;
	return *at == '\0';
}

bool word_mapping(const char *word, int64_t dim, struct mapping *mapping)
{
	for (size_t i = 0; i < sizeof transforms / sizeof *transforms; i++) {
		size_t n = strlen(transforms[i].letters);
		*mapping = (struct mapping){.kind = transforms[i].kind,
		    .in = dim,
		    .out = dim,
		    .whiten = transforms[i].whiten,
		    .rotate = transforms[i].rotate};
		if (strncmp(word, transforms[i].letters, n) == 0 &&
		    take_numbers(word + n, transforms[i].numbers, mapping))
			return true;
	}
	return false;
}

bool word_like_mapping(const char *word)
{
	for (size_t i = 0; i < sizeof transforms / sizeof *transforms; i++) {
		size_t n = strlen(transforms[i].letters);
		if (strncmp(word, transforms[i].letters, n) == 0 && !isalpha((unsigned char)word[n]))
			return true;
	}
	return false;
}

/* ---- misspelt words ---- */

/* All words. '#' stands for a number and what may follow it. */
static const char *const vocabulary[] = {"Flat", "SQ8", "SQ6", "SQ4", "SQfp16", "SQbf16", "SQ8_direct",
    "SQ8_direct_signed", "SQ8_uniform", "SQ8_quantile", "U8", "I8", "RFlat", "L2norm", "IDMap", "IDMap2",
    "PQ#", "IVF#", "HNSW#", "PCA#", "PCAW#", "PCAR#", "PCAWR#", "OPQ#", "RR#", "Pad#", "Shards#", "Refine(#"};

static int min(int a, int b)
{
	return a < b ? a : b;
}

/* Edits that make a [n] of b [m], whatever the case: a letter put in, left out, changed or swapped with its
 * neighbour (Damerau & Levenshtein, each letter edited once). n, m <= MAX_LETTERS. */
enum { MAX_LETTERS = 20 };

static int edits(const char *a, int n, const char *b, int m)
{
	int cost[MAX_LETTERS + 1][MAX_LETTERS + 1];
	for (int i = 0; i <= n; i++)
		cost[i][0] = i;
	for (int j = 0; j <= m; j++)
		cost[0][j] = j;
	for (int i = 1; i <= n; i++)
		for (int j = 1; j <= m; j++) {
			int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[j - 1]);
			cost[i][j] =
			    min(cost[i - 1][j - 1] + (x != y), min(cost[i - 1][j], cost[i][j - 1]) + 1);
			if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) &&
			    y == tolower((unsigned char)a[i - 2]))
				cost[i][j] = min(cost[i][j], cost[i - 2][j - 2] + 1);
		}
	return cost[n][m];
}

bool word_guess(const char *word, char *guess, size_t size)
{
	int best = 3;
	for (size_t i = 0; i < sizeof vocabulary / sizeof *vocabulary; i++) {
		const char *known = vocabulary[i], *number = strchr(known, '#');
		size_t n = number ? strcspn(word, "0123456789") : strlen(word);
		size_t m = number ? (size_t)(number - known) : strlen(known);
		bool tail = number && known[m - 1] == '(';
		if (tail) /* "Refine(": the codec stays as it is */
			n = strcspn(word, "(") + 1;
		if (n == 0 || n > MAX_LETTERS || n > strlen(word) || (number && !tail && word[n] == '\0'))
			continue;
		int cost = edits(word, (int)n, known, (int)m);
		/* A short word of which half is changed counts as another word. */
		if (cost >= best || 3 * cost > (int)m + 1)
			continue;
		best = cost;
		snprintf(guess, size, "%.*s%s", (int)m, known, word + n);
	}
	return best < 3 && strcmp(guess, word) != 0;
}

/* ---- groups ---- */

size_t word_parentheses(const char *at)
{
	size_t n = 0;
	int depth = 0;
	do
		depth += (at[n] == '(') - (at[n] == ')');
	while (at[n++] && depth > 0);
	return depth > 0 ? 0 : n;
}

bool word_group(const char *word, int64_t *shards, char *inner, size_t inner_size)
{
	enum { MAX_SHARDS = 65536 };
	const char *open = strchr(word, '(');
	size_t n = strlen(word);
	if (!open || word[n - 1] != ')')
		return false;
	*shards = 0;
	if (open != word) {
		char *end;
		if (strncmp(word, "Shards", 6) != 0 || !isdigit((unsigned char)word[6]))
			return false;
		*shards = strtoll(word + 6, &end, 10);
		if (end != open || *shards < 1 || *shards > MAX_SHARDS)
			return false;
	}
	snprintf(inner, inner_size, "%.*s", (int)(word + n - 1 - (open + 1)), open + 1);
	return true;
}
