/* Indexes as blobs, wherever those are. */
#ifndef KITH_API_FILE_H
#define KITH_API_FILE_H

#include <kith/file.h>

#include "lib/base/blob.h"

#include "lib/store/log.h"

/* The `read` of a source whose owner is a function of the caller's. */
struct caller_read {
	kith_read_fn read;
	void *data;
};
kith_status read_from_caller(void *owner, uint64_t offset, void *out, size_t n);

/* Bytes that the index will take; UNSUPPORTED where it cannot be saved. */
kith_status index_measure(const kith_index *index, uint64_t *size);
void index_write(const kith_index *index, struct blob_writer *w);

/* The index in a blob, with the changes appended to it; *end (may be NULL): where those end. */
kith_status index_read(kith_index **out, struct blob_reader *r, struct log_end *end);

#endif
