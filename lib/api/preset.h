/* What an index carries for FAISS: search parameters, and labels. */
#ifndef KITH_API_PRESET_H
#define KITH_API_PRESET_H

#include <kith/preset.h>

#include "lib/base/blob.h"

/* What an index carries; all 0: nothing. */
kith_preset preset_of(const kith_index *index);

/* Let an index carry it, unchecked, and without a word to its journal. NOMEM. */
kith_status preset_put(kith_index *index, const kith_preset *preset);

/* To a file, if there is any, and back. FORMAT, NOMEM. */
void preset_save(const kith_index *index, struct blob_writer *w);
kith_status preset_load(kith_index *index, struct blob_reader *r);

/* From one index to another that has none. NOMEM. */
kith_status preset_copy(kith_index *to, const kith_index *from);

#endif
