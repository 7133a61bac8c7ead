/* The caller's key and value strings of an index. */
#ifndef KITH_API_TAGS_H
#define KITH_API_TAGS_H

#include <kith/index.h>

#include "lib/base/blob.h"

/* To a file, if there are any, and back. FORMAT, NOMEM. */
void tags_save(const kith_index *index, struct blob_writer *w);
kith_status tags_load(kith_index *index, struct blob_reader *r);

/* From one index to another that has none. NOMEM. */
kith_status tags_copy(kith_index *to, const kith_index *from);

/* A change as it was recorded: key, zero, and value, zero, unless the key goes. INVALID, NOMEM. */
kith_status tags_apply(kith_index *index, const char *text, size_t n);

#endif
