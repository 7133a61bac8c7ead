/* Vector files as the commands use them: opening, checking, and turning failures into error lines. */
#ifndef KITH_TOOLS_FILES_H
#define KITH_TOOLS_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>
#include <kith/kith.h>

/* A vector file being read. */
struct input {
	const char *path; /* as the user calls it */
	const char *file; /* where it is: of "-" another one */
	kith_vecs *vecs;
	kith_vecs_info info;
};

/* These return an exit code; unless it is EXIT_OK an error was printed. */
int input_open(struct input *input, const char *path);
int input_open_again(struct input *input, const struct input *other); /* the file of another */
int input_open_ids(struct input *input, const char *path); /* on a stream: ivecs unless it says otherwise */

int output_open(kith_vecs_writer **writer, const char *option, const char *path, kith_type type, int64_t dim);

/* Refuse a directory, an empty file, and a name that is not there, maybe for a slip of the finger. Returns an
 * exit code. */
int file_check(const char *file);

/* Write an index, one of FAISS's where the path ends so; "-": to standard output. Returns an exit code. */
int index_save(const kith_index *index, const char *option, const char *path);

/* Open an index file; "-": from standard input. Returns an exit code. */
int index_open(kith_index **index, const char *path, int flags);

/* kith_index_open of a file, which a signal ends at once: reading leaves nothing behind. Ids of FAISS's that
 * kith cannot have become labels (carried.h). */
kith_status index_read(kith_index **index, const char *file, int flags);

/* Do two paths name one file, whether it exists or not? Sets of one HDF5 file are one file. */
bool same_file(const char *a, const char *b);

/* An output may not be one of the inputs, nor a directory. */
int output_check(const char *path, const struct input *inputs, int n);

/* Before work that takes long: can a file of this name be made? Returns an exit code. */
int output_check_folder(const char *option, const char *path);

void input_close(struct input *input);

/* Rows of `row_bytes` bytes that fit into `bytes`; at least one, at most n. */
int64_t batch_rows(int64_t n, int64_t row_bytes, int64_t bytes);

/* Report that a library call failed, and return the exit code. subject: the file it was about, or NULL.
 * A cancelled call was stopped by a signal: `after` tells what that means for the user. */
int fail_status(kith_status status, const char *subject, const char *after);

/* Report that memory is short, or that a signal asked to stop. */
int fail_memory(int64_t bytes, const char *what);
int fail_stopped(const char *after);
#define NOTHING_WRITTEN "nothing was written"

json_t *input_json(const struct input *input);

#endif
