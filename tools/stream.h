/* "-" in the place of a file's name: standard input and output. */
#ifndef KITH_TOOLS_STREAM_H
#define KITH_TOOLS_STREAM_H

#include <stdbool.h>
#include <stddef.h>

/* Is it "-", or "npy:-", which names a format, too? A file of such a name is "./-". */
bool is_stream(const char *path);

/* The format that a stream's name begins with, and its length; 0: none. */
size_t stream_format(const char *path);

/* Whether there are files that have to be removed at the end. */
bool stream_in_use(void);

/* Is it a stream to be read, or else a pipe, "/dev/stdin" or another descriptor's name, maybe behind a
 * format? */
bool is_incoming(const char *path);

/* All of what such a path is of, as a file of its own, which is gone when the program ends. extension: what
 * it is named if neither the path nor its first bytes say it. Standard input can be read once. Returns an
 * exit code. */
int stream_input(const char *path, const char *extension, const char **file);

/* A file for what is to go to standard output, instead of anything that would be printed there. option: whose
 * value it is; extension: as above. A second one is an error, and so is a terminal, which would be sent
 * bytes. Returns an exit code. */
int stream_output(const char *option, const char *path, const char *extension, const char **file);

/* Refuse a format in front of a device or a pipe that is to be written. Returns an exit code. */
int stream_check_output(const char *option, const char *path);

/* Keep standard output for text: --json goes there. Returns an exit code. */
int stream_claim(const char *option);

/* Send the file, if there is one, now that it is whole. Returns an exit code. */
int stream_send(void);

/* In a message: put "standard input" and "standard output" in the place of the names of the files that stand
 * for them, and of '-'. line: room for `size` bytes. */
void stream_rename(char *line, size_t size);

/* Refuse a stream where a file is read more than once, or by its name. Returns an exit code. */
int stream_refuse(const char *option, const char *path);

#endif
