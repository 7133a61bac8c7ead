/* Blobs: sections of bytes, each with a name and a checksum, written front to back. The container of kith's
 * index files; docs/file-format.md describes it byte by byte.
 *
 * An index writes its sections one after another and reads them back in any order. A section is named by a
 * tag of four letters and the node it belongs to: 0 is the index itself, its children (and theirs) are 1, 2,
 * 3 … in the order in which they are entered. A lower-case first letter marks a section that a reader may
 * skip if it does not know it.
 */
#ifndef KITH_BASE_BLOB_H
#define KITH_BASE_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kith/status.h>

#include "lib/base/alloc.h"

enum { BLOB_MAJOR = 1, BLOB_MINOR = 0 };

/* ---- writing: a failure sticks, so that only blob_finish needs to be asked ---- */

struct blob_sink {
	kith_status (*write)(void *owner, const void *bytes, size_t n);
	void *owner;
};

struct blob_writer {
	kith_status status; /* of the first failure; nothing is written after it */
	uint32_t node;      /* whose sections are being written */

	struct blob_sink sink; /* without `write`: bytes are only counted */
	uint64_t size;         /* of the whole blob, if that was known beforehand */
	uint64_t identity;     /* after blob_finish: a checksum of everything */
	uint32_t nodes;
	uint64_t offset;     /* bytes written and buffered */
	bool inside;         /* a section was begun */
	struct buffer table; /* an entry for each section */
	size_t sections;
	char *pending; /* bytes not yet given to the sink */
	size_t pending_bytes;
	void *hash; /* of the section so far */
};

/* Begin; blob_writer_free must follow, also after a failure. size: of the whole blob, which is written to its
 * header, so that something may follow the blob; 0: not known. With a sink of zeros what is put is only
 * counted, and `offset` is the size after blob_finish. */
kith_status blob_writer_begin(struct blob_writer *w, struct blob_sink sink, uint64_t size);
void blob_writer_free(struct blob_writer *w);

/* Begin section `tag` of the present node; what is put goes there until the next one begins. */
void blob_section(struct blob_writer *w, const char *tag);
void blob_put(struct blob_writer *w, const void *bytes, size_t n);
void blob_put_zeros(struct blob_writer *w, size_t n);

/* A section in one call. */
void blob_write(struct blob_writer *w, const char *tag, const void *bytes, size_t n);

/* Write the table of sections and end. */
kith_status blob_finish(struct blob_writer *w);

/* ---- reading: nothing is trusted ---- */

struct blob_source {
	kith_status (*read)(void *owner, uint64_t offset, void *out, size_t n); /* all n bytes */
	void *owner;
	uint64_t size;
	const char *name; /* that messages begin with: "'demo.kith'" */
	char *base;       /* all of it in memory, which outlives what is read; NULL: it is not in memory */
	bool lazy;        /* with base: sections that are taken are not read */
	bool parallel;    /* several threads may read at once */
};

struct blob_entry;

struct blob_reader {
	uint32_t node; /* whose sections are being read */

	struct blob_source source; /* its size becomes that of the blob */
	bool verify;               /* checksums */
	bool lazy;    /* used in place: checks that read every vector wait until they are needed */
	uint64_t all; /* of the source: the blob and what follows it */
	uint64_t identity;
	uint32_t nodes;
	struct blob_entry *table;
	size_t sections;
	struct blob_entry *now; /* the section being read */
	uint64_t at, end;       /* of it: what comes next, the end */
	char *ahead;            /* bytes at … at + ahead_bytes − 1 begin at ahead + ahead_at */
	size_t ahead_at, ahead_bytes;
	bool unvalidated; /* some of the section was taken without being read */
	char *block;      /* the whole section, read by blob_open_block; NULL: it was not */
	void *hash;
};

/* Read and check header, table and everything between the sections; blob_reader_free must follow, also
 * after a failure. Errors: FORMAT, UNSUPPORTED (of a newer major version), NOMEM, and the source's. */
kith_status blob_reader_begin(struct blob_reader *r, struct blob_source source, bool verify);
void blob_reader_free(struct blob_reader *r);

/* Is there such a section of this node? */
bool blob_has(const struct blob_reader *r, const char *tag);

/* Its bytes; 0 if it is not there. */
uint64_t blob_length(const struct blob_reader *r, const char *tag);

/* FORMAT unless it is there and has exactly so many bytes: to be asked before memory is allocated. */
kith_status blob_expect(struct blob_reader *r, const char *tag, size_t bytes);

/* Read a section in pieces: open, get … get, close, which checks that all was read and the checksum. */
kith_status blob_open(struct blob_reader *r, const char *tag, size_t bytes);
kith_status blob_get(struct blob_reader *r, void *out, size_t n);
kith_status blob_close(struct blob_reader *r);

/* Open a section that will be taken in parts, without reading and allocating each part by itself: the section
 * is read into the empty `block`, unless it is in memory already, and parts are borrowed from there. */
kith_status blob_open_block(struct blob_reader *r, const char *tag, size_t bytes, struct buffer *block);

/* Let an empty buffer hold the next n bytes of the section, in place where that is possible. One section is
 * read either by blob_take alone or by blob_get alone. */
kith_status blob_take(struct blob_reader *r, struct buffer *b, size_t n);

/* A section in one call. */
kith_status blob_read(struct blob_reader *r, const char *tag, void *out, size_t bytes);

/* After everything was read: FORMAT if a section is left that a reader may not skip. */
kith_status blob_reader_end(struct blob_reader *r);

/* fail(KITH_FORMAT, …) that names the file and the section. */
kith_status blob_fail(const struct blob_reader *r, const char *tag, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#if defined(__clang_analyzer__) /* which cannot see that it never returns KITH_OK */
#define blob_fail(...) ((void)blob_fail(__VA_ARGS__), KITH_FORMAT)
#endif

/* ---- both: enter the next child; returns the node to set again when leaving ---- */

static inline uint32_t blob_enter(uint32_t *node, uint32_t *nodes)
{
	uint32_t parent = *node;
	*node = ++*nodes;
	return parent;
}

#endif
