/* filter = '<SQL expression>': any condition on the table's columns. */
#ifndef KITH_SQLITE_FILTER_H
#define KITH_SQLITE_FILTER_H

#include "query.h"

struct filter {
	const char *expression; /* NULL: there is no filter */
	int parameters;         /* the largest number of its parameters ?1, ?2, … */
	int reads_aux;          /* it refers to an auxiliary column */
};

/* Check that the query's filter is one expression of the table's columns and harmless functions, and
 * describe it in *f. */
int filter_check(struct table *t, const struct query *q, struct filter *f);

/* Bind the values of filter_args, a JSON array. */
int filter_bind(struct table *t, const struct query *q, const struct filter *f, sqlite3_stmt *s);

void validator_free(struct validator *v);

#endif
