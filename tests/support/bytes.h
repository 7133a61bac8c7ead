/* Bytes in memory, where suites of files write to and read from. */
#ifndef KITH_TESTS_BYTES_H
#define KITH_TESTS_BYTES_H

#include <stddef.h>
#include <stdint.h>

#include <kith/kith.h>

struct bytes {
	char *data; /* free() it */
	size_t n;
};

/* Of a struct bytes, as a blob's sink and source want them (lib/base/blob.h). */
kith_status bytes_append(void *owner, const void *from, size_t n);
kith_status bytes_fetch(void *owner, uint64_t offset, void *out, size_t n);

/* What an index is saved as. */
struct bytes saved_bytes(const kith_index *index);

#endif
