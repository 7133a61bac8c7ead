/* The bytes of a blob around its sections, for blob.c and blob_read.c. */
#ifndef KITH_BASE_BLOB_PARTS_H
#define KITH_BASE_BLOB_PARTS_H

#include "lib/base/blob.h"
#include "lib/base/hash.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "blobs are written as they lie in memory");

#define BLOB_ENDIAN UINT32_C(0x01020304)
enum { BLOB_ALIGN = 64, BLOB_MAX_SECTIONS = 16384 };

struct blob_header {
	char magic[8];
	uint32_t endian;
	uint16_t major_version, minor_version;
	uint64_t size; /* of the blob; 0: it ends where the source ends */
	char zeros[32];
	uint64_t checksum; /* of what is before it */
};

struct blob_entry {
	char tag[4];
	uint32_t node;
	uint64_t offset, length, checksum;
};

struct blob_trailer {
	uint64_t table, sections; /* where the table begins, how many entries */
	uint64_t size;            /* of the whole blob */
	uint64_t table_checksum;
	char zeros[16];
	uint64_t checksum; /* of what is before it */
	char magic[8];
};

_Static_assert(
    sizeof(struct blob_header) == 64 && sizeof(struct blob_entry) == 32 && sizeof(struct blob_trailer) == 64,
    "no padding");

extern const char blob_magic[8], blob_end_magic[8];

void *blob_hash_new(void);

/* blob_bulk.c: read the next n bytes of the section, none of which were read ahead, and hash them if they are
 * to be verified; the source must be `parallel`. */
enum { BLOB_BULK = 8 << 20 }; /* it pays from so many bytes on */
kith_status blob_get_bulk(struct blob_reader *r, char *out, size_t n);

#endif
