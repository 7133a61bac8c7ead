/* Blobs on disk. */
#ifndef KITH_STORE_FILE_H
#define KITH_STORE_FILE_H

#include <time.h>

#include "lib/base/blob.h"
#include "lib/store/lock.h"
#include "lib/store/vecs.h"

/* A file that becomes a blob: it appears under its name when it is complete. */
struct file_writer {
	struct vecs_target target;
	struct blob_writer blob;
};

/* Begin a blob of `size` bytes (blob.h); file_abandon or file_finish must follow a success. */
kith_status file_create(struct file_writer *file, const char *path, uint64_t size);
kith_status file_finish(struct file_writer *file, struct file_id *id); /* *id: of the new file */
void file_abandon(struct file_writer *file);

/* A blob in a file that is open for reading. */
struct file_reader {
	const char *path;
	char name[256]; /* for messages */
	int fd;
	struct timespec written; /* time of the last write before it was opened */
	char *base;              /* the mapped file; whoever sets this to NULL takes the mapping over */
	size_t bytes;
	struct blob_reader blob;
};

/* How a file is used: read into memory, or mapped privately; lazy: a mapped one is not read as it is
 * opened. */
struct file_use {
	bool map, lazy;
};

/* Begin; file_close must follow a success. */
kith_status file_open(struct file_reader *file, const char *path, struct file_use use);
void file_close(struct file_reader *file);

/* Whether somebody has written to the file since it was opened. */
bool file_has_moved(const struct file_reader *file);

#endif
