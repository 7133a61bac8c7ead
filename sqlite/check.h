/* 'integrity-check'. */
#ifndef KITH_SQLITE_CHECK_H
#define KITH_SQLITE_CHECK_H

#include "table.h"

/* Compare all shadow tables with one another. SQLITE_CORRUPT_VTAB with a message on the first difference. */
int check_table(struct table *t);

#endif
