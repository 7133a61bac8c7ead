/* Vectors and rowids in their chunks. Functions return SQLite's codes and set the table's message. */
#ifndef KITH_SQLITE_CHUNKS_H
#define KITH_SQLITE_CHUNKS_H

#include "table.h"

enum { CHUNK_IDS = -1 }; /* in place of a vector column's number: the rowids */

/* Read `count` items from a position on, all of one chunk. The blob may stay open for the next call; it must
 * be closed before the statement ends and before a chunk is written by SQL. */
int chunk_read(struct table *t, struct chunk_blob *b, int column, int64_t position, int count, void *out);
void chunk_close(struct chunk_blob *b);

/* Write one item in place. */
int chunk_write(struct table *t, int column, int64_t position, const void *item);

/* Append a row of t->bytes to a part that has n rows. */
int chunk_append(struct table *t, int64_t part, int64_t n, int64_t rowid);

/* Take a row out of a part that has n rows: the last one moves to its place. T_rows is told of that; the
 * row's own entry is the caller's. */
int chunk_remove(struct table *t, int64_t position, int64_t n);

/* Bytes of one item. */
int64_t chunk_width(const struct table *t, int column);

#endif
