/* 'integrity-check'. */
#ifndef KITH_SQLITE_CHECK_H
#define KITH_SQLITE_CHECK_H

#include "table.h"

/* Compare all shadow tables with one another. SQLITE_CORRUPT_VTAB with a message on the first difference. */
int check_table(struct table *t);

/* The part of it that is about indexes. */
int check_indexes(struct table *t);

/* A statement must give the number `wanted`; frees its text. */
int check_number(struct table *t, char *sql, int64_t wanted, const char *what);

#endif
