/* The command 'integrity-check'. */
#ifndef KITH_SQLITE_CHECK_H
#define KITH_SQLITE_CHECK_H

#include "table.h"

/* Compare all shadow tables with one another. Returns SQLITE_CORRUPT_VTAB with a message about the first
 * difference. */
int check_table(struct table *t);

/* The part of check_table that is about indexes. */
int check_indexes(struct table *t);

/* Check that a statement returns the number `wanted`. `what` names what it counts. Frees the statement's
 * text. */
int check_number(struct table *t, char *sql, int64_t wanted, const char *what);

#endif
