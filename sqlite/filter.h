/* filter = '<SQL expression>': any condition over the table's columns. */
#ifndef KITH_SQLITE_FILTER_H
#define KITH_SQLITE_FILTER_H

#include "query.h"

struct filter {
	const char *expression; /* NULL: there is none */
	int parameters;         /* ?1 … of it */
	int reads_aux;
};

/* Make sure that the query's filter is one expression over the table's columns and harmless functions. */
int filter_check(struct table *t, const struct query *q, struct filter *f);

/* Bind the values of filter_args, a JSON array. */
int filter_bind(struct table *t, const struct query *q, const struct filter *f, sqlite3_stmt *s);

void validator_free(struct validator *v);

#endif
