/* The conditions of a query as a statement about shadow tables. */
#ifndef KITH_SQLITE_CONDITIONS_H
#define KITH_SQLITE_CONDITIONS_H

#include "query.h"

/* What a statement is to give. */
enum selection {
	SELECT_POSITIONS, /* rowid, kith_pos of the rows that pass */
	SELECT_ROWS,      /* rowid, kith_pos, the columns of T_rows */
	SELECT_PARTS      /* part, n: only where conditions_on_parts says so */
};

/* Whether nothing but partition keys is asked about. */
int conditions_on_parts(const struct table *t, const struct plan *p, const struct query *q);

/* Prepare the statement and bind its values. `order` is idxNum. The query must outlive it. */
int conditions_prepare(struct table *t, const struct plan *p, struct query *q, sqlite3_value **argv,
    enum selection what, int order, sqlite3_stmt **out);

#endif
