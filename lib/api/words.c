/* Words: letters, then numbers. Each kind of transform is a row of a table that says which numbers it takes.
 */
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

bool word_group(const char *word, int64_t *shards, char *inner, size_t inner_size)
{
	enum { MOST_SHARDS = 65536 };
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
		if (end != open || *shards < 1 || *shards > MOST_SHARDS)
			return false;
	}
	snprintf(inner, inner_size, "%.*s", (int)(word + n - 1 - (open + 1)), open + 1);
	return true;
}
