/* The parsed declaration of a table: its columns, in the order of the declaration. */
#ifndef KITH_SQLITE_SCHEMA_H
#define KITH_SQLITE_SCHEMA_H

#include <stdint.h>

#include <kith/library.h>

enum element { ELEMENT_F32, ELEMENT_F16, ELEMENT_I8, ELEMENT_U8 };

enum column_kind {
	COLUMN_KEY,       /* id TEXT PRIMARY KEY */
	COLUMN_VECTOR,    /* embedding FLOAT[384] */
	COLUMN_PARTITION, /* tenant TEXT PARTITION KEY */
	COLUMN_METADATA,  /* price REAL */
	COLUMN_ROWID,     /* id INTEGER PRIMARY KEY: another name of the rowid */
	COLUMN_AUXILIARY  /* +body TEXT: stored in T_aux, read only when it is requested */
};

struct column {
	char *name;
	char *declared; /* type, collation and NOT NULL in SQLite's syntax; "" for none */
	enum column_kind kind;
	int number;  /* position among the columns of its kind */
	int place;   /* position among the columns of its shadow table, T_rows or T_aux */
	int indexed; /* it was declared INDEXED */
	/* Of vector columns: */
	enum element element;
	kith_metric metric;
	int64_t dim;
	char *index; /* the factory string; NULL: no index */
};

struct schema {
	int n;
	struct column *columns;
	int count[COLUMN_AUXILIARY + 1]; /* of each kind */
};

/* Parse the arguments of USING kith(…). On failure the result is an SQLite code, and *error a message that
 * must be freed with sqlite3_free. `table` is the table's name, which no column may have. */
int schema_parse(struct schema *s, const char *table, int argc, const char *const *argv, char **error);
void schema_free(struct schema *s);

/* The hidden columns, which follow the declared ones in this order. */
enum hidden {
	HIDDEN_TABLE, /* has the table's name; for commands, and for MATCH on the first vector column */
	HIDDEN_K,
	HIDDEN_DISTANCE,
	HIDDEN_SIMILARITY,
	HIDDEN_RANK,
	HIDDEN_EF,
	HIDDEN_NPROBE,
	HIDDEN_RECALL,
	HIDDEN_FILTER,
	HIDDEN_FILTER_ARGS,
	HIDDEN_COUNT
};
extern const char *const hidden_names[HIDDEN_COUNT];

/* The column of a kind with a number; NULL if there is none. */
const struct column *schema_column(const struct schema *s, enum column_kind kind, int number);

/* The CREATE TABLE statement for sqlite3_declare_vtab; NULL: out of memory. Freed with sqlite3_free. */
char *schema_declaration(const struct schema *s, const char *table);

/* The bytes of one stored vector. */
int64_t column_width(const struct column *c);

const char *element_name(enum element element);

#endif
