/* Words of factory strings that name transforms and groups. */
#ifndef KITH_API_WORDS_H
#define KITH_API_WORDS_H

#include <stdbool.h>

#include "lib/index/structure.h"

/* Whether word names a transform: "PCA64", "PCAW64", "PCAR64", "PCAWR64", "OPQ16", "OPQ16_64", "RR", "RR64",
 * "L2norm", "Pad128". If so, *mapping is what it does to vectors of dimension dim. */
bool word_mapping(const char *word, int64_t dim, struct mapping *mapping);

/* Whether word begins as a transform does, whatever its numbers. */
bool word_like_mapping(const char *word);

/* The word that a misspelt one was meant to be, into guess [size]: other case, a letter too many, missing,
 * wrong or swapped with its neighbour. Numbers stay as they are. False: none is near. */
bool word_guess(const char *word, char *guess, size_t size);

/* Whether word is a spec in parentheses: "(Flat,RFlat)", or after "Shards" and a number: "Shards4(Flat)". If
 * so, inner [inner_size] is the spec, *shards the number or 0. */
bool word_group(const char *word, int64_t *shards, char *inner, size_t inner_size);

/* Bytes of the parentheses at `at`, which is "(", to the one that closes them and with it; 0: none does. */
size_t word_parentheses(const char *at);

#endif
