/* The options of kith_hybrid. */
#ifndef KITH_SQLITE_HYBRID_OPTIONS_H
#define KITH_SQLITE_HYBRID_OPTIONS_H

#include "fusion.h"
#include "sqlite.h"

struct hybrid_options {
	enum fusion fusion;
	double alpha; /* NaN: not given */
	double rrf_k;
	int64_t depth;              /* 0: not given */
	char *filter, *filter_args; /* NULL: none */
	char *column;               /* the vector column; NULL: the first one */
	char *fields; /* JSON array of text columns with weights, "title^2"; NULL: all, equally */
};

/* Read options from a JSON object; NULL gives the defaults. On failure *error is a message; free it with
 * sqlite3_free. */
int hybrid_options_read(sqlite3 *db, sqlite3_value *json, struct hybrid_options *o, char **error);
void hybrid_options_free(struct hybrid_options *o);

/* Translate `fields` for an FTS5 table: *prefix is what precedes the query's text, "{title body} : (", and
 * *weights are the arguments of bm25, ", 2.0, 1.0". Both are freed with sqlite3_free. */
int hybrid_fields(
    sqlite3 *db, const char *fts, const char *fields, char **prefix, char **weights, char **error);

#endif
