/* Single rows of shadow tables. Functions return SQLite's codes and set the table's message. */
#ifndef KITH_SQLITE_ROWS_H
#define KITH_SQLITE_ROWS_H

#include "table.h"

/* Where a row is; *position −1: there is none. */
int row_position(struct table *t, int64_t rowid, int64_t *position);

/* The row with a value of the key column. */
int row_by_key(struct table *t, sqlite3_value *key, int *found, int64_t *rowid);

/* Remove a row with everything that belongs to it, if it is there. */
int row_remove(struct table *t, int64_t rowid);

/* The part with values [partition columns] and its rows; 0 rows and a number that is free where there is
 * none (*exists 0). */
int part_find(struct table *t, sqlite3_value **values, int64_t *part, int64_t *n, int *exists);
int part_insert(struct table *t, int64_t part, sqlite3_value **values);
/* Note that a row has changed, of a part that has n rows now; 0: the part is removed, −1: as before.
 * vector 0: only values of its columns have. */
int part_changed(struct table *t, int64_t part, int64_t n, int64_t rowid, int vector);
int part_size(struct table *t, int64_t part, int64_t *n);

#endif
