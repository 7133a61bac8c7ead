/* Vector files for the commands. The library's messages are passed on as they are; the name of the file
 * is put in front where the message does not begin with it. */
#include "files.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "bar.h"
#include "cli.h"
#include "report.h"

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
		return cli_error(EXIT_FAILED, "'%s': %s", subject, message);
	return cli_error(EXIT_FAILED, "%s", message);
}

int fail_memory(int64_t bytes, const char *what)
{
	char size[40];
	format_si((double)bytes, size, sizeof size);
	return cli_error(EXIT_FAILED, "not enough memory: %sB for %s", size, what);
}

int input_open(struct input *input, const char *path)
{
	*input = (struct input){.path = path, .info = {.size = sizeof(kith_vecs_info)}};
	kith_status status = kith_vecs_open(&input->vecs, path);
	if (status == KITH_OK)
		status = kith_vecs_info_get(input->vecs, &input->info);
	if (status == KITH_OK)
		return EXIT_OK;
	int code = fail_status(status, path, NULL);
	input_close(input);
	return code;
}

void input_close(struct input *input)
{
	kith_vecs_close(input->vecs);
	input->vecs = NULL;
}

int output_check(const char *path, const struct input *inputs, int n)
{
	struct stat out, in;
	if (stat(path, &out) != 0)
		return EXIT_OK;
	if (S_ISDIR(out.st_mode))
		return cli_error(EXIT_FAILED, "'%s' is a directory; give the name of a file", path);
	for (int i = 0; i < n; i++) {
		if (stat(inputs[i].path, &in) == 0 && in.st_dev == out.st_dev && in.st_ino == out.st_ino)
			return cli_error(
			    EXIT_FAILED, "'%s' is read as input; give the output another name", path);
	}
	return EXIT_OK;
}

int output_open(kith_vecs_writer **writer, const char *option, const char *path, kith_type type, int64_t dim)
{
	kith_status status = kith_vecs_create(writer, path, type, dim);
	if (status == KITH_OK)
		return EXIT_OK;
	const char *message = kith_last_error();
	if (*message == '\'')
		return cli_error(EXIT_FAILED, "%s %s", option, message);
	return cli_error(EXIT_FAILED, "%s '%s': %s", option, path, message);
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
