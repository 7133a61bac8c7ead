/* Options are parsed by SQLite's JSON functions. An unknown option is an error, because it is most likely
 * misspelt. */
#include "hybrid_options.h"

#include <math.h>
#include <string.h>

#include "vector.h"

static int fail(char **error, char *message)
{
	*error = message;
	return message != NULL ? SQLITE_ERROR : SQLITE_NOMEM;
}

void hybrid_options_free(struct hybrid_options *o)
{
	sqlite3_free(o->filter);
	sqlite3_free(o->filter_args);
	sqlite3_free(o->column);
	sqlite3_free(o->fields);
	*o = (struct hybrid_options){0};
}

static int read_fusion(struct hybrid_options *o, const char *name, char **error)
{
	static const char *const names[] = {"rrf", "relative", "dbsf"};
	for (int i = 0; i < 3; i++) {
		if (name != NULL && sqlite3_stricmp(name, names[i]) == 0) {
			o->fusion = (enum fusion)i;
			return SQLITE_OK;
		}
	}
	return fail(error, sqlite3_mprintf("kith_hybrid: fusion must be rrf, relative or dbsf"));
}

static int copy_text(char **to, sqlite3_stmt *s)
{
	sqlite3_free(*to);
	const char *text = (const char *)sqlite3_column_text(s, 1);
	*to = text != NULL ? sqlite3_mprintf("%s", text) : NULL;
	return *to != NULL ? SQLITE_OK : SQLITE_NOMEM;
}

/* Read an option from a row of json_each: key, value. */
static int read_option(struct hybrid_options *o, sqlite3_stmt *s, char **error)
{
	const char *key = (const char *)sqlite3_column_text(s, 0);
	int is_number =
	    sqlite3_column_type(s, 1) == SQLITE_INTEGER || sqlite3_column_type(s, 1) == SQLITE_FLOAT;
	double number = sqlite3_column_double(s, 1);
	if (key == NULL) {
		return SQLITE_NOMEM;
	}
	if (sqlite3_column_type(s, 1) == SQLITE_NULL) {
		return SQLITE_OK;
	}
	if (strcmp(key, "fusion") == 0) {
		return read_fusion(o, (const char *)sqlite3_column_text(s, 1), error);
	}
	if (strcmp(key, "alpha") == 0) {
		o->alpha = number;
		return is_number && number >= 0 && number <= 1
		           ? SQLITE_OK
		           : fail(error, sqlite3_mprintf("kith_hybrid: alpha must be between 0 and 1"));
	}
	if (strcmp(key, "rrf_k") == 0) {
		o->rrf_k = number;
		return is_number && number >= 0
		           ? SQLITE_OK
		           : fail(error, sqlite3_mprintf("kith_hybrid: rrf_k must be a number, at least 0"));
	}
	if (strcmp(key, "depth") == 0) {
		o->depth = sqlite3_column_int64(s, 1);
		return sqlite3_column_type(s, 1) == SQLITE_INTEGER && o->depth >= 1
		           ? SQLITE_OK
		           : fail(
		                 error, sqlite3_mprintf("kith_hybrid: depth must be an integer, at least 1"));
	}
	if (strcmp(key, "filter") == 0 || strcmp(key, "where") == 0) {
		return copy_text(&o->filter, s);
	}
	if (strcmp(key, "filter_args") == 0) {
		return copy_text(&o->filter_args, s);
	}
	if (strcmp(key, "column") == 0) {
		return copy_text(&o->column, s);
	}
	if (strcmp(key, "fields") == 0) {
		return copy_text(&o->fields, s);
	}
	return fail(error,
	    sqlite3_mprintf(
	        "kith_hybrid: unknown option '%s'; the options are fusion, alpha, rrf_k, depth, filter, "
	        "filter_args, column and fields",
	        key));
}

int hybrid_options_read(sqlite3 *db, sqlite3_value *json, struct hybrid_options *o, char **error)
{
	*o = (struct hybrid_options){.alpha = NAN, .rrf_k = 60};
	sqlite3_stmt *s;
	if (json == NULL || sqlite3_value_type(json) == SQLITE_NULL) {
		return SQLITE_OK;
	}
	int rc = sqlite3_prepare_v2(
	    db, "SELECT key, value FROM json_each(?1) WHERE json_type(?1) = 'object'", -1, &s, NULL);
	if (rc == SQLITE_OK) {
		rc = sqlite3_bind_value(s, 1, json);
	}
	while (rc == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW) {
		rc = read_option(o, s, error);
	}
	int end = sqlite3_finalize(s);
	if (rc == SQLITE_OK && end != SQLITE_OK) {
		rc = fail(error, sqlite3_mprintf("kith_hybrid: options must be a JSON object"));
	}
	return rc;
}

/* The weight of a column in `fields`, where it is written as "title^2"; 0 if it is not there. */
static int weight_of(sqlite3 *db, const char *fields, const char *name, double *weight)
{
	sqlite3_stmt *s;
	*weight = 0;
	int rc = sqlite3_prepare_v2(db, "SELECT value FROM json_each(?1)", -1, &s, NULL);
	if (rc == SQLITE_OK) {
		rc = sqlite3_bind_text(s, 1, fields, -1, SQLITE_STATIC);
	}
	size_t length = strlen(name);
	while (rc == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW) {
		const char *field = (const char *)sqlite3_column_text(s, 0);
		if (field != NULL && sqlite3_strnicmp(field, name, (int)length) == 0 &&
		    (field[length] == '\0' || field[length] == '^')) {
			*weight = 1;
			if (field[length] == '^') {
				const char *end = field + strlen(field);
				*weight = number_read(field + length + 1, end, weight) == end ? *weight : 0;
			}
		}
	}
	int end = sqlite3_finalize(s);
	return rc != SQLITE_OK ? rc : end;
}

int hybrid_fields(
    sqlite3 *db, const char *fts, const char *fields, char **prefix, char **weights, char **error)
{
	sqlite3_stmt *s;
	sqlite3_str *names = sqlite3_str_new(NULL);
	sqlite3_str *numbers = sqlite3_str_new(NULL);
	int found = 0;
	int rc = sqlite3_prepare_v2(db, "SELECT name FROM pragma_table_info(?1)", -1, &s, NULL);
	if (rc == SQLITE_OK) {
		rc = sqlite3_bind_text(s, 1, fts, -1, SQLITE_STATIC);
	}
	while (rc == SQLITE_OK && fields != NULL && sqlite3_step(s) == SQLITE_ROW) {
		double weight;
		const char *name = (const char *)sqlite3_column_text(s, 0);
		rc = name != NULL ? weight_of(db, fields, name, &weight) : SQLITE_NOMEM;
		if (rc == SQLITE_OK && weight > 0) {
			sqlite3_str_appendf(names, "%s\"%w\"", found++ > 0 ? " " : "{", name);
		}
		sqlite3_str_appendf(numbers, ", %!.15g", rc == SQLITE_OK ? weight : 0.0);
	}
	int end = sqlite3_finalize(s);
	rc = rc == SQLITE_OK ? end : rc;
	sqlite3_str_appendall(names, found > 0 ? "} : (" : "(");
	*prefix = sqlite3_str_finish(names);
	*weights = sqlite3_str_finish(numbers);
	if (rc == SQLITE_OK && fields != NULL && found == 0) {
		rc = fail(error,
		    sqlite3_mprintf(
		        "kith_hybrid: fields must name columns of %s, as in [\"title^2\", \"body\"]", fts));
	}
	return rc;
}
