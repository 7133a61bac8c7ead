/* The conditions of a query as a statement about shadow tables. */
#ifndef KITH_SQLITE_CONDITIONS_H
#define KITH_SQLITE_CONDITIONS_H

#include "query.h"

/* Whether nothing but partition keys is asked about. */
int conditions_on_parts(const struct table *t, const struct plan *p, const struct query *q);

/* Whether rows are named, so that few can pass. */
int conditions_name_rows(const struct table *t, const struct plan *p);

/* Prepare the statement and bind its values. The query must outlive it. To be given back with
 * conditions_finish, of SELECT_ROWS with sqlite3_finalize.
 *
 *   part   only rows of it; −1: of all
 *   order  idxNum */
int conditions_prepare(struct table *t, const struct plan *p, struct query *q, enum selection what,
    int64_t part, int order, sqlite3_stmt **out);

/* The statement's result; it is kept for the next query. NULL is allowed. */
int conditions_finish(struct table *t, enum selection what, sqlite3_stmt *s);

#endif
