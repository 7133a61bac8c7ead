/* Tables as comma-separated values, RFC 4180: fields in double quotes may hold commas, line ends and,
 * doubled, quotes. Lines end in LF or CR LF; the text is UTF-8, with or without a byte order mark. */
#ifndef KITH_TOOLS_CSV_H
#define KITH_TOOLS_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct csv_field {
	const char *text; /* ends in a NUL */
	size_t length;
	bool quoted; /* with it, "" is an empty text; without it, a field of no bytes is no value */
};

struct csv {
	FILE *file;
	const char *path;
	int64_t line; /* where the record begins, counted from 1 */
	int64_t next_line;
	struct csv_field *field; /* [fields] of the record that was read last */
	int fields;
	char *text;
	size_t *begin; /* of each field in text */
	size_t bytes, text_room;
	int field_room;
};

/* Open a file and read its header into csv->field. Returns an exit code; an error is printed. */
int csv_open(struct csv *csv, const char *path);
void csv_close(struct csv *csv);

/* Read the next record: 1, or 0 at the end, or -1 after an error, which was printed. A record with another
 * number of fields than `fields` is an error. */
int csv_read(struct csv *csv, int fields);

/* Write one field, in quotes if it needs them; first: no comma in front of it. */
void csv_write(FILE *file, const char *text, size_t length, bool first);

#endif
