/* The conditions of a query as a statement about shadow tables. */
#ifndef KITH_SQLITE_CONDITIONS_H
#define KITH_SQLITE_CONDITIONS_H

#include "query.h"

/* What a statement is to give. */
enum selection {
	SELECT_POSITIONS, /* rowid, kith_pos of the rows that pass */
	SELECT_ROWS,      /* rowid, kith_pos, the columns of T_rows */
	SELECT_PARTS,     /* kith_part, kith_n, whether there is an index, of the parts whose rows may pass */
	SELECT_TEST       /* rowid, kith_pos of one row, if it passes; its rowid is the last parameter */
};

/* Whether nothing but partition keys is asked about. */
int conditions_on_parts(const struct table *t, const struct plan *p, const struct query *q);

/* Whether rows are named, so that few can pass. */
int conditions_name_rows(const struct table *t, const struct plan *p);

/* Prepare the statement and bind its values. The query must outlive it.
 *
 *   part   only rows of it; −1: of all
 *   order  idxNum */
int conditions_prepare(struct table *t, const struct plan *p, struct query *q, enum selection what,
    int64_t part, int order, sqlite3_stmt **out);

#endif
