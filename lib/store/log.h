/* The log that may follow a blob in a file: what was appended since the blob was saved. */
#ifndef KITH_STORE_LOG_H
#define KITH_STORE_LOG_H

#include "lib/base/blob.h"
#include "lib/store/lock.h"

/* A file with a blob and a log, and where the next frame goes. */
struct log_end {
	uint64_t size, identity; /* of the blob */
	uint64_t at;             /* where the log ends, so far as it was read */
	uint64_t frames;         /* before that */
	uint64_t link;           /* the checksum of the last of them, or of the blob */
	bool chained;            /* frames carry the link of what is before them; version 1.0's did not */
	uint64_t expected;       /* the link of a frame that must be in the log; 0: any log will do */
	bool found;              /* that frame was read */
};

/* The beginning of a log behind a blob. */
struct log_end log_begin(uint64_t size, uint64_t identity);

/* What a frame begins with, and what follows its records. */
struct frame_head {
	char magic[8];
	uint64_t number; /* from 0 */
	uint64_t offset; /* of itself */
	uint64_t length; /* of the records, a multiple of 8 */
	uint64_t identity;
	uint64_t records;  /* checksum */
	uint64_t link;     /* of what is before it, not 0; 0: the frame is not chained */
	uint64_t checksum; /* of what is before it */
};

enum { MARK_CHAINED = 2 };

struct frame_mark {
	char magic[8];
	uint64_t number;
	uint64_t offset; /* of the frame */
	uint64_t frame;  /* checksum of its head */
	uint64_t kind;   /* MARK_CHAINED; 0: the frame is not chained */
	uint64_t zeros[2];
	uint64_t checksum; /* of what is before it */
};

/* The head for so many bytes of records, of this checksum, behind *end, and the mark for a head. */
struct frame_head log_head(const struct log_end *end, uint64_t length, uint64_t records);
struct frame_mark log_mark(const struct frame_head *head);

/* A complete frame: so many bytes of records at that offset. */
struct log_frame {
	uint64_t offset, length;
};

/* Read the next frame of a source of `all` bytes and move *end behind it; *found says whether there is one.
 * After the last one all − end->at bytes are left of an append that was not completed. Errors: FORMAT
 * (a frame that was completed is damaged), and the source's. */
kith_status log_next(const struct blob_source *source, uint64_t all, struct log_end *end,
    struct log_frame *frame, bool *found);

/* How a file has changed since *end described it. */
enum log_state {
	LOG_SAME,
	LOG_GROWN,  /* it was appended to */
	LOG_OTHER,  /* the blob is the same, the log is another one, or cut off */
	LOG_NO_FILE /* the blob is another one, or it is none */
};

/* Find that out for the file fd, called `name` in messages. Errors: IO, FORMAT (an append is damaged). */
kith_status log_compare(int fd, const char *name, const struct log_end *end, enum log_state *state);

/* Where records go to: a failure sticks. */
struct log_sink;
void log_put(struct log_sink *sink, const void *bytes, size_t n);

/* What an append writes: exactly `length` bytes, by log_put. */
struct log_records {
	uint64_t length; /* a multiple of 8 */
	kith_status (*write)(void *owner, struct log_sink *sink);
	void *owner;
};

/* Append a frame to a file that must be as *end describes it, and move *end behind the frame. An append that
 * was not completed is cut off first. The frame is on the disk when the call succeeds; after a failure it
 * counts for nothing. ours: the index read or wrote a file of this name before. *id: the file. Errors:
 * NOTFOUND, IO, NOMEM, INVALID (another file), STALE (it has changed since). */
kith_status log_append(
    const char *path, struct log_end *end, bool ours, const struct log_records *records, struct file_id *id);

#endif
