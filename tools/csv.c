/* Reading and writing comma-separated values. A record is read byte by byte into one buffer, in which each
 * field ends in a NUL. */
#include "csv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "files.h"

static bool push_byte(struct csv *csv, char c)
{
	if (csv->bytes == csv->text_room) {
		size_t room = csv->text_room ? 2 * csv->text_room : 4096;
		char *text = realloc(csv->text, room);
		if (!text)
			return false;
		csv->text = text;
		csv->text_room = room;
	}
	csv->text[csv->bytes++] = c;
	return true;
}

static bool begin_field(struct csv *csv)
{
	if (csv->fields == csv->field_room) {
		int room = csv->field_room ? 2 * csv->field_room : 32;
		struct csv_field *field = realloc(csv->field, (size_t)room * sizeof *field);
		csv->field = field ? field : csv->field;
		size_t *begin = realloc(csv->begin, (size_t)room * sizeof *begin);
		csv->begin = begin ? begin : csv->begin;
		if (!field || !begin)
			return false;
		csv->field_room = room;
	}
	csv->begin[csv->fields] = csv->bytes;
	csv->field[csv->fields++].quoted = false;
	return true;
}

/* Read what follows an opening quote, up to the closing one. 1: done; 0: there is none; -1: no memory. */
static int read_quoted(struct csv *csv)
{
	for (;;) {
		int c = getc_unlocked(csv->file);
		if (c == EOF)
			return 0;
		csv->next_line += c == '\n';
		if (c == '"') {
			c = getc_unlocked(csv->file);
			if (c != '"') {
				ungetc(c, csv->file);
				return 1;
			}
		}
		if (!push_byte(csv, (char)c))
			return -1;
	}
}

static void set_fields(struct csv *csv)
{
	for (int i = 0; i < csv->fields; i++) {
		size_t end = i + 1 < csv->fields ? csv->begin[i + 1] : csv->bytes;
		csv->field[i].text = csv->text + csv->begin[i];
		csv->field[i].length = end - csv->begin[i] - 1;
	}
}

static int fail_at(const struct csv *csv, const char *what)
{
	cli_error(EXIT_FAILED, "'%s', line %" PRId64 ": %s", csv->path, csv->line, what);
	return -1;
}

static int fail_no_memory(const struct csv *csv)
{
	fail_memory((int64_t)csv->bytes, "a line of the metadata");
	return -1;
}

/* Read the fields of a record whose first byte is c. 1, or -1 after an error, which was printed. */
static int read_fields(struct csv *csv, int c)
{
	if (!begin_field(csv))
		return fail_no_memory(csv);
	for (;; c = getc_unlocked(csv->file)) {
		struct csv_field *field = &csv->field[csv->fields - 1];
		bool good = true;
		if (c == '\r') {
			int next = getc_unlocked(csv->file);
			if (next != '\n')
				ungetc(next, csv->file);
			c = next == '\n' ? '\n' : c;
		}
		if (c == EOF || c == '\n' || c == ',') {
			good = push_byte(csv, 0);
			csv->next_line += c == '\n';
			if (good && c != ',')
				return 1;
			good = good && begin_field(csv);
		} else if (c == '"' && csv->bytes == csv->begin[csv->fields - 1] && !field->quoted) {
			int closed = read_quoted(csv);
			if (closed == 0)
				return fail_at(csv, "a quote is opened and never closed");
			field->quoted = true;
			good = closed > 0;
		} else if (field->quoted) {
			return fail_at(csv, "a field goes on behind its closing quote");
		} else {
			good = push_byte(csv, (char)c);
		}
		if (!good)
			return fail_no_memory(csv);
	}
}

static int read_record(struct csv *csv)
{
	csv->line = csv->next_line;
	csv->bytes = 0;
	csv->fields = 0;
	int c = getc_unlocked(csv->file);
	if (c == EOF) {
		if (!ferror(csv->file))
			return 0;
		cli_error(EXIT_FAILED, "cannot read '%s': %s", csv->path, strerror(errno));
		return -1;
	}
	int result = read_fields(csv, c);
	if (result > 0)
		set_fields(csv);
	return result;
}

int csv_read(struct csv *csv, int fields)
{
	int result = read_record(csv);
	if (result > 0 && csv->fields != fields) {
		cli_error(EXIT_FAILED, "'%s', line %" PRId64 ": %d %s, but the header has %d", csv->path,
		    csv->line, CLI_COUNT(csv->fields, "field"), fields);
		return -1;
	}
	return result;
}

int csv_open(struct csv *csv, const char *path)
{
	*csv = (struct csv){.path = path, .next_line = 1};
	int code = file_check(path);
	if (code != EXIT_OK)
		return code;
	csv->file = fopen(path, "r");
	if (!csv->file)
		return cli_error(EXIT_FAILED, "cannot read '%s': %s", path, strerror(errno));
	unsigned char mark[3];
	if (fread(mark, 1, 3, csv->file) != 3 || memcmp(mark, "\xef\xbb\xbf", 3) != 0)
		rewind(csv->file);
	int result = read_record(csv);
	if (result == 0)
		cli_error(EXIT_FAILED, "'%s' is empty; its first line names the columns", path);
	return result > 0 ? EXIT_OK : EXIT_FAILED;
}

void csv_close(struct csv *csv)
{
	if (csv->file)
		fclose(csv->file);
	free(csv->field);
	free(csv->begin);
	free(csv->text);
	*csv = (struct csv){0};
}

void csv_write(FILE *file, const char *text, size_t length, bool first)
{
	bool quote = length == 0;
	for (size_t i = 0; i < length && !quote; i++)
		quote = text[i] == '"' || text[i] == ',' || text[i] == '\n' || text[i] == '\r';
	if (!first)
		fputc(',', file);
	if (!quote) {
		fwrite(text, 1, length, file);
		return;
	}
	fputc('"', file);
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '"')
			fputc('"', file);
		fputc(text[i], file);
	}
	fputc('"', file);
}
