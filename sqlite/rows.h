/* Single rows and parts in the shadow tables. Functions return SQLite's codes and set the table's message. */
#ifndef KITH_SQLITE_ROWS_H
#define KITH_SQLITE_ROWS_H

#include "table.h"

/* The position of a row; −1 if there is no such row. */
int row_position(struct table *t, int64_t rowid, int64_t *position);

/* Find the row with a value of the key column. */
int row_by_key(struct table *t, sqlite3_value *key, int *found, int64_t *rowid);

/* Remove a row from all shadow tables, if it exists. */
int row_remove(struct table *t, int64_t rowid);

/* Find the part with the values [partition columns], and its number of rows. If there is none (*exists is
 * 0), *part is a free number and *n is 0. */
int part_find(struct table *t, sqlite3_value **values, int64_t *part, int64_t *n, int *exists);
int part_insert(struct table *t, int64_t part, sqlite3_value **values);
int part_size(struct table *t, int64_t part, int64_t *n);

/* Record that a row has changed, in a part that now has n rows. n = 0: the part is removed; −1: its number
 * of rows is unchanged. vector: whether the vector has changed, and not only values of other columns. */
int part_changed(struct table *t, int64_t part, int64_t n, int64_t rowid, int vector);

#endif
