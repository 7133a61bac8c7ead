/* What an index carries for FAISS (index/index_state.h), in files. */
#ifndef KITH_API_PRESET_H
#define KITH_API_PRESET_H

#include <kith/preset.h>

#include "lib/base/blob.h"

/* To a file, if there is any, and back. FORMAT, NOMEM. */
void preset_save(const kith_index *index, struct blob_writer *w);
kith_status preset_load(kith_index *index, struct blob_reader *r);

#endif
