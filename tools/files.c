/* Vector and index files for the commands. The library's messages are printed as they are, with the name of
 * the file in front if the message does not begin with it. */
#include "files.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bar.h"
#include "cli.h"
#include "hint.h"
#include "info_index.h"
#include "report.h"
#include "stream.h"

int fail_stopped(const char *after)
{
	int signal = stop_signal();
	return cli_error(
	    128 + (signal ? signal : SIGINT), "interrupted%s%s", after ? "; " : "", after ? after : "");
}

int fail_status(kith_status status, const char *subject, const char *after)
{
	if (status == KITH_CANCELLED)
		return fail_stopped(after);
	const char *message = kith_last_error();
	if (!*message)
		message = kith_status_name(status);
	/* Messages about files begin with their quoted name. */
	if (subject && *message != '\'')
		return *subject == '-' && subject[1] ? cli_error(EXIT_FAILED, "%s: %s", subject, message)
		                                     : cli_error(EXIT_FAILED, "'%s': %s", subject, message);
	return cli_error(EXIT_FAILED, "%s", message);
}

int fail_memory(int64_t bytes, const char *what)
{
	char size[40];
	format_si((double)bytes, size, sizeof size);
	return cli_error(EXIT_FAILED, "not enough memory: %sB for %s", size, what);
}

/* The error for an index file where vectors are needed. */
static int fail_index(const char *path)
{
	return cli_error(EXIT_FAILED,
	    "'%s' is an index file, not vectors; 'kith search' searches it, 'kith convert' writes its "
	    "vectors to a file",
	    path);
}

/* The name of the file itself, without the ":set" of HDF5. Allocated; NULL: memory was short. */
static char *file_name(const char *path)
{
	char *name = strdup(path), *colon = name ? strrchr(name, ':') : NULL;
	if (colon && !strchr(colon, '/')) {
		*colon = 0;
		bool hdf5 = colon - name >= 3 && (strcmp(colon - 3, ".h5") == 0);
		hdf5 = hdf5 || (colon - name >= 5 && strcmp(colon - 5, ".hdf5") == 0);
		*colon = hdf5 ? 0 : ':';
	}
	return name;
}

int file_check(const char *file)
{
	char *name = file_name(file), *colon = name ? strrchr(name, ':') : NULL, near[300];
	struct stat st;
	int failed = name && stat(name, &st) != 0 ? errno : 0, code = EXIT_OK;
	/* It may be a part of a file in another format, such as truth.bin:distances. */
	if (failed == ENOENT && colon && !strchr(colon, '/')) {
		*colon = '\0';
		failed = stat(name, &st) != 0 ? errno : 0;
		*colon = ':';
	}
	if (failed == ENOENT && hint_file(name, near, sizeof near))
		code = cli_error(EXIT_FAILED, "'%s': no such file; did you mean '%s'?", name, near);
	else if (failed)
		code = cli_error(
		    EXIT_FAILED, "'%s': %s", name, failed == ENOENT ? "no such file" : strerror(failed));
	else if (name && S_ISDIR(st.st_mode))
		code = cli_error(EXIT_FAILED, "'%s' is a directory; give the name of a file", name);
	else if (name && S_ISREG(st.st_mode) && st.st_size == 0)
		code = cli_error(EXIT_FAILED, "'%s' is empty", name);
	free(name);
	return code;
}

static int open_file(struct input *input, const char *path, const char *file)
{
	*input = (struct input){.path = path, .file = file, .info = {.size = sizeof(kith_vecs_info)}};
	int code = file_check(file);
	if (code != EXIT_OK)
		return code;
	if (is_index_file(file))
		return fail_index(path);
	kith_status status = kith_vecs_open(&input->vecs, file);
	if (status == KITH_OK)
		status = kith_vecs_info_get(input->vecs, &input->info);
	if (status == KITH_OK)
		return EXIT_OK;
	code = fail_status(status, path, NULL);
	input_close(input);
	return code;
}

static int open_named(struct input *input, const char *path, const char *extension)
{
	const char *file = path;
	*input = (struct input){.path = path};
	int code = is_incoming(path) ? stream_input(path, extension, &file) : EXIT_OK;
	return code == EXIT_OK ? open_file(input, path, file) : code;
}

int input_open_again(struct input *input, const struct input *other)
{
	return open_file(input, other->path, other->file);
}

int input_open(struct input *input, const char *path)
{
	return open_named(input, path, "fvecs");
}

int input_open_ids(struct input *input, const char *path)
{
	return open_named(input, path, "ivecs");
}

kith_status index_read(kith_index **index, const char *file, int flags)
{
	stop_at_once(!stream_in_use());
	kith_status status = is_faiss_file(file) ? kith_index_import_faiss_labels(index, file)
	                                         : kith_index_open(index, file, flags);
	stop_at_once(false);
	return status;
}

void input_close(struct input *input)
{
	kith_vecs_close(input->vecs);
	input->vecs = NULL;
}

int input_same_dim(const struct input *a, const struct input *b)
{
	if (a->info.dim == b->info.dim)
		return EXIT_OK;
	return cli_error(EXIT_FAILED,
	    "dimensions differ: '%s' has %" PRId64 ", '%s' has %" PRId64 "; give files of one dimension",
	    a->path, a->info.dim, b->path, b->info.dim);
}

/* Cut a name into its folder and the rest, which is returned. */
static const char *split_name(char *name, const char **folder)
{
	char *slash = strrchr(name, '/');
	*folder = !slash ? "." : slash == name ? "/" : name;
	if (!slash)
		return name;
	*slash = 0;
	return slash + 1;
}

/* Whether two names are of one file or, if none exists, are equal names in one folder. */
static bool same_names(char *a, char *b)
{
	struct stat x, y;
	if (stat(a, &x) == 0 && stat(b, &y) == 0)
		return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
	const char *folder_a, *folder_b, *last_a = split_name(a, &folder_a),
	                                 *last_b = split_name(b, &folder_b);
	return strcmp(last_a, last_b) == 0 && stat(folder_a, &x) == 0 && stat(folder_b, &y) == 0 &&
	       x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

bool same_file(const char *a, const char *b)
{
	char *name_a = file_name(a), *name_b = file_name(b);
	bool same = name_a && name_b ? same_names(name_a, name_b) : strcmp(a, b) == 0;
	free(name_a);
	free(name_b);
	return same;
}

int output_check(const char *path, const struct input *inputs, int n)
{
	struct stat st;
	if (!path || is_stream(path))
		return EXIT_OK;
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return cli_error(EXIT_FAILED, "'%s' is a directory; give the name of a file", path);
	for (int i = 0; i < n; i++) {
		if (same_file(path, inputs[i].path))
			return cli_error(
			    EXIT_FAILED, "'%s' is read as input; give the output another name", path);
	}
	return EXIT_OK;
}

int output_check_folder(const char *option, const char *path)
{
	struct stat st;
	if (is_stream(path) || (stat(path, &st) == 0 && !S_ISREG(st.st_mode)))
		return EXIT_OK; /* a device */
	char *folder = strdup(path), *slash = folder ? strrchr(folder, '/') : NULL;
	if (!folder)
		return fail_memory((int64_t)strlen(path), "a path");
	if (slash)
		slash[slash == folder] = '\0';
	const char *where = slash ? folder : ".";
	int failed = access(where, W_OK | X_OK) ? errno : 0;
	if (stat(where, &st) == 0 && !S_ISDIR(st.st_mode))
		failed = ENOTDIR;
	free(folder);
	if (failed)
		return cli_error(EXIT_FAILED, "%s '%s': cannot create a file in its directory: %s", option,
		    path, strerror(failed));
	return EXIT_OK;
}

int output_open(kith_vecs_writer **writer, const char *option, const char *path, kith_type type, int64_t dim)
{
	static const char *const streamed[] = {[KITH_F32] = "fvecs",
	    [KITH_U8] = "bvecs",
	    [KITH_I8] = "i8bin",
	    [KITH_I32] = "ivecs",
	    [KITH_I64] = "npy"};
	int code = is_stream(path) ? stream_output(option, path, streamed[type], &path)
	                           : stream_check_output(option, path);
	if (code != EXIT_OK)
		return code;
	kith_status status = kith_vecs_create(writer, path, type, dim);
	if (status == KITH_OK)
		return EXIT_OK;
	const char *message = kith_last_error();
	if (*message == '\'')
		return cli_error(EXIT_FAILED, "%s %s", option, message);
	return cli_error(EXIT_FAILED, "%s '%s': %s", option, path, message);
}

int index_open(kith_index **index, const char *path, int flags)
{
	const char *file = path;
	int code = is_incoming(path) ? stream_input(path, "kith", &file) : EXIT_OK;
	if (code != EXIT_OK)
		return code;
	code = file_check(file);
	if (code != EXIT_OK)
		return code;
	kith_status status = index_read(index, file, flags);
	return status == KITH_OK ? EXIT_OK : fail_status(status, path, NULL);
}

int output_finish(kith_vecs_writer **writer, const char *path)
{
	kith_status status = kith_vecs_finish(*writer);
	*writer = NULL;
	return status == KITH_OK ? EXIT_OK : fail_status(status, path, NOTHING_WRITTEN);
}

int results_check(const char *ids_path, const char *dist_path, int64_t k)
{
	if (ids_path && dist_path && !is_stream(ids_path) && same_file(ids_path, dist_path))
		return cli_error(
		    EXIT_USAGE, "--ids and --distances are one file, '%s'; give two names", ids_path);
	if ((ids_path || dist_path) && k > KITH_MAX_DIM)
		return cli_error(EXIT_USAGE,
		    "-k %" PRId64 " is too many for --ids and --distances: a file holds at most %d", k,
		    KITH_MAX_DIM);
	return EXIT_OK;
}

/* Remove a file that this run has written, but never a device or a link. */
static void remove_output(const char *path)
{
	struct stat st;
	if (lstat(path, &st) == 0 && S_ISREG(st.st_mode))
		unlink(path);
}

int results_finish(
    kith_vecs_writer **ids, const char *ids_path, kith_vecs_writer **dist, const char *dist_path)
{
	int code = *ids ? output_finish(ids, ids_path) : EXIT_OK;
	if (code != EXIT_OK || !*dist)
		return code;
	code = output_finish(dist, dist_path);
	if (code != EXIT_OK && ids_path)
		remove_output(ids_path);
	return code;
}

static kith_status save(const kith_index *index, const char *file)
{
	struct bar bar;
	kith_save_options o = KITH_SAVE_OPTIONS;
	o.progress = bar_progress;
	o.progress_data = &bar;
	bar_begin(&bar, "saving", "B", (double)kith_index_memory(index));
	kith_status status = kith_index_save_as(index, file, &o);
	bar_wipe();
	return status;
}

int index_save(const kith_index *index, const char *option, const char *path)
{
	const char *file = path;
	int code =
	    is_stream(path) ? stream_output(option, path, "kith", &file) : stream_check_output(option, path);
	if (code != EXIT_OK)
		return code;
	const char *dot = strrchr(file, '.');
	bool faiss = dot && strcmp(dot, ".faiss") == 0;
	kith_status status = faiss ? kith_index_export_faiss(index, file) : save(index, file);
	return status == KITH_OK ? EXIT_OK : fail_status(status, path, NOTHING_WRITTEN);
}

int64_t batch_rows(int64_t n, int64_t row_bytes, int64_t bytes)
{
	int64_t rows = bytes / (row_bytes > 0 ? row_bytes : 1);
	if (rows < 1)
		rows = 1;
	return rows < n ? rows : n;
}

json_t *input_json(const struct input *input)
{
	const kith_vecs_info *info = &input->info;
	return json_pack("{s:o, s:s, s:s, s:I, s:I, s:I}", "file", json_text(input->path), "format",
	    info->format, "type", kith_type_name(info->type), "n", (json_int_t)info->n, "dim",
	    (json_int_t)info->dim, "bytes", (json_int_t)info->bytes);
}
