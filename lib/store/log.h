/* The log that may follow a blob in a file: what was appended since the blob was saved. */
#ifndef KITH_STORE_LOG_H
#define KITH_STORE_LOG_H

#include "lib/base/blob.h"

/* A file with a blob and a log, and where the next frame goes. */
struct log_end {
	uint64_t size, identity; /* of the blob */
	uint64_t at;             /* where the log ends, so far as it was read */
	uint64_t frames;         /* before that */
};

/* What a frame begins with, and what follows its records. */
struct frame_head {
	char magic[8];
	uint64_t number; /* from 0 */
	uint64_t offset; /* of itself */
	uint64_t length; /* of the records, a multiple of 8 */
	uint64_t identity;
	uint64_t records; /* checksum */
	uint64_t zero;
	uint64_t checksum; /* of what is before it */
};

struct frame_mark {
	char magic[8];
	uint64_t number;
	uint64_t offset; /* of the frame */
	uint64_t frame;  /* checksum of its head */
	uint64_t zeros[3];
	uint64_t checksum; /* of what is before it */
};

/* The head for n bytes of records behind *end, and the mark for a head. */
struct frame_head log_head(const struct log_end *end, const void *records, size_t n);
struct frame_mark log_mark(const struct frame_head *head);

/* A complete frame: so many bytes of records at that offset. */
struct log_frame {
	uint64_t offset, length;
};

/* The next frame of a source of `all` bytes, behind which *end then is; *found says whether there is one.
 * What remains behind the last one is all − end->at bytes of an append that was not completed. Errors: FORMAT
 * (a frame that was completed is damaged), and the source's. */
kith_status log_next(const struct blob_source *source, uint64_t all, struct log_end *end,
    struct log_frame *frame, bool *found);

/* Append a frame to a file that must be as *end says, and move *end behind it. An append that was not
 * completed is cut off first. It is on the disk when the call succeeds; after a failure the file is as good
 * as it was. Errors: NOTFOUND, IO, INVALID (another file, or somebody else has appended to it). */
kith_status log_append(const char *path, struct log_end *end, const void *records, size_t n);

#endif
