/* Files in memory, for suites about writing and reading. */
#ifndef KITH_TESTS_BYTES_H
#define KITH_TESTS_BYTES_H

#include <stddef.h>
#include <stdint.h>

#include <kith/kith.h>

struct bytes {
	char *data; /* free() it */
	size_t n;
};

/* The functions of a blob's sink and source (lib/base/blob.h); owner: a struct bytes. */
kith_status bytes_append(void *owner, const void *from, size_t n);
kith_status bytes_fetch(void *owner, uint64_t offset, void *out, size_t n);

/* The bytes of an index's file. */
struct bytes saved_bytes(const kith_index *index);

#endif
