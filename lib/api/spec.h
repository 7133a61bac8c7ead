/* Factory strings. */
#ifndef KITH_API_SPEC_H
#define KITH_API_SPEC_H

#include "lib/index/structure.h"

/* Build the empty index that spec describes. dim and metric were checked. */
kith_status spec_build(kith_index **out, int64_t dim, const struct metric *metric, const char *spec);

/* The transform of vectors of dimension dim that a single word names ("PCA64"). INVALID, UNSUPPORTED, NOMEM.
 */
kith_status spec_mapping(struct mapping *out, int64_t dim, const char *word);

/* Wrap a child in a refinement with the codec that a word names. */
kith_status spec_refine(kith_index **out, const char *codec_word, kith_index *take_child);

#endif
