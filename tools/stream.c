/* Standard input, standard output and pipes in the place of files.
 *
 * The format of a file is known from its name; it is checked against its size, mapped, and read in any order,
 * and an output appears when it is complete. So a stream that is read is copied into a temporary file first,
 * and one that is written is sent from a temporary file. These files are in a folder under $TMPDIR (or /tmp),
 * which is removed when the program ends.
 *
 * An input stream has the name "-", or that of a pipe: one in a folder, or a descriptor, as shells write
 * <(COMMAND). Such names have no extension, so that a format may be in front, as in "npy:-".
 */
#include "stream.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bar.h"
#include "cli.h"
#include "files.h"
#include "hint.h"

enum { BLOCK = 1 << 20, MAX_NAME = 4096, MAX_EXTENSION = 16, MAX_INCOMING = 20 };

/* A stream that was read: its temporary file, and the name that the user gave. */
struct incoming {
	char file[MAX_NAME + 64];
	const char *path;
};

static char folder[MAX_NAME], out_file[MAX_NAME + 64];
static struct incoming incoming[MAX_INCOMING];
static int incoming_count;
static bool standard_input_read;
static const char *taken_by;     /* the option whose value goes to standard output; NULL: none */
static int standard_output = -1; /* the copy of descriptor 1, which then is /dev/null; −1: not made */

size_t stream_format(const char *path)
{
	size_t n = 0;
	while (isalnum((unsigned char)path[n]))
		n++;
	return n <= MAX_EXTENSION ? n : 0;
}

bool is_stream(const char *path)
{
	return strcmp(path + stream_format(path), path[0] == '-' ? "-" : ":-") == 0;
}

/* What follows the format in "npy:-" or "npy:/dev/stdin"; the path itself if it does not begin with one. */
static const char *behind_format(const char *path)
{
	size_t n = stream_format(path);
	char word[MAX_EXTENSION + 8];
	snprintf(word, sizeof word, "x.%.*s", (int)n, path);
	if (!n || path[n] != ':')
		return path;
	return is_stream(path) || names_vectors(word) || names_index(word) ? path + n + 1 : path;
}

/* The descriptor that a path names; −1: none. */
static int descriptor_of(const char *name)
{
	static const char *const folders[] = {"/dev/fd/", "/proc/self/fd/"};
	if (strcmp(name, "-") == 0 || strcmp(name, "/dev/stdin") == 0)
		return STDIN_FILENO;
	for (int i = 0; i < 2; i++) {
		const char *number = name + strlen(folders[i]);
		if (strncmp(name, folders[i], strlen(folders[i])) == 0 && *number && strlen(number) < 6 &&
		    strspn(number, "0123456789") == strlen(number))
			return atoi(number);
	}
	return -1;
}

bool is_incoming(const char *path)
{
	struct stat st;
	const char *name = behind_format(path);
	return is_stream(path) || descriptor_of(name) >= 0 || (stat(name, &st) == 0 && S_ISFIFO(st.st_mode));
}

static void remove_all(void)
{
	for (int i = 0; i < incoming_count; i++)
		unlink(incoming[i].file);
	if (*out_file)
		unlink(out_file);
	if (*folder)
		rmdir(folder);
}

bool stream_in_use(void)
{
	return *folder != '\0';
}

static int make_folder(void)
{
	const char *where = getenv("TMPDIR");
	if (*folder)
		return EXIT_OK;
	where = where && *where ? where : "/tmp";
	int n = snprintf(folder, sizeof folder, "%s/kith-XXXXXX", where);
	if (n >= (int)sizeof folder || !mkdtemp(folder)) {
		int failed = n >= (int)sizeof folder ? ENAMETOOLONG : errno;
		*folder = '\0';
		return cli_error(EXIT_FAILED,
		    "what comes from standard input or goes to standard output cannot be kept in '%s': %s; "
		    "set TMPDIR to a folder that can be written",
		    where, strerror(failed));
	}
	atexit(remove_all);
	return EXIT_OK;
}

/* Copy until the end. False: errno says why, or *stopped: a signal asked to stop. */
static bool copy(int from, int to, char *block, bool *stopped)
{
	for (;;) {
		/* Unlike read, poll is not restarted after a signal. */
		struct pollfd ready = {.fd = from, .events = POLLIN};
		ssize_t n = poll(&ready, 1, -1) < 0 ? -1 : read(from, block, BLOCK);
		*stopped = stop_signal() != 0;
		if (n == 0 || *stopped)
			return !*stopped;
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return false;
		for (ssize_t done = 0; done < n;) {
			ssize_t written = write(to, block + done, (size_t)(n - done));
			if (written < 0 && errno != EINTR)
				return false;
			done += written > 0 ? written : 0;
		}
	}
}

static int copy_all(int from, int to, const char *what)
{
	char *block = malloc(BLOCK);
	bool stopped = false;
	if (!block)
		return fail_memory(BLOCK, "a stream");
	bool ok = copy(from, to, block, &stopped);
	int failed = errno;
	free(block);
	if (stopped)
		return fail_stopped(NULL);
	/* The program that reads the output has ended, which is no error. */
	if (!ok && failed == EPIPE)
		return 128 + SIGPIPE;
	return ok ? EXIT_OK : cli_error(EXIT_FAILED, "cannot %s: %s", what, strerror(failed));
}

/* The extension for a stream: the format in front of its name, or that of its first bytes, or that of its
 * name, or else the one given. */
static const char *extension_of(const char *path, const char *begin, const char *otherwise)
{
	const char *name = behind_format(path), *dot = strrchr(name, '.');
	if (name != path)
		return path;
	if (memcmp(begin, "\x93NUMPY", 6) == 0)
		return "npy";
	if (memcmp(begin, "\x89HDF\r\n\x1a\n", 8) == 0)
		return "hdf5";
	if (memcmp(begin, "\x89KITH", 5) == 0)
		return "kith";
	return dot && (names_vectors(name) || names_index(name)) ? dot + 1 : otherwise;
}

/* Copy all of a stream to in->file; its first bytes go to begin [8]. */
static int take_in(struct incoming *in, char *begin)
{
	const char *name = behind_format(in->path);
	int from = descriptor_of(name), fd = open(in->file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool standard = from == STDIN_FILENO;
	if (fd < 0)
		return cli_error(EXIT_FAILED, "cannot create '%s': %s", in->file, strerror(errno));
	incoming_count++;
	standard_input_read |= standard;
	/* Opening a pipe does not wait here; poll does, and a signal ends that. */
	from = from >= 0 ? fcntl(from, F_DUPFD_CLOEXEC, 3) : open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char what[200];
	snprintf(what, sizeof what, standard ? "read standard input" : "read '%.150s'", name);
	int code = from < 0 ? cli_error(EXIT_FAILED, "cannot %s: %s", what, strerror(errno))
	                    : copy_all(from, fd, what);
	if (code == EXIT_OK && pread(fd, begin, 8, 0) == 0)
		code = cli_error(EXIT_FAILED, "%s is empty", what + strlen("read "));
	close(fd);
	if (from >= 0)
		close(from);
	return code;
}

int stream_input(const char *path, const char *extension, const char **file)
{
	char begin[8] = {0}, named[sizeof incoming->file];
	if (standard_input_read && descriptor_of(behind_format(path)) == STDIN_FILENO)
		return cli_error(EXIT_USAGE, "standard input can be read once; give the other file a name");
	if (incoming_count == MAX_INCOMING)
		return cli_error(EXIT_USAGE, "at most %d streams can be read", MAX_INCOMING);
	int code = make_folder();
	if (code != EXIT_OK)
		return code;
	struct incoming *in = &incoming[incoming_count];
	in->path = path;
	snprintf(in->file, sizeof in->file, "%s/input-%d", folder, incoming_count);
	code = take_in(in, begin);
	if (code != EXIT_OK)
		return code;
	extension = extension_of(path, begin, extension);
	snprintf(named, sizeof named, "%s.%.*s", in->file, (int)stream_format(extension), extension);
	if (rename(in->file, named) != 0)
		return cli_error(EXIT_FAILED, "cannot create '%s': %s", named, strerror(errno));
	memcpy(in->file, named, sizeof named);
	*file = in->file;
	return EXIT_OK;
}

/* Replace every quoted `name` in a line by `what`. */
static void replace(char *line, size_t size, const char *name, const char *what)
{
	size_t n = strlen(name), m = strlen(what);
	for (char *at = line; *name && (at = strstr(at, name)); at++) {
		if (at == line || at[-1] != '\'' || at[n] != '\'')
			continue;
		size_t before = (size_t)(at - 1 - line), rest = strlen(at + n + 1) + 1;
		if (before + m + rest > size)
			return;
		memmove(line + before + m, at + n + 1, rest);
		for (size_t i = 0; i < m; i++)
			line[before + i] = what[i];
		at = line + before + m - 1;
	}
}

void stream_rename(char *line, size_t size)
{
	for (int i = 0; i < incoming_count; i++) {
		const struct incoming *in = &incoming[i];
		char quoted[MAX_NAME];
		snprintf(quoted, sizeof quoted, "'%s'", in->path);
		bool standard = descriptor_of(behind_format(in->path)) == STDIN_FILENO;
		replace(line, size, in->file, standard ? "standard input" : quoted);
		if (standard)
			replace(line, size, in->path, "standard input");
	}
	replace(line, size, out_file, "standard output");
}

int stream_check_output(const char *option, const char *path)
{
	const char *name = behind_format(path);
	struct stat st;
	if (is_stream(path) || name == path || stat(name, &st) != 0 || S_ISREG(st.st_mode) ||
	    S_ISDIR(st.st_mode))
		return EXIT_OK;
	return cli_error(EXIT_USAGE,
	    "%s '%s': a format goes in front of - alone: write %.*s:- and add '> %s'", option, path,
	    (int)stream_format(path), path, name);
}

int stream_claim(const char *option)
{
	if (taken_by)
		return cli_error(EXIT_USAGE,
		    "%s and %s both write to standard output; give one of them a file", taken_by, option);
	taken_by = option;
	return EXIT_OK;
}

/* Let everything that is printed from now on disappear, since standard output is for the file. */
static int silence(void)
{
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	standard_output = nowhere < 0 ? -1 : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	bool ok = standard_output >= 0 && fflush(stdout) == 0 && dup2(nowhere, STDOUT_FILENO) >= 0;
	int failed = errno;
	if (nowhere >= 0)
		close(nowhere);
	return ok ? EXIT_OK : cli_error(EXIT_FAILED, "cannot use standard output: %s", strerror(failed));
}

int stream_output(const char *option, const char *path, const char *extension, const char **file)
{
	if (isatty(STDOUT_FILENO))
		return cli_error(EXIT_USAGE,
		    "%s %s would send bytes to a terminal; add '> FILE' or '| COMMAND'", option, path);
	int code = stream_claim(option);
	if (code == EXIT_OK)
		code = make_folder();
	if (code == EXIT_OK && standard_output < 0)
		code = silence();
	if (code != EXIT_OK)
		return code;
	if (*path == '-')
		path = extension;
	snprintf(
	    out_file, sizeof out_file, "%s/standard-output.%.*s", folder, (int)stream_format(path), path);
	*file = out_file;
	return EXIT_OK;
}

int stream_send(void)
{
	if (standard_output < 0 || !*out_file)
		return EXIT_OK;
	int fd = open(out_file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return cli_error(EXIT_FAILED, "cannot read '%s': %s", out_file, strerror(errno));
	int code = copy_all(fd, standard_output, "write to standard output");
	close(fd);
	return code;
}

int stream_refuse(const char *option, const char *path)
{
	if (!path || !is_incoming(path))
		return EXIT_OK;
	return cli_error(EXIT_USAGE, "%s is read more than once and cannot be %s; give a file", option,
	    is_stream(path) ? "standard input" : "a pipe");
}
