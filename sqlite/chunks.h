/* Reading and writing vectors and rowids in their chunks. Functions return SQLite's codes and set the
 * table's message. */
#ifndef KITH_SQLITE_CHUNKS_H
#define KITH_SQLITE_CHUNKS_H

#include "table.h"

enum { CHUNK_IDS = -1 }; /* the rowids, in place of a vector column's number */

/* Read `count` items of one chunk, starting at a position. The blob stays open for the next call; it must
 * be closed before the statement ends and before a chunk is written by SQL. */
int chunk_read(struct table *t, struct chunk_blob *b, int column, int64_t position, int count, void *out);
void chunk_close(struct chunk_blob *b);

/* Write one item in place. */
int chunk_write(struct table *t, int column, int64_t position, const void *item);

/* Append a row with the vectors t->bytes to a part that has n rows. */
int chunk_append(struct table *t, int64_t part, int64_t n, int64_t rowid);

/* Remove the row at a position from a part that has n rows, and move the part's last row to its position,
 * also in T_rows. The caller removes the entry of the row itself from T_rows. */
int chunk_remove(struct table *t, int64_t position, int64_t n);

/* The bytes of one item. */
int64_t chunk_width(const struct table *t, int column);

#endif
