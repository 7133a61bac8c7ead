/* kith export: write the vectors of a table into a vector file in the order of their rowids and, if asked
 * for, the other columns into a CSV file and the rowids into a third file, row for row. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "bar.h"
#include "cli.h"
#include "csv.h"
#include "db.h"
#include "db_open.h"
#include "files.h"
#include "report.h"

enum { PIECE = 1024 }; /* number of vectors that are written at once */

struct job {
	const struct export *export;
	sqlite3 *db;
	struct db_column column;
	kith_type type;   /* of the file */
	size_t row_bytes; /* of a stored vector */
	int64_t rows;
	sqlite3_stmt *select;
	int columns; /* of the metadata */
	kith_vecs_writer *vectors, *ids;
	bool wide_ids; /* npy holds 64 bits */
	FILE *csv;
	char csv_path[4096]; /* of the unfinished file, which gets its name at the end; "": none */
	void *x;
	int64_t id[PIECE];
	int waiting; /* number of vectors in x */
};

/* Prepare the statement that selects rowid, vector and the other columns. */
static int prepare(struct job *job)
{
	const struct export *export = job->export;
	sqlite3_stmt *names;
	int code = db_prepare(job->db, export->db, &names,
	    sqlite3_mprintf("SELECT name FROM pragma_table_xinfo(%Q) WHERE hidden = 0", export->table));
	if (code != EXIT_OK)
		return code;
	/* Halves are written as floats. */
	bool half = strcmp(job->column.type, "FLOAT16") == 0;
	sqlite3_str *sql = sqlite3_str_new(job->db);
	sqlite3_str_appendf(sql,
	    half ? "SELECT rowid, kith_from_json(kith_to_json(\"%w\", 'FLOAT16'))" : "SELECT rowid, \"%w\"",
	    job->column.name);
	while (export->metadata && sqlite3_step(names) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(names, 0);
		if (sqlite3_stricmp(name, job->column.name) == 0)
			continue;
		sqlite3_str_appendf(sql, ", \"%w\"", name);
		job->columns++;
	}
	sqlite3_finalize(names);
	sqlite3_str_appendf(sql, " FROM \"%w\"", export->table);
	if (export->where)
		sqlite3_str_appendf(sql, " WHERE (%s\n)", export->where);
	sqlite3_str_appendall(sql, " ORDER BY rowid");
	return db_prepare(job->db, export->db, &job->select, sqlite3_str_finish(sql));
}

static int open_csv(struct job *job)
{
	const char *path = job->export->metadata;
	int n = snprintf(job->csv_path, sizeof job->csv_path, "%s.part", path);
	if (n < 0 || n >= (int)sizeof job->csv_path)
		return cli_error(EXIT_FAILED, "'%s': the name is too long", path);
	job->csv = fopen(job->csv_path, "wx");
	if (!job->csv) {
		int failed = errno;
		*job->csv_path = 0;
		return cli_error(EXIT_FAILED, "cannot write '%s.part': %s", path, strerror(failed));
	}
	for (int i = 0; i < job->columns; i++) {
		const char *name = sqlite3_column_name(job->select, i + 2);
		csv_write(job->csv, name, strlen(name), i == 0);
	}
	fputs("\n", job->csv);
	return EXIT_OK;
}

static int open_outputs(struct job *job)
{
	const struct export *export = job->export;
	job->type = strcmp(job->column.type, "UINT8") == 0  ? KITH_U8
	            : strcmp(job->column.type, "INT8") == 0 ? KITH_I8
	                                                    : KITH_F32;
	job->row_bytes = (size_t)job->column.dim * kith_type_size(job->type);
	job->x = malloc(job->row_bytes * PIECE);
	int code = job->x ? EXIT_OK : fail_memory((int64_t)job->row_bytes * PIECE, "vectors");
	if (code == EXIT_OK)
		code = output_open(&job->vectors, "FILE", export->vectors, job->type, job->column.dim);
	if (code == EXIT_OK && export->ids) {
		const char *dot = strrchr(export->ids, '.');
		job->wide_ids = dot && strcmp(dot, ".npy") == 0;
		code = output_open(&job->ids, "--ids", export->ids, job->wide_ids ? KITH_I64 : KITH_I32, 1);
	}
	return code == EXIT_OK && export->metadata ? open_csv(job) : code;
}

/* ---- rows ---- */

static int flush(struct job *job)
{
	int32_t narrow[PIECE];
	for (int i = 0; i < job->waiting && job->ids && !job->wide_ids; i++) {
		narrow[i] = (int32_t)job->id[i];
		if (narrow[i] != job->id[i])
			return cli_error(EXIT_FAILED,
			    "--ids: rowid %" PRId64 " does not fit into 32 bits; write npy, which holds 64",
			    job->id[i]);
	}
	kith_status status = kith_vecs_append(job->vectors, job->waiting, job->x);
	if (status)
		return fail_status(status, job->export->vectors, NOTHING_WRITTEN);
	if (job->ids)
		status =
		    kith_vecs_append(job->ids, job->waiting, job->wide_ids ? (const void *)job->id : narrow);
	if (status)
		return fail_status(status, job->export->ids, NOTHING_WRITTEN);
	job->waiting = 0;
	return EXIT_OK;
}

static void write_record(struct job *job)
{
	for (int i = 0; i < job->columns; i++) {
		if (sqlite3_column_type(job->select, i + 2) == SQLITE_NULL) {
			fputs(i ? "," : "", job->csv);
			continue;
		}
		const char *text = (const char *)sqlite3_column_text(job->select, i + 2);
		csv_write(
		    job->csv, text ? text : "", (size_t)sqlite3_column_bytes(job->select, i + 2), i == 0);
	}
	fputs("\n", job->csv);
}

static int copy_row(struct job *job)
{
	const void *blob = sqlite3_column_blob(job->select, 1);
	if (!blob || (size_t)sqlite3_column_bytes(job->select, 1) != job->row_bytes)
		return cli_error(EXIT_FAILED,
		    "'%s': row %lld of table '%s' holds no vector of dimension %" PRId64, job->export->db,
		    (long long)sqlite3_column_int64(job->select, 0), job->export->table, job->column.dim);
	job->id[job->waiting] = sqlite3_column_int64(job->select, 0);
	memcpy((char *)job->x + (size_t)job->waiting * job->row_bytes, blob, job->row_bytes);
	if (job->csv)
		write_record(job);
	job->rows++;
	return ++job->waiting == PIECE ? flush(job) : EXIT_OK;
}

static int copy_rows(struct job *job)
{
	struct bar bar;
	int64_t n, largest;
	int code = db_count(job->db, job->export->db, job->export->table, &n, &largest), rc = SQLITE_ROW;
	bar_begin(&bar, "exporting", "rows", (double)n);
	while (code == EXIT_OK && (rc = sqlite3_step(job->select)) == SQLITE_ROW) {
		code = copy_row(job);
		if (code == EXIT_OK && bar_at(&bar, (double)job->rows))
			code = fail_stopped(NOTHING_WRITTEN);
	}
	bar_wipe();
	if (code == EXIT_OK && rc != SQLITE_DONE)
		code = stop_signal() ? fail_stopped(NOTHING_WRITTEN) : db_fail(job->db, job->export->db);
	if (code == EXIT_OK && job->waiting)
		code = flush(job);
	if (code == EXIT_OK && job->rows == 0)
		code = cli_error(EXIT_FAILED, "'%s': table '%s' has no such rows; nothing was written",
		    job->export->db, job->export->table);
	return code;
}

static int finish(struct job *job)
{
	const struct export *export = job->export;
	if (job->csv) {
		bool failed = ferror(job->csv) || fclose(job->csv) != 0;
		job->csv = NULL;
		if (failed || rename(job->csv_path, export->metadata) != 0)
			return cli_error(
			    EXIT_FAILED, "cannot write '%s': %s", export->metadata, strerror(errno));
		*job->csv_path = 0;
	}
	int code = job->ids ? output_finish(&job->ids, export->ids) : EXIT_OK;
	if (code == EXIT_OK)
		code = output_finish(&job->vectors, export->vectors);
	if (code != EXIT_OK)
		return code;
	if (export->json)
		return print_json(
		    json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:i}", "database", export->db, "table",
		        export->table, "vectors", export->vectors, "rows", (json_int_t)job->rows, "dimension",
		        (json_int_t)job->column.dim, "type", job->column.type, "columns", job->columns));
	printf("%s: %" PRId64 " x %" PRId64 " %s\n", export->vectors, job->rows, job->column.dim,
	    kith_type_name(job->type));
	return EXIT_OK;
}

static void release(struct job *job)
{
	if (job->csv)
		fclose(job->csv);
	if (*job->csv_path)
		unlink(job->csv_path);
	kith_vecs_abandon(job->ids);
	kith_vecs_abandon(job->vectors);
	sqlite3_finalize(job->select);
	sqlite3_close(job->db);
	free(job->x);
}

int db_export(const struct export *export)
{
	struct job *job = calloc(1, sizeof *job);
	bool exists;
	if (!job)
		return fail_memory(sizeof *job, "an export");
	job->export = export;
	int code = db_open(&job->db, export->db, SQLITE_OPEN_READONLY);
	if (code == EXIT_OK)
		code =
		    db_find_column(job->db, export->db, export->table, export->column, &job->column, &exists);
	if (code == EXIT_OK && !exists)
		code = cli_error(EXIT_FAILED, "'%s' has no table '%s'", export->db, export->table);
	if (code == EXIT_OK)
		code = prepare(job);
	if (code == EXIT_OK)
		code = open_outputs(job);
	if (code == EXIT_OK)
		code = copy_rows(job);
	if (code == EXIT_OK)
		code = finish(job);
	release(job);
	free(job);
	return code;
}
