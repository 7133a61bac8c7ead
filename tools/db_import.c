/* kith import: put vectors and their metadata into a table of a database.
 *
 * Row i of the file gets rowid i or, with --append, i plus the first rowid that is free at the end. Rows are
 * inserted in transactions of some megabytes. An interrupted import therefore leaves the first rows complete:
 * --resume counts them, compares the last one with the file, and goes on. The index is made at the end. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "bar.h"
#include "cli.h"
#include "csv.h"
#include "db.h"
#include "db_open.h"
#include "files.h"
#include "report.h"

enum { PIECE_BYTES = 16 << 20, SAMPLE = 1000 };

struct job {
	const struct import *import;
	sqlite3 *db;
	struct input in;
	struct csv csv;
	char **name; /* [columns] of the metadata */
	const char **type;
	int columns;
	struct db_column column;
	kith_type read_as;
	int64_t first_rowid; /* of row 0 */
	int64_t begin, done; /* number of rows of the file that were in the table before, and that are now */
	bool created;        /* whether this run made the table */
	sqlite3_stmt *insert;
};

/* ---- metadata ---- */

static bool in_list(const char *const *list, const char *name)
{
	for (; *list; list++)
		if (strcmp(*list, name) == 0)
			return true;
	return false;
}

static bool is_integer(const char *text)
{
	const char *digits = text + (*text == '-');
	char *end;
	if (*digits < '0' || *digits > '9' || (*digits == '0' && (digits[1] || digits > text)))
		return false;
	strtoll(text, &end, 10);
	return *end == 0 && end - digits < 19;
}

static bool is_real(const char *text)
{
	const char *first = text + (*text == '-');
	char *end;
	strtod(text, &end);
	bool leading_zero = first[0] == '0' && first[1] >= '0' && first[1] <= '9';
	return end != text && *end == 0 && strspn(text, "0123456789+-.eE") == strlen(text) && !leading_zero;
}

/* Choose the types of the columns: the narrowest of SQLite's that keeps every value of the first records. */
static int guess_types(struct job *job)
{
	int result = 1;
	for (int i = 0; i < job->columns; i++)
		job->type[i] = "INTEGER";
	for (int row = 0; row < SAMPLE && (result = csv_read(&job->csv, job->columns)) > 0; row++) {
		for (int i = 0; i < job->columns; i++) {
			const struct csv_field *field = &job->csv.field[i];
			bool none = field->length == 0 && !field->quoted;
			if (!none && strcmp(job->type[i], "INTEGER") == 0 && !is_integer(field->text))
				job->type[i] = "REAL";
			if (!none && strcmp(job->type[i], "REAL") == 0 && !is_integer(field->text) &&
			    !is_real(field->text))
				job->type[i] = "TEXT";
		}
	}
	return result < 0 ? EXIT_FAILED : EXIT_OK;
}

static int check_names(const struct job *job, const char *option, const char *const *list)
{
	for (; *list; list++)
		if (!job->name || !in_list((const char *const *)job->name, *list))
			return cli_error(EXIT_FAILED, "--%s: the metadata has no column '%s'", option, *list);
	return EXIT_OK;
}

static bool copy_names(struct job *job)
{
	size_t room = (size_t)job->columns + 1;
	job->name = calloc(room, sizeof *job->name);
	job->type = calloc(room, sizeof *job->type);
	bool good = job->name && job->type;
	for (int i = 0; good && i < job->columns; i++) {
		job->name[i] = strdup(job->csv.field[i].text);
		good = job->name[i] != NULL;
	}
	return good;
}

static int open_metadata(struct job *job)
{
	const struct import *import = job->import;
	int code = EXIT_OK;
	if (import->metadata) {
		code = csv_open(&job->csv, import->metadata);
		job->columns = job->csv.fields;
		if (code == EXIT_OK && !copy_names(job))
			code = fail_memory(0, "the names of columns");
		if (code == EXIT_OK)
			code = guess_types(job);
		csv_close(&job->csv);
		if (code == EXIT_OK)
			code = csv_open(&job->csv, import->metadata);
	}
	if (code == EXIT_OK)
		code = check_names(job, "partition", import->partition);
	if (code == EXIT_OK)
		code = check_names(job, "indexed", import->indexed);
	return code == EXIT_OK ? check_names(job, "auxiliary", import->auxiliary) : code;
}

/* ---- the table ---- */

static int create_table(struct job *job)
{
	const struct import *import = job->import;
	const char *type = import->type                   ? import->type
	                   : job->in.info.type == KITH_U8 ? "UINT8"
	                   : job->in.info.type == KITH_I8 ? "INT8"
	                                                  : "FLOAT";
	sqlite3_str *sql = sqlite3_str_new(job->db);
	sqlite3_str_appendf(sql, "CREATE VIRTUAL TABLE \"%w\" USING kith(\"%w\" %s[%lld] %s", import->table,
	    import->column, type, (long long)job->in.info.dim, kith_metric_name(import->metric));
	for (int i = 0; i < job->columns; i++)
		sqlite3_str_appendf(sql, ", %s\"%w\" %s%s",
		    in_list(import->auxiliary, job->name[i]) ? "+" : "", job->name[i], job->type[i],
		    in_list(import->partition, job->name[i]) ? " PARTITION KEY"
		    : in_list(import->indexed, job->name[i]) ? " INDEXED"
		                                             : "");
	sqlite3_str_appendall(sql, ")");
	return db_run(job->db, import->db, sqlite3_str_finish(sql));
}

/* Check that the last row of an interrupted import is that of the file. */
static int compare_last(struct job *job)
{
	int64_t last = job->begin - 1, dim = job->in.info.dim;
	float *x = malloc((size_t)dim * sizeof *x);
	sqlite3_stmt *s = NULL;
	int code = x ? db_prepare(job->db, job->import->db, &s,
	                   sqlite3_mprintf("SELECT kith_to_json(\"%w\", %Q) = kith_to_json(?1, 'FLOAT') FROM "
	                                   "\"%w\" WHERE rowid = %lld",
	                       job->column.name, job->column.type, job->import->table, (long long)last))
	             : fail_memory(dim * 4, "a vector");
	kith_status status = code == EXIT_OK ? kith_vecs_read(job->in.vecs, last, 1, KITH_F32, x) : KITH_OK;
	if (status)
		code = fail_status(status, job->import->vectors, NULL);
	bool same = false;
	if (code == EXIT_OK) {
		sqlite3_bind_blob64(s, 1, x, (sqlite3_uint64)dim * sizeof *x, SQLITE_STATIC);
		same = sqlite3_step(s) == SQLITE_ROW && sqlite3_column_int(s, 0);
		/* Halves are rounded, so that their text differs from that of the file's floats. */
		if (!same && strcmp(job->column.type, "FLOAT16") != 0)
			code = cli_error(EXIT_FAILED,
			    "--resume: row %" PRId64 " of table '%s' is not row %" PRId64
			    " of '%s': that import was of another file",
			    last, job->import->table, last, job->import->vectors);
	}
	sqlite3_finalize(s);
	free(x);
	return code;
}

/* Create the table, or find out at which row to go on in one that exists. */
static int prepare_table(struct job *job)
{
	const struct import *import = job->import;
	int64_t count, largest;
	bool exists;
	int code = db_find_column(job->db, import->db, import->table, import->column, &job->column, &exists);
	if (code == EXIT_OK && !exists) {
		code = create_table(job);
		job->created = code == EXIT_OK;
		if (code == EXIT_OK)
			code = db_find_column(
			    job->db, import->db, import->table, import->column, &job->column, &exists);
	} else if (code == EXIT_OK && !import->resume && !import->append) {
		return cli_error(EXIT_FAILED,
		    "'%s' has a table '%s' already; --resume goes on with an import that was cut off, "
		    "--append adds to it",
		    import->db, import->table);
	}
	if (code == EXIT_OK && job->column.dim != job->in.info.dim)
		code = cli_error(EXIT_FAILED,
		    "dimensions differ: '%s' has %" PRId64 ", column '%s' has %" PRId64, import->vectors,
		    job->in.info.dim, job->column.name, job->column.dim);
	if (code == EXIT_OK)
		code = db_count(job->db, import->db, import->table, &count, &largest);
	if (code != EXIT_OK || count == 0)
		return code;
	if (import->append) {
		job->first_rowid = largest + 1;
		return EXIT_OK;
	}
	job->begin = count;
	if (largest != count - 1 || count > job->in.info.n)
		return cli_error(EXIT_FAILED,
		    "--resume: table '%s' has %" PRId64 " %s up to rowid %" PRId64
		    ", which is no part of '%s'",
		    import->table, CLI_COUNT(count, "row"), largest, import->vectors);
	return compare_last(job);
}

static int prepare_insert(struct job *job)
{
	sqlite3_str *sql = sqlite3_str_new(job->db);
	sqlite3_str_appendf(sql, "INSERT INTO \"%w\"(rowid, \"%w\"", job->import->table, job->column.name);
	for (int i = 0; i < job->columns; i++)
		sqlite3_str_appendf(sql, ", \"%w\"", job->name[i]);
	sqlite3_str_appendall(sql, ") VALUES(?, ?");
	for (int i = 0; i < job->columns; i++)
		sqlite3_str_appendall(sql, ", ?");
	sqlite3_str_appendall(sql, ")");
	job->read_as = strcmp(job->column.type, "UINT8") == 0  ? KITH_U8
	               : strcmp(job->column.type, "INT8") == 0 ? KITH_I8
	                                                       : KITH_F32;
	return db_prepare(job->db, job->import->db, &job->insert, sqlite3_str_finish(sql));
}

/* ---- rows ---- */

static int read_metadata(struct job *job, int64_t row)
{
	int result = csv_read(&job->csv, job->columns);
	if (result == 0)
		cli_error(EXIT_FAILED, "'%s' has %" PRId64 " %s, but '%s' has %" PRId64 " vectors",
		    job->import->metadata, CLI_COUNT(row, "record"), job->import->vectors, job->in.info.n);
	return result > 0 ? EXIT_OK : EXIT_FAILED;
}

static int insert_row(struct job *job, int64_t row, const void *x, size_t bytes)
{
	int code = job->import->metadata ? read_metadata(job, row) : EXIT_OK;
	if (code != EXIT_OK)
		return code;
	sqlite3_bind_int64(job->insert, 1, job->first_rowid + row);
	sqlite3_bind_blob64(job->insert, 2, x, bytes, SQLITE_STATIC);
	for (int i = 0; i < job->columns; i++) {
		const struct csv_field *field = &job->csv.field[i];
		if (field->length || field->quoted)
			sqlite3_bind_text64(
			    job->insert, i + 3, field->text, field->length, SQLITE_STATIC, SQLITE_UTF8);
		else
			sqlite3_bind_null(job->insert, i + 3);
	}
	if (sqlite3_step(job->insert) == SQLITE_DONE) {
		sqlite3_reset(job->insert);
		return EXIT_OK;
	}
	if (!stop_signal())
		cli_error(EXIT_FAILED, "'%s', row %" PRId64 ": %s", job->import->vectors, row,
		    sqlite3_errmsg(job->db));
	sqlite3_reset(job->insert);
	return EXIT_FAILED;
}

/* Insert n rows of the file in one transaction. */
static int insert_piece(struct job *job, int64_t from, int64_t n, void *x)
{
	const char *path = job->import->db;
	size_t bytes = (size_t)job->in.info.dim * kith_type_size(job->read_as);
	kith_status status = kith_vecs_read(job->in.vecs, from, n, job->read_as, x);
	if (status)
		return fail_status(status, job->import->vectors, NULL);
	kith_vecs_drop(job->in.vecs);
	int code = db_run(job->db, path, sqlite3_mprintf("BEGIN IMMEDIATE"));
	if (code != EXIT_OK)
		return code;
	for (int64_t i = 0; i < n && code == EXIT_OK; i++)
		code = insert_row(job, from + i, (const char *)x + (size_t)i * bytes, bytes);
	if (code == EXIT_OK)
		code = db_run(job->db, path, sqlite3_mprintf("COMMIT"));
	if (code != EXIT_OK && !sqlite3_get_autocommit(job->db))
		sqlite3_exec(job->db, "ROLLBACK", NULL, NULL, NULL);
	return code;
}

static int fail_cut_off(int64_t done)
{
	char after[96];
	if (done == 0)
		return fail_stopped(NOTHING_WRITTEN);
	snprintf(after, sizeof after, "%" PRId64 " %s in the table; --resume goes on", done,
	    done == 1 ? "row is" : "rows are");
	return fail_stopped(after);
}

static int insert_rows(struct job *job)
{
	int64_t n = job->in.info.n, row_bytes = job->in.info.dim * (int64_t)kith_type_size(job->read_as);
	int64_t rows = batch_rows(n, row_bytes + 64, PIECE_BYTES);
	void *x = malloc((size_t)(rows * row_bytes));
	if (!x)
		return fail_memory(rows * row_bytes, "vectors");
	struct bar bar;
	bar_begin(&bar, "importing", "rows", (double)n);
	int code = EXIT_OK;
	for (int64_t i = 0; job->import->metadata && i < job->begin && code == EXIT_OK; i++)
		code = read_metadata(job, i);
	for (job->done = job->begin; job->done < n && code == EXIT_OK;) {
		int64_t now = rows < n - job->done ? rows : n - job->done;
		code = insert_piece(job, job->done, now, x);
		job->done += code == EXIT_OK ? now : 0;
		if (bar_at(&bar, (double)job->done) || stop_signal())
			code = fail_cut_off(job->done);
	}
	bar_wipe();
	free(x);
	if (code == EXIT_OK && job->import->metadata && csv_read(&job->csv, job->columns) != 0)
		cli_warn("'%s' has more records than '%s' has vectors; they were left out",
		    job->import->metadata, job->import->vectors);
	return code;
}

/* ---- the command ---- */

static int make_index(struct job *job)
{
	const struct import *import = job->import;
	if (!import->index)
		return EXIT_OK;
	return db_run(job->db, import->db,
	    sqlite3_mprintf("INSERT INTO \"%w\"(\"%w\", rank) VALUES('index', '%q=%q')", import->table,
	        import->table, job->column.name, import->index));
}

static int report(const struct job *job, double seconds)
{
	const struct import *import = job->import;
	int64_t n = job->in.info.n - job->begin;
	if (!import->json) {
		printf("%s: table %s, %" PRId64 " x %" PRId64 " %s", import->db, import->table, n,
		    job->column.dim, job->column.type);
		if (job->begin)
			printf(" after %" PRId64 " that were there", job->begin);
		printf(", %d %s, %.3f s\n",
		    CLI_COUNT_AS(job->columns, "column of metadata", "columns of metadata"), seconds);
		return EXIT_OK;
	}
	json_t *json = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:i, s:s?, s:f}", "database",
	    import->db, "table", import->table, "vectors", import->vectors, "rows", (json_int_t)n,
	    "rows_before", (json_int_t)job->begin, "dimension", (json_int_t)job->column.dim, "type",
	    job->column.type, "columns", job->columns, "index", import->index, "seconds", seconds);
	return print_json(json);
}

/* Remove a table that this run made and put nothing into. */
static void drop_table(struct job *job)
{
	char *sql = sqlite3_mprintf("DROP TABLE \"%w\"", job->import->table);
	sqlite3_progress_handler(job->db, 0, NULL, NULL);
	if (sql)
		sqlite3_exec(job->db, sql, NULL, NULL, NULL);
	sqlite3_free(sql);
}

int db_import(const struct import *import)
{
	struct job job = {.import = import};
	double start = now_seconds();
	int code = input_open(&job.in, import->vectors);
	if (code == EXIT_OK)
		code = open_metadata(&job);
	if (code == EXIT_OK)
		code = db_open(&job.db, import->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
	if (code == EXIT_OK)
		code = prepare_table(&job);
	if (code == EXIT_OK)
		code = prepare_insert(&job);
	if (code == EXIT_OK)
		code = insert_rows(&job);
	if (code == EXIT_OK)
		code = make_index(&job);
	if (code == EXIT_OK)
		code = report(&job, now_seconds() - start);
	sqlite3_finalize(job.insert);
	if (code != EXIT_OK && job.created && job.done == 0)
		drop_table(&job);
	sqlite3_close(job.db);
	for (int i = 0; i < job.columns && job.name; i++)
		free(job.name[i]);
	free(job.name);
	free(job.type);
	csv_close(&job.csv);
	input_close(&job.in);
	return code;
}
