/* Streams: standard input and output, named "-", and pipes, in the place of files. */
#ifndef KITH_TOOLS_STREAM_H
#define KITH_TOOLS_STREAM_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the path is "-", or "npy:-", which also names a format. A file of such a name is "./-". */
bool is_stream(const char *path);

/* The length of the format that a stream's name begins with; 0: it begins with none. */
size_t stream_format(const char *path);

/* Whether there are temporary files to be removed at the end. */
bool stream_in_use(void);

/* Whether a path that is read is "-", a pipe, or the name of a descriptor such as "/dev/stdin"; a format may
 * be in front. */
bool is_incoming(const char *path);

/* Copy all of such a path to a temporary file, whose name *file gets. extension: the format if neither the
 * path nor the first bytes say it. Standard input can be read once. Returns an exit code. */
int stream_input(const char *path, const char *extension, const char **file);

/* Make a temporary file that is sent to standard output at the end; nothing else is printed there any more.
 * option: the one whose value the path is; extension: the format if the path does not name one. It is an
 * error if something else goes to standard output already, or if that is a terminal. Returns an exit code. */
int stream_output(const char *option, const char *path, const char *extension, const char **file);

/* Refuse a format in front of a device or a pipe that is to be written. Returns an exit code. */
int stream_check_output(const char *option, const char *path);

/* Reserve standard output for an option such as --json; an error if another has it. Returns an exit code. */
int stream_claim(const char *option);

/* Send the temporary file to standard output, if there is one. Returns an exit code. */
int stream_send(void);

/* Replace the names of temporary files in a message by the names that the user gave, or by "standard input"
 * and "standard output". line: room for `size` bytes. */
void stream_rename(char *line, size_t size);

/* Refuse a stream for an option whose file is read more than once. Returns an exit code. */
int stream_refuse(const char *option, const char *path);

#endif
