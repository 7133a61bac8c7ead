/* Values of a column of T_rows in memory, indexed by the ids of an index, so that conditions on them are
 * tested without reading the database (sieve.h). A number takes four or eight bytes. A text takes two,
 * plus the text itself once for all equal values. A column with other values, or with too many different
 * texts, is not held in memory; its conditions are tested by SQL. */
#ifndef KITH_SQLITE_CELLS_H
#define KITH_SQLITE_CELLS_H

#include <stdint.h>

#include "schema.h"
#include "sqlite.h"

enum cells_kind {
	CELLS_I32,  /* int32_t; INT32_MIN stands for NULL */
	CELLS_I64,  /* int64_t; INT64_MIN stands for NULL */
	CELLS_F64,  /* double; NaN stands for NULL; may include integers that doubles represent exactly */
	CELLS_TEXT, /* uint16_t: the number of a text; 0 stands for NULL */
	CELLS_NONE  /* not held in memory */
};

enum { MAX_TEXTS = 65535 };

struct text {
	char *bytes;
	int length;
};

struct cells {
	int column; /* index into schema.columns */
	enum cells_kind kind;
	int takes_text; /* the column's type does not convert texts */
	int64_t n, room;
	int64_t numbers;    /* how many numbers were ever set; a column without any can become CELLS_TEXT */
	void *values;       /* [room] of the type that `kind` says; the first n are valid */
	struct text *texts; /* element i is text number i + 1 */
	int text_count, text_room;
	int64_t text_bytes;
	int *slots; /* a hash table of text numbers; 0: a free slot */
	int slot_count;
	struct cells *next;
};

struct cells *cells_new(int column, const struct column *c); /* NULL: out of memory */
void cells_free(struct cells *list);
struct cells *cells_find(struct cells *list, int column); /* NULL: not found */

/* Set the value of an id. Returns 0 if out of memory; the column becomes CELLS_NONE then. */
int cells_set(struct cells *c, int64_t id, sqlite3_value *value);

/* Extend the column to n ids; new values are NULL. Returns 0 if out of memory. */
int cells_extend(struct cells *c, int64_t n);

/* The number of a text; 0 if the column never had it. */
int cells_text(const struct cells *c, const char *bytes, int length);

/* The bytes of memory of a list of columns. */
int64_t cells_memory(const struct cells *list);

#endif
