/* Vector and index files as the commands use them: opening, checking, writing, and error messages. */
#ifndef KITH_TOOLS_FILES_H
#define KITH_TOOLS_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>
#include <kith/kith.h>

/* A vector file being read. */
struct input {
	const char *path; /* as the user named it */
	const char *file; /* the file that is read: that of a stream is a temporary one */
	kith_vecs *vecs;
	kith_vecs_info info;
};

/* Open a file of vectors or of ids; input_open_again: the file of another input. A stream that does not name
 * its format is taken for fvecs, and one of ids for ivecs. Return exit codes; unless it is EXIT_OK, an error
 * was printed. */
int input_open(struct input *input, const char *path);
int input_open_again(struct input *input, const struct input *other);
int input_open_ids(struct input *input, const char *path);
/* An error if the vectors of two files have not the same dimension. Returns an exit code. */
int input_same_dim(const struct input *a, const struct input *b);
/* Create a file of vectors, which gets its name when it is finished; option: the one whose value the path is,
 * for messages. Return exit codes. */
int output_open(kith_vecs_writer **writer, const char *option, const char *path, kith_type type, int64_t dim);
int output_finish(kith_vecs_writer **writer, const char *path);
/* The values of --ids and --distances, which may be NULL: an error if they are one file, or if a file cannot
 * hold k of each query. results_finish finishes both files, or leaves none. Return exit codes. */
int results_check(const char *ids_path, const char *dist_path, int64_t k);
int results_finish(
    kith_vecs_writer **ids, const char *ids_path, kith_vecs_writer **dist, const char *dist_path);

/* Refuse a directory, an empty file, and a file that does not exist; the error names one that may be meant.
 * Returns an exit code. */
int file_check(const char *file);

/* Write an index, as FAISS does if the path ends in .faiss; "-": to standard output. Returns an exit code. */
int index_save(const kith_index *index, const char *option, const char *path);

/* Open an index file; "-": from standard input. Returns an exit code. */
int index_open(kith_index **index, const char *path, int flags);

/* Open an index file of kith or FAISS. A signal ends the program at once, as no unfinished file is left.
 * Ids of FAISS that kith does not allow become labels (carried.h). */
kith_status index_read(kith_index **index, const char *file, int flags);

/* Whether two paths name one file, which need not exist. Sets of one HDF5 file are one file. */
bool same_file(const char *a, const char *b);

/* An error if an output is one of the inputs, or a directory. path NULL: there is no output. Returns an exit
 * code. */
int output_check(const char *path, const struct input *inputs, int n);

/* Before work that takes long: an error if a file of this name cannot be made. Returns an exit code. */
int output_check_folder(const char *option, const char *path);

void input_close(struct input *input);

/* The number of rows of `row_bytes` bytes that fit into `bytes`; at least one, at most n. */
int64_t batch_rows(int64_t n, int64_t row_bytes, int64_t bytes);

/* Print why a library call failed, and return the exit code. subject: the file it was about, or NULL. A call
 * that was cancelled was stopped by a signal, and `after` says what that means for the user; NULL:
 * nothing. */
int fail_status(kith_status status, const char *subject, const char *after);

/* Print that memory is short, or that a signal asked to stop, and return the exit code. */
int fail_memory(int64_t bytes, const char *what);
int fail_stopped(const char *after);
#define NOTHING_WRITTEN "nothing was written"

json_t *input_json(const struct input *input);

#endif
