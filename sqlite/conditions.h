/* Translating the conditions of a query to a statement about shadow tables. */
#ifndef KITH_SQLITE_CONDITIONS_H
#define KITH_SQLITE_CONDITIONS_H

#include "query.h"

/* Whether all conditions are on partition keys. */
int conditions_on_parts(const struct table *t, const struct plan *p, const struct query *q);

/* Whether conditions name single rows by rowid or key, so that few rows can pass. */
int conditions_name_rows(const struct table *t, const struct plan *p);

/* Prepare the statement and bind its values. The query must outlive it. End it with conditions_finish, or
 * with sqlite3_finalize for SELECT_ROWS.
 *
 *   part   only rows of this part; −1: rows of all parts
 *   order  ORDER_ROWID, ORDER_DESCENDING (idxNum) */
int conditions_prepare(struct table *t, const struct plan *p, struct query *q, enum selection what,
    int64_t part, int order, sqlite3_stmt **out);

/* Reset the statement, cache it for the next query, and return its result code. s may be NULL. */
int conditions_finish(struct table *t, enum selection what, sqlite3_stmt *s);

#endif
