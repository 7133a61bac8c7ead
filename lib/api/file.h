/* Indexes as blobs, wherever those are. */
#ifndef KITH_API_FILE_H
#define KITH_API_FILE_H

#include <kith/file.h>

#include "lib/base/blob.h"

void index_write(const kith_index *index, struct blob_writer *w);
kith_status index_read(kith_index **out, struct blob_reader *r);

#endif
