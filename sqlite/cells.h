/* Values of a column of T_rows in memory, by the ids of an index: conditions on them are tried without
 * asking the database (sieve.h). Numbers take four bytes or eight, texts two, each text itself once. A column
 * that holds anything else, or too many different texts, is not kept: SQL looks at it then. */
#ifndef KITH_SQLITE_CELLS_H
#define KITH_SQLITE_CELLS_H

#include <stdint.h>

#include "schema.h"
#include "sqlite.h"

enum cells_kind {
	CELLS_I32,  /* INT32_MIN: NULL */
	CELLS_I64,  /* INT64_MIN: NULL */
	CELLS_F64,  /* NaN: NULL; integers that doubles hold exactly are among them */
	CELLS_TEXT, /* uint16_t: the text's number, 0: NULL */
	CELLS_NONE  /* not kept */
};

enum { MAX_TEXTS = 65535 };

struct text {
	char *bytes;
	int length;
};

struct cells {
	int column; /* index into schema.columns */
	enum cells_kind kind;
	int takes_text; /* the column's type changes no text that it is compared with */
	int64_t n, room;
	int64_t numbers;    /* that were ever set: a column without any may become one of texts */
	void *values;       /* [room] */
	struct text *texts; /* text number i + 1 */
	int text_count, text_room;
	int64_t text_bytes;
	int *slots; /* a hash table of text numbers; 0: free */
	int slot_count;
	struct cells *next;
};

struct cells *cells_new(int column, const struct column *c); /* NULL: out of memory */
void cells_free(struct cells *list);
struct cells *cells_find(struct cells *list, int column); /* NULL: there is none */

/* Set a value. 0: out of memory, and the column is not kept any more. */
int cells_set(struct cells *c, int64_t id, sqlite3_value *value);

/* NULL for ids up to n that have not been set. 0: out of memory. */
int cells_extend(struct cells *c, int64_t n);

/* The number of a text, 0: no row has ever had it. */
int cells_text(const struct cells *c, const char *bytes, int length);

int64_t cells_memory(const struct cells *list);

#endif
