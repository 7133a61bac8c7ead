/* Indexes as blobs, wherever those are. */
#ifndef KITH_API_FILE_H
#define KITH_API_FILE_H

#include <kith/file.h>

#include "lib/base/blob.h"

#include "lib/store/log.h"

/* Bytes that it will take; UNSUPPORTED where it cannot be saved. */
kith_status index_measure(const kith_index *index, uint64_t *size);
void index_write(const kith_index *index, struct blob_writer *w);

/* The index in a blob, with what was appended to it; *end (may be NULL): where that ends. */
kith_status index_read(kith_index **out, struct blob_reader *r, struct log_end *end);

#endif
