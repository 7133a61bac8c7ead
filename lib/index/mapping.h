/* The names of transforms, and which are possible. */
#ifndef KITH_INDEX_MAPPING_H
#define KITH_INDEX_MAPPING_H

#include "lib/index/structure.h"

/* The word of a spec that names it. */
void mapping_word(const struct mapping *m, char word[32]);

/* INVALID: there is no such transform of m->in dimensions. word: for the message. */
kith_status mapping_check(const struct mapping *m, const char *word);

#endif
